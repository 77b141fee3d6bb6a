//! The loop of every driver: it carries out the core's actions, delivers notifications, and reports
//! to the core what happened. Read it together with `ioxproto::driver`.
//!
//! ```text
//!   start ──► turn ──► Moved      there may be more to do: turn again
//!             ▲  │ ──► Drained    something happened, and the socket is empty now ──┐
//!             │  │ ──► Idle       nothing happened                                ──┤
//!             │  │                                                                  ▼
//!             │  │      listen returns the deadline; wait for it, the socket, or a command
//!             │  │                                                                  │
//!             ├──┼──────────────────────────────────────────────────────────────────┤ woken
//!             └──┼── tick ◄───── the deadline passed, and a turn after it was Idle ─┘
//!                ├───► HeldUp     wait for room in the queue or for a command; turn again
//!                └───► AtRest     the stream has ended; start runs it again
//! ```

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use ioxproto::rest::{CallError, CallId, CallPhase, RawAnswer};
use ioxproto::{
    Action, ConnectionId, Failure, Message, Notification, Now, RequestId, StreamMachine,
};
use tracing::debug;

use super::link::{Link, LinkEvent};
use super::shared::{CallCommand, Command, Replacements};
use super::ticket::Slot;
use super::{Delivery, Seam, Shared};
use crate::net::exchange::Answer;
use crate::net::{Attempt, CompletedExchange, IdleConnections, Route};
use crate::options::{Listener, Options, Tap, Tapped};
use crate::websocket::Received;
use crate::{BuildError, tls};

/// A stream that is stopping checks its deadline each time it has received this many inputs.
const STOP_CHECK_INTERVAL: u32 = 256;
/// How many notifications are read past a full queue while calls are pending. The consumer may be
/// waiting for the answer of a call and therefore not read the queue.
const CALL_HEADROOM: usize = 4096;
/// A batch with a larger capacity is freed before a wait, so that an idle stream uses little
/// memory.
const IDLE_BATCH_CAPACITY: usize = 4;

/// The loop of a driver and its state.
pub struct Body<S: Seam> {
    core: StreamMachine,
    route: Route<S>,
    link: Link<S>,
    /// The exchanges in progress alongside the stream: logins, refreshes, logouts and calls.
    requests: Vec<(RequestId, Attempt<S>)>,
    /// Connections kept after the exchange of a call, for the next calls.
    idle: IdleConnections<S::Io, S::Timer>,
    /// The pending calls, each with the slot for its outcome.
    calls: Vec<(CallId, Arc<Slot>)>,
    /// The request for a token that the application has not answered.
    token_wanted: Option<RequestId>,
    delivery: Arc<Delivery>,
    /// Receives the notifications instead of the queue.
    listener: Option<Listener>,
    shared: Arc<Shared>,
    tap: Option<Tap>,
    /// Notifications not yet delivered.
    batch: Vec<Notification>,
    /// How many more notifications the queue accepts.
    room: usize,
    /// Whether a full queue keeps the driver from reading.
    held_up: bool,
    /// Sampled once for each turn.
    now: Option<Now>,
    /// The number of inputs since the driver last waited.
    busy: u32,
}

/// The result of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver must act on each")]
pub enum Turn {
    /// Something happened, and there may be more to do.
    Moved,
    /// Something happened, and the driver must now wait.
    Drained,
    /// Nothing happened, and the driver must wait.
    Idle,
    /// The queue is full: the driver does not read, and the time does not count as silence.
    HeldUp,
    /// The stream has ended.
    AtRest,
}

/// An input for the core.
enum Input<S> {
    Link(LinkEvent<S>),
    Answered(RequestId, Box<Result<Answer, Failure>>),
}

impl<S: Seam> Body<S> {
    /// Creates a stream at rest.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first option that cannot be used.
    pub fn new(
        seam: S,
        options: Options,
        listener: Option<Listener>,
        sleep: Option<super::Sleep>,
    ) -> Result<Self, BuildError> {
        let config = options.config()?;
        let core = StreamMachine::new(config.clone())?;
        let tls = core.address().has_tls();
        Ok(Self {
            route: Route {
                seam,
                tls: tls.then(|| tls::client_config(&options.trust)),
                resolver: options.resolver,
                connector: options.connector,
            },
            link: Link::None,
            requests: Vec::new(),
            idle: IdleConnections::default(),
            calls: Vec::new(),
            token_wanted: None,
            delivery: Arc::new(Delivery::new(options.queue, options.overflow)),
            listener,
            shared: Arc::new(Shared::new(config, sleep)),
            tap: options.tap,
            batch: Vec::new(),
            room: 0,
            held_up: false,
            now: None,
            busy: 0,
            core,
        })
    }

    /// The queue to the consumer.
    pub fn delivery(&self) -> &Arc<Delivery> {
        &self.delivery
    }

    /// The state that handles share with the driver.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The seam.
    pub fn seam(&self) -> &S {
        &self.route.seam
    }

    /// Whether the stream is stopping.
    pub fn is_stopping(&self) -> bool {
        self.core.is_stopping()
    }

    /// The number of inputs since the last call of [`listen`](Self::listen).
    pub fn busy(&self) -> u32 {
        self.busy
    }

    /// Starts the stream, for the first time or again, with the account and the trust policy that
    /// were set since it last ran.
    pub fn start(&mut self) {
        let Replacements { account, trust } = self.shared.begin();
        if let Some(account) = account
            && let Err(error) = self.core.replace_account(account)
        {
            debug!(%error, "the new account does not fit; keeping the old one");
        }
        if let (Some(trust), Some(tls)) = (trust, &mut self.route.tls) {
            *tls = tls::client_config(&trust);
        }
        self.now = None;
        let now = self.now();
        self.core.start(now);
        self.settle();
    }

    /// Handles one command or the available input, without waiting.
    pub fn turn(&mut self, context: &mut Context<'_>) -> Turn {
        self.now = None;
        let turn = self.round(context);
        if !matches!(turn, Turn::Idle | Turn::HeldUp) {
            self.settle();
        }
        if self.core.status().is_at_rest() {
            debug!(status = %self.core.status(), "the stream is at rest");
            self.link = Link::None;
            self.requests.clear();
            self.idle.clear();
            return Turn::AtRest;
        }
        turn
    }

    fn round(&mut self, context: &mut Context<'_>) -> Turn {
        if let Some(command) = self.shared.command() {
            self.command(command);
            return Turn::Moved;
        }
        if self.room == 0 && self.can_pause() {
            let headroom = self.headroom();
            if self.delivery.poll_room(context, headroom).is_pending() {
                return self.hold_up(context);
            }
            self.room = self.delivery.room(headroom);
        }
        if std::mem::take(&mut self.held_up) {
            let now = self.now();
            self.shared.update(&self.core, now);
        }
        for taken in 0..S::TURN {
            let Poll::Ready(input) = self.poll_input(context) else {
                return match self.shared.poll_command(context) {
                    Poll::Ready(command) => {
                        self.command(command);
                        Turn::Moved
                    }
                    Poll::Pending if taken > 0 => Turn::Drained,
                    Poll::Pending => Turn::Idle,
                };
            };
            self.handle(input);
            self.busy = self.busy.wrapping_add(1);
            let stopping = self.core.is_stopping();
            if stopping && self.busy.is_multiple_of(STOP_CHECK_INTERVAL) {
                // Otherwise a controller that sends without a pause would prevent the stop.
                let now = self.now();
                self.core.tick(now);
            }
            let more = S::READS_ON || self.link.has_more();
            let full = self.batch.len() >= self.room;
            if !more || full || stopping || self.shared.has_command() {
                break;
            }
        }
        Turn::Moved
    }

    fn hold_up(&mut self, context: &mut Context<'_>) -> Turn {
        if let Poll::Ready(command) = self.shared.poll_command(context) {
            self.command(command);
            return Turn::Moved;
        }
        if let Poll::Ready(input) = self.poll_requests(context) {
            self.handle(input);
            return Turn::Moved;
        }
        self.idle.poll(|| self.route.seam.timer(), context);
        self.held_up = true;
        let now = self.now();
        self.shared.held_up(&self.core, now);
        Turn::HeldUp
    }

    /// Prepares a wait on an empty socket: reports the progress to the core and returns the
    /// deadline. Call it immediately before the wait.
    pub fn listen(&mut self) -> Option<Instant> {
        self.busy = 0;
        if self.batch.capacity() > IDLE_BATCH_CAPACITY {
            self.batch = Vec::new();
        }
        let now = self.now();
        self.report_progress(now);
        self.core.poll_timeout(now).map(|deadline| deadline.at)
    }

    /// Handles a deadline that has passed while the socket is still empty.
    pub fn tick(&mut self) {
        self.now = None;
        let now = self.now();
        self.report_progress(now);
        self.core.tick(now);
        self.settle();
    }

    /// The next deadline of a call, for a driver that waits for room in the queue.
    pub fn held_up_until(&mut self) -> Option<Instant> {
        let now = self.now();
        self.report_call_phases(now);
        self.core.call_deadline().map(|deadline| deadline.at)
    }

    /// Handles the deadline of [`held_up_until`](Self::held_up_until), so that calls time out even
    /// if the consumer does not read.
    pub fn tick_held_up(&mut self) {
        self.now = None;
        let now = self.now();
        self.report_call_phases(now);
        self.core.tick_calls(now);
        self.settle();
    }

    /// Ends without waiting: sends a close frame if that is possible at once, and drops everything.
    pub fn hang_up(&mut self) {
        self.now = None;
        let now = self.now();
        self.core.stop(now);
        self.settle();
        self.link.hang_up();
        self.requests.clear();
        self.idle.clear();
    }

    /// Reports the end of the driver to the consumer and the handles. Has no effect on a stream at
    /// rest.
    pub fn finish(&mut self) {
        for (_, slot) in self.calls.drain(..) {
            slot.fill(Err(CallError::driver_gone()));
        }
        self.shared.gone();
        self.delivery.finish();
    }

    fn now(&mut self) -> Now {
        *self.now.get_or_insert_with(|| Now {
            monotonic: Instant::now(),
            utc: SystemTime::now(),
        })
    }

    /// Carries out the core's actions and delivers the notifications. Updates the handles first, so
    /// that they are never behind the consumer.
    fn settle(&mut self) {
        self.carry_out();
        let now = self.now();
        self.shared.update(&self.core, now);
        let headroom = self.headroom();
        self.room = self.delivery.push_all(&mut self.batch, headroom);
    }

    /// How many notifications may be read past a full queue.
    fn headroom(&self) -> usize {
        if self.calls.is_empty() {
            0
        } else {
            CALL_HEADROOM
        }
    }

    /// Carries out the core's actions.
    fn carry_out(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Connect {
                    id,
                    address,
                    upgrade,
                } => {
                    // The last connection was lost, so these may be dead, too.
                    self.idle.clear();
                    let attempt = Attempt::new(&self.route, address, upgrade);
                    self.link = Link::Attempt(id, Box::new(attempt));
                }
                Action::OpenWebSocket {
                    id,
                    max_message_bytes,
                } => self.link.upgrade(id, max_message_bytes),
                Action::Request {
                    id,
                    address,
                    exchange,
                } => {
                    let now = self.now().monotonic;
                    let kept = self.idle.take(now, &address, exchange.is_repeatable());
                    let attempt = match kept {
                        Some(connection) => Attempt::on_kept(connection, address, exchange),
                        None => Attempt::new(&self.route, address, exchange),
                    };
                    self.requests.push((id, attempt));
                }
                Action::Abandon { id } => self.requests.retain(|(request, _)| *request != id),
                Action::CallDone { id, outcome } => self.call_done(id, outcome),
                Action::ProvideToken { id, rejected } => {
                    self.token_wanted = Some(id);
                    self.notify(Notification::TokenWanted { rejected });
                }
                Action::SendText { id, text } => {
                    if let Some(open) = self.link.open(id) {
                        open.send_secret(&text);
                    }
                }
                Action::Ping { id } => {
                    if let Some(open) = self.link.open(id) {
                        open.ping();
                    }
                }
                Action::Close { id, code } => {
                    if let Some(open) = self.link.open(id) {
                        open.close(code);
                    }
                }
                Action::Abort { id } => {
                    if self.link.id() == Some(id) {
                        self.link = Link::None;
                    }
                }
                Action::Notify(notification) => self.notify(notification),
                other => debug!(?other, "unknown action"),
            }
        }
    }

    fn notify(&mut self, notification: Notification) {
        if let Notification::Status(change) = &notification {
            let now = self.now();
            self.shared
                .status_changed(&self.core, now, change.status, change.reason.clone());
        }
        match &mut self.listener {
            Some(listener) => {
                let _in_callback = self.shared.enter_callback();
                listener.call(&notification);
            }
            None => self.batch.push(notification),
        }
    }

    fn call_done(&mut self, id: CallId, outcome: Result<RawAnswer, CallError>) {
        if let Some(place) = self.calls.iter().position(|(call, _)| *call == id) {
            let (_, slot) = self.calls.remove(place);
            slot.fill(outcome);
            self.shared.notify();
        }
    }

    /// Whether reading may pause: only on an open connection or between attempts. The time limit of
    /// an attempt or a login keeps running, so these continue. A stream that is stopping delivers
    /// nothing else that needs room.
    fn can_pause(&self) -> bool {
        let under_way = match self.link {
            Link::Open(_) => false,
            Link::None => !self.requests.is_empty(),
            Link::Attempt(..) | Link::Answered { .. } => true,
        };
        !under_way && !self.core.is_stopping()
    }

    /// Reports to the core the phase of the attempt, or that bytes have arrived. Called before each
    /// wait and each tick, because progress does not always end the wait.
    fn report_progress(&mut self, now: Now) {
        self.report_call_phases(now);
        match &mut self.link {
            Link::Open(open) => {
                if let Some(mid_message) = open.take_received() {
                    self.core.bytes_received(now, open.id(), mid_message);
                }
            }
            Link::Attempt(id, attempt) => self.core.phase(now, *id, attempt.phase()),
            Link::None | Link::Answered { .. } => {}
        }
    }

    /// Reports to the core the phase of each exchange alongside the stream. Only the phases of
    /// calls matter.
    fn report_call_phases(&mut self, now: Now) {
        for (id, attempt) in &self.requests {
            let reached = attempt.call_phase();
            if reached != CallPhase::Opening {
                self.core.call_phase(now, *id, reached);
            }
        }
    }

    fn poll_requests(&mut self, context: &mut Context<'_>) -> Poll<Input<S::Io>> {
        for (id, attempt) in &mut self.requests {
            if let Poll::Ready(exchanged) = attempt.poll(&self.route, context) {
                let now = Instant::now();
                let answer = exchanged.map(|answered| {
                    // Before the core receives the answer, because it may then start the next
                    // exchange.
                    if let Some(time) = answered.keep_alive {
                        let address = attempt.address().clone();
                        self.idle.keep(now, address, answered.connection, time);
                    }
                    answered.answer
                });
                return Poll::Ready(Input::Answered(*id, Box::new(answer)));
            }
        }
        Poll::Pending
    }

    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<Input<S::Io>> {
        if let Poll::Ready(input) = self.poll_requests(context) {
            return Poll::Ready(input);
        }
        let event = self.link.poll(&self.route, context);
        if event.is_pending() {
            self.idle.poll(|| self.route.seam.timer(), context);
        }
        event.map(Input::Link)
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Stop => {
                self.idle.clear();
                self.core.stop(now);
            }
            Command::Token(token) => {
                if let Some(id) = self.token_wanted.take() {
                    self.core.token(now, id, token);
                }
            }
            Command::Call(CallCommand::Make(request, slot)) => {
                let id = self.core.call(now, *request);
                self.calls.push((id, slot));
            }
            Command::Call(CallCommand::Cancel(slot)) => {
                let mut calls = self.calls.iter();
                if let Some((id, _)) = calls.find(|(_, call)| Arc::ptr_eq(call, &slot)) {
                    self.core.cancel_call(now, *id);
                }
            }
        }
    }

    fn handle(&mut self, input: Input<S::Io>) {
        let now = self.now();
        match input {
            Input::Link(LinkEvent::Received(id, message)) => {
                return self.handle_message(now, id, message);
            }
            Input::Link(LinkEvent::Exchanged(id, exchanged)) => match *exchanged {
                Ok(CompletedExchange {
                    answer,
                    connection,
                    early,
                    ..
                }) => {
                    self.link = Link::Answered {
                        id,
                        connection,
                        early,
                    };
                    self.core.upgrade_answered(now, id, answer);
                }
                Err(failure) => {
                    // The meaning of a failure depends on the phase.
                    self.report_progress(now);
                    self.link = Link::None;
                    self.core.failed(now, id, failure);
                }
            },
            Input::Link(LinkEvent::Ended(id, failure)) => {
                self.link = Link::None;
                match failure {
                    Some(failure) => self.core.failed(now, id, failure),
                    None => self.core.closed(now, id, None, ""),
                }
            }
            Input::Answered(id, answer) => {
                self.report_call_phases(now);
                self.requests.retain(|(request, _)| *request != id);
                match *answer {
                    Ok(answer) => self.core.http_answered(now, id, answer),
                    Err(failure) => self.core.http_failed(now, id, failure),
                }
            }
        }
        self.carry_out();
    }

    fn handle_message(&mut self, now: Now, id: ConnectionId, received: Received) {
        let notification = match received {
            Received::Text(range) => match &self.link {
                Link::Open(open) => {
                    let data = Tapped::Text(open.text(range));
                    self.shared.show(self.tap.as_ref(), data);
                    self.core.message(now, id, data.into())
                }
                _ => None,
            },
            Received::Message(tungstenite::Message::Binary(bytes)) => {
                let open = self.link.open(id);
                let was_text = open.is_some_and(|open| open.take_was_text(bytes.len()));
                let data = match was_text {
                    true => Tapped::Text(&bytes),
                    false => Tapped::Binary(&bytes),
                };
                self.shared.show(self.tap.as_ref(), data);
                self.core.message(now, id, data.into())
            }
            Received::Message(tungstenite::Message::Ping(_)) => {
                self.core.message(now, id, Message::Ping)
            }
            Received::Message(tungstenite::Message::Pong(_)) => {
                self.core.message(now, id, Message::Pong)
            }
            Received::Message(tungstenite::Message::Close(frame)) => {
                let (code, text) = frame.as_ref().map_or((None, ""), |frame| {
                    (Some(frame.code.into()), &*frame.reason)
                });
                self.link.hang_up();
                self.core.closed(now, id, code, text);
                None
            }
            Received::Message(tungstenite::Message::Text(_) | tungstenite::Message::Frame(_)) => {
                None
            }
        };
        self.carry_out();
        if let Some(notification) = notification {
            self.notify(notification);
        }
    }
}

impl<S: Seam> Drop for Body<S> {
    /// Covers the case that a runtime drops the task before the end.
    fn drop(&mut self) {
        self.finish();
    }
}
