//! The conformance suite.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use ioxconformance::{Driver, Next, Options, Running, StreamHandle, next_of};
use ioxtransport_async_std::{EventStream, Notification};

ioxconformance::conformance!(crate::OnAsyncStd);

struct OnAsyncStd;

struct Stream(EventStream);

impl Driver for OnAsyncStd {
    fn start(&self, options: Options) -> Box<dyn Running> {
        let stream = options.builder::<EventStream>().start().unwrap();
        Box::new(Stream(stream))
    }

    fn start_with(
        &self,
        options: Options,
        listener: Box<dyn FnMut(&Notification) + Send>,
    ) -> Option<Box<dyn StreamHandle>> {
        let builder = options.builder::<EventStream>();
        Some(Box::new(builder.start_with(listener).unwrap()))
    }
}

impl Running for Stream {
    fn next(&mut self, within: Duration) -> Next {
        next_of(self.0.next(), within)
    }

    fn handle(&self) -> Box<dyn StreamHandle> {
        Box::new(self.0.handle())
    }
}
