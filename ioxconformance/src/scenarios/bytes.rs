//! All bytes that a controller sends reach the core, or end the connection with a reason.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use ioxproto::Notification;
use ioxsim::{Event, Observation};

use crate::{Bench, Handle, Watched, quick};

fn event(action: &str) -> String {
    format!(
        "<Event seqnum=\"x\" sid=\"uuid:x\"><control>ST</control><action>{action}</action><node>n1</node></Event>"
    )
}

pub fn invalid_utf_8_in_the_replay_is_delivered_without_a_reconnect(bench: &Bench) {
    let server = bench.server();
    let mut bytes = event("BAD").into_bytes();
    let at = bytes
        .windows(3)
        .position(|window| window == b"BAD")
        .unwrap();
    bytes[at..at + 3].copy_from_slice(b"\xff\xc3\x28");
    server.control().add_to_replay(bytes);
    let mut watched = bench.watch(&server);
    watched.connected();
    let broken = watched
        .events()
        .into_iter()
        .find(|event| event.action().contains('\u{fffd}'));
    assert_eq!(
        broken.map(|event| event.action().to_owned()),
        Some("\u{fffd}\u{fffd}(".to_owned())
    );
    assert_eq!(watched.handle().stats().invalid_utf8, 1);
    assert_eq!(server.control().upgrades(), 1);
}

pub fn fragments_with_a_ping_between_are_one_message(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    server.control().send_fragmented(&event("in pieces"));
    assert!(watched.event("ST", "in pieces").is_live());
}

pub fn a_message_that_arrives_byte_by_byte_is_one_message(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    server
        .control()
        .send_slowly(&event("slowly"), Duration::from_millis(1));
    assert!(watched.event("ST", "slowly").is_live());
}

pub fn a_replayed_message_that_trickles_in_is_still_replay(bench: &Bench) {
    let server = bench.server();
    server.control().hold_replay(10);
    let mut watched = bench.watch(&server);
    watched.until(
        "the held replay",
        |notification| matches!(notification, Notification::Event(event) if event.seqnum() == 9),
    );
    // This takes longer than the silence that ends a drain.
    server
        .control()
        .send_slowly(&event("late"), Duration::from_millis(8));
    assert!(!watched.event("ST", "late").is_live());
    server.control().release_replay();
    watched.connected();
    assert!(watched.events().iter().all(|event| !event.is_live()));
}

pub fn a_replayed_message_in_half_a_tls_record_is_still_replay(bench: &Bench) {
    let server = bench.server();
    server.hold_replay(10);
    let relay = Relay::start(server.server().address());
    let through = relay.address;
    let mut watched = bench.start(
        bench
            .options(&server)
            .connector(move |_| async move { Ok(TcpStream::connect(through)?.into()) }),
    );
    watched.until(
        "the held replay",
        |notification| matches!(notification, Notification::Event(event) if event.seqnum() == 9),
    );
    relay.cut_at.store(20, Ordering::Release);
    server.send_text(event("late"));
    // Waits for several times the silence that ends a drain.
    let connected = watched
        .handle()
        .wait_until(&Handle::is_connected, quick().drain_quiet * 4);
    assert!(connected.is_err(), "connected in the middle of a record");
    relay.go_on.send(()).unwrap();
    assert!(!watched.event("ST", "late").is_live());
    server.release_replay();
    watched.connected();
    assert!(watched.events().iter().all(|event| !event.is_live()));
}

/// Forwards what a controller sends, and can pause in the middle of it.
struct Relay {
    address: SocketAddr,
    /// Pauses once, after this many of the next bytes; 0 for no pause.
    cut_at: Arc<AtomicUsize>,
    go_on: Sender<()>,
}

impl Relay {
    fn start(controller: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let cut_at = Arc::new(AtomicUsize::new(0));
        let (go_on, going_on) = channel::<()>();
        let cut = Arc::clone(&cut_at);
        thread::spawn(move || {
            let (mut near, _) = listener.accept()?;
            let mut far = TcpStream::connect(controller)?;
            let (mut from, mut to) = (near.try_clone()?, far.try_clone()?);
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            let mut buffer = [0; 16 * 1024];
            loop {
                let length = far.read(&mut buffer)?;
                if length == 0 {
                    return near.shutdown(Shutdown::Both);
                }
                let at = cut.swap(0, Ordering::AcqRel).min(length);
                near.write_all(&buffer[..at])?;
                if at > 0 {
                    let _ = going_on.recv();
                }
                near.write_all(&buffer[at..length])?;
            }
        });
        Self {
            address,
            cut_at,
            go_on,
        }
    }
}

pub fn binary_messages_are_ignored(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    server.control().send_binary(event("binary").as_bytes());
    server.control().send_text(event("text"));
    watched.event("ST", "text");
    assert!(
        watched
            .events()
            .iter()
            .all(|event| event.action() != "binary")
    );
}

pub fn an_oversized_message_ends_the_connection_with_the_reason(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.start(bench.options(&server).max_message_bytes(100_000));
    watched.connected();
    server.control().send_text("x".repeat(100_001));
    assert_eq!(watched.lost().code(), "message_too_large");
    watched.connected();
}

pub fn a_message_of_256_mib_is_refused_before_most_of_it_is_read(bench: &Bench) {
    const LENGTH: u64 = 256 * 1024 * 1024;
    // The kernel's buffers at both ends take some of what the client does not read, but less.
    const MAX_SENT: u64 = LENGTH / 8;
    let server = bench.server();
    let mut watched = bench.watch(&server);
    let refused = |watched: &mut Watched| {
        let reason = watched.lost();
        assert_eq!(reason.code(), "message_too_large");
        server.seen("the socket closed", |seen| {
            seen.open == 0 || seen.upgrades > 1
        });
        watched.connected();
    };
    watched.connected();
    // The longest message allowed, in fragments: it is read, but is not a controller's frame.
    server.send_long(1024 * 1024, 70_000);
    watched.until("the longest message", |notification| {
        matches!(
            notification,
            Notification::Malformed(_) | Notification::Ignored(_)
        )
    });
    assert_eq!(watched.handle().stats().attempts, 1);
    // A header that announces a longer message is enough; no payload follows.
    server.send_raw([&b"\x81\x7f"[..], &LENGTH.to_be_bytes()].concat());
    refused(&mut watched);
    for fragment in [LENGTH, 64 * 1024, 125] {
        let before = server.seen("a subscriber", |seen| seen.subscribers == 1);
        server.send_long(LENGTH, fragment);
        refused(&mut watched);
        let all = |seen: &Observation| seen.sent.values().map(|sent| sent.bytes).sum::<u64>();
        let sent = all(&server.control().seen()) - all(&before);
        assert!(sent < MAX_SENT, "{sent} bytes in fragments of {fragment}");
    }
}

pub fn invalid_websocket_frames_end_the_connection_with_the_reason(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    server.control().send_raw(vec![0xff, 0xff, 0x00]);
    assert_eq!(watched.lost().code(), "protocol_violation");
    watched.connected();
}

pub fn endless_empty_fragments_end_the_connection_with_the_reason(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let mut fragments = vec![0x01, 0x00];
    fragments.extend([0x00, 0x00].repeat(70_000));
    server.send_raw(fragments);
    assert_eq!(watched.lost().code(), "protocol_violation");
    watched.connected();
}

pub fn a_malformed_frame_is_counted_and_the_stream_stays_up(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    for text in [
        "<Event",
        "{\"type\":",
        "hello",
        "null",
        "<SubscriptionResponse/>",
        "",
        "<Event a='1' a='2'/>",
    ] {
        server.control().send_text(text);
    }
    server.control().emit(&Event::new("ST", "after").node("n1"));
    watched.event("ST", "after");
    let stats = watched.handle().stats();
    assert_eq!((stats.malformed, stats.ignored), (4, 3));
    assert!(watched.handle().is_connected());
}

pub fn a_large_message_does_not_affect_later_messages(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    for round in 0..3 {
        let large = format!("{round}{}", "x".repeat(400_000));
        server.send_text(event(&large));
        watched.event("ST", &large);
        // Two short messages, each sent after the previous one was received.
        for action in [format!("{round} first"), format!("{round} second")] {
            server.send_text(event(&action));
            watched.event("ST", &action);
        }
    }
    assert_eq!(server.upgrades(), 1);
}
