//! An open connection: its messages, and the silences that show that it is dead.

use std::time::Duration;

use tracing::{debug, trace};

use super::timers::Timer;
use super::{Machine, Numbering, Replay, State};
use crate::{
    Action, ConnectionId, Event, Frame, IgnoredKind, Notification, Now, Reason, Silence, Status,
    StatusChange,
};

/// A message received on an open WebSocket, as the WebSocket library reports it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// The bytes of a text message; they may be invalid UTF-8.
    Text(&'a [u8]),
    /// A binary message; never an event.
    Binary(&'a [u8]),
    /// A ping; the WebSocket library answers it.
    Ping,
    /// A pong.
    Pong,
}

/// The state of an open connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// The listening clock at the time of the last text frame.
    last_text: Duration,
    /// The interval that the last heartbeat announced, plus the grace.
    stall_after: Duration,
    /// Whether the last bytes received end in the middle of a message.
    pub(super) mid_message: bool,
    /// Whether the controller has accepted the credentials: with the 101, or with the first text
    /// frame after the token.
    pub(super) accepted: bool,
    /// The listening clock at the time of the valid end mark.
    pub(super) marked_at: Option<Duration>,
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
            .after_listening(Timer::Ping, self.config.timing.ping_after);
        match message {
            Message::Text(bytes) => {
                connection.last_text = self.timers.listened();
                self.timers
                    .after_listening(Timer::Stall, connection.stall_after);
                if bytes.len() > self.config.max_message_bytes {
                    self.actions.push_back(Action::Abort { id });
                    let limit = self.config.max_message_bytes;
                    self.lose_connection(now, Reason::MessageTooLarge { limit });
                    return None;
                }
                self.handle_text(now, live, bytes)
            }
            Message::Binary(bytes) => {
                trace!(bytes = bytes.len(), "binary message ignored");
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
        let window_ends = self.timers.listened() + timing.replay_window;
        self.replay = Replay::new(self.config.path, window_ends);
        self.timers.cancel_all();
        self.timers.after_listening(Timer::Stall, stall_after);
        self.timers.after_listening(Timer::Ping, timing.ping_after);
        self.state = State::Draining(Connection {
            id,
            last_text: self.timers.listened(),
            stall_after,
            mid_message: false,
            accepted: first_frame.is_none(),
            marked_at: None,
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
            .after_listening(Timer::TokenAccepted, self.config.timing.token_accepted);
    }

    /// Takes the first text frame as proof that the token was accepted, and begins the drain.
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

    /// Counts the token as refused if the connection ends before the first text frame. Returns the
    /// reason to report.
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

    /// Aborts a connection on which nothing was received after the token.
    pub(super) fn give_up_token(&mut self, now: Now) {
        let State::Draining(Connection { id, .. }) = self.state else {
            return;
        };
        self.actions.push_back(Action::Abort { id });
        let reason = self.refuse_unproven_token(Reason::TokenNotAccepted { closed: false });
        self.lose_connection(now, reason);
    }

    fn handle_text(&mut self, now: Now, live: bool, bytes: &[u8]) -> Option<Notification> {
        self.accept_token();
        self.last_event_at = Some(now.utc);
        self.stats.frames += 1;
        self.stats.bytes += bytes.len() as u64;
        let (mut frame, replaced) = self.reader.read_bytes(bytes);
        self.stats.invalid_utf8 += u64::from(replaced);
        self.stats.forbidden_characters += u64::from(self.reader.forbidden_characters() > 0);
        loop {
            let notification = self.handle_frame(now, live, frame);
            match self.reader.next_document() {
                Some(next) => {
                    self.actions.push_back(Action::Notify(notification));
                    frame = next;
                }
                None => return Some(notification),
            }
        }
    }

    fn handle_frame(&mut self, now: Now, live: bool, frame: Frame) -> Notification {
        match frame {
            Frame::Event(mut event) => {
                let live = self.classify(&event, live);
                event.set_live(live);
                event.set_received_at(now.utc);
                self.handle_event(now, &event, live);
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

    fn handle_event(&mut self, now: Now, event: &Event, live: bool) {
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
            self.handle_heartbeat(event, live);
        }
    }

    fn handle_heartbeat(&mut self, event: &Event, live: bool) {
        let timing = &self.config.timing;
        // An interval that is not a positive number is ignored.
        let announced = event
            .action()
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|seconds| *seconds > 0.0);
        let announced = announced.map_or(timing.stall_default, |seconds| {
            Duration::try_from_secs_f64(seconds).unwrap_or(timing.stall_max)
        });
        let stall_after = announced.min(timing.stall_max) + timing.stall_grace;
        if let State::Draining(connection) | State::Live(connection) = &mut self.state {
            connection.stall_after = stall_after;
            self.timers.after_listening(Timer::Stall, stall_after);
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
                .after_listening(Timer::Pong, self.config.timing.pong_within);
        } else {
            self.timers
                .after_listening(Timer::Ping, self.config.timing.ping_after);
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
        let silent_for = self.timers.listened() - connection.last_text;
        self.actions.push_back(Action::Abort { id: connection.id });
        let reason = Reason::Stalled {
            silent_for,
            silence,
        };
        self.lose_connection(now, reason);
    }
}
