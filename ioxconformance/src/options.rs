//! What a builder is to be set to, for a driver not yet known.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use ioxdriver::{Builder, Launch, Overflow, Socket, Tapped, Trust};
use ioxproto::{Account, Secret, SubscribePath, Timing};

use crate::{Witness, quick};

type Boxed<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;
type Resolve = Arc<dyn Fn(String, u16) -> Boxed<Vec<SocketAddr>> + Send + Sync>;
type See = Arc<dyn Fn(Tapped<'_>) + Send + Sync>;
type Connect = Arc<dyn Fn() -> io::Result<Socket> + Send + Sync>;

/// What a builder is to be set to. The methods are the builder's.
#[derive(Clone)]
#[must_use]
pub struct Options {
    url: String,
    account: Account,
    trust: Trust,
    timing: Timing,
    path: SubscribePath,
    queue: usize,
    overflow: Overflow,
    max_message_bytes: usize,
    keep_trying: bool,
    resolver: Option<Resolve>,
    connector: Option<Connect>,
    tap: Option<See>,
}

#[expect(missing_docs, reason = "the builder says what each is")]
impl Options {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            account: Account::local("admin", "admin"),
            trust: Trust::default(),
            timing: quick(),
            path: SubscribePath::default(),
            queue: 1024,
            overflow: Overflow::default(),
            max_message_bytes: 1024 * 1024,
            keep_trying: false,
            resolver: None,
            connector: None,
            tap: None,
        }
    }

    pub fn local_account(mut self, username: &str, password: &str) -> Self {
        self.account = Account::local(username, password);
        self
    }

    pub fn portal_account(mut self, username: &str, password: impl Into<Secret>) -> Self {
        self.account = Account::portal(username, password);
        self
    }

    pub fn own_tokens(mut self) -> Self {
        self.account = Account::OwnTokens;
        self
    }

    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    pub fn path(mut self, path: SubscribePath) -> Self {
        self.path = path;
        self
    }

    pub fn queue(mut self, capacity: usize) -> Self {
        self.queue = capacity;
        self
    }

    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    pub fn keep_trying(mut self, keep_trying: bool) -> Self {
        self.keep_trying = keep_trying;
        self
    }

    pub fn resolver<F>(
        mut self,
        resolver: impl Fn(String, u16) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.resolver = Some(Arc::new(move |host, port| Box::pin(resolver(host, port))));
        self
    }

    pub fn connector(
        mut self,
        connector: impl Fn() -> io::Result<Socket> + Send + Sync + 'static,
    ) -> Self {
        self.connector = Some(Arc::new(connector));
        self
    }

    /// At another URL.
    pub fn at(mut self, url: &str) -> Self {
        self.url = url.to_owned();
        self
    }

    /// The stream keeps this for as long as it is there, in a tap.
    pub fn kept(self, witness: Witness) -> Self {
        self.tap(move |_| {
            let _ = &witness;
        })
    }

    pub fn tap(mut self, tap: impl Fn(Tapped<'_>) + Send + Sync + 'static) -> Self {
        self.tap = Some(Arc::new(tap));
        self
    }

    /// The builder of a driver, set to all that.
    pub fn builder<L: Launch>(self) -> Builder<L> {
        let mut builder = Builder::new(self.url)
            .trust(self.trust)
            .timing(self.timing)
            .path(self.path)
            .queue(self.queue)
            .overflow(self.overflow)
            .max_message_bytes(self.max_message_bytes)
            .keep_trying(self.keep_trying)
            .seed(1);
        builder = match self.account {
            Account::Local { username, password } => builder.local_account(username, password),
            Account::Portal { username, password } => builder.portal_account(username, password),
            _ => builder.own_tokens(),
        };
        if let Some(resolver) = self.resolver {
            builder = builder.resolver(move |host, port| resolver(host, port));
        }
        if let Some(tap) = self.tap {
            builder = builder.tap(move |message| tap(message));
        }
        if let Some(connector) = self.connector {
            builder = builder.connector(move |_| std::future::ready(connector()));
        }
        // What a careless program does.
        tracing::info!(?builder, "built");
        builder
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
