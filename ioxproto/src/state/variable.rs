//! One variable as it is kept.

use crate::view::{ControllerTime, Decimal, VariableChange, VariableField};

/// What is known of a variable; `None` is what was never said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its value.
    pub value: Option<Decimal>,
    /// The value that it takes when the controller starts.
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

    /// Whether value and init are the same; the time aside.
    #[must_use]
    pub fn has_same_value(&self, other: &Self) -> bool {
        self.value == other.value && self.init == other.init
    }
}
