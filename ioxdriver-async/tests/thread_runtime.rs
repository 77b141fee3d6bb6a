//! Runs the example of a driver for another runtime against the simulated controller.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

#[expect(dead_code, reason = "`main` is not called")]
#[path = "../examples/thread_runtime.rs"]
mod thread_runtime;

use std::time::Duration;

use ioxconformance::{Awaited, Driver, Next, Running, StreamHandle, next_of};
use ioxdriver::Options;
use ioxproto::Notification;

use thread_runtime::EventStream;

/// Everything that a driver needs to run the conformance suite.
struct OnThreads;

struct Stream(EventStream);

impl Driver for OnThreads {
    fn start(&self, options: Options) -> Box<dyn Running> {
        Box::new(Stream(EventStream::start(options).unwrap()))
    }

    fn start_with(
        &self,
        options: Options,
        listener: Box<dyn FnMut(&Notification) + Send>,
    ) -> Option<Box<dyn StreamHandle>> {
        let handle = EventStream::start_with(options, listener).unwrap();
        Some(Box::new(Awaited::new(handle)))
    }
}

impl Running for Stream {
    fn next(&mut self, within: Duration) -> Next {
        next_of(self.0.next(), within)
    }

    fn handle(&self) -> Box<dyn StreamHandle> {
        Box::new(Awaited::new(self.0.handle()))
    }
}

// A part of the suite: `ioxconformance::conformance!(crate::OnThreads)` runs all of it.
ioxconformance::conformance!(crate::OnThreads, core only);
