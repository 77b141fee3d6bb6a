//! What each fault does to the parts of the world, and how it ends.

use std::time::Duration;

use ioxsim::Event;

use super::World;
use crate::client::Command;
use crate::faults::Change;
use crate::network::Names;
use crate::random::pick;
use crate::site::Condition;
use crate::wire::{Arrival, Payload};

impl World {
    pub(super) fn apply_due_faults(&mut self) {
        let now = self.clock.world();
        while let Some(change) = self.faults.take_due_change(now) {
            self.log(|| format!("faults: {change:?}"));
            self.apply_change(change);
        }
        if self.faults.take_due_fault(now) {
            self.totals.faults += 1;
            self.inject_fault();
            // Somebody starts a stream that has given up.
            if self.faults.rng.u8(..4) == 0 && self.client.needs_start() {
                self.schedule(1.0, 300.0, Change::UserStarts);
            }
        }
    }

    pub(super) fn stop_faults(&mut self) {
        self.faults.cease();
        // Pending calls continue.
        self.client.calls.next = Duration::MAX;
    }

    /// Ends all faults and makes the world healthy.
    pub(super) fn restore_health(&mut self) {
        for change in self.faults.take_changes() {
            if !matches!(change, Change::Boot | Change::UserStarts) {
                self.apply_change(change);
            }
        }
        for change in [
            Change::SiteUp,
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
        let now = self.clock.controller();
        self.site.controller.heartbeat(now, "90");
        self.forward();
        self.network.recover(self.clock.world());
        self.client.sluggish = 0.0;
        self.client.commands.clear();
        self.faults.are_over = true;
        if self.site.identity.has_changed() {
            // Only a restart pins the new certificate, so stop a stream that keeps trying.
            self.client.commands.push_back(Command::Stop);
        }
    }

    fn apply_change(&mut self, change: Change) {
        let now = self.clock.controller();
        match change {
            Change::Boot => {
                self.site.condition = Condition::Booting;
                self.schedule(0.1, 60.0, Change::SiteUp);
            }
            Change::SiteUp => {
                if !self.site.is_up() {
                    self.site.boot(now, !self.faults.are_over);
                }
            }
            Change::NamesResolve => self.network.names = Names::Resolve,
            Change::HeartbeatsResume => self.site.controller.heartbeats(now, true),
            Change::PongsResume => self.site.controller.pongs(true),
            Change::ReplayResumes => self.site.controller.release_replay(now),
            Change::ConsumerRecovers => self.client.consumer.speed_up(),
            Change::RequestsRecover => self.site.answer_normally(),
            Change::ControllerForgets(id) => self.site.controller.closed(now, id),
            Change::IdentityRecovers => self.site.identity.recover(),
            Change::UserStarts => self.client.commands.push_back(Command::Start),
        }
        self.forward();
    }

    /// Schedules a change after a random time within these bounds, in seconds.
    fn schedule(&mut self, from: f64, to: f64, change: Change) {
        let after = self.faults.between(from, to);
        self.faults.schedule(self.clock.world() + after, change);
    }

    /// Injects one of 35 faults. All are equally likely.
    fn inject_fault(&mut self) {
        match self.faults.rng.u8(..35) {
            0..=2 => self.fail_site(),
            3..=10 => self.fail_requests(),
            11..=16 => self.disturb_network(),
            17..=19 => self.inject_messages(),
            20..=25 => self.disturb_client(),
            _ => self.disturb_controller(),
        }
    }

    /// Draws one of the kinds of a fault.
    fn draw_kind(&mut self, of: &str, kinds: u8) -> u8 {
        let kind = self.faults.rng.u8(..kinds);
        self.log(|| format!("faults: {of} {kind}"));
        kind
    }

    fn fail_site(&mut self) {
        match self.draw_kind("site", 3) {
            0 | 1 => {
                let conditions = [Condition::Off, Condition::Refusing];
                let how = *pick(&mut self.faults.rng, &conditions);
                self.go_down(how);
                self.schedule(1.0, 200.0, Change::Boot);
            }
            _ if self.site.is_up() => {
                let conditions = [Condition::Mute, Condition::Resetting, Condition::Booting];
                self.site.condition = *pick(&mut self.faults.rng, &conditions);
                self.half_open();
                self.schedule(1.0, 100.0, Change::SiteUp);
            }
            _ => {}
        }
    }

    fn fail_requests(&mut self) {
        let kind = self.draw_kind("requests", 8);
        match kind {
            0..=2 => {
                let (fault, times) = self.faults.draw_upgrade_fault();
                self.log(|| format!("  {fault:?}"));
                if self.faults.rng.u8(..4) == 0 {
                    self.site.controller.require_isy994_headers(true);
                }
                self.site.controller.on_upgrade(fault, times);
                self.schedule(5.0, 600.0, Change::RequestsRecover);
            }
            3 | 4 => {
                let (endpoint, fault, times) = self.faults.draw_post_fault();
                self.log(|| format!("  {endpoint:?} {fault:?}"));
                self.site.controller.on_post(endpoint, fault, times);
                self.schedule(5.0, 600.0, Change::RequestsRecover);
            }
            5 => self.site.controller.forget_sessions(),
            _ => return self.end_connections(),
        }
        // A healthy stream would not connect again, and so would not meet the fault.
        if self.faults.rng.bool() {
            self.end_connections();
        }
    }

    fn end_connections(&mut self) {
        let ending = self.faults.draw_ending();
        self.log(|| format!("  {ending:?}"));
        self.site.controller.end(ending);
        self.forward();
    }

    fn disturb_network(&mut self) {
        let kind = self.draw_kind("network", 6);
        let now = self.clock.world();
        let rng = &mut self.faults.rng;
        match kind {
            0 => self.half_open(),
            1 | 2 => {
                let until = now + self.faults.between(0.05, 40.0);
                self.network.hold(now, until);
            }
            3 => {
                let latency = *pick(rng, &[50, 2000, 150_000, 900_000]);
                self.network.latency = Duration::from_micros(latency);
                self.network.jitter_micros = *pick(rng, &[0, 500, 400_000]);
            }
            4 => {
                self.network.names = *pick(rng, &[Names::Fail, Names::Hang]);
                self.schedule(1.0, 60.0, Change::NamesResolve);
            }
            _ => {
                let rates = [None, Some(300), Some(2000), Some(20_000)];
                self.network.bytes_per_second = *pick(rng, &rates);
            }
        }
    }

    /// Makes the streams' connections half-open. The controller notices after a while.
    fn half_open(&mut self) {
        for id in self.network.half_open(self.clock.world()) {
            self.schedule(20.0, 900.0, Change::ControllerForgets(id));
        }
    }

    fn inject_messages(&mut self) {
        match self.draw_kind("messages", 3) {
            0 => {
                for _ in 0..1 + self.faults.rng.usize(..4) {
                    let payload = self.faults.draw_spoiled_payload();
                    self.inject(&Arrival::spoiled(payload));
                }
            }
            1 => {
                let too_long = vec![b' '; self.client.settings.max_message_bytes + 1];
                self.inject(&Arrival::spoiled(Payload::Text(too_long)));
            }
            _ => {
                let now = self.clock.world();
                for index in self.network.subscribed() {
                    let message = Arrival::spoiled(Payload::Text(b"{}".to_vec()));
                    let lasts = self.faults.between(0.2, 60.0);
                    self.network.send_slowly(now, index, message, lasts);
                }
            }
        }
    }

    /// Sends a message to all subscribers.
    pub(crate) fn inject(&mut self, message: &Arrival) {
        let now = self.clock.world();
        for index in self.network.subscribed() {
            self.network.send_to_client(now, index, message.clone());
        }
    }

    fn disturb_client(&mut self) {
        match self.draw_kind("client", 6) {
            0 => self.suspend(),
            1 => {
                let duration = self.faults.between(0.05, 4000.0);
                self.sleep(duration);
            }
            2 => {
                let spans = [1500, 10_000, 4_000_000, 3_000_000_000];
                let span = *pick(&mut self.faults.rng, &spans);
                self.clock.set_wall_clock(self.faults.rng.i64(-span..=span));
            }
            3 | 4 => {
                let (now, rng) = (self.clock.world(), &mut self.faults.rng);
                self.client.consumer.slow_down(now, rng);
                self.schedule(1.0, 600.0, Change::ConsumerRecovers);
            }
            _ => {
                self.client.commands.push_back(Command::Stop);
                self.schedule(0.01, 100.0, Change::UserStarts);
            }
        }
    }

    /// Suspends the client's machine: its network is off, and its monotonic clock stands still.
    fn suspend(&mut self) {
        let now = self.clock.world();
        if self.client.asleep_until > now {
            return;
        }
        let duration = self.faults.between(0.5, 30_000.0);
        self.log(|| format!("  suspended for {duration:?}"));
        self.network.hold(now, now + duration);
        self.sleep(duration);
        self.clock.suspend(duration);
        // Whether its connections survive.
        match self.faults.rng.u8(..3) {
            0 => {}
            1 => self.half_open(),
            _ => {
                for id in self.network.reset(now + duration) {
                    self.site.controller.closed(self.clock.controller(), id);
                }
            }
        }
    }

    fn sleep(&mut self, duration: Duration) {
        self.log(|| format!("  the process does not run for {duration:?}"));
        self.client.sleep_until(self.clock.world() + duration);
    }

    fn disturb_controller(&mut self) {
        let kind = self.draw_kind("controller", 9);
        let now = self.clock.controller();
        let rng = &mut self.faults.rng;
        let controller = &mut self.site.controller;
        match kind {
            0 => {
                let promises = ["0", "-7", "1000000000", "soon", "5", "NaN", ""];
                let promise = *pick(rng, &promises);
                controller.heartbeat(now, promise);
                if rng.bool() {
                    self.stop_heartbeats();
                }
            }
            1 => self.stop_heartbeats(),
            2 => {
                controller.pongs(false);
                self.schedule(10.0, 1000.0, Change::PongsResume);
            }
            3 => controller.shift_seqnum(rng.i64(-3..=3)),
            4 => controller.flood(now, rng.usize(1..120)),
            5 => controller.service_status("running"),
            6 => {
                self.site.identity.fail(rng);
                let until = self.clock.world() + Duration::from_secs(rng.u64(1..600));
                self.faults.schedule(until, Change::IdentityRecovers);
                if self.faults.rng.bool() {
                    self.end_connections();
                }
            }
            7 => self.set_controller_clock(),
            _ => {
                controller.hold_replay(rng.usize(..30));
                self.schedule(0.1, 30.0, Change::ReplayResumes);
            }
        }
        self.forward();
    }

    fn set_controller_clock(&mut self) {
        let span = *pick(&mut self.faults.rng, &[700, 10_000, 4_000_000]);
        let by = self.faults.rng.i64(-span..=span);
        self.log(|| format!("  by {by} ms"));
        self.clock.set_controller_clock(by);
        self.site.clock_was_set = true;
        for link in &mut self.network.links {
            link.subscription.set_clock();
        }
        if self.faults.rng.bool() {
            let status = Event::new("_4", "0");
            self.site.controller.emit(self.clock.controller(), &status);
        }
    }

    fn stop_heartbeats(&mut self) {
        let now = self.clock.controller();
        self.site.controller.heartbeats(now, false);
        self.schedule(10.0, 1000.0, Change::HeartbeatsResume);
    }
}
