//! The body of an HTTP answer (RFC 9112 section 6): with a length, in chunks, or up to the end of
//! the connection.

use http::{HeaderMap, StatusCode, header};
use zeroize::Zeroizing;

use super::exchange::{ExchangeError, INITIAL_CAPACITY};

/// The limit for the line before a chunk and for all trailer lines together, in bytes.
const MAX_LINE: usize = 8 * 1024;

/// Reads one body from bytes as they arrive.
pub(super) struct Body {
    framing: Framing,
    /// Whether the end of the body is defined by exactly one rule.
    is_certain: bool,
    /// The longest body accepted, in bytes.
    limit: usize,
    content: Zeroizing<Vec<u8>>,
    /// The number of bytes in the trailer lines so far.
    trailer: usize,
}

/// How the rest of the body is delimited.
#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    ChunkSize,
    Chunk(usize),
    /// The line end after a chunk's bytes.
    ChunkEnd,
    Trailer,
    UntilEnd,
    Complete,
}

impl Body {
    /// Determines the kind of body that follows this head.
    pub(super) fn after(
        status: StatusCode,
        headers: &HeaderMap,
        limit: usize,
    ) -> Result<Self, ExchangeError> {
        let framing = framing(status, headers, limit)?;
        Ok(Self {
            framing,
            is_certain: is_certain(framing, headers),
            limit,
            content: Zeroizing::new(Vec::with_capacity(INITIAL_CAPACITY)),
            trailer: 0,
        })
    }

    /// Removes the bytes of the body from the front of `bytes`. Returns whether the body is
    /// complete.
    pub(super) fn receive(
        &mut self,
        bytes: &mut Zeroizing<Vec<u8>>,
    ) -> Result<bool, ExchangeError> {
        let mut used = 0;
        let complete = loop {
            let rest = &bytes[used..];
            match self.framing {
                Framing::Complete => break true,
                Framing::Length(0) => self.framing = Framing::Complete,
                Framing::Chunk(0) => self.framing = Framing::ChunkEnd,
                Framing::Length(_) | Framing::Chunk(_) | Framing::UntilEnd if rest.is_empty() => {
                    break false;
                }
                Framing::Length(missing) => {
                    let taken = self.take(rest, missing)?;
                    used += taken;
                    self.framing = Framing::Length(missing - taken);
                }
                Framing::Chunk(missing) => {
                    let taken = self.take(rest, missing)?;
                    used += taken;
                    self.framing = Framing::Chunk(missing - taken);
                }
                Framing::UntilEnd => used += self.take(rest, rest.len())?,
                Framing::ChunkSize => match httparse::parse_chunk_size(rest) {
                    Ok(httparse::Status::Complete((length, size))) => {
                        used += length;
                        let size = usize::try_from(size)
                            .map_err(|_| ExchangeError::TooLarge(self.limit))?;
                        self.framing = if size == 0 {
                            Framing::Trailer
                        } else {
                            Framing::Chunk(size)
                        };
                    }
                    Ok(httparse::Status::Partial) if rest.len() <= MAX_LINE => break false,
                    _ => return Err(ExchangeError::BrokenBody),
                },
                Framing::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        used += 2;
                        self.framing = Framing::ChunkSize;
                    }
                    [] | [b'\r'] => break false,
                    _ => return Err(ExchangeError::BrokenBody),
                },
                Framing::Trailer => {
                    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                        if rest.len() > MAX_LINE {
                            return Err(ExchangeError::BrokenBody);
                        }
                        break false;
                    };
                    used += end + 1;
                    self.trailer += end + 1;
                    if self.trailer > MAX_LINE {
                        return Err(ExchangeError::BrokenBody);
                    }
                    if matches!(&rest[..end], [] | [b'\r']) {
                        self.framing = Framing::Complete;
                    }
                }
            }
        };
        bytes.drain(..used);
        Ok(complete)
    }

    /// The connection has ended. Returns whether that completes the body.
    pub(super) fn end_of_input(&self) -> bool {
        matches!(self.framing, Framing::UntilEnd | Framing::Complete)
    }

    /// Whether the body is complete and its end unambiguous, so that another answer may follow.
    pub(super) fn has_certain_end(&self) -> bool {
        self.is_certain && matches!(self.framing, Framing::Complete)
    }

    pub(super) fn into_content(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.content)
    }

    fn take(&mut self, bytes: &[u8], max: usize) -> Result<usize, ExchangeError> {
        let taken = bytes.len().min(max);
        if self.content.len() + taken > self.limit {
            return Err(ExchangeError::TooLarge(self.limit));
        }
        self.content.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
}

/// Whether the headers contain either one length or one chunked coding, and nothing else. Otherwise
/// two readers of an answer may disagree about its end (RFC 9112 section 6.3).
fn is_certain(framing: Framing, headers: &HeaderMap) -> bool {
    let count = |name| headers.get_all(name).iter().count();
    let lengths = count(header::CONTENT_LENGTH);
    let codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let codings = codings.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    match framing {
        Framing::Length(_) => lengths == 1,
        Framing::ChunkSize => lengths == 0 && codings.count() == 1,
        // The answer has no body.
        Framing::Complete => lengths == 0 && codings.count() == 0,
        _ => false,
    }
}

fn framing(
    status: StatusCode,
    headers: &HeaderMap,
    limit: usize,
) -> Result<Framing, ExchangeError> {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Framing::Complete);
    }
    if let Some(coding) = headers
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .next_back()
    {
        // Chunked overrides a length. The request did not ask for any other coding.
        let last = coding
            .to_str()
            .unwrap_or_default()
            .rsplit(',')
            .next()
            .unwrap_or_default();
        let chunked = last.trim().eq_ignore_ascii_case("chunked");
        return if chunked {
            Ok(Framing::ChunkSize)
        } else {
            Err(ExchangeError::BrokenBody)
        };
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return Ok(Framing::UntilEnd);
    };
    if lengths.any(|other| other != first) {
        return Err(ExchangeError::BrokenBody);
    }
    let text = first.to_str().unwrap_or_default().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ExchangeError::BrokenBody);
    }
    match text.parse() {
        Ok(length) if length <= limit => Ok(Framing::Length(length)),
        _ => Err(ExchangeError::TooLarge(limit)),
    }
}
