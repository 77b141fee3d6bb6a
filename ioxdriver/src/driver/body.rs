//! The body of every driver: carries out what the core asks for, delivers, and tells the core what
//! happened. To be read beside `ioxproto::driver`.
//!
//! ```text
//!   start ──► turn ──► Moved      there may be more: turn again
//!             ▲  │ ──► Drained    something happened, and the socket is empty now ──┐
//!             │  │ ──► Idle       nothing happened                                ──┤
//!             │  │                                                                  ▼
//!             │  │      listen gives the deadline; wait for it, for the socket, or for a command
//!             │  │                                                                  │
//!             ├──┼──────────────────────────────────────────────────────────────────┤ woken
//!             └──┼── tick ◄──────────── the deadline came, and a turn was Idle since┘
//!                ├───► HeldUp     wait for room in the queue, or for a command, and turn again
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
use super::shared::{CallCommand, Command, Exchanged};
use super::ticket::Slot;
use super::{Delivery, Seam, Shared};
use crate::net::exchange::Answer;
use crate::net::{Answered, Attempt, IdleConnections, Route};
use crate::options::{Listener, Options, Tap, Tapped};
use crate::websocket::Received;
use crate::{BuildError, tls};

/// The messages after which a stream that is stopping looks at its deadline.
const STOP_LOOKS_UP: u32 = 256;
/// While calls are pending, this many notifications are read past a full queue: its consumer may be
/// waiting for one of them.
const BEYOND: usize = 4096;
/// A batch with room for more than this is freed before a wait, so that an idle stream does not
/// keep it.
const IDLE: usize = 4;

/// The loop of a driver.
pub struct Body<S: Seam> {
    core: StreamMachine,
    route: Route<S>,
    link: Link<S>,
    /// Logins, refreshes and logouts under way, one at a time as a rule, and the exchanges of
    /// calls.
    requests: Vec<(RequestId, Attempt<S>)>,
    /// Connections of calls that were answered, for the next ones.
    idle: IdleConnections<S::Io, S::Timer>,
    /// The calls that are not over, and where what they come to is awaited.
    calls: Vec<(CallId, Arc<Slot>)>,
    token_wanted: Option<RequestId>,
    delivery: Arc<Delivery>,
    /// Called in the queue's place.
    listener: Option<Listener>,
    shared: Arc<Shared>,
    tap: Option<Tap>,
    /// Notifications not yet delivered, and how many the queue has room for.
    batch: Vec<Notification>,
    room: usize,
    held_up: bool,
    /// Sampled once for each turn.
    now: Option<Now>,
    /// The things that happened since the driver last waited.
    busy: u32,
}

/// What one turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver must act on each")]
pub enum Turn {
    /// Something happened, and there may be more to do.
    Moved,
    /// Something happened, and there is nothing to do now but to wait.
    Drained,
    /// Nothing happened, and there is nothing to do but to wait.
    Idle,
    /// The consumer leaves no room: nothing is read, and no silence counts.
    HeldUp,
    /// The stream has ended.
    AtRest,
}

/// What there is to tell the core.
enum Input<S> {
    Link(LinkEvent<S>),
    Answered(RequestId, Box<Result<Answer, Failure>>),
}

impl<S: Seam> Body<S> {
    /// A stream at rest, with what handles and the consumer share with it.
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

    /// What handles share with the driver.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The seam.
    pub fn seam(&self) -> &S {
        &self.route.seam
    }

    /// Whether the stream is on its way to an orderly end.
    pub fn is_stopping(&self) -> bool {
        self.core.is_stopping()
    }

    /// How many things happened since the last call of [`listen`](Self::listen).
    pub fn busy(&self) -> u32 {
        self.busy
    }

    /// Starts the stream, for the first time or again, with what was exchanged since it last ran.
    pub fn start(&mut self) {
        let Exchanged { account, trust } = self.shared.begin();
        if let Some(account) = account
            && let Err(error) = self.core.exchange_account(account)
        {
            debug!(%error, "the account does not fit, the old one stays");
        }
        if let (Some(trust), Some(tls)) = (trust, &mut self.route.tls) {
            *tls = tls::client_config(&trust);
        }
        self.now = None;
        let now = self.now();
        self.core.start(now);
        self.settle();
    }

    /// One round without waiting: a command, or what there is to read.
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
        if self.room == 0 && self.may_pause() {
            let beyond = self.beyond();
            if self.delivery.poll_room(context, beyond).is_pending() {
                return self.hold_up(context);
            }
            self.room = self.delivery.room(beyond);
        }
        if std::mem::take(&mut self.held_up) {
            let now = self.now();
            self.shared.update(&self.core, now);
        }
        for taken in 0..S::TURN {
            let Poll::Ready(input) = self.poll_world(context) else {
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
            if stopping && self.busy.is_multiple_of(STOP_LOOKS_UP) {
                // A controller that never ceases to send does not keep the stream from its end.
                let now = self.now();
                self.core.tick(now);
            }
            let more = S::READS_ON || self.link.holds_more();
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

    /// The socket is empty and the driver is about to wait: tells the core how things stand, and
    /// asks when to wake. To be called right before the wait.
    pub fn listen(&mut self) -> Option<Instant> {
        self.busy = 0;
        if self.batch.capacity() > IDLE {
            self.batch = Vec::new();
        }
        let now = self.now();
        self.tell_progress(now);
        self.core.poll_timeout(now).map(|deadline| deadline.at)
    }

    /// The deadline has come, and the socket is still empty.
    pub fn tick(&mut self) {
        self.now = None;
        let now = self.now();
        self.tell_progress(now);
        self.core.tick(now);
        self.settle();
    }

    /// When to wake although the consumer leaves no room: a call is due.
    pub fn held_up_until(&mut self) -> Option<Instant> {
        let now = self.now();
        self.tell_call_phases(now);
        self.core.call_deadline().map(|deadline| deadline.at)
    }

    /// That has come: calls end in time, whatever the consumer does.
    pub fn tick_held_up(&mut self) {
        self.now = None;
        let now = self.now();
        self.tell_call_phases(now);
        self.core.tick_calls(now);
        self.settle();
    }

    /// Leaves without waiting: what can be sent at once is sent (a close frame), everything is
    /// dropped.
    pub fn hang_up(&mut self) {
        self.now = None;
        let now = self.now();
        self.core.stop(now);
        self.settle();
        self.link.hang_up();
        self.requests.clear();
        self.idle.clear();
    }

    /// Nothing more happens: the consumer and handles learn of it. Harmless after a rest.
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

    /// Carries out what the core asks for, and delivers. Handles know what the consumer is about
    /// to be told.
    fn settle(&mut self) {
        self.carry_out();
        let now = self.now();
        self.shared.update(&self.core, now);
        let beyond = self.beyond();
        self.room = self.delivery.push_all(&mut self.batch, beyond);
    }

    /// How many notifications may be read past a full queue.
    fn beyond(&self) -> usize {
        if self.calls.is_empty() { 0 } else { BEYOND }
    }

    /// Does everything that the core asks for.
    fn carry_out(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Connect {
                    id,
                    address,
                    upgrade,
                } => {
                    // The last connection was lost, and these may be dead with it.
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
                other => debug!(?other, "an action that this driver does not know"),
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
                let _calling_back = self.shared.calling_back();
                listener.tell(&notification);
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

    /// Whether reading may pause: only on an open connection or between attempts. An attempt under
    /// way goes on, and so does a login, since their time limits run; and a stream that is stopping
    /// delivers nothing more that needs room.
    fn may_pause(&self) -> bool {
        let under_way = match self.link {
            Link::Open(_) => false,
            Link::None => !self.requests.is_empty(),
            Link::Attempt(..) | Link::Answered { .. } => true,
        };
        !under_way && !self.core.is_stopping()
    }

    /// How far the attempt is, or that a message has begun to arrive. Told before each wait and
    /// before each tick, since either may have changed in a wait that it did not end.
    fn tell_progress(&mut self, now: Now) {
        self.tell_call_phases(now);
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

    /// How far the exchanges beside the stream are; it matters for those of calls.
    fn tell_call_phases(&mut self, now: Now) {
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
                    // Before the core hears of the answer, which may ask for the next exchange.
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

    fn poll_world(&mut self, context: &mut Context<'_>) -> Poll<Input<S::Io>> {
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
                return self.received(now, id, message);
            }
            Input::Link(LinkEvent::Exchanged(id, exchanged)) => match *exchanged {
                Ok(Answered {
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
                    // How far it had come is part of what the failure means.
                    self.tell_progress(now);
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
                self.tell_call_phases(now);
                self.requests.retain(|(request, _)| *request != id);
                match *answer {
                    Ok(answer) => self.core.http_answered(now, id, answer),
                    Err(failure) => self.core.http_failed(now, id, failure),
                }
            }
        }
        self.carry_out();
    }

    fn received(&mut self, now: Now, id: ConnectionId, received: Received) {
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
    /// At the end, and when a runtime drops its task before that.
    fn drop(&mut self) {
        self.finish();
    }
}
