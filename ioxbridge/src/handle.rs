//! What a program knows of a running bridge and can ask of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ioxproto::rest::Confirmation;
use tokio::sync::{Notify, oneshot};

use crate::machine::Refusal;
use crate::page::{Feed, Key};
use crate::{Broker, Controller, Stats};

/// A handle on a bridge; clones are equal. It is made before the bridge runs, and one bridge runs
/// on it at a time.
#[derive(Clone, Debug, Default)]
pub struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    wishes: Mutex<Wishes>,
    stats: Mutex<Stats>,
    feed: Feed,
    wake: Notify,
}

/// What the program wants of the bridge.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) changes: Vec<Change>,
    pub(crate) commands: Vec<PageCommand>,
    pub(crate) stop: bool,
}

/// A command of the page.
#[derive(Debug)]
pub(crate) struct PageCommand {
    pub(crate) controller: String,
    pub(crate) key: Key,
    pub(crate) payload: String,
    pub(crate) answer: oneshot::Sender<PageAnswer>,
}

/// The outcome of a command of the page.
#[derive(Debug)]
pub(crate) enum PageAnswer {
    Refused(Refusal),
    /// The call failed, with the reason.
    Failed(String),
    Done(Confirmation),
}

/// A controller comes or goes, or the broker is another one.
#[derive(Debug)]
pub(crate) enum Change {
    Add(Box<Controller>),
    Remove(String),
    Broker(Option<Box<Broker>>),
}

impl Handle {
    /// A handle for a bridge that does not run yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the bridge has seen and done so far. It is at most a second old.
    #[must_use]
    pub fn stats(&self) -> Stats {
        lock(&self.shared.stats).clone()
    }

    /// Asks the bridge to stop: [`run`](crate::run()) then returns, 2 s later at most.
    pub fn request_stop(&self) {
        lock(&self.shared.wishes).stop = true;
        self.shared.wake.notify_one();
    }

    /// Watches one more controller, or one with other options in the place of that of the same
    /// name. The others are not touched.
    pub fn add_controller(&self, controller: Controller) {
        self.change(Change::Add(Box::new(controller)));
    }

    /// Stops watching a controller. Its topics stay, and its availability becomes `offline`.
    pub fn remove_controller(&self, name: impl Into<String>) {
        self.change(Change::Remove(name.into()));
    }

    /// Takes another broker in the place of the one so far, or the same with other credentials;
    /// none does without. The controllers are not touched. The old broker stays in use until the
    /// new one is connected, which is tried until it succeeds. Whether commands are carried out is
    /// decided for the new one, unless the options say so
    /// ([`Options::commands`](crate::Options::commands)).
    pub fn replace_broker(&self, broker: Option<Broker>) {
        self.change(Change::Broker(broker.map(Box::new)));
    }

    fn change(&self, change: Change) {
        lock(&self.shared.wishes).changes.push(change);
        self.shared.wake.notify_one();
    }

    /// Sends a command of the page. Without an answer, no bridge runs.
    pub(crate) fn command(
        &self,
        controller: &str,
        key: Key,
        payload: &str,
    ) -> oneshot::Receiver<PageAnswer> {
        let (answer, answered) = oneshot::channel();
        lock(&self.shared.wishes).commands.push(PageCommand {
            controller: controller.to_owned(),
            key,
            payload: payload.to_owned(),
            answer,
        });
        self.shared.wake.notify_one();
        answered
    }

    /// What the page shows.
    pub(crate) fn feed(&self) -> &Feed {
        &self.shared.feed
    }

    /// Wakes the loop of the bridge.
    pub(crate) fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Waits until the program wants something.
    pub(crate) async fn woken(&self) {
        self.shared.wake.notified().await;
    }

    pub(crate) fn take_wishes(&self) -> Wishes {
        std::mem::take(&mut *lock(&self.shared.wishes))
    }

    pub(crate) fn update_stats(&self, update: impl FnOnce(&mut Stats)) {
        update(&mut lock(&self.shared.stats));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
