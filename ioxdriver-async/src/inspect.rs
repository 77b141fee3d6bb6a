//! A look at a server's certificate, on a runtime.

use std::future::poll_fn;
use std::time::Duration;

use ioxdriver::{InspectError, Inspection, ServerCertificate};
use ioxproto::Address;

use crate::Runtime;
use crate::seam::Async;

/// Connects as a stream does, lets the server show its certificate and prove that it has the key,
/// and leaves, without having sent a byte of HTTP. Takes no longer than `patience`. Whether the
/// certificate is the right one is for a person to say, who compares the fingerprint with what the
/// controller itself shows, or knows that nobody can be in between.
///
/// # Errors
///
/// [`InspectError`] where there is none to look at, or none in time.
pub async fn inspect<R: Runtime>(
    address: &Address,
    patience: Duration,
) -> Result<ServerCertificate, InspectError> {
    let mut inspection = Inspection::new(Async(R::current()?), address, patience)?;
    poll_fn(|context| inspection.poll(context)).await
}
