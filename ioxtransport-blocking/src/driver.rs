//! The blocking driver: takes turns, waits and ticks on the thread that calls it.

use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Instant;

use ioxdriver::driver::{self, Body, Listener};
use ioxdriver::{BuildError, Options};

use super::poller::Poller;
use super::seam::Mio;
use super::shared_driver::SharedDriver;
use super::sync::{AtomicBool, Ordering};

/// The driver of one stream.
pub(crate) struct Driver {
    body: Body<Mio>,
    poller: Poller,
    waker: Waker,
    shared_driver: Weak<SharedDriver>,
    /// Whether a start was requested.
    wanted: Arc<AtomicBool>,
    /// Whether a full queue keeps the driver from reading.
    held_up: bool,
    stage: Stage,
}

/// Whether the driver is running.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    AtRest,
    Running,
    /// It has ended without coming to rest and cannot start again.
    Left,
}

/// The result of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something happened, or may have.
    Moved,
    /// Nothing happened, and the driver must wait.
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

    /// Sets the [`SharedDriver`] that owns this driver.
    pub(crate) fn shared_by(mut self, shared_driver: Weak<SharedDriver>) -> Self {
        self.shared_driver = shared_driver;
        self
    }

    pub(crate) fn body(&self) -> &Body<Mio> {
        &self.body
    }

    /// Takes one turn without waiting. The caller may be the consumer, which checks the queue
    /// before the next turn.
    pub(crate) fn turn(&mut self) -> Turn {
        match self.stage {
            Stage::AtRest if self.wanted.swap(false, Ordering::AcqRel) => {
                self.stage = Stage::Running;
                self.body.start();
                Turn::Moved
            }
            Stage::AtRest => Turn::Ended,
            Stage::Left => {
                // Reports the end to a start that was requested too late.
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

    /// Waits for input after [`Turn::Idle`], at most until this instant.
    pub(crate) fn wait(&mut self, until: Option<Instant>) -> Turn {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if self.held_up {
            return self.wait_held_up(until);
        }
        let deadline = self.body.listen();
        let alarms = [deadline, self.body.seam().alarm().take(), until];
        let woken = self.poller.sleep(alarms.into_iter().flatten().min());
        if woken && !due(deadline) {
            return Turn::Moved;
        }
        // The deadline only counts if the socket is still empty.
        match self.round() {
            Turn::Idle if due(deadline) => {
                self.body.tick();
                Turn::Moved
            }
            Turn::Idle if !due(until) => Turn::Moved,
            turn => turn,
        }
    }

    /// Waits while the queue is full. Only the exchanges of calls continue.
    fn wait_held_up(&mut self, until: Option<Instant>) -> Turn {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        let call = self.body.held_up_until();
        let alarm = self.body.seam().alarm().take();
        let alarms = [call, alarm, until];
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

    /// Comes to rest, or starts again if that was requested.
    fn rest(&mut self) -> Turn {
        self.stage = Stage::AtRest;
        let (shared_driver, delivery) = (
            self.shared_driver.upgrade(),
            Arc::clone(self.body.delivery()),
        );
        let shared = Arc::clone(self.body.shared());
        let mut finished = false;
        let again = shared.rest(|| {
            // Under the lock that a start takes: `finish` must not close a reopened queue.
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
            // No handle is left that could start the stream.
            self.body.delivery().finish();
        }
        Turn::Ended
    }

    /// A waker that ends the wait, from any thread.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    #[cfg(test)]
    pub(crate) fn sleeps(&self) -> u32 {
        self.poller.sleeps
    }

    /// Ends without waiting. Closes an open connection with a close frame.
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
    /// Reports the end to handles: one may have requested a start that no thread can carry out.
    fn drop(&mut self) {
        self.leave();
    }
}
