//! Variables (`_1` actions 6, 7, 9).

use std::borrow::Cow;
use std::fmt;

use super::payload::{self, Child};
use super::{ControllerTime, Decimal, Timestamp, ViewError};
use crate::Event;
use crate::unit::scaled as number;
use crate::vocabulary::{SystemControl, TriggerAction};

/// A variable's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VariableType {
    /// An integer variable (1).
    Integer,
    /// A state variable (2), which programs watch.
    State,
    /// An unknown type.
    Other(u32),
}

impl VariableType {
    /// The type of this number on the wire.
    #[must_use]
    pub fn of(number: u32) -> Self {
        match number {
            1 => Self::Integer,
            2 => Self::State,
            other => Self::Other(other),
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Integer => 1,
            Self::State => 2,
            Self::Other(number) => number,
        }
    }
}

/// `integer`, `state`, or the number of an unknown type.
impl fmt::Display for VariableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer => f.pad("integer"),
            Self::State => f.pad("state"),
            Self::Other(number) => number.fmt(f),
        }
    }
}

/// The id of a variable: its type and its number within the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it, and type and number identify a variable completely"
)]
pub struct VariableId {
    /// Its type.
    pub kind: VariableType,
    /// Its number.
    pub number: u32,
}

/// `state 12`.
impl fmt::Display for VariableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.number)
    }
}

/// Which of a variable's two values a frame contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VariableField {
    /// The current value.
    Value,
    /// The value at start-up: the controller sets it when it starts.
    Init,
}

impl VariableField {
    /// `variable_value` or `variable_init`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Value => TriggerAction::VariableValue.label(),
            Self::Init => TriggerAction::VariableInit.label(),
        }
    }
}

/// A change of a variable's value or value at start-up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VariableChange<'a> {
    /// The variable.
    pub id: VariableId,
    /// Which of its two values changed.
    pub field: VariableField,
    /// The value, verbatim.
    pub raw: Cow<'a, str>,
    /// The value scaled by `prec`.
    pub number: Decimal,
    /// Decimal places of the raw value.
    pub prec: Option<i32>,
    /// When it changed, if the frame contains it.
    pub time: Option<ControllerTime>,
}

/// `variable state 12 = 5.1`, `variable state 1 init = 0`.
impl fmt::Display for VariableChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let init = match self.field {
            VariableField::Value => "",
            VariableField::Init => " init",
        };
        write!(f, "variable {}{init} = {}", self.id, self.number)
    }
}

/// The variable table of a type has changed: variables were added, removed or renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VariableTable {
    /// The type whose table it is.
    pub kind: VariableType,
    /// The variable in the frame; in practice 0, for the whole table.
    pub number: u32,
}

/// `table of state variables changed`.
impl fmt::Display for VariableTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table of {} variables changed", self.kind)
    }
}

impl Event {
    /// The event as a variable's value or value at start-up.
    ///
    /// # Errors
    ///
    /// It is another event; it names no variable; or its value is not a number.
    pub fn variable_change(&self) -> Result<VariableChange<'_>, ViewError> {
        let (field, part) = match self.trigger() {
            Some(TriggerAction::VariableValue) => (VariableField::Value, "val"),
            Some(TriggerAction::VariableInit) => (VariableField::Init, "init"),
            _ => return Err(ViewError::other(self, "a variable's value")),
        };
        let var = self.variable()?;
        let mut value = payload::text(var.inner, part)?;
        if value.is_none() && field == VariableField::Init {
            // Older firmware sends the init value as `val` instead of a separate element.
            value = payload::text(var.inner, "val")?;
        }
        let raw = value.ok_or(ViewError::Missing { part })?;
        let prec = payload::text(var.inner, "prec")?.and_then(|prec| prec.parse().ok());
        let number =
            number(&raw, prec).ok_or_else(|| ViewError::invalid(part, &raw, "a decimal number"))?;
        let time = match payload::text(var.inner, "ts")? {
            Some(text) if !text.is_empty() => {
                let time = ControllerTime::parse(&text, Timestamp::parse(self.timestamp()));
                Some(time.ok_or_else(|| ViewError::invalid("ts", &text, "YYYYMMDD HH:MM:SS"))?)
            }
            _ => None,
        };
        Ok(VariableChange {
            id: VariableId {
                kind: kind(&var)?,
                number: whole(&var, "id")?,
            },
            field,
            raw,
            number,
            prec,
            time,
        })
    }

    /// The event as a change of a table of variables.
    ///
    /// # Errors
    ///
    /// It is another event, or it names no type.
    pub fn variable_table(&self) -> Result<VariableTable, ViewError> {
        if self.trigger() != Some(TriggerAction::VariableTable) {
            return Err(ViewError::other(self, "a change of a table of variables"));
        }
        let var = self.variable()?;
        Ok(VariableTable {
            kind: kind(&var)?,
            number: match var.field("id")? {
                Some(_) => whole(&var, "id")?,
                None => 0,
            },
        })
    }

    fn trigger(&self) -> Option<TriggerAction> {
        let trigger = self.control() == SystemControl::Trigger.code();
        trigger.then(|| TriggerAction::of(self.action())).flatten()
    }

    fn variable(&self) -> Result<Child<'_>, ViewError> {
        payload::first(self.event_info(), "var")?.ok_or(ViewError::Missing { part: "var" })
    }
}

fn kind(var: &Child<'_>) -> Result<VariableType, ViewError> {
    whole(var, "type").map(VariableType::of)
}

fn whole(var: &Child<'_>, part: &'static str) -> Result<u32, ViewError> {
    let text = var.field(part)?.ok_or(ViewError::Missing { part })?;
    let digits = text.trim();
    digits
        .parse()
        .ok()
        .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| ViewError::invalid(part, &text, "a whole number"))
}
