//! Runs the conformance suite twice: on the thread that waits, and on a thread in the background.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::time::Duration;

use ioxconformance::{Driver, Next, Running, StreamHandle};
use ioxtransport_blocking::{EventStream, Notification, Options, TimedOut};

/// `tests/sockets` covers the scenarios that need a separate consumer, with a thread that consumes.
mod by_whoever_waits {
    ioxconformance::conformance!(crate::ByWhoeverWaits, driven by the consumer);
}

mod in_background {
    ioxconformance::conformance!(crate::InBackground);
}

struct ByWhoeverWaits;

struct InBackground;

struct Stream(EventStream);

impl Driver for ByWhoeverWaits {
    fn start(&self, options: Options) -> Box<dyn Running> {
        Box::new(Stream(EventStream::start(options).unwrap()))
    }

    fn start_with(
        &self,
        _: Options,
        _: Box<dyn FnMut(&Notification) + Send>,
    ) -> Option<Box<dyn StreamHandle>> {
        // `InBackground` covers callbacks.
        None
    }
}

impl Driver for InBackground {
    fn start(&self, options: Options) -> Box<dyn Running> {
        let stream = EventStream::start(options).unwrap();
        Box::new(Stream(stream.in_background().unwrap()))
    }

    fn start_with(
        &self,
        options: Options,
        listener: Box<dyn FnMut(&Notification) + Send>,
    ) -> Option<Box<dyn StreamHandle>> {
        Some(Box::new(
            EventStream::start_with(options, listener).unwrap(),
        ))
    }
}

impl Running for Stream {
    fn next(&mut self, within: Duration) -> Next {
        match self.0.next_timeout(within) {
            Ok(Some(notification)) => Next::Notification(notification),
            Ok(None) => Next::End,
            Err(TimedOut) => Next::Nothing,
        }
    }

    fn handle(&self) -> Box<dyn StreamHandle> {
        Box::new(self.0.handle())
    }
}
