//! `iox setup`, with options and on a terminal.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use tempfile::TempDir;

use crate::configured::within;
use crate::discover::announce;
use crate::house::House;
use crate::iox::{Finished, LIMIT, iox, run};

fn setup(arguments: &[&str], password: &str, folder: &TempDir) -> Finished {
    let mut command = within(iox(&[&["setup"], arguments].concat()), folder);
    command.env("IOX_PASSWORD", password);
    run(command)
}

fn is_empty(folder: &TempDir) -> bool {
    fs::read_dir(folder.path()).unwrap().next().is_none()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn with_options_it_asks_nothing_and_writes_a_working_configuration() {
    let house = House::secured();
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&house.url, "--name", "home", "--username", "admin", "--yes"];
    let arguments = [&arguments[..], &["--mqtt", "127.0.0.1:1884"]].concat();
    let finished = setup(&arguments, "admin", &folder);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for word in [&*house.fingerprint, "Connected", "iox watch home"] {
        assert!(finished.stdout.contains(word), "{finished:?}");
    }
    let iox_folder = folder.path().join("iox");
    assert_eq!(mode(&iox_folder), 0o700);
    assert_eq!(mode(&iox_folder.join("config.toml")), 0o600);
    assert_eq!(mode(&iox_folder.join("home.password")), 0o600);
    let config = fs::read_to_string(iox_folder.join("config.toml")).unwrap();
    for line in [&*format!("pin = \"{}\"", house.fingerprint), "port = 1884"] {
        assert!(config.contains(line), "{config}");
    }
    let watched = run(within(
        iox(&["watch", "home", "--max-events", "1"]),
        &folder,
    ));
    assert_eq!(watched.code, Some(0), "{watched:?}");
    let checked = run(within(iox(&["bridge", "--check"]), &folder));
    assert_eq!(checked.code, Some(0), "{checked:?}");

    // A second controller is added. A name in use is refused before anything is asked.
    let taken = setup(&arguments[..6], "admin", &folder);
    assert_eq!(taken.code, Some(2), "{taken:?}");
    assert!(
        taken.stderr.contains("has a controller home already"),
        "{taken:?}"
    );
    let barn = [
        &house.url,
        "--name",
        "barn",
        "--username",
        "admin",
        "--pin",
        &house.fingerprint,
    ];
    let second = setup(&barn, "admin", &folder);
    assert_eq!(second.code, Some(0), "{second:?}");
    let now = fs::read_to_string(iox_folder.join("config.toml")).unwrap();
    assert!(now.starts_with(&config), "{now}");
}

#[test]
fn no_password_is_sent_before_the_identity_is_confirmed() {
    let house = House::secured();
    let folder = tempfile::tempdir().unwrap();
    let unasked = setup(&[&house.url, "--username", "admin"], "admin", &folder);
    assert_eq!(unasked.code, Some(2), "{unasked:?}");
    assert!(unasked.stderr.contains("--yes"), "{unasked:?}");
    let pin = format!("sha256:{}", "0".repeat(64));
    let wrong = setup(
        &[&house.url, "--username", "admin", "--pin", &pin],
        "admin",
        &folder,
    );
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    assert!(wrong.stderr.contains(&house.fingerprint), "{wrong:?}");
    assert_eq!(house.control().http_bytes(), 0);
    let plain = House::quiet();
    let unasked = setup(&[&plain.url, "--username", "admin"], "admin", &folder);
    assert_eq!(unasked.code, Some(2), "{unasked:?}");
    assert!(unasked.stderr.contains("plain http"), "{unasked:?}");
    assert_eq!(plain.control().http_bytes(), 0);
    assert!(is_empty(&folder));
}

#[test]
fn a_refused_account_is_not_written() {
    let house = House::quiet();
    let folder = tempfile::tempdir().unwrap();
    let finished = setup(
        &[&house.url, "--username", "admin", "--yes"],
        "wrong",
        &folder,
    );
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(is_empty(&folder));
    assert!(!finished.stderr.contains("wrong\""), "{finished:?}");
}

#[test]
fn a_controller_is_found_by_a_search() {
    let house = House::quiet();
    let folder = tempfile::tempdir().unwrap();
    let to = format!("127.0.0.1:{}", announce(&house.url));
    let arguments = ["--to", &to, "--wait", "1", "--username", "admin", "--yes"];
    let finished = setup(&arguments, "admin", &folder);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains(&house.url), "{finished:?}");
}

/// `iox` on its own pseudo terminal, which `script` creates.
struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Arc<(Mutex<String>, Condvar)>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Terminal {
    /// Starts the program; `None` if `script` is not installed.
    fn start(arguments: &str, folder: &TempDir) -> Option<Self> {
        // Without `exec`, a shell such as dash would die of the Ctrl-C and hide the exit code.
        let command = format!("exec {} setup {arguments}", env!("CARGO_BIN_EXE_iox"));
        let mut script = Command::new("script");
        script
            .args(["-qec", &command, "/dev/null"])
            .env("XDG_CONFIG_HOME", folder.path())
            .env_remove("IOX_PASSWORD")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = match script.spawn() {
            Ok(child) => child,
            Err(error) => {
                eprintln!("SKIPPED: there is no script for a terminal: {error}");
                return None;
            }
        };
        let screen = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let shown = Arc::clone(&screen);
        let mut stdout = child.stdout.take().unwrap();
        let reader = thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                shown.0.lock().unwrap().push_str(&text);
                shown.1.notify_all();
            }
        });
        Some(Self {
            keyboard: child.stdin.take().unwrap(),
            child,
            screen,
            reader: Some(reader),
        })
    }

    fn wait_for(&self, text: &str) {
        let shown = self.screen.0.lock().unwrap();
        let waited = self
            .screen
            .1
            .wait_timeout_while(shown, LIMIT, |shown| !shown.contains(text));
        let (shown, late) = waited.unwrap();
        assert!(!late.timed_out(), "no {text:?} in {shown}");
    }

    fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end. Returns the exit code and the complete output.
    fn finish(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let code = crate::iox::wait(&mut self.child).code();
        assert!(began.elapsed() < LIMIT);
        self.reader.take().unwrap().join().unwrap();
        let shown = self.screen.0.lock().unwrap().clone();
        (code, shown)
    }
}

const DIALOG: [(&str, &str); 5] = [
    ("Name for it [home]: ", "\n"),
    ("Is this your controller? [y/N] ", "y\n"),
    ("User name: ", "admin\n"),
    ("Password of admin: ", "admin\n"),
    (
        "MQTT broker, such as 127.0.0.1:1883 (none if empty): ",
        "\n",
    ),
];

#[test]
fn on_a_terminal_it_asks_step_by_step() {
    let house = House::secured();
    let folder = tempfile::tempdir().unwrap();
    let Some(mut terminal) = Terminal::start(&house.url, &folder) else {
        return;
    };
    for (question, answer) in DIALOG {
        terminal.wait_for(question);
        terminal.type_in(answer);
    }
    let (code, shown) = terminal.finish();
    assert_eq!(code, Some(0), "{shown}");
    assert!(folder.path().join("iox/home.password").is_file());
}

#[test]
fn control_c_at_any_question_leaves_no_files() {
    let house = House::secured();
    for (stopped_at, (last, _)) in DIALOG.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut terminal) = Terminal::start(&house.url, &folder) else {
            return;
        };
        for (question, answer) in &DIALOG[..stopped_at] {
            terminal.wait_for(question);
            terminal.type_in(answer);
        }
        terminal.wait_for(last);
        terminal.type_in("\u{3}");
        let (code, shown) = terminal.finish();
        assert_eq!(code, Some(1), "{last}: {shown}");
        assert!(shown.contains("nothing was written"), "{last}: {shown}");
        assert!(is_empty(&folder), "{last}: {shown}");
    }
}

#[test]
fn the_answer_no_sends_nothing() {
    let house = House::secured();
    let folder = tempfile::tempdir().unwrap();
    let Some(mut terminal) = Terminal::start(&house.url, &folder) else {
        return;
    };
    for (question, answer) in [DIALOG[0], (DIALOG[1].0, "\n")] {
        terminal.wait_for(question);
        terminal.type_in(answer);
    }
    let (code, shown) = terminal.finish();
    assert_eq!(code, Some(1), "{shown}");
    assert_eq!(house.control().http_bytes(), 0);
    assert!(is_empty(&folder));
}
