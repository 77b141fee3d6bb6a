//! Reads a server's certificate, on any runtime.

use std::future::poll_fn;
use std::time::Duration;

use ioxdriver::{InspectError, Inspection, ServerCertificate};
use ioxproto::Address;

use crate::Runtime;
use crate::seam::AsyncSeam;

/// Reads a server's certificate without trusting it. Connects as a stream does and completes the
/// TLS handshake, in which the server proves that it has the key. Sends no HTTP. Takes at most
/// `timeout`.
///
/// The certificate is not verified. Before trusting it, a person must compare its fingerprint with
/// the one that the controller itself shows, or know that nobody can intercept the connection.
///
/// # Errors
///
/// [`InspectError`] if there is no certificate, or none within `timeout`.
pub async fn inspect<R: Runtime>(
    address: &Address,
    timeout: Duration,
) -> Result<ServerCertificate, InspectError> {
    let mut inspection = Inspection::new(AsyncSeam(R::current()?), address, timeout)?;
    poll_fn(|context| inspection.poll(context)).await
}
