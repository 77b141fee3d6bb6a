//! The state that the tasks of a server share with each other and with the script: the controller,
//! and the queues of its subscribers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::Request;
use ioxproto::Now;
use tokio::sync::{Notify, mpsc, watch};
use tracing::debug;

use crate::answer::Answer;
use crate::controller::Controller;
use crate::fault::{Ending, OnConnect, Plan, Times};
use crate::observation::Observation;
use crate::output::{Output, SubscriberId};

/// The state that the tasks of a server and its `Control` handles share.
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    pub(crate) observation: watch::Sender<Observation>,
    /// Whether the controller is frozen.
    pub(crate) frozen: watch::Sender<bool>,
    /// Notified when the controller's next deadline may have changed.
    pub(crate) rescheduled: Notify,
    /// How open connections without a subscriber end. A change ends them.
    pub(crate) ending: watch::Sender<Ending>,
    /// The maximum memory of a subscriber's queue, in bytes.
    most_queued: usize,
    /// The time limit for the TLS handshake and the first request of a connection.
    pub(crate) request_within: Duration,
    /// How long a connection may be idle between two requests; `None` ends it after its answer.
    pub(crate) keep_alive: Option<Duration>,
}

/// The state under the lock.
struct Inner {
    controller: Controller,
    connections: BTreeMap<SubscriberId, Queue>,
    on_connect: Plan<OnConnect>,
}

/// The sending end of the queue to a subscriber's connection.
struct Queue {
    sender: mpsc::UnboundedSender<Output>,
    /// The memory that the queued outputs take.
    bytes: Arc<AtomicUsize>,
    /// Notified when the queue exceeds its limit.
    overflowed: Arc<Notify>,
}

/// The receiving end of a subscriber's queue. Dropping it removes the subscriber.
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

/// Returns the time of both clocks.
pub(crate) fn now() -> Now {
    Now {
        monotonic: Instant::now(),
        utc: SystemTime::now(),
    }
}

/// The memory that a queued output takes in addition to its bytes.
const OVERHEAD: usize = 64;

/// Estimates the memory that a queued output takes.
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

    /// Runs a function on the controller, and queues its outputs.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Controller, Now) -> T) -> T {
        let mut inner = self.lock();
        let result = act(&mut inner.controller, now());
        self.queue_outputs(&mut inner);
        drop(inner);
        self.rescheduled.notify_one();
        result
    }

    /// Returns the fault of the connection that was just accepted, if any.
    pub(crate) fn on_connect(&self) -> Option<OnConnect> {
        self.lock().on_connect.take()
    }

    pub(crate) fn plan_on_connect(&self, fault: OnConnect, times: Times) {
        self.lock().on_connect.add(fault, times);
    }

    pub(crate) fn connect_normally(&self) {
        self.lock().on_connect.clear();
    }

    /// Answers a request without a body. If the controller accepts a subscriber, creates its queue,
    /// in which the answer comes first.
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
        // Before outputs are queued, so that the observation knows the subscriber they are sent to.
        self.observe(|seen| {
            seen.requested(request);
            seen.portal = inner.controller.portal_seen().clone();
            if let Some(id) = answer.subscriber {
                seen.subscribed(id);
            }
        });
        self.queue_outputs(&mut inner);
        drop(inner);
        self.rescheduled.notify_one();
        (answer, subscription)
    }

    /// Answers a request with a body.
    pub(crate) fn post(&self, request: &Request<Vec<u8>>) -> Answer {
        let mut inner = self.lock();
        let answer = inner.controller.post(now(), request);
        self.observe(|seen| {
            seen.requested(request);
            seen.portal = inner.controller.portal_seen().clone();
        });
        self.queue_outputs(&mut inner);
        drop(inner);
        self.rescheduled.notify_one();
        answer
    }

    /// Handles a text message from a subscriber.
    pub(crate) fn text(&self, id: SubscriberId, text: &str) {
        self.with(|controller, now| {
            controller.text(now, id, text);
            self.observe(|seen| {
                seen.texts += 1;
                seen.portal = controller.portal_seen().clone();
            });
        });
    }

    /// Runs what is due in the controller. Returns when to do so again.
    pub(crate) fn tick(&self) -> Option<Instant> {
        let mut inner = self.lock();
        inner.controller.tick(now());
        self.queue_outputs(&mut inner);
        inner.controller.poll_timeout()
    }

    /// Answers the client's close frame, after what is already queued.
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
        // Cannot fail: `self` owns the sender.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }

    /// Returns once the controller is frozen.
    pub(crate) async fn frozen(&self) {
        let _ = self.frozen.subscribe().wait_for(|frozen| *frozen).await;
    }

    fn queue_outputs(&self, inner: &mut Inner) {
        while let Some((id, output)) = inner.controller.poll_output() {
            inner.put(id, output, self.most_queued);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Queues an output. A subscriber that does not read what it is sent is dropped.
    fn put(&mut self, id: SubscriberId, output: Output, max_bytes: usize) {
        let Some(queue) = self.connections.get(&id) else {
            return;
        };
        let size = size(&output);
        if queue.bytes.fetch_add(size, Ordering::Relaxed) + size > max_bytes {
            debug!(subscriber = %id, "subscriber does not read, dropping it");
            queue.overflowed.notify_one();
            self.connections.remove(&id);
            self.controller.closed(now(), id);
        } else {
            // Fails only if the connection is already ending.
            let _ = queue.sender.send(output);
        }
    }
}
