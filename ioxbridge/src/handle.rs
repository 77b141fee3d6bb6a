//! The handle with which a program observes and controls a running bridge.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ioxproto::rest::Confirmation;
use tokio::sync::{Notify, oneshot};

use crate::machine::Refusal;
use crate::page::{Feed, Key};
use crate::{Broker, Controller, Stats};

/// A handle to a bridge. Clones refer to the same bridge. It is created before the bridge runs, and
/// is used with one bridge at a time.
#[derive(Clone, Debug, Default)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// The state that handles share with the bridge.
#[derive(Debug, Default)]
struct Shared {
    requests: Mutex<Requests>,
    stats: Mutex<Stats>,
    feed: Feed,
    wake: Notify,
}

/// The requests to the bridge that it has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) changes: Vec<Change>,
    pub(crate) commands: Vec<PageCommand>,
    pub(crate) stop: bool,
}

/// A command from the page.
#[derive(Debug)]
pub(crate) struct PageCommand {
    pub(crate) controller: String,
    pub(crate) key: Key,
    pub(crate) payload: String,
    pub(crate) answer: oneshot::Sender<PageAnswer>,
}

/// The outcome of a command from the page.
#[derive(Debug)]
pub(crate) enum PageAnswer {
    Refused(Refusal),
    /// The call failed, with the reason.
    Failed(String),
    Done(Confirmation),
}

/// A change to the controllers or the broker.
#[derive(Debug)]
pub(crate) enum Change {
    Add(Box<Controller>),
    Remove(String),
    Broker(Option<Box<Broker>>),
}

impl Handle {
    /// Creates a handle for a bridge that does not run yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the statistics of the bridge, at most 1 s old.
    #[must_use]
    pub fn stats(&self) -> Stats {
        lock(&self.shared.stats).clone()
    }

    /// Asks the bridge to stop. [`run`](crate::run()) then returns within 2 s.
    pub fn request_stop(&self) {
        lock(&self.shared.requests).stop = true;
        self.shared.wake.notify_one();
    }

    /// Adds a controller, or replaces the controller of the same name. The other controllers are
    /// not affected.
    pub fn add_controller(&self, controller: Controller) {
        self.change(Change::Add(Box::new(controller)));
    }

    /// Stops watching a controller. Its topics stay, and its availability becomes `offline`.
    pub fn remove_controller(&self, name: impl Into<String>) {
        self.change(Change::Remove(name.into()));
    }

    /// Switches to another broker, to the same broker with other credentials, or, with `None`, to
    /// no broker. The controllers are not affected.
    ///
    /// The bridge tries to connect to the new broker until it succeeds, and uses the old one until
    /// then. Unless [`Options::commands`](crate::Options::commands) was set, the default for the
    /// new broker decides whether commands are carried out.
    pub fn replace_broker(&self, broker: Option<Broker>) {
        self.change(Change::Broker(broker.map(Box::new)));
    }

    fn change(&self, change: Change) {
        lock(&self.shared.requests).changes.push(change);
        self.shared.wake.notify_one();
    }

    /// Sends a command from the page. If no bridge runs, there is no answer.
    pub(crate) fn command(
        &self,
        controller: &str,
        key: Key,
        payload: &str,
    ) -> oneshot::Receiver<PageAnswer> {
        let (answer, answered) = oneshot::channel();
        lock(&self.shared.requests).commands.push(PageCommand {
            controller: controller.to_owned(),
            key,
            payload: payload.to_owned(),
            answer,
        });
        self.shared.wake.notify_one();
        answered
    }

    /// The feed of the page.
    pub(crate) fn feed(&self) -> &Feed {
        &self.shared.feed
    }

    /// Wakes the loop of the bridge.
    pub(crate) fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Waits until there are new requests.
    pub(crate) async fn wait_for_requests(&self) {
        self.shared.wake.notified().await;
    }

    pub(crate) fn take_requests(&self) -> Requests {
        std::mem::take(&mut *lock(&self.shared.requests))
    }

    pub(crate) fn update_stats(&self, update: impl FnOnce(&mut Stats)) {
        update(&mut lock(&self.shared.stats));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
