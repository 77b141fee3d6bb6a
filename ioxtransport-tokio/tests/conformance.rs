//! The conformance suite.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::LazyLock;
use std::time::Duration;

use ioxconformance::{Awaited, Driver, Next, Running, StreamHandle, next_of};
use ioxtransport_tokio::{EventStream, Notification, Options};
use tokio::runtime::Runtime;

ioxconformance::conformance!(crate::OnTokio);

struct OnTokio;

/// Lives as long as the process, because a stream outlives the block in which it was started.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

struct Stream(EventStream);

impl Driver for OnTokio {
    fn start(&self, options: Options) -> Box<dyn Running> {
        let _inside = RUNTIME.enter();
        let stream = EventStream::start(options).unwrap();
        Box::new(Stream(stream))
    }

    fn start_with(
        &self,
        options: Options,
        listener: Box<dyn FnMut(&Notification) + Send>,
    ) -> Option<Box<dyn StreamHandle>> {
        let _inside = RUNTIME.enter();
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
