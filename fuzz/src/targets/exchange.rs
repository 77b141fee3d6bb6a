//! Parses any bytes as the answer to an upgrade, whole and in two pieces. The parser must not
//! panic, and both results must be the same.

use std::time::{Instant, SystemTime};

use ioxproto::{Action, Config, Exchange, Now, Progress, StreamMachine};

/// Parses the bytes as an answer. The first byte says where they are cut.
pub fn run(data: &[u8]) {
    let Some((cut, answer)) = data.split_first() else {
        return;
    };
    let cut = usize::from(*cut).min(answer.len());
    let whole = read(&[answer]);
    let pieces = read(&[&answer[..cut], &answer[cut..]]);
    assert_eq!(whole, pieces);
}

fn read(pieces: &[&[u8]]) -> String {
    let mut exchange = upgrade();
    let mut done = false;
    for piece in pieces {
        done = exchange.receive(piece) == Progress::Done;
    }
    if !done {
        exchange.end_of_input();
    }
    let (answer, early) = exchange.into_answer();
    match answer {
        Ok(answer) => format!("{answer:?} {early:?}"),
        // The details of an error depend on how many bytes had arrived.
        Err(error) => format!("{:?}", std::mem::discriminant(&error)),
    }
}

fn upgrade() -> Exchange {
    let config = Config::new("http://eisy.test").local_account("admin", "x");
    let mut stream = StreamMachine::new(config).expect("a valid configuration");
    #[allow(clippy::disallowed_methods, reason = "the time does not matter here")]
    stream.start(Now {
        monotonic: Instant::now(),
        utc: SystemTime::now(),
    });
    while let Some(action) = stream.poll_action() {
        if let Action::Connect { upgrade, .. } = action {
            return upgrade;
        }
    }
    unreachable!("a start connects")
}
