//! The caller's settings: which controller, which account, and the timings.

use std::time::Duration;

use thiserror::Error;

use crate::{Address, AddressError, Secret};

/// The settings of a stream. [`StreamMachine::new`](crate::StreamMachine::new) checks them, once.
///
/// An account is required; everything else has a default.
///
/// ```
/// use ioxproto::{Config, StreamMachine};
/// let config = Config::new("https://eisy.local:8443").local_account("admin", "hunter2").seed(7);
/// let stream = StreamMachine::new(config)?;
/// assert_eq!(stream.address().port(), 8443);
/// # Ok::<(), ioxproto::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    address: Result<Address, AddressError>,
    account: Option<Account>,
    pub(crate) path: SubscribePath,
    pub(crate) profile: Profile,
    pub(crate) timing: Timing,
    pub(crate) max_message_bytes: usize,
    pub(crate) max_calls: usize,
    pub(crate) keep_trying: bool,
    pub(crate) read_names: ReadNames,
    pub(crate) self_audit: bool,
    pub(crate) seed: u64,
}

/// The account of a stream. `Debug` hides passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Account {
    /// The controller's own account (HTTP Basic).
    Local {
        /// The user name, without a colon.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A portal account: the stream logs in, keeps its tokens fresh, and logs out on stop.
    Portal {
        /// The user name, an e-mail address.
        username: String,
        /// The password.
        password: Secret,
    },
    /// Tokens that the caller manages and supplies on request.
    OwnTokens,
}

impl Account {
    /// The controller's own account.
    pub fn local(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::Local {
            username: username.into(),
            password: password.into(),
        }
    }

    /// A portal account.
    pub fn portal(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::Portal {
            username: username.into(),
            password: password.into(),
        }
    }
}

/// Where a stream subscribes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribePath {
    /// `/rest/subscribe`: any account, events as XML.
    #[default]
    Rest,
    /// `/api/events/subscribe`: tokens only, events in JSON envelopes. Replayed events keep the
    /// time of their change.
    Api,
}

impl SubscribePath {
    /// The path itself.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "/rest/subscribe",
            Self::Api => "/api/events/subscribe",
        }
    }
}

/// Which headers the controller requires on the upgrade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// IoX 6 (eisy, Polisy): no headers beyond the account's. After a 400, the stream tries those
    /// of the ISY-994 once.
    #[default]
    Iox,
    /// ISY-994: `Sec-WebSocket-Protocol: ISYSUB` and its `Origin`, from the start.
    Isy994,
}

/// When a stream reads the controller's names by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadNames {
    /// Before each subscription until the names are known, for at most [`Timing::names_before`].
    /// From then on like [`AfterConnected`](Self::AfterConnected).
    BeforeSubscribing,
    /// Once the stream is connected, and again after changes that events do not describe in full.
    AfterConnected,
    /// Never.
    #[default]
    Never,
}

/// The stream's timings. The defaults suit real controllers; tests shorten them.
///
/// Silences (`drain_*`, `replay_window`, `stall_*`, `ping_*`, `proven_after`) count only while the
/// driver waits on an empty socket.
///
/// ```
/// use std::time::Duration;
/// let mut timing = ioxproto::Timing::default();
/// timing.ping_after = Duration::from_secs(20);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Timing {
    /// The replay is over after this much silence. Default 1 s.
    pub drain_quiet: Duration,
    /// The same after the replay's end mark. Default 0.25 s.
    pub drain_quiet_after_mark: Duration,
    /// The same while an end mark is expected: this controller has sent one before, has sent a
    /// `SubscriptionResponse`, or is an ISY-994. Default 5 s.
    pub drain_quiet_unmarked: Duration,
    /// The longest replay. If the controller is still sending by then, the status `connected` has
    /// [`Reason::ReplayIncomplete`](crate::Reason::ReplayIncomplete). Default 60 s.
    pub drain_cap: Duration,
    /// After this long, the replay is also over if, for `drain_past_quiet`, only events arrived
    /// whose timestamps show that they are live. This is for a busy controller that sends no end
    /// mark. The rule does not apply while a mark is expected. Default 10 s.
    pub drain_cap_past: Duration,
    /// See `drain_cap_past`. Default 5 s.
    pub drain_past_quiet: Duration,
    /// For this long after the upgrade, an event's timestamp can show that it belongs to the
    /// replay, in any status. Default 120 s.
    pub replay_window: Duration,
    /// Limit for name lookup, TCP, TLS and upgrade together. Default 10 s.
    pub connect: Duration,
    /// Limit for each HTTP exchange: login, refresh. Default 10 s.
    pub http: Duration,
    /// Limit for a call up to the first byte of its answer, including connecting. Default 10 s.
    pub call_first_byte: Duration,
    /// Limit for a whole call, including waits and repeats. Default 60 s.
    pub call: Duration,
    /// If a busy controller refuses a read or an absolute command, the waits before each repeat.
    /// Empty means no repeats. Default 0.25, 1, 2 s.
    pub call_repeats: Vec<Duration>,
    /// How long an attempt waits for the names before it subscribes without them
    /// ([`ReadNames::BeforeSubscribing`]). Default 10 s.
    pub names_before: Duration,
    /// After an event that does not describe a change in full, the names are read again after this
    /// much time without another such event. Default 2 s.
    pub names_quiet: Duration,
    /// The shortest time between the starts of two readings of the names. A failed reading is
    /// repeated after this time, which then doubles up to 10 min. Default 30 s.
    pub names_spacing: Duration,
    /// The time between two self-audits. Default 15 min.
    pub audit_every: Duration,
    /// Values that differ in a self-audit are read again after this time. Default 5 s.
    pub audit_again: Duration,
    /// The shortest time between two reconnects by a self-audit. Default 6 h.
    pub audit_reconnect: Duration,
    /// How long a connection is kept idle for the next call, if the answer allows it. Zero closes
    /// it at once. Default 4 s, because controllers close idle connections after 5 s (inferred).
    pub keep_alive: Duration,
    /// On [`SubscribePath::Api`], a controller that stays silent for this long after the token was
    /// sent has not accepted it. Default 10 s.
    pub token_accepted: Duration,
    /// Limit for an orderly stop: close handshake and logout, in parallel. Default 1.5 s.
    pub stop: Duration,
    /// The heartbeat interval to assume if the announced one is missing or invalid. Default 75 s.
    pub stall_default: Duration,
    /// The longest heartbeat interval that is honoured. Default 120 s.
    pub stall_max: Duration,
    /// Grace period after the heartbeat interval. Default 2 s.
    pub stall_grace: Duration,
    /// A ping is sent after this much silence. Default 35 s.
    pub ping_after: Duration,
    /// If this controller has ever answered a ping, it is a stall if no frame of any kind arrives
    /// within this time after a ping. Default 10 s.
    pub pong_within: Duration,
    /// The backoff starts over after a live heartbeat, or once the status has been `connected` for
    /// this long. Default 30 s.
    pub proven_after: Duration,
    /// The waits between attempts; the last one repeats. Default 1, 2, 5, 10, 30, 60 s.
    pub backoff: Vec<Duration>,
    /// Lengthens each wait by a random fraction of it, up to this factor, so that a fleet does not
    /// reconnect all at once. From 0 (the default) to 1.
    pub jitter: f64,
    /// The longest `Retry-After` that is honoured. Default 5 min.
    pub retry_after_max: Duration,
    /// A wait that ends this much later than its deadline does not count as silence: the process
    /// was stopped or starved and could not read. Default 0.5 s.
    pub overrun: Duration,
    /// If the wall clock advances more than this beyond the monotonic clock, the computer was
    /// asleep. Default 2 s.
    pub sleep_noticed: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            drain_quiet: seconds(1),
            drain_quiet_after_mark: Duration::from_millis(250),
            drain_quiet_unmarked: seconds(5),
            drain_cap: seconds(60),
            drain_cap_past: seconds(10),
            drain_past_quiet: seconds(5),
            replay_window: seconds(120),
            connect: seconds(10),
            http: seconds(10),
            call_first_byte: seconds(10),
            call: seconds(60),
            call_repeats: [250, 1000, 2000].map(Duration::from_millis).to_vec(),
            audit_every: seconds(15 * 60),
            audit_again: seconds(5),
            audit_reconnect: seconds(6 * 60 * 60),
            names_before: seconds(10),
            names_quiet: seconds(2),
            names_spacing: seconds(30),
            keep_alive: seconds(4),
            token_accepted: seconds(10),
            stop: Duration::from_millis(1500),
            stall_default: seconds(75),
            stall_max: seconds(120),
            stall_grace: seconds(2),
            ping_after: seconds(35),
            pong_within: seconds(10),
            proven_after: seconds(30),
            backoff: [1, 2, 5, 10, 30, 60].map(seconds).to_vec(),
            jitter: 0.0,
            retry_after_max: seconds(300),
            overrun: Duration::from_millis(500),
            sleep_noticed: seconds(2),
        }
    }
}

/// The longest duration allowed in a configuration: a day.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a configuration cannot be used.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The address is invalid.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No account was given.
    #[error("no account: give the controller's user name and password")]
    NoAccount,
    /// The path accepts only tokens, and the account is a local one.
    #[error(
        "/api/events/subscribe takes portal accounts only: use /rest/subscribe with a local account"
    )]
    PathNeedsTokens,
    /// An ISY-994 has only local accounts.
    #[error(
        "an ISY-994 supports only local accounts and /rest/subscribe: use its own user name and password"
    )]
    ProfileNeedsLocal,
    /// The user name has a colon or a control character, which Basic authentication cannot carry.
    #[error(
        "the user name contains a colon or a control character, which HTTP Basic authentication cannot carry"
    )]
    Username,
    /// A timing is zero where that is not allowed, or longer than a day.
    #[error("the timing {name} must be more than zero and at most a day")]
    Timing {
        /// The field's name.
        name: &'static str,
    },
    /// The backoff schedule is empty.
    #[error("the backoff schedule is empty: give at least one wait")]
    EmptyBackoff,
    /// The jitter is not between 0 and 1.
    #[error("the jitter must be a number from 0 to 1")]
    Jitter,
    /// The message limit is out of range.
    #[error("the message limit must be from 1 KiB to 1 GiB")]
    MessageLimit,
}

crate::debug_is_display! { ConfigError }

impl Config {
    /// Creates settings for the controller at this address, given as an [`Address`] or a string.
    /// [`StreamMachine::new`](crate::StreamMachine::new) refuses an invalid text.
    pub fn new<A>(address: A) -> Self
    where
        A: TryInto<Address>,
        AddressError: From<A::Error>,
    {
        Self {
            address: address.try_into().map_err(AddressError::from),
            account: None,
            path: SubscribePath::default(),
            profile: Profile::default(),
            timing: Timing::default(),
            max_message_bytes: 1024 * 1024,
            max_calls: 256,
            keep_trying: false,
            read_names: ReadNames::Never,
            self_audit: false,
            seed: 0,
        }
    }

    /// The same settings for the controller at another address.
    pub fn address<A>(mut self, address: A) -> Self
    where
        A: TryInto<Address>,
        AddressError: From<A::Error>,
    {
        self.address = address.try_into().map_err(AddressError::from);
        self
    }

    /// The controller's own account (HTTP Basic).
    pub fn local_account(self, username: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.account(Account::local(username, password))
    }

    /// A portal account: the stream logs in, keeps its tokens fresh, and logs out on stop.
    pub fn portal_account(self, username: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.account(Account::portal(username, password))
    }

    /// Tokens that the caller manages: the stream asks for one when it needs one
    /// ([`Action::ProvideToken`](crate::Action::ProvideToken)).
    pub fn own_tokens(self) -> Self {
        self.account(Account::OwnTokens)
    }

    /// The account, of any kind. Replaces an account set before.
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// Where to subscribe. Default [`SubscribePath::Rest`].
    pub fn path(mut self, path: SubscribePath) -> Self {
        self.path = path;
        self
    }

    /// Which headers the upgrade carries. Default [`Profile::Iox`].
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The timings. Default [`Timing::default`].
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// The longest message accepted, in bytes; a longer one ends the connection. Default 1 MiB.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// How many calls may be pending at a time, waiting or running; further ones are refused.
    /// Default 256.
    pub fn max_calls(mut self, calls: usize) -> Self {
        self.max_calls = calls;
        self
    }

    /// The limit set by [`max_calls`](Self::max_calls).
    #[must_use]
    pub fn call_limit(&self) -> usize {
        self.max_calls
    }

    /// Whether to retry after refused credentials (401, 403) or a refused TLS identity, with the
    /// longest wait of the backoff. Default no: such a failure is final. A controller may lock an
    /// account after too many attempts.
    pub fn keep_trying(mut self, keep_trying: bool) -> Self {
        self.keep_trying = keep_trying;
        self
    }

    /// Whether and when the stream reads the controller's names by itself. It delivers them as
    /// [`Notification::Names`](crate::Notification::Names). Default [`ReadNames::Never`].
    pub fn read_names(mut self, when: ReadNames) -> Self {
        self.read_names = when;
        self
    }

    /// Whether the stream regularly compares the state from its events with what the controller
    /// reports ([`Notification::Drift`](crate::Notification::Drift)), and reconnects if the
    /// subscription is dead. This requires a second copy of the state. Default no.
    pub fn self_audit(mut self, audits: bool) -> Self {
        self.self_audit = audits;
        self
    }

    /// The seed for jitter and the WebSocket key. Give each stream a different one. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks that an account is valid with this path and profile.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is not.
    pub fn check_account(&self, account: &Account) -> Result<(), ConfigError> {
        match account {
            Account::Local { username, .. }
                if username.contains(':') || username.chars().any(char::is_control) =>
            {
                Err(ConfigError::Username)
            }
            Account::Local { .. } if self.path == SubscribePath::Api => {
                Err(ConfigError::PathNeedsTokens)
            }
            Account::Portal { .. } | Account::OwnTokens if self.profile == Profile::Isy994 => {
                Err(ConfigError::ProfileNeedsLocal)
            }
            _ => Ok(()),
        }
    }

    /// Checks every setting; returns the address and the account.
    pub(crate) fn checked(&self) -> Result<(Address, Account), ConfigError> {
        let address = self.address.clone()?;
        let account = self.account.clone().ok_or(ConfigError::NoAccount)?;
        self.check_account(&account)?;
        check_timing(&self.timing)?;
        if !(1024..=1024 * 1024 * 1024).contains(&self.max_message_bytes) {
            return Err(ConfigError::MessageLimit);
        }
        Ok((address, account))
    }
}

fn check_timing(timing: &Timing) -> Result<(), ConfigError> {
    let named = [
        ("drain_quiet", timing.drain_quiet),
        ("drain_quiet_after_mark", timing.drain_quiet_after_mark),
        ("drain_quiet_unmarked", timing.drain_quiet_unmarked),
        ("drain_cap", timing.drain_cap),
        ("drain_cap_past", timing.drain_cap_past),
        ("drain_past_quiet", timing.drain_past_quiet),
        ("replay_window", timing.replay_window),
        ("connect", timing.connect),
        ("http", timing.http),
        ("call_first_byte", timing.call_first_byte),
        ("call", timing.call),
        ("audit_every", timing.audit_every),
        ("audit_again", timing.audit_again),
        ("audit_reconnect", timing.audit_reconnect),
        ("names_before", timing.names_before),
        ("names_quiet", timing.names_quiet),
        ("names_spacing", timing.names_spacing),
        ("token_accepted", timing.token_accepted),
        ("stop", timing.stop),
        ("stall_default", timing.stall_default),
        ("stall_max", timing.stall_max),
        ("stall_grace", timing.stall_grace),
        ("ping_after", timing.ping_after),
        ("pong_within", timing.pong_within),
        ("proven_after", timing.proven_after),
        ("retry_after_max", timing.retry_after_max),
        ("overrun", timing.overrun),
        ("sleep_noticed", timing.sleep_noticed),
    ];
    let waits = timing.backoff.iter().map(|wait| ("backoff", *wait));
    let repeats = timing.call_repeats.iter();
    let repeats = repeats.map(|wait| ("call_repeats", *wait));
    for (name, value) in named.into_iter().chain(waits).chain(repeats) {
        if value.is_zero() || value > MAX_DURATION {
            return Err(ConfigError::Timing { name });
        }
    }
    if timing.keep_alive > MAX_DURATION {
        return Err(ConfigError::Timing { name: "keep_alive" });
    }
    if timing.backoff.is_empty() {
        return Err(ConfigError::EmptyBackoff);
    }
    if !(0.0..=1.0).contains(&timing.jitter) {
        return Err(ConfigError::Jitter);
    }
    Ok(())
}
