//! One client's connection, from the accept to its end.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_rustls::TlsAcceptor;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{Method, Request, Version};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, sink};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, trace};

use crate::controller::{Output, SubscriberId};
use crate::fault::{Ending, OnConnect};
use crate::shared::{Shared, Subscription, size};
use crate::socket::Socket;
use crate::upgrade::{AfterAnswer, BadRequest, parse_request};
use crate::websocket::{self, Incoming, Reader};

/// How long a client has for its side of an ending.
const ENDING: Duration = Duration::from_secs(1);

/// The longest body of a request, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// Outputs that are written in one go at most.
const BATCH: usize = 64;

/// The bytes of a long message that are made at a time.
const PIECE: u64 = 64 * 1024;

/// The first half of a frame of 256 bytes of text.
const HALF_A_FRAME: &[u8] = b"\x81\x7e\x01\x00<?xml version=\"1.0\"";

/// Serves a connection until its end, whoever brings it about.
pub(crate) async fn serve(open: Open, tcp: TcpStream, tls: Option<TlsAcceptor>) {
    let shared = Arc::clone(&open.0);
    let fault = shared.on_connect();
    let mut endings = shared.ending.subscribe();
    // Frames are small and should not wait for each other; it works without, too.
    let _ = tcp.set_nodelay(true);
    if let Some(fault) = fault {
        debug!(?fault, "the connection goes wrong as planned");
        let socket = Socket::Plain(tcp);
        return match fault {
            OnConnect::Close => finish(socket, Ending::Fin).await,
            OnConnect::Reset => finish(socket, Ending::Reset).await,
            OnConnect::Mute => mute(socket, &mut endings).await,
        };
    }
    let mut until = Instant::now() + shared.request_within;
    let accepted = tokio::select! {
        accepted = Socket::accept(tcp, tls.as_ref()) => accepted,
        () = sleep_until(until) => Err(io::ErrorKind::TimedOut.into()),
        _ = changed(&mut endings) => return,
    };
    let mut socket = match accepted {
        Ok(socket) => socket,
        Err(error) => {
            debug!(%error, "TLS handshake failed");
            return shared.observe(|seen| seen.failed_handshakes += 1);
        }
    };
    let mut early = Vec::new();
    loop {
        let request = tokio::select! {
            request = read_request(&shared, &mut socket, std::mem::take(&mut early)) => request,
            () = sleep_until(until) => Err(io::ErrorKind::TimedOut.into()),
            ending = changed(&mut endings) => return finish(socket, ending).await,
        };
        let (request, behind) = match request {
            Ok(read) => read,
            Err(error) => {
                debug!(%error, "no request came");
                return finish(socket, Ending::Close(1000)).await;
            }
        };
        early = behind;
        let is_last = asks_to_close(&request);
        let (answer, subscription) = if has_body(&request) {
            let body = tokio::select! {
                body = read_body(&shared, &mut socket, &request, &mut early) => body,
                () = sleep_until(until) => Err(io::ErrorKind::TimedOut.into()),
                ending = changed(&mut endings) => return finish(socket, ending).await,
            };
            match body {
                Ok(body) => (shared.post(&request.map(|()| body)), None),
                Err(error) => {
                    debug!(%error, "no whole body came");
                    return finish(socket, Ending::Close(1000)).await;
                }
            }
        } else {
            shared.upgrade(&request)
        };
        if let Some(subscription) = subscription {
            return subscribed(&shared, socket, subscription, &early).await;
        }
        sleep(answer.delay).await;
        let idle = shared.keep_alive.filter(|_| answer.may_be_kept && !is_last);
        if let Some(idle) = idle {
            if write(&mut socket, &answer.kept_alive(idle).bytes)
                .await
                .is_err()
            {
                return;
            }
            until = Instant::now() + idle;
            continue;
        }
        // A client that does not want the answer any more has ended the connection.
        let _ = write(&mut socket, &answer.bytes).await;
        return match answer.then {
            AfterAnswer::End(ending) => finish(socket, ending).await,
            AfterAnswer::Mute => mute(socket, &mut endings).await,
        };
    }
}

/// Whether a client wants the connection to end with the answer.
fn asks_to_close(request: &Request<()>) -> bool {
    let wishes = request.headers().get_all(CONNECTION).into_iter();
    let mut wishes = wishes.filter_map(|value| value.to_str().ok());
    request.version() != Version::HTTP_11
        || wishes.any(|value| value.to_ascii_lowercase().contains("close"))
}

/// Whether a request is of a kind that has a body.
fn has_body(request: &Request<()>) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(request.method())
}

/// Counts a connection as open for as long as it lives.
pub(crate) struct Open(Arc<Shared>);

impl Open {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.observe(|seen| {
            seen.connections += 1;
            seen.open += 1;
        });
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.observe(|seen| seen.open -= 1);
    }
}

/// The next ending that the script wants.
async fn changed(endings: &mut watch::Receiver<Ending>) -> Ending {
    match endings.changed().await {
        Ok(()) => *endings.borrow_and_update(),
        Err(_) => pending().await,
    }
}

/// Reads and says nothing until the client leaves or the script ends it.
async fn mute(mut socket: Socket, endings: &mut watch::Receiver<Ending>) {
    let ending = tokio::select! {
        () = drain(&mut socket) => return,
        ending = changed(endings) => ending,
    };
    finish(socket, ending).await;
}

/// The request, and the bytes that came after it.
async fn read_request(
    shared: &Shared,
    socket: &mut Socket,
    mut head: Vec<u8>,
) -> io::Result<(Request<()>, Vec<u8>)> {
    let mut read = head.len();
    loop {
        if read == 0 {
            read = socket.read_buf(&mut head).await?;
            shared.observe(|seen| seen.http_bytes += read as u64);
            shared.thawed().await;
        }
        let now_read = std::mem::take(&mut read);
        match parse_request(&head) {
            Ok(Some((request, length))) => return Ok((request, head.split_off(length))),
            Ok(None) if now_read > 0 => {}
            Ok(None) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => {
                let status = match &error {
                    BadRequest::TooLong => "431 Request Header Fields Too Large",
                    BadRequest::NotHttp(_) => "400 Bad Request",
                };
                let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
                write(socket, answer.as_bytes()).await?;
                return Err(io::Error::other(error));
            }
        }
    }
}

/// Reads on until the body is there; one without a length is taken to be empty.
async fn read_body(
    shared: &Shared,
    socket: &mut Socket,
    request: &Request<()>,
    body: &mut Vec<u8>,
) -> io::Result<Vec<u8>> {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let length = length.unwrap_or(0);
    if length > LONGEST_BODY {
        write(
            socket,
            b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\n",
        )
        .await?;
        return Err(io::ErrorKind::InvalidData.into());
    }
    while body.len() < length {
        let read = socket.read_buf(body).await?;
        shared.observe(|seen| seen.http_bytes += read as u64);
        shared.thawed().await;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let behind = body.split_off(length);
    Ok(std::mem::replace(body, behind))
}

/// Writes what the controller says and reads what the client says, both at once.
async fn subscribed(
    shared: &Arc<Shared>,
    socket: Socket,
    mut subscription: Subscription,
    early: &[u8],
) {
    let mut hearing = Hearing {
        shared,
        id: subscription.id,
        reader: Reader::default(),
        closed: false,
    };
    hearing.reader.push(early);
    let (mut reading, mut writing) = tokio::io::split(socket);
    let mut telling = Telling {
        shared,
        id: subscription.id,
        socket: &mut writing,
    };
    let outcome = tokio::select! {
        outcome = telling.tell(&mut subscription.outputs, &subscription.queued) => outcome,
        outcome = hearing.hear(&mut reading, false) => outcome.map(|()| Ending::Close(1000)),
        () = subscription.overflowed.notified() => Ok(Ending::Reset),
    };
    let mut socket = reading.unsplit(writing);
    match outcome {
        Ok(Ending::Close(code)) => {
            trace!(subscriber = %subscription.id, code, "closing");
            if !hearing.closed {
                let _ = timeout(ENDING, hearing.hear(&mut socket, true)).await;
            }
            finish(socket, Ending::Close(code)).await;
        }
        Ok(ending) => finish(socket, ending).await,
        Err(error) => debug!(subscriber = %subscription.id, %error, "connection lost"),
    }
}

/// Ends a connection; the close frame, if there is to be one, was written before.
async fn finish(mut socket: Socket, ending: Ending) {
    let finished = match ending {
        Ending::Reset => return socket.reset(),
        Ending::Close(_) => socket.shutdown().await,
        Ending::Fin => socket.finish_bare().await,
        Ending::MidFrame => match write(&mut socket, HALF_A_FRAME).await {
            Ok(()) => socket.finish_bare().await,
            lost => lost,
        },
    };
    if finished.is_ok() {
        // Dropped with something unread, the socket would send a RST, and what was sent could be
        // lost.
        let _ = timeout(ENDING, drain(&mut socket)).await;
    }
}

/// Reads until the client ends the connection, one way or the other.
async fn drain(socket: &mut Socket) {
    let _ = tokio::io::copy(socket, &mut sink()).await;
}

async fn write(socket: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    socket.write_all(bytes).await?;
    socket.flush().await
}

/// The half that writes.
struct Telling<'a, S> {
    shared: &'a Shared,
    id: SubscriberId,
    socket: &'a mut S,
}

impl<S: AsyncWrite + Unpin> Telling<'_, S> {
    /// Writes outputs in order until one says how to end.
    async fn tell(
        &mut self,
        outputs: &mut mpsc::UnboundedReceiver<Output>,
        queued: &std::sync::atomic::AtomicUsize,
    ) -> io::Result<Ending> {
        let mut batch = Vec::new();
        loop {
            if outputs.recv_many(&mut batch, BATCH).await == 0 {
                // The queue is gone with its bound; the connection hears of that on another way.
                pending::<()>().await;
            }
            self.shared.thawed().await;
            let taken = batch.iter().map(size).sum();
            let ending = self.write(batch.drain(..)).await?;
            queued.fetch_sub(taken, Ordering::Relaxed);
            if let Some(ending) = ending {
                return Ok(ending);
            }
        }
    }

    async fn write(&mut self, outputs: impl Iterator<Item = Output>) -> io::Result<Option<Ending>> {
        let mut bytes = Vec::new();
        let mut texts = 0;
        let mut ending = None;
        for output in outputs {
            match output {
                Output::Text(text) => {
                    trace!(subscriber = %self.id, bytes = text.len(), "text");
                    websocket::write_frame(&mut bytes, true, websocket::TEXT, text.as_bytes());
                    texts += 1;
                }
                Output::Pong(payload) => {
                    websocket::write_frame(&mut bytes, true, websocket::PONG, &payload);
                }
                Output::Raw(raw) => bytes.extend_from_slice(&raw),
                Output::Slowly { bytes: slow, pause } => {
                    self.flush(&mut bytes, &mut texts).await?;
                    for byte in slow {
                        bytes.push(byte);
                        self.flush(&mut bytes, &mut texts).await?;
                        sleep(pause).await;
                    }
                }
                Output::Long {
                    bytes: length,
                    fragment,
                } => {
                    self.flush(&mut bytes, &mut texts).await?;
                    self.write_long(length, fragment.max(1)).await?;
                }
                Output::End(end) => {
                    if let Ending::Close(code) = end {
                        bytes.extend_from_slice(&websocket::close_frame(code));
                    }
                    ending = Some(end);
                    break;
                }
            }
        }
        self.flush(&mut bytes, &mut texts).await?;
        Ok(ending)
    }

    async fn write_long(&mut self, length: u64, fragment: u64) -> io::Result<()> {
        let mut left = length;
        loop {
            let mut in_fragment = left.min(fragment);
            let opcode = if left == length {
                websocket::TEXT
            } else {
                websocket::CONTINUATION
            };
            left -= in_fragment;
            let mut bytes = websocket::long_head(left == 0, opcode, in_fragment);
            while in_fragment > 0 {
                let piece = in_fragment.min(PIECE);
                in_fragment -= piece;
                bytes.resize(bytes.len() + piece as usize, b'x');
                if in_fragment > 0 {
                    self.flush(&mut bytes, &mut 0).await?;
                }
            }
            let mut whole = u64::from(left == 0);
            self.flush(&mut bytes, &mut whole).await?;
            if left == 0 {
                return Ok(());
            }
        }
    }

    async fn flush(&mut self, bytes: &mut Vec<u8>, texts: &mut u64) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        write(self.socket, bytes).await?;
        self.shared
            .observe(|seen| seen.wrote(self.id, *texts, bytes.len()));
        bytes.clear();
        *texts = 0;
        Ok(())
    }
}

/// The half that reads.
struct Hearing<'a> {
    shared: &'a Shared,
    id: SubscriberId,
    reader: Reader,
    /// A close frame came.
    closed: bool,
}

impl Hearing<'_> {
    /// Reads until the client ends the connection, or until its close frame if that is enough.
    async fn hear(
        &mut self,
        socket: &mut (impl AsyncRead + Unpin),
        until_close: bool,
    ) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            self.take()?;
            if self.closed && until_close {
                return Ok(());
            }
            self.shared.thawed().await;
            let read = tokio::select! {
                read = socket.read(&mut buffer) => read?,
                () = self.shared.frozen() => continue,
            };
            if read == 0 && self.closed {
                // The close frame that it gets back ends the connection.
                return pending().await;
            }
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.reader.push(&buffer[..read]);
        }
    }

    /// Takes the messages that are complete.
    fn take(&mut self) -> io::Result<()> {
        while let Some(message) = self.reader.next().map_err(io::Error::other)? {
            let id = self.id;
            match message {
                Incoming::Text(text) => {
                    self.shared.text(id, &text);
                }
                Incoming::Ping(payload) => {
                    self.shared.observe(|seen| seen.pings += 1);
                    self.shared
                        .with(|controller, now| controller.ping(now, id, &payload));
                }
                Incoming::Close(code) if !self.closed => {
                    debug!(subscriber = %id, code, "the client closes");
                    self.closed = true;
                    self.shared.observe(|seen| seen.closed(code));
                    self.shared.answer_close(id, code.unwrap_or(1000));
                }
                Incoming::Binary | Incoming::Pong | Incoming::Close(_) => {}
            }
        }
        Ok(())
    }
}
