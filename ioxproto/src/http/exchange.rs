//! One HTTP/1.1 request and its answer, without a socket.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

/// One HTTP request to write and the answer to read, driven by whoever has the socket.
///
/// Write [`request`](Self::request) once, then hand what comes to [`receive`](Self::receive) until it says
/// [`Progress::Done`] (or the end of the input to [`end_of_input`](Self::end_of_input)), then take
/// [`into_answer`](Self::into_answer) apart.
pub struct Exchange {
    request: Zeroizing<Vec<u8>>,
}

/// Whether an exchange wants more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an exchange is over or it is not")]
pub enum Progress {
    /// Read on.
    More,
    /// The answer is complete, or can no longer become one.
    Done,
}

/// Why an answer is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// Not HTTP: garbage, an SSH banner, TLS on a plain port.
    #[error("the answer is not HTTP (it begins with {0:?})")]
    NotHttp(String),
    /// The connection ended before the answer was complete.
    #[error("the connection ended before the answer was complete")]
    Truncated,
    /// The answer is longer than the limit.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
}

impl Exchange {
    /// The bytes of the request, head and body. They may hold credentials: do not log them.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Takes bytes that came from the controller.
    pub fn receive(&mut self, _bytes: &[u8]) -> Progress {
        Progress::Done
    }

    /// Takes note that nothing more will come.
    pub fn end_of_input(&mut self) {}

    /// The answer, or why there is none, and the bytes that came after it: the first ones of the
    /// WebSocket connection, on an upgrade.
    pub fn into_answer(self) -> (Result<http::Response<Vec<u8>>, ExchangeError>, Vec<u8>) {
        (Err(ExchangeError::Truncated), Vec::new())
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}
