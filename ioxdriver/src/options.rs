//! The builder that all drivers share.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;

use ioxproto::{
    Address, AddressError, Config, ConfigBuilder, ConfigError, Notification, Profile, Secret,
    SubscribePath, Timing,
};
use thiserror::Error;

use crate::{Connector, Overflow, Resolver, Socket, Trust};

/// Collects what a stream needs, then starts it on the driver `L`.
///
/// An account is required ([`local_account`](Self::local_account), say); everything else has a default.
#[must_use]
pub struct Builder<L> {
    url: String,
    configure: Vec<Box<dyn FnOnce(ConfigBuilder) -> ConfigBuilder + Send>>,
    trust: Trust,
    queue: usize,
    overflow: Overflow,
    tap: Option<Tap>,
    resolver: Option<Resolver>,
    connector: Option<Connector>,
    launch: PhantomData<fn() -> L>,
}

/// How a driver starts a stream; what [`Builder::start`] calls.
pub trait Launch {
    /// The running stream.
    type Stream;

    /// Starts.
    ///
    /// # Errors
    ///
    /// Where the driver's runtime is missing.
    fn launch(prepared: Prepared) -> Result<Self::Stream, BuildError>;
}

/// A driver that can call back in place of delivering; what [`Builder::start_with`] calls.
pub trait LaunchWith: Launch {
    /// The driver's handle.
    type Handle;

    /// Starts in the background.
    ///
    /// # Errors
    ///
    /// Where the driver's runtime is missing.
    fn launch_with(prepared: Prepared, listener: Listener) -> Result<Self::Handle, BuildError>;
}

/// Is told what happens, where the driver runs.
pub struct Listener(Box<dyn FnMut(&Notification) + Send>);

impl Listener {
    /// Tells it.
    pub fn tell(&mut self, notification: &Notification) {
        (self.0)(notification);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// What a builder has collected, checked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// For the core.
    pub config: Config,
    /// How certificates are judged.
    pub trust: Trust,
    /// The capacity of the delivery queue.
    pub queue: usize,
    /// What a full queue does.
    pub overflow: Overflow,
    /// Who sees each message as it comes.
    pub tap: Option<Tap>,
    /// Who looks up names in the system's place.
    pub resolver: Option<Resolver>,
    /// Who connects in the driver's place.
    pub connector: Option<Connector>,
}

/// Sees every message as it comes, before it is read: for recordings. Runs on the driver, so it must be quick.
pub struct Tap(Box<dyn FnMut(Tapped<'_>) + Send>);

/// A message as it came.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Tapped<'a> {
    /// A text message's bytes, UTF-8 or not.
    Text(&'a [u8]),
    /// A binary message.
    Binary(&'a [u8]),
}

impl Tap {
    /// Shows it a message.
    pub fn see(&mut self, message: Tapped<'_>) {
        (self.0)(message);
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

/// Why a stream cannot be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL is not that of a controller.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The driver's runtime is not there.
    #[error("no {0} runtime here: start the stream from within one")]
    NoRuntime(&'static str),
    /// The operating system does not give what the driver needs.
    #[error(
        "the operating system does not let a stream wait on sockets ({0}): are too many files open?"
    )]
    System(#[source] io::Error),
}

impl<L: Launch> Builder<L> {
    /// For the controller at this URL: `https` or `http`, port and path prefix as needed.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            configure: Vec::new(),
            trust: Trust::default(),
            queue: 1024,
            overflow: Overflow::default(),
            tap: None,
            resolver: None,
            connector: None,
            launch: PhantomData,
        }
    }

    /// The controller's own account (HTTP Basic).
    pub fn local_account(self, username: impl Into<String>, password: impl Into<Secret>) -> Self {
        let (username, password) = (username.into(), password.into());
        self.configure(|config| config.local_account(username, password))
    }

    /// A portal account: the stream logs in, keeps its tokens fresh, and logs out on stop.
    pub fn portal_account(self, username: impl Into<String>, password: impl Into<Secret>) -> Self {
        let (username, password) = (username.into(), password.into());
        self.configure(|config| config.portal_account(username, password))
    }

    /// Tokens of your own: the stream asks by
    /// [`Notification::TokenWanted`], you answer with
    /// [`Handle::provide_token`](crate::Handle::provide_token).
    pub fn own_tokens(self) -> Self {
        self.configure(ConfigBuilder::own_tokens)
    }

    /// Where to subscribe. Default [`SubscribePath::Rest`].
    pub fn path(self, path: SubscribePath) -> Self {
        self.configure(move |config| config.path(path))
    }

    /// Which headers the controller wants. Default [`Profile::Iox`].
    pub fn profile(self, profile: Profile) -> Self {
        self.configure(move |config| config.profile(profile))
    }

    /// The timings. Default [`Timing::default`].
    pub fn timing(self, timing: Timing) -> Self {
        self.configure(|config| config.timing(timing))
    }

    /// The longest message taken, in bytes. Default 1 MiB.
    pub fn max_message_bytes(self, bytes: usize) -> Self {
        self.configure(move |config| config.max_message_bytes(bytes))
    }

    /// Whether refused credentials and certificates are tried again, at the longest wait. Default no.
    pub fn keep_trying(self, keep_trying: bool) -> Self {
        self.configure(move |config| config.keep_trying(keep_trying))
    }

    /// Where jitter and keys come from. Default: drawn anew for each stream.
    pub fn seed(self, seed: u64) -> Self {
        self.configure(move |config| config.seed(seed))
    }

    /// How the controller's certificate is judged. Default [`Trust::System`].
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// How many notifications may wait for the consumer. Default 1024, at least 1.
    pub fn queue(mut self, capacity: usize) -> Self {
        self.queue = capacity;
        self
    }

    /// What becomes of notifications that do not fit. Default [`Overflow::Wait`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Shows every message as it comes to this function, on the driver: for recordings. Messages that are sent,
    /// which may hold tokens, are not shown.
    pub fn tap(mut self, tap: impl FnMut(Tapped<'_>) + Send + 'static) -> Self {
        self.tap = Some(Tap(Box::new(tap)));
        self
    }

    /// Looks up names in the system's place. It is given the host and the port, and its addresses are tried in their
    /// order, both families in turn. The future may be dropped when it takes too long.
    ///
    /// ```
    /// # fn with<L: ioxdriver::Launch>(builder: ioxdriver::Builder<L>) -> ioxdriver::Builder<L> {
    /// builder.resolver(|_host, port| async move { Ok(vec![([192, 168, 1, 20], port).into()]) })
    /// # }
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

    /// Connects in the driver's place: through a tunnel, say, or over a Unix socket. Neither name nor address is looked
    /// up then. TLS, if the URL says so, runs on top of what it gives, with the URL's host as the name. It is called for
    /// each connection, and the future may be dropped when it takes too long.
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # fn with<L: ioxdriver::Launch>(builder: ioxdriver::Builder<L>) -> ioxdriver::Builder<L> {
    /// use std::os::unix::net::UnixStream;
    ///
    /// builder.connector(|_address| async { Ok(UnixStream::connect("/run/isy-tunnel")?.into()) })
    /// # }
    /// ```
    pub fn connector<F>(mut self, connector: impl Fn(Address) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Socket>> + Send + 'static,
    {
        self.connector = Some(Connector::new(connector));
        self
    }

    /// Checks everything and starts.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first setting that cannot be used, or the runtime that is missing.
    pub fn start(self) -> Result<L::Stream, BuildError> {
        L::launch(self.prepare()?)
    }

    /// Checks everything and starts in the background, to call this function with all that happens, in order. There is
    /// no queue: the function runs where the driver does, and while it runs nothing is read, so it must be quick, and
    /// must not wait for the stream. A dispatcher with listeners is one such function. If it panics, the stream ends.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first setting that cannot be used, or the runtime that is missing.
    pub fn start_with(
        self,
        listener: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<L::Handle, BuildError>
    where
        L: LaunchWith,
    {
        L::launch_with(self.prepare()?, Listener(Box::new(listener)))
    }

    fn prepare(self) -> Result<Prepared, BuildError> {
        let address: Address = self.url.parse()?;
        let seed = RandomState::new().build_hasher().finish();
        let config = Config::builder(address).seed(seed);
        let config = self
            .configure
            .into_iter()
            .fold(config, |config, change| change(config))
            .build()?;
        Ok(Prepared {
            config,
            trust: self.trust,
            queue: self.queue,
            overflow: self.overflow,
            tap: self.tap,
            resolver: self.resolver,
            connector: self.connector,
        })
    }

    fn configure(
        mut self,
        change: impl FnOnce(ConfigBuilder) -> ConfigBuilder + Send + 'static,
    ) -> Self {
        self.configure.push(Box::new(change));
        self
    }
}

impl<L> fmt::Debug for Builder<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("address", &self.url.parse::<Address>())
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}
