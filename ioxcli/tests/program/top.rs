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

/// The program on a separate terminal.
struct Terminal {
    child: Child,
    /// The side of the keyboard and of the screen size.
    master: Arc<Pty>,
    /// The side of the program, kept open to read its modes after the end of the program.
    slave: OwnedFd,
    before: LocalModes,
    shown: Arc<(Mutex<vt100::Parser>, Condvar)>,
}

impl Terminal {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(24, 80)).unwrap();
        let name = rustix::pty::ptsname(pty.as_fd(), Vec::new()).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let slave = rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).unwrap();
        let before = tcgetattr(&slave).unwrap().local_modes;
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
        let shown = Arc::new((Mutex::new(vt100::Parser::new(24, 80, 0)), Condvar::new()));
        let screen = Arc::clone(&shown);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = (&*output).read(&mut bytes) {
                screen.0.lock().unwrap().process(&bytes[..count]);
                screen.1.notify_all();
            }
        });
        Self {
            child,
            master,
            slave,
            before,
            shown,
        }
    }

    fn on(house: &House, arguments: &[&str]) -> Self {
        let mut all = vec!["top", &house.url, "--username", "admin"];
        all.extend(arguments);
        Self::start(&all, &[])
    }

    fn keys(&self, keys: &str) {
        (&*self.master).write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the screen satisfies a condition.
    fn wait_until(&self, what: &str, condition: impl Fn(&vt100::Screen) -> bool) {
        let began = Instant::now();
        let mut parser = self.shown.0.lock().unwrap();
        while !condition(parser.screen()) {
            let left = LIMIT.saturating_sub(began.elapsed());
            assert!(
                !left.is_zero(),
                "no {what} in:\n{}",
                parser.screen().contents()
            );
            parser = self.shown.1.wait_timeout(parser, left).unwrap().0;
        }
    }

    /// Waits until the screen shows this text.
    fn wait_for(&self, text: &str) {
        self.wait_until(text, |screen| {
            screen.alternate_screen() && screen.contents().contains(text)
        });
    }

    /// Waits until the terminal is restored.
    fn wait_for_restored(&self) {
        self.wait_until("terminal as before", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        assert_eq!(modes, self.before);
    }

    /// Waits for the end. Expects this exit code and a restored terminal.
    fn expect_end(mut self, code: i32) {
        let status = wait(&mut self.child);
        assert_eq!(status.code(), Some(code));
        self.wait_for_restored();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails if it has already ended.
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
    let terminal = Terminal::on(&house, &[]);
    terminal.wait_for("connected");
    terminal.wait_for("- Hall");
    let modes = tcgetattr(&terminal.slave).unwrap().local_modes;
    assert!(!modes.contains(LocalModes::ICANON | LocalModes::ECHO));
    terminal.keys("/hall lamp\r");
    terminal.wait_until("filtered house", |screen| {
        let contents = screen.contents();
        contents.contains("Hall lamp") && !contents.contains("Living room")
    });
    // Move past the folder. The lamp may be on or off already, so set a level in between.
    terminal.keys("jl37\r");
    terminal.wait_for("Send? y/n");
    terminal.keys("y");
    terminal.wait_for("37 %: confirmed");
    terminal.keys("f");
    terminal.wait_for("Send? y/n");
    terminal.keys("y");
    terminal.wait_for("off: confirmed");
    // The details show the events of the session.
    terminal.keys("\r");
    terminal.wait_for("This session");
    terminal.keys("3");
    terminal.wait_for("37 %: confirmed");
    terminal.keys("q");
    terminal.expect_end(0);
}

#[test]
fn it_adapts_to_the_size_of_the_terminal() {
    let house = house();
    let terminal = Terminal::on(&house, &[]);
    terminal.wait_for("2 House");
    // Narrow screens show only the numbers of the views.
    terminal
        .shown
        .0
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
        .shown
        .0
        .lock()
        .unwrap()
        .screen_mut()
        .set_size(30, 100);
    terminal.master.resize(Size::new(30, 100)).unwrap();
    terminal.wait_for("2 House");
    terminal.keys("q");
    terminal.expect_end(0);
}

#[test]
fn signals_end_it_with_the_terminal_restored() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let house = house();
        let terminal = Terminal::on(&house, &[]);
        terminal.wait_for("connected");
        terminal.signal(signal);
        terminal.expect_end(0);
        assert_eq!(house.control().closes(), [Some(1000)], "{signal:?}");
    }
}

#[test]
fn ctrl_c_ends_it() {
    let house = house();
    let terminal = Terminal::on(&house, &[]);
    terminal.wait_for("connected");
    terminal.keys("\u{3}");
    terminal.expect_end(0);
}

#[test]
fn a_panic_restores_the_terminal_and_shows_its_message() {
    let house = house();
    let mut terminal = Terminal::on(&house, &["--panic"]);
    terminal.wait_for("connected");
    terminal.keys("x");
    let status = wait(&mut terminal.child);
    assert_eq!(status.code(), Some(101));
    terminal.wait_for_restored();
    terminal.wait_until("message", |screen| {
        screen.contents().contains("a panic was asked for")
    });
}

#[cfg(target_os = "linux")]
#[test]
fn it_can_be_suspended_and_resumed() {
    let house = house();
    let terminal = Terminal::on(&house, &[]);
    terminal.wait_for("connected");
    for by_key in [true, false] {
        match by_key {
            true => terminal.keys("\u{1a}"),
            false => terminal.signal(Signal::TSTP),
        }
        let path = format!("/proc/{}/stat", terminal.child.id());
        let began = Instant::now();
        while !std::fs::read_to_string(&path).unwrap().contains(") T ") {
            assert!(began.elapsed() < LIMIT, "it was not stopped");
            thread::yield_now();
        }
        terminal.wait_for_restored();
        terminal.signal(Signal::CONT);
        terminal.wait_for("connected");
    }
    terminal.keys("\u{c}?");
    terminal.wait_for("another controller");
    terminal.keys("q");
    terminal.expect_end(0);
}

#[test]
fn the_demo_shows_a_house() {
    let terminal = Terminal::start(&["demo", "--top"], &[]);
    terminal.wait_for("connected");
    terminal.wait_for("Hall lamp");
    terminal.keys("q");
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
        let parser = terminal.shown.0.lock().unwrap();
        let screen = parser.screen();
        let mut cells = (0..24).flat_map(|row| (0..80).map(move |column| (row, column)));
        cells.any(|(row, column)| {
            let cell = screen.cell(row, column).unwrap();
            cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
        })
    };
    assert!(!has_colour);
    terminal.keys("q");
    terminal.expect_end(0);
}

#[test]
fn without_a_suitable_terminal_there_is_advice() {
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
