//! Converts the system's errors to the failures of the core, with one sentence each.

use std::io;
use std::sync::Arc;

use ioxproto::{Failure, FailureKind};

/// The failure of a name lookup.
pub(crate) fn lookup_failure(host: &str, error: &io::Error) -> Failure {
    if is_out_of_resources(error) {
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

/// The failure to connect to any address of the host.
pub(crate) fn unconnected(error: &io::Error, peer: &str) -> Failure {
    let (kind, detail) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (
            FailureKind::ConnectionRefused,
            format!(
                "nothing listens on {peer} (connection refused): is the controller on, and the port right?"
            ),
        ),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::TimedOut => (
            FailureKind::Unreachable,
            format!("{peer} cannot be reached ({error}): is the network up?"),
        ),
        _ if is_out_of_resources(error) => (
            FailureKind::Resources,
            format!("no socket for {peer} ({error}): too many files or sockets are open"),
        ),
        _ => (kind(error), format!("cannot connect to {peer}: {error}")),
    };
    Failure::transport(kind, detail)
}

/// The failure of a connection in the phase `when`.
pub(crate) fn connection_failure(error: &io::Error, peer: &str, when: &str) -> Failure {
    let kind = kind(error);
    let what = match kind {
        FailureKind::ConnectionReset => format!("{peer} reset the connection"),
        FailureKind::UnexpectedEnd => format!("{peer} ended the connection"),
        _ => format!("the connection to {peer} broke ({error})"),
    };
    Failure::transport(kind, format!("{what} {when}"))
}

/// The failure of an open connection; `None` for an end without a close frame.
pub(crate) fn open_connection_failure(error: &io::Error) -> Option<Failure> {
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
        _ if is_out_of_resources(error) => FailureKind::Resources,
        _ => FailureKind::Other,
    }
}

/// EMFILE, ENFILE, ENOBUFS: the standard library has no kinds for them.
pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
    // All waiters of a lookup share its error.
    let shared = || error.get_ref()?.downcast_ref::<Arc<io::Error>>();
    let code = error.raw_os_error().or_else(|| shared()?.raw_os_error());
    error.kind() == io::ErrorKind::OutOfMemory || matches!(code, Some(23 | 24 | 105))
}
