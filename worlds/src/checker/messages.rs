//! The rules about messages: which are live, which gaps are reported, and that none vanishes.

use std::time::Duration;

use ioxproto::{Event, Notification, Status, Timing};

use super::{Checker, Connection};
use crate::wire::{Payload, Truth, between};

/// A message, and what the core returned for it.
pub(crate) struct Handled<'a> {
    pub(crate) payload: &'a Payload,
    pub(crate) truth: Truth,
    pub(crate) stopping: bool,
    /// The notifications before the one that the call returned.
    pub(crate) before: &'a [Notification],
    pub(crate) returned: Option<&'a Notification>,
}

impl Checker {
    pub(crate) fn opened(&mut self, now: Duration) {
        self.now = now;
        self.wants_ping = false;
        self.connection = Connection {
            open: true,
            accepted: !self.api,
            opened: now,
            opened_heard: self.heard,
            upgraded_heard: self.heard,
            data_available: now,
            data_heard: self.heard,
            text_heard: self.heard,
            text_read: now,
            text_available: now,
            any_heard: self.heard,
            promise: self.timing.stall_default.min(self.timing.stall_max),
            ..Connection::default()
        };
    }

    pub(crate) fn pings(&mut self) {
        self.wants_ping = false;
        let connection = &mut self.connection;
        connection.pinged_heard.get_or_insert(self.heard);
    }

    pub(crate) fn piece(&mut self, available: Duration) {
        self.note_silence(available);
        self.connection.mid_message = true;
    }

    /// A message is about to be passed to the core.
    pub(crate) fn receives(&mut self, available: Duration, payload: &Payload) {
        let data = matches!(payload, Payload::Text(_) | Payload::Binary(_));
        if !self.connection.accepted && matches!(payload, Payload::Text(_)) {
            let connection = &mut self.connection;
            connection.accepted = true;
            connection.opened = self.now;
            connection.opened_heard = self.heard;
            connection.data_available = available;
            connection.mid_message = false;
        }
        if data {
            self.note_silence(available);
        }
        self.ever_ponged |= matches!(payload, Payload::Pong) && self.stop_asked.is_none();
        let connection = &mut self.connection;
        connection.mid_message = false;
        connection.any_heard = self.heard;
        connection.pinged_heard = None;
        if data {
            connection.data_available = available;
            connection.data_heard = self.heard;
        }
        if let Payload::Text(bytes) = payload {
            self.may_expect_mark |= bytes.starts_with(b"<SubscriptionResponse");
            connection.text_heard = self.heard;
            connection.text_read = self.now;
            connection.text_available = available;
        }
    }

    pub(crate) fn handled(&mut self, handled: &Handled<'_>) {
        let Payload::Text(bytes) = handled.payload else {
            return self.check(
                handled.returned.is_none(),
                "an event from a message that is not text",
            );
        };
        if handled.stopping {
            return self.check(
                handled.returned.is_none(),
                "a message is delivered while the stream stops",
            );
        }
        if bytes.len() > self.limit {
            let lost = matches!(
                self.status,
                Status::LostConnection | Status::Connected | Status::StreamSyncing
            ) && handled.returned.is_none();
            return self.check(
                lost && self.status == Status::LostConnection,
                "a message over the limit is delivered",
            );
        }
        let Some(returned) = handled.returned else {
            return self.fail("a frame vanished");
        };
        // In an envelope, the quotation marks of the document are escaped.
        let text = String::from_utf8_lossy(bytes).replace("\\\"", "\"");
        match returned {
            Notification::Event(event) => {
                let control = event.control().to_owned();
                if !handled.truth.spoiled {
                    let same = text.contains(&format!("<control>{control}</control>"))
                        && between(&text, "seqnum=\"", "\"")
                            .and_then(|number| number.parse::<i64>().ok())
                            .is_none_or(|number| number == event.seqnum());
                    self.check(same, "an event is not what was sent");
                }
                self.check_live_or_replayed(event, handled.truth);
                if control == "_0" {
                    self.proved |= event.is_live();
                    self.connection.promise = promised(&self.timing, event.action());
                }
                self.check_gap(event, handled);
            }
            Notification::Ignored(_) | Notification::Malformed(_) => {
                self.check(
                    handled.truth.spoiled || !text.contains("<Event"),
                    "a well-formed event is not reported as an event",
                );
                for (_, unnumbered) in self.connection.numbers.values_mut() {
                    *unnumbered += 1;
                }
            }
            _ => self.fail("a message returns a notification of the wrong kind"),
        }
    }

    /// Checks that a gap is reported, with the right numbers, exactly when numbers are missing.
    fn check_gap(&mut self, event: &Event, handled: &Handled<'_>) {
        let reported = handled.before.iter().find_map(|before| match before {
            Notification::Gap(gap) => Some((gap.expected, gap.got)),
            _ => None,
        });
        let Some(number) = event.known_seqnum() else {
            if let Some((_, unnumbered)) = self.connection.numbers.get_mut(event.sid()) {
                *unnumbered += 1;
            }
            return self.check(
                reported.is_none(),
                "a gap is reported at a frame without a number",
            );
        };
        let numbers = &mut self.connection.numbers;
        let before = numbers.insert(event.sid().to_owned(), (number, 0));
        let Some((last, unnumbered)) = before else {
            return self.check(
                reported.is_none(),
                "a gap is reported before the first number",
            );
        };
        let next = last + 1;
        if number == next {
            self.check(
                reported.is_none(),
                "a gap is reported where nothing is missing",
            );
        } else if number < next || number > next + unnumbered {
            let right = reported == Some((next, number));
            self.check(right, "missing numbers are not reported");
        }
    }
}

fn promised(timing: &Timing, action: &str) -> Duration {
    let seconds: f64 = action.trim().parse().unwrap_or(0.0);
    if seconds > 0.0 {
        Duration::try_from_secs_f64(seconds)
            .unwrap_or(Duration::MAX)
            .min(timing.stall_max)
    } else {
        timing.stall_default.min(timing.stall_max)
    }
}
