//! One subscriber: the progress of its replay, its held events, and its sequence numbers.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use ioxproto::Now;
use serde_json::{Value, json};

use crate::event::{self, Event, Stamp};
use crate::local_time::LocalTime;
use crate::options::{ControllerOptions, Firmware};
use crate::output::{Output, SubscriberId};
use crate::recorded::{self, Content, Recording};
use crate::websocket;

/// One frame of a replay.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Event(Event),
    /// An event with the time at which it happened, which only `/api/events/subscribe` shows.
    Past(Event, SystemTime),
    /// The first text frame of an ISY-994.
    Greeting,
    /// A text frame with these bytes.
    Raw(Vec<u8>),
}

/// What a subscriber is sent in addition to live events.
#[derive(Debug)]
pub(crate) enum Script {
    House {
        replay: VecDeque<Item>,
        replayed: usize,
        next_burst: Instant,
        /// The end of the pause after the replay, once the replay is over.
        quiet_until: Option<Instant>,
        /// Events that happened meanwhile.
        held: VecDeque<Event>,
        /// An event is held that does not wait for the pause to end.
        urgent: bool,
    },
    Recorded {
        recording: Recording,
        started: Instant,
        sent: usize,
    },
}

impl Script {
    pub(crate) fn house(now: Now, replay: Vec<Item>) -> Self {
        Self::House {
            replay: replay.into(),
            replayed: 0,
            next_burst: now.monotonic,
            quiet_until: None,
            held: VecDeque::new(),
            urgent: false,
        }
    }

    pub(crate) fn recorded(now: Now, recording: Recording) -> Self {
        Self::Recorded {
            recording,
            started: now.monotonic,
            sent: 0,
        }
    }
}

/// The output of frames for one subscriber.
pub(crate) struct Delivery<'a> {
    pub(crate) id: SubscriberId,
    pub(crate) options: &'a ControllerOptions,
    pub(crate) outputs: &'a mut VecDeque<(SubscriberId, Output)>,
}

impl Delivery<'_> {
    fn push(&mut self, output: Output) {
        self.outputs.push_back((self.id, output));
    }
}

/// The state of one subscriber.
#[derive(Debug)]
pub(crate) struct Subscriber {
    sid: String,
    /// The sequence number of the next frame.
    seqnum: u64,
    /// On `/rest/subscribe`, replayed events are stamped with the time of the connection, in close
    /// succession.
    connected: Now,
    /// The number of replayed events so far.
    replayed: u32,
    /// On `/api/events/subscribe`, events are sent in JSON envelopes.
    enveloped: bool,
    /// On `/api/events/subscribe`, the status of the plug-in service is sent once, before the first
    /// heartbeat.
    service_sent: bool,
    next_heartbeat: Instant,
    script: Script,
}

/// The interval between the stamps of the replayed events of `/rest/subscribe`. `REPLAYED_WITHIN`
/// is the time within which all are stamped.
const REPLAYED_EVERY: Duration = Duration::from_micros(100);
const REPLAYED_WITHIN: Duration = Duration::from_secs(2);

/// Returns the interval that a heartbeat announces, in seconds.
pub(crate) fn heartbeat_interval(options: &ControllerOptions) -> u32 {
    let usual = match options.firmware {
        Firmware::Iox6 => 90,
        Firmware::Isy994 => 120,
    };
    options.heartbeat_promise.unwrap_or(usual)
}

impl Subscriber {
    pub(crate) fn new(
        id: SubscriberId,
        now: Now,
        first_heartbeat: Duration,
        script: Script,
        enveloped: bool,
    ) -> Self {
        Self {
            sid: id.sid(),
            seqnum: 0,
            connected: now,
            replayed: 0,
            enveloped,
            service_sent: matches!(script, Script::Recorded { .. }),
            next_heartbeat: now.monotonic + first_heartbeat,
            script,
        }
    }

    /// Sends what is due. Returns `false` when the recording is over and ends the connection.
    pub(crate) fn tick(
        &mut self,
        now: Now,
        delivery: &mut Delivery<'_>,
        held_after: Option<usize>,
        heartbeats: bool,
    ) -> bool {
        self.advance(now, delivery, held_after);
        let over = match &self.script {
            Script::House { .. } => true,
            Script::Recorded {
                recording, sent, ..
            } => *sent == recording.frames(),
        };
        if let Script::Recorded { recording, .. } = &self.script
            && over
            && recording.closes()
        {
            return false;
        }
        if over && heartbeats && self.next_heartbeat <= now.monotonic {
            let every = delivery.options.heartbeat_every;
            self.next_heartbeat += every;
            self.reschedule_heartbeats(now, every);
            let interval = match &self.script {
                Script::Recorded { recording, .. } => recording.tail().heartbeat_interval.clone(),
                Script::House { .. } => heartbeat_interval(delivery.options).to_string(),
            };
            if !std::mem::replace(&mut self.service_sent, true) {
                self.service_status("inactive", delivery);
            }
            self.send(now, &Event::new("_0", interval), delivery);
        }
        true
    }

    /// Sends the status of the plug-in service: a frame without a sequence number, which still uses
    /// one up. Sends nothing on `/rest/subscribe`.
    pub(crate) fn service_status(&mut self, status: &str, delivery: &mut Delivery<'_>) {
        if !self.enveloped {
            return;
        }
        self.seqnum = self.seqnum.wrapping_add(1);
        let data = json!({ "status": status }).to_string();
        delivery.push(Output::Text(format!(
            r#"{{"type":"spolisy","data":{}}}"#,
            Value::from(data)
        )));
    }

    /// Returns when to tick next.
    pub(crate) fn due(&self, held_after: Option<usize>, heartbeats: bool) -> Option<Instant> {
        let heartbeat = heartbeats.then_some(self.next_heartbeat);
        match &self.script {
            Script::House {
                replay,
                replayed,
                next_burst,
                quiet_until,
                held,
                ..
            } => {
                let replaying = !replay.is_empty() && held_after.is_none_or(|max| *replayed < max);
                let burst = replaying.then_some(*next_burst);
                let release = quiet_until.filter(|_| !held.is_empty());
                [burst, release, heartbeat].into_iter().flatten().min()
            }
            Script::Recorded {
                recording,
                started,
                sent,
            } => match recording.frame(*sent) {
                Some(_) if held_after.is_some_and(|max| held_at(recording, *sent, max)) => None,
                Some((due, _)) => Some(*started + due),
                None => heartbeat,
            },
        }
    }

    /// Sends an event, after the replay. Unless `at_once`, it also waits for the pause to end.
    pub(crate) fn deliver(
        &mut self,
        now: Now,
        event: &Event,
        at_once: bool,
        delivery: &mut Delivery<'_>,
    ) {
        if let Script::House {
            replay,
            quiet_until,
            held,
            urgent,
            ..
        } = &mut self.script
        {
            let quiet = quiet_until.is_some_and(|until| now.monotonic < until);
            if !replay.is_empty() || (quiet && !at_once) {
                held.push_back(event.clone());
                *urgent |= at_once;
                return;
            }
            let before = std::mem::take(held);
            for event in &before {
                self.send(now, event, delivery);
            }
        }
        self.send(now, event, delivery);
    }

    pub(crate) fn shift_seqnum(&mut self, by: i64) {
        self.seqnum = self.seqnum.wrapping_add_signed(by);
    }

    /// Reschedules the heartbeats. Missed ones are not sent later.
    pub(crate) fn reschedule_heartbeats(&mut self, now: Now, every: Duration) {
        if self.next_heartbeat <= now.monotonic {
            self.next_heartbeat = now.monotonic + every.max(Duration::from_millis(1));
        }
    }

    fn advance(&mut self, now: Now, delivery: &mut Delivery<'_>, held_after: Option<usize>) {
        match &mut self.script {
            Script::House { .. } => self.advance_house(now, delivery, held_after),
            Script::Recorded { .. } => self.advance_recording(now, delivery, held_after),
        }
    }

    fn advance_house(&mut self, now: Now, delivery: &mut Delivery<'_>, held_after: Option<usize>) {
        while let Script::House {
            replay,
            replayed,
            next_burst,
            quiet_until,
            urgent,
            ..
        } = &mut self.script
            && !replay.is_empty()
            && *next_burst <= now.monotonic
        {
            let max = held_after.unwrap_or(usize::MAX).saturating_sub(*replayed);
            let burst = delivery.options.replay_burst.max(1);
            let count = burst.min(max).min(replay.len());
            if count == 0 {
                break;
            }
            let items: Vec<_> = replay.drain(..count).collect();
            *replayed += count;
            *next_burst += delivery.options.replay_pause;
            if replay.is_empty() {
                let quiet = delivery.options.quiet_after_replay;
                *quiet_until = Some(now.monotonic + if *urgent { Duration::ZERO } else { quiet });
            }
            for item in items {
                self.replay(item, delivery);
            }
        }
        if let Script::House {
            quiet_until: Some(until),
            held,
            ..
        } = &mut self.script
            && *until <= now.monotonic
        {
            for event in std::mem::take(held) {
                self.send(now, &event, delivery);
            }
        }
    }

    fn advance_recording(
        &mut self,
        now: Now,
        delivery: &mut Delivery<'_>,
        held_after: Option<usize>,
    ) {
        let Script::Recorded {
            recording,
            started,
            sent,
        } = &mut self.script
        else {
            return;
        };
        while let Some((due, content)) = recording.frame(*sent) {
            if *started + due > now.monotonic {
                break;
            }
            if held_after.is_some_and(|max| held_at(recording, *sent, max)) {
                // The rest keeps its pace after the release.
                *started = now.monotonic - due;
                break;
            }
            match content {
                Content::Text(text) => {
                    let number = recorded::attribute(text, "seqnum");
                    let number = number.and_then(|number| number.parse::<u64>().ok());
                    // A frame without a sequence number still uses one up.
                    self.seqnum = number.unwrap_or(self.seqnum).wrapping_add(1);
                    delivery.push(Output::Text(text.clone()));
                }
                Content::Binary(bytes) => {
                    let frame = websocket::frame(websocket::BINARY, bytes);
                    delivery.push(Output::Raw(frame));
                }
            }
            *sent += 1;
            if *sent == recording.frames() {
                self.next_heartbeat = *started + due + delivery.options.heartbeat_every;
            }
        }
    }

    fn replay(&mut self, item: Item, delivery: &mut Delivery<'_>) {
        let after = REPLAYED_EVERY.saturating_mul(self.replayed);
        let connected = self.connected.after(after.min(REPLAYED_WITHIN));
        self.replayed += 1;
        match item {
            Item::Event(event) => self.send(connected, &event, delivery),
            Item::Past(event, utc) if self.enveloped => {
                self.send(Now { utc, ..connected }, &event, delivery);
            }
            Item::Past(event, _) => self.send(connected, &event, delivery),
            Item::Greeting => delivery.push(Output::Text(format!(
                "<SubscriptionResponse><SID>{}</SID><duration>0</duration></SubscriptionResponse>",
                self.sid
            ))),
            Item::Raw(bytes) => {
                delivery.push(Output::Raw(websocket::frame(websocket::TEXT, &bytes)));
            }
        }
    }

    /// Numbers and stamps an event, and sends it.
    fn send(&mut self, now: Now, event: &Event, delivery: &mut Delivery<'_>) {
        let seqnum = self.seqnum;
        self.seqnum = seqnum.wrapping_add(1);
        let options = delivery.options;
        let timestamp = LocalTime::new(now.utc, options.utc_offset_minutes).timestamp();
        let text = match &self.script {
            Script::Recorded { recording, .. } => recording.tail().text(event, seqnum, &timestamp),
            Script::House { .. } => {
                let stamped = options.firmware != Firmware::Isy994;
                let stamp = Stamp {
                    seqnum,
                    sid: &self.sid,
                    timestamp: stamped.then_some(timestamp.as_str()),
                };
                let text = event::text(event, &stamp);
                if self.enveloped {
                    event::enveloped(&text)
                } else {
                    text
                }
            }
        };
        delivery.push(Output::Text(text));
    }
}

/// Whether the replay of a recording is held before this frame.
fn held_at(recording: &Recording, sent: usize, held_after: usize) -> bool {
    sent < recording.replay_frames() && sent >= held_after
}
