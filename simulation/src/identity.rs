//! The controller's identity in the TLS handshake. The core does not see certificates: a driver
//! checks them, and reports those that it refuses. So certificates and pins are numbers here.

use std::time::Duration;

use ioxproto::{Failure, IdentityProblem};

use crate::site::pick;
use crate::world::World;

/// The client's pin, and the certificate that it is shown.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Whether connections use TLS.
    pub(crate) secured: bool,
    /// The controller's certificate. Some reboots change it.
    genuine: u32,
    pinned: u32,
    /// An impostor answers in the controller's place.
    pub(crate) impostor: bool,
    /// Set if the certificate is not yet valid, or expired, by the client's clock.
    pub(crate) dates: Option<IdentityProblem>,
}

/// The certificate of the impostor.
const IMPOSTOR: u32 = 0;

/// A certificate, as shown in one handshake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Certificate {
    key: u32,
    dates: Option<IdentityProblem>,
}

impl Identity {
    pub(crate) fn new(secured: bool) -> Self {
        Self {
            secured,
            genuine: 1,
            pinned: 1,
            impostor: false,
            dates: None,
        }
    }

    pub(crate) fn shown(&self) -> Certificate {
        Certificate {
            key: if self.impostor {
                IMPOSTOR
            } else {
                self.genuine
            },
            dates: self.dates,
        }
    }

    /// Returns why the client refuses a certificate.
    pub(crate) fn problem(&self, shown: Certificate) -> Option<IdentityProblem> {
        (shown.key != self.pinned)
            .then_some(IdentityProblem::WrongPin)
            .or(shown.dates)
    }

    /// Whether the controller's certificate is not the pinned one.
    pub(crate) fn has_changed(&self) -> bool {
        self.secured && self.pinned != self.genuine
    }

    /// Pins the controller's current certificate, as a person does after comparing fingerprints.
    pub(crate) fn pin_current(&mut self) {
        self.pinned = self.genuine;
    }

    pub(crate) fn renew(&mut self) {
        self.genuine += 1;
    }
}

impl World {
    /// Makes the failure that a driver reports when it refuses a certificate.
    pub(crate) fn identity_failure(&mut self, problem: IdentityProblem) -> Failure {
        self.checker.note_refused_identity(problem);
        self.totals.strangers += 1;
        Failure::identity(problem, "sha256:00", "the certificate is refused")
    }

    /// Puts an impostor in between, or makes the dates invalid. Returns for how long.
    pub(crate) fn break_identity(&mut self) -> Duration {
        if self.rng.bool() {
            self.identity.impostor = true;
        } else {
            let dates = [IdentityProblem::Expired, IdentityProblem::NotYetValid];
            self.identity.dates = Some(*pick(&mut self.rng, &dates));
        }
        Duration::from_secs(self.rng.u64(1..600))
    }

    /// Checks that the client has sent bytes only to a peer whose certificate it accepts.
    pub(crate) fn check_trusted(&mut self, index: usize) {
        let trusted = self.links[index].trusted;
        self.checker.check(
            !self.identity.secured || trusted,
            "bytes sent to a peer whose identity was not accepted",
        );
    }
}
