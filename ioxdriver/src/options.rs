//! The options of a stream, the same for every driver.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ioxproto::{
    Account, Address, AddressError, Config, ConfigError, Message, Notification, Profile, ReadNames,
    Secret, SubscribePath, Timing,
};
use thiserror::Error;

use crate::net::{Connector, Resolver};
use crate::{Fingerprint, FingerprintError, Overflow, Socket, Trust};

/// The options of a stream. They are checked once, when a stream is started with them.
///
/// An account is required, for example [`local_account`](Self::local_account); everything else has
/// a default. Streams that are started from clones share the [`tap`](Self::tap).
///
/// `S` is the stream that [`start`](Self::start) starts. Without it, the options work with every
/// driver:
///
/// ```
/// use ioxdriver::Options;
///
/// # let fingerprint = ["sha256:", &"0a".repeat(32)].concat();
/// let options = Options::new("https://eisy.local:8443")
///     .local_account("admin", "hunter2")
///     .pin(fingerprint); // "sha256:…"
/// // let stream = EventStream::start(options)?;
/// ```
#[must_use]
pub struct Options<S = ()> {
    config: Config,
    seed: Option<u64>,
    pub(crate) trust: Trust,
    /// The error of a pin that is not a fingerprint.
    bad_pin: Option<FingerprintError>,
    pub(crate) queue: usize,
    pub(crate) overflow: Overflow,
    pub(crate) tap: Option<Tap>,
    pub(crate) resolver: Option<Resolver>,
    pub(crate) connector: Option<Connector>,
    stream: PhantomData<fn() -> S>,
}

/// A stream that [`Options`] can start.
pub trait Start: Sized {
    /// A handle on the stream.
    type Handle;

    /// Starts a stream; see [`Options::start`].
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first option that cannot be used, or what is missing.
    fn start(options: Options) -> Result<Self, BuildError>;

    /// Starts a stream that passes its notifications to a listener; see [`Options::start_with`].
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first option that cannot be used, or what is missing.
    fn start_with(
        options: Options,
        listener: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<Self::Handle, BuildError>;
}

/// A function that receives the notifications, on the task or thread of the driver.
pub struct Listener(Box<dyn FnMut(&Notification) + Send>);

impl Listener {
    /// Wraps a function.
    pub fn new(listener: impl FnMut(&Notification) + Send + 'static) -> Self {
        Self(Box::new(listener))
    }

    pub(crate) fn call(&mut self, notification: &Notification) {
        (self.0)(notification);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// A function that receives every message as it arrives.
#[derive(Clone)]
pub(crate) struct Tap(Arc<Mutex<See>>);

type See = dyn FnMut(Tapped<'_>) + Send;

/// A message as it arrived.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Tapped<'a> {
    /// The bytes of a text message, which may not be valid UTF-8.
    Text(&'a [u8]),
    /// A binary message.
    Binary(&'a [u8]),
}

impl<'a> From<Tapped<'a>> for Message<'a> {
    fn from(tapped: Tapped<'a>) -> Self {
        match tapped {
            Tapped::Text(bytes) => Self::Text(bytes),
            Tapped::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl Tap {
    pub(crate) fn call(&self, message: Tapped<'_>) {
        // If the tap panics, its stream ends, but other streams may share the tap.
        let mut tap = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tap(message);
    }
}

/// Why a stream cannot be started.
#[derive(Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL cannot be that of a controller.
    #[error(transparent)]
    Address(AddressError),
    /// An option cannot be used.
    #[error(transparent)]
    Config(ConfigError),
    /// A [`pin`](Options::pin) is not a fingerprint.
    #[error(transparent)]
    Pin(FingerprintError),
    /// The driver's runtime is not running.
    #[error("no {0} runtime here: start the stream from within one")]
    NoRuntime(&'static str),
    /// The operating system denies a resource that the driver needs.
    #[error("the operating system cannot wait for sockets ({0}): are too many files open?")]
    System(#[source] io::Error),
}

ioxproto::debug_is_display! { BuildError }

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Address(error) => Self::Address(error),
            error => Self::Config(error),
        }
    }
}

impl Options {
    /// Creates options for the controller at this URL: `https` or `http`, with a port and a path
    /// prefix if needed.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            config: Config::new(url.into()).read_names(ReadNames::AfterConnected),
            seed: None,
            trust: Trust::default(),
            bad_pin: None,
            queue: 1024,
            overflow: Overflow::default(),
            tap: None,
            resolver: None,
            connector: None,
            stream: PhantomData,
        }
    }
}

impl<S> Options<S> {
    /// Replaces the URL of the controller.
    pub fn url(self, url: impl Into<String>) -> Self {
        let url = url.into();
        self.configure(|config| config.address(url))
    }

    /// Uses an account of the controller itself (HTTP Basic).
    pub fn local_account(self, username: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.account(Account::local(username, password))
    }

    /// Uses a portal account: the stream logs in, refreshes its tokens, and logs out on stop.
    pub fn portal_account(self, username: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.account(Account::portal(username, password))
    }

    /// Uses tokens of the caller. The stream asks for one with [`Notification::TokenWanted`]; the
    /// caller answers with [`Handle::provide_token`](crate::Handle::provide_token).
    pub fn own_tokens(self) -> Self {
        self.account(Account::OwnTokens)
    }

    /// Uses an account of any kind. The last account set is used.
    pub fn account(self, account: Account) -> Self {
        self.configure(|config| config.account(account))
    }

    /// Where to subscribe. Default [`SubscribePath::Rest`].
    pub fn path(self, path: SubscribePath) -> Self {
        self.configure(|config| config.path(path))
    }

    /// The headers that the controller requires. Default [`Profile::Iox`].
    pub fn profile(self, profile: Profile) -> Self {
        self.configure(|config| config.profile(profile))
    }

    /// The timings. Default [`Timing::default`].
    pub fn timing(self, timing: Timing) -> Self {
        self.configure(|config| config.timing(timing))
    }

    /// The maximum size of a message, in bytes; a larger one ends the connection. Default 1 MiB.
    pub fn max_message_bytes(self, bytes: usize) -> Self {
        self.configure(|config| config.max_message_bytes(bytes))
    }

    /// The maximum number of pending calls; further ones are refused. Default 256.
    pub fn max_calls(self, calls: usize) -> Self {
        self.configure(|config| config.max_calls(calls))
    }

    /// Whether and when the stream reads the names of the house. It delivers them as
    /// [`Notification::Names`]. Default [`ReadNames::AfterConnected`].
    ///
    /// ```
    /// use ioxproto::ReadNames;
    /// # let options: ioxdriver::Options = ioxdriver::Options::new("http://eisy");
    /// options.read_names(ReadNames::BeforeSubscribing)
    /// # ;
    /// ```
    pub fn read_names(self, when: ReadNames) -> Self {
        self.configure(|config| config.read_names(when))
    }

    /// Whether the stream regularly compares the state from its events with the state that the
    /// controller reports. It corrects differences ([`Notification::Drift`]), and reconnects if the
    /// subscription is dead although it sends heartbeats. Default `false`.
    pub fn self_audit(self, audits: bool) -> Self {
        self.configure(|config| config.self_audit(audits))
    }

    /// Whether refused credentials and certificates are retried, with the longest wait of the
    /// backoff, instead of ending the stream. Default `false`. A controller may lock an account
    /// after too many attempts.
    pub fn keep_trying(self, keep_trying: bool) -> Self {
        self.configure(|config| config.keep_trying(keep_trying))
    }

    /// The seed for jitter and WebSocket keys. Default: a random seed for each stream.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How the controller's certificate is verified. Default [`Trust::System`].
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Trusts only the certificate with this SHA-256 fingerprint, written as `sha256:` and 64
    /// hexadecimal digits. With several pins, any of them is trusted. A pin replaces another kind
    /// of [`trust`](Self::trust). If the text is not a fingerprint, [`start`](Self::start) fails.
    pub fn pin<F>(mut self, fingerprint: F) -> Self
    where
        F: TryInto<Fingerprint>,
        FingerprintError: From<F::Error>,
    {
        match fingerprint.try_into() {
            Ok(fingerprint) => match &mut self.trust {
                Trust::Pins(pins) => pins.push(fingerprint),
                other => *other = Trust::Pins(vec![fingerprint]),
            },
            Err(error) => self.bad_pin = Some(error.into()),
        }
        self
    }

    /// How many notifications the queue to the consumer holds. Default 1024, at least 1.
    pub fn queue(mut self, capacity: usize) -> Self {
        self.queue = capacity;
        self
    }

    /// What happens when the queue is full. Default [`Overflow::Wait`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Passes every message to this function as it arrives, for example to make a recording. The
    /// function runs on the task or thread of the driver. Messages that the stream sends are not
    /// passed, because they may contain tokens.
    pub fn tap(mut self, tap: impl FnMut(Tapped<'_>) + Send + 'static) -> Self {
        self.tap = Some(Tap(Arc::new(Mutex::new(tap))));
        self
    }

    /// Replaces the system's name lookup. The function receives the host and the port. Its
    /// addresses are tried in their order, with alternating address families. The future may be
    /// dropped if it takes too long.
    ///
    /// ```
    /// # let options: ioxdriver::Options = ioxdriver::Options::new("http://eisy");
    /// options.resolver(|_host, port| async move { Ok(vec![([192, 168, 1, 20], port).into()]) })
    /// # ;
    /// ```
    pub fn resolver<F>(
        mut self,
        resolver: impl Fn(String, u16) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.resolver = Some(Resolver::new(resolver));
        self
    }

    /// Replaces the driver's TCP connections, for example with a tunnel or a Unix socket. The host
    /// is then not looked up. For an `https` URL, TLS runs on top of the returned socket, with the
    /// URL's host as the server name. The function is called for each connection, and the future
    /// may be dropped if it takes too long.
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # fn with(options: ioxdriver::Options) -> ioxdriver::Options {
    /// use std::os::unix::net::UnixStream;
    ///
    /// options.connector(|_address| async { Ok(UnixStream::connect("/run/isy-tunnel")?.into()) })
    /// # }
    /// ```
    pub fn connector<F>(mut self, connector: impl Fn(Address) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Socket>> + Send + 'static,
    {
        self.connector = Some(Connector::new(connector));
        self
    }

    /// Checks the options as [`start`](Self::start) does, without starting a stream.
    ///
    /// ```
    /// use ioxdriver::Options;
    ///
    /// let options = Options::new("https://eisy.local:8443");
    /// assert!(options.clone().local_account("admin", "hunter2").check().is_ok());
    /// assert!(options.check().is_err(), "there is no account");
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first option that cannot be used, or what is missing.
    pub fn check(&self) -> Result<(), BuildError> {
        self.machine().map(drop)
    }

    /// Creates the core's machine with these options, for tests of drivers that use only the core.
    #[doc(hidden)]
    pub fn machine(&self) -> Result<ioxproto::StreamMachine, BuildError> {
        Ok(ioxproto::StreamMachine::new(self.config()?)?)
    }

    /// The configuration of the core, with a seed.
    pub(crate) fn config(&self) -> Result<Config, BuildError> {
        if let Some(error) = self.bad_pin {
            return Err(BuildError::Pin(error));
        }
        let seed = self
            .seed
            .unwrap_or_else(|| RandomState::new().build_hasher().finish());
        Ok(self.config.clone().seed(seed))
    }

    /// Converts the options for another kind of stream, or for every driver (`Options<()>`).
    pub fn retarget<T>(self) -> Options<T> {
        Options {
            config: self.config,
            seed: self.seed,
            trust: self.trust,
            bad_pin: self.bad_pin,
            queue: self.queue,
            overflow: self.overflow,
            tap: self.tap,
            resolver: self.resolver,
            connector: self.connector,
            stream: PhantomData,
        }
    }

    fn configure(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.config = change(self.config);
        self
    }
}

impl<S: Start> Options<S> {
    /// Checks the options and starts a stream.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first option that cannot be used, or what is missing.
    pub fn start(self) -> Result<S, BuildError> {
        S::start(self.retarget())
    }

    /// Checks the options and starts a stream in the background, which calls this function with
    /// every notification, in order. There is no queue: the function runs on the task or thread of
    /// the driver, which does not read meanwhile. So the function must be quick, and must not wait
    /// for the stream. A dispatcher with listeners is one such function. If it panics, the stream
    /// ends.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first option that cannot be used, or what is missing.
    pub fn start_with(
        self,
        listener: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<S::Handle, BuildError> {
        S::start_with(self.retarget(), listener)
    }
}

impl<S> Clone for Options<S> {
    fn clone(&self) -> Self {
        Self {
            config: self.config.clone(),
            seed: self.seed,
            trust: self.trust.clone(),
            bad_pin: self.bad_pin,
            queue: self.queue,
            overflow: self.overflow,
            tap: self.tap.clone(),
            resolver: self.resolver.clone(),
            connector: self.connector.clone(),
            stream: PhantomData,
        }
    }
}

impl<S> fmt::Debug for Options<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("config", &self.config)
            .field("trust", &self.trust)
            .field("queue", &self.queue)
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "../tests/unit/pins.rs"]
mod tests;
