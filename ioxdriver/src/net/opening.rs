//! Opens a connection to an address: name lookup, TCP and TLS.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use ioxproto::{Address, Failure, Phase};
use rustls::ClientConfig;

use super::happy_eyeballs::HappyEyeballs;
use super::route::addresses;
use super::{Connector, Resolver, Socket, failure};
use crate::driver::{PollIo, Seam};
use crate::tls;

type Boxed<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// How to connect to the controller.
pub(crate) struct Route<S> {
    pub(crate) seam: S,
    /// `None` for a plain address.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) resolver: Option<Resolver>,
    pub(crate) connector: Option<Connector>,
}

/// A connection that is being opened.
pub(crate) struct Opening<S: Seam> {
    address: Address,
    stage: Stage<S>,
}

/// The current step of opening a connection.
enum Stage<S: Seam> {
    Resolving(Boxed<Vec<SocketAddr>>),
    Connecting(HappyEyeballs<S>),
    /// The caller's own connector is running.
    Calling(Boxed<Socket>),
    Securing(Box<tls::Session<S::Io>>),
    Over,
}

impl<S: Seam> Opening<S> {
    pub(crate) fn new(route: &Route<S>, address: Address) -> Self {
        let stage = match &route.connector {
            Some(connector) => Stage::Calling(connector.connect(&address)),
            None => {
                let (resolver, address) = (route.resolver.clone(), address.clone());
                Stage::Resolving(Box::pin(async move {
                    addresses(resolver.as_ref(), address.host(), address.port()).await
                }))
            }
        };
        Self { address, stage }
    }

    /// The phase that it has reached.
    pub(crate) fn phase(&self) -> Phase {
        match self.stage {
            Stage::Resolving(_) => Phase::Resolving,
            Stage::Connecting(_) | Stage::Calling(_) => Phase::Connecting,
            Stage::Securing(_) | Stage::Over => Phase::Securing,
        }
    }

    /// Advances the opening. Returns the connection once.
    pub(crate) fn poll(
        &mut self,
        route: &Route<S>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Connection<S::Io>, Failure>> {
        let peer = || self.address.authority();
        loop {
            let connected = match &mut self.stage {
                Stage::Resolving(lookup) => {
                    let found = ready!(lookup.as_mut().poll(context))
                        .map_err(|error| failure::lookup_failure(self.address.host(), &error))?;
                    self.stage = Stage::Connecting(HappyEyeballs::new(&route.seam, found));
                    continue;
                }
                Stage::Connecting(attempts) => ready!(attempts.poll(&route.seam, context)),
                Stage::Calling(connected) => ready!(connected.as_mut().poll(context))
                    .and_then(|socket| route.seam.adopt(socket)),
                Stage::Securing(session) => {
                    ready!(session.poll_handshake(context))
                        .map_err(|error| tls::handshake_failure(&error, &peer()))?;
                    let stage = std::mem::replace(&mut self.stage, Stage::Over);
                    let Stage::Securing(session) = stage else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(Connection::Tls(session)));
                }
                Stage::Over => return Poll::Pending,
            };
            self.stage = Stage::Over;
            let socket = connected.map_err(|error| failure::unconnected(&error, &peer()))?;
            let Some(config) = &route.tls else {
                return Poll::Ready(Ok(Connection::Plain(socket)));
            };
            let name = tls::server_name(self.address.host());
            let session = tls::Session::new(Arc::clone(config), name, socket)
                .map_err(|error| tls::handshake_failure(&error, &peer()))?;
            self.stage = Stage::Securing(Box::new(session));
        }
    }
}

/// A connection to a controller.
#[expect(clippy::exhaustive_enums, reason = "a connection is one of these")]
pub enum Connection<S> {
    /// Without TLS.
    Plain(S),
    /// With TLS.
    #[expect(private_interfaces, reason = "only an `Opening` creates it")]
    Tls(Box<tls::Session<S>>),
    /// The placeholder for a connection that was moved out.
    Closed,
}

impl<S: PollIo> Connection<S> {
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_read(context, buffer),
            Self::Tls(session) => session.poll_read(context, buffer),
            Self::Closed => Poll::Ready(Ok(0)),
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_write(context, bytes),
            Self::Tls(session) => session.poll_write(context, bytes),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_flush(context),
            Self::Tls(session) => session.poll_flush(context),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }

    /// Closes the connection, with a TLS close_notify if that can be sent without waiting.
    pub(crate) fn close(self) {
        if let Self::Tls(mut session) = self {
            session.close(&mut Context::from_waker(Waker::noop()));
        }
    }
}
