//! The controller's site: the machine of `ioxsim`, whether it is up, and what it shows of itself.

use std::time::{Duration, Instant};

use fastrand::Rng;
use http::Request;
use ioxproto::rest::Nodes;
use ioxproto::{FailureKind, Now, Phase};
use ioxsim::{
    Account, AfterAnswer, Controller, ControllerOptions, Ending, FirstFrames, PortalOptions,
};

use crate::checker::{BASIC, PASSWORD};
use crate::identity::Identity;
use crate::random::{generator, pick};
use crate::settings::{Access, Settings};
use crate::wire::Arrival;

/// The number of end marks: `_4`/5, `_4`/6 and `_22`/1, at the end of the replay on
/// `/rest/subscribe`.
const END_MARKS: usize = 3;

/// The address of a node that some worlds add.
const ADDED: &str = "ZW901_1";

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) controller: Controller,
    pub(crate) condition: Condition,
    pub(crate) identity: Identity,
    /// The controller's wall clock was set at any time.
    pub(crate) clock_was_set: bool,
    options: ControllerOptions,
    rng: Rng,
}

/// The condition of the site, as a connection attempt meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// A working controller.
    Up,
    /// The machine runs but its program does not: connections are refused.
    Refusing,
    /// Switched off: packets get no reply.
    Off,
    /// Connections are accepted, and nothing is ever sent.
    Mute,
    /// Connections are accepted and reset.
    Resetting,
    /// Every request is answered 503.
    Booting,
}

/// A change of the names of the house.
#[derive(Debug)]
pub(crate) enum HouseChange {
    Rename {
        what: String,
        name: String,
    },
    Move {
        what: String,
        folder: &'static str,
    },
    /// Add the node [`ADDED`].
    Add {
        name: String,
    },
    /// Remove the node [`ADDED`].
    Remove,
}

impl Site {
    pub(crate) fn new(now: Now, settings: &Settings, options: ControllerOptions) -> Self {
        Self {
            controller: Controller::new(options.clone(), now),
            condition: Condition::Up,
            identity: Identity::new(settings.secured),
            clock_was_set: false,
            options,
            rng: generator(settings.seed, "site"),
        }
    }

    /// Boots the controller: it is a new one, without sessions or subscribers. If its certificate
    /// may be renewed, some boots renew it.
    pub(crate) fn boot(&mut self, now: Now, may_renew: bool) {
        self.condition = Condition::Up;
        if may_renew && self.rng.u8(..8) == 0 {
            self.identity.renew();
        }
        self.controller = Controller::new(self.options.clone(), now);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.condition == Condition::Up
    }

    /// Returns when the controller's next timer is due.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.controller.poll_timeout().filter(|_| self.is_up())
    }

    /// Returns what a client that connects receives.
    pub(crate) fn meet_dial(&self) -> Vec<Arrival> {
        let secured = self.identity.secured;
        match self.condition {
            Condition::Off => Vec::new(),
            Condition::Refusing => vec![Arrival::Failed(FailureKind::ConnectionRefused)],
            Condition::Resetting => vec![Arrival::Reset],
            // The TLS handshake gets no answer.
            Condition::Mute if secured => vec![Arrival::Reached(Phase::Securing)],
            Condition::Up | Condition::Booting if secured => {
                let certificate = Arrival::Certificate(self.identity.shown());
                vec![Arrival::Reached(Phase::Securing), certificate]
            }
            Condition::Up | Condition::Mute | Condition::Booting => {
                vec![Arrival::Reached(Phase::Upgrading)]
            }
        }
    }

    /// Returns the number of frames in a replay, without heartbeats. A replay that begins after a
    /// token, on `/api/events/subscribe`, has no end marks.
    pub(crate) fn replay_frames(&self, after_token: bool) -> usize {
        let marks = END_MARKS * usize::from(after_token && self.options.end_mark);
        let heartbeats = usize::from(self.options.heartbeat_in_replay);
        self.controller.replay_frames() - marks - heartbeats
    }

    pub(crate) fn change_house(&mut self, now: Now, change: &HouseChange) {
        let controller = &mut self.controller;
        match change {
            HouseChange::Rename { what, name } => controller.rename(now, what, name),
            HouseChange::Move { what, folder } => controller.move_into(now, what, folder),
            HouseChange::Add { name } => controller.add_node(now, ADDED, name),
            HouseChange::Remove => controller.remove_node(now, ADDED),
        };
    }

    /// Ends the faults of requests.
    pub(crate) fn answer_normally(&mut self) {
        self.controller.upgrade_normally();
        self.controller.post_normally();
        self.controller.call_normally();
        self.controller.require_isy994_headers(false);
    }

    /// Logs in at the controller directly, and returns the token.
    pub(crate) fn fresh_token(&mut self, now: Now) -> Option<String> {
        if !self.is_up() {
            return None;
        }
        let body = format!(r#"{{"username":"user@example.test","password":"{PASSWORD}"}}"#);
        let request = Request::post("/api/login").body(body.into_bytes()).ok()?;
        let answer = self.controller.post(now, &request);
        let answer = String::from_utf8_lossy(&answer.bytes).into_owned();
        let (_, rest) = answer.split_once(r#""accessToken":""#)?;
        rest.split_once('"').map(|(token, _)| token.to_owned())
    }

    /// Reads the nodes of the house from the controller directly.
    pub(crate) fn read_nodes(&mut self, now: Now) -> Result<Nodes, String> {
        self.controller.call_normally();
        let request = Request::get("/rest/nodes").header("Authorization", format!("Basic {BASIC}"));
        let request = request.body(()).map_err(|error| error.to_string())?;
        let answer = self.controller.upgrade(now, &request).bytes;
        let answer = String::from_utf8_lossy(&answer);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Nodes::parse(body.as_bytes()).map_err(|error| error.to_string())
    }
}

/// Draws the house and the behaviour of the controller.
pub(crate) fn draw_options(seed: u64, access: Access) -> ControllerOptions {
    let rng = &mut generator(seed, "options");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn only_a_site_that_answers_shows_its_certificate() {
        let settings = Settings {
            secured: true,
            ..Settings::plain()
        };
        let now = Clock::new().controller();
        let mut site = Site::new(now, &settings, ControllerOptions::default());
        for (condition, shows) in [
            (Condition::Up, true),
            (Condition::Booting, true),
            (Condition::Mute, false),
            (Condition::Refusing, false),
            (Condition::Resetting, false),
            (Condition::Off, false),
        ] {
            site.condition = condition;
            let shown = |arrival: &Arrival| matches!(arrival, Arrival::Certificate(_));
            assert_eq!(site.meet_dial().iter().any(shown), shows, "{condition:?}");
            assert_eq!(site.is_up(), condition == Condition::Up);
        }
    }
}
