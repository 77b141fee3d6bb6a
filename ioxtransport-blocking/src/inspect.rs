//! Reads a server's certificate, on the calling thread.

use std::task::{Context, Poll};
use std::time::Duration;

use ioxdriver::{BuildError, InspectError, Inspection, ServerCertificate};
use ioxproto::Address;

use crate::poller::Poller;

/// Reads a server's certificate without trusting it. Connects as a stream does and completes the
/// TLS handshake, in which the server proves that it has the key. Sends no HTTP. Blocks for at most
/// `timeout`.
///
/// The certificate is not verified. Before trusting it, a person must compare its fingerprint with
/// the one that the controller itself shows, or know that nobody can intercept the connection.
///
/// ```no_run
/// let address = "https://eisy.local:8443".parse()?;
/// let timeout = std::time::Duration::from_secs(10);
/// let certificate = ioxtransport_blocking::inspect(&address, timeout)?;
/// println!("{} {}", certificate.subject, certificate.fingerprint);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`InspectError`] if there is no certificate, or none within `timeout`.
pub fn inspect(address: &Address, timeout: Duration) -> Result<ServerCertificate, InspectError> {
    let mut poller = Poller::new().map_err(BuildError::System)?;
    let seam = poller.seam().map_err(BuildError::System)?;
    let alarm = seam.alarm().clone();
    let waker = poller.waker();
    let mut inspection = Inspection::new(seam, address, timeout)?;
    loop {
        match inspection.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(inspected) => return inspected,
            Poll::Pending => {
                poller.sleep(alarm.take());
            }
        }
    }
}
