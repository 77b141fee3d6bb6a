//! Who the controller shows to be in the TLS handshake. The core does not see certificates: a
//! driver judges them, and reports what it refuses. So a certificate is a number here, and a pin is
//! one, too.

use std::time::Duration;

use ioxproto::{Failure, IdentityProblem};

use crate::site::pick;
use crate::world::World;

/// What the client believes, and what it is shown.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Whether connections are secured at all.
    pub(crate) secured: bool,
    /// The controller's certificate; another one after some reboots.
    genuine: u32,
    pinned: u32,
    /// Somebody else answers in the controller's place.
    pub(crate) impostor: bool,
    /// By the client's clock, the certificate's time has not come or is over.
    pub(crate) dates: Option<IdentityProblem>,
}

/// No controller's.
const IMPOSTOR: u32 = 0;

/// What is shown in one handshake.
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

    /// What is wrong with a certificate, to the client's eyes.
    pub(crate) fn problem(&self, shown: Certificate) -> Option<IdentityProblem> {
        (shown.key != self.pinned)
            .then_some(IdentityProblem::WrongPin)
            .or(shown.dates)
    }

    /// The controller's certificate is not the one that is pinned.
    pub(crate) fn has_changed(&self) -> bool {
        self.secured && self.pinned != self.genuine
    }

    /// A person compares fingerprints, and pins what the controller has now.
    pub(crate) fn pin_anew(&mut self) {
        self.pinned = self.genuine;
    }

    pub(crate) fn renew(&mut self) {
        self.genuine += 1;
    }
}

impl World {
    /// What a driver reports of a certificate that it refuses.
    pub(crate) fn refused(&mut self, problem: IdentityProblem) -> Failure {
        self.witness.sees_a_stranger(problem);
        self.totals.strangers += 1;
        Failure::identity(problem, "sha256:00", "the certificate is refused")
    }

    /// Somebody sits in between for a while, or the dates do not fit.
    pub(crate) fn identity_is_wrong(&mut self) -> Duration {
        if self.rng.bool() {
            self.identity.impostor = true;
        } else {
            let dates = [IdentityProblem::Expired, IdentityProblem::NotYetValid];
            self.identity.dates = Some(*pick(&mut self.rng, &dates));
        }
        Duration::from_secs(self.rng.u64(1..600))
    }

    /// Something for which nobody was vouched has come from the client.
    pub(crate) fn must_be_trusted(&mut self, index: usize) {
        let trusted = self.links[index].trusted;
        self.witness.check(
            !self.identity.secured || trusted,
            "bytes to somebody whose identity was not accepted",
        );
    }
}
