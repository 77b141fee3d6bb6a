//! The driver: carries out what the core asks for, and tells it what happened. To be read beside
//! `ioxproto::driver`.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use async_tungstenite::WebSocketStream;
use futures_rustls::rustls::ClientConfig;
use futures_util::{AsyncWrite as _, FutureExt as _, Sink as _, Stream as _};
use ioxdriver::{
    Command, Delivery, Prepared, Shared, Tap, Tapped, TextAsBinary, failure, masked_text, tls,
};
use ioxproto::{
    Action, ConnectionId, EventStream, Failure, FailureKind, Message, Notification, Now, RequestId,
    Secret,
};
use tracing::{debug, trace};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use crate::Runtime;
use crate::connect::{self, Answer, Progressed};
use crate::socket::{Connection, Filtered};

/// When the deadline has come and nothing was to be read, the socket is looked at once more after this time: the runtime
/// may not have heard yet of what has come meanwhile.
const SECOND_LOOK: Duration = Duration::from_millis(1);
/// Small, since an idle stream should cost little; large messages still fit.
const READ_BUFFER: usize = 4096;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Exchanged<S> = Result<(Answer, Connection<S>, Vec<u8>), Failure>;

pub(crate) struct Driver<R: Runtime> {
    runtime: R,
    core: EventStream,
    delivery: Arc<Delivery>,
    shared: Arc<Shared>,
    tls: Option<Arc<ClientConfig>>,
    tap: Option<Tap>,
    link: Link<R::Socket>,
    requests: BTreeMap<RequestId, Boxed<Exchanged<R::Socket>>>,
    token_wanted: Option<RequestId>,
    now: Option<Now>,
}

/// The one attempt or connection.
enum Link<S> {
    None,
    Attempt {
        id: ConnectionId,
        progress: Progressed,
        future: Boxed<Exchanged<S>>,
    },
    /// Answered; the core decides what becomes of it.
    Answered {
        id: ConnectionId,
        connection: Connection<S>,
        early: Vec<u8>,
    },
    Open(Box<Open<S>>),
}

struct Open<S> {
    id: ConnectionId,
    socket: WebSocketStream<Filtered<S>>,
    /// A frame beside the WebSocket library, and how much of it is written.
    aside: Option<(Secret, Vec<u8>, usize)>,
    unflushed: bool,
}

/// What ends a wait.
enum Happening<S> {
    Command(Command),
    Exchanged(ConnectionId, Exchanged<S>),
    Answered(RequestId, Result<Answer, Failure>),
    Received(ConnectionId, tungstenite::Message),
    Ended(ConnectionId, Option<tungstenite::Error>),
    Deadline,
}

impl<R: Runtime> Driver<R> {
    pub(crate) fn new(
        runtime: R,
        prepared: Prepared,
        delivery: Arc<Delivery>,
        shared: Arc<Shared>,
    ) -> Self {
        let tls = prepared
            .config
            .address()
            .tls()
            .then(|| tls::client_config(&prepared.trust));
        Self {
            runtime,
            core: EventStream::new(prepared.config),
            delivery,
            shared,
            tls,
            tap: prepared.tap,
            link: Link::None,
            requests: BTreeMap::new(),
            token_wanted: None,
            now: None,
        }
    }

    pub(crate) async fn run(mut self) {
        let now = self.now();
        self.core.start(now);
        loop {
            self.carry_out();
            if self.core.status().at_rest() {
                break;
            }
            match self.room().await {
                Some(command) => self.command(command),
                None => {
                    let happening = self.wait().await;
                    self.handle(happening);
                }
            }
        }
        debug!(status = %self.core.status(), "the stream has ended");
    }

    /// Sampled once for each wake-up.
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
                    let (runtime, tls) = (self.runtime.clone(), self.tls.clone());
                    let future =
                        connect::exchange(runtime, tls, address, upgrade, progress.clone()).boxed();
                    self.link = Link::Attempt {
                        id,
                        progress,
                        future,
                    };
                }
                Action::OpenWebSocket {
                    id,
                    max_message_bytes,
                } => self.open(id, max_message_bytes),
                Action::Request {
                    id,
                    address,
                    exchange,
                } => {
                    let (runtime, tls) = (self.runtime.clone(), self.tls.clone());
                    let future =
                        connect::exchange(runtime, tls, address, exchange, Progressed::default());
                    self.requests.insert(id, future.boxed());
                }
                Action::Abandon { id } => {
                    self.requests.remove(&id);
                }
                Action::ProvideToken { id, rejected } => {
                    self.token_wanted = Some(id);
                    self.delivery.push(Notification::TokenWanted { rejected });
                }
                Action::SendText { id, text } => {
                    if let Some(open) = self.link.open(id) {
                        // The token must not pass through a library that logs what it sends. Nothing else has been
                        // sent on this connection, so the frame may go beside it.
                        let mask = mask();
                        let frame = masked_text(text.expose(), mask);
                        open.aside = Some((text, frame, 0));
                    }
                }
                Action::Ping { id } => {
                    self.send(id, tungstenite::Message::Ping(Default::default()));
                }
                Action::Close { id, code } => {
                    let frame = CloseFrame {
                        code: CloseCode::from(code),
                        reason: "".into(),
                    };
                    self.send(id, tungstenite::Message::Close(Some(frame)));
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
        self.delivery.push(notification);
    }

    fn open(&mut self, id: ConnectionId, max_message_bytes: usize) {
        let Link::Answered {
            id: answered,
            connection,
            mut early,
        } = std::mem::replace(&mut self.link, Link::None)
        else {
            return;
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(max_message_bytes))
            .max_frame_size(Some(max_message_bytes));
        let mut filter = TextAsBinary::default();
        filter.filter(&mut early);
        let filtered = Filtered {
            connection,
            filter,
            received: true,
        };
        let wrapped =
            WebSocketStream::from_partially_read(filtered, early, Role::Client, Some(config));
        // No handshake is left to wait for, so it is there at once.
        if let Some(socket) = wrapped.now_or_never()
            && id == answered
        {
            self.link = Link::Open(Box::new(Open {
                id,
                socket,
                aside: None,
                unflushed: false,
            }));
        }
    }

    fn send(&mut self, id: ConnectionId, message: tungstenite::Message) {
        if let Some(open) = self.link.open(id) {
            // An error shows when the socket is read.
            let sent = Pin::new(&mut open.socket).start_send(message);
            trace!(ok = sent.is_ok(), "sending");
            open.unflushed = true;
        }
    }

    /// Waits until the consumer leaves room to read on; a command comes first. Nothing is read meanwhile, and no
    /// silence counts.
    async fn room(&mut self) -> Option<Command> {
        poll_fn(|context| {
            if let Poll::Ready(command) = self.shared.poll_command(context) {
                return Poll::Ready(Some(command));
            }
            // A stream that is stopping delivers nothing more that could need room.
            if self.core.is_stopping() || self.delivery.poll_room(context).is_ready() {
                return Poll::Ready(None);
            }
            self.now = None;
            Poll::Pending
        })
        .await
    }

    /// Waits for the next thing to happen. What is there is taken first; only on an empty socket is the deadline asked
    /// for, and only if the socket is still empty when it comes does it count.
    async fn wait(&mut self) -> Happening<R::Socket> {
        let mut deadline: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        let mut asked = false;
        let mut second_look = false;
        poll_fn(|context| {
            if let Poll::Ready(happening) = self.poll_world(context) {
                return Poll::Ready(happening);
            }
            if !asked {
                asked = true;
                let until = self.begin_to_listen();
                deadline = until.map(|until| self.sleep_until(until));
            }
            while let Some(sleep) = &mut deadline {
                if sleep.as_mut().poll(context).is_pending() {
                    break;
                }
                if second_look {
                    return Poll::Ready(Happening::Deadline);
                }
                second_look = true;
                deadline = Some(self.sleep_until(Instant::now() + SECOND_LOOK));
            }
            self.now = None;
            Poll::Pending
        })
        .await
    }

    fn sleep_until(&self, at: Instant) -> Boxed<()> {
        Box::pin(self.runtime.sleep_until(at))
    }

    /// The socket is empty: tells the core how things stand, and when to wake.
    fn begin_to_listen(&mut self) -> Option<Instant> {
        let now = self.now();
        match &mut self.link {
            Link::Open(open) => {
                let filtered = open.socket.get_mut();
                if std::mem::take(&mut filtered.received) {
                    self.core
                        .bytes_received(now, open.id, filtered.filter.mid_message());
                }
            }
            Link::Attempt { id, progress, .. } => self.core.phase(now, *id, progress.phase()),
            Link::None | Link::Answered { .. } => {}
        }
        self.shared.update(&self.core, now);
        self.core.poll_timeout(now).map(|deadline| deadline.at)
    }

    fn poll_world(&mut self, context: &mut Context<'_>) -> Poll<Happening<R::Socket>> {
        if let Poll::Ready(command) = self.shared.poll_command(context) {
            return Poll::Ready(Happening::Command(command));
        }
        for (id, future) in &mut self.requests {
            if let Poll::Ready(exchanged) = future.as_mut().poll(context) {
                let answer = exchanged.map(|(answer, _, _)| answer);
                return Poll::Ready(Happening::Answered(*id, answer));
            }
        }
        match &mut self.link {
            Link::None | Link::Answered { .. } => Poll::Pending,
            Link::Attempt { id, future, .. } => future
                .as_mut()
                .poll(context)
                .map(|exchanged| Happening::Exchanged(*id, exchanged)),
            Link::Open(open) => open.poll(context),
        }
    }

    fn handle(&mut self, happening: Happening<R::Socket>) {
        let now = self.now();
        match happening {
            Happening::Command(command) => self.command(command),
            Happening::Exchanged(id, Ok((answer, connection, early))) => {
                self.link = Link::Answered {
                    id,
                    connection,
                    early,
                };
                self.core.upgrade_answered(now, id, answer);
            }
            Happening::Exchanged(id, Err(failure)) => {
                self.link = Link::None;
                self.core.failed(now, id, failure);
            }
            Happening::Answered(id, answer) => {
                self.requests.remove(&id);
                match answer {
                    Ok(answer) => self.core.http_answered(now, id, answer),
                    Err(failure) => self.core.http_failed(now, id, failure),
                }
            }
            Happening::Received(id, message) => self.received(id, message),
            Happening::Ended(id, error) => {
                self.link = Link::None;
                match error.and_then(ended_by) {
                    Some(failure) => self.core.failed(now, id, failure),
                    None => self.core.closed(now, id, None, ""),
                }
            }
            Happening::Deadline => {
                if let Link::Attempt { id, progress, .. } = &self.link {
                    self.core.phase(now, *id, progress.phase());
                }
                self.core.tick(now);
            }
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

    fn received(&mut self, id: ConnectionId, message: tungstenite::Message) {
        let now = self.now();
        let notification = match &message {
            tungstenite::Message::Binary(bytes) => {
                let was_text = self
                    .link
                    .open(id)
                    .is_some_and(|open| open.socket.get_mut().filter.take_was_text());
                if let Some(tap) = &mut self.tap {
                    tap.see(if was_text {
                        Tapped::Text(bytes)
                    } else {
                        Tapped::Binary(bytes)
                    });
                }
                let message = if was_text {
                    Message::Text(bytes)
                } else {
                    Message::Binary(bytes)
                };
                self.core.message(now, id, message)
            }
            tungstenite::Message::Ping(_) => self.core.message(now, id, Message::Ping),
            tungstenite::Message::Pong(_) => self.core.message(now, id, Message::Pong),
            tungstenite::Message::Close(frame) => {
                let (code, text) = frame.as_ref().map_or((None, ""), |frame| {
                    (Some(frame.code.into()), &*frame.reason)
                });
                if let Link::Open(open) = std::mem::replace(&mut self.link, Link::None) {
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
        self.shared.end();
        self.delivery.finish();
    }
}

impl<S> Link<S> {
    fn id(&self) -> Option<ConnectionId> {
        match self {
            Self::None => None,
            Self::Attempt { id, .. } | Self::Answered { id, .. } => Some(*id),
            Self::Open(open) => Some(open.id),
        }
    }

    fn open(&mut self, id: ConnectionId) -> Option<&mut Open<S>> {
        match self {
            Self::Open(open) if open.id == id => Some(open),
            _ => None,
        }
    }
}

impl<S: futures_io::AsyncRead + futures_io::AsyncWrite + Unpin> Open<S> {
    /// Writes what is to be written, and reads.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Happening<S>> {
        while let Some((_, frame, written)) = &mut self.aside {
            let connection = Pin::new(&mut self.socket.get_mut().connection);
            match connection.poll_write(context, &frame[*written..]) {
                Poll::Ready(Ok(length)) if length > 0 => *written += length,
                Poll::Ready(_) => self.aside = None,
                Poll::Pending => break,
            }
            if self
                .aside
                .as_ref()
                .is_some_and(|(_, frame, written)| *written == frame.len())
            {
                self.aside = None;
                self.unflushed = true;
            }
        }
        if self.unflushed
            && self.aside.is_none()
            && Pin::new(&mut self.socket).poll_flush(context).is_ready()
        {
            self.unflushed = false;
        }
        Pin::new(&mut self.socket)
            .poll_next(context)
            .map(|next| match next {
                Some(Ok(message)) => Happening::Received(self.id, message),
                Some(Err(error)) => Happening::Ended(self.id, Some(error)),
                None => Happening::Ended(self.id, None),
            })
    }

    /// The peer has closed: sends what answers it, as far as it goes without waiting.
    fn part(mut self) {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let _ = Pin::new(&mut self.socket).poll_flush(&mut context);
        let _ = Pin::new(&mut self.socket.get_mut().connection).poll_close(&mut context);
    }
}

/// What the WebSocket library's error means; `None` for an end without a close frame.
fn ended_by(error: tungstenite::Error) -> Option<Failure> {
    use tungstenite::Error;
    use tungstenite::error::ProtocolError;
    let (kind, detail) = match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return None,
        Error::Io(error) => match failure::kind(&error) {
            FailureKind::UnexpectedEnd => return None,
            FailureKind::ConnectionReset => (
                FailureKind::ConnectionReset,
                "the controller reset the connection".to_owned(),
            ),
            kind => (kind, format!("the connection broke: {error}")),
        },
        Error::Capacity(error) => (FailureKind::MessageTooLarge, error.to_string()),
        other => (
            FailureKind::Protocol,
            format!("the controller sent what is no WebSocket frame: {other}"),
        ),
    };
    Some(Failure::transport(kind, detail))
}

/// A mask need not be secret here, only not under the peer's control (RFC 6455 section 10.3).
fn mask() -> [u8; 4] {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    let [a, b, c, d, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    [a, b, c, d]
}
