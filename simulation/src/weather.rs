//! What goes wrong, and when: drawn from the seed.

use std::time::Duration;

use fastrand::Rng;
use ioxsim::{Ending, Endpoint, Event, OnPost, OnUpgrade, SubscriberId, Times};

use crate::driver::Command;
use crate::network::Names;
use crate::site::{Site, pick};
use crate::wire::{Arrival, Payload, Truth};
use crate::world::World;

/// The weather of one seed.
#[derive(Debug)]
pub(crate) struct Weather {
    next: Duration,
    /// Seconds between two faults, on average.
    mean: f64,
    /// What ends, or begins, later.
    later: Vec<(Duration, Later)>,
}

#[derive(Clone, Copy, Debug)]
enum Later {
    Boots(Duration),
    SiteIsUp,
    NamesResolve,
    HeartbeatsResume,
    PongsResume,
    ReplayGoesOn,
    ConsumerIsQuick,
    UpgradesAreNormal,
    UserStarts,
    IdentityIsRight,
    /// The controller's TCP has given up on a connection.
    Forgets(SubscriberId),
}

impl Weather {
    pub(crate) fn none() -> Self {
        Self {
            next: Duration::MAX,
            mean: 1.0,
            later: Vec::new(),
        }
    }

    pub(crate) fn of(rng: &mut Rng) -> Self {
        let mean = *pick(rng, &[4.0, 20.0, 60.0, 300.0, 2000.0]);
        Self {
            next: Duration::from_secs_f64(mean * rng.f64()),
            mean,
            later: Vec::new(),
        }
    }

    pub(crate) fn next(&self) -> Duration {
        let later = self.later.iter().map(|(at, _)| *at);
        later.fold(self.next, Duration::min)
    }
}

impl World {
    pub(crate) fn weather_due(&mut self) {
        let now = self.clock.world();
        while let Some(index) = self.weather.later.iter().position(|(at, _)| *at <= now) {
            let (_, later) = self.weather.later.swap_remove(index);
            self.log(|| format!("weather: {later:?}"));
            self.goes_on(later);
        }
        if self.weather.next <= now {
            let pause = self.weather.mean * -(1.0 - self.rng.f64()).ln();
            self.weather.next = now + Duration::from_secs_f64(pause + 0.01);
            self.totals.faults += 1;
            self.fault();
            if self.rng.u8(..4) == 0 {
                self.is_seen_to();
            }
        }
    }

    pub(crate) fn nothing_more_goes_wrong(&mut self) {
        self.weather.next = Duration::MAX;
        self.calls.cease();
    }

    /// The world turns healthy, and stays so.
    pub(crate) fn clears_up(&mut self) {
        for (_, later) in std::mem::take(&mut self.weather.later) {
            if !matches!(later, Later::Boots(_) | Later::UserStarts) {
                self.goes_on(later);
            }
        }
        if self.site != Site::Up {
            self.boot();
        }
        for later in [
            Later::NamesResolve,
            Later::HeartbeatsResume,
            Later::PongsResume,
            Later::ReplayGoesOn,
            Later::ConsumerIsQuick,
            Later::UpgradesAreNormal,
            Later::IdentityIsRight,
        ] {
            self.goes_on(later);
        }
        // A promise of another kind that was made in the storm is not kept any more.
        self.controller.heartbeat(self.clock.controller(), "90");
        self.forward();
        self.network.held_until = Duration::ZERO;
        self.network.latency = self.network.latency.min(Duration::from_millis(150));
        self.network.jitter_micros = self.network.jitter_micros.min(30_000);
        self.network.sluggish = 0.0;
        self.network.bytes_per_second = None;
        for link in &mut self.links {
            link.speed_up(self.clock.world());
        }
        self.consumer_is_quick();
        self.driver.commands.clear();
        self.fair = true;
        if self.identity.has_changed() {
            // Somebody has to see to it, and stops a stream that keeps trying.
            self.driver.commands.push_back(Command::Stop);
        }
    }

    /// Somebody sees to a stream that has given up.
    pub(crate) fn is_seen_to(&mut self) {
        if self.driver.is_at_rest() && self.driver.commands.is_empty() {
            let after = self.between(1.0, 300.0);
            self.later(after, Later::UserStarts);
        }
    }

    fn goes_on(&mut self, later: Later) {
        let now = self.clock.controller();
        match later {
            Later::Boots(duration) => {
                self.site = Site::Booting;
                self.later(duration, Later::SiteIsUp);
            }
            Later::SiteIsUp => {
                if self.site != Site::Up {
                    self.boot();
                }
            }
            Later::NamesResolve => self.network.names = Names::Resolve,
            Later::HeartbeatsResume => self.controller.heartbeats(now, true),
            Later::PongsResume => self.controller.pongs(true),
            Later::ReplayGoesOn => self.controller.release_replay(now),
            Later::ConsumerIsQuick => self.consumer_is_quick(),
            Later::UpgradesAreNormal => {
                self.controller.upgrade_normally();
                self.controller.post_normally();
                self.controller.call_normally();
                self.controller.require_isy994_headers(false);
            }
            Later::Forgets(id) => self.controller.closed(now, id),
            Later::IdentityIsRight => {
                self.identity.impostor = false;
                self.identity.dates = None;
            }
            Later::UserStarts => self.driver.commands.push_back(Command::Start),
        }
        self.forward();
    }

    fn later(&mut self, after: Duration, later: Later) {
        self.weather.later.push((self.clock.world() + after, later));
    }

    fn between(&mut self, from: f64, to: f64) -> Duration {
        // Short times are as likely as long ones, on a scale of magnitudes.
        let magnitude = from.ln() + (to.ln() - from.ln()) * self.rng.f64();
        Duration::from_secs_f64(magnitude.exp())
    }

    fn fault(&mut self) {
        let kind = self.rng.u8(..35);
        self.log(|| format!("weather: fault {kind}"));
        match kind {
            0 | 1 => {
                let how = *pick(&mut self.rng, &[Site::Off, Site::Refusing]);
                self.go_down(how);
                let (off, boot) = (self.between(1.0, 200.0), self.between(0.1, 60.0));
                self.later(off, Later::Boots(boot));
            }
            2 => {
                if self.site == Site::Up {
                    self.site = *pick(&mut self.rng, &[Site::Mute, Site::Resetting, Site::Booting]);
                    let all = self.subscribed();
                    for index in all {
                        self.half_open(index);
                    }
                    let duration = self.between(1.0, 100.0);
                    self.later(duration, Later::SiteIsUp);
                }
            }
            3..=5 => self.upgrades_fail(),
            6 | 7 => self.connections_end(),
            8 => {
                // Half-open: neither end knows.
                for index in self.subscribed() {
                    self.half_open(index);
                }
            }
            9 | 10 => {
                let duration = self.between(0.05, 40.0);
                self.hold(duration);
            }
            11 => {
                let latency = *pick(&mut self.rng, &[50, 2000, 150_000, 900_000]);
                self.network.latency = Duration::from_micros(latency);
                self.network.jitter_micros = *pick(&mut self.rng, &[0, 500, 400_000]);
            }
            12 => self.suspend(),
            13 => {
                let stopped = self.between(0.05, 4000.0);
                self.sleep(stopped);
            }
            14 => {
                let span = *pick(&mut self.rng, &[1500, 10_000, 4_000_000, 3_000_000_000]);
                let by = self.rng.i64(-span..=span);
                self.clock.set_wall_clock(by);
            }
            15 | 16 => self.consumer_is_slow(),
            17 => self.spoiled_frames(),
            18 => {
                let promise = *pick(
                    &mut self.rng,
                    &["0", "-7", "1000000000", "soon", "5", "NaN", ""],
                );
                self.controller.heartbeat(self.clock.controller(), promise);
                self.forward();
                if self.rng.bool() {
                    self.heartbeats_stop();
                }
            }
            19 => self.heartbeats_stop(),
            20 => {
                self.controller.pongs(false);
                let duration = self.between(10.0, 1000.0);
                self.later(duration, Later::PongsResume);
            }
            21 => {
                let by = self.rng.i64(-3..=3);
                self.controller.shift_seqnum(by);
            }
            22 => {
                let events = self.rng.usize(1..120);
                self.controller.flood(self.clock.controller(), events);
                self.forward();
            }
            23 => {
                self.network.names = *pick(&mut self.rng, &[Names::Fail, Names::Hang]);
                let duration = self.between(1.0, 60.0);
                self.later(duration, Later::NamesResolve);
            }
            24 => {
                let longest = vec![b' '; self.driver.max_message_bytes + 1];
                self.inject(Payload::Text(longest));
            }
            25 => {
                self.driver.commands.push_back(Command::Stop);
                let duration = self.between(0.01, 100.0);
                self.later(duration, Later::UserStarts);
            }
            26 => self.slow_messages(),
            28 | 29 => self.posts_fail(),
            30 => {
                self.controller.forget_sessions();
                if self.rng.bool() {
                    self.connections_end();
                }
            }
            32 => {
                let duration = self.identity_is_wrong();
                self.later(duration, Later::IdentityIsRight);
                if self.rng.bool() {
                    self.connections_end();
                }
            }
            31 => {
                self.controller.service_status("running");
                self.forward();
            }
            33 => self.controller_clock_is_set(),
            34 => {
                let rate = *pick(&mut self.rng, &[None, Some(300), Some(2000), Some(20_000)]);
                self.network.bytes_per_second = rate;
            }
            _ => {
                let frames = self.rng.usize(..30);
                self.controller.hold_replay(frames);
                let duration = self.between(0.1, 30.0);
                self.later(duration, Later::ReplayGoesOn);
            }
        }
    }

    fn controller_clock_is_set(&mut self) {
        let span = *pick(&mut self.rng, &[700, 10_000, 4_000_000]);
        let by = self.rng.i64(-span..=span);
        self.log(|| format!("  by {by} ms"));
        self.clock.set_controller_clock(by);
        self.controller_clock_was_set = true;
        for link in &mut self.links {
            (link.clock_set, link.clock_was_set) = (true, true);
        }
        if self.rng.bool() {
            let told = Event::new("_4", "0");
            self.controller.emit(self.clock.controller(), &told);
            self.forward();
        }
    }

    fn heartbeats_stop(&mut self) {
        self.controller.heartbeats(self.clock.controller(), false);
        let duration = self.between(10.0, 1000.0);
        self.later(duration, Later::HeartbeatsResume);
    }

    fn upgrades_fail(&mut self) {
        let refused = *pick(
            &mut self.rng,
            &[200, 302, 400, 401, 403, 404, 429, 500, 502, 503],
        );
        let value = *pick(
            &mut self.rng,
            &["7", "120", "4000", "soon", "Tue, 05 May 2026 18:52:41 GMT"],
        );
        let ending = *pick(
            &mut self.rng,
            &[
                Ending::Fin,
                Ending::Reset,
                Ending::Close(1013),
                Ending::MidFrame,
            ],
        );
        let garbage = pick::<&[u8]>(
            &mut self.rng,
            &[
                b"SSH-2.0-OpenSSH_9.2\r\n",
                b"\x15\x03\x01\x00\x02\x02\x46",
                b"",
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
                b"HTTP/1.1 200 OK\r\n",
            ],
        );
        let fault = match self.rng.u8(..9) {
            0 | 1 => OnUpgrade::refuse(refused),
            2 => OnUpgrade::refuse_with(503, "Retry-After", value),
            3 => OnUpgrade::refuse_with(302, "Location", "http://elsewhere.test/rest/subscribe"),
            4 => OnUpgrade::WrongAcceptKey,
            5 => OnUpgrade::Raw(garbage.to_vec()),
            6 => OnUpgrade::Mute,
            7 => OnUpgrade::End(ending),
            _ => OnUpgrade::AcceptThenEnd(ending),
        };
        self.log(|| format!("  {fault:?}"));
        if self.rng.u8(..4) == 0 {
            self.controller.require_isy994_headers(true);
        }
        if self.rng.bool() {
            self.controller.on_upgrade(fault, Times::Always);
        } else {
            let times = self.rng.u32(1..5);
            self.controller.on_upgrade(fault, Times::Next(times));
        }
        let duration = self.between(5.0, 600.0);
        self.later(duration, Later::UpgradesAreNormal);
        if self.rng.bool() {
            // Now or never: nothing else makes a stream that is well connect again.
            self.connections_end();
        }
    }

    fn posts_fail(&mut self) {
        let endpoint = *pick(
            &mut self.rng,
            &[Endpoint::Login, Endpoint::Refresh, Endpoint::Logout],
        );
        let status = *pick(
            &mut self.rng,
            &[302, 400, 401, 403, 404, 408, 429, 500, 503],
        );
        let fault = match self.rng.u8(..8) {
            0 | 1 => OnPost::refuse(status),
            2 => OnPost::refuse_with(503, "Retry-After", "90"),
            3 => OnPost::Unsuccessful,
            4 => OnPost::BrokenJson,
            5 => OnPost::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n".to_vec()),
            6 => OnPost::Mute,
            _ => OnPost::End(Ending::Reset),
        };
        self.log(|| format!("  {endpoint:?} {fault:?}"));
        let times = self.rng.u32(1..6);
        self.controller.on_post(endpoint, fault, Times::Next(times));
        let duration = self.between(5.0, 600.0);
        self.later(duration, Later::UpgradesAreNormal);
        if self.rng.bool() {
            self.connections_end();
        }
    }

    fn connections_end(&mut self) {
        let ending = *pick(
            &mut self.rng,
            &[
                Ending::Close(1000),
                Ending::Close(1006),
                Ending::Fin,
                Ending::Reset,
                Ending::MidFrame,
            ],
        );
        self.log(|| format!("  {ending:?}"));
        self.controller.end(ending);
        self.forward();
    }

    /// From now on nothing passes, and neither end knows; the controller's finds out in time.
    fn half_open(&mut self, index: usize) {
        self.links[index].die(self.clock.world());
        if let Some(id) = self.links[index].subscriber.take() {
            let after = self.between(20.0, 900.0);
            self.later(after, Later::Forgets(id));
        }
    }

    fn hold(&mut self, duration: Duration) {
        let now = self.clock.world();
        self.network.held_until = self.network.held_until.max(now + duration);
        for link in &mut self.links {
            link.hold(now, now + duration);
        }
    }

    /// The client's machine sleeps: its network is off, its monotonic clock stands still.
    fn suspend(&mut self) {
        if self.driver.asleep_until > self.clock.world() {
            return;
        }
        let duration = self.between(0.5, 30_000.0);
        self.log(|| format!("  suspended for {duration:?}"));
        self.hold(duration);
        self.sleep(duration);
        self.clock.suspend(duration);
        // What its connections are worth afterwards.
        let fate = self.rng.u8(..3);
        for index in self.subscribed() {
            match fate {
                0 => {}
                1 => self.half_open(index),
                _ => {
                    let at = self.clock.world() + duration;
                    self.links[index].reset(at);
                    if let Some(id) = self.links[index].subscriber.take() {
                        self.controller.closed(self.clock.controller(), id);
                    }
                }
            }
        }
    }

    fn sleep(&mut self, duration: Duration) {
        let until = self.clock.world() + duration;
        self.log(|| format!("  the process does not run for {duration:?}"));
        self.driver.asleep_until = self.driver.asleep_until.max(until);
    }

    fn consumer_is_slow(&mut self) {
        self.consumer.blocking = self.rng.bool();
        self.consumer.pace = self.between(0.001, 2.0);
        self.consumer.capacity = self.rng.usize(1..64);
        if self.rng.u8(..4) == 0 {
            // It stops for a while.
            let stopped = self.between(1.0, 600.0);
            self.consumer.next_take = self.clock.world() + stopped;
        }
        let duration = self.between(1.0, 600.0);
        self.later(duration, Later::ConsumerIsQuick);
    }

    fn consumer_is_quick(&mut self) {
        self.consumer.blocking = false;
        self.consumer.pace = Duration::ZERO;
        self.consumer.queued = 0;
    }

    fn spoiled_frames(&mut self) {
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
        for _ in 0..1 + self.rng.usize(..4) {
            let frame = pick(&mut self.rng, frames).to_vec();
            let payload = match self.rng.u8(..6) {
                0 => Payload::Binary(frame),
                1 => Payload::Ping,
                _ => Payload::Text(frame),
            };
            self.inject(payload);
        }
    }

    fn slow_messages(&mut self) {
        for index in self.subscribed() {
            let pause = self.between(0.1, 30.0);
            let at = self.arrives();
            self.links[index].send_to_client(at, Arrival::Piece);
            self.links[index].send_to_client(at + pause, Arrival::Piece);
            let payload = Payload::Text(b"{}".to_vec());
            let arrival = Arrival::Message(payload, spoiled());
            self.links[index].send_to_client(at + pause * 2, arrival);
        }
    }

    fn inject(&mut self, payload: Payload) {
        for index in self.subscribed() {
            self.say(index, payload.clone(), spoiled());
        }
    }

    /// Something happens in the house, to see whether it gets through.
    pub(crate) fn probe(&mut self, value: &str) {
        let event = Event::new("ST", value).node("PROBE 1");
        self.controller.emit(self.clock.controller(), &event);
        self.forward();
    }
}

fn spoiled() -> Truth {
    Truth {
        spoiled: true,
        ..Truth::default()
    }
}
