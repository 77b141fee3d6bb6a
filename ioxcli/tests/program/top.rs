//! `iox top` on a pseudo terminal, with a simulated controller.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use ioxsim::{HouseOptions, ServerOptions};
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

use crate::house::House;
use crate::iox::{LIMIT, iox, run, wait};

/// `iox` on its own pseudo terminal.
struct Terminal {
    child: Child,
    /// The side that sends keys and sets the size of the screen.
    master: Arc<Pty>,
    /// The side that `iox` uses. Kept open to read the terminal modes after `iox` has exited.
    slave: OwnedFd,
    original_modes: LocalModes,
    screen: Arc<Screen>,
}

/// What `iox` has drawn.
struct Screen {
    parser: Mutex<vt100::Parser>,
    changed: Condvar,
}

impl Terminal {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(24, 80)).unwrap();
        let name = rustix::pty::ptsname(pty.as_fd(), Vec::new()).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let slave = rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).unwrap();
        let original_modes = tcgetattr(&slave).unwrap().local_modes;
        let mut command = Command::new(env!("CARGO_BIN_EXE_iox"))
            .args(arguments)
            .env("IOX_PASSWORD", "admin")
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            // A backtrace would scroll the panic message off the screen.
            .env("RUST_BACKTRACE", "0")
            .env(
                "XDG_CONFIG_HOME",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/nothing"),
            );
        for (name, value) in variables {
            command = command.env(name, value);
        }
        let child = command.spawn(pts).unwrap();
        let master = Arc::new(pty);
        let output = Arc::clone(&master);
        let screen = Arc::new(Screen {
            parser: Mutex::new(vt100::Parser::new(24, 80, 0)),
            changed: Condvar::new(),
        });
        let drawn = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = (&*output).read(&mut bytes) {
                drawn.parser.lock().unwrap().process(&bytes[..count]);
                drawn.changed.notify_all();
            }
        });
        Self {
            child,
            master,
            slave,
            original_modes,
            screen,
        }
    }

    fn start_top(house: &House, arguments: &[&str]) -> Self {
        let mut all = vec!["top", &house.url, "--username", "admin"];
        all.extend(arguments);
        Self::start(&all, &[])
    }

    fn send_keys(&self, keys: &str) {
        (&*self.master).write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the screen satisfies a condition.
    fn wait_until(&self, what: &str, condition: impl Fn(&vt100::Screen) -> bool) {
        let began = Instant::now();
        let mut parser = self.screen.parser.lock().unwrap();
        while !condition(parser.screen()) {
            let left = LIMIT.saturating_sub(began.elapsed());
            assert!(
                !left.is_zero(),
                "no {what} in:\n{}",
                parser.screen().contents()
            );
            parser = self.screen.changed.wait_timeout(parser, left).unwrap().0;
        }
    }

    /// Waits until the screen shows this text.
    fn wait_for(&self, text: &str) {
        self.wait_until(text, |screen| {
            screen.alternate_screen() && screen.contents().contains(text)
        });
    }

    /// Waits until the terminal is restored.
    fn wait_until_restored(&self) {
        self.wait_until("restored terminal", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        assert_eq!(modes, self.original_modes);
    }

    /// Waits for the end. Expects this exit code and a restored terminal.
    fn expect_end(mut self, code: i32) {
        let status = wait(&mut self.child);
        assert_eq!(status.code(), Some(code));
        self.wait_until_restored();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails if `iox` has already exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a controller with names, folders and all kinds of nodes. It sends no events by itself.
fn house() -> House {
    House::start(ServerOptions::of(HouseOptions::default()))
}

#[test]
fn a_lamp_is_found_and_switched_with_confirmation() {
    let house = house();
    let terminal = Terminal::start_top(&house, &[]);
    terminal.wait_for("connected");
    terminal.wait_for("- Hall");
    let modes = tcgetattr(&terminal.slave).unwrap().local_modes;
    assert!(!modes.contains(LocalModes::ICANON | LocalModes::ECHO));
    terminal.send_keys("/hall lamp\r");
    terminal.wait_until("filtered house", |screen| {
        let contents = screen.contents();
        contents.contains("Hall lamp") && !contents.contains("Living room")
    });
    // Move past the folder. The lamp may be on or off already, so set a level in between.
    terminal.send_keys("jl37\r");
    terminal.wait_for("Send? y/n");
    terminal.send_keys("y");
    terminal.wait_for("37 %: confirmed");
    terminal.send_keys("f");
    terminal.wait_for("Send? y/n");
    terminal.send_keys("y");
    terminal.wait_for("off: confirmed");
    // The details show the events of the session.
    terminal.send_keys("\r");
    terminal.wait_for("This session");
    terminal.send_keys("3");
    terminal.wait_for("37 %: confirmed");
    terminal.send_keys("q");
    terminal.expect_end(0);
}

#[test]
fn it_adapts_to_the_size_of_the_terminal() {
    let house = house();
    let terminal = Terminal::start_top(&house, &[]);
    terminal.wait_for("2 House");
    // Narrow screens show only the numbers of the views.
    terminal
        .screen
        .parser
        .lock()
        .unwrap()
        .screen_mut()
        .set_size(10, 40);
    terminal.master.resize(Size::new(10, 40)).unwrap();
    terminal.wait_until("narrow screen", |screen| {
        let contents = screen.contents();
        contents.contains("iox top") && !contents.contains("2 House")
    });
    terminal
        .screen
        .parser
        .lock()
        .unwrap()
        .screen_mut()
        .set_size(30, 100);
    terminal.master.resize(Size::new(30, 100)).unwrap();
    terminal.wait_for("2 House");
    terminal.send_keys("q");
    terminal.expect_end(0);
}

#[test]
fn signals_end_it_with_the_terminal_restored() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let house = house();
        let terminal = Terminal::start_top(&house, &[]);
        terminal.wait_for("connected");
        terminal.signal(signal);
        terminal.expect_end(0);
        assert_eq!(house.control().closes(), [Some(1000)], "{signal:?}");
    }
}

#[test]
fn ctrl_c_ends_it() {
    let house = house();
    let terminal = Terminal::start_top(&house, &[]);
    terminal.wait_for("connected");
    terminal.send_keys("\u{3}");
    terminal.expect_end(0);
}

#[test]
fn a_panic_restores_the_terminal_and_shows_its_message() {
    let house = house();
    let mut terminal = Terminal::start_top(&house, &["--panic"]);
    terminal.wait_for("connected");
    terminal.send_keys("x");
    let status = wait(&mut terminal.child);
    assert_eq!(status.code(), Some(101));
    terminal.wait_until_restored();
    terminal.wait_until("message", |screen| {
        screen.contents().contains("panic requested by --panic")
    });
}

#[cfg(target_os = "linux")]
#[test]
fn it_can_be_suspended_and_resumed() {
    let house = house();
    let terminal = Terminal::start_top(&house, &[]);
    terminal.wait_for("connected");
    for by_key in [true, false] {
        match by_key {
            true => terminal.send_keys("\u{1a}"),
            false => terminal.signal(Signal::TSTP),
        }
        let path = format!("/proc/{}/stat", terminal.child.id());
        let began = Instant::now();
        while !std::fs::read_to_string(&path).unwrap().contains(") T ") {
            assert!(began.elapsed() < LIMIT, "it was not stopped");
            thread::yield_now();
        }
        terminal.wait_until_restored();
        terminal.signal(Signal::CONT);
        terminal.wait_for("connected");
    }
    // Ctrl-L redraws the screen. The help has a line with this text.
    terminal.send_keys("\u{c}?");
    terminal.wait_for("another controller");
    terminal.send_keys("q");
    terminal.expect_end(0);
}

#[test]
fn the_demo_shows_a_house() {
    let terminal = Terminal::start(&["demo", "--top"], &[]);
    terminal.wait_for("connected");
    terminal.wait_for("Hall lamp");
    terminal.send_keys("q");
    terminal.expect_end(0);
}

#[test]
fn no_color_is_respected() {
    let house = house();
    let terminal = Terminal::start(
        &["top", &house.url, "--username", "admin"],
        &[("NO_COLOR", "1")],
    );
    terminal.wait_for("connected");
    let has_colour = {
        let parser = terminal.screen.parser.lock().unwrap();
        let screen = parser.screen();
        let mut cells = (0..24).flat_map(|row| (0..80).map(move |column| (row, column)));
        cells.any(|(row, column)| {
            let cell = screen.cell(row, column).unwrap();
            cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
        })
    };
    assert!(!has_colour);
    terminal.send_keys("q");
    terminal.expect_end(0);
}

#[test]
fn an_unsuitable_terminal_is_an_error_with_advice() {
    let mut command = iox(&["top", "http://127.0.0.1:1", "--username", "admin"]);
    command.env("IOX_PASSWORD", "admin");
    let finished = run(command);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("needs a terminal"), "{finished:?}");
    assert!(finished.stderr.contains("iox watch"), "{finished:?}");

    let mut terminal = Terminal::start(
        &["top", "http://127.0.0.1:1", "--username", "admin"],
        &[("TERM", "dumb")],
    );
    let status = wait(&mut terminal.child);
    assert_eq!(status.code(), Some(2));
    terminal.wait_until("reason", |screen| screen.contents().contains("TERM=dumb"));
}
