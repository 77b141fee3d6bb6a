//! A process that is stopped in the middle of the replay, as a debugger or a laptop's lid does it.
//!
//! The process is this test's own program once more, running one test: [`the_watched_process`].

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use ioxproto::{Notification, Status};

use crate::{Bench, LIMIT, options, quick};

const URL: &str = "IOX_CONFORMANCE_URL";
const MARK: &str = "told: ";

/// Tells what it sees, up to the first live event; does nothing where it is not asked to.
pub fn the_watched_process(bench: &Bench) {
    let Ok(url) = env::var(URL) else { return };
    let mut watched = bench.start(options(url));
    watched.until("a live event", |told| {
        match told {
            Notification::Status(change) => println!("\n{MARK}{}", change.status),
            Notification::Event(event) => println!(
                "\n{MARK}{} {}",
                if event.is_live() { "live" } else { "replay" },
                event.seqnum()
            ),
            _ => {}
        }
        matches!(told, Notification::Event(event) if event.is_live())
    });
}

pub fn replay_never_passes_as_live_when_the_process_is_stopped(bench: &Bench) {
    if cfg!(not(unix)) {
        return;
    }
    let server = bench.server();
    server.hold_replay(10);
    let process = Process::start(&server.url());
    process.until("replay 9");
    process.signal("STOP");
    server.release_replay();
    let all = server.replay_frames() as u64;
    server.seen("the whole replay sent", |seen| seen.latest().texts == all);
    // Several quiets long nothing is read, and the replay lies in the socket.
    let silent = process.told.recv_timeout(quick().drain_quiet * 4);
    assert_eq!(silent, Err(RecvTimeoutError::Timeout), "it is stopped");
    process.signal("CONT");
    let before = process.until(Status::Connected.as_str());
    assert!(
        before.iter().all(|told| told.starts_with("replay")),
        "{before:#?}"
    );
    assert_eq!(before.len() as u64, all - 10);
    server.emit(&ioxsim::Event::new("ST", "1").node("n1"));
    process.until(&format!("live {all}"));
}

struct Process {
    child: Child,
    told: Receiver<String>,
}

impl Process {
    fn start(url: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["the_watched_process", "--nocapture"])
            .env(URL, url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, told) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(line) = line.strip_prefix(MARK) {
                    let _ = sender.send(line.to_owned());
                }
            }
        });
        Self { child, told }
    }

    /// What it tells before it tells this.
    fn until(&self, wanted: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            match self.told.recv_timeout(LIMIT) {
                Ok(told) if told == wanted => return before,
                Ok(told) => before.push(told),
                Err(error) => panic!("never {wanted:?} ({error}), but {before:#?}"),
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
