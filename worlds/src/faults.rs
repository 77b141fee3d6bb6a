//! When faults occur and end, and what is drawn for them.

use std::time::Duration;

use fastrand::Rng;
use ioxsim::{Ending, Endpoint, OnPost, OnUpgrade, SubscriberId, Times};

use crate::random::{generator, log_uniform, pause, pick};
use crate::wire::Payload;

/// The schedule of the faults of one world.
#[derive(Debug)]
pub(crate) struct Faults {
    /// How long the world has faults.
    pub(crate) period: Duration,
    /// The faults have ended.
    pub(crate) are_over: bool,
    next: Duration,
    /// The mean time between two faults, in seconds.
    mean: f64,
    /// Changes that are scheduled, each with its time.
    scheduled: Vec<(Duration, Change)>,
    pub(crate) rng: Rng,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Boot,
    SiteUp,
    NamesResolve,
    HeartbeatsResume,
    PongsResume,
    ReplayResumes,
    ConsumerRecovers,
    RequestsRecover,
    UserStarts,
    IdentityRecovers,
    /// The controller's TCP gives up on a half-open connection.
    ControllerForgets(SubscriberId),
}

impl Faults {
    pub(crate) fn none() -> Self {
        Self {
            period: Duration::ZERO,
            are_over: false,
            next: Duration::MAX,
            mean: 1.0,
            scheduled: Vec::new(),
            rng: Rng::with_seed(0),
        }
    }

    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = generator(seed, "faults");
        let period = *pick(&mut rng, &[300, 1800, 1800, 7200, 7200, 20_000]);
        let mean = *pick(&mut rng, &[4.0, 20.0, 60.0, 300.0, 2000.0]);
        Self {
            period: Duration::from_secs(period),
            next: Duration::from_secs_f64(mean * rng.f64()),
            mean,
            rng,
            ..Self::none()
        }
    }

    /// Returns when the next fault or scheduled change is due.
    pub(crate) fn next(&self) -> Duration {
        let change = self.scheduled.iter().map(|(at, _)| *at);
        change.fold(self.next, Duration::min)
    }

    pub(crate) fn schedule(&mut self, at: Duration, change: Change) {
        self.scheduled.push((at, change));
    }

    /// Removes a scheduled change that is due.
    pub(crate) fn take_due_change(&mut self, now: Duration) -> Option<Change> {
        let index = self.scheduled.iter().position(|(at, _)| *at <= now)?;
        Some(self.scheduled.swap_remove(index).1)
    }

    /// Whether a fault is due. If so, draws when the next one is.
    pub(crate) fn take_due_fault(&mut self, now: Duration) -> bool {
        let is_due = self.next <= now;
        if is_due {
            self.next = now + pause(&mut self.rng, self.mean);
        }
        is_due
    }

    /// Lets no new fault occur.
    pub(crate) fn cease(&mut self) {
        self.next = Duration::MAX;
    }

    /// Removes all changes that are scheduled.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        self.scheduled.drain(..).map(|(_, change)| change).collect()
    }

    /// Draws a duration between these bounds, in seconds.
    pub(crate) fn between(&mut self, from: f64, to: f64) -> Duration {
        log_uniform(&mut self.rng, from, to)
    }

    pub(crate) fn draw_upgrade_fault(&mut self) -> (OnUpgrade, Times) {
        let rng = &mut self.rng;
        let statuses = [200, 302, 400, 401, 403, 404, 429, 500, 502, 503];
        let times = ["7", "120", "4000", "soon", "Tue, 05 May 2026 18:52:41 GMT"];
        let garbage: [&[u8]; 5] = [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x15\x03\x01\x00\x02\x02\x46",
            b"",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n",
        ];
        let [fin, reset] = [Ending::Fin, Ending::Reset];
        let ending = *pick(rng, &[fin, reset, Ending::Close(1013), Ending::MidFrame]);
        let fault = match rng.u8(..9) {
            0 | 1 => OnUpgrade::refuse(*pick(rng, &statuses)),
            2 => OnUpgrade::refuse_with(503, "Retry-After", *pick(rng, &times)),
            3 => OnUpgrade::refuse_with(302, "Location", "http://elsewhere.test/rest/subscribe"),
            4 => OnUpgrade::WrongAcceptKey,
            5 => OnUpgrade::Raw(pick(rng, &garbage).to_vec()),
            6 => OnUpgrade::Mute,
            7 => OnUpgrade::End(ending),
            _ => OnUpgrade::AcceptThenEnd(ending),
        };
        let times = match rng.bool() {
            true => Times::Always,
            false => Times::Next(rng.u32(1..5)),
        };
        (fault, times)
    }

    pub(crate) fn draw_post_fault(&mut self) -> (Endpoint, OnPost, Times) {
        let endpoints = [Endpoint::Login, Endpoint::Refresh, Endpoint::Logout];
        let endpoint = *pick(&mut self.rng, &endpoints);
        let statuses = [302, 400, 401, 403, 404, 408, 429, 500, 503];
        let status = *pick(&mut self.rng, &statuses);
        let fault = match self.rng.u8(..8) {
            0 | 1 => OnPost::refuse(status),
            2 => OnPost::refuse_with(503, "Retry-After", "90"),
            3 => OnPost::Unsuccessful,
            4 => OnPost::BrokenJson,
            5 => OnPost::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n".to_vec()),
            6 => OnPost::Mute,
            _ => OnPost::End(Ending::Reset),
        };
        (endpoint, fault, Times::Next(self.rng.u32(1..6)))
    }

    pub(crate) fn draw_ending(&mut self) -> Ending {
        let endings = [
            Ending::Close(1000),
            Ending::Close(1006),
            Ending::Fin,
            Ending::Reset,
            Ending::MidFrame,
        ];
        *pick(&mut self.rng, &endings)
    }

    pub(crate) fn draw_spoiled_payload(&mut self) -> Payload {
        let frames: &[&[u8]] = &[
            b"",
            b"null",
            b"not a frame",
            b"<Event seqnum=\"5\"><control>ST",
            b"\xff\xfe<Event><control>_7</control><eventInfo>\xc3</eventInfo></Event>",
            b"{\"type\":\"spolisy\",\"data\":{}}",
            b"<Event seqnum=\"99\" sid=\"uuid:other\"><control>ST</control><action>1</action><node>9 9 9 1</node></Event>",
            b"<Event sid=\"uuid:1\"><control>_0</control><action>90</action></Event>",
            b"<SubscriptionResponse><SID>uuid:1</SID></SubscriptionResponse>",
            b"<Event seqnum=\"7\" sid=\"uuid:1\"><control>_7</control><eventInfo>a=1&b=2 <NULL></eventInfo></Event>",
        ];
        let frame = pick(&mut self.rng, frames).to_vec();
        match self.rng.u8(..6) {
            0 => Payload::Binary(frame),
            1 => Payload::Ping,
            _ => Payload::Text(frame),
        }
    }
}
