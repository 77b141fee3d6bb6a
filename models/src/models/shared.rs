//! What handles and the driver share: commands, the outcome, and the restart from rest.

use std::future::poll_fn;
use std::sync::Arc;

use ioxproto::rest::{self, CallError};
use ioxproto::{Config, Secret};
use shuttle::future::block_on;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;

use crate::driver::shared::{CallCommand, Command};
use crate::driver::{Async, Blocking, Handle, Shared, convert_handle};

fn shared() -> (Arc<Shared>, Handle<Async>) {
    let config = Config::new("http://127.0.0.1").local_account("admin", "x");
    let shared = Arc::new(Shared::new(config, None));
    let handle = Handle::new(Arc::clone(&shared));
    (shared, handle)
}

/// Waits for a command as a driver does: checks without waiting first.
fn command(shared: &Shared) -> Command {
    shared
        .command()
        .unwrap_or_else(|| block_on(poll_fn(|context| shared.poll_command(context))))
}

/// Runs the driver from a start until a stop ends it. Returns whether the driver must begin again
/// at once. Counts each start from rest in `started`.
fn session(shared: &Shared, started: &Arc<AtomicUsize>) -> bool {
    let _ = shared.begin();
    assert!(matches!(command(shared), Command::Stop));
    let started = Arc::clone(started);
    let relaunch = move || {
        started.fetch_add(1, Ordering::SeqCst);
    };
    shared.rest(|| Box::new(relaunch))
}

pub fn a_stop_from_another_thread_is_seen_exactly_once() {
    let (shared, handle) = shared();
    let driver = Arc::clone(&shared);
    let driver = thread::spawn(move || {
        assert!(matches!(command(&driver), Command::Stop));
        assert!(driver.command().is_none(), "seen twice");
    });
    let stopping = thread::spawn(move || {
        handle.request_stop();
        handle
    });
    driver.join().unwrap();
    let handle = stopping.join().unwrap();
    assert!(shared.command().is_none(), "seen twice");
    drop(handle);
}

pub fn a_busy_driver_that_never_waits_sees_a_stop() {
    let (shared, handle) = shared();
    let driver = Arc::clone(&shared);
    let driver = thread::spawn(move || {
        // A driver that always has something to read never waits for a command.
        while !matches!(driver.command(), Some(Command::Stop)) {
            thread::yield_now();
        }
    });
    // If the second command arrives while a check finds nothing, the next check must find it.
    handle.provide_token(None);
    handle.request_stop();
    driver.join().unwrap();
}

pub fn a_stop_and_a_token_at_once_are_both_seen() {
    let (shared, handle) = shared();
    let other = handle.clone();
    let threads = [
        thread::spawn(move || {
            handle.request_stop();
            handle
        }),
        thread::spawn(move || {
            other.provide_token(Some(Secret::from("token")));
            other
        }),
    ];
    let seen = [command(&shared), command(&shared)];
    let stops = seen.iter().filter(|seen| matches!(seen, Command::Stop));
    assert_eq!(stops.count(), 1, "{seen:?}");
    for handle in threads {
        drop(handle.join().unwrap());
    }
}

pub fn the_outcome_is_set_once_and_seen_by_all_waiters() {
    let (shared, handle) = shared();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let handle: Handle<Blocking> = convert_handle(&handle);
            thread::spawn(move || {
                handle.stop();
                let outcome = handle.outcome();
                assert!(outcome.is_some(), "the stop returned without an outcome");
                (outcome, handle)
            })
        })
        .collect();
    let driver = Arc::clone(&shared);
    let driver = thread::spawn(move || {
        session(&driver, &Arc::default());
        // The end of a driver's task always does this.
        driver.gone();
    });
    for thread in waiting {
        let (outcome, _handle) = thread.join().unwrap();
        assert_eq!(outcome, Some(Ok(())));
    }
    driver.join().unwrap();
    assert_eq!(handle.outcome(), Some(Ok(())), "the outcome has changed");
}

pub fn a_driver_that_is_gone_ends_all_waits() {
    let (shared, handle) = shared();
    let waiting = handle.clone();
    let waiting = thread::spawn(move || block_on(waiting.stop()));
    let driver = thread::spawn(move || shared.gone());
    waiting.join().unwrap();
    driver.join().unwrap();
    assert!(matches!(handle.outcome(), Some(Err(_))));
}

pub fn dropping_the_last_handle_ends_the_driver_and_drops_the_relaunch() {
    let (shared, handle) = shared();
    let started = Arc::new(AtomicUsize::new(0));
    let (driver, counter) = (Arc::clone(&shared), Arc::clone(&started));
    let driver = thread::spawn(move || session(&driver, &counter));
    let other = handle.clone();
    let other = thread::spawn(move || drop(other));
    drop(handle);
    other.join().unwrap();
    assert!(!driver.join().unwrap(), "no handle is left to start it");
    // The relaunch closure holds the other reference, and must be dropped: nobody can call it.
    assert_eq!(Arc::strong_count(&started), 1, "the relaunch was kept");
    assert_eq!(started.load(Ordering::SeqCst), 0);
}

pub fn a_start_while_the_driver_comes_to_rest_is_carried_out_once() {
    let (shared, handle) = shared();
    let started = Arc::new(AtomicUsize::new(0));
    let (driver, counter) = (Arc::clone(&shared), Arc::clone(&started));
    let driver = thread::spawn(move || session(&driver, &counter));
    handle.request_stop();
    handle.start();
    let again = usize::from(driver.join().unwrap());
    let relaunched = started.load(Ordering::SeqCst);
    assert_eq!(
        again + relaunched,
        1,
        "{again} at once, {relaunched} from rest"
    );
}

/// Carries out commands until a stop. Calls end at once.
fn carry_out(shared: &Shared) {
    let _ = shared.begin();
    loop {
        match command(shared) {
            Command::Stop => return,
            Command::Call(CallCommand::Make(_, slot)) => slot.fill(Err(CallError::driver_gone())),
            Command::Call(CallCommand::Cancel(_)) | Command::Token(_) => {}
        }
    }
}

/// Two threads make a call while a third requests a stop. `end` ends the driver: at rest, or gone.
fn calls_beside_a_stop(end: fn(&Shared)) {
    let (shared, handle) = shared();
    let driver = Arc::clone(&shared);
    let driver = thread::spawn(move || {
        carry_out(&driver);
        end(&driver);
    });
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let handle = handle.clone();
            thread::spawn(move || block_on(handle.submit(rest::status())))
        })
        .collect();
    handle.request_stop();
    for caller in callers {
        assert!(caller.join().unwrap().is_err(), "there is no controller");
    }
    driver.join().unwrap();
}

pub fn every_call_is_over_once_the_driver_rests() {
    calls_beside_a_stop(|shared| {
        shared.rest(|| Box::new(|| {}));
    });
}

pub fn every_call_is_over_once_the_driver_is_gone() {
    calls_beside_a_stop(Shared::gone);
}
