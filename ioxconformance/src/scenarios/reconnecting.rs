//! The stream recovers from every failure that can pass, and reports its reason.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use ioxproto::{Notification, Status};
use ioxsim::{Ending, Event, OnConnect, OnUpgrade, ServerOptions, Times, Tls};

use crate::{Bench, Sim, Watched, options, quick};

pub fn a_refused_port_is_retried_until_a_server_listens(bench: &Bench) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut watched = bench.start(options(format!("http://{address}")));
    let reason = watched.lost();
    assert_eq!(reason.code(), "connection_refused");
    assert!(
        reason.to_string().contains(&address.to_string()),
        "{reason}"
    );
    let options = ServerOptions {
        bind: address,
        ..ServerOptions::default()
    };
    let _server = Sim::start(options);
    watched.connected();
}

pub fn a_restart_on_the_same_port_is_followed_by_a_reconnect(bench: &Bench) {
    let identity = bench.has_tls().then(|| Tls::self_signed().unwrap());
    let options = ServerOptions {
        tls: identity.clone(),
        ..ServerOptions::default()
    };
    let first = Sim::start(options.clone());
    let again = ServerOptions {
        bind: first.server().address(),
        ..options
    };
    let mut watched = bench.watch(&first);
    watched.connected();
    first.kill();
    watched.lost();
    let second = Sim::start(again);
    watched.connected();
    second.control().emit(&Event::new("ST", "9").node("n1"));
    assert!(watched.event("ST", "9").is_live());
    assert!(watched.handle().stats().reconnects >= 1);
}

pub fn each_kind_of_loss_is_reported_and_followed_by_a_reconnect(bench: &Bench) {
    let server = bench.server();
    for (ending, codes) in [
        (Ending::Close(1001), vec!["closed_by_controller"]),
        (Ending::Fin, vec!["closed_by_controller"]),
        (Ending::MidFrame, vec!["closed_by_controller"]),
        (Ending::Reset, vec!["connection_reset"]),
    ] {
        let mut watched = bench.watch(&server);
        watched.connected();
        server.control().end(ending);
        let reason = watched.lost();
        assert!(codes.contains(&reason.code()), "{ending:?}: {reason:?}");
        watched.connected();
    }
}

pub fn each_refusal_is_reported_and_retried(bench: &Bench) {
    let server = bench.server();
    for (fault, code) in [
        (OnUpgrade::refuse(500), "upgrade_refused"),
        (
            OnUpgrade::refuse_with(503, "Retry-After", "0"),
            "upgrade_refused",
        ),
        (
            OnUpgrade::refuse_with(302, "Location", "http://127.0.0.1:1/"),
            "upgrade_refused",
        ),
        (OnUpgrade::refuse(404), "upgrade_refused"),
        (OnUpgrade::refuse(200), "upgrade_refused"),
        (OnUpgrade::WrongAcceptKey, "not_a_controller"),
        (
            OnUpgrade::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            "not_a_controller",
        ),
        (
            OnUpgrade::Raw(b"\x00\x01garbage\r\n\r\n".to_vec()),
            "not_a_controller",
        ),
        (
            OnUpgrade::Raw(b"HTTP/1.1 101 Switch".to_vec()),
            "closed_by_controller",
        ),
        (OnUpgrade::End(Ending::Fin), "unanswered"),
        (
            OnUpgrade::AcceptThenEnd(Ending::Fin),
            "closed_by_controller",
        ),
    ] {
        server.control().on_upgrade(fault.clone(), Times::Next(1));
        let mut watched = bench.watch(&server);
        let reason = watched.lost();
        assert_eq!(reason.code(), code, "{fault:?}: {reason}");
        watched.connected();
    }
}

pub fn a_connection_closed_at_once_is_retried(bench: &Bench) {
    for fault in [OnConnect::Close, OnConnect::Reset] {
        let server = bench.server();
        server.control().on_connect(fault, Times::Next(1));
        let mut watched = bench.watch(&server);
        watched.lost();
        watched.connected();
    }
}

pub fn a_silent_server_times_out_and_the_phase_is_reported(bench: &Bench) {
    let mut timing = quick();
    timing.connect = Duration::from_millis(300);
    let phase = if bench.has_tls() {
        "in the TLS handshake"
    } else {
        "waiting for the answer to the upgrade"
    };
    let server = bench.server();
    server.on_connect(OnConnect::Mute, Times::Next(1));
    let mut watched = bench.start(bench.options(&server).timing(timing));
    let reason = watched.lost();
    assert_eq!(reason.code(), "timed_out");
    assert!(reason.to_string().contains(phase), "{reason}");
}

pub fn an_unanswered_upgrade_times_out(bench: &Bench) {
    let mut timing = quick();
    timing.connect = Duration::from_millis(500);
    let server = bench.server();
    server.on_upgrade(OnUpgrade::Mute, Times::Next(1));
    let mut watched = bench.start(bench.options(&server).timing(timing));
    let reason = watched.lost();
    assert_eq!(reason.code(), "timed_out");
    let phase = "waiting for the answer to the upgrade";
    assert!(reason.to_string().contains(phase), "{reason}");
    server.seen("the socket closed", |seen| {
        seen.connections == 1 && seen.open == 0 || seen.upgrades > 0
    });
}

pub fn a_frozen_controller_is_detected_by_its_unanswered_ping(bench: &Bench) {
    let mut timing = quick();
    timing.ping_after = Duration::from_millis(300);
    timing.pong_within = Duration::from_millis(500);
    let server = bench.server();
    let mut watched = bench.start(bench.options(&server).timing(timing.clone()));
    watched.connected();
    server.seen("two pings", |seen| seen.pings >= 2);
    server.control().freeze();
    assert_eq!(watched.lost().code(), "stalled");
    server.control().thaw();
    watched.connected();
}

pub fn a_missing_heartbeat_is_a_stall_even_if_pings_are_answered(bench: &Bench) {
    let mut timing = quick();
    timing.stall_default = Duration::from_millis(1000);
    timing.stall_grace = Duration::from_millis(200);
    timing.ping_after = Duration::from_millis(200);
    let server = bench.server_with(|controller| controller.heartbeat_in_replay = false);
    server.control().heartbeats(false);
    let mut watched = bench.start(bench.options(&server).timing(timing));
    watched.connected();
    assert_eq!(watched.lost().code(), "stalled");
    assert!(server.control().seen().pings >= 1);
}

pub fn a_controller_that_accepts_and_drops_is_retried_with_growing_backoff(bench: &Bench) {
    let server = bench.server();
    server
        .control()
        .on_upgrade(OnUpgrade::AcceptThenEnd(Ending::Fin), Times::Always);
    let mut timing = quick();
    timing.backoff = [1, 50, 400, 60_000].map(Duration::from_millis).to_vec();
    let expected = timing.backoff.clone();
    let mut watched = bench.start(bench.options(&server).timing(timing));
    assert_eq!(waits_of(&mut watched, 4), expected);
    assert_eq!(server.control().upgrades(), 4);
}

/// The waits after the next lost connections.
fn waits_of(watched: &mut Watched, losses: usize) -> Vec<Duration> {
    let mut loss = || watched.status(Status::LostConnection).retry_in.unwrap();
    (0..losses).map(|_| loss()).collect()
}

pub fn a_controller_that_drops_just_after_connected_is_retried_with_growing_backoff(bench: &Bench) {
    let server = bench.server();
    let mut timing = quick();
    timing.backoff = [1, 50, 400, 60_000].map(Duration::from_millis).to_vec();
    timing.proven_after = Duration::from_secs(30);
    let expected = timing.backoff.clone();
    let mut watched = bench.start(bench.options(&server).timing(timing));
    let mut waits = Vec::new();
    for _ in 0..4 {
        watched.connected();
        server.end(Ending::Close(1001));
        waits.extend(waits_of(&mut watched, 1));
    }
    assert_eq!(waits, expected);
    assert_eq!(server.upgrades(), 4);
}

pub fn a_controller_that_closes_every_connection_is_retried_with_growing_backoff(bench: &Bench) {
    for fault in [OnConnect::Close, OnConnect::Reset] {
        let server = bench.server();
        server.on_connect(fault, Times::Always);
        let mut timing = quick();
        timing.backoff = [1, 50, 400, 60_000].map(Duration::from_millis).to_vec();
        let expected = timing.backoff.clone();
        let mut watched = bench.start(bench.options(&server).timing(timing));
        assert_eq!(waits_of(&mut watched, 4), expected);
        // Without TLS, one more connection probes whether the port uses TLS. There is no probe if a
        // reset reaches the client before its request was sent.
        let probes = u64::from(!bench.has_tls());
        let connections = server.connections();
        let exact = matches!(fault, OnConnect::Close);
        assert!(
            connections == 4 + probes || (!exact && connections == 4),
            "{fault:?}: {connections}"
        );
    }
}

pub fn a_name_that_does_not_resolve_is_reported_and_retried(bench: &Bench) {
    let unknown = |_, _| async { Err(io::Error::new(io::ErrorKind::NotFound, "no such name")) };
    let mut watched = bench.start(options("http://controller.test:80").resolver(unknown));
    let reason = watched.lost();
    assert_eq!(reason.code(), "name_not_resolved");
    assert!(reason.to_string().contains("controller.test"), "{reason}");
    watched.status(Status::Reconnecting);
}

pub fn a_name_lookup_that_hangs_times_out_and_is_reported(bench: &Bench) {
    let mut timing = quick();
    timing.connect = Duration::from_millis(200);
    let options = options("http://controller.test:80").timing(timing);
    let mut watched = bench.start(options.resolver(|_, _| std::future::pending()));
    let reason = watched.lost();
    assert_eq!(reason.code(), "timed_out");
    assert!(reason.to_string().contains("name"), "{reason}");
    watched.status(Status::Reconnecting);
}

pub fn an_unreachable_address_does_not_block_the_next(bench: &Bench) {
    let server = bench.server();
    let good = server.server().address();
    // An address of the documentation range, which is not routed (RFC 3849), and a port on which
    // no server listens.
    let nowhere = format!("[2001:db8::1]:{}", good.port()).parse().unwrap();
    let refused = "127.0.0.1:1".parse().unwrap();
    let addresses = vec![nowhere, refused, good];
    let options = bench
        .options(&server)
        .resolver(move |_, _| std::future::ready(Ok(addresses.clone())));
    let mut watched = bench.start(options);
    watched.connected();
    assert_eq!(
        watched.statuses(),
        ["stream_initializing", "stream_syncing", "connected"]
    );
}

pub fn a_retry_after_is_honoured(bench: &Bench) {
    let server = bench.server();
    server.on_upgrade(
        OnUpgrade::refuse_with(503, "Retry-After", "7"),
        Times::Next(1),
    );
    let mut watched = bench.watch(&server);
    let change = watched.status(Status::LostConnection);
    assert_eq!(change.retry_in, Some(Duration::from_secs(7)));
    watched.stop();
}

pub fn a_redirect_is_not_followed(bench: &Bench) {
    let server = bench.server();
    let elsewhere = bench.server();
    let location = format!("{}/rest/subscribe", elsewhere.url());
    server.on_upgrade(
        OnUpgrade::refuse_with(302, "Location", location),
        Times::Next(1),
    );
    let mut watched = bench.watch(&server);
    assert_eq!(watched.lost().code(), "upgrade_refused");
    watched.connected();
    assert_eq!(elsewhere.connections(), 0);
}

pub fn a_controller_that_freezes_within_a_frame_is_a_stall(bench: &Bench) {
    let mut timing = quick();
    timing.stall_default = Duration::from_millis(700);
    timing.stall_grace = Duration::from_millis(100);
    let server = bench.server_with(|controller| controller.heartbeat_in_replay = false);
    server.heartbeats(false);
    server.hold_replay(5);
    let mut watched = bench.start(bench.options(&server).timing(timing));
    watched.until(
        "the held replay",
        |notification| matches!(notification, Notification::Event(event) if event.seqnum() == 4),
    );
    // A frame of 256 bytes, of which 20 arrive.
    server.send_raw(*b"\x81\x7e\x01\x00<?xml version=\"1.0\"");
    assert_eq!(watched.lost().code(), "stalled");
    assert!(!watched.statuses().contains(&"connected".to_owned()));
    server.release_replay();
    watched.connected();
}

pub fn pings_without_data_do_not_prevent_a_stall(bench: &Bench) {
    let mut timing = quick();
    timing.stall_default = Duration::from_millis(600);
    timing.stall_grace = Duration::from_millis(100);
    let server = bench.server_with(|controller| controller.heartbeat_in_replay = false);
    server.heartbeats(false);
    let mut watched = bench.start(bench.options(&server).timing(timing));
    watched.connected();
    for _ in 0..20 {
        server.send_raw(*b"\x89\x00");
    }
    assert_eq!(watched.lost().code(), "stalled");
}

pub fn invalid_heartbeat_intervals_are_ignored(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    for interval in ["0", "-5", "1000000000", "soon", "", "NaN", "1e400"] {
        server.heartbeat(interval);
    }
    server.emit(&Event::new("ST", "after").node("n1"));
    watched.event("ST", "after");
    assert!(watched.handle().is_connected());
}

pub fn repeated_and_foreign_sequence_numbers_are_tolerated(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    server.shift_seqnum(-1);
    server.emit(&Event::new("ST", "again").node("n1"));
    watched.event("ST", "again");
    server.send_text("<Event seqnum=\"4711\" sid=\"uuid:elsewhere\"><control>ST</control><action>odd</action><node>n1</node></Event>");
    watched.event("ST", "odd");
    server.emit(&Event::new("ST", "after").node("n1"));
    watched.event("ST", "after");
    let gaps = |notification: &&Notification| matches!(notification, Notification::Gap(_));
    assert_eq!(
        watched.notifications().iter().filter(gaps).count(),
        1,
        "the repeat alone"
    );
    assert!(watched.handle().is_connected());
}

pub fn frames_after_a_close_are_not_delivered(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let mut bytes = vec![0x88, 2, 0x03, 0xe9];
    let late = "<Event><control>ST</control><action>late</action><node>n1</node></Event>";
    bytes.extend([0x81, u8::try_from(late.len()).unwrap()]);
    bytes.extend(late.as_bytes());
    server.send_raw(bytes);
    let reason = watched.lost();
    assert_eq!(reason.code(), "closed_by_controller");
    watched.connected();
    assert!(
        watched
            .events()
            .iter()
            .all(|event| event.action() != "late")
    );
}

pub fn a_close_frame_is_reported_as_it_was_sent(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    let long = "x".repeat(130);
    for (code, text, remark) in [
        (Some(1000), "", false),
        (Some(3001), "bye", false),
        (Some(0), "zero", true),
        (Some(1005), "", true),
        (Some(1006), "gone", true),
        (Some(1015), "", true),
        (Some(2000), "", true),
        (Some(5000), "much", true),
        (Some(1001), &*long, false),
        (None, "", false),
    ] {
        watched.connected();
        let mut payload = Vec::new();
        match code {
            Some(code) => payload.extend(u16::to_be_bytes(code)),
            // Send only one of the two bytes of a code.
            None => payload.push(3),
        }
        payload.extend(text.as_bytes());
        let mut frame = vec![0x88];
        match u8::try_from(payload.len()) {
            Ok(length @ 0..126) => frame.push(length),
            _ => frame.extend([126, 0, u8::try_from(payload.len()).unwrap()]),
        }
        frame.extend(payload);
        server.send_raw(frame);
        let reason = watched.lost();
        assert_eq!(reason.code(), "closed_by_controller", "{code:?}: {reason}");
        assert_eq!(reason.close_code(), code);
        let kept = &text[..text.len().min(123)];
        let sentence = reason.to_string();
        assert!(sentence.contains(kept), "{sentence}");
        assert_eq!(
            sentence.contains("no close frame may have"),
            remark,
            "{sentence}"
        );
    }
}

pub fn a_connection_lost_during_the_replay_does_not_end_the_replay(bench: &Bench) {
    let server = bench.server();
    server.hold_replay(10);
    let mut watched = bench.watch(&server);
    let tenth = |notification: &Notification| matches!(notification, Notification::Event(event) if event.seqnum() == 9);
    watched.until("the held replay", tenth);
    server.end(Ending::Reset);
    assert!(matches!(
        watched.lost().code(),
        "connection_reset" | "closed_by_controller"
    ));
    server.release_replay();
    watched.connected();
    assert!(watched.events().iter().all(|event| !event.is_live()));
    assert_eq!(watched.handle().stats().live_events, 0);
}

pub fn a_gap_in_the_numbering_is_reported_and_not_fatal(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    server.control().shift_seqnum(2);
    server.control().emit(&Event::new("ST", "1").node("n1"));
    let gap = watched.until("a gap", |notification| {
        matches!(notification, Notification::Gap(_))
    });
    let Notification::Gap(gap) = gap else {
        panic!()
    };
    assert_eq!(gap.got, gap.expected + 2);
    watched.event("ST", "1");
    assert!(watched.handle().is_connected());
}
