//! WebSocket frames of a server: writes them unmasked, reads them masked.

use thiserror::Error;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The maximum length of a client's message, in bytes. A longer one ends the connection.
const MAX_MESSAGE: usize = 1024 * 1024;

/// Appends one frame.
pub(crate) fn write_frame(out: &mut Vec<u8>, last: bool, opcode: u8, payload: &[u8]) {
    out.push(if last { 0x80 | opcode } else { opcode });
    match payload.len() {
        // The casts cannot truncate: the patterns bound the length.
        length @ 0..=125 => out.push(length as u8),
        length @ 126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Returns the head of a frame of this many bytes, with the length in its longest form.
pub(crate) fn long_head(last: bool, opcode: u8, length: u64) -> Vec<u8> {
    let mut out = vec![if last { 0x80 | opcode } else { opcode }, 127];
    out.extend_from_slice(&length.to_be_bytes());
    out
}

/// Returns a message in one frame.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 10);
    write_frame(&mut out, true, opcode, payload);
    out
}

/// Returns a close frame with this code.
pub(crate) fn close_frame(code: u16) -> Vec<u8> {
    frame(CLOSE, &code.to_be_bytes())
}

/// Returns one text message with a fragment for each part, and a ping between each two.
pub(crate) fn fragmented(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            write_frame(&mut out, true, PING, b"between");
        }
        let opcode = if index == 0 { TEXT } else { CONTINUATION };
        write_frame(&mut out, index + 1 == parts.len(), opcode, part);
    }
    out
}

/// A message from a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Text(String),
    Binary,
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

/// A violation of the WebSocket protocol by the client.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("the client broke the WebSocket protocol: {0}")]
pub(crate) struct Violation(&'static str);

/// Collects bytes and returns messages.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    buffer: Vec<u8>,
    /// The opcode of a fragmented message, and its payload received so far.
    message: Option<(u8, Vec<u8>)>,
}

impl Reader {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next message; `None` if more bytes are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, Violation> {
        while let Some((last, opcode, payload)) = self.next_frame()? {
            match opcode {
                CLOSE => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    return Ok(Some(Incoming::Close(code)));
                }
                PING => return Ok(Some(Incoming::Ping(payload))),
                PONG => return Ok(Some(Incoming::Pong)),
                CONTINUATION | TEXT | BINARY => {
                    if let Some(message) = self.fragment(last, opcode, payload)? {
                        return Ok(Some(message));
                    }
                }
                _ => return Err(Violation("unknown opcode")),
            }
        }
        Ok(None)
    }

    fn fragment(
        &mut self,
        last: bool,
        opcode: u8,
        payload: Vec<u8>,
    ) -> Result<Option<Incoming>, Violation> {
        let (opcode, message) = match (self.message.take(), opcode) {
            (Some((first, mut message)), CONTINUATION) => {
                if message.len() + payload.len() > MAX_MESSAGE {
                    return Err(Violation("message too long"));
                }
                message.extend_from_slice(&payload);
                (first, message)
            }
            (None, TEXT | BINARY) => (opcode, payload),
            _ => return Err(Violation("fragments out of order")),
        };
        if !last {
            self.message = Some((opcode, message));
            return Ok(None);
        }
        if opcode == BINARY {
            return Ok(Some(Incoming::Binary));
        }
        let text = String::from_utf8(message).map_err(|_| Violation("text is not UTF-8"))?;
        Ok(Some(Incoming::Text(text)))
    }

    fn next_frame(&mut self) -> Result<Option<(bool, u8, Vec<u8>)>, Violation> {
        let Some(&[head, length]) = self.buffer.first_chunk() else {
            return Ok(None);
        };
        if length & 0x80 == 0 {
            return Err(Violation("frame is not masked"));
        }
        if head & 0x70 != 0 {
            return Err(Violation("reserved bit set"));
        }
        let rest = &self.buffer[2..];
        let (length, rest) = match length & 0x7F {
            126 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (u64::from_be_bytes(*bytes), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        if length > MAX_MESSAGE as u64 {
            return Err(Violation("message too long"));
        }
        // Cannot truncate: the length is bounded above.
        let length = length as usize;
        let Some((mask, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        let payload = payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        let consumed = self.buffer.len() - rest.len() + length;
        self.buffer.drain(..consumed);
        Ok(Some((head & 0x80 != 0, head & 0x0F, payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a short frame as a client sends it.
    fn masked(head: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x11, 0x22, 0x33, 0x44];
        let mut out = vec![head, 0x80 | payload.len() as u8];
        out.extend_from_slice(&mask);
        out.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        out
    }

    #[test]
    fn messages_are_read_byte_by_byte_with_fragments_and_a_ping_between() {
        let mut bytes = masked(0x01, b"hel");
        bytes.extend(masked(0x89, b"now"));
        bytes.extend(masked(0x80, b"lo"));
        bytes.extend(masked(0x88, &1000_u16.to_be_bytes()));
        let mut reader = Reader::default();
        let mut seen = Vec::new();
        for byte in bytes {
            reader.push(&[byte]);
            seen.extend(reader.next().expect("the frames are valid"));
        }
        assert_eq!(
            seen,
            [
                Incoming::Ping(b"now".to_vec()),
                Incoming::Text("hello".to_owned()),
                Incoming::Close(Some(1000)),
            ]
        );
    }

    #[test]
    fn frames_that_no_client_may_send_are_violations() {
        let huge = [0x81, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0, 0];
        let cases: [&[u8]; 5] = [
            &frame(TEXT, b"unmasked"),
            &masked(0xC1, b"reserved bit"),
            &masked(0x83, b"opcode"),
            &masked(0x80, b"continues nothing"),
            &huge,
        ];
        for bytes in cases {
            let mut reader = Reader::default();
            reader.push(bytes);
            assert!(reader.next().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn lengths_are_written_in_their_three_forms() {
        assert_eq!(frame(TEXT, &[b'x'; 125])[..2], [0x81, 125]);
        assert_eq!(frame(TEXT, &[b'x'; 126])[..4], [0x81, 126, 0, 126]);
        assert_eq!(
            frame(TEXT, &[b'x'; 65536])[..10],
            [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]
        );
    }
}
