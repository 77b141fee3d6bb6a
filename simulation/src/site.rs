//! The controller's site: the machine of `ioxsim`, whether it is up, and its ends of the
//! connections.

use std::time::Duration;

use ioxproto::view::Timestamp;
use ioxsim::{
    Account, AfterAnswer, Controller, ControllerOptions, Ending, FirstFrames, Output, PortalOptions,
};

use crate::checker::PASSWORD;
use crate::link::{Link, Owner};
use crate::wire::{self, Arrival, Payload, Sent, Truth, between};
use crate::world::World;

/// The number of end marks: `_4`/5, `_4`/6 and `_22`/1, at the end of the replay on
/// `/rest/subscribe`.
const END_MARKS: usize = 3;

const SECOND: Duration = Duration::from_secs(1);

/// The condition of the site, as a connection attempt meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// A working controller.
    Up,
    /// The machine runs but its program does not: connections are refused.
    Refusing,
    /// Switched off: packets are swallowed.
    Off,
    /// Connections are accepted, and nothing is ever sent.
    Mute,
    /// Connections are accepted and reset.
    Resetting,
    /// Every request is answered 503.
    Booting,
}

impl World {
    /// Boots the controller: it is a new one, without sessions or subscribers.
    pub(crate) fn boot(&mut self) {
        self.site = Site::Up;
        if !self.healthy && self.rng.u8(..8) == 0 {
            self.identity.renew();
        }
        self.controller = Controller::new(self.options.clone(), self.clock.controller());
    }

    /// Takes the controller down. Each of its connections is reset, ended or dead, at random.
    pub(crate) fn go_down(&mut self, how: Site) {
        self.site = how;
        for index in 0..self.links.len() {
            let at = self.arrival_time();
            let fate = self.rng.u8(..4);
            let link = &mut self.links[index];
            link.subscriber = None;
            match fate {
                0 => link.reset(at),
                1 => link.send_to_client(at, Arrival::Fin),
                _ => link.die(self.clock.world()),
            }
        }
    }

    /// Gives the controller what has arrived, and runs its due timers.
    pub(crate) fn controller_due(&mut self) {
        let now = self.clock.world();
        for index in 0..self.links.len() {
            while let Some(sent) = self.links[index].at_controller(now) {
                self.received_by_controller(index, sent);
            }
        }
        self.links.retain(|link| !link.is_over());
        if self.is_running() {
            self.controller.tick(self.clock.controller());
            self.forward();
        }
    }

    /// Returns when the controller has something to do next.
    pub(crate) fn controller_timeout(&self) -> Option<Duration> {
        let own = self
            .controller
            .poll_timeout()
            .filter(|_| self.is_running())
            .map(|at| self.clock.of_controller(at));
        let links = self.links.iter().filter_map(Link::controller_due);
        links.chain(own).min()
    }

    fn is_running(&self) -> bool {
        self.site == Site::Up
    }

    fn received_by_controller(&mut self, index: usize, sent: Sent) {
        let now = self.clock.controller();
        let subscriber = self.links[index].subscriber;
        if !matches!(sent, Sent::Dial | Sent::Gone) {
            self.check_trusted(index);
        }
        match sent {
            Sent::Dial => self.accept_dial(index),
            Sent::Request(request) => self.answer_request(index, &request),
            Sent::Text(text) => {
                if let Some(id) = subscriber {
                    // On `/api/events/subscribe` the replay begins after the token, and has no end
                    // marks.
                    let marks = END_MARKS * usize::from(self.options.end_mark);
                    let replay = self.controller.replay_frames() - marks;
                    self.links[index].replay_left = replay - self.replayed_heartbeats();
                    self.links[index].accepted_at = self.clock.world();
                    self.links[index].accepted_utc = now.utc;
                    self.controller.text(now, id, &text);
                    self.forward();
                }
            }
            Sent::Ping => {
                if let Some(id) = subscriber {
                    self.controller.ping(now, id, b"");
                    self.forward();
                }
            }
            Sent::Close(code) => {
                if let Some(id) = self.links[index].subscriber.take() {
                    self.controller.closed(now, id);
                    let at = self.arrival_time();
                    self.links[index].send_to_client(at, Arrival::Close(code));
                    self.links[index].send_to_client(at, Arrival::Fin);
                }
            }
            Sent::Gone => {
                if let Some(id) = self.links[index].subscriber.take() {
                    self.controller.closed(now, id);
                }
            }
        }
    }

    fn accept_dial(&mut self, index: usize) {
        let at = self.arrival_time();
        let shown = self.identity.shown();
        let trusted = self.identity.problem(shown).is_none();
        let link = &mut self.links[index];
        match self.site {
            Site::Off => {}
            Site::Refusing => link.send_to_client(
                at,
                Arrival::Failed(ioxproto::FailureKind::ConnectionRefused),
            ),
            Site::Resetting => link.send_to_client(at, Arrival::Reset),
            // The TLS handshake gets no answer.
            Site::Mute if self.identity.secured => {
                link.send_to_client(at, Arrival::Reached(ioxproto::Phase::Securing));
            }
            Site::Up | Site::Booting if self.identity.secured => {
                link.trusted = trusted;
                link.send_to_client(at, Arrival::Reached(ioxproto::Phase::Securing));
                link.send_to_client(at, Arrival::Certificate(shown));
            }
            Site::Up | Site::Mute | Site::Booting => {
                link.send_to_client(at, Arrival::Reached(ioxproto::Phase::Upgrading));
            }
        }
    }

    fn answer_request(&mut self, index: usize, bytes: &[u8]) {
        match self.site {
            Site::Up => {}
            Site::Booting => {
                let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
                return self.answer(index, answer, AfterAnswer::End(Ending::Fin));
            }
            _ => return,
        }
        if bytes.first() == Some(&0x16) {
            // A probe for TLS, which the controller does not speak.
            let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            return self.answer(index, answer, AfterAnswer::End(Ending::Fin));
        }
        let now = self.clock.controller();
        let Ok(Some((request, length))) = ioxsim::parse_request(bytes) else {
            self.checker.fail("the client sent a malformed request");
            return;
        };
        if request.method().as_str() == "POST" {
            let body = bytes[length..].to_vec();
            let answer = self.controller.post(now, &request.map(|()| body));
            return self.answer(index, &answer.bytes, answer.then);
        }
        let replay = self.controller.replay_frames() - self.replayed_heartbeats();
        let answer = self.controller.upgrade(now, &request);
        let path = request.uri().path();
        if !path.ends_with("/subscribe") {
            self.checker.controller_received(path, answer.status);
        }
        let link = &mut self.links[index];
        link.subscriber = answer.subscriber;
        link.replay_left = replay;
        link.accepted_at = self.clock.world();
        link.accepted_utc = now.utc;
        let then = if answer.subscriber.is_some() {
            AfterAnswer::Mute
        } else {
            answer.then
        };
        self.links[index].delay = answer.delay;
        self.answer(index, &answer.bytes, then);
        self.forward();
    }

    fn replayed_heartbeats(&self) -> usize {
        usize::from(self.options.heartbeat_in_replay)
    }

    fn answer(&mut self, index: usize, bytes: &[u8], then: AfterAnswer) {
        let pieces = 1 + self.rng.usize(..3);
        let delay = self.links[index].delay;
        for piece in bytes.chunks(bytes.len().div_ceil(pieces).max(1)) {
            let at = self.arrival_time() + delay;
            self.links[index].send_to_client(at, Arrival::Bytes(piece.to_vec()));
        }
        if let AfterAnswer::End(ending) = then {
            self.end(index, ending);
        }
    }

    /// Sends the controller's pending output to the client.
    pub(crate) fn forward(&mut self) {
        while let Some((id, output)) = self.controller.poll_output() {
            let link = self
                .links
                .iter()
                .position(|link| link.subscriber == Some(id));
            let Some(index) = link else { continue };
            match output {
                Output::Text(text) => {
                    let truth = self.truth(index, &text);
                    self.send_message(index, Payload::Text(text.into_bytes()), truth);
                }
                Output::Pong(_) => self.send_message(index, Payload::Pong, Truth::default()),
                Output::Raw(bytes) => self.raw(index, &bytes),
                Output::Slowly { bytes, pause } => {
                    let duration = pause.saturating_mul(bytes.len() as u32);
                    let at = self.arrival_time();
                    self.links[index].send_to_client(at, Arrival::Piece);
                    self.links[index].send_to_client(at + duration / 2, Arrival::Piece);
                    let (messages, _) = wire::messages(&bytes).unwrap_or_default();
                    for payload in messages {
                        let arrival = Arrival::Message(payload, Truth::default());
                        self.links[index].send_to_client(at + duration, arrival);
                    }
                }
                Output::End(ending) => self.end(index, ending),
                _ => self
                    .checker
                    .fail("an output that the world does not support"),
            }
        }
    }

    /// Determines what the world knows about the controller's next text frame. Heartbeats do not
    /// count as frames of the replay.
    fn truth(&mut self, index: usize, text: &str) -> Truth {
        let (world, api) = (self.clock.world(), self.access.is_api());
        let utc = self.clock.controller().utc;
        let link = &mut self.links[index];
        if text.contains("spolisy") {
            return Truth::default();
        }
        let replaying = link.replay_left > 0;
        let heartbeat = text.contains("<control>_0</control>");
        let past_mark = link.marked_at.is_some_and(|at| world > at + SECOND);
        if heartbeat && link.accepted_at < world {
            link.clock_set = false;
        } else if !heartbeat {
            link.replay_left = link.replay_left.saturating_sub(1);
        }
        if !api && text.contains("<control>_22</control>") {
            link.marked_at = Some(world);
        }
        let replay = replaying && (!heartbeat || link.accepted_at == world);
        let stamp = between(text, "timestamp=", ">")
            .and_then(|stamp| Timestamp::parse(stamp.trim_matches(['\\', '"'])))
            .and_then(Timestamp::to_system_time);
        let fresh = stamp.is_some_and(|stamp| stamp + SECOND / 10 >= link.accepted_utc);
        let old = stamp.is_some_and(|stamp| stamp + SECOND * 5 / 2 < link.accepted_utc);
        Truth {
            replay,
            spoiled: false,
            stamped: stamp.is_some(),
            dated: replay && if api { old } else { stamp.is_some() },
            fresh,
            ahead: stamp.is_some_and(|stamp| stamp > utc),
            past_mark,
            settled: world > link.accepted_at + SECOND * 6,
            clock_set: link.clock_set,
            clock_was_set: link.clock_was_set,
        }
    }

    fn raw(&mut self, index: usize, bytes: &[u8]) {
        let link = &mut self.links[index];
        let replay = link.replay_left > 0;
        link.replay_left = link.replay_left.saturating_sub(1);
        let truth = Truth {
            replay,
            spoiled: true,
            ..Truth::default()
        };
        match wire::messages(bytes) {
            Ok((messages, unfinished)) => {
                for payload in messages {
                    self.send_message(index, payload, truth);
                }
                if unfinished {
                    let at = self.arrival_time();
                    self.links[index].send_to_client(at, Arrival::Piece);
                }
            }
            Err(wire::BadFrame) => {
                let at = self.arrival_time();
                self.links[index].send_to_client(at, Arrival::Junk);
            }
        }
    }

    /// Sends a message, in pieces with the probability that the network sets.
    pub(crate) fn send_message(&mut self, index: usize, payload: Payload, truth: Truth) {
        if self.rng.f64() < self.network.piecemeal {
            let pieces = 1 + self.rng.usize(..3);
            for _ in 0..pieces {
                let at = self.arrival_time();
                self.links[index].send_to_client(at, Arrival::Piece);
            }
        }
        let at = self.arrival_time();
        self.links[index].send_to_client(at, Arrival::Message(payload, truth));
    }

    pub(crate) fn end(&mut self, index: usize, ending: Ending) {
        let at = self.arrival_time();
        let link = &mut self.links[index];
        let is_subscriber = link.subscriber.take().is_some();
        match ending {
            Ending::Close(code) if is_subscriber => link.send_to_client(at, Arrival::Close(code)),
            Ending::Reset => link.reset(at),
            Ending::MidFrame => {
                link.send_to_client(at, Arrival::Piece);
                link.send_to_client(at, Arrival::Fin);
            }
            _ => link.send_to_client(at, Arrival::Fin),
        }
    }

    /// Draws the arrival time of what is sent now.
    pub(crate) fn arrival_time(&mut self) -> Duration {
        let spread = Duration::from_micros(self.rng.u64(..=self.network.jitter_micros));
        let at = self.clock.world() + self.network.latency + spread;
        at.max(self.network.held_until)
    }

    /// Returns the indices of the links with a subscriber, as the controller sees them.
    pub(crate) fn subscribed(&self) -> Vec<usize> {
        let open =
            |link: &Link| link.subscriber.is_some() && matches!(link.owner, Owner::Connection(_));
        (0..self.links.len())
            .filter(|index| open(&self.links[*index]))
            .collect()
    }
}

/// The client's account and subscribe path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Local,
    Portal,
    /// A portal account on `/api/events/subscribe`.
    Api,
    /// The caller provides the tokens.
    OwnTokens,
    /// The caller provides the tokens, on `/api/events/subscribe`.
    OwnTokensApi,
}

impl Access {
    pub(crate) fn is_api(self) -> bool {
        matches!(self, Self::Api | Self::OwnTokensApi)
    }

    pub(crate) fn is_portal(self) -> bool {
        matches!(self, Self::Portal | Self::Api)
    }

    pub(crate) fn is_own(self) -> bool {
        matches!(self, Self::OwnTokens | Self::OwnTokensApi)
    }
}

/// Draws the house and the behaviour of the controller.
pub(crate) fn options(rng: &mut fastrand::Rng, access: Access) -> ControllerOptions {
    let nodes = rng.usize(..8);
    let rate = *pick(rng, &[0.0, 0.0, 0.01, 0.05, 0.5]);
    let isy994 = access == Access::Local && rng.u8(..3) == 0;
    let firmware = if isy994 {
        ioxsim::Firmware::Isy994
    } else {
        ioxsim::Firmware::Iox6
    };
    let pause = *pick(rng, &[1, 10, 50, 200, 600]);
    let seconds = Duration::from_secs;
    let portal = PortalOptions {
        accounts: vec![Account::new("user@example.test", PASSWORD)],
        access_lifetime: seconds(*pick(rng, &[30, 90, 600, 3600])),
        refresh_lifetime: seconds(*pick(rng, &[600, 2_592_000])),
        stale_logout_status: *pick(rng, &[404, 500]),
        first_frames: *pick(
            rng,
            &[FirstFrames::Either, FirstFrames::Typed, FirstFrames::Bare],
        ),
        refused_first_frame: *pick(
            rng,
            &[AfterAnswer::End(Ending::Close(1008)), AfterAnswer::Mute],
        ),
        token_on_upgrade: rng.u8(..4) == 0,
    };
    ControllerOptions {
        accounts: vec![Account::new("admin", PASSWORD)],
        portal: Some(portal).filter(|_| !isy994),
        house: ioxsim::HouseOptions {
            nodes,
            rate_per_second: rate,
            seed: rng.u64(..),
            ..ioxsim::HouseOptions::default()
        }
        .into(),
        firmware,
        echo_subprotocol: rng.bool(),
        max_subscribers: 3,
        replay_burst: 1 + rng.usize(..60),
        replay_pause: Duration::from_millis(pause),
        end_mark: isy994 || rng.u8(..4) > 0,
        heartbeat_in_replay: rng.bool(),
        seed: rng.u64(..),
        ..ControllerOptions::default()
    }
}

pub(crate) fn pick<'a, T>(rng: &mut fastrand::Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(..from.len())]
}
