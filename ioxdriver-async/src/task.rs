//! The task that runs the driver's body on a runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ioxdriver::driver::{Body, Delivery, Seam as _, Shared, Timer as _, Turn};

use crate::Runtime;
use crate::seam::{Alarm, Async};

/// When the deadline has come and nothing was to be read, the socket is polled once more after this
/// time: the runtime may not know yet of what has arrived meanwhile.
const SECOND_LOOK: Duration = Duration::from_millis(1);
/// The messages without a wait after which other tasks of the runtime have their turn.
const YIELD_AFTER: u32 = 256;

/// The body and its timer.
pub(crate) struct Task<R: Runtime> {
    body: Body<Async<R>>,
    alarm: Alarm<R>,
    /// The deadline while the body listens; `None` within if there is none.
    deadline: Option<Option<Instant>>,
    /// When the socket is polled once more, after the deadline has come.
    second_look: Option<Instant>,
    yielded_at: u32,
}

impl<R: Runtime> Task<R> {
    pub(crate) fn new(body: Body<Async<R>>) -> Self {
        Self {
            alarm: body.seam().timer(),
            body,
            deadline: None,
            second_look: None,
            yielded_at: 0,
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

    /// Runs on a task of its own to the end of the stream, and again after each start.
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

    /// Comes to rest. Returns the task if it must start again at once. Otherwise handles keep it,
    /// and `restart` is called when one of them starts the stream.
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

    fn stop_listening(&mut self) {
        self.deadline = None;
        self.second_look = None;
    }
}

/// From a start to the rest after it.
pub(crate) struct Session<'a, R: Runtime>(pub(crate) &'a mut Task<R>);

impl<R: Runtime> Future for Session<'_, R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let task = &mut *self.0;
        loop {
            match task.body.turn(context) {
                Turn::Moved => {
                    task.stop_listening();
                    if task.body.busy().wrapping_sub(task.yielded_at) >= YIELD_AFTER {
                        task.yielded_at = task.body.busy();
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    continue;
                }
                Turn::Drained => task.stop_listening(),
                Turn::Idle => {}
                Turn::HeldUp => {
                    task.stop_listening();
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
                    task.stop_listening();
                    return Poll::Ready(());
                }
            }
            let body = &mut task.body;
            let deadline = *task.deadline.get_or_insert_with(|| body.listen());
            task.yielded_at = 0;
            let Some(due) = task.second_look.or(deadline) else {
                return Poll::Pending;
            };
            if task.alarm.poll(due, context).is_pending() {
                return Poll::Pending;
            }
            if task.second_look.is_none() {
                task.second_look = Some(Instant::now() + SECOND_LOOK);
            } else {
                task.stop_listening();
                task.body.tick();
            }
        }
    }
}
