//! The driver: carries out what the core asks for, and tells it what happened. To be read beside
//! `ioxproto::driver`.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use ioxdriver::{
    Command, Delivery, Exchanged as Exchange, Listener, Prepared, Shared, Tap, Tapped, tls,
};
use ioxproto::{Action, ConnectionId, EventStream, Failure, Message, Notification, Now, RequestId};
use tracing::debug;

use crate::Runtime;
use crate::connect::{Answer, Progressed, Route};
use crate::link::{Boxed, Exchanged, Link, News};

/// When the deadline has come and nothing was to be read, the socket is looked at once more after this time: the runtime
/// may not have heard yet of what has come meanwhile.
const SECOND_LOOK: Duration = Duration::from_millis(1);
/// So many notifications are delivered at once at most, while there is more to read.
const BATCH: usize = 64;
/// After so many messages without a wait, other tasks of the runtime have their turn, and the clocks are looked at.
const TURN: u32 = 256;
/// A batch that had room for more than this is given back before a wait, so that an idle stream does not keep it.
const IDLE: usize = 4;

pub(crate) struct Driver<R: Runtime> {
    core: EventStream,
    route: Route<R>,
    link: Link,
    /// Logins, refreshes and logouts under way; one at a time as a rule.
    requests: Vec<(RequestId, Boxed<Exchanged>)>,
    token_wanted: Option<RequestId>,
    delivery: Arc<Delivery>,
    /// Told in the queue's place.
    listener: Option<Listener>,
    shared: Arc<Shared>,
    tap: Option<Tap>,
    /// What is not yet delivered, and how much there is room for.
    batch: Vec<Notification>,
    room: usize,
    /// Sampled once for each wake-up.
    now: Option<Now>,
    /// Kept from wait to wait, since deadlines mostly move away: it may ring too early, never too late.
    alarm: Option<(Instant, Boxed<()>)>,
    turn: u32,
}

/// What ends a wait.
enum Happening {
    /// Messages came, and are taken.
    Messages,
    Command(Command),
    Link(News),
    Answered(RequestId, Box<Result<Answer, Failure>>),
    Deadline,
}

impl<R: Runtime> Driver<R> {
    pub(crate) fn new(
        runtime: R,
        prepared: Prepared,
        delivery: Arc<Delivery>,
        listener: Option<Listener>,
        shared: Arc<Shared>,
    ) -> Self {
        let tls = prepared
            .config
            .address()
            .tls()
            .then(|| tls::client_config(&prepared.trust));
        Self {
            core: EventStream::new(prepared.config),
            route: Route {
                runtime,
                tls,
                resolver: prepared.resolver,
                connector: prepared.connector,
            },
            link: Link::None,
            requests: Vec::new(),
            token_wanted: None,
            delivery,
            listener,
            shared,
            tap: prepared.tap,
            batch: Vec::new(),
            room: 0,
            now: None,
            alarm: None,
            turn: 0,
        }
    }

    /// Runs on a task of its own, to the end of the stream; and each time that it begins anew.
    pub(crate) fn spawn(self) {
        let runtime = self.route.runtime.clone();
        runtime.spawn(self.run());
    }

    async fn run(mut self) {
        loop {
            self.session().await;
            let shared = Arc::clone(&self.shared);
            let mut resting = Some(self);
            let again = shared.rest(|| {
                let driver = resting.take();
                if let Some(driver) = &driver {
                    driver.delivery.finish();
                }
                Box::new(move || {
                    if let Some(driver) = driver {
                        driver.delivery.resume();
                        driver.spawn();
                    }
                })
            });
            match resting {
                Some(driver) if again => self = driver,
                _ => return,
            }
        }
    }

    /// From a start to the rest after it.
    async fn session(&mut self) {
        self.now = None;
        self.room = 0;
        self.exchange();
        let now = self.now();
        self.core.start(now);
        loop {
            self.carry_out();
            if self.core.status().at_rest() {
                break;
            }
            if let Some(command) = self.shared.command() {
                self.command(command);
                continue;
            }
            if self.batch.len() >= self.room.min(BATCH) {
                self.deliver();
                if self.room == 0
                    && self.may_pause()
                    && let Some(command) = self.wait_for_room().await
                {
                    self.command(command);
                    continue;
                }
            }
            let happening = self.wait().await;
            self.handle(happening);
        }
        self.deliver();
        self.link = Link::None;
        self.requests.clear();
        self.alarm = None;
        debug!(status = %self.core.status(), "the stream is at rest");
    }

    /// Takes over what was exchanged since the last start.
    fn exchange(&mut self) {
        let Exchange { account, trust, .. } = self.shared.begin();
        if let Some(account) = account
            && let Err(error) = self.core.exchange_account(account)
        {
            debug!(%error, "the account does not fit, the old one stays");
        }
        if let (Some(trust), Some(tls)) = (trust, &mut self.route.tls) {
            *tls = tls::client_config(&trust);
        }
    }

    fn now(&mut self) -> Now {
        *self.now.get_or_insert_with(|| Now {
            monotonic: Instant::now(),
            utc: SystemTime::now(),
        })
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
                    let progress = Progressed::default();
                    let route = self.route.clone();
                    let future = Box::pin(route.exchange(address, upgrade, progress.clone()));
                    self.link = Link::Attempt {
                        id,
                        progress,
                        future,
                    };
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
                    let route = self.route.clone();
                    let future = route.exchange(address, exchange, Progressed::default());
                    self.requests.push((id, Box::pin(future)));
                }
                Action::Abandon { id } => self.requests.retain(|(request, _)| *request != id),
                Action::ProvideToken { id, rejected } => {
                    self.token_wanted = Some(id);
                    self.notify(Notification::TokenWanted { rejected });
                }
                Action::SendText { id, text } => {
                    if let Some(open) = self.link.open(id) {
                        open.send_aside(&text);
                    }
                }
                Action::Ping { id } => self.send(id, ioxwebsocket::ping()),
                Action::Close { id, code } => self.send(id, ioxwebsocket::close(code)),
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

    fn send(&mut self, id: ConnectionId, message: tungstenite::Message) {
        if let Some(open) = self.link.open(id) {
            open.send(message);
        }
    }

    fn notify(&mut self, notification: Notification) {
        if let Notification::Status(change) = &notification {
            let now = self.now();
            self.shared
                .status_changed(&self.core, now, change.status, change.reason.clone());
        }
        match &mut self.listener {
            Some(listener) => listener.tell(&notification),
            None => self.batch.push(notification),
        }
    }

    /// Hands over what is not yet delivered.
    fn deliver(&mut self) {
        let now = self.now();
        self.shared.update(&self.core, now);
        self.room = self.delivery.push_all(&mut self.batch);
        if self.core.is_stopping() {
            // What still comes is read and not delivered, so it needs no room.
            self.room = usize::MAX;
        }
    }

    /// Whether nothing suffers when it is left alone for a while: a connection, or the wait for the next attempt. An
    /// attempt under way goes on, and so does a login: their time limits run.
    fn may_pause(&self) -> bool {
        match self.link {
            Link::Open(_) => true,
            Link::None => self.requests.is_empty(),
            Link::Attempt { .. } | Link::Answered { .. } => false,
        }
    }

    /// Waits until the consumer leaves room to read on; a command comes first. Nothing is read meanwhile, and no
    /// silence counts.
    async fn wait_for_room(&mut self) -> Option<Command> {
        poll_fn(|context| {
            if let Poll::Ready(command) = self.shared.poll_command(context) {
                return Poll::Ready(Some(command));
            }
            if self.delivery.poll_room(context).is_ready() {
                return Poll::Ready(None);
            }
            let now = self.now();
            self.shared.held_up(&self.core, now);
            self.now = None;
            Poll::Pending
        })
        .await
    }

    /// Waits for the next thing to happen. What is there is taken first; only on an empty socket is the deadline asked
    /// for, and only if the socket is still empty when it comes does it count.
    async fn wait(&mut self) -> Happening {
        if self.core.is_stopping() {
            // Its limit counts in the midst of what comes, too.
            self.now = None;
        }
        if self.turn >= TURN {
            self.turn = 0;
            self.deliver();
            yield_now().await;
            self.now = None;
            if self.core.is_stopping() {
                // A controller that never ceases to send does not keep the stream from its end.
                return Happening::Deadline;
            }
        }
        let mut deadline: Option<Instant> = None;
        let mut asked = false;
        let mut second_look = false;
        poll_fn(|context| {
            while let Poll::Ready(happening) = self.poll_world(context) {
                match happening {
                    // Many messages in one poll cost much less than a future for each.
                    Happening::Link(News::Received(id, message)) => {
                        self.received(id, message);
                        (asked, second_look) = (false, false);
                        if !self.reads_on() {
                            return Poll::Ready(Happening::Messages);
                        }
                    }
                    happening => return Poll::Ready(happening),
                }
            }
            if let Poll::Ready(command) = self.shared.poll_command(context) {
                return Poll::Ready(Happening::Command(command));
            }
            if !asked {
                asked = true;
                deadline = self.begin_to_listen();
            }
            while let Some(due) = deadline
                && self.poll_alarm(due, context).is_ready()
            {
                if second_look {
                    return Poll::Ready(Happening::Deadline);
                }
                second_look = true;
                deadline = Some(Instant::now() + SECOND_LOOK);
            }
            self.now = None;
            self.turn = 0;
            Poll::Pending
        })
        .await
    }

    /// Whether the next message may be taken before anything else is seen to.
    fn reads_on(&mut self) -> bool {
        self.turn += 1;
        self.turn < TURN
            && self.batch.len() < self.room.min(BATCH)
            && matches!(self.link, Link::Open(_))
            && !self.core.is_stopping()
            && !self.shared.has_command()
    }

    /// Ready once it is due.
    fn poll_alarm(&mut self, due: Instant, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.alarm {
                Some((at, alarm)) if *at <= due => {
                    if alarm.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    self.alarm = None;
                    if Instant::now() >= due {
                        return Poll::Ready(());
                    }
                }
                _ => {
                    let alarm = self.route.runtime.sleep_until(due);
                    self.alarm = Some((due, Box::pin(alarm)));
                }
            }
        }
    }

    /// The socket is empty: delivers what there is, tells the core how things stand, and asks when to wake.
    fn begin_to_listen(&mut self) -> Option<Instant> {
        self.deliver();
        if self.batch.capacity() > IDLE {
            self.batch = Vec::new();
        }
        let now = self.now();
        self.tell_progress(now);
        self.core.poll_timeout(now).map(|deadline| deadline.at)
    }

    /// How far the attempt is, or that a message has begun to come: before each wait, and before each tick, since either
    /// may have changed in a wait that did not end by it.
    fn tell_progress(&mut self, now: Now) {
        match &mut self.link {
            Link::Open(open) => {
                if let Some(mid_message) = open.take_received() {
                    self.core.bytes_received(now, open.id, mid_message);
                }
            }
            Link::Attempt { id, progress, .. } => self.core.phase(now, *id, progress.phase()),
            Link::None | Link::Answered { .. } => {}
        }
    }

    fn poll_world(&mut self, context: &mut Context<'_>) -> Poll<Happening> {
        for (id, future) in &mut self.requests {
            if let Poll::Ready(exchanged) = future.as_mut().poll(context) {
                let answer = Box::new(exchanged.map(|(answer, _, _)| answer));
                return Poll::Ready(Happening::Answered(*id, answer));
            }
        }
        self.link.poll(context).map(Happening::Link)
    }

    fn handle(&mut self, happening: Happening) {
        let now = self.now();
        match happening {
            Happening::Command(command) => self.command(command),
            Happening::Link(News::Exchanged(id, exchanged)) => match *exchanged {
                Ok((answer, connection, early)) => {
                    self.link = Link::Answered {
                        id,
                        connection,
                        early,
                    };
                    self.core.upgrade_answered(now, id, answer);
                }
                Err(failure) => {
                    self.link = Link::None;
                    self.core.failed(now, id, failure);
                }
            },
            Happening::Answered(id, answer) => {
                self.requests.retain(|(request, _)| *request != id);
                match *answer {
                    Ok(answer) => self.core.http_answered(now, id, answer),
                    Err(failure) => self.core.http_failed(now, id, failure),
                }
            }
            Happening::Link(News::Received(id, message)) => self.received(id, message),
            Happening::Messages => {}
            Happening::Link(News::Ended(id, failure)) => {
                self.link = Link::None;
                match failure {
                    Some(failure) => self.core.failed(now, id, failure),
                    None => self.core.closed(now, id, None, ""),
                }
            }
            Happening::Deadline => {
                self.tell_progress(now);
                self.core.tick(now);
            }
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Stop => {
                self.core.stop(now);
                self.room = usize::MAX;
            }
            Command::Token(token) => {
                if let Some(id) = self.token_wanted.take() {
                    self.core.token(now, id, token);
                }
            }
            other => debug!(?other, "a command that this driver does not know"),
        }
    }

    fn received(&mut self, id: ConnectionId, message: tungstenite::Message) {
        let now = self.now();
        let notification = match &message {
            tungstenite::Message::Binary(bytes) => {
                let open = self.link.open(id);
                let was_text = open.is_some_and(|open| open.take_was_text(bytes.len()));
                let (tapped, message) = if was_text {
                    (Tapped::Text(bytes), Message::Text(bytes))
                } else {
                    (Tapped::Binary(bytes), Message::Binary(bytes))
                };
                if let Some(tap) = &mut self.tap {
                    tap.see(tapped);
                }
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
            self.notify(notification);
        }
    }
}

impl<R: Runtime> Drop for Driver<R> {
    /// At the end, and when the runtime drops the task before it.
    fn drop(&mut self) {
        self.shared.gone();
        self.delivery.finish();
    }
}

/// Lets other tasks have their turn.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
