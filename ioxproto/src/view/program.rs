//! A program's status (`_1` action 0).

use std::fmt;
use std::str::FromStr;

use super::payload::{self, Child};
use super::{ControllerTime, Timestamp, ViewError};
use crate::Event;
use crate::vocabulary::{SystemControl, TriggerAction};

/// A program's id. On the wire it is hexadecimal: without padding in events, padded to four digits
/// in REST. `Display` pads it.
///
/// ```
/// use ioxproto::view::ProgramId;
/// let id: ProgramId = "8D".parse()?;
/// assert_eq!(id, "008d".parse()?);
/// assert_eq!(id.to_string(), "008D");
/// # Ok::<(), ioxproto::view::ViewError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgramId(u32);

impl ProgramId {
    /// Creates the id from its number.
    #[must_use]
    pub fn new(number: u32) -> Self {
        Self(number)
    }

    /// The id as a number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

impl FromStr for ProgramId {
    type Err = ViewError;

    fn from_str(text: &str) -> Result<Self, ViewError> {
        let digits = text.trim();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ViewError::invalid("id", text, "a hexadecimal number"));
        }
        u32::from_str_radix(digits, 16)
            .map(Self)
            .map_err(|_| ViewError::invalid("id", text, "at most eight hexadecimal digits"))
    }
}

impl fmt::Display for ProgramId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// What a program is doing: the low digit of `s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunState {
    /// Nothing.
    Idle,
    /// It runs its *then*.
    RunningThen,
    /// It runs its *else*.
    RunningElse,
    /// An unknown digit.
    Other(u8),
}

impl RunState {
    /// `idle`, `then_running`, `else_running`, `unknown`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::RunningThen => "then_running",
            Self::RunningElse => "else_running",
            Self::Other(_) => "unknown",
        }
    }
}

/// The result of a program's condition: the high digit of `s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evaluation {
    /// Not known to the controller.
    Unknown,
    /// True.
    True,
    /// False.
    False,
    /// Not loaded; in practice the program has an error.
    NotLoaded,
    /// An unknown digit.
    Other(u8),
}

impl Evaluation {
    /// `unknown`, `true`, `false`, `not_loaded`; `unknown` for an unknown digit.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown | Self::Other(_) => "unknown",
            Self::True => "true",
            Self::False => "false",
            Self::NotLoaded => "not_loaded",
        }
    }

    /// The program's status; `None` if it is unknown or the program is not loaded.
    #[must_use]
    pub fn status(self) -> Option<bool> {
        match self {
            Self::True => Some(true),
            Self::False => Some(false),
            Self::Unknown | Self::NotLoaded | Self::Other(_) => None,
        }
    }
}

/// The part of a program's status that a frame contains. A field that the frame does not contain is
/// `None` and has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgramStatus {
    /// The program.
    pub id: ProgramId,
    /// Whether the program is enabled (`<on/>`, `<off/>`). This is not its status.
    pub enabled: Option<bool>,
    /// Whether it runs when the controller starts (`<rr/>`, `<nr/>`).
    pub run_at_reboot: Option<bool>,
    /// Whether it is running. `None` also while it is not loaded.
    pub run_state: Option<RunState>,
    /// The result of its condition.
    pub evaluation: Option<Evaluation>,
    /// When it last started (`r`).
    pub last_run: Option<ControllerTime>,
    /// When it last finished (`f`).
    pub last_finish: Option<ControllerTime>,
    /// When it runs next according to its schedule (`nsr`).
    pub next_run: Option<ControllerTime>,
}

impl ProgramStatus {
    /// Its status, true or false. `None` if the frame does not contain it; then the status has not
    /// changed.
    #[must_use]
    pub fn status(&self) -> Option<bool> {
        self.evaluation.and_then(Evaluation::status)
    }
}

/// `program 008D then running, true`; only the known parts.
impl fmt::Display for ProgramStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "program {}", self.id)?;
        let mut separator = " ";
        let mut part = |f: &mut fmt::Formatter<'_>, text: &dyn fmt::Display| {
            write!(f, "{separator}{text}")?;
            separator = ", ";
            Ok(())
        };
        match self.run_state {
            Some(RunState::Idle) => part(f, &"idle")?,
            Some(RunState::RunningThen) => part(f, &"then running")?,
            Some(RunState::RunningElse) => part(f, &"else running")?,
            Some(RunState::Other(digit)) => part(f, &format_args!("run state {digit:X}"))?,
            None => {}
        }
        match self.evaluation {
            Some(Evaluation::Unknown) => part(f, &"unknown")?,
            Some(Evaluation::True) => part(f, &"true")?,
            Some(Evaluation::False) => part(f, &"false")?,
            Some(Evaluation::NotLoaded) => part(f, &"not loaded")?,
            Some(Evaluation::Other(digit)) => part(f, &format_args!("evaluation {digit:X}"))?,
            None => {}
        }
        if self.enabled == Some(false) {
            part(f, &"disabled")?;
        }
        if let (Some(next), None) = (self.next_run, self.run_state) {
            part(f, &format_args!("next run {next}"))?;
        }
        Ok(())
    }
}

impl Event {
    /// The event as a program's status.
    ///
    /// # Errors
    ///
    /// It is another event; it has no id; or its id, status or a time is invalid.
    pub fn program_status(&self) -> Result<ProgramStatus, ViewError> {
        if self.control() != SystemControl::Trigger.code()
            || self.action() != TriggerAction::ProgramStatus.code()
        {
            return Err(ViewError::other(self, "a program's status"));
        }
        let of = Timestamp::parse(self.timestamp());
        let mut reading = Reading::default();
        payload::children(self.event_info(), |child| reading.take(&child, of))?;
        reading.finish()
    }
}

/// The elements of the payload. Of several with the same name, the first is used.
#[derive(Default)]
struct Reading {
    id: Option<ProgramId>,
    enabled: Option<bool>,
    run_at_reboot: Option<bool>,
    state: Option<u8>,
    /// `r`, `f`, `nsr`.
    times: [Option<ControllerTime>; 3],
    error: Option<ViewError>,
}

impl Reading {
    fn take(&mut self, child: &Child<'_>, of: Option<Timestamp>) {
        let result = match child.name {
            "id" if self.id.is_none() => child.text.parse().map(|id| self.id = Some(id)),
            "on" => Ok(_ = self.enabled.get_or_insert(true)),
            "off" => Ok(_ = self.enabled.get_or_insert(false)),
            "rr" => Ok(_ = self.run_at_reboot.get_or_insert(true)),
            "nr" => Ok(_ = self.run_at_reboot.get_or_insert(false)),
            "s" if self.state.is_none() => state(&child.text).map(|state| self.state = state),
            "r" => self.time(0, "r", &child.text, of),
            "f" => self.time(1, "f", &child.text, of),
            "nsr" => self.time(2, "nsr", &child.text, of),
            _ => Ok(()),
        };
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
    }

    fn time(
        &mut self,
        at: usize,
        part: &'static str,
        text: &str,
        of: Option<Timestamp>,
    ) -> Result<(), ViewError> {
        if self.times[at].is_none() && !text.is_empty() {
            let time = ControllerTime::parse(text, of)
                .ok_or_else(|| ViewError::invalid(part, text, "YYMMDD HH:MM:SS"))?;
            self.times[at] = Some(time);
        }
        Ok(())
    }

    fn finish(self) -> Result<ProgramStatus, ViewError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let evaluation = self.state.map(|state| match state >> 4 {
            1 => Evaluation::Unknown,
            2 => Evaluation::True,
            3 => Evaluation::False,
            0xF => Evaluation::NotLoaded,
            digit => Evaluation::Other(digit),
        });
        let run_state = self
            .state
            .filter(|_| evaluation != Some(Evaluation::NotLoaded))
            .map(|state| match state & 0xF {
                1 => RunState::Idle,
                2 => RunState::RunningThen,
                3 => RunState::RunningElse,
                digit => RunState::Other(digit),
            });
        let [last_run, last_finish, next_run] = self.times;
        Ok(ProgramStatus {
            id: self.id.ok_or(ViewError::Missing { part: "id" })?,
            enabled: self.enabled,
            run_at_reboot: self.run_at_reboot,
            run_state,
            evaluation,
            last_run,
            last_finish,
            next_run,
        })
    }
}

fn state(text: &str) -> Result<Option<u8>, ViewError> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u8::from_str_radix(text, 16)
        .ok()
        .filter(|_| digits)
        .map(Some)
        .ok_or_else(|| ViewError::invalid("s", text, "two hexadecimal digits"))
}
