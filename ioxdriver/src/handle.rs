//! What an application knows of a running stream and can ask of it, from anywhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime};

use event_listener::{Event, EventListener};
use ioxproto::{EventStream, Now, Reason, Secret, Stats, Status};

/// A cheap handle on a running stream; clones are equal. When the last one is dropped, the stream stops.
#[derive(Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// What handles and the driver share.
#[derive(Debug, Default)]
pub struct Shared {
    snapshot: Mutex<Snapshot>,
    changed: Event,
    commands: Mutex<Commands>,
    handles: AtomicUsize,
}

#[derive(Debug)]
struct Snapshot {
    status: Status,
    last_event_at: Option<SystemTime>,
    sid: Arc<str>,
    stats: Stats,
    taken: Option<Instant>,
    last_reason: Option<Reason>,
    ended: bool,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            status: Status::NotStarted,
            last_event_at: None,
            sid: "".into(),
            stats: Stats::default(),
            taken: None,
            last_reason: None,
            ended: false,
        }
    }
}

#[derive(Debug, Default)]
struct Commands {
    stop: bool,
    token: Option<Option<Secret>>,
    driver: Option<Waker>,
}

/// What an application asks of the driver.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Stop politely.
    Stop,
    /// The answer to [`Notification::TokenWanted`](ioxproto::Notification::TokenWanted).
    Token(Option<Secret>),
}

impl Handle {
    /// The first handle on what a driver shares.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        shared.handles.fetch_add(1, Ordering::Relaxed);
        Self { shared }
    }

    /// The status now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.snapshot().status
    }

    /// Whether the stream is live: true in [`Status::Connected`] alone.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.status() == Status::Connected
    }

    /// UTC of the last text frame of any kind.
    #[must_use]
    pub fn last_event_at(&self) -> Option<SystemTime> {
        self.shared.snapshot().last_event_at
    }

    /// The subscription's id; empty before the connection's first event.
    #[must_use]
    pub fn sid(&self) -> Arc<str> {
        Arc::clone(&self.shared.snapshot().sid)
    }

    /// What the stream has seen so far; a copy.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let snapshot = self.shared.snapshot();
        let since = snapshot.taken.filter(|_| !snapshot.ended);
        let passed = since.map(|taken| taken.elapsed()).unwrap_or_default();
        snapshot.stats.and_in(snapshot.status, passed)
    }

    /// Why the status is what it is, where the last change had a reason: after the end, why it ended.
    #[must_use]
    pub fn last_reason(&self) -> Option<Reason> {
        self.shared.snapshot().last_reason.clone()
    }

    /// Whether the stream has come to its end: stopped, or failed for good.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.shared.snapshot().ended
    }

    /// Asks the stream to stop: a close frame and a logout, 1.5 s for both at most. Returns at once; harmless twice.
    pub fn request_stop(&self) {
        self.shared.command(|commands| commands.stop = true);
    }

    /// Stops and waits until it is done. Dropping the future leaves the stop under way.
    pub async fn stop(&self) {
        self.request_stop();
        while let Some(change) = self.until(Self::ended) {
            change.await;
        }
    }

    /// Waits for a status. `false` when the stream ends without it. Dropping the future does nothing.
    pub async fn wait_for(&self, status: Status) -> bool {
        while let Some(change) = self.until(|handle| handle.status() == status || handle.ended()) {
            change.await;
        }
        self.status() == status
    }

    /// Answers [`Notification::TokenWanted`](ioxproto::Notification::TokenWanted): an access token, or none at
    /// present (then the stream asks again later).
    pub fn provide_token(&self, token: Option<Secret>) {
        self.shared.command(|commands| commands.token = Some(token));
    }

    /// `None` when the condition holds, else what to wait for before looking again.
    fn until(&self, holds: impl Fn(&Self) -> bool) -> Option<EventListener> {
        if holds(self) {
            return None;
        }
        let change = self.shared.changed.listen();
        // It may have come to hold before the listener was there.
        (!holds(self)).then_some(change)
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.request_stop();
        }
    }
}

impl Shared {
    /// The driver tells what it knows: on each change of status, and before it waits.
    pub fn update(&self, stream: &EventStream, now: Now) {
        let mut snapshot = self.snapshot();
        snapshot.last_event_at = stream.last_event_at();
        snapshot.stats = stream.stats(now);
        snapshot.taken = Some(now.monotonic);
        if *snapshot.sid != *stream.sid() {
            snapshot.sid = stream.sid().into();
        }
    }

    /// The driver tells of a change of status.
    pub fn status_changed(
        &self,
        stream: &EventStream,
        now: Now,
        status: Status,
        reason: Option<Reason>,
    ) {
        self.update(stream, now);
        let mut snapshot = self.snapshot();
        snapshot.status = status;
        snapshot.last_reason = reason;
        drop(snapshot);
        self.changed.notify(usize::MAX);
    }

    /// The driver is gone, at its end or before it.
    pub fn end(&self) {
        self.snapshot().ended = true;
        self.changed.notify(usize::MAX);
    }

    /// The next thing that the application asks for.
    pub fn poll_command(&self, context: &mut Context<'_>) -> Poll<Command> {
        let mut commands = self.commands();
        if std::mem::take(&mut commands.stop) {
            return Poll::Ready(Command::Stop);
        }
        if let Some(token) = commands.token.take() {
            return Poll::Ready(Command::Token(token));
        }
        if !commands
            .driver
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            commands.driver = Some(context.waker().clone());
        }
        Poll::Pending
    }

    fn command(&self, give: impl FnOnce(&mut Commands)) {
        let mut commands = self.commands();
        give(&mut commands);
        let waker = commands.driver.take();
        drop(commands);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn snapshot(&self) -> MutexGuard<'_, Snapshot> {
        // Nothing panics while the lock is held; were it to, the snapshot would still be sound.
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commands(&self) -> MutexGuard<'_, Commands> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
