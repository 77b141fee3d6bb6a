//! One watched controller: its stream, and the task that passes on what it tells.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use ioxproto::{Notification, ReadNames};
use ioxtransport_tokio::{BuildError, EventStream, Handle};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Controller;

/// Numbers the watches of a process, so that news of one that was replaced is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WatchId(pub(crate) u64);

/// What a controller's stream tells, a few notifications at a time.
#[derive(Debug)]
pub(crate) struct ControllerEvents {
    pub(crate) watch: WatchId,
    pub(crate) notifications: Vec<Notification>,
}

/// How many notifications are passed on together.
const BATCH: usize = 64;

/// A controller's stream. Dropping it stops the stream.
#[derive(Debug)]
pub(crate) struct Watch {
    handle: Handle,
    task: JoinHandle<()>,
}

impl Watch {
    /// Starts the stream. Its notifications go to `news`, which holds it up while it is full.
    pub(crate) fn start(
        controller: &Controller,
        watch: WatchId,
        news: mpsc::Sender<ControllerEvents>,
    ) -> Result<Self, BuildError> {
        // The machine reads more than the names, and decides when.
        let options = controller.options.clone();
        let options = options.read_names(ReadNames::Never).self_audit(true);
        // What is logged of a stream says of which controller.
        let span = tracing::info_span!("controller", name = controller.name);
        let mut stream = span.in_scope(|| options.retarget::<EventStream>().start())?;
        let handle = stream.handle();
        let task = tokio::spawn(async move {
            while let Some(first) = stream.next().await {
                let mut notifications = vec![first];
                while notifications.len() < BATCH
                    && let Some(next) = ready(&mut stream).await
                {
                    notifications.push(next);
                }
                let told = ControllerEvents {
                    watch,
                    notifications,
                };
                if news.send(told).await.is_err() {
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

/// The next notification, if it is there already.
async fn ready(stream: &mut EventStream) -> Option<Notification> {
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
