//! What the drivers over the WebSocket library tungstenite share: its settings, what is sent through it, and what its errors mean.
//!
//! It is apart from `ioxdriver` since types of tungstenite are in its interface: a driver over another WebSocket library needs
//! nothing of it. It waits for nothing and holds no socket, so that async and blocking drivers use the same.

use ioxdriver::failure;
use ioxproto::{Failure, FailureKind};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Error, Message};

/// Small, since an idle stream keeps it; a dozen frames fit.
const READ_BUFFER: usize = 4 * 1024;
/// Bytes that wait to be written to a peer that pings and does not read its pongs. Full, it takes no more, and the latest pong
/// alone waits beside it.
pub const WRITE_BUFFER: usize = 64 * 1024;
/// A message of more bytes than this leaves its size behind in the library's buffer.
pub const LARGE: usize = 64 * 1024;

/// The library's settings for a stream whose messages have so many bytes at most.
#[must_use]
pub fn config(max_message_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(max_message_bytes))
        .max_frame_size(Some(max_message_bytes))
}

/// A ping without data.
#[must_use]
pub fn ping() -> Message {
    Message::Ping(Default::default())
}

/// A close frame with this code (RFC 6455 section 7.4) and no words.
#[must_use]
pub fn close(code: u16) -> Message {
    Message::Close(Some(CloseFrame {
        code: CloseCode::from(code),
        reason: "".into(),
    }))
}

/// What the library's error means for an open connection; `None` for an end without a close frame. An error that only says that
/// a socket has nothing now is the driver's to keep back.
#[must_use]
pub fn ended_by(error: Error) -> Option<Failure> {
    let (kind, detail) = match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return None,
        Error::Io(error) => return failure::ended(&error),
        Error::Capacity(error) => (FailureKind::MessageTooLarge, error.to_string()),
        other => (
            FailureKind::Protocol,
            format!("the controller sent what is no WebSocket frame: {other}"),
        ),
    };
    Some(Failure::transport(kind, detail))
}

#[cfg(test)]
mod tests {
    use std::io;

    use tungstenite::error::CapacityError;

    use super::*;

    fn meaning(error: Error) -> Option<(FailureKind, String)> {
        ended_by(error).map(|failure| match failure {
            Failure::Transport { kind, detail } => (kind, detail),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn an_end_without_a_close_frame_is_no_failure() {
        let resets = Error::Protocol(ProtocolError::ResetWithoutClosingHandshake);
        let end = Error::Io(io::ErrorKind::UnexpectedEof.into());
        for error in [Error::ConnectionClosed, Error::AlreadyClosed, resets, end] {
            assert_eq!(meaning(error), None);
        }
    }

    #[test]
    fn each_failure_has_its_kind_and_says_what_happened() {
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
        assert!(wrong.1.contains("no WebSocket frame"), "{}", wrong.1);
    }

    #[test]
    fn a_close_frame_has_the_code_that_was_asked_for() {
        let Message::Close(Some(frame)) = close(1000) else {
            panic!("no close frame")
        };
        assert_eq!((u16::from(frame.code), &*frame.reason), (1000, ""));
    }
}
