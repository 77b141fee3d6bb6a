//! Features for applications that embed a stream: restarts, replaced accounts and pins, custom
//! resolvers and connectors, callbacks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use ioxdriver::{EndError, Trust};
use ioxproto::{Account, ConfigError, Notification, Status};
use ioxsim::Event;

use crate::{Bench, LIMIT};

pub fn a_stopped_stream_starts_again_and_keeps_delivering_notifications(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let handle = watched.handle();
    for round in 1..=3 {
        handle.stop();
        assert_eq!(handle.outcome(), Some(Ok(())));
        watched.end();
        handle.start();
        assert_eq!(handle.outcome(), None);
        watched.connected();
        let action = round.to_string();
        server.emit(&Event::new("ST", &action).node("n1"));
        assert!(watched.event("ST", &action).is_live());
    }
    server.seen("one socket", |seen| seen.open == 1);
}

pub fn a_start_during_a_stop_takes_effect_after_it(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.watch(&server);
    watched.connected();
    let handle = watched.handle();
    // No effect: the stream is already running.
    handle.start();
    handle.request_stop();
    handle.start();
    watched.status(Status::Disconnected);
    let connected = handle.wait_until(&|handle| handle.is_connected(), LIMIT);
    assert_eq!(connected, Ok(()), "after the second start");
    assert_eq!(server.upgrades(), 2);
}

pub fn refused_credentials_can_be_replaced_and_the_stream_restarted(bench: &Bench) {
    let server = bench.server();
    let options = bench.options(&server).local_account("admin", "wrong");
    let mut watched = bench.start(options);
    watched.status(Status::ReconnectFailed);
    watched.end();
    let handle = watched.handle();
    let outcome = handle.outcome();
    let Some(Err(EndError::Failed(reason))) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(reason.code(), "credentials_refused");
    assert_eq!(
        handle.replace_account(Account::local("a:b", "x")),
        Err(ConfigError::Username)
    );
    assert_eq!(
        handle.replace_account(Account::local("admin", "admin")),
        Ok(())
    );
    handle.start();
    watched.connected();
}

pub fn a_refused_pin_can_be_replaced_and_the_stream_restarted(bench: &Bench) {
    let server = bench.server();
    let pin = |text: &str| Trust::Pins(vec![text.parse().unwrap()]);
    let wrong = pin(&format!("sha256:{}", "ab".repeat(32)));
    let mut watched = bench.start(bench.options(&server).trust(wrong));
    watched.status(Status::ReconnectFailed);
    watched.end();
    let handle = watched.handle();
    handle.replace_trust(pin(&server.server().fingerprint().unwrap()));
    handle.start();
    watched.connected();
}

pub fn the_callers_resolver_is_used(bench: &Bench) {
    let server = bench.server();
    let address = server.server().address();
    let lookups = Arc::new(AtomicUsize::new(0));
    let lookups_in_resolver = Arc::clone(&lookups);
    let options = bench.options(&server).resolver(move |_, port| {
        assert_eq!(port, address.port());
        lookups_in_resolver.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(vec![address]))
    });
    bench.start(options).connected();
    assert_eq!(lookups.load(Ordering::Relaxed), 1);
}

#[cfg(unix)]
pub fn the_callers_connector_connects_through_a_unix_socket(bench: &Bench) {
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;

    let server = bench.server();
    let address = server.server().address();
    let options = bench.options(&server).connector(move |_| async move {
        let (near, far) = UnixStream::pair()?;
        let controller = TcpStream::connect(address)?;
        let (mut from, mut to) = (far.try_clone()?, controller.try_clone()?);
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
        let (mut from, mut to) = (controller, far);
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
        Ok(near.into())
    });
    let mut watched = bench.start(options);
    let mut is_unsupported = false;
    watched.until("connected, or unsupported", |notification| {
        let Notification::Status(change) = notification else {
            return false;
        };
        let unsupported = std::io::ErrorKind::Unsupported.to_string();
        let reason = change.reason.as_ref().map(ToString::to_string);
        is_unsupported = reason.is_some_and(|reason| reason.contains(&unsupported));
        is_unsupported || change.status == Status::Connected
    });
    if is_unsupported {
        println!("SKIPPED  this driver does not support Unix sockets");
        return;
    }
    server.emit(&Event::new("ST", "5").node("n1"));
    assert!(watched.event("ST", "5").is_live());
    watched.stop();
    server.seen("the socket closed", |seen| seen.open == 0);
}

pub fn a_connector_error_is_reported_as_a_loss_with_its_message(bench: &Bench) {
    let server = bench.server();
    let options = bench
        .options(&server)
        .connector(|_| async { Err(std::io::Error::other("the tunnel is down")) });
    let mut watched = bench.start(options);
    let reason = watched.lost().to_string();
    assert!(reason.contains("the tunnel is down"), "{reason}");
    watched.status(Status::Reconnecting);
}

pub fn callbacks_are_called_in_order_and_end_with_the_handle(bench: &Bench) {
    let server = bench.server();
    let (sender, notifications) = mpsc::channel();
    let handle = bench.start_with(
        bench.options(&server),
        move |notification: &Notification| {
            let _ = sender.send(notification.clone());
        },
    );
    // A driver without a callback mode has nothing to test.
    let Some(handle) = handle else { return };
    let connected = handle.wait_until(&|handle| handle.is_connected(), LIMIT);
    assert_eq!(connected, Ok(()));
    server.emit(&Event::new("ST", "6").node("n1"));
    let mut statuses = Vec::new();
    let mut events = 0;
    loop {
        match notifications.recv_timeout(LIMIT).unwrap() {
            Notification::Status(change) => statuses.push(change.status.to_string()),
            Notification::Event(event) if event.is_live() => {
                assert_eq!((event.node(), event.action()), ("n1", "6"));
                break;
            }
            Notification::Event(_) => events += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        statuses,
        ["stream_initializing", "stream_syncing", "connected"]
    );
    // The replay has at least one event for each of the 12 nodes.
    assert!(events >= 12);
    drop(handle);
    server.seen("the close frame", |seen| {
        seen.closes == [Some(1000)] && seen.open == 0
    });
    // The listener is dropped with the driver, so the channel ends.
    let last = notifications.iter().last();
    assert!(
        matches!(last, Some(Notification::Status(change)) if change.status == Status::Disconnected)
    );
}
