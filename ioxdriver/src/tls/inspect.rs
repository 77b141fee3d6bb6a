//! Reads a server's certificate before it is trusted.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ioxproto::{Address, Failure};
use thiserror::Error;

use super::{ServerCertificate, Trust, client_config};
use crate::BuildError;
use crate::driver::{Seam, Timer as _};
use crate::net::{Connection, Opening, Route};

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a certificate could not be read.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The address is a plain one.
    #[error("{place} is a plain http address: there is no certificate to look at")]
    Plain {
        /// The address.
        place: String,
    },
    /// It took too long.
    #[error("{place} did not show a certificate within {} s", .after.as_secs_f32())]
    TimedOut {
        /// Host and port.
        place: String,
        /// The limit that was exceeded.
        after: Duration,
    },
    /// The connection or the TLS handshake failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The driver lacks something that it needs to connect.
    #[error("{detail}")]
    Unavailable {
        /// What is missing.
        detail: String,
    },
    /// The server's certificate cannot be parsed.
    #[error("the certificate of {place} cannot be read")]
    Unreadable {
        /// Host and port.
        place: String,
    },
}

ioxproto::debug_is_display! { InspectError }

impl From<BuildError> for InspectError {
    fn from(error: BuildError) -> Self {
        let detail = error.to_string();
        Self::Unavailable { detail }
    }
}

/// Reads a server's certificate: connects as a stream does, completes the TLS handshake, which
/// proves that the server has the key, and closes the connection without sending HTTP.
pub struct Inspection<S: Seam> {
    route: Route<S>,
    opening: Opening<S>,
    timer: S::Timer,
    /// When the inspection times out.
    until: Instant,
    /// The time limit, for error messages.
    timeout: Duration,
    place: String,
}

impl<S: Seam> Inspection<S> {
    /// Starts the inspection; it takes at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`InspectError::Plain`] for an address without TLS.
    pub fn new(seam: S, address: &Address, timeout: Duration) -> Result<Self, InspectError> {
        if !address.has_tls() {
            let place = address.to_string();
            return Err(InspectError::Plain { place });
        }
        let now = Instant::now();
        let timer = seam.timer();
        let route = Route {
            seam,
            tls: Some(client_config(&Trust::Insecure)),
            resolver: None,
            connector: None,
        };
        Ok(Self {
            opening: Opening::new(&route, address.clone()),
            timer,
            // If the deadline is beyond the clock's range, a day is long enough.
            until: now.checked_add(timeout).unwrap_or(now + A_DAY),
            timeout,
            place: address.authority(),
            route,
        })
    }

    /// Advances the inspection. Returns the certificate once.
    pub fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<ServerCertificate, InspectError>> {
        let place = || self.place.clone();
        match self.opening.poll(&self.route, context) {
            Poll::Ready(Ok(Connection::Tls(mut session))) => {
                let shown = session
                    .certificate()
                    .and_then(|der| ServerCertificate::from_der(der));
                session.close(context);
                Poll::Ready(shown.ok_or_else(|| InspectError::Unreadable { place: place() }))
            }
            Poll::Ready(Ok(Connection::Plain(_) | Connection::Closed)) => {
                Poll::Ready(Err(InspectError::Plain { place: place() }))
            }
            Poll::Ready(Err(failure)) => Poll::Ready(Err(failure.into())),
            Poll::Pending if self.timer.poll(self.until, context).is_ready() => {
                Poll::Ready(Err(InspectError::TimedOut {
                    place: place(),
                    after: self.timeout,
                }))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
