//! A look at a server's certificate, on this thread.

use std::task::{Context, Poll};
use std::time::Duration;

use ioxdriver::{BuildError, InspectError, Inspection, ServerCertificate};
use ioxproto::Address;

use crate::poller::Poller;

/// Connects as a stream does, lets the server show its certificate and prove that it has the key,
/// and leaves, without having sent a byte of HTTP. Blocks, for `patience` at most. Whether the
/// certificate is the right one is for a person to say, who compares the fingerprint with what the
/// controller itself shows, or knows that nobody can be in between.
///
/// ```no_run
/// let address = "https://eisy.local:8443".parse()?;
/// let patience = std::time::Duration::from_secs(10);
/// let certificate = ioxtransport_blocking::inspect(&address, patience)?;
/// println!("{} {}", certificate.subject, certificate.fingerprint);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`InspectError`] where there is none to look at, or none in time.
pub fn inspect(address: &Address, patience: Duration) -> Result<ServerCertificate, InspectError> {
    let mut poller = Poller::new().map_err(BuildError::System)?;
    let seam = poller.seam().map_err(BuildError::System)?;
    let alarm = seam.alarm().clone();
    let waker = poller.waker();
    let mut inspection = Inspection::new(seam, address, patience)?;
    loop {
        match inspection.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(inspected) => return inspected,
            Poll::Pending => {
                poller.sleep(alarm.take());
            }
        }
    }
}
