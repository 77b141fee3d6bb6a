//! The controller's identity in the TLS handshake. The core does not see certificates: a driver
//! checks them, and reports those that it refuses. So certificates and pins are numbers here.

use fastrand::Rng;
use ioxproto::IdentityProblem;

use crate::random::pick;

/// The client's pin, and the certificate that it is shown.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Whether connections use TLS.
    pub(crate) secured: bool,
    /// The controller's certificate. Some reboots change it.
    genuine: u32,
    pinned: u32,
    /// An impostor answers in the controller's place.
    impostor: bool,
    /// Set if the certificate is not yet valid, or expired, by the client's clock.
    dates: Option<IdentityProblem>,
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

    /// Puts an impostor in between, or makes the dates invalid.
    pub(crate) fn fail(&mut self, rng: &mut Rng) {
        if rng.bool() {
            self.impostor = true;
        } else {
            let dates = [IdentityProblem::Expired, IdentityProblem::NotYetValid];
            self.dates = Some(*pick(rng, &dates));
        }
    }

    pub(crate) fn recover(&mut self) {
        self.impostor = false;
        self.dates = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_certificate_is_refused_until_it_is_pinned() {
        let mut identity = Identity::new(true);
        assert_eq!(identity.problem(identity.shown()), None);
        identity.renew();
        let problem = identity.problem(identity.shown());
        assert_eq!(problem, Some(IdentityProblem::WrongPin));
        identity.pin_current();
        assert_eq!(identity.problem(identity.shown()), None);
    }

    #[test]
    fn a_failure_of_the_identity_lasts_until_it_recovers() {
        let mut rng = Rng::with_seed(1);
        let mut identity = Identity::new(true);
        for _ in 0..20 {
            identity.fail(&mut rng);
            assert!(identity.problem(identity.shown()).is_some());
            identity.recover();
            assert_eq!(identity.problem(identity.shown()), None);
        }
    }
}
