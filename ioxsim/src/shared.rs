//! What the tasks of a server share with each other and with whoever scripts it: the controller,
//! and the ways to its subscribers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::Request;
use ioxproto::Now;
use tokio::sync::{Notify, mpsc, watch};
use tracing::debug;

use crate::controller::{Controller, Output, SubscriberId};
use crate::fault::{Ending, OnConnect, Plan, Times};
use crate::observation::Observation;
use crate::upgrade::Answer;

/// What the tasks of a server and its controls share.
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    pub(crate) observation: watch::Sender<Observation>,
    pub(crate) frozen: watch::Sender<bool>,
    /// The controller's next deadline may have changed.
    pub(crate) rescheduled: Notify,
    /// Connections that are no subscriber's end in this way; it is told to those that are open now.
    pub(crate) ending: watch::Sender<Ending>,
    most_queued: usize,
    pub(crate) request_within: Duration,
    /// How long a connection may be idle between two requests; none ends it with its answer.
    pub(crate) keep_alive: Option<Duration>,
}

struct Inner {
    controller: Controller,
    connections: BTreeMap<SubscriberId, Queue>,
    on_connect: Plan<OnConnect>,
}

/// The way to the task of a subscriber's connection.
struct Queue {
    sender: mpsc::UnboundedSender<Output>,
    bytes: Arc<AtomicUsize>,
    overflowed: Arc<Notify>,
}

/// A subscriber's end of its queue. When it is dropped, the subscriber is forgotten.
pub(crate) struct Subscription {
    shared: Arc<Shared>,
    pub(crate) id: SubscriberId,
    pub(crate) outputs: mpsc::UnboundedReceiver<Output>,
    pub(crate) queued: Arc<AtomicUsize>,
    pub(crate) overflowed: Arc<Notify>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let now = now();
        let mut inner = self.shared.lock();
        inner.connections.remove(&self.id);
        inner.controller.closed(now, self.id);
        drop(inner);
        self.shared.observe(|seen| seen.subscribers -= 1);
    }
}

/// Both clocks.
pub(crate) fn now() -> Now {
    Now {
        monotonic: Instant::now(),
        utc: SystemTime::now(),
    }
}

/// What an output takes beside its bytes while it waits.
const OVERHEAD: usize = 64;

/// About what an output takes while it waits.
pub(crate) fn size(output: &Output) -> usize {
    OVERHEAD
        + match output {
            Output::Text(text) => text.len(),
            Output::Pong(bytes) | Output::Raw(bytes) | Output::Slowly { bytes, .. } => bytes.len(),
            Output::Long { .. } | Output::End(_) => 0,
        }
}

impl Shared {
    pub(crate) fn new(
        controller: Controller,
        most_queued: usize,
        request_within: Duration,
        keep_alive: Option<Duration>,
    ) -> Self {
        Self {
            inner: Mutex::new(Inner {
                controller,
                connections: BTreeMap::new(),
                on_connect: Plan::default(),
            }),
            observation: watch::Sender::new(Observation::default()),
            frozen: watch::Sender::new(false),
            rescheduled: Notify::new(),
            ending: watch::Sender::new(Ending::Fin),
            most_queued,
            request_within,
            keep_alive,
        }
    }

    /// Does something with the controller and hands out what came of it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Controller, Now) -> T) -> T {
        let mut inner = self.lock();
        let result = act(&mut inner.controller, now());
        self.hand_out(&mut inner);
        drop(inner);
        self.rescheduled.notify_one();
        result
    }

    /// What becomes of the connection that was just accepted.
    pub(crate) fn on_connect(&self) -> Option<OnConnect> {
        self.lock().on_connect.take()
    }

    pub(crate) fn plan_on_connect(&self, fault: OnConnect, times: Times) {
        self.lock().on_connect.add(fault, times);
    }

    pub(crate) fn connect_normally(&self) {
        self.lock().on_connect.clear();
    }

    /// Asks the controller for its answer, and makes the connection a subscriber's if it says so.
    /// The answer is then the first thing in its queue.
    pub(crate) fn upgrade(
        self: &Arc<Self>,
        request: &Request<()>,
    ) -> (Answer, Option<Subscription>) {
        let mut inner = self.lock();
        let answer = inner.controller.upgrade(now(), request);
        let subscription = answer.subscriber.map(|id| {
            let (sender, outputs) = mpsc::unbounded_channel();
            let queue = Queue {
                sender,
                bytes: Arc::default(),
                overflowed: Arc::default(),
            };
            let subscription = Subscription {
                shared: Arc::clone(self),
                id,
                outputs,
                queued: Arc::clone(&queue.bytes),
                overflowed: Arc::clone(&queue.overflowed),
            };
            inner.connections.insert(id, queue);
            inner.put(id, Output::Raw(answer.bytes.clone()), usize::MAX);
            subscription
        });
        // Before anything is handed out, so that what is sent finds its subscriber.
        self.observe(|seen| {
            seen.requested(request);
            seen.portal = inner.controller.portal_seen().clone();
            if let Some(id) = answer.subscriber {
                seen.subscribed(id);
            }
        });
        self.hand_out(&mut inner);
        drop(inner);
        self.rescheduled.notify_one();
        (answer, subscription)
    }

    /// Asks the controller for its answer to a request with a body.
    pub(crate) fn post(&self, request: &Request<Vec<u8>>) -> Answer {
        let mut inner = self.lock();
        let answer = inner.controller.post(now(), request);
        self.observe(|seen| {
            seen.requested(request);
            seen.portal = inner.controller.portal_seen().clone();
        });
        self.hand_out(&mut inner);
        drop(inner);
        self.rescheduled.notify_one();
        answer
    }

    /// A text message came from a subscriber.
    pub(crate) fn text(&self, id: SubscriberId, text: &str) {
        self.with(|controller, now| {
            controller.text(now, id, text);
            self.observe(|seen| {
                seen.texts += 1;
                seen.portal = controller.portal_seen().clone();
            });
        });
    }

    /// Lets the controller do what is due; says when to do so again.
    pub(crate) fn tick(&self) -> Option<Instant> {
        let mut inner = self.lock();
        inner.controller.tick(now());
        self.hand_out(&mut inner);
        inner.controller.poll_timeout()
    }

    /// The client closes: after what it is still sent, it gets its close frame back.
    pub(crate) fn answer_close(&self, id: SubscriberId, code: u16) {
        let mut inner = self.lock();
        inner.controller.closed(now(), id);
        inner.put(id, Output::End(Ending::Close(code)), usize::MAX);
    }

    pub(crate) fn observe(&self, change: impl FnOnce(&mut Observation)) {
        self.observation.send_modify(change);
    }

    /// Returns once the controller is not frozen.
    pub(crate) async fn thawed(&self) {
        // Cannot fail: the sender is our own.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }

    /// Returns once the controller is frozen.
    pub(crate) async fn frozen(&self) {
        let _ = self.frozen.subscribe().wait_for(|frozen| *frozen).await;
    }

    fn hand_out(&self, inner: &mut Inner) {
        while let Some((id, output)) = inner.controller.poll_output() {
            inner.put(id, output, self.most_queued);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Queues an output; a subscriber that does not take what it was sent is dropped.
    fn put(&mut self, id: SubscriberId, output: Output, most: usize) {
        let Some(queue) = self.connections.get(&id) else {
            return;
        };
        let size = size(&output);
        if queue.bytes.fetch_add(size, Ordering::Relaxed) + size > most {
            debug!(subscriber = %id, "subscriber does not read, it is dropped");
            queue.overflowed.notify_one();
            self.connections.remove(&id);
            self.controller.closed(now(), id);
        } else {
            // Fails only when the connection is ending already.
            let _ = queue.sender.send(output);
        }
    }
}
