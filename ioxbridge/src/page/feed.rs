//! The model of the page, shared by the loop of the bridge, which feeds it, and the HTTP server,
//! which reads it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::Page;

/// The page of a bridge. Without a server for it, it has no model and costs nothing.
#[derive(Debug)]
pub(crate) struct Feed {
    wanted: Mutex<Option<Wanted>>,
    page: Mutex<Option<Page>>,
    /// Changes with each change of the page.
    changed: watch::Sender<u64>,
}

/// What the server of a page wants shown.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Tells the changes of this process from those of an earlier one.
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
    /// Asks the bridge to keep the model from now on.
    pub(crate) fn want(&self, wanted: Wanted) {
        *lock(&self.wanted) = Some(wanted);
    }

    /// Takes what a server asked for since the last call.
    pub(crate) fn take_wanted(&self) -> Option<Wanted> {
        lock(&self.wanted).take()
    }

    /// Begins with a model.
    pub(crate) fn begin(&self, page: Page) {
        *lock(&self.page) = Some(page);
        self.tell();
    }

    /// Ends the model of a server that has ended, unless another server has begun one since.
    pub(crate) fn end(&self, instance: &str) {
        lock(&self.page).take_if(|page| page.instance() == instance);
        lock(&self.wanted).take_if(|wanted| wanted.instance == instance);
    }

    /// Changes the model, if there is one.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Page) -> T) -> Option<T> {
        lock(&self.page).as_mut().map(change)
    }

    /// Wakes all readers.
    pub(crate) fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Completes with each change after this call.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What a reader needs that has seen this event id. Empty before the first model.
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
    fn a_server_that_ends_takes_its_own_model_along_and_no_other() {
        let feed = Feed::default();
        begun(&feed, "old");
        feed.end("old");
        assert!(feed.since(None).is_empty());
        begun(&feed, "new");
        feed.end("old");
        assert_eq!(feed.since(None).len(), 1);
    }

    #[test]
    fn a_model_that_nobody_wants_any_more_is_not_begun() {
        let feed = Feed::default();
        feed.want(Wanted {
            instance: "old".to_owned(),
            are_commands_allowed: true,
        });
        feed.end("old");
        assert!(feed.take_wanted().is_none());
    }
}
