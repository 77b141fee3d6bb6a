//! When the driver takes turns, waits, ticks and rests, on the thread that drives it.

use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Instant;

use ioxdriver::driver::{self, Body, Listener};
use ioxdriver::{BuildError, Options};

use super::poller::Poller;
use super::seam::Mio;
use super::shared_driver::SharedDriver;
use super::sync::{AtomicBool, Ordering};

pub(crate) struct Driver {
    body: Body<Mio>,
    poller: Poller,
    waker: Waker,
    shared_driver: Weak<SharedDriver>,
    /// A start was asked for.
    wanted: Arc<AtomicBool>,
    held_up: bool,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    AtRest,
    Running,
    /// Gone without coming to rest; nothing starts again.
    Left,
}

/// What one turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something happened, or may have.
    Moved,
    /// There is nothing to do but to wait.
    Idle,
    /// The stream has ended.
    Ended,
}

impl Driver {
    pub(crate) fn new(
        options: Options,
        listener: Option<Listener>,
        wanted: Arc<AtomicBool>,
    ) -> Result<Self, BuildError> {
        let poller = Poller::new().map_err(BuildError::System)?;
        let seam = poller.seam().map_err(BuildError::System)?;
        Ok(Self {
            body: Body::new(seam, options, listener, None)?,
            waker: poller.waker(),
            poller,
            shared_driver: Weak::new(),
            wanted,
            held_up: false,
            stage: Stage::AtRest,
        })
    }

    /// Where it is driven from.
    pub(crate) fn shared_by(mut self, shared_driver: Weak<SharedDriver>) -> Self {
        self.shared_driver = shared_driver;
        self
    }

    pub(crate) fn body(&self) -> &Body<Mio> {
        &self.body
    }

    /// One round without waiting. Whoever drives may be the consumer, who looks at what is
    /// delivered before the next round.
    pub(crate) fn turn(&mut self) -> Turn {
        match self.stage {
            Stage::AtRest if self.wanted.swap(false, Ordering::AcqRel) => {
                self.stage = Stage::Running;
                self.body.start();
                Turn::Moved
            }
            Stage::AtRest => Turn::Ended,
            Stage::Left => {
                // A start that came too late is told so.
                self.body.finish();
                Turn::Ended
            }
            Stage::Running => self.round(),
        }
    }

    fn round(&mut self) -> Turn {
        let turn = self.body.turn(&mut Context::from_waker(&self.waker));
        self.held_up = turn == driver::Turn::HeldUp;
        match turn {
            driver::Turn::Moved | driver::Turn::Drained => Turn::Moved,
            driver::Turn::Idle | driver::Turn::HeldUp => {
                self.body.shared().notify();
                Turn::Idle
            }
            driver::Turn::AtRest => self.rest(),
        }
    }

    /// After [`Turn::Idle`]: waits for something to happen, no longer than to this instant.
    pub(crate) fn wait(&mut self, patience: Option<Instant>) -> Turn {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if self.held_up {
            return self.wait_held_up(patience);
        }
        let deadline = self.body.listen();
        let alarms = [deadline, self.body.seam().alarm().take(), patience];
        let woken = self.poller.sleep(alarms.into_iter().flatten().min());
        if woken && !due(deadline) {
            return Turn::Moved;
        }
        // Only if the socket is still empty when the deadline comes does it count.
        match self.round() {
            Turn::Idle if due(deadline) => {
                self.body.tick();
                Turn::Moved
            }
            Turn::Idle if !due(patience) => Turn::Moved,
            turn => turn,
        }
    }

    /// The consumer leaves no room: only the exchanges of calls go on.
    fn wait_held_up(&mut self, patience: Option<Instant>) -> Turn {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        let call = self.body.held_up_until();
        let alarm = self.body.seam().alarm().take();
        let alarms = [call, alarm, patience];
        let woken = self.poller.sleep(alarms.into_iter().flatten().min());
        if due(call) {
            self.body.tick_held_up();
            return Turn::Moved;
        }
        match woken || due(alarm) {
            true => Turn::Moved,
            false => Turn::Idle,
        }
    }

    /// The stream has come to rest.
    fn rest(&mut self) -> Turn {
        self.stage = Stage::AtRest;
        let (shared_driver, delivery) = (
            self.shared_driver.upgrade(),
            Arc::clone(self.body.delivery()),
        );
        let shared = Arc::clone(self.body.shared());
        let mut finished = false;
        let again = shared.rest(|| {
            // No start comes between here, after which the queue must be open again.
            delivery.finish();
            finished = true;
            Box::new(move || {
                if let Some(shared_driver) = shared_driver {
                    shared_driver.restart();
                }
            })
        });
        shared.notify();
        if again {
            self.wanted.store(true, Ordering::Release);
            return Turn::Moved;
        }
        if !finished {
            // Nobody is left who could start.
            self.body.delivery().finish();
        }
        Turn::Ended
    }

    /// Ends a wait, from any thread.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    #[cfg(test)]
    pub(crate) fn wake_ups(&self) -> u32 {
        self.poller.wake_ups
    }

    /// Leaves without waiting: a connection is closed with a close frame.
    pub(crate) fn leave(&mut self) {
        if self.stage == Stage::Running {
            self.body.hang_up();
        }
        self.stage = Stage::Left;
        self.body.finish();
        self.body.shared().notify();
    }
}

impl Drop for Driver {
    /// With the last that could drive it: a handle may have asked for a start that nobody is left
    /// to carry out.
    fn drop(&mut self) {
        self.leave();
    }
}
