//! Runs the fuzz targets over their corpora, so that bugs found by fuzzing do not return.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]
#![expect(unreachable_pub, reason = "the targets are public in the fuzz crate")]

use std::path::Path;

#[path = "../../fuzz/src/targets/answer.rs"]
mod answer;
#[path = "../../fuzz/src/targets/differential.rs"]
mod differential;
#[path = "../../fuzz/src/targets/envelope.rs"]
mod envelope;
#[path = "../../fuzz/src/targets/exchange.rs"]
mod exchange;
#[path = "../../fuzz/src/targets/frame.rs"]
mod frame;
#[path = "../../fuzz/src/targets/login.rs"]
mod login;
#[path = "../../fuzz/src/targets/state.rs"]
mod state;
#[path = "../../fuzz/src/targets/stream/mod.rs"]
mod stream;

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let mut seen = 0;
    for entry in std::fs::read_dir(&corpus).expect("the corpus is in the checkout") {
        let path = entry.expect("the corpus can be listed").path();
        let data = std::fs::read(&path).expect("the corpus can be read");
        println!("{}", path.display());
        run(&data);
        seen += 1;
    }
    assert!(seen > 0, "an empty corpus proves nothing");
}

#[test]
fn frames() {
    replay("frame", frame::run);
}

#[test]
fn envelopes() {
    replay("envelope", envelope::run);
}

#[test]
fn exchanges() {
    replay("exchange", exchange::run);
}

#[test]
fn rest_answers() {
    replay("answer", answer::run);
}

#[test]
fn states() {
    replay("state", state::run);
}

#[test]
fn documents_compared_with_a_strict_reader() {
    replay("differential", differential::run);
}

#[test]
fn logins_and_tokens() {
    replay("login", login::run);
}

#[test]
fn calls_of_the_stream() {
    replay("stream", stream::run);
}
