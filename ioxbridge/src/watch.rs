//! One watched controller: its stream, and the task that forwards its notifications.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use ioxproto::{Notification, ReadNames};
use ioxtransport_tokio::{BuildError, EventStream, Handle};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Controller;

/// Identifies a watch, so that late notifications from a replaced watch can be recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WatchId(pub(crate) u64);

/// A batch of notifications from a controller's stream.
#[derive(Debug)]
pub(crate) struct ControllerEvents {
    pub(crate) watch: WatchId,
    pub(crate) notifications: Vec<Notification>,
}

/// The maximum number of notifications in a batch.
const BATCH: usize = 64;

/// A controller's stream. Dropping it stops the stream.
#[derive(Debug)]
pub(crate) struct Watch {
    handle: Handle,
    task: JoinHandle<()>,
}

impl Watch {
    /// Starts the stream. Its notifications go to `events`, which applies back-pressure when full.
    pub(crate) fn start(
        controller: &Controller,
        watch: WatchId,
        events: mpsc::Sender<ControllerEvents>,
    ) -> Result<Self, BuildError> {
        // The machine reads the names itself, together with other data.
        let options = controller.options.clone();
        let options = options.read_names(ReadNames::Never).self_audit(true);
        // Log lines of a stream name its controller.
        let span = tracing::info_span!("controller", name = controller.name);
        let mut stream = span.in_scope(|| options.retarget::<EventStream>().start())?;
        let handle = stream.handle();
        let task = tokio::spawn(async move {
            while let Some(first) = stream.next().await {
                let mut notifications = vec![first];
                while notifications.len() < BATCH
                    && let Some(next) = next_if_ready(&mut stream).await
                {
                    notifications.push(next);
                }
                let batch = ControllerEvents {
                    watch,
                    notifications,
                };
                if events.send(batch).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { handle, task })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// Returns the next notification, if it is available without waiting.
async fn next_if_ready(stream: &mut EventStream) -> Option<Notification> {
    let mut next = pin!(stream.next());
    poll_fn(|context| match next.as_mut().poll(context) {
        Poll::Ready(next) => Poll::Ready(next),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.request_stop();
        self.task.abort();
    }
}
