//! The client side of RFC 6455, without sockets: bytes in, messages out. It implements only what a
//! controller needs, and does not decode text, so that invalid UTF-8 reaches the machine.

/// Turns received bytes into messages, and payloads into frames to send.
#[derive(Default)]
pub(crate) struct WebSocket {
    /// Received bytes that are not a complete frame yet.
    unread: Vec<u8>,
    /// The opcode of an incomplete message, and its payload received so far.
    fragments: Option<(Opcode, Vec<u8>)>,
    pub(crate) max_message_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

/// Why no more messages can be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The next message exceeds the limit.
    TooLarge,
    /// A frame violates the protocol.
    InvalidFrame,
}

impl WebSocket {
    /// Takes bytes from the socket.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// Whether a message has begun to arrive and is not complete.
    pub(crate) fn is_mid_message(&self) -> bool {
        self.fragments.is_some() || !self.unread.is_empty()
    }

    /// The next complete message or control frame (section 5.2), if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<(Opcode, Vec<u8>)>, ReadError> {
        while let Some((first, start, length)) = self.header()? {
            let received = self
                .fragments
                .as_ref()
                .map_or(0, |(_, message)| message.len());
            if length > self.max_message_bytes.saturating_sub(received) {
                return Err(ReadError::TooLarge);
            }
            let Some(payload) = self.unread.get(start..start + length) else {
                break;
            };
            let payload = payload.to_vec();
            self.unread.drain(..start + length);
            let opcode = match (first & 0xF, &self.fragments) {
                (0x8, _) => return Ok(Some((Opcode::Close, payload))),
                (0x9, _) => return Ok(Some((Opcode::Ping, payload))),
                (0xA, _) => return Ok(Some((Opcode::Pong, payload))),
                (0x1, None) => Opcode::Text,
                (0x2, None) => Opcode::Binary,
                (0x0, Some((opcode, _))) => *opcode,
                _ => return Err(ReadError::InvalidFrame),
            };
            let (_, message) = self.fragments.get_or_insert((opcode, Vec::new()));
            message.extend(payload);
            if first & 0x80 != 0 {
                return Ok(self.fragments.take());
            }
        }
        Ok(None)
    }

    /// The first byte of the next frame, the offset of its payload, and the length of its payload.
    fn header(&self) -> Result<Option<(u8, usize, usize)>, ReadError> {
        let [first, second, rest @ ..] = self.unread.as_slice() else {
            return Ok(None);
        };
        // A server sets neither the reserved bits nor the mask bit.
        if first & 0x70 != 0 || second & 0x80 != 0 {
            return Err(ReadError::InvalidFrame);
        }
        let header = match second {
            126 => rest
                .first_chunk()
                .map(|length| (4, u64::from(u16::from_be_bytes(*length)))),
            127 => rest
                .first_chunk()
                .map(|length| (10, u64::from_be_bytes(*length))),
            short => Some((2, u64::from(*short))),
        };
        Ok(header.map(|(start, length)| {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            (*first, start, length)
        }))
    }

    /// A control frame to send. Its mask is zero; a real library uses a random one.
    pub(crate) fn control_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let payload = &payload[..payload.len().min(125)];
        let header = [0x80 | opcode as u8, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        [&header, payload].concat()
    }
}
