//! The receivers: bare loops of the WebSocket libraries, and the drivers.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

use async_tungstenite::WebSocketStream;
use futures_util::{AsyncReadExt as _, AsyncWriteExt as _, Stream, StreamExt as _};
use ioxdriver::Options;
use ioxdriver_async::{EventStream, Handle, PolledStream, Runtime};
use ioxproto::{Event, Notification};
use memchr::memchr;
use memchr::memmem::Finder;
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use tungstenite::protocol::{Role, WebSocketConfig};

use crate::clock;

/// Any error, which ends a benchmark.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// The result of a step of a benchmark.
pub type Result<T> = std::result::Result<T, Error>;

/// How a bare loop reads, and how it processes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bare {
    /// With the library's default buffer of 128 KiB; the message is dropped.
    Default,
    /// With the default buffer, and each field of the frame is searched for by its name,
    /// without a parser.
    Scan,
    /// With a buffer of 4 KiB, that of an idle stream of the drivers; the message is dropped.
    SmallBuffer,
}

/// The buffer of [`Bare::SmallBuffer`], in bytes.
const SMALL_BUFFER: usize = 4 * 1024;

/// What a client has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Event frames.
    pub frames: u64,
    /// The time from the first frame to the last.
    pub elapsed: Duration,
    /// The times from sending to receiving, if the frames have the time of sending.
    pub latencies: Vec<Duration>,
    limit: u64,
    /// Whether the frames have the time of sending.
    timed: bool,
    began: Option<Instant>,
}

impl Seen {
    /// Expects this many frames. With `timed`, reads their time of sending.
    #[must_use]
    pub fn expecting(limit: u64, timed: bool) -> Self {
        Self {
            limit,
            timed,
            ..Self::default()
        }
    }

    /// Counts a frame. `sent` is its `fmtName`, the time of sending if that is expected. Returns
    /// `false` if it was the last frame.
    pub fn frame(&mut self, sent: &str) -> bool {
        if self.frames == 0 {
            self.began = Some(Instant::now());
        }
        if self.timed
            && let Ok(sent) = sent.parse()
        {
            let latency = clock::nanoseconds().saturating_sub(sent);
            self.latencies.push(Duration::from_nanos(latency));
        }
        self.frames += 1;
        if self.frames < self.limit {
            return true;
        }
        self.elapsed = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        false
    }

    /// Counts an event, and reads each of its fields.
    pub fn event(&mut self, event: &Event) -> bool {
        black_box((event.seqnum(), event.prec(), event.is_live()));
        black_box([event.sid(), event.timestamp(), event.control()]);
        black_box([event.action(), event.uom(), event.node()]);
        black_box([event.fmt_act(), event.event_info()]);
        self.frame(event.fmt_name())
    }

    /// Counts a notification if it is an event.
    pub fn notification(&mut self, notification: &Notification) -> bool {
        match notification {
            Notification::Event(event) => self.event(event),
            _ => true,
        }
    }

    /// Counts a message of a bare loop. Searches for its time of sending only if needed.
    fn message(&mut self, bare: Bare, message: &tungstenite::Message) -> bool {
        let tungstenite::Message::Text(text) = message else {
            return true;
        };
        if bare == Bare::Scan {
            black_box(scan(text));
        }
        let sent = self.timed.then(|| {
            let at = text
                .find("<fmtName>")
                .map_or(0, |at| at + "<fmtName>".len());
            text.get(at..at + 20).unwrap_or_default()
        });
        self.frame(sent.unwrap_or_default())
    }

    /// Returns the frames per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.frames as f64 / self.elapsed.as_secs_f64()
    }
}

/// The text before each field of a frame, in the order of a frame, and the byte after it.
const FIELDS: [(&str, u8); 10] = [
    ("seqnum=", b' '),
    ("sid=", b' '),
    ("timestamp=", b'>'),
    ("<control>", b'<'),
    ("<action", b'<'),
    ("uom=", b' '),
    ("<node>", b'<'),
    ("<eventInfo>", b'<'),
    ("<fmtAct>", b'<'),
    ("<fmtName>", b'<'),
];

static FINDERS: LazyLock<[(Finder<'static>, u8); 10]> =
    LazyLock::new(|| FIELDS.map(|(before, after)| (Finder::new(before), after)));

/// Searches for each field after the previous one, as a program without a parser does. Returns the
/// texts of the fields.
fn scan(text: &str) -> [&[u8]; 10] {
    let mut rest = text.as_bytes();
    FINDERS.each_ref().map(|(finder, after)| {
        let Some(at) = finder.find(rest) else {
            return &[][..];
        };
        rest = &rest[at + finder.needle().len()..];
        &rest[..memchr(*after, rest).unwrap_or(rest.len())]
    })
}

fn configuration(bare: Bare) -> WebSocketConfig {
    let configuration = WebSocketConfig::default();
    match bare {
        Bare::SmallBuffer => configuration.read_buffer_size(SMALL_BUFFER),
        _ => configuration,
    }
}

/// A request to upgrade to a WebSocket.
pub(crate) const REQUEST: &str = "GET /rest/subscribe HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Receives with tungstenite alone, over a blocking socket.
///
/// # Errors
///
/// If the connection breaks.
pub fn bare_blocking(bare: Bare, address: SocketAddr, mut seen: Seen) -> Result<Seen> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.write_all(REQUEST.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let mut websocket =
        tungstenite::WebSocket::from_raw_socket(socket, Role::Client, Some(configuration(bare)));
    while seen.message(bare, &websocket.read()?) {}
    Ok(seen)
}

/// Receives with async-tungstenite alone, over tokio.
///
/// # Errors
///
/// If the connection breaks.
pub async fn bare_tokio(bare: Bare, address: SocketAddr, seen: Seen) -> Result<Seen> {
    let socket = tokio::net::TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    bare_async(bare, socket.compat(), seen).await
}

/// Receives with async-tungstenite alone, over async-std.
///
/// # Errors
///
/// If the connection breaks.
pub async fn bare_async_std(bare: Bare, address: SocketAddr, seen: Seen) -> Result<Seen> {
    let socket = async_std::net::TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    bare_async(bare, socket, seen).await
}

/// Receives with async-tungstenite alone, over smol.
///
/// # Errors
///
/// If the connection breaks.
pub async fn bare_smol(bare: Bare, address: SocketAddr, seen: Seen) -> Result<Seen> {
    let socket = smol::Async::<TcpStream>::connect(address).await?;
    socket.get_ref().set_nodelay(true)?;
    bare_async(bare, socket, seen).await
}

async fn bare_async<S>(bare: Bare, mut socket: S, mut seen: Seen) -> Result<Seen>
where
    S: futures_util::AsyncRead + futures_util::AsyncWrite + Unpin,
{
    socket.write_all(REQUEST.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).await?;
        head.extend(byte);
    }
    let mut websocket =
        WebSocketStream::from_raw_socket(socket, Role::Client, Some(configuration(bare))).await;
    while let Some(message) = websocket.next().await {
        if !seen.message(bare, &message?) {
            return Ok(seen);
        }
    }
    Err("the server hung up".into())
}

/// Receives from an async driver, as a `Stream`.
///
/// # Errors
///
/// If the stream ends.
pub async fn stream<R: Runtime>(options: Options, seen: Seen) -> Result<Seen> {
    let stream = EventStream::<R>::start(options)?;
    let handle = stream.handle();
    take(stream, handle, seen).await
}

/// Receives from an async driver, as a `Stream` that its consumer drives.
///
/// # Errors
///
/// If the stream ends.
pub async fn polled<R: Runtime>(options: Options, seen: Seen) -> Result<Seen> {
    let stream = PolledStream::<R>::start(options)?;
    let handle = stream.handle();
    take(stream, handle, seen).await
}

async fn take(
    mut stream: impl Stream<Item = Notification> + Unpin,
    handle: Handle,
    mut seen: Seen,
) -> Result<Seen> {
    while let Some(notification) = stream.next().await {
        if !seen.notification(&notification) {
            return Ok(seen);
        }
    }
    Err(end_error(handle.last_reason()))
}

/// Receives from an async driver with a callback.
///
/// # Errors
///
/// If the stream ends.
pub async fn callback<R: Runtime>(options: Options, seen: Seen) -> Result<Seen> {
    let (sender, done) = tokio::sync::oneshot::channel();
    // Sending fails if the benchmark has ended early.
    let counting = counting(seen, |seen| drop(sender.send(seen)));
    let handle = EventStream::<R>::start_with(options, counting)?;
    done.await.map_err(|_| end_error(handle.last_reason()))
}

/// Counts until all frames are seen, passes the result to `done`, and ignores the rest. If the
/// stream ends first, drops `done`, so that its receiver gets an error.
fn counting(mut seen: Seen, done: impl FnOnce(Seen)) -> impl FnMut(&Notification) {
    let mut done = Some(done);
    move |notification| {
        if matches!(notification, Notification::Status(change) if change.status.is_at_rest()) {
            done = None;
        }
        if done.is_some()
            && !seen.notification(notification)
            && let Some(done) = done.take()
        {
            done(std::mem::take(&mut seen));
        }
    }
}

/// Receives from the blocking driver, with a callback on its own thread.
///
/// # Errors
///
/// If the stream ends.
pub fn background(options: Options, seen: Seen) -> Result<Seen> {
    let (sender, done) = mpsc::channel();
    let counting = counting(seen, move |seen| drop(sender.send(seen)));
    let handle = ioxtransport_blocking::EventStream::start_with(options, counting)?;
    done.recv().map_err(|_| end_error(handle.last_reason()))
}

/// Receives from the blocking driver, as an `Iterator` on this thread.
///
/// # Errors
///
/// If the stream ends.
pub fn iterator(options: Options, mut seen: Seen) -> Result<Seen> {
    let mut stream = ioxtransport_blocking::EventStream::start(options)?;
    let handle = stream.handle();
    if stream.any(|notification| !seen.notification(&notification)) {
        return Ok(seen);
    }
    Err(end_error(handle.last_reason()))
}

fn end_error(reason: Option<ioxproto::Reason>) -> Error {
    match reason {
        Some(reason) => format!("the stream ended: {reason}").into(),
        None => "the stream ended".into(),
    }
}
