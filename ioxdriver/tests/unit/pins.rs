//! Tests of pins in the options.

use crate::{BuildError, Fingerprint, FingerprintError, Options, Trust};

fn options() -> Options {
    Options::new("https://eisy.test").local_account("admin", "x")
}

#[test]
fn pins_are_collected_and_replace_other_trust() {
    let [first, second] = [Fingerprint::of(b"1"), Fingerprint::of(b"2")];
    let options = options().trust(Trust::Insecure).pin(first.to_string());
    assert_eq!(options.trust, Trust::Pins(vec![first]));
    let options = options.pin(second);
    assert_eq!(options.trust, Trust::Pins(vec![first, second]));
    assert!(options.config().is_ok());
    assert_eq!(options.trust(Trust::System).trust, Trust::System);
}

#[test]
fn a_pin_that_is_not_a_fingerprint_fails_the_check() {
    let good = Fingerprint::of(b"1");
    for options in [options().pin("sha256:00"), options().pin("x").pin(good)] {
        let error = options.clone().retarget::<()>().config().unwrap_err();
        assert!(matches!(error, BuildError::Pin(FingerprintError)));
        // `main() -> Result` prints the `Debug` output.
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(error.to_string().starts_with("not a fingerprint: "));
    }
}
