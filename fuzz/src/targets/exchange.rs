//! Parses any bytes as the answer to an upgrade, whole and in two pieces. The parser must not
//! panic, and both results must be the same.

use ioxproto::Progress;
use pretend::Driver;

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
    let mut driver = Driver::local();
    driver.start();
    let mut exchange = driver.upgrade.expect("a start connects");
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
