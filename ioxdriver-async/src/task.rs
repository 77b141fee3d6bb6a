//! The task that runs the driver on a runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ioxdriver::driver::{Body, Delivery, Seam as _, Shared, Timer as _, Turn};

use crate::Runtime;
use crate::seam::{Alarm, AsyncSeam};

/// How long after a deadline the socket is polled once more before the tick. The runtime may learn
/// late that bytes have arrived.
const RECHECK_DELAY: Duration = Duration::from_millis(1);
/// After this many inputs without a wait, the task yields to other tasks of the runtime.
const YIELD_AFTER: u32 = 256;

/// The driver and its timer.
pub(crate) struct Task<R: Runtime> {
    body: Body<AsyncSeam<R>>,
    alarm: Alarm<R>,
    /// The deadline of the current wait on an empty socket: `Some(None)` if the wait has no
    /// deadline, `None` if the driver does not wait.
    deadline: Option<Option<Instant>>,
    /// When to poll the socket once more, after the deadline has passed.
    recheck_at: Option<Instant>,
    /// The number of inputs since the last wait ([`Body::busy`]) when the task last yielded.
    inputs_at_yield: u32,
}

impl<R: Runtime> Task<R> {
    pub(crate) fn new(body: Body<AsyncSeam<R>>) -> Self {
        Self {
            alarm: body.seam().timer(),
            body,
            deadline: None,
            recheck_at: None,
            inputs_at_yield: 0,
        }
    }

    pub(crate) fn delivery(&self) -> &Arc<Delivery> {
        self.body.delivery()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.body.shared()
    }

    pub(crate) fn start(&mut self) {
        self.body.start();
    }

    pub(crate) fn hang_up(&mut self) {
        self.body.hang_up();
    }

    /// Spawns a task that runs until the stream is at rest, and again after each start.
    pub(crate) fn spawn(mut self) {
        let runtime = self.body.seam().0.clone();
        runtime.spawn(async move {
            loop {
                self.start();
                Session(&mut self).await;
                let again = self.rest(|task| {
                    task.delivery().resume();
                    task.spawn();
                });
                match again {
                    Some(task) => self = task,
                    None => return,
                }
            }
        });
    }

    /// Puts the task to rest after its stream has ended. Returns the task if it must start again
    /// immediately. Otherwise the handles keep it, and `restart` is called when one of them starts
    /// the stream.
    pub(crate) fn rest(self, restart: impl FnOnce(Self) + Send + 'static) -> Option<Self> {
        let shared = Arc::clone(self.shared());
        let mut resting = Some(self);
        let again = shared.rest(|| {
            let task = resting.take();
            if let Some(task) = &task {
                task.delivery().finish();
            }
            Box::new(move || {
                if let Some(task) = task {
                    restart(task);
                }
            })
        });
        resting.filter(|_| again)
    }

    fn clear_deadline(&mut self) {
        self.deadline = None;
        self.recheck_at = None;
    }
}

/// A future that runs a started task until it is at rest.
pub(crate) struct Session<'a, R: Runtime>(pub(crate) &'a mut Task<R>);

impl<R: Runtime> Future for Session<'_, R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let task = &mut *self.0;
        loop {
            match task.body.turn(context) {
                Turn::Moved => {
                    task.clear_deadline();
                    if task.body.busy().wrapping_sub(task.inputs_at_yield) >= YIELD_AFTER {
                        task.inputs_at_yield = task.body.busy();
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    continue;
                }
                Turn::Drained => task.clear_deadline(),
                Turn::Idle => {}
                Turn::HeldUp => {
                    task.clear_deadline();
                    let Some(due) = task.body.held_up_until() else {
                        return Poll::Pending;
                    };
                    if task.alarm.poll(due, context).is_pending() {
                        return Poll::Pending;
                    }
                    task.body.tick_held_up();
                    continue;
                }
                Turn::AtRest => {
                    task.clear_deadline();
                    return Poll::Ready(());
                }
            }
            let body = &mut task.body;
            let deadline = *task.deadline.get_or_insert_with(|| body.listen());
            task.inputs_at_yield = 0;
            let Some(due) = task.recheck_at.or(deadline) else {
                return Poll::Pending;
            };
            if task.alarm.poll(due, context).is_pending() {
                return Poll::Pending;
            }
            if task.recheck_at.is_none() {
                task.recheck_at = Some(Instant::now() + RECHECK_DELAY);
            } else {
                task.clear_deadline();
                task.body.tick();
            }
        }
    }
}
