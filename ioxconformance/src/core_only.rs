//! A driver that uses only the core: no options, no handles, no calls, no TLS.

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use ioxdriver::Options;
use ioxproto::{Notification, StreamMachine};

use crate::{Driver, Next, Running, StreamHandle};

/// Receives a notification; returns whether the stream should continue.
pub type Deliver<'a> = &'a mut dyn FnMut(Notification) -> bool;

/// A driver under test that consists of one function. The function runs a machine to its end, and
/// stops it once the delivery returns `false`. Each stream runs on a thread of its own.
///
/// ```
/// use ioxconformance::CoreOnly;
///
/// static DRIVER: CoreOnly = CoreOnly::new(|machine, deliver| {
///     // Run the machine: see `ioxproto::driver`.
///     # let _ = (machine, deliver);
/// });
/// ```
#[derive(Clone, Copy)]
pub struct CoreOnly {
    run: fn(StreamMachine, Deliver<'_>),
}

impl CoreOnly {
    /// Wraps a function that runs a machine.
    #[must_use]
    pub const fn new(run: fn(StreamMachine, Deliver<'_>)) -> Self {
        Self { run }
    }
}

impl fmt::Debug for CoreOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoreOnly").finish_non_exhaustive()
    }
}

#[expect(clippy::panic, reason = "made for tests, which fail with a panic")]
impl Driver for CoreOnly {
    fn start(&self, options: Options) -> Box<dyn Running> {
        let machine = match options.machine() {
            Ok(machine) => machine,
            Err(error) => panic!("options of a scenario: {error}"),
        };
        let run = self.run;
        let (sender, notifications) = mpsc::channel();
        thread::spawn(move || {
            run(machine, &mut |notification| {
                sender.send(notification).is_ok()
            });
        });
        Box::new(Stream { notifications })
    }

    fn start_with(
        &self,
        _: Options,
        _: Box<dyn FnMut(&Notification) + Send>,
    ) -> Option<Box<dyn StreamHandle>> {
        None
    }
}

/// A running stream. Dropping it stops the stream at its next notification.
struct Stream {
    notifications: Receiver<Notification>,
}

#[expect(clippy::panic, reason = "made for tests, which fail with a panic")]
impl Running for Stream {
    fn next(&mut self, within: Duration) -> Next {
        match self.notifications.recv_timeout(within) {
            Ok(notification) => Next::Notification(notification),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    fn handle(&self) -> Box<dyn StreamHandle> {
        panic!("a driver that uses only the core has no handle");
    }
}
