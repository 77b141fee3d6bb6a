//! An open connection: its messages, the drain of the replay, and the silences that show it dead.

use std::time::Duration;

use tracing::{debug, trace};

use super::timers::Timer;
use super::{Machine, Numbering, State};
use crate::{
    Action, ConnectionId, Event, Frame, Notification, Now, Reason, Silence, Status, StatusChange,
    SubscribePath,
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
    mid_message: bool,
    /// Whether the controller has accepted us: by the 101 itself, or by a first text frame after
    /// the token.
    accepted: bool,
    end_mark: bool,
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
                    self.lost(now, Reason::MessageTooLarge { limit });
                    return None;
                }
                self.text(now, live, bytes)
            }
            Message::Binary(bytes) => {
                trace!(bytes = bytes.len(), "a binary message is ignored");
                self.still_draining(None);
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
        self.timers.cancel_all();
        self.timers.after_hearing(Timer::Stall, stall_after);
        self.timers.after_hearing(Timer::Ping, timing.ping_after);
        self.state = State::Draining(Connection {
            id,
            last_text: self.timers.heard(),
            stall_after,
            mid_message: false,
            accepted: first_frame.is_none(),
            end_mark: false,
        });
        let max_message_bytes = self.config.max_message_bytes;
        self.actions.push_back(Action::OpenWebSocket {
            id,
            max_message_bytes,
        });
        self.set_status(now, StatusChange::new(Status::StreamSyncing));
        let Some(text) = first_frame else {
            return self.drain_begins();
        };
        self.actions.push_back(Action::SendText { id, text });
        self.timers
            .after_hearing(Timer::TokenAccepted, self.config.timing.token_accepted);
    }

    fn drain_begins(&mut self) {
        self.timers
            .after_hearing(Timer::DrainQuiet, self.config.timing.drain_quiet);
        self.timers
            .after_hearing(Timer::DrainCap, self.config.timing.drain_cap);
    }

    /// A text frame shows the token accepted: what worked is remembered, and the drain begins.
    fn accepted(&mut self) {
        if let State::Draining(connection) = &mut self.state
            && !connection.accepted
        {
            connection.accepted = true;
            self.credentials.policy.accept_token();
            self.timers.cancel(Timer::TokenAccepted);
            self.drain_begins();
        }
    }

    /// A connection that ends before its first frame has not accepted the token.
    pub(super) fn unaccepted(&mut self, reason: Reason) -> Reason {
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

    /// Nothing came after the token.
    pub(super) fn token_ignored(&mut self, now: Now) {
        let State::Draining(Connection { id, .. }) = self.state else {
            return;
        };
        self.actions.push_back(Action::Abort { id });
        let reason = self.unaccepted(Reason::TokenNotAccepted { closed: false });
        self.lost(now, reason);
    }

    fn text(&mut self, now: Now, live: bool, bytes: &[u8]) -> Option<Notification> {
        self.accepted();
        self.last_event_at = Some(now.utc);
        self.stats.frames += 1;
        self.stats.bytes += bytes.len() as u64;
        let (frame, replaced) = self.reader.read_bytes(bytes);
        self.stats.invalid_utf8 += u64::from(replaced);
        match frame {
            Frame::Event(mut event) => {
                event.set_live(live);
                self.event(&event, live);
                Some(Notification::Event(event))
            }
            Frame::Ignored(ignored) => {
                trace!(kind = %ignored.kind, "ignored");
                self.stats.ignored += 1;
                if ignored.kind.may_take_number() {
                    self.numbering.unnumbered();
                }
                self.still_draining(None);
                Some(Notification::Ignored(ignored))
            }
            Frame::Malformed(malformed) => {
                debug!(cause = malformed.cause, "malformed");
                self.stats.malformed += 1;
                self.numbering.unnumbered();
                self.still_draining(None);
                Some(Notification::Malformed(malformed))
            }
        }
    }

    fn event(&mut self, event: &Event, live: bool) {
        trace!(
            seqnum = event.seqnum(),
            control = event.control(),
            node = event.node(),
            live,
            "event"
        );
        self.stats.events += 1;
        self.stats.live_events += u64::from(live);
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
        if event.control() == "_0" {
            self.heartbeat(event, live);
        }
        self.still_draining(Some(event));
    }

    fn heartbeat(&mut self, event: &Event, live: bool) {
        let timing = &self.config.timing;
        // A promise that is no positive number counts as none.
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
            self.proved();
        }
    }

    /// A message came: if the replay was draining, its quiet begins anew.
    fn still_draining(&mut self, event: Option<&Event>) {
        let State::Draining(connection) = &mut self.state else {
            return;
        };
        if !connection.accepted {
            return;
        }
        // The replay of /rest/subscribe ends with `_22`/1, unless a property follows. On the other
        // path the same control is an event like any other.
        if let Some(event) = event
            && self.config.path == SubscribePath::Rest
        {
            connection.end_mark =
                event.control() == "_22" || (connection.end_mark && !event.is_node_property());
        }
        let timing = &self.config.timing;
        let quiet = if connection.end_mark {
            timing.drain_quiet_after_mark
        } else {
            timing.drain_quiet
        };
        self.timers.after_hearing(Timer::DrainQuiet, quiet);
    }

    /// The replay is over by this rule, unless a message of it is still arriving: then the rule
    /// counts again once it is there.
    pub(super) fn drained(&mut self, now: Now, rule: Timer) {
        let State::Draining(connection) = self.state else {
            return;
        };
        if connection.mid_message {
            debug!("a message of the replay is still arriving");
            let timing = &self.config.timing;
            let again = if rule == Timer::DrainCap {
                timing.drain_quiet_after_mark
            } else {
                timing.drain_quiet
            };
            self.timers.after_hearing(rule, again);
            return;
        }
        self.state = State::Live(connection);
        self.timers.cancel(Timer::DrainQuiet);
        self.timers.cancel(Timer::DrainCap);
        self.timers
            .after_hearing(Timer::Proven, self.config.timing.proven_after);
        self.stats.reconnects += u64::from(self.was_connected);
        self.was_connected = true;
        self.set_status(now, StatusChange::new(Status::Connected));
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

    pub(super) fn proved(&mut self) {
        self.timers.cancel(Timer::Proven);
        self.backoff.proved();
    }

    pub(super) fn stalled(&mut self, now: Now, silence: Silence) {
        let (State::Draining(connection) | State::Live(connection)) = &self.state else {
            return;
        };
        let silent_for = self.timers.heard() - connection.last_text;
        self.actions.push_back(Action::Abort { id: connection.id });
        let reason = Reason::Stalled {
            silent_for,
            silence,
        };
        self.lost(now, reason);
    }
}
