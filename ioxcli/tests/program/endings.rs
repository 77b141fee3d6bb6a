//! Ways to end: a reader that closes the pipe, a full disk, an expired time limit.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use crate::house::{House, closed_port};
use crate::iox::{iox, run, wait, watch};

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let house = House::lively();
    for format in ["json", "text"] {
        let mut child = watch(&house.url, &["--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        drop(stdout);
        assert_eq!(wait(&mut child).code(), Some(0), "{format}");
        let mut stderr = String::new();
        child.stderr.unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(stderr, "", "{format}");
    }
    house.wait_for(|seen| seen.closes == [Some(1000), Some(1000)]);
}

#[test]
fn a_closed_pipe_ends_a_decode_without_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "<Event/>\n".repeat(100_000)).unwrap();
    let mut child = iox(&["decode", file.path().to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(wait(&mut child).code(), Some(0));
    let mut stderr = String::new();
    child.stderr.unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported() {
    let full = || std::fs::File::create("/dev/full").unwrap();
    let house = House::lively();
    let mut to_full = watch(&house.url, &[]);
    to_full.stdout(full()).stderr(Stdio::piped());
    let mut child = to_full.spawn().unwrap();
    assert_eq!(wait(&mut child).code(), Some(1));
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert!(
        stderr.contains("standard output") && stderr.contains("space"),
        "{stderr}"
    );

    let recording = run(watch(&house.url, &["--record", "/dev/full"]));
    assert_eq!(recording.code, Some(1), "{recording:?}");
    assert!(recording.stderr.contains("/dev/full"), "{recording:?}");
}

#[test]
fn the_duration_counts_from_the_start_of_the_program() {
    let url = format!("http://127.0.0.1:{}", closed_port());
    let began = std::time::Instant::now();
    let finished = run(watch(&url, &["--duration", "0.5", "--format", "json"]));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(began.elapsed().as_secs_f32() >= 0.4);
    let last = finished.stdout.lines().last().unwrap();
    assert!(
        last.contains(r#""disconnected","reason":"stop_requested","#),
        "{last}"
    );
}
