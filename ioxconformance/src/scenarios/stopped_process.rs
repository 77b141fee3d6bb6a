//! A process that is stopped in the middle of the replay, as by a debugger or by closing a laptop.
//!
//! The process runs this test's own program with only one test:
//! [`child_process_for_the_next_test`].

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{env, fs, thread};

use ioxproto::{Notification, Status};

use crate::{Bench, LIMIT, options, quick};

const URL: &str = "IOX_CONFORMANCE_URL";
const MARK: &str = "notified: ";

/// Prints its notifications up to the first live event. Does nothing unless
/// `IOX_CONFORMANCE_URL` is set.
pub fn child_process_for_the_next_test(bench: &Bench) {
    let Ok(url) = env::var(URL) else { return };
    let mut watched = bench.start(options(url));
    watched.until("a live event", |notification| {
        match notification {
            Notification::Status(change) => println!("\n{MARK}{}", change.status),
            Notification::Event(event) => println!(
                "\n{MARK}{} {}",
                if event.is_live() { "live" } else { "replay" },
                event.seqnum()
            ),
            _ => {}
        }
        matches!(notification, Notification::Event(event) if event.is_live())
    });
}

pub fn replay_is_never_marked_live_when_the_process_is_stopped(bench: &Bench) {
    if cfg!(not(unix)) {
        return;
    }
    let server = bench.server();
    server.hold_replay(10);
    let process = Process::start(&server.url());
    process.until("replay 9");
    process.stop();
    server.release_replay();
    let all = server.replay_frames() as u64;
    server.seen("the whole replay sent", |seen| seen.latest().texts == all);
    // For several times the silence that ends a drain, the process does not read, and the replay
    // waits in the socket.
    let silent = process.lines.recv_timeout(quick().drain_quiet * 4);
    assert_eq!(silent, Err(RecvTimeoutError::Timeout), "it is stopped");
    process.signal("CONT");
    let before = process.until(Status::Connected.as_str());
    assert!(
        before.iter().all(|line| line.starts_with("replay")),
        "{before:#?}"
    );
    assert_eq!(before.len() as u64, all - 10);
    server.emit(&ioxsim::Event::new("ST", "1").node("n1"));
    process.until(&format!("live {all}"));
}

/// The child process, and the lines that report its notifications.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(url: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["child_process_for_the_next_test", "--nocapture"])
            .env(URL, url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                if let Some(line) = line.strip_prefix(MARK) {
                    let _ = sender.send(line.to_owned());
                }
            }
        });
        Self { child, lines }
    }

    /// Waits until the process prints this, and returns everything that it printed before.
    fn until(&self, wanted: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) if line == wanted => return before,
                Ok(line) => before.push(line),
                Err(error) => panic!("never {wanted:?} ({error}), but {before:#?}"),
            }
        }
    }

    /// Stops the process, and waits until all its threads have stopped: a busy machine may still
    /// run one for a moment after the signal.
    fn stop(&self) {
        self.signal("STOP");
        let threads = format!("/proc/{}/task", self.child.id());
        let is_stopped = |thread: io::Result<fs::DirEntry>| {
            let stat = fs::read_to_string(thread.unwrap().path().join("stat"));
            // The state follows the name, which is in parentheses.
            stat.is_ok_and(|stat| stat.rsplit(')').next().unwrap().starts_with(" T"))
        };
        // Without /proc, the signal must do.
        while fs::read_dir(&threads).is_ok_and(|mut all| !all.all(is_stopped)) {
            thread::sleep(Duration::from_millis(1));
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
