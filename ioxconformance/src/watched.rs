//! A stream under test, what it has told so far, and patience.

use std::thread;
use std::time::Duration;

use ioxproto::{Event, Notification, Reason, Status, StatusChange};

use crate::{LIMIT, Next, Running, StreamHandle};

/// A stream and what it has told so far.
pub struct Watched {
    stream: Box<dyn Running>,
    told: Vec<Notification>,
}

#[expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "made for tests, which end by a panic"
)]
impl Watched {
    #[must_use]
    pub fn new(stream: Box<dyn Running>) -> Self {
        Self {
            stream,
            told: Vec::new(),
        }
    }

    #[must_use]
    pub fn handle(&self) -> Box<dyn StreamHandle> {
        self.stream.handle()
    }

    #[must_use]
    pub fn told(&self) -> &[Notification] {
        &self.told
    }

    /// Forgets what was told so far, so that a long test does not keep it.
    pub fn forget(&mut self) {
        self.told = Vec::new();
    }

    /// Takes notifications up to one that fits.
    pub fn until(
        &mut self,
        what: &str,
        mut fits: impl FnMut(&Notification) -> bool,
    ) -> Notification {
        loop {
            match self.stream.next(LIMIT) {
                Next::Told(told) => {
                    self.told.push(told.clone());
                    if fits(&told) {
                        return told;
                    }
                }
                Next::End => panic!("the end before {what}; told: {:#?}", self.statuses()),
                Next::Nothing => panic!("waited in vain for {what}; told: {:#?}", self.statuses()),
            }
        }
    }

    /// Takes what is told until this is done, which waits on another thread for something else to
    /// happen.
    pub fn meanwhile<T: Send>(&mut self, done: impl FnOnce() -> T + Send) -> T {
        const MOMENT: Duration = Duration::from_millis(20);
        thread::scope(|scope| {
            let done = scope.spawn(done);
            while !done.is_finished() {
                match self.stream.next(MOMENT) {
                    Next::Told(told) => self.told.push(told),
                    Next::Nothing => {}
                    Next::End => break,
                }
            }
            done.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    pub fn status(&mut self, status: Status) -> StatusChange {
        let fits = |told: &Notification| matches!(told, Notification::Status(change) if change.status == status);
        match self.until(status.as_str(), fits) {
            Notification::Status(change) => change,
            other => panic!("{other:?}"),
        }
    }

    pub fn connected(&mut self) {
        self.status(Status::Connected);
    }

    /// The reason of the next loss.
    pub fn lost(&mut self) -> Reason {
        match self.status(Status::LostConnection).reason {
            Some(reason) => reason,
            None => panic!("a loss without a reason"),
        }
    }

    pub fn event(&mut self, control: &str, action: &str) -> Event {
        let fits = |told: &Notification| matches!(told, Notification::Event(event) if event.control() == control && event.action() == action);
        match self.until(&format!("{control} {action}"), fits) {
            Notification::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    /// Stops, waits until it is done, and takes what is left.
    pub fn stop(&mut self) {
        self.handle().stop();
    }

    /// Takes what is left, to the end of the stream.
    pub fn end(&mut self) {
        loop {
            match self.stream.next(LIMIT) {
                Next::Told(told) => self.told.push(told),
                Next::End => return,
                Next::Nothing => panic!("the stream does not end"),
            }
        }
    }

    #[must_use]
    pub fn statuses(&self) -> Vec<String> {
        let status = |told: &Notification| match told {
            Notification::Status(change) => Some(change.status.to_string()),
            _ => None,
        };
        self.told.iter().filter_map(status).collect()
    }

    #[must_use]
    pub fn events(&self) -> Vec<&Event> {
        let mut events = Vec::new();
        for told in &self.told {
            if let Notification::Event(event) = told {
                events.push(event);
            }
        }
        events
    }
}
