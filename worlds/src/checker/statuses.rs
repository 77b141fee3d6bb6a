//! The rules about statuses: their order, their reasons, and the times of attempts.

use std::fmt::Debug;
use std::time::Duration;

use ioxproto::{Reason, Silence, Status, StatusChange};

use super::identity::needs_a_person;
use super::{Asked, BASIC, Checker, HOST, JWT, PASSWORD, TOLERANCE};

impl Checker {
    pub(crate) fn starts(&mut self, now: Duration) {
        if self.status.is_at_rest() {
            self.failures = 0;
            self.not_before = None;
            self.attempts_in_a_row = 0;
            self.stop_asked = None;
            self.start_asked = true;
            self.forget_token_refusals();
        }
        self.now = now;
    }

    pub(crate) fn stops(&mut self, now: Duration) {
        if !self.status.is_at_rest() {
            self.stop_asked.get_or_insert(now);
        }
    }

    /// A request was answered, with this `Retry-After`.
    pub(crate) fn answered(&mut self, status: u16, retry_after: Option<&str>) {
        self.last_answer = Some(status);
        self.note_own_token_answer(status);
        self.retry_after = retry_after.map(|after| match after.parse() {
            Ok(seconds) => Asked::Seconds(Duration::from_secs(seconds)),
            Err(_) if after.contains("GMT") => Asked::Date,
            Err(_) => Asked::Nonsense,
        });
    }

    pub(crate) fn changed(&mut self, now: Duration, change: &StatusChange) {
        self.now = now;
        self.check_no_secrets(change);
        if let Some(reason) = &change.reason {
            self.check_no_secrets(&reason.to_string());
        }
        let (from, to) = (self.status, change.status);
        self.check(
            is_legal(from, to),
            &format!("{from} cannot be followed by {to}"),
        );
        if from.is_at_rest() {
            let asked = std::mem::take(&mut self.start_asked);
            self.check(asked, "it starts again without a request");
            self.has_probed = false;
        }
        match to {
            Status::Connected => self.connected(change),
            Status::LostConnection => self.lost(change),
            Status::ReconnectFailed => self.gave_up(change),
            Status::Disconnected => self.disconnected(),
            Status::StreamInitializing => {
                self.attempts_in_a_row = 0;
                self.requests_in_a_row = 0;
                self.calls.renews = false;
                self.calls.sent_in_attempt = false;
                self.reset_token_requests();
            }
            Status::StreamSyncing | Status::Reconnecting | Status::NotStarted => {}
        }
        if matches!(
            to,
            Status::LostConnection | Status::ReconnectFailed | Status::Disconnected
        ) {
            self.connection.open = false;
        }
        self.status = to;
        self.status_since = now;
    }

    fn lost(&mut self, change: &StatusChange) {
        let (Some(reason), Some(wait)) = (&change.reason, change.retry_in) else {
            return self.fail("a loss without a reason or a wait");
        };
        self.check_reason(reason);
        self.check(
            self.stop_asked.is_none(),
            "a loss is reported while the stream stops",
        );
        let most = self.timing.backoff.len() - 1;
        let (backoff, jitter) = (self.timing.backoff.clone(), self.timing.jitter);
        let span = |failures: usize| {
            let least = backoff[failures.min(most)];
            (least, least + least.mul_f64(jitter) + TOLERANCE)
        };
        let needs_a_person = needs_a_person(reason);
        let lasted = if self.status == Status::Connected {
            self.heard - self.connected_heard
        } else {
            Duration::ZERO
        };
        let is_proved = std::mem::take(&mut self.proved)
            || lasted > self.timing.proven_after + Duration::from_secs(3);
        let may_be_proved = is_proved || lasted + TOLERANCE >= self.timing.proven_after;
        let fits = |failures: usize, wait: Duration| {
            let (least, longest) = span(failures);
            (least..=longest).contains(&wait)
        };
        if needs_a_person {
            self.check(
                self.keep_trying,
                "a failure that only a person can fix is retried",
            );
            self.check(
                fits(most, wait),
                "the wait after a refusal is not the longest",
            );
        } else {
            let asked = match (reason, self.retry_after) {
                (
                    Reason::UpgradeRefused { .. } | Reason::LoginFailed { .. },
                    Some(Asked::Seconds(seconds)),
                ) => Some(seconds.min(self.timing.retry_after_max)),
                _ => None,
            };
            let dated = self.retry_after == Some(Asked::Date);
            let longest = self.timing.retry_after_max;
            let candidates = [
                may_be_proved.then_some(0),
                (!is_proved).then_some(self.failures),
            ];
            let fitting = candidates.into_iter().flatten().find(|failures| {
                let (least, _) = span(*failures);
                match asked {
                    Some(asked) if asked >= least => {
                        wait == asked || (wait > asked && fits(*failures, wait))
                    }
                    _ if dated && wait >= least && wait <= longest => true,
                    _ => fits(*failures, wait),
                }
            });
            match fitting {
                Some(failures) => self.failures = failures + 1,
                None => self.fail(format!(
                    "a wait of {wait:?} does not match the backoff after {} failures (proved: {is_proved}, possibly proved: {may_be_proved})",
                    self.failures
                )),
            }
        }
        self.not_before = Some(self.now + wait);
    }

    /// Checks that the reason is what happened in the world.
    fn check_reason(&mut self, reason: &Reason) {
        self.check_identity_reason(reason);
        self.check_token_reason(reason);
        let connection = &self.connection;
        match reason {
            Reason::Stalled {
                silence: Silence::Heartbeat,
                ..
            } => {
                let silent = self.now.saturating_sub(connection.text_available);
                let promised = connection.promise + self.timing.stall_grace;
                self.check(
                    silent + TOLERANCE >= promised
                        && self.now - connection.text_read + TOLERANCE >= promised,
                    "a stall is reported although a frame arrived in time",
                );
            }
            Reason::Stalled {
                silence: Silence::Ping,
                ..
            } => {
                let since_ping = connection.pinged_heard.map(|at| self.heard - at);
                let enough =
                    since_ping.is_some_and(|since| since + TOLERANCE >= self.timing.pong_within);
                self.check(
                    enough && self.ever_ponged,
                    "a ping is reported as unanswered too early, or although the controller has never answered one",
                );
            }
            Reason::TimedOut { after, .. } => {
                let lasted = self.now - self.attempt_began;
                self.check(
                    lasted + TOLERANCE >= *after,
                    "a time-out is reported too early",
                );
            }
            Reason::TokenNotAccepted { closed } => {
                let silent = self.now - connection.opened + TOLERANCE >= self.timing.token_accepted;
                self.check(
                    !connection.accepted && (*closed || silent),
                    "a token is reported as not accepted without evidence",
                );
            }
            Reason::UpgradeRefused { status, .. } => {
                self.check(
                    self.last_answer == Some(*status),
                    "a refusal is reported that did not happen",
                );
            }
            _ => {}
        }
    }

    fn gave_up(&mut self, change: &StatusChange) {
        // A login can be refused in the body of an answer with status 200.
        let refused = match change.reason {
            Some(Reason::LoginRefused { .. }) => {
                matches!(self.last_answer, Some(200 | 400..=499))
            }
            Some(Reason::Failed(_)) => self.refused_identity.is_some(),
            _ => matches!(self.last_answer, Some(401 | 403)),
        };
        let needs_a_person = change.reason.as_ref().is_some_and(needs_a_person);
        if let Some(reason) = &change.reason {
            self.check_identity_reason(reason);
        }
        self.check(
            refused && needs_a_person && !self.keep_trying,
            "given up although it should keep trying, or without a refusal that only a person can fix",
        );
    }

    fn disconnected(&mut self) {
        let asked = self.stop_asked.take().is_some();
        self.check(asked, "disconnected without a request");
    }

    pub(crate) fn attempts(&mut self, now: Duration, host: &str, request: &[u8], open: bool) {
        self.now = now;
        self.check_host(host, request);
        self.check_shown_token(request);
        self.check(!open, "an attempt while a connection is open");
        self.check(
            self.status == Status::StreamInitializing,
            "an attempt in the wrong status",
        );
        self.attempt_began = now;
        self.attempts_in_a_row += 1;
        if self.attempts_in_a_row == 1 {
            self.check_not_early();
        } else {
            let reason = matches!(self.last_answer, Some(400 | 401 | 403));
            let renewed = self.requests_in_a_row > 0 && self.last_answer == Some(200);
            self.check(
                (reason || renewed) && self.attempts_in_a_row <= 3,
                "an immediate attempt without a reason",
            );
        }
        self.last_answer = None;
    }

    /// A login, a refresh, a logout or a probe for TLS is sent: checks it.
    pub(crate) fn requests(&mut self, now: Duration, host: &str, request: &[u8], for_call: bool) {
        self.now = now;
        if request.first() == Some(&0x16) {
            return self.asks_for_tls(host, request);
        }
        self.check_host(host, request);
        self.check(
            !self.tokens.own,
            "a login, refresh or logout with the caller's tokens",
        );
        let stopping = self.stop_asked.is_some();
        // A login may follow a refresh even if the call that needed it has been cancelled.
        let for_call = for_call || self.calls.renews;
        if for_call && !stopping && self.status != Status::StreamInitializing {
            // Tokens are renewed for a call, and the stream continues.
            self.calls.renews = true;
            return;
        }
        self.requests_in_a_row += 1;
        self.check(
            stopping || self.status == Status::StreamInitializing,
            "a request in the wrong status",
        );
        // A refresh and a login before the first upgrade, both again after a 401, and a refresh and
        // a logout at the end.
        self.check(
            self.requests_in_a_row <= if self.calls.sent_in_attempt { 10 } else { 6 },
            "more requests than an attempt needs",
        );
        if !stopping {
            self.attempt_began = now;
            self.check_not_early();
        }
    }

    /// A `ClientHello`: it contains no secret, and is sent once after each start.
    fn asks_for_tls(&mut self, host: &str, request: &[u8]) {
        self.check(host == HOST, "a probe of a host that was not configured");
        self.check(!self.has_probed, "a port is probed for TLS twice");
        self.check(
            self.status == Status::StreamInitializing,
            "a probe in the wrong status",
        );
        self.check_no_secrets(&String::from_utf8_lossy(request));
        self.has_probed = true;
    }

    pub(super) fn check_not_early(&mut self) {
        let early = self
            .not_before
            .is_some_and(|not_before| self.now < not_before);
        self.check(!early, "an attempt too early");
    }

    pub(super) fn check_host(&mut self, host: &str, request: &[u8]) {
        let text = String::from_utf8_lossy(request);
        let named = text.contains(&format!("\r\nHost: {HOST}"));
        self.check(
            host == HOST && named,
            "a request to a host that was not configured",
        );
    }

    /// Checks that what may be logged contains no secret.
    pub(crate) fn check_no_secrets(&mut self, shown: &impl Debug) {
        let text = format!("{shown:?}");
        let leaks = [PASSWORD, BASIC, JWT]
            .iter()
            .any(|secret| text.contains(secret));
        self.check(!leaks, "a secret is shown");
    }
}

fn is_legal(from: Status, to: Status) -> bool {
    use Status::{
        Connected, Disconnected, LostConnection, NotStarted, ReconnectFailed, Reconnecting,
        StreamInitializing, StreamSyncing,
    };
    match from {
        NotStarted | ReconnectFailed | Disconnected | Reconnecting => to == StreamInitializing,
        StreamInitializing => matches!(
            to,
            StreamSyncing | LostConnection | ReconnectFailed | Disconnected
        ),
        StreamSyncing => matches!(to, Connected | LostConnection | Disconnected),
        Connected => matches!(to, LostConnection | Disconnected),
        LostConnection => matches!(to, Reconnecting | Disconnected),
    }
}
