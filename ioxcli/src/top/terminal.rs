//! The terminal: taken over, and given back whatever happens.
//!
//! It is given back on a regular end, before a suspension, and by a panic in any thread, which
//! writes its message only then.

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

/// Keys that may wait.
const WAITING: usize = 64;

/// Whether the terminal is ours at the moment.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it shows the model.
pub(super) struct Screen {
    terminal: ratatui::Terminal<CrosstermBackend<Stdout>>,
    theme: Theme,
}

/// Fails unless there is a terminal that can show it.
pub(super) fn check() -> Result<(), ExitError> {
    let advice = "iox watch writes lines, to any terminal, file or pipe";
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(ExitError::usage(format!(
            "iox top needs a terminal for its keys and its screen, and standard input or output is none: {advice}"
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
    /// Takes the terminal over.
    pub(super) fn take(has_colour: bool) -> io::Result<Self> {
        restore_on_panic();
        take_over()?;
        let terminal = ratatui::Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(Self {
            terminal,
            theme: Theme { has_colour },
        })
    }

    /// Draws what has changed.
    pub(super) fn draw(&mut self, model: &Model) -> io::Result<()> {
        let theme = self.theme;
        self.terminal.draw(|frame| {
            let area = frame.area();
            render(model, theme, area, frame.buffer_mut());
        })?;
        Ok(())
    }

    /// Forgets what is believed to be on the terminal, so that the next drawing draws everything.
    pub(super) fn repaint(&mut self) -> io::Result<()> {
        // ratatui's own `clear` asks the terminal for its cursor, and the answer would be read by
        // the thread that reads keys.
        execute!(io::stdout(), Clear(ClearType::All))?;
        self.terminal = ratatui::Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }

    /// The height in lines.
    pub(super) fn height(&self) -> u16 {
        self.terminal.size().map_or(24, |size| size.height)
    }

    /// Whether a panic has given the terminal back.
    pub(super) fn is_lost(&self) -> bool {
        !IS_TAKEN.load(Ordering::SeqCst)
    }

    /// Gives the terminal back, stops the process as Ctrl-Z does, and takes the terminal again when
    /// it is continued.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        {
            give_back();
            rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::STOP,
            )?;
            self.resume()?;
        }
        Ok(())
    }

    /// Takes the terminal again, whatever was done to it meanwhile.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        give_back();
        take_over()?;
        self.repaint()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take_over() -> io::Result<()> {
    IS_TAKEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide)
}

/// Gives the terminal back, once.
fn give_back() {
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing can be done if it fails: the terminal is gone, or closed.
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            give_back();
            before(about);
        }));
    });
}

/// Reads the keyboard on a thread of its own: a read cannot be interrupted.
pub(super) fn read_keys() -> io::Result<mpsc::Receiver<Input>> {
    let (sender, keys) = mpsc::channel(WAITING);
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
