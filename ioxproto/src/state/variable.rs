//! The state of one variable.

use crate::view::{ControllerTime, Decimal, VariableChange, VariableField};

/// The state of a variable. A field is `None` if the controller has not reported it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its value.
    pub value: Option<Decimal>,
    /// The value at start-up: the controller sets it when it starts.
    pub init: Option<Decimal>,
    /// When the value last changed.
    pub time: Option<ControllerTime>,
}

impl Variable {
    pub(super) fn updated(mut self, frame: &VariableChange<'_>) -> Self {
        match frame.field {
            VariableField::Init => self.init = Some(frame.number),
            _ => {
                self.value = Some(frame.number);
                self.time = frame.time.or(self.time);
            }
        }
        self
    }

    /// Whether value and value at start-up are the same. Ignores the time.
    #[must_use]
    pub fn has_same_value(&self, other: &Self) -> bool {
        self.value == other.value && self.init == other.init
    }
}
