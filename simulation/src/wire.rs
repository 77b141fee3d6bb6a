//! What travels between the two machines. WebSocket frames are parsed here, so that the other
//! modules handle messages. [`Arrival::Piece`] stands for a part of a message.

use ioxproto::{FailureKind, Phase};

use crate::identity::Certificate;

/// What arrives at the client.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    /// The attempt has reached this phase; at [`Phase::Upgrading`] the request may be written.
    Reached(Phase),
    /// The TLS handshake presents this certificate.
    Certificate(Certificate),
    /// The attempt fails.
    Failed(FailureKind),
    /// Bytes of the answer to a request.
    Bytes(Vec<u8>),
    /// Part of a message that is not complete yet.
    Piece,
    /// A whole message.
    Message(Payload, Truth),
    /// A close frame.
    Close(u16),
    /// The end of the stream of bytes.
    Fin,
    /// A reset.
    Reset,
    /// Bytes that are not a WebSocket frame.
    Junk,
}

impl Arrival {
    /// Returns its length on the wire, in bytes.
    pub(crate) fn length(&self) -> f64 {
        let bytes = match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Message(Payload::Text(bytes) | Payload::Binary(bytes), _) => bytes.len() + 4,
            _ => 4,
        };
        // A float represents lengths of this size exactly.
        bytes as f64
    }
}

/// A WebSocket message.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping,
    Pong,
}

/// What the world knows about a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Truth {
    /// It belongs to the replay.
    pub(crate) replay: bool,
    /// It is damaged beyond recovery, so that it need not become an event.
    pub(crate) spoiled: bool,
    /// It has a time stamp.
    pub(crate) stamped: bool,
    /// Its stamp shows that it belongs to the replay, if the time of the subscription is known.
    pub(crate) dated: bool,
    /// Its stamp is not older than the subscription, within 0.1 s.
    pub(crate) fresh: bool,
    /// Its stamp is ahead of the controller's clock, which has been set back.
    pub(crate) ahead: bool,
    /// It left the controller more than a second after the end mark.
    pub(crate) past_mark: bool,
    /// It left the controller more than 6 s after the subscription, long enough for its stamp to
    /// show that it is live.
    pub(crate) settled: bool,
    /// The controller's wall clock was set on this connection, and no heartbeat has left since.
    pub(crate) clock_set: bool,
    /// The controller's wall clock was set on this connection.
    pub(crate) clock_was_set: bool,
}

/// What is sent to the controller.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    /// The first packet of a connection.
    Dial,
    Request(Vec<u8>),
    Text(String),
    Ping,
    Close(u16),
    /// The client dropped its socket.
    Gone,
}

/// Parses the frames of a server. The flag says whether an unfinished message is left over.
pub(crate) fn messages(mut bytes: &[u8]) -> Result<(Vec<Payload>, bool), BadFrame> {
    let mut messages = Vec::new();
    let mut whole: Option<(u8, Vec<u8>)> = None;
    while let Some((last, opcode, payload, rest)) = frame(bytes)? {
        bytes = rest;
        match opcode {
            0..=2 => {
                let (first, mut before) = whole.take().unwrap_or((opcode, Vec::new()));
                before.extend_from_slice(payload);
                if !last {
                    whole = Some((first, before));
                } else if first == 1 {
                    messages.push(Payload::Text(before));
                } else {
                    messages.push(Payload::Binary(before));
                }
            }
            9 => messages.push(Payload::Ping),
            10 => messages.push(Payload::Pong),
            _ => return Err(BadFrame),
        }
    }
    Ok((messages, whole.is_some() || !bytes.is_empty()))
}

/// Bytes that are not a valid frame of a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadFrame;

type Frame<'a> = (bool, u8, &'a [u8], &'a [u8]);

fn frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, BadFrame> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 || second & 0x80 != 0 {
        return Err(BadFrame);
    }
    let (length, rest) = match second {
        126 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest),
            None => return Ok(None),
        },
        length => (u64::from(*length), rest),
    };
    let length = usize::try_from(length).map_err(|_| BadFrame)?;
    let Some((payload, rest)) = rest.split_at_checked(length) else {
        return Ok(None);
    };
    Ok(Some((first & 0x80 != 0, first & 0x0f, payload, rest)))
}

/// Returns the text between the first `before` and the next `after`.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}
