//! One client's connection, from the TCP accept to its end.

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

use crate::answer::AfterAnswer;
use crate::fault::{Ending, OnConnect};
use crate::output::{Output, SubscriberId};
use crate::shared::{Shared, Subscription, size};
use crate::socket::Socket;
use crate::upgrade::{BadRequest, parse_request};
use crate::websocket::{self, Incoming, Reader};

/// How long to wait for the client's part of closing a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest body of a request, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The maximum number of outputs that are written at once.
const BATCH: usize = 64;

/// The bytes of a long message that are generated at a time.
const CHUNK: u64 = 64 * 1024;

/// The beginning of a text frame of 256 bytes.
const HALF_A_FRAME: &[u8] = b"\x81\x7e\x01\x00<?xml version=\"1.0\"";

/// Serves a connection until it ends.
pub(crate) async fn serve(open: Open, tcp: TcpStream, tls: Option<TlsAcceptor>) {
    let shared = Arc::clone(&open.0);
    let fault = shared.on_connect();
    let mut endings = shared.ending.subscribe();
    // Frames are small and should not be delayed. A failure does not matter.
    let _ = tcp.set_nodelay(true);
    if let Some(fault) = fault {
        debug!(?fault, "the connection fails as planned");
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
        _ = next_ending(&mut endings) => return,
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
            ending = next_ending(&mut endings) => return finish(socket, ending).await,
        };
        let (request, behind) = match request {
            Ok(read) => read,
            Err(error) => {
                debug!(%error, "no complete request received");
                return finish(socket, Ending::Close(1000)).await;
            }
        };
        early = behind;
        let is_last = asks_to_close(&request);
        let (answer, subscription) = if has_body(&request) {
            let body = tokio::select! {
                body = read_body(&shared, &mut socket, &request, &mut early) => body,
                () = sleep_until(until) => Err(io::ErrorKind::TimedOut.into()),
                ending = next_ending(&mut endings) => return finish(socket, ending).await,
            };
            match body {
                Ok(body) => (shared.post(&request.map(|()| body)), None),
                Err(error) => {
                    debug!(%error, "no complete body received");
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
        // A failure means that the client has already ended the connection.
        let _ = write(&mut socket, &answer.bytes).await;
        return match answer.then {
            AfterAnswer::End(ending) => finish(socket, ending).await,
            AfterAnswer::Mute => mute(socket, &mut endings).await,
        };
    }
}

/// Whether the client asks to close the connection after the answer.
fn asks_to_close(request: &Request<()>) -> bool {
    let wishes = request.headers().get_all(CONNECTION).into_iter();
    let mut wishes = wishes.filter_map(|value| value.to_str().ok());
    request.version() != Version::HTTP_11
        || wishes.any(|value| value.to_ascii_lowercase().contains("close"))
}

/// Whether the method of the request has a body.
fn has_body(request: &Request<()>) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(request.method())
}

/// Counts a connection as open until it is dropped.
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

/// Waits for the next ending that the script requests.
async fn next_ending(endings: &mut watch::Receiver<Ending>) -> Ending {
    match endings.changed().await {
        Ok(()) => *endings.borrow_and_update(),
        Err(_) => pending().await,
    }
}

/// Reads and sends nothing until the client or the script ends the connection.
async fn mute(mut socket: Socket, endings: &mut watch::Receiver<Ending>) {
    let ending = tokio::select! {
        () = drain(&mut socket) => return,
        ending = next_ending(endings) => ending,
    };
    finish(socket, ending).await;
}

/// Reads a request. Returns it and the bytes after it.
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

/// Reads the body of a request. A body without a length is taken to be empty.
async fn read_body(
    shared: &Shared,
    socket: &mut Socket,
    request: &Request<()>,
    body: &mut Vec<u8>,
) -> io::Result<Vec<u8>> {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let length = length.unwrap_or(0);
    if length > MAX_BODY {
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

/// Serves a subscription: writes the controller's outputs and reads the client's messages
/// concurrently.
async fn subscribed(
    shared: &Arc<Shared>,
    socket: Socket,
    mut subscription: Subscription,
    early: &[u8],
) {
    let mut input = InputReader {
        shared,
        id: subscription.id,
        reader: Reader::default(),
        closed: false,
    };
    input.reader.push(early);
    let (mut reading, mut writing) = tokio::io::split(socket);
    let mut output = OutputWriter {
        shared,
        id: subscription.id,
        socket: &mut writing,
    };
    let outcome = tokio::select! {
        outcome = output.write_outputs(&mut subscription.outputs, &subscription.queued) => outcome,
        outcome = input.read_messages(&mut reading, false) => outcome.map(|()| Ending::Close(1000)),
        () = subscription.overflowed.notified() => Ok(Ending::Reset),
    };
    let mut socket = reading.unsplit(writing);
    match outcome {
        Ok(Ending::Close(code)) => {
            trace!(subscriber = %subscription.id, code, "closing");
            if !input.closed {
                let _ = timeout(CLOSE_TIMEOUT, input.read_messages(&mut socket, true)).await;
            }
            finish(socket, Ending::Close(code)).await;
        }
        Ok(ending) => finish(socket, ending).await,
        Err(error) => debug!(subscriber = %subscription.id, %error, "connection lost"),
    }
}

/// Ends a connection. The close frame, if any, was written before.
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
        // A socket that is dropped with unread bytes sends a RST, and what was sent could be lost.
        let _ = timeout(CLOSE_TIMEOUT, drain(&mut socket)).await;
    }
}

/// Reads until the client ends the connection, in whatever way.
async fn drain(socket: &mut Socket) {
    let _ = tokio::io::copy(socket, &mut sink()).await;
}

async fn write(socket: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    socket.write_all(bytes).await?;
    socket.flush().await
}

/// The writing half of a subscription.
struct OutputWriter<'a, S> {
    shared: &'a Shared,
    id: SubscriberId,
    socket: &'a mut S,
}

impl<S: AsyncWrite + Unpin> OutputWriter<'_, S> {
    /// Writes outputs in order until one ends the connection.
    async fn write_outputs(
        &mut self,
        outputs: &mut mpsc::UnboundedReceiver<Output>,
        queued: &std::sync::atomic::AtomicUsize,
    ) -> io::Result<Ending> {
        let mut batch = Vec::new();
        loop {
            if outputs.recv_many(&mut batch, BATCH).await == 0 {
                // The queue was dropped because it overflowed, which `overflowed` reports.
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
                let piece = in_fragment.min(CHUNK);
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
            .observe(|seen| seen.note_written(self.id, *texts, bytes.len()));
        bytes.clear();
        *texts = 0;
        Ok(())
    }
}

/// The reading half of a subscription.
struct InputReader<'a> {
    shared: &'a Shared,
    id: SubscriberId,
    reader: Reader,
    /// A close frame was received.
    closed: bool,
}

impl InputReader<'_> {
    /// Reads until the client ends the connection. With `until_close`, its close frame is enough.
    async fn read_messages(
        &mut self,
        socket: &mut (impl AsyncRead + Unpin),
        until_close: bool,
    ) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            self.handle_messages()?;
            if self.closed && until_close {
                return Ok(());
            }
            self.shared.thawed().await;
            let read = tokio::select! {
                read = socket.read(&mut buffer) => read?,
                () = self.shared.frozen() => continue,
            };
            if read == 0 && self.closed {
                // The close frame that answers the client's ends the connection.
                return pending().await;
            }
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.reader.push(&buffer[..read]);
        }
    }

    /// Handles the messages that are complete.
    fn handle_messages(&mut self) -> io::Result<()> {
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
