//! An open connection: its messages, and the silences that show it dead.

use std::time::Duration;

use tracing::{debug, trace};

use super::timers::Timer;
use super::{Machine, Numbering, Replay, State};
use crate::{
    Action, ConnectionId, Event, Frame, IgnoredKind, Notification, Now, Reason, Silence, Status,
    StatusChange,
};

/// What came in on an open WebSocket, as the library below saw it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// A text message's bytes, UTF-8 or not.
    Text(&'a [u8]),
    /// A binary message; never an event.
    Binary(&'a [u8]),
    /// A ping; the WebSocket library answers it.
    Ping,
    /// A pong.
    Pong,
}

/// What is known of an open connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// The listening clock at the last text frame.
    last_text: Duration,
    /// What the last heartbeat promised, with the grace.
    stall_after: Duration,
    pub(super) mid_message: bool,
    /// Whether the controller has accepted us: by the 101 itself, or by a first text frame after
    /// the token.
    pub(super) accepted: bool,
    /// The listening clock when the end mark came that stands.
    pub(super) mark_heard: Option<Duration>,
}

impl Machine {
    pub(super) fn message(&mut self, now: Now, message: Message<'_>) -> Option<Notification> {
        let live = matches!(self.state, State::Live(_));
        let (State::Draining(connection) | State::Live(connection)) = &mut self.state else {
            return None;
        };
        let id = connection.id;
        connection.mid_message = false;
        self.timers.cancel(Timer::Pong);
        self.timers
            .after_hearing(Timer::Ping, self.config.timing.ping_after);
        match message {
            Message::Text(bytes) => {
                connection.last_text = self.timers.heard();
                self.timers
                    .after_hearing(Timer::Stall, connection.stall_after);
                if bytes.len() > self.config.max_message_bytes {
                    self.actions.push_back(Action::Abort { id });
                    let limit = self.config.max_message_bytes;
                    self.lose_connection(now, Reason::MessageTooLarge { limit });
                    return None;
                }
                self.text(now, live, bytes)
            }
            Message::Binary(bytes) => {
                trace!(bytes = bytes.len(), "a binary message is ignored");
                self.prolong_drain(false);
                None
            }
            Message::Ping => None,
            Message::Pong => {
                self.answers_pings = true;
                None
            }
        }
    }

    pub(super) fn bytes_received(&mut self, mid_message: bool) {
        if let State::Draining(connection) | State::Live(connection) = &mut self.state {
            connection.mid_message = mid_message;
        }
    }

    /// The upgrade was accepted.
    pub(super) fn opened(&mut self, now: Now, id: ConnectionId) {
        let timing = &self.config.timing;
        let stall_after = timing.stall_default.min(timing.stall_max) + timing.stall_grace;
        let first_frame = self.credentials.first_frame();
        self.numbering = Numbering::default();
        let window_ends = self.timers.heard() + timing.replay_window;
        self.replay = Replay::new(self.config.path, window_ends);
        self.timers.cancel_all();
        self.timers.after_hearing(Timer::Stall, stall_after);
        self.timers.after_hearing(Timer::Ping, timing.ping_after);
        self.state = State::Draining(Connection {
            id,
            last_text: self.timers.heard(),
            stall_after,
            mid_message: false,
            accepted: first_frame.is_none(),
            mark_heard: None,
        });
        let max_message_bytes = self.config.max_message_bytes;
        self.actions.push_back(Action::OpenWebSocket {
            id,
            max_message_bytes,
        });
        self.set_status(now, StatusChange::new(Status::StreamSyncing));
        let Some(text) = first_frame else {
            return self.begin_drain();
        };
        self.actions.push_back(Action::SendText { id, text });
        self.timers
            .after_hearing(Timer::TokenAccepted, self.config.timing.token_accepted);
    }

    /// Takes the first text frame as proof that the token was accepted: remembers what worked, and
    /// begins the drain.
    fn accept_token(&mut self) {
        if let State::Draining(connection) = &mut self.state
            && !connection.accepted
        {
            connection.accepted = true;
            self.credentials.policy.accept_token();
            self.timers.cancel(Timer::TokenAccepted);
            self.begin_drain();
        }
    }

    /// Counts the token as refused if the connection ends before its first frame.
    pub(super) fn refuse_unproven_token(&mut self, reason: Reason) -> Reason {
        let State::Draining(Connection {
            accepted: false, ..
        }) = self.state
        else {
            return reason;
        };
        self.credentials.policy.refuse_token();
        match reason {
            Reason::Closed { .. } => Reason::TokenNotAccepted { closed: true },
            reason => reason,
        }
    }

    /// Gives up a connection on which nothing came after the token.
    pub(super) fn give_up_token(&mut self, now: Now) {
        let State::Draining(Connection { id, .. }) = self.state else {
            return;
        };
        self.actions.push_back(Action::Abort { id });
        let reason = self.refuse_unproven_token(Reason::TokenNotAccepted { closed: false });
        self.lose_connection(now, reason);
    }

    fn text(&mut self, now: Now, live: bool, bytes: &[u8]) -> Option<Notification> {
        self.accept_token();
        self.last_event_at = Some(now.utc);
        self.stats.frames += 1;
        self.stats.bytes += bytes.len() as u64;
        let (mut frame, replaced) = self.reader.read_bytes(bytes);
        self.stats.invalid_utf8 += u64::from(replaced);
        self.stats.forbidden_characters += u64::from(self.reader.forbidden_characters() > 0);
        loop {
            let notification = self.frame(now, live, frame);
            match self.reader.next_document() {
                Some(next) => {
                    self.actions.push_back(Action::Notify(notification));
                    frame = next;
                }
                None => return Some(notification),
            }
        }
    }

    fn frame(&mut self, now: Now, live: bool, frame: Frame) -> Notification {
        match frame {
            Frame::Event(mut event) => {
                let live = self.place(&event, live);
                event.set_live(live);
                event.set_received_at(now.utc);
                self.event(now, &event, live);
                Notification::Event(event)
            }
            Frame::Ignored(ignored) => {
                trace!(kind = %ignored.kind, "ignored");
                self.stats.ignored += 1;
                if ignored.kind.may_take_number() {
                    self.numbering.skip_unnumbered();
                } else if ignored.kind == IgnoredKind::OtherRoot("SubscriptionResponse".into()) {
                    self.replay.subscription_response();
                }
                self.prolong_drain(false);
                Notification::Ignored(ignored)
            }
            Frame::Malformed(malformed) => {
                debug!(cause = malformed.cause, "malformed");
                self.stats.malformed += 1;
                self.numbering.skip_unnumbered();
                self.prolong_drain(false);
                Notification::Malformed(malformed)
            }
        }
    }

    fn event(&mut self, now: Now, event: &Event, live: bool) {
        trace!(
            seqnum = event.seqnum(),
            control = event.control(),
            node = event.node(),
            live,
            "event"
        );
        self.stats.events += 1;
        self.stats.live_events += u64::from(live);
        self.loader.event(now.monotonic, event);
        self.auditor.event(event);
        if let Some(gap) = self.numbering.event(event.sid(), event.known_seqnum()) {
            debug!(
                expected = gap.expected,
                got = gap.got,
                "the numbering has a gap"
            );
            self.stats.gaps += 1;
            self.actions
                .push_back(Action::Notify(Notification::Gap(gap)));
        }
        if live {
            self.event_for_calls(event);
        }
        if event.control() == "_0" {
            self.heartbeat(event, live);
        }
    }

    fn heartbeat(&mut self, event: &Event, live: bool) {
        let timing = &self.config.timing;
        // A promise that is not a positive number counts as none.
        let promised = event
            .action()
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|seconds| *seconds > 0.0);
        let promised = promised.map_or(timing.stall_default, |seconds| {
            Duration::try_from_secs_f64(seconds).unwrap_or(timing.stall_max)
        });
        let stall_after = promised.min(timing.stall_max) + timing.stall_grace;
        if let State::Draining(connection) | State::Live(connection) = &mut self.state {
            connection.stall_after = stall_after;
            self.timers.after_hearing(Timer::Stall, stall_after);
        }
        if live {
            self.prove_connection();
        }
    }

    pub(super) fn ping(&mut self) {
        let (State::Draining(connection) | State::Live(connection)) = &self.state else {
            return;
        };
        self.actions.push_back(Action::Ping { id: connection.id });
        if self.answers_pings {
            self.timers.cancel(Timer::Ping);
            self.timers
                .after_hearing(Timer::Pong, self.config.timing.pong_within);
        } else {
            self.timers
                .after_hearing(Timer::Ping, self.config.timing.ping_after);
        }
    }

    pub(super) fn prove_connection(&mut self) {
        self.timers.cancel(Timer::Proven);
        self.backoff.reset();
    }

    pub(super) fn abort_stalled(&mut self, now: Now, silence: Silence) {
        let (State::Draining(connection) | State::Live(connection)) = &self.state else {
            return;
        };
        let silent_for = self.timers.heard() - connection.last_text;
        self.actions.push_back(Action::Abort { id: connection.id });
        let reason = Reason::Stalled {
            silent_for,
            silence,
        };
        self.lose_connection(now, reason);
    }
}
