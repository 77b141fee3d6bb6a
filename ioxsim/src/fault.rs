//! Ways in which a controller can fail its clients.

use std::collections::VecDeque;

/// How often something is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way to count")]
pub enum Times {
    /// The next this many times.
    Next(u32),
    /// From now on, until told otherwise.
    Always,
}

/// What becomes of a TCP connection that was just accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConnect {
    /// Nothing is ever said on it, not even a TLS handshake.
    Mute,
    /// It ends at once with a FIN.
    Close,
    /// It ends at once with a RST.
    Reset,
}

/// What becomes of a request to upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnUpgrade {
    /// It is refused with this status and these headers, such as `Retry-After` or `Location`.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// More headers, name and value.
        headers: Vec<(String, String)>,
    },
    /// It is answered 101 with an accept key that is not the one asked for.
    WrongAcceptKey,
    /// It is answered with these bytes, whatever they are; then the connection ends with a FIN.
    Raw(Vec<u8>),
    /// It is never answered.
    Mute,
    /// The connection ends without an answer.
    End(Ending),
    /// It is accepted, and the connection ends at once.
    AcceptThenEnd(Ending),
}

impl OnUpgrade {
    /// A refusal with this status and no more headers.
    #[must_use]
    pub fn refuse(status: u16) -> Self {
        Self::Refuse {
            status,
            headers: Vec::new(),
        }
    }

    /// A refusal with this status and one more header.
    pub fn refuse_with(status: u16, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Refuse {
            status,
            headers: vec![(name.into(), value.into())],
        }
    }
}

/// Where portal accounts are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Endpoint {
    /// `POST /api/login`.
    Login,
    /// `POST /api/jwt/refresh`.
    Refresh,
    /// `POST /api/jwt/logout`.
    Logout,
}

impl Endpoint {
    pub(crate) const ALL: [Self; 3] = [Self::Login, Self::Refresh, Self::Logout];

    /// Its path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Login => "/api/login",
            Self::Refresh => "/api/jwt/refresh",
            Self::Logout => "/api/jwt/logout",
        }
    }
}

/// What becomes of a login, refresh or logout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPost {
    /// It is refused with this status and these headers, such as `Retry-After` or `Location`.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// More headers, name and value.
        headers: Vec<(String, String)>,
    },
    /// It is answered 200 with `"successful": false`.
    Unsuccessful,
    /// It is answered 200 with JSON that breaks off.
    BrokenJson,
    /// It is answered with these bytes, whatever they are; then the connection ends with a FIN.
    Raw(Vec<u8>),
    /// It is never answered.
    Mute,
    /// The connection ends without an answer.
    End(Ending),
}

impl OnPost {
    /// A refusal with this status and no more headers.
    #[must_use]
    pub fn refuse(status: u16) -> Self {
        Self::Refuse {
            status,
            headers: Vec::new(),
        }
    }

    /// A refusal with this status and one more header.
    pub fn refuse_with(status: u16, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Refuse {
            status,
            headers: vec![(name.into(), value.into())],
        }
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Politely: a close frame with this code, the client's answer awaited for a second at most.
    /// Where no WebSocket is open, a FIN.
    Close(u16),
    /// A FIN without a close frame, and without TLS's `close_notify`.
    Fin,
    /// A RST; what was not yet delivered is lost.
    Reset,
    /// Half a frame, then a FIN.
    MidFrame,
}

/// What is planned to go wrong: some times next, or always.
#[derive(Clone, Debug)]
pub(crate) struct Plan<T> {
    next: VecDeque<(T, u32)>,
    always: Option<T>,
}

impl<T> Default for Plan<T> {
    fn default() -> Self {
        Self {
            next: VecDeque::new(),
            always: None,
        }
    }
}

impl<T: Clone> Plan<T> {
    pub(crate) fn add(&mut self, fault: T, times: Times) {
        match times {
            Times::Next(0) => {}
            Times::Next(times) => self.next.push_back((fault, times)),
            Times::Always => self.always = Some(fault),
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        let Some((fault, left)) = self.next.front_mut() else {
            return self.always.clone();
        };
        *left -= 1;
        if *left > 0 {
            return Some(fault.clone());
        }
        self.next.pop_front().map(|(fault, _)| fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_next_comes_before_what_is_always() {
        let mut plan = Plan::default();
        plan.add('z', Times::Always);
        plan.add('a', Times::Next(2));
        plan.add('b', Times::Next(1));
        plan.add('c', Times::Next(0));
        let taken: String = std::iter::from_fn(|| plan.take()).take(5).collect();
        assert_eq!(taken, "aabzz");
        plan.clear();
        assert_eq!(plan.take(), None);
    }
}
