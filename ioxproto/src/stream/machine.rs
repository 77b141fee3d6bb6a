//! What all states share: the start, timers, the loss of a connection, and changes of status.

use std::collections::VecDeque;
use std::time::Duration;

use tracing::{debug, info};

use super::timers::{Deadline, Timer, Timers};
use super::{Auditor, Backoff, Calls, Loader, Machine, Numbering, Replay, State, Stats};
use crate::auth::Credentials;
use crate::http::HeaderSet;
use crate::{
    Action, Config, ConfigError, Failure, FailureKind, FrameReader, Notification, Now, Reason,
    Silence, Status, StatusChange,
};

impl Machine {
    pub(super) fn new(config: Config) -> Result<Self, ConfigError> {
        let (address, account) = config.checked()?;
        Ok(Self {
            state: State::AtRest,
            status: Status::NotStarted,
            status_since: None,
            actions: VecDeque::new(),
            timers: Timers::default(),
            backoff: Backoff::new(config.timing.backoff.clone(), config.timing.jitter),
            random: fastrand::Rng::with_seed(config.seed),
            credentials: Credentials::new(account, address.clone(), config.path),
            headers: HeaderSet::new(config.profile),
            address,
            reader: FrameReader::new(),
            numbering: Numbering::default(),
            replay: Replay::new(config.path, Duration::ZERO),
            calls: Calls::new(&config),
            loader: Loader::new(config.read_names, &config.timing),
            auditor: Auditor::new(&config),
            audit_answer: None,
            shows_end_mark: false,
            stats: Stats::default(),
            last_id: 0,
            answers_pings: false,
            was_connected: false,
            has_probed: false,
            rest_reason: None,
            last_event_at: None,
            last_now: None,
            config,
        })
    }

    pub(super) fn start(&mut self, now: Now) {
        if !matches!(self.state, State::AtRest) {
            return;
        }
        self.backoff.reset();
        self.credentials.begin_session();
        self.was_connected = false;
        self.has_probed = false;
        self.begin_attempt(now);
    }

    /// Ends the driver's wait. If the computer slept or the driver was blocked meanwhile, sends a
    /// ping to find out whether the connection is still alive.
    pub(super) fn wake(&mut self, now: Now) {
        if self.last_now == Some(now) && !self.timers.is_waiting() {
            // Not the first input of this wake-up.
            return;
        }
        let listened = self
            .timers
            .end_wait(now.monotonic, self.config.timing.overrun);
        let slept = self.last_now.replace(now).is_some_and(|last| {
            let passed = now.monotonic.saturating_duration_since(last.monotonic);
            let expected = last.utc.checked_add(passed);
            let ahead = expected.and_then(|expected| now.utc.duration_since(expected).ok());
            ahead.is_some_and(|ahead| ahead > self.config.timing.sleep_noticed)
        });
        let open = matches!(self.state, State::Draining(_) | State::Live(_));
        if open && (slept || !listened) && !self.timers.is_set(Timer::Pong) {
            debug!(
                slept,
                listened, "the computer slept, or the driver did not listen"
            );
            self.ping();
        }
    }

    pub(super) fn tick(&mut self, now: Now) {
        while let Some(timer) = self.timers.take_due(now.monotonic) {
            debug!(?timer, "due");
            self.run_timer(now, timer);
        }
        self.tick_calls(now);
    }

    pub(super) fn poll_timeout(&mut self, now: Now) -> Option<Deadline> {
        if self.actions.is_empty() {
            let deadlines = [
                self.calls.deadline(),
                self.loader_deadline(),
                self.audit_deadline(),
            ];
            let other = deadlines
                .into_iter()
                .flatten()
                .min_by_key(|deadline| deadline.at);
            self.timers.begin_wait(now.monotonic, other)
        } else {
            Some(Deadline {
                at: now.monotonic,
                reason: "actions to be performed",
            })
        }
    }

    pub(super) fn stats(&self, now: Now) -> Stats {
        let mut stats = self.stats;
        if let Some(since) = self.status_since {
            stats.add_time(self.status, since, now.monotonic);
        }
        stats
    }

    fn run_timer(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Retry => {
                self.set_status(now, StatusChange::new(Status::Reconnecting));
                self.begin_attempt(now);
            }
            Timer::SignIn | Timer::Connect => self.timed_out(now),
            Timer::Stop => self.abort_stop(now),
            Timer::Names => self.time_out_names(),
            Timer::TokenAccepted => self.give_up_token(now),
            Timer::DrainQuiet | Timer::DrainCap => self.end_drain(now, timer),
            Timer::DrainPast => self.end_busy_drain(now),
            Timer::Stall => self.abort_stalled(now, Silence::Heartbeat),
            Timer::Pong => self.abort_stalled(now, Silence::Ping),
            Timer::Ping => self.ping(),
            Timer::Proven => self.prove_connection(),
        }
    }

    pub(super) fn failed(&mut self, now: Now, failure: Failure) {
        let reason = match failure {
            Failure::Transport {
                kind: FailureKind::MessageTooLarge,
                ..
            } => Reason::MessageTooLarge {
                limit: self.config.max_message_bytes,
            },
            Failure::Transport {
                kind: FailureKind::ConnectionReset | FailureKind::UnexpectedEnd,
                ..
            } if self.is_upgrading() => return self.probe_for_tls(now),
            failure => Reason::Failed(failure),
        };
        self.end_connection(now, reason);
    }

    /// Handles the end of the connection: completes a stop, or schedules the next attempt.
    pub(super) fn end_connection(&mut self, now: Now, reason: Reason) {
        if let State::Stopping { connection, .. } = &mut self.state {
            *connection = None;
            return self.finish_stop(now);
        }
        let reason = self.refuse_unproven_token(reason);
        self.lose_connection(now, reason);
    }

    /// Schedules the next attempt after a lost connection or a failed attempt, or stops if only a
    /// person can fix the failure.
    pub(super) fn lose_connection(&mut self, now: Now, reason: Reason) {
        self.lose_connection_with_wait(now, reason, None);
    }

    /// Like [`lose_connection`](Self::lose_connection), but waits at least as long as the
    /// controller's `Retry-After`.
    pub(super) fn lose_connection_with_wait(
        &mut self,
        now: Now,
        reason: Reason,
        retry_after: Option<Duration>,
    ) {
        self.timers.cancel_all();
        let needs_person = match &reason {
            Reason::CredentialsRefused { .. } | Reason::LoginRefused { .. } => true,
            Reason::Failed(Failure::Identity { problem, .. }) => !problem.is_about_dates_only(),
            _ => false,
        };
        let (status, retry_in) = if needs_person && !self.config.keep_trying {
            self.state = State::AtRest;
            self.abandon_renewal();
            self.credentials.forget();
            (Status::ReconnectFailed, None)
        } else {
            let mut wait = if needs_person {
                self.backoff.longest_wait(&mut self.random)
            } else {
                self.backoff.next_wait(&mut self.random)
            };
            if let Some(after) = retry_after {
                wait = wait.max(after.min(self.config.timing.retry_after_max));
            }
            self.state = State::Waiting;
            self.timers.at(Timer::Retry, now.monotonic + wait);
            (Status::LostConnection, Some(wait))
        };
        let change = StatusChange {
            status,
            reason: Some(reason),
            retry_in,
        };
        self.set_status(now, change);
    }

    pub(super) fn set_status(&mut self, now: Now, change: StatusChange) {
        if let Some(since) = self.status_since.replace(now.monotonic) {
            self.stats.add_time(self.status, since, now.monotonic);
        }
        info!(
            status = %change.status,
            reason = change.reason.as_ref().map(tracing::field::display),
            retry_in = change.retry_in.map(|wait| wait.as_secs_f64()),
            "the stream's status changed"
        );
        match change.status {
            Status::Connected => {
                self.loader.connected(now.monotonic);
                self.auditor.connected(now.monotonic);
            }
            Status::LostConnection => self.loader.mark_stale(),
            _ => {}
        }
        self.status = change.status;
        if change.status.is_at_rest() {
            self.rest_reason = change.reason.clone();
        }
        self.actions
            .push_back(Action::Notify(Notification::Status(change)));
    }
}
