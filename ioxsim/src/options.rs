//! The options of a controller.

use std::time::Duration;

use ioxproto::Secret;

use crate::answer::AfterAnswer;
use crate::fault::Ending;
use crate::{HouseOptions, Recording, Uuid};

/// A local or a portal account.
///
/// ```
/// let account = ioxsim::Account::new("admin", "hunter2");
/// assert!(!format!("{account:?}").contains("hunter2"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub(crate) username: String,
    pub(crate) password: Secret,
}

impl Account {
    /// Creates a local account, for HTTP Basic, or a portal account, for logins.
    pub fn new(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
        }
    }
}

/// Where the controller's events come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HouseSource {
    /// A house generated from a seed.
    Synthetic(HouseOptions),
    /// A recording, played to each subscriber from its connection on.
    Recorded(Recording),
}

impl From<HouseOptions> for HouseSource {
    fn from(options: HouseOptions) -> Self {
        Self::Synthetic(options)
    }
}

impl From<Recording> for HouseSource {
    fn from(recording: Recording) -> Self {
        Self::Recorded(recording)
    }
}

/// The firmware that the controller imitates. A recorded house keeps the forms of its recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Firmware {
    /// An eisy or Polisy on IoX 6.
    #[default]
    Iox6,
    /// An ISY-994 on firmware 5: a `SubscriptionResponse` first, no timestamps or property names,
    /// heartbeats that announce 120 s, `_23`/1 at the end of the replay.
    Isy994,
}

/// Portal accounts and their options.
#[derive(Clone, Debug)]
pub struct PortalOptions {
    /// The accounts that may log in. Default: `user@example.test` with the password `secret`.
    pub accounts: Vec<Account>,
    /// How long access tokens are valid, in whole seconds. Default 1 h.
    pub access_lifetime: Duration,
    /// How long refresh tokens are valid, in whole seconds. Default 30 days.
    pub refresh_lifetime: Duration,
    /// The status of the answer to a logout with an expired token: 404 or 500 on real controllers.
    /// Default 404.
    pub stale_logout_status: u16,
    /// The forms of the first frame that are accepted on `/api/events/subscribe`. Default: either.
    pub first_frames: FirstFrames,
    /// What happens to a connection whose first frame is not accepted. Default: close with 1008.
    pub refused_first_frame: AfterAnswer,
    /// Whether the upgrade to `/api/events/subscribe` requires the token too. Default: no.
    pub token_on_upgrade: bool,
}

impl Default for PortalOptions {
    fn default() -> Self {
        Self {
            accounts: vec![Account::new("user@example.test", "secret")],
            access_lifetime: Duration::from_secs(60 * 60),
            refresh_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            stale_logout_status: 404,
            first_frames: FirstFrames::default(),
            refused_first_frame: AfterAnswer::End(Ending::Close(1008)),
            token_on_upgrade: false,
        }
    }
}

/// The forms of the first frame that are accepted. Both were seen on real controllers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FirstFrames {
    /// Either form.
    #[default]
    Either,
    /// Only `{"type":"auth","creds":{"token":…}}`.
    Typed,
    /// Only `{"auth":{"token":…}}`.
    Bare,
    /// Neither, whatever the token.
    Neither,
}

/// The options of a controller. The defaults are those of an eisy, except that the replay is fast.
///
/// ```
/// use std::time::Duration;
/// use ioxsim::{ControllerOptions, HouseOptions};
///
/// let options = ControllerOptions {
///     house: HouseOptions { nodes: 100, ..HouseOptions::default() }.into(),
///     heartbeat_every: Duration::from_secs(1),
///     ..ControllerOptions::default()
/// };
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    /// The local accounts, which use HTTP Basic. If empty, no credentials are required. Default:
    /// `admin` with the password `admin`.
    pub accounts: Vec<Account>,
    /// Portal accounts and `/api/events/subscribe`; `None` for a controller that has neither, such
    /// as an ISY-994. Default: those of [`PortalOptions::default`].
    pub portal: Option<PortalOptions>,
    /// Where events come from. Default: 20 nodes that do not change by themselves.
    pub house: HouseSource,
    /// The firmware that it imitates. Default: IoX 6.
    pub firmware: Firmware,
    /// Its UUID. If one program watches several controllers, each needs its own. Default:
    /// `00:21:b9:00:00:01`.
    pub uuid: Uuid,
    /// A prefix of all paths, without a slash at its end. Default: none.
    pub prefix: String,
    /// Whether an upgrade without the headers that an ISY-994 requires is answered 400. Default:
    /// no.
    pub require_isy994_headers: bool,
    /// Whether the 101 echoes the client's subprotocol. Default: yes.
    pub echo_subprotocol: bool,
    /// The maximum number of subscribers. Further ones are answered 503. Default 32.
    pub max_subscribers: usize,
    /// Frames of the replay that are sent at once. Default 50.
    pub replay_burst: usize,
    /// The pause between two such bursts. Default 10 ms.
    pub replay_pause: Duration,
    /// The pause after the replay. Changes that the house makes by itself are sent after it at the
    /// earliest. Default 1.2 s.
    pub quiet_after_replay: Duration,
    /// Whether the replay of `/rest/subscribe` ends with `_4`/5, `_4`/6 and `_22`/1. Default: yes.
    pub end_mark: bool,
    /// Whether the replay contains a heartbeat, as that of an eisy does. Default: yes.
    pub heartbeat_in_replay: bool,
    /// The earliest and the latest time of the first heartbeat after the connection. Default 10 s
    /// and 19 s.
    pub first_heartbeat: (Duration, Duration),
    /// The time from one heartbeat to the next. Default 30 s.
    pub heartbeat_every: Duration,
    /// The interval that a heartbeat announces, in seconds. Default: 90, or 120 on an ISY-994.
    pub heartbeat_promise: Option<u32>,
    /// The controller's time zone, in minutes east of UTC. Default -420 (-07:00).
    pub utc_offset_minutes: i32,
    /// The seed of everything random outside the house. Default 1.
    pub seed: u64,
}

impl ControllerOptions {
    /// Returns the options of an ISY-994 on firmware 5: it requires its headers on the upgrade, has
    /// only local accounts, and sends a heartbeat every 120 s.
    #[must_use]
    pub fn isy994() -> Self {
        Self {
            firmware: Firmware::Isy994,
            portal: None,
            require_isy994_headers: true,
            heartbeat_every: Duration::from_secs(120),
            ..Self::default()
        }
    }
}

impl Default for ControllerOptions {
    fn default() -> Self {
        Self {
            accounts: vec![Account::new("admin", "admin")],
            portal: Some(PortalOptions::default()),
            house: HouseOptions::default().into(),
            firmware: Firmware::default(),
            uuid: Uuid::default(),
            prefix: String::new(),
            require_isy994_headers: false,
            echo_subprotocol: true,
            max_subscribers: 32,
            replay_burst: 50,
            replay_pause: Duration::from_millis(10),
            quiet_after_replay: Duration::from_millis(1200),
            end_mark: true,
            heartbeat_in_replay: true,
            first_heartbeat: (Duration::from_secs(10), Duration::from_secs(19)),
            heartbeat_every: Duration::from_secs(30),
            heartbeat_promise: None,
            utc_offset_minutes: -7 * 60,
            seed: 1,
        }
    }
}
