//! The model of the page, shared by the bridge's loop, which updates it, and the HTTP server, which
//! reads it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::Page;

/// The shared page of a bridge. The model exists only while a server serves the page.
#[derive(Debug)]
pub(crate) struct Feed {
    /// The request of a server that the bridge has not taken yet.
    wanted: Mutex<Option<ModelRequest>>,
    page: Mutex<Option<Page>>,
    /// Counts the changes of the page, to wake readers.
    changed: watch::Sender<u64>,
}

/// A server's request for a model of the page.
#[derive(Clone, Debug)]
pub(crate) struct ModelRequest {
    /// Identifies the server, to distinguish its changes from those of an earlier process.
    pub(crate) instance: String,
    pub(crate) are_commands_allowed: bool,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            wanted: Mutex::default(),
            page: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Feed {
    /// Requests a model from the bridge.
    pub(crate) fn request_model(&self, wanted: ModelRequest) {
        *lock(&self.wanted) = Some(wanted);
    }

    /// Takes the request of a server, if there is a new one.
    pub(crate) fn take_wanted(&self) -> Option<ModelRequest> {
        lock(&self.wanted).take()
    }

    /// Sets the model, and wakes all readers.
    pub(crate) fn begin(&self, page: Page) {
        *lock(&self.page) = Some(page);
        self.wake_readers();
    }

    /// Removes the model of a server that has stopped, unless another server has replaced it.
    pub(crate) fn end(&self, instance: &str) {
        lock(&self.page).take_if(|page| page.instance() == instance);
        lock(&self.wanted).take_if(|wanted| wanted.instance == instance);
    }

    /// Changes the model, if there is one.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Page) -> T) -> Option<T> {
        lock(&self.page).as_mut().map(change)
    }

    /// Wakes all readers.
    pub(crate) fn wake_readers(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Returns a receiver that is notified of each change after this call.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Returns what a reader that has seen this event id needs. Empty if there is no model.
    pub(crate) fn since(&self, seen: Option<&str>) -> Vec<(String, Arc<str>)> {
        let page = lock(&self.page);
        page.as_ref().map_or_else(Vec::new, |page| page.since(seen))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(feed: &Feed, instance: &str) {
        feed.begin(Page::new(instance.to_owned(), true));
    }

    #[test]
    fn a_server_that_stops_removes_only_its_own_model() {
        let feed = Feed::default();
        begun(&feed, "old");
        feed.end("old");
        assert!(feed.since(None).is_empty());
        begun(&feed, "new");
        feed.end("old");
        assert_eq!(feed.since(None).len(), 1);
    }

    #[test]
    fn a_withdrawn_request_creates_no_model() {
        let feed = Feed::default();
        feed.request_model(ModelRequest {
            instance: "old".to_owned(),
            are_commands_allowed: true,
        });
        feed.end("old");
        assert!(feed.take_wanted().is_none());
    }
}
