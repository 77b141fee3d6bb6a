//! Runs the binary and reads its output.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The time limit for each step, generous enough for a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The program with these arguments, without password and terminal.
pub(crate) fn iox(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iox"));
    command
        .args(arguments)
        .env_remove("IOX_PASSWORD")
        // A fixed time zone, independent of the machine.
        .env("TZ", "<-07>7")
        // The configuration of the user who runs the tests is not used.
        .env(
            "XDG_CONFIG_HOME",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/nothing"),
        )
        .stdin(Stdio::null());
    command
}

/// A `watch` of this controller with the simulator's account.
pub(crate) fn watch(url: &str, arguments: &[&str]) -> Command {
    // Names have separate tests.
    let mut command = iox(&["watch", url, "--username", "admin", "--no-names"]);
    command.args(arguments).env("IOX_PASSWORD", "admin");
    command
}

/// Removes the time of receipt from a JSON line. Fails if there is none.
pub(crate) fn without_time(line: &str) -> String {
    let (before, rest) = line.split_once(r#""time":"#).expect("a time");
    let (time, after) = rest.split_once(',').expect("members after the time");
    assert!(
        time == "null" || (time.len() == 26 && time.ends_with("Z\"")),
        "{line}"
    );
    format!("{before}{after}")
}

/// A program that is running.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

/// The result of a program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running {
    pub(crate) fn start(command: Command) -> Self {
        Self::with_stderr(command, Stdio::piped())
    }

    /// Starts a program with this standard error. It is empty in the result of
    /// [`finish`](Self::finish).
    pub(crate) fn with_stderr(mut command: Command, stderr: impl Into<Stdio>) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines() {
                if sender.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        let errors = child.stderr.take().map(read_along);
        Self {
            child,
            lines,
            errors,
        }
    }

    /// Returns the next line.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("a line of output")
    }

    /// Reads until a line contains this text, and returns that line.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self
                .lines
                .recv_timeout(LIMIT)
                .unwrap_or_else(|_| panic!("no line with {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for a change to this status, and returns its reason.
    pub(crate) fn wait_for_status(&self, status: &str) -> Option<String> {
        let line = self.wait_for(&format!(r#","status":"{status}","reason":"#));
        let line: Value = serde_json::from_str(&line).unwrap();
        line["reason"].as_str().map(str::to_owned)
    }

    pub(crate) fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// Repeats an action every 10 ms until the program ends.
    pub(crate) fn finish_while(self, mut act: impl FnMut() + Send) -> Finished {
        let has_ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !has_ended.load(Ordering::Acquire) {
                    act();
                    thread::sleep(Duration::from_millis(10));
                }
            });
            let finished = self.finish();
            has_ended.store(true, Ordering::Release);
            finished
        })
    }

    /// Waits for the end. The result has the output that has not been read yet.
    pub(crate) fn finish(mut self) -> Finished {
        let status = wait(&mut self.child);
        let rest: Vec<String> = self.lines.iter().collect();
        Finished {
            code: status.code(),
            stdout: rest.join("\n"),
            stderr: self
                .errors
                .take()
                .map_or_else(String::new, |errors| errors.join().unwrap()),
        }
    }

    /// Stops the program, and expects a successful end.
    pub(crate) fn stop(self) -> Finished {
        self.signal(Signal::INT);
        let finished = self.finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: Command) -> Finished {
    Running::start(command).finish()
}

/// Runs a program to its end with this standard input.
pub(crate) fn run_with_input(mut command: Command, input: &[u8]) -> Finished {
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut stdin = running.child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let finished = running.finish();
    writer.join().unwrap().unwrap();
    finished
}

/// Waits until a child ends. Kills it after the time limit.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let pid = Pid::from_child(child);
    let (done, watched) = mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if watched.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    let began = Instant::now();
    let status = child.wait().unwrap();
    drop(done);
    guard.join().unwrap();
    assert!(began.elapsed() < LIMIT, "the program did not end");
    status
}

fn read_along(mut stderr: std::process::ChildStderr) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    })
}

/// Parses the lines of JSON output.
pub(crate) fn objects(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}
