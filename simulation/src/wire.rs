//! What travels between the two machines. WebSocket frames are taken apart here, so that everything
//! above deals in messages; that bytes come in pieces is kept, as [`Arrival::Piece`].

use ioxproto::{FailureKind, Phase};

use crate::identity::Certificate;

/// What comes to the client.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    /// The attempt has come this far; at [`Phase::Upgrading`] the request may be written.
    Reached(Phase),
    /// The TLS handshake shows this.
    Certificate(Certificate),
    /// The attempt fails.
    Failed(FailureKind),
    /// Bytes of an answer to a request.
    Bytes(Vec<u8>),
    /// Bytes of a message whose end has not come.
    Piece,
    /// A whole message.
    Message(Payload, Truth),
    /// A close frame.
    Close(u16),
    /// The end of the bytes.
    Fin,
    /// A reset.
    Reset,
    /// Bytes that are no WebSocket.
    Junk,
}

impl Arrival {
    /// How many bytes it takes on the line.
    pub(crate) fn length(&self) -> f64 {
        let bytes = match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Message(Payload::Text(bytes) | Payload::Binary(bytes), _) => bytes.len() + 4,
            _ => 4,
        };
        // Far below where a float is no longer exact.
        bytes as f64
    }
}

/// What a message is.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping,
    Pong,
}

/// What the world knows of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Truth {
    /// It belongs to the replay.
    pub(crate) replay: bool,
    /// Not even recovery makes an event of it.
    pub(crate) spoiled: bool,
    /// It has a stamp.
    pub(crate) stamped: bool,
    /// Its stamp shows that it belongs to the replay, for whoever knows when the controller
    /// accepted the subscriber.
    pub(crate) dated: bool,
    /// It is stamped when it left the controller, or nearly so.
    pub(crate) fresh: bool,
    /// Its stamp is ahead of the controller's clock, which was set back since.
    pub(crate) ahead: bool,
    /// It left the controller more than a second after the end mark.
    pub(crate) past_mark: bool,
    /// It left the controller long enough after the connect for its stamp to show it.
    pub(crate) settled: bool,
    /// The controller's wall clock was set on this connection, and no heartbeat has left since.
    pub(crate) clock_set: bool,
    /// The controller's wall clock was set on this connection.
    pub(crate) clock_was_set: bool,
}

/// What goes to the controller.
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

/// Takes the frames of a server apart. What is left over is the beginning of another.
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

/// Bytes that are no frames of a server.
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

/// What stands between two texts, the first time.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}
