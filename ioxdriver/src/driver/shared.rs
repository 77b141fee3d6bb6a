//! What handles and the driver share: the driver reports, handles command.
//!
//! ```text
//!             start, or a handle's start        stop, or a failure that a person must mend
//!   ┌─────────┐ ─────────────► ┌─────────┐ ──────────────────────────────► ┌─────────┐
//!   │ at rest │                │ running │                                 │ at rest │ ─► the driver has left its
//!   └─────────┘                └─────────┘ ◄── a start that came meanwhile └─────────┘    `Relaunch` here, and is gone
//! ```
//!
//! A driver at rest has neither a task nor a thread. It leaves a `Relaunch` that starts it again,
//! which is dropped with the last handle.

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

/// Starts a driver that is at rest. Dropped once nobody can ask for that.
pub type Relaunch = Box<dyn FnOnce() + Send>;

/// A timer of the driver's runtime, for handles that wait.
pub type Sleep = Box<dyn Fn(Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A driver without a thread of its own: whoever waits drives it.
pub trait Drive: Send + Sync {
    /// Waits until it holds or the time is over, and drives meanwhile.
    fn wait(&self, until: Option<Instant>, holds: &mut dyn FnMut() -> bool);

    /// The stream has been stopped: waits until nothing is left of it.
    fn join(&self);
}

/// What handles and the driver share.
pub struct Shared {
    config: Config,
    sleep: Option<Sleep>,
    drive: OnceLock<Weak<dyn Drive>>,
    snapshot: Mutex<Snapshot>,
    changed: Event,
    commands: Mutex<Commands>,
    /// Whether there may be a command, so that a busy driver need not lock to see that there is
    /// none.
    commanded: AtomicBool,
    pub(crate) handles: AtomicUsize,
}

#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) status: Status,
    pub(crate) last_event_at: Option<SystemTime>,
    pub(crate) sid: Arc<str>,
    pub(crate) stats: Stats,
    pub(crate) taken: Option<Instant>,
    pub(crate) last_reason: Option<Reason>,
    pub(crate) waits_for_consumer: bool,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    AtRest,
    DriverGone,
}

impl Snapshot {
    pub(crate) fn ended(&self) -> bool {
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

#[derive(Default)]
struct Commands {
    stop: bool,
    /// A stop was taken by the driver, which is not yet at rest.
    stopping: bool,
    start: bool,
    token: Option<Option<Secret>>,
    calls: VecDeque<CallCommand>,
    exchanged: Exchanged,
    driver: Option<Waker>,
    relaunch: Option<Relaunch>,
}

/// What an application asks of the driver.
#[derive(Debug)]
pub(crate) enum Command {
    /// Stop politely.
    Stop,
    /// The answer to [`Notification::TokenWanted`](ioxproto::Notification::TokenWanted).
    Token(Option<Secret>),
    /// A call is made, or taken back.
    Call(CallCommand),
}

/// What is asked of the driver about a call.
#[derive(Debug)]
pub(crate) enum CallCommand {
    Make(Box<Request>, Arc<Slot>),
    Cancel(Arc<Slot>),
}

thread_local! {
    /// The stream whose callback this thread is in, by its address; 0 in none.
    static CALLING_BACK: Cell<usize> = const { Cell::new(0) };
}

/// Until it is dropped, this thread is in a callback of a stream.
pub(crate) struct CallingBack(usize);

impl Drop for CallingBack {
    fn drop(&mut self) {
        CALLING_BACK.set(self.0);
    }
}

/// What a driver is to exchange before it starts.
#[derive(Debug, Default)]
pub(crate) struct Exchanged {
    /// For [`StreamMachine::exchange_account`]; already checked against the other options.
    pub(crate) account: Option<Account>,
    /// Other rules for certificates.
    pub(crate) trust: Option<Trust>,
}

impl Shared {
    /// Nothing has happened yet. Without a timer, the futures of [`Handle`](crate::Handle) that
    /// wait are never over in time: a driver without one shows the methods that block only.
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
                waits_for_consumer: false,
                end: None,
            }),
            changed: Event::new(),
            commands: Mutex::default(),
            commanded: AtomicBool::new(false),
            handles: AtomicUsize::new(0),
        }
    }
}

/// For the driver.
impl Shared {
    /// Threads that wait on a handle drive from now on.
    pub fn driven_by(&self, drive: Weak<dyn Drive>) {
        let _ = self.drive.set(drive);
    }

    /// The driver tells what it knows, before it delivers and before it waits.
    pub(crate) fn update(&self, stream: &StreamMachine, now: Now) {
        self.tell(stream, now, |snapshot| snapshot.waits_for_consumer = false);
    }

    /// The driver waits until the consumer leaves room.
    pub(crate) fn held_up(&self, stream: &StreamMachine, now: Now) {
        self.tell(stream, now, |snapshot| snapshot.waits_for_consumer = true);
    }

    /// The driver tells of a change of status, before it delivers it.
    pub(crate) fn status_changed(
        &self,
        stream: &StreamMachine,
        now: Now,
        status: Status,
        reason: Option<Reason>,
    ) {
        self.tell(stream, now, |snapshot| {
            snapshot.status = status;
            snapshot.last_reason = reason;
        });
    }

    fn tell(&self, stream: &StreamMachine, now: Now, more: impl FnOnce(&mut Snapshot)) {
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

    /// The driver is about to start the stream, for the first time or again.
    pub(crate) fn begin(&self) -> Exchanged {
        let mut commands = self.commands();
        // A start is carried out by this one, but for a start that came after a stop: that stop is
        // still to be seen, and the start with it.
        commands.start &= commands.stop;
        // An answer that came too late for the last session's question is none to this one's.
        commands.token = None;
        self.snapshot().end = None;
        std::mem::take(&mut commands.exchanged)
    }

    /// The driver has come to rest. `true` if it must start again at once, because a start was
    /// requested meanwhile. Else `leave` is called: it lets the consumer know of the end, and
    /// returns what begins anew.
    pub fn rest(&self, leave: impl FnOnce() -> Relaunch) -> bool {
        let mut commands = self.commands();
        commands.stopping = false;
        commands.stop = false;
        if std::mem::take(&mut commands.start) {
            return true;
        }
        // All of it under the lock, which a start takes too: who has seen the end finds what begins
        // anew.
        self.ended(End::AtRest);
        let relaunch = leave();
        // Calls that came too late; later ones see the end.
        let calls = std::mem::take(&mut commands.calls);
        // The last handle's drop takes the lock too, so one of the two sees the other.
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

    /// The driver is gone without having come to rest. Harmless after [`rest`](Self::rest).
    pub fn gone(&self) {
        if !self.snapshot().ended() {
            self.ended(End::DriverGone);
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

    /// Notes that this thread is in a callback of this stream, until what is returned is dropped.
    pub(crate) fn calling_back(&self) -> CallingBack {
        CallingBack(CALLING_BACK.replace(self.place()))
    }

    /// Shows a message to the tap, if there is one.
    pub(crate) fn show(&self, tap: Option<&Tap>, message: Tapped<'_>) {
        if let Some(tap) = tap {
            let _calling_back = self.calling_back();
            tap.see(message);
        }
    }

    fn place(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn ended(&self, end: End) {
        let mut snapshot = self.snapshot();
        snapshot.end = Some(end);
        snapshot.waits_for_consumer = false;
        if !snapshot.status.is_at_rest() {
            snapshot.status = Status::Disconnected;
            snapshot.last_reason = None;
        }
        drop(snapshot);
        self.notify();
    }

    /// The next thing that the application asks for, if there is one.
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

    /// Whether there may be something that the application asks for.
    pub(crate) fn has_command(&self) -> bool {
        self.commanded.load(Ordering::Acquire)
    }

    /// The next thing that the application asks for.
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

/// For handles.
impl Shared {
    pub(crate) fn request_stop(&self) {
        self.ask(|commands| {
            commands.stop = true;
            commands.start = false;
        });
    }

    pub(crate) fn provide_token(&self, token: Option<Secret>) {
        self.ask(|commands| commands.token = Some(token));
    }

    /// Makes a call. At rest it is over at once.
    pub(crate) fn make_call(&self, request: Request) -> Arc<Slot> {
        let slot = Arc::new(Slot::default());
        let limit = self.config.call_limit();
        let mut refused = None;
        self.ask(|commands| {
            // Under the lock, which the driver takes when it comes to rest.
            if self.snapshot().ended() {
                refused = Some(self.not_running());
            } else if commands.calls.len() >= limit {
                // A driver that nobody drives takes none.
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
        self.ask(|commands| {
            let is_cancelled = commands.calls.iter().any(|call| match call {
                CallCommand::Cancel(other) => Arc::ptr_eq(other, slot),
                CallCommand::Make(..) => false,
            });
            if !is_cancelled && !self.snapshot().ended() {
                let call = CallCommand::Cancel(Arc::clone(slot));
                commands.calls.push_back(call);
            }
        });
    }

    /// Whether this thread is in a callback of this stream, so that nothing happens before it
    /// returns.
    pub(crate) fn is_calling_back(&self) -> bool {
        CALLING_BACK.get() == self.place()
    }

    /// Waits on this thread until it holds, or the time is over.
    pub(crate) fn wait_blocking(&self, mut holds: impl FnMut() -> bool, over: Option<Instant>) {
        if let Some(drive) = self.drive() {
            drive.wait(over, &mut holds);
            return;
        }
        while let Some(change) = self.unless(&mut holds) {
            match over {
                None => change.wait(),
                Some(over) if change.wait_deadline(over).is_none() => return,
                Some(_) => {}
            }
        }
    }

    /// `None` when the condition holds, else what to wait for before looking again.
    pub(crate) fn unless(&self, mut holds: impl FnMut() -> bool) -> Option<EventListener> {
        if holds() {
            return None;
        }
        let change = self.listen();
        // It may have come to hold before the listener was there.
        (!holds()).then_some(change)
    }

    pub(crate) fn exchange_account(&self, account: Account) -> Result<(), ConfigError> {
        self.config.check_account(&account)?;
        self.commands().exchanged.account = Some(account);
        Ok(())
    }

    pub(crate) fn exchange_trust(&self, trust: Trust) {
        self.commands().exchanged.trust = Some(trust);
    }

    pub(crate) fn start(&self) {
        let mut commands = self.commands();
        let Some(relaunch) = commands.relaunch.take() else {
            // Not yet at rest, but about to be: it starts again from there.
            commands.start |=
                commands.stop || commands.stopping || self.snapshot().status.is_at_rest();
            return;
        };
        commands.stop = false;
        self.snapshot().end = None;
        drop(commands);
        relaunch();
    }

    /// The last handle is gone.
    pub(crate) fn abandon(&self) {
        self.request_stop();
        let relaunch = self.commands().relaunch.take();
        drop(relaunch);
    }

    pub(crate) fn drive(&self) -> Option<Arc<dyn Drive>> {
        self.drive.get()?.upgrade()
    }

    /// Completes at the next change of what handles can see, or at the next
    /// [`notify`](Self::notify).
    pub fn listen(&self) -> EventListener {
        self.changed.listen()
    }

    /// Lets all who wait look again.
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
        // Nothing panics while the lock is held; were it to, the snapshot would still be sound.
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, give: impl FnOnce(&mut Commands)) {
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
    fn calls_that_no_driver_takes_are_bounded() {
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
    fn what_handles_give_can_be_sent_to_other_threads() {
        fn sent<T: Send>(it: T) -> T {
            it
        }
        let config = Config::new("http://127.0.0.1").local_account("admin", "x");
        let handle: Handle<Async> = Handle::new(Arc::new(Shared::new(config, None)));
        drop(sent(handle.call(rest::nodes())));
        drop(sent(handle.submit(rest::nodes())));
    }

    #[test]
    fn a_late_token_is_no_answer_to_the_next_sessions_question() {
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
