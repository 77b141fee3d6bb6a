//! The faults of a world and their times, drawn from the seed.

use std::time::Duration;

use fastrand::Rng;
use ioxsim::{Ending, Endpoint, Event, OnPost, OnUpgrade, SubscriberId, Times};

use crate::driver::Command;
use crate::network::Names;
use crate::site::{Site, pick};
use crate::wire::{Arrival, Payload, Truth};
use crate::world::World;

/// The schedule of the faults of one world.
#[derive(Debug)]
pub(crate) struct Faults {
    next: Duration,
    /// The mean time between two faults, in seconds.
    mean: f64,
    /// Changes that are scheduled, each with its time.
    scheduled: Vec<(Duration, Change)>,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Boot(Duration),
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
            next: Duration::MAX,
            mean: 1.0,
            scheduled: Vec::new(),
        }
    }

    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mean = *pick(rng, &[4.0, 20.0, 60.0, 300.0, 2000.0]);
        Self {
            next: Duration::from_secs_f64(mean * rng.f64()),
            mean,
            scheduled: Vec::new(),
        }
    }

    pub(crate) fn next(&self) -> Duration {
        let change = self.scheduled.iter().map(|(at, _)| *at);
        change.fold(self.next, Duration::min)
    }
}

impl World {
    pub(crate) fn apply_due_faults(&mut self) {
        let now = self.clock.world();
        while let Some(index) = self.faults.scheduled.iter().position(|(at, _)| *at <= now) {
            let (_, change) = self.faults.scheduled.swap_remove(index);
            self.log(|| format!("faults: {change:?}"));
            self.apply_change(change);
        }
        if self.faults.next <= now {
            let pause = self.faults.mean * -(1.0 - self.rng.f64()).ln();
            self.faults.next = now + Duration::from_secs_f64(pause + 0.01);
            self.totals.faults += 1;
            self.inject_fault();
            if self.rng.u8(..4) == 0 {
                self.schedule_user_start();
            }
        }
    }

    pub(crate) fn stop_faults(&mut self) {
        self.faults.next = Duration::MAX;
        self.calls.cease();
    }

    /// Ends all faults and makes the world healthy.
    pub(crate) fn restore_health(&mut self) {
        for (_, change) in std::mem::take(&mut self.faults.scheduled) {
            if !matches!(change, Change::Boot(_) | Change::UserStarts) {
                self.apply_change(change);
            }
        }
        if self.site != Site::Up {
            self.boot();
        }
        for change in [
            Change::NamesResolve,
            Change::HeartbeatsResume,
            Change::PongsResume,
            Change::ReplayResumes,
            Change::ConsumerRecovers,
            Change::RequestsRecover,
            Change::IdentityRecovers,
        ] {
            self.apply_change(change);
        }
        // A fault may have announced another heartbeat interval: announce a valid one.
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
        self.speed_consumer_up();
        self.driver.commands.clear();
        self.healthy = true;
        if self.identity.has_changed() {
            // Only a restart pins the new certificate, so stop a stream that keeps trying.
            self.driver.commands.push_back(Command::Stop);
        }
    }

    /// Schedules a start by the user if the stream has given up.
    pub(crate) fn schedule_user_start(&mut self) {
        if self.driver.is_at_rest() && self.driver.commands.is_empty() {
            let after = self.between(1.0, 300.0);
            self.schedule(after, Change::UserStarts);
        }
    }

    fn apply_change(&mut self, change: Change) {
        let now = self.clock.controller();
        match change {
            Change::Boot(duration) => {
                self.site = Site::Booting;
                self.schedule(duration, Change::SiteUp);
            }
            Change::SiteUp => {
                if self.site != Site::Up {
                    self.boot();
                }
            }
            Change::NamesResolve => self.network.names = Names::Resolve,
            Change::HeartbeatsResume => self.controller.heartbeats(now, true),
            Change::PongsResume => self.controller.pongs(true),
            Change::ReplayResumes => self.controller.release_replay(now),
            Change::ConsumerRecovers => self.speed_consumer_up(),
            Change::RequestsRecover => {
                self.controller.upgrade_normally();
                self.controller.post_normally();
                self.controller.call_normally();
                self.controller.require_isy994_headers(false);
            }
            Change::ControllerForgets(id) => self.controller.closed(now, id),
            Change::IdentityRecovers => {
                self.identity.impostor = false;
                self.identity.dates = None;
            }
            Change::UserStarts => self.driver.commands.push_back(Command::Start),
        }
        self.forward();
    }

    fn schedule(&mut self, after: Duration, change: Change) {
        self.faults
            .scheduled
            .push((self.clock.world() + after, change));
    }

    fn between(&mut self, from: f64, to: f64) -> Duration {
        // Log-uniform: each order of magnitude is equally likely.
        let magnitude = from.ln() + (to.ln() - from.ln()) * self.rng.f64();
        Duration::from_secs_f64(magnitude.exp())
    }

    fn inject_fault(&mut self) {
        let kind = self.rng.u8(..35);
        self.log(|| format!("faults: fault {kind}"));
        match kind {
            0 | 1 => {
                let how = *pick(&mut self.rng, &[Site::Off, Site::Refusing]);
                self.go_down(how);
                let (off, boot) = (self.between(1.0, 200.0), self.between(0.1, 60.0));
                self.schedule(off, Change::Boot(boot));
            }
            2 => {
                if self.site == Site::Up {
                    self.site = *pick(&mut self.rng, &[Site::Mute, Site::Resetting, Site::Booting]);
                    let all = self.subscribed();
                    for index in all {
                        self.half_open(index);
                    }
                    let duration = self.between(1.0, 100.0);
                    self.schedule(duration, Change::SiteUp);
                }
            }
            3..=5 => self.fail_upgrades(),
            6 | 7 => self.end_connections(),
            8 => {
                // Half-open: neither end notices.
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
            15 | 16 => self.slow_consumer_down(),
            17 => self.inject_spoiled_frames(),
            18 => {
                let promise = *pick(
                    &mut self.rng,
                    &["0", "-7", "1000000000", "soon", "5", "NaN", ""],
                );
                self.controller.heartbeat(self.clock.controller(), promise);
                self.forward();
                if self.rng.bool() {
                    self.stop_heartbeats();
                }
            }
            19 => self.stop_heartbeats(),
            20 => {
                self.controller.pongs(false);
                let duration = self.between(10.0, 1000.0);
                self.schedule(duration, Change::PongsResume);
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
                self.schedule(duration, Change::NamesResolve);
            }
            24 => {
                let longest = vec![b' '; self.driver.max_message_bytes + 1];
                self.inject(Payload::Text(longest));
            }
            25 => {
                self.driver.commands.push_back(Command::Stop);
                let duration = self.between(0.01, 100.0);
                self.schedule(duration, Change::UserStarts);
            }
            26 => self.send_slow_messages(),
            28 | 29 => self.fail_posts(),
            30 => {
                self.controller.forget_sessions();
                if self.rng.bool() {
                    self.end_connections();
                }
            }
            32 => {
                let duration = self.break_identity();
                self.schedule(duration, Change::IdentityRecovers);
                if self.rng.bool() {
                    self.end_connections();
                }
            }
            31 => {
                self.controller.service_status("running");
                self.forward();
            }
            33 => self.change_controller_clock(),
            34 => {
                let rate = *pick(&mut self.rng, &[None, Some(300), Some(2000), Some(20_000)]);
                self.network.bytes_per_second = rate;
            }
            _ => {
                let frames = self.rng.usize(..30);
                self.controller.hold_replay(frames);
                let duration = self.between(0.1, 30.0);
                self.schedule(duration, Change::ReplayResumes);
            }
        }
    }

    fn change_controller_clock(&mut self) {
        let span = *pick(&mut self.rng, &[700, 10_000, 4_000_000]);
        let by = self.rng.i64(-span..=span);
        self.log(|| format!("  by {by} ms"));
        self.clock.set_controller_clock(by);
        self.controller_clock_was_set = true;
        for link in &mut self.links {
            (link.clock_set, link.clock_was_set) = (true, true);
        }
        if self.rng.bool() {
            let status = Event::new("_4", "0");
            self.controller.emit(self.clock.controller(), &status);
            self.forward();
        }
    }

    fn stop_heartbeats(&mut self) {
        self.controller.heartbeats(self.clock.controller(), false);
        let duration = self.between(10.0, 1000.0);
        self.schedule(duration, Change::HeartbeatsResume);
    }

    fn fail_upgrades(&mut self) {
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
        self.schedule(duration, Change::RequestsRecover);
        if self.rng.bool() {
            // A healthy stream would not connect again, and so would not meet the fault.
            self.end_connections();
        }
    }

    fn fail_posts(&mut self) {
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
        self.schedule(duration, Change::RequestsRecover);
        if self.rng.bool() {
            self.end_connections();
        }
    }

    fn end_connections(&mut self) {
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

    /// Makes a connection half-open: nothing passes, and the client does not notice. The controller
    /// notices after a while.
    fn half_open(&mut self, index: usize) {
        self.links[index].die(self.clock.world());
        if let Some(id) = self.links[index].subscriber.take() {
            let after = self.between(20.0, 900.0);
            self.schedule(after, Change::ControllerForgets(id));
        }
    }

    fn hold(&mut self, duration: Duration) {
        let now = self.clock.world();
        self.network.held_until = self.network.held_until.max(now + duration);
        for link in &mut self.links {
            link.hold(now, now + duration);
        }
    }

    /// Suspends the client's machine: its network is off, and its monotonic clock stands still.
    fn suspend(&mut self) {
        if self.driver.asleep_until > self.clock.world() {
            return;
        }
        let duration = self.between(0.5, 30_000.0);
        self.log(|| format!("  suspended for {duration:?}"));
        self.hold(duration);
        self.sleep(duration);
        self.clock.suspend(duration);
        // Whether its connections survive.
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

    fn slow_consumer_down(&mut self) {
        self.consumer.blocking = self.rng.bool();
        self.consumer.pace = self.between(0.001, 2.0);
        self.consumer.capacity = self.rng.usize(1..64);
        if self.rng.u8(..4) == 0 {
            // It takes nothing at all for a while.
            let stopped = self.between(1.0, 600.0);
            self.consumer.next_take = self.clock.world() + stopped;
        }
        let duration = self.between(1.0, 600.0);
        self.schedule(duration, Change::ConsumerRecovers);
    }

    fn speed_consumer_up(&mut self) {
        self.consumer.blocking = false;
        self.consumer.pace = Duration::ZERO;
        self.consumer.queued = 0;
    }

    fn inject_spoiled_frames(&mut self) {
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

    fn send_slow_messages(&mut self) {
        for index in self.subscribed() {
            let pause = self.between(0.1, 30.0);
            let at = self.arrival_time();
            self.links[index].send_to_client(at, Arrival::Piece);
            self.links[index].send_to_client(at + pause, Arrival::Piece);
            let payload = Payload::Text(b"{}".to_vec());
            let arrival = Arrival::Message(payload, spoiled());
            self.links[index].send_to_client(at + pause * 2, arrival);
        }
    }

    fn inject(&mut self, payload: Payload) {
        for index in self.subscribed() {
            self.send_message(index, payload.clone(), spoiled());
        }
    }

    /// Emits an event that must reach the client.
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
