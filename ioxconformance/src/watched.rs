//! A stream under test, with methods that wait for its notifications.

use std::thread;
use std::time::{Duration, Instant};

use ioxproto::{Event, Notification, Reason, Status, StatusChange};

use crate::{LIMIT, Next, Running, StreamHandle};

/// A stream and its notifications so far.
pub struct Watched {
    stream: Box<dyn Running>,
    notifications: Vec<Notification>,
}

#[expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "for tests, which fail by panicking"
)]
impl Watched {
    #[must_use]
    pub fn new(stream: Box<dyn Running>) -> Self {
        Self {
            stream,
            notifications: Vec::new(),
        }
    }

    #[must_use]
    pub fn handle(&self) -> Box<dyn StreamHandle> {
        self.stream.handle()
    }

    #[must_use]
    pub fn notifications(&self) -> &[Notification] {
        &self.notifications
    }

    /// Forgets the notifications so far, to save memory in a long test.
    pub fn forget(&mut self) {
        self.notifications = Vec::new();
    }

    /// Takes notifications up to the first one that fits. Fails if it does not arrive in time, even
    /// if others do.
    pub fn until(
        &mut self,
        what: &str,
        mut fits: impl FnMut(&Notification) -> bool,
    ) -> Notification {
        let deadline = Instant::now() + LIMIT * 3;
        loop {
            match self.stream.next(LIMIT) {
                Next::Notification(notification) => {
                    self.notifications.push(notification.clone());
                    if fits(&notification) {
                        return notification;
                    }
                    let is_late = Instant::now() > deadline;
                    assert!(!is_late, "never {what}; statuses: {:#?}", self.statuses());
                }
                Next::End => panic!("the end before {what}; statuses: {:#?}", self.statuses()),
                Next::Nothing => panic!("timed out on {what}; statuses: {:#?}", self.statuses()),
            }
        }
    }

    /// Takes notifications while `done` runs on another thread, and returns its result.
    pub fn meanwhile<T: Send>(&mut self, done: impl FnOnce() -> T + Send) -> T {
        const POLL_INTERVAL: Duration = Duration::from_millis(20);
        thread::scope(|scope| {
            let done = scope.spawn(done);
            while !done.is_finished() {
                match self.stream.next(POLL_INTERVAL) {
                    Next::Notification(notification) => self.notifications.push(notification),
                    Next::Nothing => {}
                    Next::End => break,
                }
            }
            done.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    pub fn status(&mut self, status: Status) -> StatusChange {
        let fits = |notification: &Notification| matches!(notification, Notification::Status(change) if change.status == status);
        match self.until(status.as_str(), fits) {
            Notification::Status(change) => change,
            other => panic!("{other:?}"),
        }
    }

    pub fn connected(&mut self) {
        self.status(Status::Connected);
    }

    /// Waits until the connection is lost, and returns the reason.
    pub fn lost(&mut self) -> Reason {
        match self.status(Status::LostConnection).reason {
            Some(reason) => reason,
            None => panic!("a lost connection without a reason"),
        }
    }

    pub fn event(&mut self, control: &str, action: &str) -> Event {
        let fits = |notification: &Notification| matches!(notification, Notification::Event(event) if event.control() == control && event.action() == action);
        match self.until(&format!("{control} {action}"), fits) {
            Notification::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    /// Stops the stream and waits until it has ended.
    pub fn stop(&mut self) {
        self.handle().stop();
    }

    /// Takes the remaining notifications until the stream ends.
    pub fn end(&mut self) {
        loop {
            match self.stream.next(LIMIT) {
                Next::Notification(notification) => self.notifications.push(notification),
                Next::End => return,
                Next::Nothing => panic!("the stream does not end"),
            }
        }
    }

    #[must_use]
    pub fn statuses(&self) -> Vec<String> {
        let status = |notification: &Notification| match notification {
            Notification::Status(change) => Some(change.status.to_string()),
            _ => None,
        };
        self.notifications.iter().filter_map(status).collect()
    }

    #[must_use]
    pub fn events(&self) -> Vec<&Event> {
        let mut events = Vec::new();
        for notification in &self.notifications {
            if let Notification::Event(event) = notification {
                events.push(event);
            }
        }
        events
    }
}
