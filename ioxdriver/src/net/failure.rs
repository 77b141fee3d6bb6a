//! The system's errors, sorted into the core's kinds, in one sentence each.

use std::io;
use std::sync::Arc;

use ioxproto::{Failure, FailureKind};

/// The name does not resolve.
pub(crate) fn unresolved(host: &str, error: &io::Error) -> Failure {
    if out_of_resources(error) {
        return Failure::transport(
            FailureKind::Resources,
            format!(
                "the name {host} cannot be looked up ({error}): too many files or sockets are open"
            ),
        );
    }
    Failure::transport(
        FailureKind::NameNotResolved,
        format!(
            "the name {host} does not resolve ({error}): check the spelling, or use the controller's IP address"
        ),
    )
}

/// No address of the host could be connected to.
pub(crate) fn unconnected(error: &io::Error, place: &str) -> Failure {
    let (kind, detail) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (
            FailureKind::ConnectionRefused,
            format!(
                "nobody listens on {place} (connection refused): is the controller on, and the port right?"
            ),
        ),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::TimedOut => (
            FailureKind::Unreachable,
            format!("{place} cannot be reached ({error}): is the network up?"),
        ),
        _ if out_of_resources(error) => (
            FailureKind::Resources,
            format!("no socket for {place} ({error}): too many files or sockets are open"),
        ),
        _ => (kind(error), format!("cannot connect to {place}: {error}")),
    };
    Failure::transport(kind, detail)
}

/// A connection broke while something was going on.
pub(crate) fn broken(error: &io::Error, place: &str, when: &str) -> Failure {
    let kind = kind(error);
    let what = match kind {
        FailureKind::ConnectionReset => format!("{place} reset the connection"),
        FailureKind::UnexpectedEnd => format!("{place} ended the connection"),
        _ => format!("the connection to {place} broke ({error})"),
    };
    Failure::transport(kind, format!("{what} {when}"))
}

/// An open connection ended with this error; `None` for an end without a close frame.
pub(crate) fn ended(error: &io::Error) -> Option<Failure> {
    let (kind, detail) = match kind(error) {
        FailureKind::UnexpectedEnd => return None,
        FailureKind::ConnectionReset => (
            FailureKind::ConnectionReset,
            "the controller reset the connection".to_owned(),
        ),
        kind => (kind, format!("the connection broke: {error}")),
    };
    Some(Failure::transport(kind, detail))
}

/// The kind of an error on an open connection.
pub(crate) fn kind(error: &io::Error) -> FailureKind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => FailureKind::ConnectionReset,
        io::ErrorKind::UnexpectedEof => FailureKind::UnexpectedEnd,
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => FailureKind::Unreachable,
        io::ErrorKind::InvalidData => FailureKind::Protocol,
        _ if out_of_resources(error) => FailureKind::Resources,
        _ => FailureKind::Other,
    }
}

/// EMFILE, ENFILE, ENOBUFS: the standard library has no kinds for them.
fn out_of_resources(error: &io::Error) -> bool {
    // The answer to a look-up is shared by all who wait for it.
    let shared = || error.get_ref()?.downcast_ref::<Arc<io::Error>>();
    let code = error.raw_os_error().or_else(|| shared()?.raw_os_error());
    error.kind() == io::ErrorKind::OutOfMemory || matches!(code, Some(23 | 24 | 105))
}
