//! Everything that time can heal is waited out, with its reason told.

use std::net::TcpListener;
use std::time::Duration;

use ioxsim::{Ending, Event, OnConnect, OnUpgrade, Server, ServerOptions, Times, Tls};
use ioxtransport_tokio::{EventStream, Notification, Status};

use crate::watched::{BOTH, Watched, builder, quick, seen, server, server_with};

#[tokio::test]
async fn a_port_that_refuses_is_tried_until_somebody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut watched = Watched::start(
        EventStream::builder(format!("http://{address}"))
            .local_account("admin", "admin")
            .timing(quick()),
    );
    let reason = watched.lost().await;
    assert_eq!(reason.code(), "connection_refused");
    assert!(
        reason.to_string().contains(&address.to_string()),
        "{reason}"
    );
    let options = ServerOptions {
        bind: address,
        ..ServerOptions::default()
    };
    let _server = Server::start(options).await.unwrap();
    watched.connected().await;
}

#[tokio::test]
async fn a_restart_on_the_same_port_is_survived() {
    for tls in BOTH {
        let identity = tls.then(|| Tls::self_signed().unwrap());
        let options = ServerOptions {
            tls: identity.clone(),
            ..ServerOptions::default()
        };
        let first = Server::start(options.clone()).await.unwrap();
        let again = ServerOptions {
            bind: first.address(),
            ..options
        };
        let mut watched = Watched::of(&first);
        watched.connected().await;
        first.kill().await;
        watched.lost().await;
        let second = Server::start(again).await.unwrap();
        watched.connected().await;
        second.control().emit(&Event::new("ST", "9").node("n1"));
        assert!(watched.event("ST", "9").await.live());
        assert!(watched.handle().stats().reconnects >= 1);
    }
}

#[tokio::test]
async fn each_way_to_lose_a_connection_is_named_and_healed() {
    for tls in BOTH {
        let server = server(tls).await;
        for (ending, codes) in [
            (Ending::Close(1001), vec!["closed_by_controller"]),
            (Ending::Fin, vec!["closed_by_controller"]),
            (Ending::MidFrame, vec!["closed_by_controller"]),
            (Ending::Reset, vec!["connection_reset"]),
        ] {
            let mut watched = Watched::of(&server);
            watched.connected().await;
            server.control().end(ending);
            let reason = watched.lost().await;
            assert!(codes.contains(&reason.code()), "{ending:?}: {reason:?}");
            watched.connected().await;
        }
    }
}

#[tokio::test]
async fn each_refusal_is_named_and_healed() {
    let server = server(false).await;
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
        (OnUpgrade::End(Ending::Fin), "closed_by_controller"),
        (
            OnUpgrade::AcceptThenEnd(Ending::Fin),
            "closed_by_controller",
        ),
    ] {
        server.control().on_upgrade(fault.clone(), Times::Next(1));
        let mut watched = Watched::of(&server);
        let reason = watched.lost().await;
        assert_eq!(reason.code(), code, "{fault:?}: {reason}");
        watched.connected().await;
    }
}

#[tokio::test]
async fn a_connection_closed_at_once_is_healed() {
    for fault in [OnConnect::Close, OnConnect::Reset] {
        for tls in BOTH {
            let server = server(tls).await;
            server.control().on_connect(fault, Times::Next(1));
            let mut watched = Watched::of(&server);
            watched.lost().await;
            watched.connected().await;
        }
    }
}

#[tokio::test]
async fn a_mute_socket_is_given_up_with_the_phase_named() {
    let mut timing = quick();
    timing.connect = Duration::from_millis(300);
    for (tls, phase) in [
        (false, "waiting for the answer to the upgrade"),
        (true, "in the TLS handshake"),
    ] {
        let server = server(tls).await;
        server.control().on_connect(OnConnect::Mute, Times::Next(1));
        let mut watched = Watched::start(builder(&server).timing(timing.clone()));
        let reason = watched.lost().await;
        assert_eq!(reason.code(), "timed_out");
        assert!(reason.to_string().contains(phase), "{reason}");
        server.control().accept_normally();
    }
}

#[tokio::test]
async fn a_frozen_controller_is_a_stall_by_its_unanswered_ping() {
    let mut timing = quick();
    timing.ping_after = Duration::from_millis(300);
    timing.pong_within = Duration::from_millis(500);
    for tls in BOTH {
        let server = server(tls).await;
        let mut watched = Watched::start(builder(&server).timing(timing.clone()));
        watched.connected().await;
        seen(&server.control(), "two pings", |seen| seen.pings >= 2).await;
        server.control().freeze();
        assert_eq!(watched.lost().await.code(), "stalled");
        server.control().thaw();
        watched.connected().await;
    }
}

#[tokio::test]
async fn a_heartbeat_that_fails_to_come_is_a_stall_even_if_pings_are_answered() {
    let mut timing = quick();
    timing.stall_default = Duration::from_millis(1000);
    timing.stall_grace = Duration::from_millis(200);
    timing.ping_after = Duration::from_millis(200);
    let server = server_with(false, |controller| controller.heartbeat_in_replay = false).await;
    server.control().heartbeats(false);
    let mut watched = Watched::start(builder(&server).timing(timing));
    watched.connected().await;
    assert_eq!(watched.lost().await.code(), "stalled");
    assert!(server.control().seen().pings >= 1);
}

#[tokio::test]
async fn a_controller_that_accepts_and_drops_is_asked_more_and_more_slowly() {
    let server = server(false).await;
    server
        .control()
        .on_upgrade(OnUpgrade::AcceptThenEnd(Ending::Fin), Times::Always);
    let mut timing = quick();
    timing.backoff = [1, 50, 400, 60_000].map(Duration::from_millis).to_vec();
    let mut watched = Watched::start(builder(&server).timing(timing));
    let mut waits = Vec::new();
    for _ in 0..4 {
        let change = watched.status(Status::LostConnection).await;
        waits.push(change.retry_in.unwrap().as_millis());
    }
    assert_eq!(waits, [1, 50, 400, 60_000]);
    assert_eq!(server.control().upgrades(), 4);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named_and_tried_again() {
    let mut watched = Watched::start(
        EventStream::builder("http://no-such-controller.invalid:80")
            .local_account("admin", "admin")
            .timing(quick()),
    );
    let reason = watched.lost().await;
    assert_eq!(reason.code(), "name_not_resolved");
    assert!(
        reason.to_string().contains("no-such-controller.invalid"),
        "{reason}"
    );
    watched.status(Status::Reconnecting).await;
}

#[tokio::test]
async fn a_gap_in_the_numbering_is_told_and_not_fatal() {
    let server = server(false).await;
    let mut watched = Watched::of(&server);
    watched.connected().await;
    server.control().shift_seqnum(2);
    server.control().emit(&Event::new("ST", "1").node("n1"));
    let gap = watched
        .until("a gap", |told| matches!(told, Notification::Gap(_)))
        .await;
    let Notification::Gap(gap) = gap else {
        panic!()
    };
    assert_eq!(gap.got, gap.expected + 2);
    watched.event("ST", "1").await;
    assert!(watched.handle().connected());
}
