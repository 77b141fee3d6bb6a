//! The driver: carries out what the core asks for, and tells it what happened. To be read beside
//! `ioxproto::driver`.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime};

use event_listener::Event;
use ioxdriver::{Command, Delivery, Exchanged, Listener, Prepared, Shared, Tap, Tapped, tls};
use ioxproto::{Action, ConnectionId, EventStream, Failure, Message, Notification, Now, RequestId};
use tracing::debug;

use crate::attempt::{Answer, Attempt, Route};
use crate::link::{Link, News};
use crate::seat::Seat;
use crate::waiting::Waiting;

/// After so many messages without a wait, a stream that is stopping looks at its deadline.
const STOP_LOOKS_UP: u32 = 256;

pub(crate) struct Driver {
    core: EventStream,
    delivery: Arc<Delivery>,
    shared: Arc<Shared>,
    /// Told whenever there is something new to know, for threads that wait while another one drives.
    news: Arc<Event>,
    /// A start was asked for.
    wanted: Arc<AtomicBool>,
    /// The consumer leaves no room to read on.
    held_up: bool,
    /// So many things happened since the driver last waited.
    busy: u32,
    seat: Weak<Seat>,
    listener: Option<Listener>,
    route: Route,
    tap: Option<Tap>,
    waiting: Waiting,
    waker: Waker,
    link: Link,
    requests: BTreeMap<RequestId, Attempt>,
    token_wanted: Option<RequestId>,
    now: Option<Now>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    AtRest,
    Running,
    /// Gone without coming to rest; nothing begins anew.
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

/// What there is to tell the core.
enum Happening {
    Link(News),
    Answered(RequestId, Result<Answer, Failure>),
}

impl Driver {
    pub(crate) fn new(
        prepared: Prepared,
        listener: Option<Listener>,
        delivery: Arc<Delivery>,
        shared: Arc<Shared>,
        news: Arc<Event>,
        wanted: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let tls = prepared
            .config
            .address()
            .tls()
            .then(|| tls::client_config(&prepared.trust));
        let waiting = Waiting::new()?;
        Ok(Self {
            core: EventStream::new(prepared.config),
            delivery,
            shared,
            news,
            wanted,
            held_up: false,
            busy: 0,
            seat: Weak::new(),
            listener,
            route: Route {
                tls,
                resolver: prepared.resolver,
                connector: prepared.connector,
            },
            tap: prepared.tap,
            waker: waiting.waker(),
            waiting,
            link: Link::None,
            requests: BTreeMap::new(),
            token_wanted: None,
            now: None,
            stage: Stage::AtRest,
        })
    }

    /// Where it is driven from.
    pub(crate) fn seated(mut self, seat: Weak<Seat>) -> Self {
        self.seat = seat;
        self
    }

    /// One round without waiting: a command, or one thing that there is to read.
    pub(crate) fn turn(&mut self) -> Turn {
        self.now = None;
        let turn = match self.stage {
            Stage::AtRest if self.wanted.swap(false, Ordering::AcqRel) => self.start(),
            Stage::AtRest => return Turn::Ended,
            Stage::Left => {
                // A start that came too late is told so.
                self.shared.gone();
                return Turn::Ended;
            }
            Stage::Running => self.round(),
        };
        self.settle(turn)
    }

    /// After [`Turn::Idle`]: waits for something to happen, no longer than to this instant.
    pub(crate) fn wait(&mut self, patience: Option<Instant>) -> Turn {
        self.now = None;
        let turn = self.slept(patience);
        self.settle(turn)
    }

    /// Whoever drives may be the consumer, who looks at what is delivered before the next turn.
    fn settle(&mut self, turn: Turn) -> Turn {
        self.carry_out();
        if self.core.status().at_rest() {
            return self.rest();
        }
        turn
    }

    fn round(&mut self) -> Turn {
        let waker = self.waker.clone();
        let mut context = Context::from_waker(&waker);
        if let Poll::Ready(command) = self.shared.poll_command(&mut context) {
            self.command(command);
            return Turn::Moved;
        }
        let now = self.now();
        self.held_up = self.could_deliver() && self.delivery.poll_room(&mut context).is_pending();
        if self.held_up {
            self.shared.held_up(&self.core, now);
        } else if let Poll::Ready(happening) = self.look(&mut context) {
            self.handle(happening);
            self.busy = self.busy.wrapping_add(1);
            if self.core.is_stopping() && self.busy.is_multiple_of(STOP_LOOKS_UP) {
                // A controller that never ceases to send does not keep the stream from its end.
                self.core.tick(now);
            }
            return Turn::Moved;
        } else {
            self.busy = 0;
            self.tell_progress();
            self.shared.update(&self.core, now);
        }
        self.news.notify(usize::MAX);
        Turn::Idle
    }

    /// Whether what comes next may need room: what there is to read, or another attempt. An attempt under way goes on, and
    /// a stream that is stopping delivers nothing more than that.
    fn could_deliver(&self) -> bool {
        let under_way = match self.link {
            Link::Open(_) => false,
            Link::None => !self.requests.is_empty(),
            Link::Attempt(..) | Link::Answered { .. } => true,
        };
        !under_way && !self.core.is_stopping()
    }

    fn slept(&mut self, patience: Option<Instant>) -> Turn {
        if self.held_up {
            // Nothing is read meanwhile, and no silence counts.
            return match self.waiting.sleep(patience) {
                true => Turn::Moved,
                false => Turn::Idle,
            };
        }
        // What was there is taken; only on an empty socket is the deadline asked for.
        let now = self.now();
        let deadline = self.core.poll_timeout(now).map(|deadline| deadline.at);
        let alarms = [deadline, self.next_address_at(), patience];
        let woken = self.waiting.sleep(alarms.into_iter().flatten().min());
        self.now = None;
        let now = self.now();
        if woken && deadline.is_none_or(|deadline| now.monotonic < deadline) {
            return Turn::Moved;
        }
        // Only if the socket is still empty when the deadline comes does it count.
        let waker = self.waker.clone();
        if let Poll::Ready(happening) = self.look(&mut Context::from_waker(&waker)) {
            self.handle(happening);
            return Turn::Moved;
        }
        let now = self.now();
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now.monotonic);
        if due(deadline) {
            self.tell_progress();
            self.core.tick(now);
            return Turn::Moved;
        }
        match due(patience) {
            true => Turn::Idle,
            false => Turn::Moved,
        }
    }

    /// For the first time or anew, with what was exchanged since the last start.
    fn start(&mut self) -> Turn {
        let Exchanged { account, trust, .. } = self.shared.begin();
        if let Some(account) = account
            && let Err(error) = self.core.exchange_account(account)
        {
            debug!(%error, "the account does not fit, the old one stays");
        }
        if let (Some(trust), Some(tls)) = (trust, &mut self.route.tls) {
            *tls = tls::client_config(&trust);
        }
        self.stage = Stage::Running;
        let now = self.now();
        self.core.start(now);
        Turn::Moved
    }

    /// The stream has come to rest.
    fn rest(&mut self) -> Turn {
        debug!(status = %self.core.status(), "the stream is at rest");
        self.stage = Stage::AtRest;
        self.link = Link::None;
        self.requests.clear();
        let (seat, delivery) = (self.seat.upgrade(), Arc::clone(&self.delivery));
        let mut finished = false;
        let again = self.shared.rest(|| {
            // Here no start comes between, after which the queue must be open again.
            delivery.finish();
            finished = true;
            Box::new(move || {
                if let Some(seat) = seat {
                    seat.begin_anew();
                }
            })
        });
        self.news.notify(usize::MAX);
        if again {
            self.wanted.store(true, Ordering::Release);
            return Turn::Moved;
        }
        if !finished {
            // Nobody is left who could start.
            self.delivery.finish();
        }
        Turn::Ended
    }

    /// Sampled once for each wake-up.
    fn now(&mut self) -> Now {
        *self.now.get_or_insert_with(|| Now {
            monotonic: Instant::now(),
            utc: SystemTime::now(),
        })
    }

    /// Looks at everything that could have news.
    fn look(&mut self, context: &mut Context<'_>) -> Poll<Happening> {
        let now = self.now().monotonic;
        for (id, attempt) in &mut self.requests {
            if let Poll::Ready(exchanged) = attempt.advance(context, &self.waiting, now) {
                let answer = exchanged.map(|(answer, _, _)| answer);
                return Poll::Ready(Happening::Answered(*id, answer));
            }
        }
        let news = self.link.advance(context, &self.waiting, now);
        news.map(Happening::Link)
    }

    /// How far the attempt is, or that a message has begun to come: before each wait, and before each tick, since either
    /// may have changed in a wait that did not end by it.
    fn tell_progress(&mut self) {
        let now = self.now();
        match &mut self.link {
            Link::Open(open) => {
                if let Some(mid_message) = open.take_received() {
                    self.core.bytes_received(now, open.id, mid_message);
                }
            }
            Link::Attempt(id, attempt) => self.core.phase(now, *id, attempt.phase()),
            Link::None | Link::Answered { .. } => {}
        }
    }

    fn next_address_at(&self) -> Option<Instant> {
        let link = match &self.link {
            Link::Attempt(_, attempt) => attempt.wake_at(),
            _ => None,
        };
        let requests = self.requests.values().filter_map(Attempt::wake_at);
        requests.chain(link).min()
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
                    let attempt = Attempt::new(&self.route, address, exchange);
                    self.requests.insert(id, attempt);
                }
                Action::Abandon { id } => {
                    self.requests.remove(&id);
                }
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
            self.news.notify(usize::MAX);
        }
        match &mut self.listener {
            Some(listener) => listener.tell(&notification),
            None => self.delivery.push(notification),
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Stop => self.core.stop(now),
            Command::Token(token) => {
                if let Some(id) = self.token_wanted.take() {
                    self.core.token(now, id, token);
                }
            }
            other => debug!(?other, "a command that this driver does not know"),
        }
    }

    fn handle(&mut self, happening: Happening) {
        let now = self.now();
        match happening {
            Happening::Answered(id, answer) => {
                self.requests.remove(&id);
                match answer {
                    Ok(answer) => self.core.http_answered(now, id, answer),
                    Err(failure) => self.core.http_failed(now, id, failure),
                }
            }
            Happening::Link(News::Exchanged(id, Ok((answer, connection, early)))) => {
                self.link = Link::Answered {
                    id,
                    connection,
                    early,
                };
                self.core.upgrade_answered(now, id, answer);
            }
            Happening::Link(News::Exchanged(id, Err(failure))) => {
                self.link = Link::None;
                self.core.failed(now, id, failure);
            }
            Happening::Link(News::Received(id, message)) => self.received(id, message),
            Happening::Link(News::Ended(id, failure)) => {
                self.link = Link::None;
                match failure {
                    Some(failure) => self.core.failed(now, id, failure),
                    None => self.core.closed(now, id, None, ""),
                }
            }
        }
    }

    fn received(&mut self, id: ConnectionId, message: tungstenite::Message) {
        let now = self.now();
        let notification = match &message {
            tungstenite::Message::Binary(bytes) => {
                let open = self.link.open(id);
                let was_text = open.is_some_and(|open| open.take_was_text(bytes.len()));
                if let Some(tap) = &mut self.tap {
                    tap.see(match was_text {
                        true => Tapped::Text(bytes),
                        false => Tapped::Binary(bytes),
                    });
                }
                let message = match was_text {
                    true => Message::Text(bytes),
                    false => Message::Binary(bytes),
                };
                self.core.message(now, id, message)
            }
            tungstenite::Message::Ping(_) => self.core.message(now, id, Message::Ping),
            tungstenite::Message::Pong(_) => self.core.message(now, id, Message::Pong),
            tungstenite::Message::Close(frame) => {
                let (code, text) = frame.as_ref().map_or((None, ""), |frame| {
                    (Some(frame.code.into()), &*frame.reason)
                });
                if let Link::Open(open) = self.link.take() {
                    open.part();
                }
                self.core.closed(now, id, code, text);
                None
            }
            tungstenite::Message::Text(_) | tungstenite::Message::Frame(_) => None,
        };
        self.carry_out();
        if let Some(notification) = notification {
            // Handles know what was told, and not only once the driver waits: it may not, for long.
            self.shared.update(&self.core, now);
            self.notify(notification);
        }
    }

    /// Whether it is on its way to an end in order.
    pub(crate) fn is_stopping(&self) -> bool {
        self.core.is_stopping()
    }

    #[cfg(test)]
    pub(crate) fn wake_ups(&self) -> u32 {
        self.waiting.wake_ups
    }

    /// Ends a wait, from any thread.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Leaves without waiting: what can be said at once is said (a close frame), everything is dropped.
    pub(crate) fn leave(&mut self) {
        if self.stage == Stage::Running {
            self.now = None;
            let now = self.now();
            self.core.stop(now);
            self.carry_out();
            if let Link::Open(open) = self.link.take() {
                open.part();
            }
        }
        self.stage = Stage::Left;
        self.link = Link::None;
        self.requests.clear();
        self.shared.gone();
        self.delivery.finish();
        self.news.notify(usize::MAX);
    }
}

impl Drop for Driver {
    /// With the last that could drive it: a handle may have asked for a start that nobody is left to carry out.
    fn drop(&mut self) {
        self.leave();
    }
}
