//! Ways in which a REST call can fail.

use std::time::Duration;

use crate::answer::{AfterAnswer, Answer};
use crate::fault::Ending;

/// A fault of a REST call, a read or command under `/rest/` or `/api/`, with valid credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnCall {
    /// It is answered 404, as by a controller whose Insteon modem is busy.
    Busy {
        /// Whether it is carried out in spite of the answer.
        carried_out: bool,
    },
    /// It is answered 404 as when busy, and not carried out. `Content-Length` is too small and the
    /// connection is kept, so that the rest of the answer precedes the next one. An ISY-994 breaks
    /// the framing like this (inferred from its clients).
    BrokenFraming,
    /// It is refused with this status, and not carried out.
    Refuse {
        /// The HTTP status.
        status: u16,
    },
    /// It is answered 200 with `succeeded="false"`, and not carried out.
    NotSucceeded,
    /// It is answered 200 with the login page of a proxy, and not carried out.
    Html,
    /// It is carried out and answered 200 without a body.
    Empty,
    /// It is carried out. `Content-Length` is too large, and the connection ends.
    TooShort,
    /// It is carried out. `Content-Length` is too small.
    TooLong,
    /// It is carried out. The answer is truncated, and the connection ends.
    CutOff,
    /// It is carried out, and the answer is delayed by this time.
    Slow(Duration),
    /// It is carried out and never answered.
    Mute,
}

/// By how many bytes an answer exceeds its `Content-Length`.
const EXCESS: isize = 10;

impl OnCall {
    /// Returns the answer if the call is not carried out; `None` if it is.
    pub(crate) fn refusal(self) -> Option<Answer> {
        Some(match self {
            Self::Busy { carried_out: false } => super::rest::busy(),
            Self::BrokenFraming => {
                let mut answer = super::rest::busy();
                answer.set_length(-EXCESS);
                answer
            }
            Self::Refuse { status } => Answer::refusal(status, []),
            Self::NotSucceeded => super::rest::not_succeeded(),
            Self::Html => Answer::with_body(
                200,
                [],
                "text/html",
                b"<!DOCTYPE html><html><body><form>Sign in</form></body></html>",
            ),
            _ => return None,
        })
    }

    /// Changes the answer of a call that was carried out.
    pub(crate) fn spoil(self, mut answer: Answer) -> Answer {
        match self {
            Self::Busy { .. } => return super::rest::busy(),
            Self::Empty => return Answer::with_body(200, [], "text/xml", b""),
            Self::TooShort => answer.set_length(100),
            Self::TooLong => answer.set_length(-EXCESS),
            Self::CutOff => answer
                .bytes
                .truncate(answer.bytes.len() - answer.body_length() / 2 - 1),
            Self::Slow(delay) => answer.delay = delay,
            Self::Mute => return Answer::raw(Vec::new(), AfterAnswer::Mute),
            Self::BrokenFraming | Self::Refuse { .. } | Self::NotSucceeded | Self::Html => {}
        }
        if matches!(self, Self::TooShort | Self::CutOff) {
            answer.then = AfterAnswer::End(Ending::Fin);
        }
        answer.may_be_kept = matches!(self, Self::Slow(_));
        answer
    }
}
