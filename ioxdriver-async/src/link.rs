//! The one attempt or connection that a driver has at a time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use async_tungstenite::WebSocketStream;
use futures_util::{AsyncWrite as _, FutureExt as _, Sink as _, Stream as _};
use ioxdriver::{Aside, TextAsBinary};
use ioxproto::{ConnectionId, Failure, Secret};
use tracing::trace;
use tungstenite::protocol::{Role, WebSocketConfig};

use crate::connect::{Answer, Progressed};
use crate::socket::{Connection, Filtered};

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(crate) type Exchanged = Result<(Answer, Connection, Vec<u8>), Failure>;

/// The attempt or the connection.
pub(crate) enum Link {
    None,
    Attempt {
        id: ConnectionId,
        progress: Progressed,
        future: Boxed<Exchanged>,
    },
    /// Answered; the core decides what becomes of it.
    Answered {
        id: ConnectionId,
        connection: Connection,
        early: Vec<u8>,
    },
    Open(Box<Open>),
}

/// What came of polling a link.
pub(crate) enum News {
    /// Boxed, since it is large and messages are many.
    Exchanged(ConnectionId, Box<Exchanged>),
    Received(ConnectionId, tungstenite::Message),
    /// It is over; `None` for an end without a close frame.
    Ended(ConnectionId, Option<Failure>),
}

impl Link {
    pub(crate) fn id(&self) -> Option<ConnectionId> {
        match self {
            Self::None => None,
            Self::Attempt { id, .. } | Self::Answered { id, .. } => Some(*id),
            Self::Open(open) => Some(open.id),
        }
    }

    pub(crate) fn open(&mut self, id: ConnectionId) -> Option<&mut Open> {
        match self {
            Self::Open(open) if open.id == id => Some(open),
            _ => None,
        }
    }

    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::None)
    }

    /// The answered connection becomes a WebSocket; anything else is dropped.
    pub(crate) fn upgrade(&mut self, id: ConnectionId, max_message_bytes: usize) {
        if let Self::Answered {
            id: answered,
            connection,
            early,
        } = self.take()
            && answered == id
        {
            let open = Open::new(id, connection, early, max_message_bytes);
            *self = open.map_or(Self::None, |open| Self::Open(Box::new(open)));
        }
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<News> {
        match self {
            Self::None | Self::Answered { .. } => Poll::Pending,
            Self::Attempt { id, future, .. } => future
                .as_mut()
                .poll(context)
                .map(|exchanged| News::Exchanged(*id, Box::new(exchanged))),
            Self::Open(open) => open.poll(context),
        }
    }
}

/// An open WebSocket.
pub(crate) struct Open {
    pub(crate) id: ConnectionId,
    socket: WebSocketStream<Filtered>,
    config: WebSocketConfig,
    /// A frame beside the WebSocket library, and how much of it is written.
    aside: Option<Aside>,
    unflushed: bool,
    /// A large message has come, and its size is still in the library's buffer.
    swollen: bool,
}

impl Open {
    fn new(
        id: ConnectionId,
        connection: Connection,
        mut early: Vec<u8>,
        max_message_bytes: usize,
    ) -> Option<Self> {
        let config = ioxwebsocket::config(max_message_bytes);
        let mut filter = TextAsBinary::default();
        filter.filter(&mut early);
        let filtered = Filtered {
            connection,
            filter,
            received: true,
        };
        Some(Self {
            id,
            socket: websocket(filtered, early, config)?,
            config,
            aside: None,
            unflushed: false,
            swollen: false,
        })
    }

    /// Begins to send; an error shows when the socket is read.
    pub(crate) fn send(&mut self, message: tungstenite::Message) {
        let sent = Pin::new(&mut self.socket).start_send(message);
        trace!(ok = sent.is_ok(), "sending");
        self.unflushed = true;
    }

    /// Begins to send a frame that must not pass through a library that logs what it sends. Nothing else may have been
    /// sent on this connection.
    pub(crate) fn send_aside(&mut self, text: &Secret) {
        self.aside = Some(Aside::new(text));
    }

    /// Whether the last message was text; to be asked once for each binary one.
    pub(crate) fn take_was_text(&mut self, length: usize) -> bool {
        self.swollen |= length > ioxwebsocket::LARGE;
        self.socket.get_mut().filter.take_was_text()
    }

    /// If bytes came since this was last asked: whether they leave a message unfinished.
    pub(crate) fn take_received(&mut self) -> Option<bool> {
        self.socket.get_mut().take_received()
    }

    /// Writes what is to be written, and reads.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<News> {
        self.poll_write(context);
        let next = Pin::new(&mut self.socket).poll_next(context);
        if next.is_pending() {
            self.shrink();
        }
        next.map(|next| match next {
            Some(Ok(message)) => {
                // The library answers it, as far as it goes without waiting.
                self.unflushed |= message.is_ping();
                News::Received(self.id, message)
            }
            Some(Err(error)) => News::Ended(self.id, ioxwebsocket::ended_by(error)),
            None => News::Ended(self.id, None),
        })
    }

    /// Writing that would block stops nothing.
    fn poll_write(&mut self, context: &mut Context<'_>) {
        while let Some(aside) = &mut self.aside {
            let connection = Pin::new(&mut self.socket.get_mut().connection);
            match connection.poll_write(context, aside.left()) {
                Poll::Ready(Ok(length)) if length > 0 => {
                    aside.wrote(length);
                    if aside.left().is_empty() {
                        self.aside = None;
                        self.unflushed = true;
                    }
                }
                Poll::Ready(_) => self.aside = None,
                Poll::Pending => return,
            }
        }
        if self.unflushed && Pin::new(&mut self.socket).poll_flush(context).is_ready() {
            self.unflushed = false;
        }
    }

    /// All that came is read: after a large message, the library begins with a small buffer again. Only where it holds
    /// nothing: between two frames of two messages, with nothing left to write.
    fn shrink(&mut self) {
        let between = self.socket.get_ref().filter.between_messages();
        if !self.swollen || !between || self.unflushed || self.aside.is_some() {
            return;
        }
        self.swollen = false;
        let unused = Filtered {
            connection: Connection::Closed,
            filter: TextAsBinary::default(),
            received: false,
        };
        let filtered = std::mem::replace(self.socket.get_mut(), unused);
        if let Some(socket) = websocket(filtered, Vec::new(), self.config) {
            self.socket = socket;
        }
    }

    /// The peer has closed: sends what answers it, as far as it goes without waiting.
    pub(crate) fn part(mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.socket).poll_flush(&mut context);
        let _ = Pin::new(&mut self.socket.get_mut().connection).poll_close(&mut context);
    }
}

/// No handshake is left to wait for, so it is there at once.
fn websocket(
    filtered: Filtered,
    early: Vec<u8>,
    config: WebSocketConfig,
) -> Option<WebSocketStream<Filtered>> {
    WebSocketStream::from_partially_read(filtered, early, Role::Client, Some(config)).now_or_never()
}

#[cfg(test)]
mod tests {
    use std::array::IntoIter;
    use std::io;
    use std::iter::Cycle;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use futures_io::{AsyncRead, AsyncWrite};
    use ioxwebsocket::WRITE_BUFFER;
    use tungstenite::Message;

    use super::*;

    /// Pings without end, and reads only when told to.
    struct Pinging {
        ping: Cycle<IntoIter<u8, 3>>,
        reads: Arc<AtomicBool>,
        read: Arc<AtomicUsize>,
    }

    impl AsyncRead for Pinging {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            for byte in buffer.iter_mut() {
                *byte = self.ping.next().unwrap();
            }
            Poll::Ready(Ok(buffer.len()))
        }
    }

    impl AsyncWrite for Pinging {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if !self.reads.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            self.read.fetch_add(bytes.len(), Ordering::Relaxed);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Ids come from the core alone.
    fn id() -> ConnectionId {
        let config = ioxproto::Config::builder("http://127.0.0.1".parse().unwrap())
            .local_account("admin", "x")
            .build();
        let mut core = ioxproto::EventStream::new(config.unwrap());
        core.start(ioxproto::Now {
            monotonic: std::time::Instant::now(),
            utc: std::time::SystemTime::now(),
        });
        loop {
            if let ioxproto::Action::Connect { id, .. } = core.poll_action().unwrap() {
                return id;
            }
        }
    }

    #[test]
    fn a_peer_that_pings_and_never_reads_does_not_fill_the_memory() {
        let (reads, read) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let connection = Connection::Plain(Box::new(Pinging {
            ping: [0x89, 1, b'p'].into_iter().cycle(),
            reads: Arc::clone(&reads),
            read: Arc::clone(&read),
        }));
        let mut open = Open::new(id(), connection, Vec::new(), 1024).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut pings = |open: &mut Open, many: usize| {
            for _ in 0..many {
                let news = open.poll(&mut context);
                let pinged = matches!(news, Poll::Ready(News::Received(_, Message::Ping(_))));
                assert!(pinged);
            }
        };
        pings(&mut open, 50_000);
        // What there is no room for does no harm either.
        open.send(Message::Ping(Default::default()));
        open.send(Message::Close(None));
        pings(&mut open, 10);
        reads.store(true, Ordering::Relaxed);
        pings(&mut open, 1);
        let kept = read.load(Ordering::Relaxed);
        assert!(
            (WRITE_BUFFER / 2..=WRITE_BUFFER + 256).contains(&kept),
            "{kept}"
        );
    }
}
