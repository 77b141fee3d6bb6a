//! Runs 150 worlds; `.ci/run` runs thousands.

#[test]
fn whatever_happens_the_stream_delivers_or_says_what_went_wrong_and_heals() {
    match worlds::run_all(0, 150) {
        Ok(totals) => println!("{totals}"),
        Err(violation) => panic!(
            "seed {} broke a rule at {:?}: {}\nto repeat it: {}",
            violation.seed,
            violation.at,
            violation.rule,
            worlds::command(violation.seed)
        ),
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    let run = || worlds::run(7, true);
    let (first, second) = (run(), run());
    assert_eq!(first.ok(), second.ok());
}
