//! How the client of a world is configured.

use ioxproto::{Config, Profile, ReadNames, StreamMachine, SubscribePath, Timing};

use crate::checker::{HOST, PASSWORD};
use crate::random::{generator, pick};

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) access: Access,
    /// Whether connections use TLS.
    pub(crate) secured: bool,
    pub(crate) profile: Profile,
    pub(crate) jitter: f64,
    pub(crate) max_message_bytes: usize,
    pub(crate) keep_trying: bool,
    pub(crate) read_names: ReadNames,
}

impl Settings {
    /// Returns the settings of a local account without TLS.
    pub(crate) fn plain() -> Self {
        Self {
            seed: 1,
            access: Access::Local,
            secured: false,
            profile: Profile::Iox,
            jitter: 0.0,
            max_message_bytes: 1024 * 1024,
            keep_trying: false,
            read_names: ReadNames::Never,
        }
    }

    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = generator(seed, "settings");
        let accesses = [
            Access::Local,
            Access::Local,
            Access::Portal,
            Access::Api,
            Access::OwnTokens,
            Access::OwnTokensApi,
        ];
        let access = *pick(&mut rng, &accesses);
        let read_names = [
            ReadNames::Never,
            ReadNames::AfterConnected,
            ReadNames::BeforeSubscribing,
        ];
        Self {
            seed,
            access,
            secured: rng.bool(),
            profile: if access == Access::Local && rng.bool() {
                Profile::Isy994
            } else {
                Profile::Iox
            },
            jitter: *pick(&mut rng, &[0.0, 0.0, 0.4]),
            max_message_bytes: 64 * 1024,
            keep_trying: rng.u8(..3) == 0,
            read_names: *pick(&mut rng, &read_names),
        }
    }

    pub(crate) fn reads_names(&self) -> bool {
        self.read_names != ReadNames::Never
    }

    pub(crate) fn timing(&self) -> Timing {
        let mut timing = Timing::default();
        timing.jitter = self.jitter;
        timing
    }

    /// Makes a core with these settings.
    pub(crate) fn core(&self) -> StreamMachine {
        let scheme = if self.secured { "https" } else { "http" };
        let config = Config::new(format!("{scheme}://{HOST}"))
            .profile(self.profile)
            .timing(self.timing())
            .max_message_bytes(self.max_message_bytes)
            .keep_trying(self.keep_trying)
            .read_names(self.read_names)
            .seed(self.seed);
        let config = match self.access {
            Access::Local => config.local_account("admin", PASSWORD),
            Access::Portal | Access::Api => config.portal_account("user@example.test", PASSWORD),
            Access::OwnTokens | Access::OwnTokensApi => config.own_tokens(),
        };
        let config = match self.access.is_api() {
            true => config.path(SubscribePath::Api),
            false => config,
        };
        let Ok(core) = StreamMachine::new(config) else {
            unreachable!("the configuration is valid")
        };
        core
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
