//! The conformance suite.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::time::Duration;

use ioxconformance::{Awaited, Driver, Next, Running, StreamHandle, next_of};
use ioxtransport_smol::{EventStream, Notification, Options};

ioxconformance::conformance!(crate::OnSmol);

struct OnSmol;

struct Stream(EventStream);

impl Driver for OnSmol {
    fn start(&self, options: Options) -> Box<dyn Running> {
        let stream = EventStream::start(options).unwrap();
        Box::new(Stream(stream))
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
