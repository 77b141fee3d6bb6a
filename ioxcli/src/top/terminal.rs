//! Sets up the terminal for full-screen output, and restores it in every case.
//!
//! The terminal is restored at the end, before a suspension, and by a panic in any thread before
//! its message is written.

use std::io::{self, IsTerminal as _, Stdout};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use tokio::sync::mpsc;

use super::model::{Input, Key, Model};
use super::render::{Theme, render};
use crate::exit_error::ExitError;

/// The maximum number of keys that wait to be handled.
const MAX_WAITING_KEYS: usize = 64;

/// Whether the terminal is set up for full-screen output now.
static IS_SET_UP: AtomicBool = AtomicBool::new(false);

/// The terminal while it shows the model.
pub(super) struct Screen {
    terminal: ratatui::Terminal<CrosstermBackend<Stdout>>,
    theme: Theme,
}

/// Fails if there is no suitable terminal.
pub(super) fn check() -> Result<(), ExitError> {
    let advice = "iox watch writes lines to any terminal, file or pipe";
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(ExitError::usage(format!(
            "iox top needs a terminal for its keys and its screen, but standard input or output is not a terminal: {advice}"
        )));
    }
    match std::env::var("TERM").as_deref() {
        Ok("dumb") => Err(ExitError::usage(format!(
            "this terminal cannot move its cursor (TERM=dumb): {advice}"
        ))),
        _ => Ok(()),
    }
}

impl Screen {
    /// Sets up the terminal.
    pub(super) fn take(has_colour: bool) -> io::Result<Self> {
        restore_on_panic();
        set_up()?;
        let terminal = ratatui::Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(Self {
            terminal,
            theme: Theme { has_colour },
        })
    }

    /// Draws the changed cells.
    pub(super) fn draw(&mut self, model: &Model) -> io::Result<()> {
        let theme = self.theme;
        self.terminal.draw(|frame| {
            let area = frame.area();
            render(model, theme, area, frame.buffer_mut());
        })?;
        Ok(())
    }

    /// Clears the terminal, so that the next call of `draw` draws every cell.
    pub(super) fn repaint(&mut self) -> io::Result<()> {
        // ratatui's own `clear` queries the cursor position, and the key thread would read the
        // terminal's answer.
        execute!(io::stdout(), Clear(ClearType::All))?;
        self.terminal = ratatui::Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }

    /// The height in lines.
    pub(super) fn height(&self) -> u16 {
        self.terminal.size().map_or(24, |size| size.height)
    }

    /// Whether a panic has restored the terminal.
    pub(super) fn is_lost(&self) -> bool {
        !IS_SET_UP.load(Ordering::SeqCst)
    }

    /// Restores the terminal, stops the process as Ctrl-Z does, and sets up the terminal again when
    /// the process is continued.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        {
            restore();
            rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::STOP,
            )?;
            self.resume()?;
        }
        Ok(())
    }

    /// Sets up the terminal again, because its state may have changed in the meantime.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        restore();
        set_up()?;
        self.repaint()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn set_up() -> io::Result<()> {
    IS_SET_UP.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide)
}

/// Restores the terminal, if it is set up.
fn restore() {
    if IS_SET_UP.swap(false, Ordering::SeqCst) {
        // Fails only if the terminal is closed.
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            restore();
            before(about);
        }));
    });
}

/// Reads keys on a separate thread, because a read cannot be interrupted.
pub(super) fn read_keys() -> io::Result<mpsc::Receiver<Input>> {
    let (sender, keys) = mpsc::channel(MAX_WAITING_KEYS);
    let thread = thread::Builder::new().name("keys".to_owned());
    thread.spawn(move || {
        while let Ok(event) = event::read() {
            let input = match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => of_key(key).map(Input::Key),
                Event::Resize(_, height) => Some(Input::Resized(height)),
                _ => None,
            };
            if let Some(input) = input
                && sender.blocking_send(input).is_err()
            {
                break;
            }
        }
    })?;
    Ok(keys)
}

fn of_key(key: KeyEvent) -> Option<Key> {
    Some(match key.code {
        KeyCode::Char(character) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            Key::Control(character.to_ascii_lowercase())
        }
        KeyCode::Char(character) => Key::Character(character),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
