//! A WebSocket connection with tungstenite: settings, the bytes below it, and its errors.

mod opcode;
mod open;
mod read_ahead;
mod secret_frame;

use std::io;
use std::ops::Range;
use std::task::{Context, Poll, ready};

use ioxproto::{Failure, FailureKind};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Error, Message};

use self::opcode::{CloseSent, TextAsBinary};
pub use self::open::{Open, Received};
use self::read_ahead::ReadAhead;
use crate::driver::PollIo;
use crate::net::{Connection, failure};

/// Small, because an idle stream keeps it, and because the library clears it before each read;
/// holds about 3 frames.
const READ_BUFFER: usize = 1024;
/// The limit for bytes waiting to be written, if a peer sends pings and does not read the pongs.
/// Beyond it, only the latest pong is kept.
pub const WRITE_BUFFER: usize = 64 * 1024;
/// A message of more bytes than this enlarges the library's buffer permanently.
const LARGE: usize = 64 * 1024;

/// The settings of tungstenite for a stream with this message limit.
fn config(max_message_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(max_message_bytes))
        .max_frame_size(Some(max_message_bytes))
}

/// A ping without data.
fn ping() -> Message {
    Message::Ping(Default::default())
}

/// A close frame with this code (RFC 6455 section 7.4) and no text.
fn close(code: u16) -> Message {
    Message::Close(Some(CloseFrame {
        code: CloseCode::from(code),
        reason: "".into(),
    }))
}

/// The close frame that the peer sent, valid or not.
fn closed_by(sent: CloseSent) -> Message {
    Message::Close(sent.code.map(|code| CloseFrame {
        code: CloseCode::from(code),
        reason: sent.text.into(),
    }))
}

/// Whether the error may be about the peer's close frame, if there was one.
fn is_about_close(error: &Error) -> bool {
    matches!(
        error,
        Error::Utf8(_)
            | Error::ConnectionClosed
            | Error::Protocol(
                ProtocolError::InvalidCloseSequence | ProtocolError::ControlFrameTooBig
            )
    )
}

/// Converts the library's error on an open connection; `None` for an end without a close frame. If
/// the filter has found a violation, that is the cause.
fn ended_by(error: Error, violation: Option<&str>) -> Option<Failure> {
    let (kind, detail) = match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return None,
        Error::Io(error) => return failure::open_connection_failure(&error),
        Error::Capacity(error) => (FailureKind::MessageTooLarge, error.to_string()),
        other => (
            FailureKind::Protocol,
            match violation {
                Some(what) => format!("the controller broke the rules of WebSocket: {what}"),
                None => format!("the controller sent data that is not a WebSocket frame: {other}"),
            },
        ),
    };
    Some(Failure::transport(kind, detail))
}

/// A connection that turns text frames into binary frames.
pub struct Filtered<S> {
    connection: Connection<S>,
    ahead: ReadAhead,
    filter: TextAsBinary,
    /// Whether bytes have arrived since this was last set to `false`.
    received: bool,
    /// A write has failed because the controller had reset the connection. The operating system
    /// reports a reset once, so that the next read only finds the end.
    was_reset: bool,
}

impl<S: PollIo> Filtered<S> {
    /// Creates a filtered connection. `early` holds the bytes already read; they are filtered, too.
    fn new(connection: Connection<S>, early: &mut [u8]) -> Self {
        let mut filter = TextAsBinary::default();
        filter.filter(early);
        Self {
            connection,
            ahead: ReadAhead::default(),
            filter,
            received: true,
            was_reset: false,
        }
    }

    /// Reads some bytes; 0 at their end.
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(self.poll_filtered(context, buffer));
        let is_end = match &read {
            Ok(length) => *length == 0 && !buffer.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::UnexpectedEof,
        };
        if is_end && self.was_reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(read)
    }

    fn poll_filtered(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if !self.ahead.is_busy() {
            let length = ready!(self.connection.poll_read(context, buffer))?;
            self.filter.filter(&mut buffer[..length]);
            self.received |= length > 0;
            if length == buffer.len() {
                self.ahead.enlarge();
            }
            return Poll::Ready(Ok(length));
        }
        let read = |buffer: &mut [u8]| self.connection.poll_read(context, buffer);
        let unread = ready!(self.ahead.poll_unread(read))?;
        let max = unread.len().min(buffer.len());
        let length = self.filter.filter_frame(&mut unread[..max]);
        buffer[..length].copy_from_slice(&unread[..length]);
        self.ahead.consume(length);
        self.received |= length > 0;
        Poll::Ready(Ok(length))
    }

    /// Takes the next message if it is a text message that the library need not see: it has arrived
    /// completely in one frame, and the library is not in the middle of a message.
    fn take_text(&mut self) -> Option<Range<usize>> {
        if !self.filter.is_between_messages() || self.filter.is_closing() {
            return None;
        }
        let text = self.ahead.take_text();
        self.received |= text.is_some();
        text
    }

    /// Whether a message, or the beginning of one, was read from the socket and has not been taken.
    fn has_more(&self) -> bool {
        self.filter.has_more() || self.ahead.has_more()
    }

    /// Writes some of these bytes.
    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.connection.poll_write(context, bytes);
        self.note_reset(&written);
        written
    }

    /// Sends what is buffered.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.connection.poll_flush(context);
        self.note_reset(&flushed);
        flushed
    }

    fn note_reset<T>(&mut self, written: &Poll<io::Result<T>>) {
        if let Poll::Ready(Err(error)) = written {
            self.was_reset |= error.kind() == io::ErrorKind::ConnectionReset;
        }
    }

    /// If bytes have arrived since the last call: whether they end within a message, or within a
    /// record that may contain one.
    fn take_received(&mut self) -> Option<bool> {
        let mut received = std::mem::take(&mut self.received);
        let mut unfinished = self.filter.is_mid_message();
        if let Connection::Tls(session) = &mut self.connection {
            let records = session.records();
            received |= records.take_received();
            unfinished |= records.is_mid_record();
        }
        received.then_some(unfinished)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    use proptest::prelude::*;
    use tungstenite::error::CapacityError;

    use super::*;

    fn meaning(error: Error) -> Option<(FailureKind, String)> {
        ended_by(error, None).map(|failure| match failure {
            Failure::Transport { kind, detail } => (kind, detail),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn an_end_without_a_close_frame_is_not_a_failure() {
        let resets = Error::Protocol(ProtocolError::ResetWithoutClosingHandshake);
        let end = Error::Io(io::ErrorKind::UnexpectedEof.into());
        for error in [Error::ConnectionClosed, Error::AlreadyClosed, resets, end] {
            assert_eq!(meaning(error), None);
        }
    }

    #[test]
    fn each_failure_has_its_kind_and_describes_the_cause() {
        let reset = meaning(Error::Io(io::ErrorKind::ConnectionReset.into())).unwrap();
        assert_eq!(reset.0, FailureKind::ConnectionReset);
        assert!(reset.1.contains("reset the connection"), "{}", reset.1);
        let (size, max_size) = (2_000_000, 1_048_576);
        let large = Error::Capacity(CapacityError::MessageTooLong { size, max_size });
        let large = meaning(large).unwrap();
        assert_eq!(large.0, FailureKind::MessageTooLarge);
        assert!(large.1.contains("2000000"), "{}", large.1);
        let wrong = meaning(Error::Protocol(ProtocolError::NonZeroReservedBits)).unwrap();
        assert_eq!(wrong.0, FailureKind::Protocol);
        assert!(wrong.1.contains("not a WebSocket frame"), "{}", wrong.1);
    }

    #[test]
    fn violations_found_by_the_filter_are_reported() {
        let cases: [(&[u8], &str); 2] = [
            (&[0x01, 0x00, 0x81, 0x00], "in the middle of another"),
            (&[0x00, 0x00].repeat(65_538)[..], "65,536 fragments"),
        ];
        for (frames, expected) in cases {
            let mut filter = TextAsBinary::default();
            filter.filter(&mut frames.to_vec());
            let error = Error::Protocol(ProtocolError::NonZeroReservedBits);
            let failure = ended_by(error, filter.violation()).unwrap().to_string();
            assert!(failure.contains(expected), "{failure}");
        }
    }

    #[test]
    fn a_close_frame_has_the_requested_code() {
        let Message::Close(Some(frame)) = close(1000) else {
            panic!("no close frame")
        };
        assert_eq!((u16::from(frame.code), &*frame.reason), (1000, ""));
    }

    /// A socket that delivers these pieces, one for each read if the buffer has room.
    struct Pieces {
        pieces: VecDeque<Vec<u8>>,
        reads: Arc<AtomicUsize>,
        at_end: Option<io::ErrorKind>,
    }

    impl PollIo for Pieces {
        fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = self.pieces.front_mut() else {
                return match self.at_end {
                    Some(kind) => Poll::Ready(Err(kind.into())),
                    None => Poll::Pending,
                };
            };
            let length = piece.len().min(buffer.len());
            buffer[..length].copy_from_slice(&piece[..length]);
            piece.drain(..length);
            if piece.is_empty() {
                self.pieces.pop_front();
            }
            Poll::Ready(Ok(length))
        }

        fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }
    }

    /// What the library reads with a buffer of this size, from a socket that delivers one binary
    /// message in pieces of these lengths.
    struct Reading {
        delivered: Vec<u8>,
        read: Vec<u8>,
        error: Option<io::ErrorKind>,
        reads: usize,
        is_busy: bool,
    }

    fn read_pieces(lengths: &[usize], small: usize, at_end: Option<io::ErrorKind>) -> Reading {
        let total: usize = lengths.iter().sum();
        // The length says more than there is, so that all of it is one frame.
        let header = [0x82, 127].into_iter().chain(u64::MAX.to_be_bytes());
        let delivered: Vec<u8> = header.chain((0..=u8::MAX).cycle()).take(total).collect();
        let mut rest = &*delivered;
        let mut pieces = VecDeque::new();
        for length in lengths {
            let (piece, left) = rest.split_at(*length);
            pieces.push_back(piece.to_vec());
            rest = left;
        }
        let reads = Arc::new(AtomicUsize::new(0));
        let socket = Pieces {
            pieces,
            reads: Arc::clone(&reads),
            at_end,
        };
        let mut filtered = Filtered::new(Connection::Plain(socket), &mut []);
        let mut context = Context::from_waker(Waker::noop());
        let mut buffer = vec![0; small];
        let mut read = Vec::new();
        let error = loop {
            match filtered.poll_read(&mut context, &mut buffer) {
                Poll::Ready(Ok(length)) => read.extend(&buffer[..length]),
                Poll::Ready(Err(error)) => break Some(error.kind()),
                Poll::Pending => break None,
            }
        };
        Reading {
            delivered,
            read,
            error,
            reads: reads.load(Ordering::Relaxed),
            is_busy: filtered.ahead.is_busy(),
        }
    }

    #[test]
    fn a_busy_socket_is_read_in_large_pieces_and_an_idle_one_keeps_nothing() {
        let reading = read_pieces(&[600_000], 4096, None);
        assert_eq!(reading.read.len(), 600_000);
        assert!(reading.reads < 15, "{}", reading.reads);
        assert!(!reading.is_busy);
    }

    #[test]
    fn small_pieces_are_read_in_place() {
        let reading = read_pieces(&[300; 100], 4096, None);
        assert_eq!(reading.read.len(), 30_000);
        assert_eq!((reading.reads, reading.is_busy), (101, false));
    }

    #[test]
    fn an_error_is_reported_after_the_bytes_read_before_it() {
        let reset = Some(io::ErrorKind::ConnectionReset);
        let reading = read_pieces(&[4096, 5000], 4096, reset);
        assert_eq!((reading.read, reading.error), (reading.delivered, reset));
        assert!(!reading.is_busy);
    }

    /// A socket whose reset is reported by a write, after which a read finds the end.
    struct Reset;

    impl PollIo for Reset {
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(0))
        }

        fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }

    #[test]
    fn a_reset_that_a_write_found_is_reported_by_the_next_read() {
        let mut context = Context::from_waker(Waker::noop());
        let mut filtered = Filtered::new(Connection::Plain(Reset), &mut []);
        let read = |filtered: &mut Filtered<Reset>, context: &mut Context<'_>| match filtered
            .poll_read(context, &mut [0; 16])
        {
            Poll::Ready(read) => read.map_err(|error| error.kind()),
            Poll::Pending => panic!("the read is pending"),
        };
        assert_eq!(read(&mut filtered, &mut context), Ok(0));
        let _ = filtered.poll_write(&mut context, b"ping");
        let reset = Err(io::ErrorKind::ConnectionReset);
        assert_eq!(read(&mut filtered, &mut context), reset);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_changed(
            lengths in prop::collection::vec(1_usize..200_000, 0..8),
            small in 1_usize..9000,
        ) {
            let reading = read_pieces(&lengths, small, None);
            prop_assert_eq!(reading.read, reading.delivered);
        }
    }
}
