//! A node's property, and a node's command.

use std::fmt;

use super::{Decimal, ViewError};
use crate::Event;
use crate::unit::{ShownValue, scaled, shown_number};
use crate::vocabulary::CommandWord;

/// A value of a node's property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeProperty<'a> {
    /// The node's address.
    pub node: &'a str,
    /// The property's id: `ST`, `GV1`.
    pub control: &'a str,
    /// The value, verbatim, in the controller's number format.
    pub raw: &'a str,
    /// The number in its unit, as in [`ShownValue`]; `None` if the raw value is not a number.
    pub number: Option<Decimal>,
    /// The unit of measure's id; empty when absent.
    pub uom: &'a str,
    /// The decimal places of the raw value, as sent; values below 0 are ignored.
    pub prec: Option<i32>,
    /// The value as the controller displays it; may be empty.
    pub formatted: &'a str,
    /// The property's name as the controller displays it; may be empty.
    pub name: &'a str,
}

impl<'a> NodeProperty<'a> {
    /// The value as shown to people: number, unit and text.
    #[must_use]
    pub fn shown(&self) -> ShownValue<'a> {
        ShownValue::of(self.raw, self.uom, self.prec, self.formatted)
    }
}

/// `42 92 8C 1 ST = On`: the text of the shown value.
impl fmt::Display for NodeProperty<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} = {}", self.node, self.control, self.shown())
    }
}

/// A command of a node: sent to it, or caused at the device, such as by pressing a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeCommand<'a> {
    /// The node's address.
    pub node: &'a str,
    /// The command.
    pub command: CommandWord,
    /// Its parameter, verbatim; `0` or blank if it has none.
    pub raw: &'a str,
    /// The parameter's unit of measure; empty when absent.
    pub uom: &'a str,
    /// The decimal places of the parameter, as sent.
    pub prec: Option<i32>,
    /// The parameter as the controller displays it; may be empty.
    pub formatted: &'a str,
    /// The command's name as the controller displays it; may be empty.
    pub name: &'a str,
}

impl<'a> NodeCommand<'a> {
    /// The name shown to people: the controller's name if there is one, otherwise `On`, `Fast On`,
    /// `Fade Up`.
    #[must_use]
    pub fn title(&self) -> &'a str {
        match self.name.trim() {
            "" => self.command.title(),
            name => name,
        }
    }

    /// Its parameter as shown to people; `None` if it has none.
    #[must_use]
    pub fn parameter(&self) -> Option<ShownValue<'a>> {
        let given = scaled(self.raw, self.prec).is_some_and(|number| number.mantissa() != 0);
        given.then(|| ShownValue::of(self.raw, self.uom, self.prec, self.formatted))
    }

    /// Title and parameter: `On`, `On 50%`.
    #[must_use]
    pub fn text(&self) -> String {
        let title = self.title();
        match self.parameter() {
            // Omit a parameter that repeats the title: `On` with the text `On`.
            Some(parameter) if parameter.text != title => format!("{title} {parameter}"),
            _ => title.to_owned(),
        }
    }
}

/// `42 92 8C 1: On 50%`.
impl fmt::Display for NodeCommand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.node, self.text())
    }
}

impl Event {
    /// The event as a node's property.
    ///
    /// # Errors
    ///
    /// It is a system event or a command, or names no node or no control.
    pub fn node_property(&self) -> Result<NodeProperty<'_>, ViewError> {
        if !self.is_node_property() {
            return Err(ViewError::other(self, "a node's property"));
        }
        Ok(NodeProperty {
            node: self.node(),
            control: self.control(),
            raw: self.action(),
            number: shown_number(self.action(), self.uom(), self.prec()),
            uom: self.uom(),
            prec: self.prec(),
            formatted: self.fmt_act(),
            name: self.fmt_name(),
        })
    }

    /// The event as a node's command.
    ///
    /// # Errors
    ///
    /// Its control is not a command, or it names no node.
    pub fn node_command(&self) -> Result<NodeCommand<'_>, ViewError> {
        match CommandWord::of(self.control()) {
            Some(command) if !self.node().is_empty() => Ok(NodeCommand {
                node: self.node(),
                command,
                raw: self.action(),
                uom: self.uom(),
                prec: self.prec(),
                formatted: self.fmt_act(),
                name: self.fmt_name(),
            }),
            _ => Err(ViewError::other(self, "a node's command")),
        }
    }
}
