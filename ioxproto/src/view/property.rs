//! A node's property.

use std::fmt;

use super::{Decimal, ViewError};
use crate::Event;

/// A property of a node took a value, or a node did or was told something (`DON`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeProperty<'a> {
    /// The node's address.
    pub node: &'a str,
    /// The property's or command's id: `ST`, `GV1`, `DON`.
    pub control: &'a str,
    /// The value as it came, in the controller's number form.
    pub raw: &'a str,
    /// The value scaled by `prec`; `None` where the raw value is no number, or out of any range of use.
    pub number: Option<Decimal>,
    /// The unit of measure's id; empty when absent.
    pub uom: &'a str,
    /// Decimal places of the raw value; may be negative.
    pub prec: Option<i32>,
    /// The value as the controller displays it; may be empty.
    pub formatted: &'a str,
    /// The property's name as the controller displays it; may be empty.
    pub name: &'a str,
}

/// `42 92 8C 1 ST = On`: the display text, else the number, else the raw text.
impl fmt::Display for NodeProperty<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} = ", self.node, self.control)?;
        match self.number {
            _ if !self.formatted.is_empty() => f.write_str(self.formatted),
            Some(number) => number.fmt(f),
            None => f.write_str(self.raw),
        }
    }
}

impl Event {
    /// The event as a node's property.
    ///
    /// # Errors
    ///
    /// It is a system event, or names no node or no control.
    pub fn node_property(&self) -> Result<NodeProperty<'_>, ViewError> {
        if !self.is_node_property() {
            return Err(ViewError::other(self, "a node's property"));
        }
        Ok(NodeProperty {
            node: self.node(),
            control: self.control(),
            raw: self.action(),
            number: number(self.action(), self.prec()),
            uom: self.uom(),
            prec: self.prec(),
            formatted: self.fmt_act(),
            name: self.fmt_name(),
        })
    }
}

/// A raw value scaled: without `prec` as it stands.
pub(crate) fn number(raw: &str, prec: Option<i32>) -> Option<Decimal> {
    raw.parse::<Decimal>().ok()?.scaled(prec.unwrap_or(0)).ok()
}
