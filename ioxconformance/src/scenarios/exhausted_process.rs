//! A process that has no file descriptors left.
//!
//! It is this test's own program once more, running one test: [`the_exhausted_process`].

use std::env;
use std::fs::File;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ioxproto::Status;
use ioxsim::Ending;

use super::stopped_process::{MARK, Process, URL};
use crate::{Bench, Options};

/// Connects, then takes every descriptor that there is before each attempt, and gives them back after two; does nothing
/// where it is not asked to.
pub fn the_exhausted_process(bench: &Bench) {
    let Ok(url) = env::var(URL) else { return };
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let taken: Arc<Mutex<Option<Vec<File>>>> = Arc::default();
    let takes = Arc::clone(&taken);
    let set = |to| *taken.lock().unwrap_or_else(PoisonError::into_inner) = to;
    // It is asked before there is a socket.
    let options = Options::new(url).resolver(move |_, _| {
        if let Some(taken) = &mut *takes.lock().unwrap() {
            while let Ok(file) = File::open("/dev/null") {
                taken.push(file);
            }
        }
        ready(Ok(vec![address]))
    });
    let mut watched = bench.start(options);
    watched.connected();
    set(Some(Vec::new()));
    println!("\n{MARK}{}", Status::Connected);
    println!("\n{MARK}{}", watched.lost().code());
    for _ in 0..2 {
        let change = watched.status(Status::LostConnection);
        println!(
            "\n{MARK}{} {:?}",
            change.reason.unwrap().code(),
            change.retry_in
        );
    }
    set(None);
    watched.connected();
    println!("\n{MARK}{}", Status::Connected);
}

pub fn a_process_without_descriptors_says_so_waits_and_heals(bench: &Bench) {
    if cfg!(not(unix)) {
        return;
    }
    let server = bench.server();
    let process = Process::start("the_exhausted_process", &server.url());
    process.until(Status::Connected.as_str());
    server.end(Ending::Fin);
    let told = process.until(Status::Connected.as_str());
    let expected = [
        "closed_by_controller",
        "resources_exhausted Some(40ms)",
        "resources_exhausted Some(100ms)",
    ];
    assert_eq!(told, expected);
}
