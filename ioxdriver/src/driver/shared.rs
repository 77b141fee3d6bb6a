//! The state that handles share with the driver: snapshots from the driver, commands from handles.
//!
//! ```text
//!             start, or a handle's start        stop, or a failure that a person must fix
//!   ┌─────────┐ ─────────────► ┌─────────┐ ──────────────────────────────► ┌─────────┐
//!   │ at rest │                │ running │                                 │ at rest │ ─► the driver has left its
//!   └─────────┘                └─────────┘ ◄── a start requested meanwhile └─────────┘    `Relaunch` here, and is gone
//! ```
//!
//! A driver at rest has neither a task nor a thread. It leaves a `Relaunch` here, which starts it
//! again. The last handle drops the `Relaunch`.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime};

use ioxproto::rest::{CallError, CallProblem, Request};
use ioxproto::{Account, Config, ConfigError, Now, Reason, Secret, Stats, Status, StreamMachine};

use super::EndError;
use super::ticket::Slot;
use crate::Trust;
use crate::options::{Tap, Tapped};
use crate::sync::{
    AtomicBool, AtomicUsize, Event, EventListener, Listener as _, Mutex, MutexGuard, Ordering,
    PoisonError,
};

/// Starts a driver that is at rest. Dropped with the last handle.
pub type Relaunch = Box<dyn FnOnce() + Send>;

/// A timer of the driver's runtime, for handles that wait.
pub type Sleep = Box<dyn Fn(Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A driver without a thread of its own: the threads that wait run it.
pub trait Drive: Send + Sync {
    /// Runs the driver until the condition is met or the deadline has passed.
    fn wait(&self, until: Option<Instant>, condition: &mut dyn FnMut() -> bool);

    /// Waits until a stopped stream has released its resources.
    fn join(&self);
}

/// The state that handles share with the driver.
pub struct Shared {
    config: Config,
    sleep: Option<Sleep>,
    drive: OnceLock<Weak<dyn Drive>>,
    snapshot: Mutex<Snapshot>,
    /// Notified when the snapshot has changed.
    changed: Event,
    commands: Mutex<Commands>,
    /// Whether there may be a command. A busy driver can check this without the lock.
    commanded: AtomicBool,
    pub(crate) handles: AtomicUsize,
}

/// The state of the stream that handles can read.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) status: Status,
    pub(crate) last_event_at: Option<SystemTime>,
    pub(crate) sid: Arc<str>,
    pub(crate) stats: Stats,
    /// When the snapshot was taken.
    pub(crate) taken: Option<Instant>,
    pub(crate) last_reason: Option<Reason>,
    pub(crate) is_waiting_for_consumer: bool,
    /// `None` while the driver runs.
    end: Option<End>,
}

/// How a driver has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    AtRest,
    DriverGone,
}

impl Snapshot {
    pub(crate) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    pub(crate) fn outcome(&self) -> Option<Result<(), EndError>> {
        let reason = || self.last_reason.clone();
        match self.end? {
            End::DriverGone => Some(Err(EndError::DriverGone)),
            End::AtRest if self.status == Status::ReconnectFailed => {
                Some(reason().map_or(Ok(()), |reason| Err(EndError::Failed(reason))))
            }
            End::AtRest => Some(Ok(())),
        }
    }
}

/// The commands that the driver has not taken yet.
#[derive(Default)]
struct Commands {
    stop: bool,
    /// Whether the driver has taken a stop and is not yet at rest.
    stopping: bool,
    start: bool,
    /// The answer to a request for a token; `Some(None)` if the application has no token.
    token: Option<Option<Secret>>,
    calls: VecDeque<CallCommand>,
    replacements: Replacements,
    /// The waker of the driver, if it waits for a command.
    driver: Option<Waker>,
    relaunch: Option<Relaunch>,
}

/// A command of the application to the driver.
#[derive(Debug)]
pub(crate) enum Command {
    /// Stop the stream with a close frame and a logout.
    Stop,
    /// The answer to [`Notification::TokenWanted`](ioxproto::Notification::TokenWanted).
    Token(Option<Secret>),
    /// Make or cancel a call.
    Call(CallCommand),
}

/// A command about a call.
#[derive(Debug)]
pub(crate) enum CallCommand {
    Make(Box<Request>, Arc<Slot>),
    Cancel(Arc<Slot>),
}

thread_local! {
    /// The stream whose callback runs on this thread, as the address of its [`Shared`]; 0 if none.
    static IN_CALLBACK_OF: Cell<usize> = const { Cell::new(0) };
}

/// Marks this thread as running a callback of a stream until it is dropped. Holds the previous
/// mark.
pub(crate) struct CallbackGuard(usize);

impl Drop for CallbackGuard {
    fn drop(&mut self) {
        IN_CALLBACK_OF.set(self.0);
    }
}

/// Settings that replace those of the driver at its next start.
#[derive(Debug, Default)]
pub(crate) struct Replacements {
    /// For [`StreamMachine::replace_account`]; already checked against the other options.
    pub(crate) account: Option<Account>,
    /// The policy for certificates.
    pub(crate) trust: Option<Trust>,
}

impl Shared {
    /// Creates the state before the first start. Without a timer, the futures of
    /// [`Handle`](crate::Handle) never time out, so a driver without one must only offer the
    /// methods that block.
    pub(crate) fn new(config: Config, sleep: Option<Sleep>) -> Self {
        Self {
            config,
            sleep,
            drive: OnceLock::new(),
            snapshot: Mutex::new(Snapshot {
                status: Status::NotStarted,
                last_event_at: None,
                sid: "".into(),
                stats: Stats::default(),
                taken: None,
                last_reason: None,
                is_waiting_for_consumer: false,
                end: None,
            }),
            changed: Event::new(),
            commands: Mutex::default(),
            commanded: AtomicBool::new(false),
            handles: AtomicUsize::new(0),
        }
    }
}

/// The methods for the driver.
impl Shared {
    /// From now on, threads that wait on a handle run this driver.
    pub fn driven_by(&self, drive: Weak<dyn Drive>) {
        let _ = self.drive.set(drive);
    }

    /// Updates the snapshot. The driver calls it before it delivers and before it waits.
    pub(crate) fn update(&self, stream: &StreamMachine, now: Now) {
        self.update_with(stream, now, |snapshot| {
            snapshot.is_waiting_for_consumer = false;
        });
    }

    /// Updates the snapshot of a driver that waits for room in the queue.
    pub(crate) fn held_up(&self, stream: &StreamMachine, now: Now) {
        self.update_with(stream, now, |snapshot| {
            snapshot.is_waiting_for_consumer = true;
        });
    }

    /// Updates the snapshot with a change of status. The driver calls it before it delivers the
    /// change.
    pub(crate) fn status_changed(
        &self,
        stream: &StreamMachine,
        now: Now,
        status: Status,
        reason: Option<Reason>,
    ) {
        self.update_with(stream, now, |snapshot| {
            snapshot.status = status;
            snapshot.last_reason = reason;
        });
    }

    fn update_with(&self, stream: &StreamMachine, now: Now, more: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = self.snapshot();
        snapshot.last_event_at = stream.last_event_at();
        snapshot.stats = stream.stats(now);
        snapshot.taken = Some(now.monotonic);
        if *snapshot.sid != *stream.sid() {
            snapshot.sid = stream.sid().into();
        }
        more(&mut snapshot);
        drop(snapshot);
        self.notify();
    }

    /// Prepares a start of the stream, the first or a later one. Returns the settings to replace.
    pub(crate) fn begin(&self) -> Replacements {
        let mut commands = self.commands();
        // This start fulfils a requested one, unless a stop is pending: then the driver first
        // stops and starts again afterwards.
        commands.start &= commands.stop;
        // A token for the last session's request must not answer a request of this session.
        commands.token = None;
        self.snapshot().end = None;
        std::mem::take(&mut commands.replacements)
    }

    /// Reports that the driver has come to rest. Returns `true` if it must start again immediately,
    /// because a start was requested meanwhile. Otherwise calls `leave`, which reports the end to
    /// the consumer and returns the relaunch.
    pub fn rest(&self, leave: impl FnOnce() -> Relaunch) -> bool {
        let mut commands = self.commands();
        commands.stopping = false;
        commands.stop = false;
        if std::mem::take(&mut commands.start) {
            return true;
        }
        // All of this happens under the lock, which `start` takes, too. So a start after the end
        // always finds the relaunch.
        self.set_end(End::AtRest);
        let relaunch = leave();
        // The driver does not take these calls any more. Later calls see the end.
        let calls = std::mem::take(&mut commands.calls);
        // The drop of the last handle takes the lock, too, so one of the two drops the relaunch.
        if self.handles.load(Ordering::Acquire) > 0 {
            commands.relaunch = Some(relaunch);
            drop(commands);
        } else {
            drop(commands);
            drop(relaunch);
        }
        self.end_calls(calls, &self.not_running());
        false
    }

    /// Reports that the driver is gone without having come to rest. Has no effect on the status
    /// after [`rest`](Self::rest).
    pub fn gone(&self) {
        if !self.snapshot().has_ended() {
            self.set_end(End::DriverGone);
        }
        let calls = std::mem::take(&mut self.commands().calls);
        self.end_calls(calls, &CallError::driver_gone());
    }

    /// Ends calls that the driver has not taken.
    fn end_calls(&self, calls: VecDeque<CallCommand>, error: &CallError) {
        let any = !calls.is_empty();
        for call in calls {
            if let CallCommand::Make(_, slot) = call {
                slot.fill(Err(error.clone()));
            }
        }
        if any {
            self.notify();
        }
    }

    fn not_running(&self) -> CallError {
        let reason = self.snapshot().last_reason.clone();
        CallError::without_effect(CallProblem::NotRunning { reason })
    }

    /// Marks this thread as running a callback of this stream until the guard is dropped.
    pub(crate) fn enter_callback(&self) -> CallbackGuard {
        CallbackGuard(IN_CALLBACK_OF.replace(self.callback_key()))
    }

    /// Passes a message to the tap, if there is one.
    pub(crate) fn show(&self, tap: Option<&Tap>, message: Tapped<'_>) {
        if let Some(tap) = tap {
            let _in_callback = self.enter_callback();
            tap.call(message);
        }
    }

    fn callback_key(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn set_end(&self, end: End) {
        let mut snapshot = self.snapshot();
        snapshot.end = Some(end);
        snapshot.is_waiting_for_consumer = false;
        if !snapshot.status.is_at_rest() {
            snapshot.status = Status::Disconnected;
            snapshot.last_reason = None;
        }
        drop(snapshot);
        self.notify();
    }

    /// Takes the next command of the application, if there is one.
    pub(crate) fn command(&self) -> Option<Command> {
        if !self.has_command() {
            return None;
        }
        self.commanded.store(false, Ordering::Release);
        let command = self.commands().take();
        if command.is_some() {
            // There may be more.
            self.commanded.store(true, Ordering::Release);
        }
        command
    }

    /// Whether there may be a command of the application.
    pub(crate) fn has_command(&self) -> bool {
        self.commanded.load(Ordering::Acquire)
    }

    /// Takes the next command of the application.
    pub(crate) fn poll_command(&self, context: &mut Context<'_>) -> Poll<Command> {
        let mut commands = self.commands();
        if let Some(command) = commands.take() {
            return Poll::Ready(command);
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
}

impl Commands {
    fn take(&mut self) -> Option<Command> {
        if std::mem::take(&mut self.stop) {
            self.stopping = true;
            return Some(Command::Stop);
        }
        let token = self.token.take().map(Command::Token);
        token.or_else(|| self.calls.pop_front().map(Command::Call))
    }
}

/// The methods for handles.
impl Shared {
    pub(crate) fn request_stop(&self) {
        self.send_command(|commands| {
            commands.stop = true;
            commands.start = false;
        });
    }

    pub(crate) fn provide_token(&self, token: Option<Secret>) {
        self.send_command(|commands| commands.token = Some(token));
    }

    /// Makes a call. If the stream is at rest, it fails immediately.
    pub(crate) fn make_call(&self, request: Request) -> Arc<Slot> {
        let slot = Arc::new(Slot::default());
        let limit = self.config.call_limit();
        let mut refused = None;
        self.send_command(|commands| {
            // Checked under the lock, which the driver takes when it comes to rest.
            if self.snapshot().has_ended() {
                refused = Some(self.not_running());
            } else if commands.calls.len() >= limit {
                // A driver that no thread runs does not take calls, so the queue is bounded here.
                let full = CallProblem::QueueFull { limit };
                refused = Some(CallError::without_effect(full));
            } else {
                let call = CallCommand::Make(Box::new(request), Arc::clone(&slot));
                commands.calls.push_back(call);
            }
        });
        if let Some(error) = refused {
            slot.fill(Err(error));
        }
        slot
    }

    pub(crate) fn cancel_call(&self, slot: &Arc<Slot>) {
        self.send_command(|commands| {
            let is_cancelled = commands.calls.iter().any(|call| match call {
                CallCommand::Cancel(other) => Arc::ptr_eq(other, slot),
                CallCommand::Make(..) => false,
            });
            if !is_cancelled && !self.snapshot().has_ended() {
                let call = CallCommand::Cancel(Arc::clone(slot));
                commands.calls.push_back(call);
            }
        });
    }

    /// Whether this thread is running a callback of this stream. The driver cannot proceed before
    /// the callback returns.
    pub(crate) fn is_in_callback(&self) -> bool {
        IN_CALLBACK_OF.get() == self.callback_key()
    }

    /// Blocks this thread until the condition is met or the deadline has passed.
    pub(crate) fn wait_blocking(
        &self,
        mut condition: impl FnMut() -> bool,
        deadline: Option<Instant>,
    ) {
        if let Some(drive) = self.drive() {
            drive.wait(deadline, &mut condition);
            return;
        }
        while let Some(change) = self.listen_unless(&mut condition) {
            match deadline {
                None => change.wait(),
                Some(deadline) if change.wait_deadline(deadline).is_none() => return,
                Some(_) => {}
            }
        }
    }

    /// Returns a listener for the next change, or `None` if the condition is met.
    pub(crate) fn listen_unless(
        &self,
        mut condition: impl FnMut() -> bool,
    ) -> Option<EventListener> {
        if condition() {
            return None;
        }
        let change = self.listen();
        // The condition may have been met before the listener was registered.
        (!condition()).then_some(change)
    }

    pub(crate) fn replace_account(&self, account: Account) -> Result<(), ConfigError> {
        self.config.check_account(&account)?;
        self.commands().replacements.account = Some(account);
        Ok(())
    }

    pub(crate) fn replace_trust(&self, trust: Trust) {
        self.commands().replacements.trust = Some(trust);
    }

    pub(crate) fn start(&self) {
        let mut commands = self.commands();
        let Some(relaunch) = commands.relaunch.take() else {
            // The driver is about to come to rest. It then starts again.
            commands.start |=
                commands.stop || commands.stopping || self.snapshot().status.is_at_rest();
            return;
        };
        commands.stop = false;
        self.snapshot().end = None;
        drop(commands);
        relaunch();
    }

    /// Stops the stream permanently, because the last handle is gone.
    pub(crate) fn abandon(&self) {
        self.request_stop();
        let relaunch = self.commands().relaunch.take();
        drop(relaunch);
    }

    pub(crate) fn drive(&self) -> Option<Arc<dyn Drive>> {
        self.drive.get()?.upgrade()
    }

    /// Returns a listener that completes at the next change of the snapshot, or at the next
    /// [`notify`](Self::notify).
    pub fn listen(&self) -> EventListener {
        self.changed.listen()
    }

    /// Wakes everything that waits, to check its condition again.
    pub fn notify(&self) {
        self.changed.notify(usize::MAX);
    }

    pub(crate) fn sleep_until(
        &self,
        at: Instant,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        self.sleep.as_ref().map(|sleep| sleep(at))
    }

    pub(crate) fn snapshot(&self) -> MutexGuard<'_, Snapshot> {
        // No code panics while it holds the lock, and the snapshot would remain valid if one did.
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_command(&self, give: impl FnOnce(&mut Commands)) {
        let mut commands = self.commands();
        give(&mut commands);
        self.commanded.store(true, Ordering::Release);
        let waker = commands.driver.take();
        drop(commands);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn commands(&self) -> MutexGuard<'_, Commands> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ioxproto::rest;

    use super::super::{Async, Handle};
    use super::*;

    #[test]
    fn the_number_of_waiting_calls_is_limited() {
        let config = Config::new("http://127.0.0.1").local_account("admin", "x");
        let shared = Arc::new(Shared::new(config.max_calls(2), None));
        let handle: Handle<Async> = Handle::new(Arc::clone(&shared));
        let tickets: Vec<_> = (0..3).map(|_| handle.submit(rest::nodes())).collect();
        let done: Vec<_> = tickets.iter().map(|ticket| ticket.is_done()).collect();
        assert_eq!(done, [false, false, true]);
        shared.gone();
        assert!(tickets.iter().all(|ticket| ticket.is_done()));
    }

    #[test]
    fn futures_and_tickets_of_handles_are_send() {
        fn sent<T: Send>(it: T) -> T {
            it
        }
        let config = Config::new("http://127.0.0.1").local_account("admin", "x");
        let handle: Handle<Async> = Handle::new(Arc::new(Shared::new(config, None)));
        drop(sent(handle.call(rest::nodes())));
        drop(sent(handle.submit(rest::nodes())));
    }

    #[test]
    fn a_late_token_does_not_answer_the_next_sessions_request() {
        let config = Config::new("http://127.0.0.1").local_account("admin", "x");
        let shared = Shared::new(config, None);
        let _ = shared.begin();
        shared.provide_token(Some(Secret::from("late")));
        let _ = shared.begin();
        assert!(shared.command().is_none());
        shared.provide_token(None);
        assert!(matches!(shared.command(), Some(Command::Token(None))));
    }
}
