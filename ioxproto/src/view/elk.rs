//! An ELK alarm panel (`_19`): its areas and zones.

use std::borrow::Cow;
use std::fmt;

use super::payload::Child;
use super::{ViewError, payload};
use crate::Event;
use crate::vocabulary::SystemControl;

/// A report of an ELK alarm panel about an area or a zone (`_19` actions 2 and 3).
///
/// The meanings of types and values are taken from clients of the ISY-994; unknown ones keep their
/// number.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elk<'a> {
    /// Whether the report is about an area or a zone.
    pub subject: ElkSubject,
    /// The number of the area or zone, verbatim.
    pub number: Cow<'a, str>,
    /// The code of the reported field, verbatim.
    pub code: Cow<'a, str>,
    /// The reported field: `alarm_state`, `arm_up_state`, `armed_state` of an area;
    /// `logical_state`, `physical_state`, `voltage` of a zone. `None` for an unknown code.
    pub field: Option<&'static str>,
    /// The value, verbatim.
    pub raw: Cow<'a, str>,
    /// The value's word: `disarmed`, `violated`. `None` if the value is a number or unknown.
    pub word: Option<&'static str>,
}

/// What an [`Elk`] event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElkSubject {
    /// An area of the panel.
    Area,
    /// A zone of the panel.
    Zone,
}

impl ElkSubject {
    /// `area` or `zone`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Area => "area",
            Self::Zone => "zone",
        }
    }
}

/// `ELK area 2 armed state: disarmed`.
impl fmt::Display for Elk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ELK {} {}", self.subject.label(), self.number)?;
        match self.field {
            Some("voltage") => return write!(f, " voltage: {} (in tenths)", self.raw),
            Some(field) => write!(f, " {}", field.replace('_', " "))?,
            None => write!(f, " type {}", self.code)?,
        }
        match self.word {
            Some(word) => write!(f, ": {}", word.replace('_', " ")),
            None => write!(f, ": {}", self.raw),
        }
    }
}

/// A field: its name and the words of its values from 0.
type Field = (&'static str, &'static [&'static str]);

const ALARM_STATES: &[&str] = &["no_alarm", "entrance_delay", "alarm"];
const ARM_UP_STATES: &[&str] = &[
    "not_ready_to_arm",
    "ready_to_arm",
    "ready_to_arm_with_violation",
    "armed_with_exit_timer",
    "armed_fully",
    "force_armed_with_violation",
    "armed_with_bypass",
];
const ARMED_STATES: &[&str] = &[
    "disarmed",
    "armed_away",
    "armed_stay",
    "armed_stay_instant",
    "armed_night",
    "armed_night_instant",
    "armed_vacation",
];
const LOGICAL_STATES: &[&str] = &["normal", "trouble", "violated", "bypassed"];
const PHYSICAL_STATES: &[&str] = &["not_configured", "open", "end_of_line", "short"];

impl ElkSubject {
    fn field(self, code: &str) -> Option<Field> {
        Some(match (self, code.trim()) {
            (Self::Area, "1") => ("alarm_state", ALARM_STATES),
            (Self::Area, "2") => ("arm_up_state", ARM_UP_STATES),
            (Self::Area, "3") => ("armed_state", ARMED_STATES),
            (Self::Zone, "51") => ("logical_state", LOGICAL_STATES),
            (Self::Zone, "52") => ("physical_state", PHYSICAL_STATES),
            (Self::Zone, "53") => ("voltage", &[]),
            _ => return None,
        })
    }
}

impl Event {
    /// The event as a report about an area or a zone of an ELK alarm panel.
    ///
    /// # Errors
    ///
    /// It is another event, or lacks the element `ae` or `ze`, or one of its attributes.
    pub fn elk(&self) -> Result<Elk<'_>, ViewError> {
        self.expect(SystemControl::Elk, "an ELK event")?;
        let (subject, part) = match self.action().trim() {
            "2" => (ElkSubject::Area, "ae"),
            "3" => (ElkSubject::Zone, "ze"),
            _ => return Err(ViewError::other(self, "an ELK area or zone")),
        };
        let child = payload::first(self.event_info(), part)?.ok_or(ViewError::Missing { part })?;
        Elk::of(subject, &child)
    }
}

impl<'a> Elk<'a> {
    fn of(subject: ElkSubject, child: &Child<'a>) -> Result<Self, ViewError> {
        let needed = |part: &'static str| child.attribute(part).ok_or(ViewError::Missing { part });
        let code = needed("type")?;
        let raw = needed("val")?;
        let field = subject.field(&code);
        let word = field.and_then(|(_, words)| {
            let value: usize = raw.trim().parse().ok()?;
            words.get(value).copied()
        });
        Ok(Self {
            subject,
            number: needed(subject.label())?,
            code,
            field: field.map(|(name, _)| name),
            raw,
            word,
        })
    }
}
