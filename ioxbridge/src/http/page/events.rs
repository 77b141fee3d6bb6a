//! The houses as server-sent events. Readers pull: a slow reader gets several changes at once, or a
//! new snapshot, and needs no buffer of its own.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::Shared;
use crate::Handle;

/// The maximum number of readers. It is below the maximum number of connections, so that other
/// requests always find one.
const MAX_READERS: usize = 40;

/// How often a comment is sent to keep the connection alive.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The permits for further readers.
#[derive(Debug)]
pub(super) struct ReaderPermits(Arc<Semaphore>);

impl Default for ReaderPermits {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_READERS)))
    }
}

pub(super) async fn stream(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !shared.access.is_granted(&headers) {
        return (StatusCode::UNAUTHORIZED, "sign in first\n").into_response();
    }
    let Ok(permit) = Arc::clone(&shared.events.0).try_acquire_owned() else {
        let text = "too many pages are open\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let seen = headers.get("last-event-id");
    let seen = seen.and_then(|id| id.to_str().ok()).map(str::to_owned);
    let reader = Reader {
        changed: shared.handle.feed().subscribe(),
        stopping: shared.stopping.clone(),
        handle: shared.handle.clone(),
        seen,
        next: VecDeque::new(),
        shared,
        headers,
        _permit: permit,
    };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(events).keep_alive(keep_alive).into_response()
}

/// One open event stream of a page.
struct Reader {
    shared: Arc<Shared>,
    handle: Handle,
    /// Changes when the page changes.
    changed: watch::Receiver<u64>,
    /// Changes or closes when the server stops.
    stopping: watch::Receiver<bool>,
    /// The id of the last event that the reader has seen.
    seen: Option<String>,
    /// The events to send next, with their ids.
    next: VecDeque<(String, Arc<str>)>,
    /// The headers of the request, to notice that its session has ended.
    headers: HeaderMap,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// Returns the next event; `None` if the server, the session or the bridge has ended.
    async fn next(&mut self) -> Option<Event> {
        while self.next.is_empty() {
            self.changed.mark_unchanged();
            let missed = self.handle.feed().since(self.seen.as_deref());
            self.next.extend(missed);
            if self.next.is_empty() {
                tokio::select! {
                    changed = self.changed.changed() => changed.ok()?,
                    _ = self.stopping.changed() => return None,
                }
            }
        }
        // A bearer token was checked at the request. Only a session can end.
        let is_by_session = !self.headers.contains_key(header::AUTHORIZATION);
        if is_by_session && !self.shared.access.is_granted(&self.headers) {
            return None;
        }
        let (id, data) = self.next.pop_front()?;
        self.seen = Some(id.clone());
        Some(Event::default().id(id).data(&*data))
    }
}
