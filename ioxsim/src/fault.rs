//! Ways in which a controller can fail its clients.

use std::collections::VecDeque;

/// How often a fault occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way to count")]
pub enum Times {
    /// This many times, starting with the next.
    Next(u32),
    /// Always, until the faults are cleared.
    Always,
}

/// A fault of a TCP connection that was just accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConnect {
    /// Nothing is ever sent on it, not even a TLS handshake.
    Mute,
    /// It ends immediately with a FIN.
    Close,
    /// It ends immediately with a RST.
    Reset,
}

/// A fault of an upgrade request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnUpgrade {
    /// It is refused with this status and these headers, such as `Retry-After` or `Location`.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// Additional headers, name and value.
        headers: Vec<(String, String)>,
    },
    /// It is answered 101 with a wrong accept key.
    WrongAcceptKey,
    /// It is answered with these bytes, valid or not. Then the connection ends with a FIN.
    Raw(Vec<u8>),
    /// It is never answered.
    Mute,
    /// The connection ends without an answer.
    End(Ending),
    /// It is accepted, and the connection ends immediately.
    AcceptThenEnd(Ending),
}

impl OnUpgrade {
    /// Makes a refusal with this status and no additional headers.
    #[must_use]
    pub fn refuse(status: u16) -> Self {
        Self::Refuse {
            status,
            headers: Vec::new(),
        }
    }

    /// Makes a refusal with this status and one additional header.
    pub fn refuse_with(status: u16, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Refuse {
            status,
            headers: vec![(name.into(), value.into())],
        }
    }
}

/// An endpoint of portal accounts.
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

    /// Returns its path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Login => "/api/login",
            Self::Refresh => "/api/jwt/refresh",
            Self::Logout => "/api/jwt/logout",
        }
    }
}

/// A fault of a login, refresh or logout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPost {
    /// It is refused with this status and these headers, such as `Retry-After` or `Location`.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// Additional headers, name and value.
        headers: Vec<(String, String)>,
    },
    /// It is answered 200 with `"successful": false`.
    Unsuccessful,
    /// It is answered 200 with truncated JSON.
    BrokenJson,
    /// It is answered with these bytes, valid or not. Then the connection ends with a FIN.
    Raw(Vec<u8>),
    /// It is never answered.
    Mute,
    /// The connection ends without an answer.
    End(Ending),
}

impl OnPost {
    /// Makes a refusal with this status and no additional headers.
    #[must_use]
    pub fn refuse(status: u16) -> Self {
        Self::Refuse {
            status,
            headers: Vec::new(),
        }
    }

    /// Makes a refusal with this status and one additional header.
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
    /// In order: a close frame with this code, and the client's answer is awaited for at most one
    /// second. Without an open WebSocket, a FIN.
    Close(u16),
    /// A FIN without a close frame, and without TLS's `close_notify`.
    Fin,
    /// A RST. What was not delivered yet is lost.
    Reset,
    /// Half a frame, then a FIN.
    MidFrame,
}

/// The planned faults: those of the next few times, and the one of all other times.
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
    fn limited_faults_come_before_the_permanent_one() {
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
