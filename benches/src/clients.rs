//! Those who receive: the bare loops of the WebSocket libraries, and the drivers.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use async_tungstenite::WebSocketStream;
use futures_util::{AsyncReadExt as _, AsyncWriteExt as _, Stream, StreamExt as _};
use ioxdriver::Options;
use ioxdriver_async::{EventStream, Handle, PolledStream, Runtime};
use ioxproto::{Event, Notification};
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use tungstenite::protocol::{Role, WebSocketConfig};

use crate::clock;

/// Whatever goes wrong in a benchmark ends it.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// What came of it.
pub type Result<T> = std::result::Result<T, Error>;

/// How a bare loop reads, and what it does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bare {
    /// With the library's default buffer of 128 KiB; the message is dropped.
    Default,
    /// The same, and each field of the frame is looked for by its name.
    Scan,
    /// With a buffer of 4 KiB, that of an idle stream of the drivers; the message is dropped.
    SmallBuffer,
}

/// The buffer of [`Bare::SmallBuffer`], in bytes.
const SMALL_BUFFER: usize = 4 * 1024;

/// What a client saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Event frames.
    pub frames: u64,
    /// From the first frame to the last.
    pub elapsed: Duration,
    /// From sending to here, where frames tell.
    pub latencies: Vec<Duration>,
    limit: u64,
    timed: bool,
    began: Option<Instant>,
}

impl Seen {
    /// Nothing yet of this many frames; `timed` if their time of sending is to be read.
    #[must_use]
    pub fn none_of(limit: u64, timed: bool) -> Self {
        Self {
            limit,
            timed,
            ..Self::default()
        }
    }

    /// A frame with this text in its `fmtName`; `false` when it was the last.
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

    /// An event, of which every field is touched.
    pub fn event(&mut self, event: &Event) -> bool {
        black_box((event.seqnum(), event.prec(), event.is_live()));
        black_box([event.sid(), event.timestamp(), event.control()]);
        black_box([event.action(), event.uom(), event.node()]);
        black_box([event.fmt_act(), event.event_info()]);
        self.frame(event.fmt_name())
    }

    /// A notification; only events count.
    pub fn notification(&mut self, notification: &Notification) -> bool {
        match notification {
            Notification::Event(event) => self.event(event),
            _ => true,
        }
    }

    /// A message of a bare loop. Its time of sending is looked for only where it is wanted.
    fn message(&mut self, bare: Bare, message: &tungstenite::Message) -> bool {
        let tungstenite::Message::Text(text) = message else {
            return true;
        };
        if bare == Bare::Scan {
            black_box(FIELDS.map(|(before, after)| field(text, before, after)));
        }
        let sent = self.timed.then(|| {
            let at = text
                .find("<fmtName>")
                .map_or(0, |at| at + "<fmtName>".len());
            text.get(at..at + 20).unwrap_or_default()
        });
        self.frame(sent.unwrap_or_default())
    }

    /// Frames a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.frames as f64 / self.elapsed.as_secs_f64()
    }
}

/// Where each field of a frame begins and ends, in a document or in a JSON envelope.
const FIELDS: [(&str, &str); 10] = [
    ("seqnum=", " "),
    ("sid=", " "),
    ("timestamp=", ">"),
    ("<control>", "<"),
    ("<action", "<"),
    ("uom=", " "),
    ("<node>", "<"),
    ("<eventInfo>", "<"),
    ("<fmtAct>", "<"),
    ("<fmtName>", "<"),
];

/// The text between these two, as a program without a parser would look for it.
fn field<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(value, _)| value)
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

/// tungstenite alone, over a blocking socket.
///
/// # Errors
///
/// When the connection breaks.
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

/// async-tungstenite alone, over tokio.
///
/// # Errors
///
/// When the connection breaks.
pub async fn bare_tokio(bare: Bare, address: SocketAddr, seen: Seen) -> Result<Seen> {
    let socket = tokio::net::TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    bare_async(bare, socket.compat(), seen).await
}

/// async-tungstenite alone, over async-std.
///
/// # Errors
///
/// When the connection breaks.
pub async fn bare_async_std(bare: Bare, address: SocketAddr, seen: Seen) -> Result<Seen> {
    let socket = async_std::net::TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    bare_async(bare, socket, seen).await
}

/// async-tungstenite alone, over smol.
///
/// # Errors
///
/// When the connection breaks.
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

/// An async driver, as a `Stream`.
///
/// # Errors
///
/// When the stream ends.
pub async fn stream<R: Runtime>(options: Options, seen: Seen) -> Result<Seen> {
    let stream = EventStream::<R>::start(options)?;
    let handle = stream.handle();
    take(stream, handle, seen).await
}

/// An async driver, as a `Stream` that its consumer drives.
///
/// # Errors
///
/// When the stream ends.
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
    Err(ended(handle.last_reason()))
}

/// An async driver that calls back.
///
/// # Errors
///
/// When the stream ends.
pub async fn callback<R: Runtime>(options: Options, seen: Seen) -> Result<Seen> {
    let (sender, done) = tokio::sync::oneshot::channel();
    // Nobody waits any more if the benchmark was given up.
    let counting = counting(seen, |seen| drop(sender.send(seen)));
    let handle = EventStream::<R>::start_with(options, counting)?;
    done.await.map_err(|_| ended(handle.last_reason()))
}

/// Counts until all is seen, hands it on, and is deaf from then on; so it is when the stream ends
/// before.
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

/// The blocking driver, which calls back on a thread of its own.
///
/// # Errors
///
/// When the stream ends.
pub fn background(options: Options, seen: Seen) -> Result<Seen> {
    let (sender, done) = mpsc::channel();
    let counting = counting(seen, move |seen| drop(sender.send(seen)));
    let handle = ioxtransport_blocking::EventStream::start_with(options, counting)?;
    done.recv().map_err(|_| ended(handle.last_reason()))
}

/// The blocking driver, as an `Iterator` on this thread.
///
/// # Errors
///
/// When the stream ends.
pub fn iterator(options: Options, mut seen: Seen) -> Result<Seen> {
    let mut stream = ioxtransport_blocking::EventStream::start(options)?;
    let handle = stream.handle();
    if stream.any(|notification| !seen.notification(&notification)) {
        return Ok(seen);
    }
    Err(ended(handle.last_reason()))
}

fn ended(reason: Option<ioxproto::Reason>) -> Error {
    match reason {
        Some(reason) => format!("the stream ended: {reason}").into(),
        None => "the stream ended".into(),
    }
}
