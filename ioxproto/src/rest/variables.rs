//! Variables: their names and their values (`/rest/vars`, `/api/variables`).

use super::AnswerError;
use super::body::{self, Entry, Shape, keep};
use super::document;
use crate::view::{ControllerTime, Decimal, VariableId, VariableType};

const DEFINITIONS: Shape = Shape {
    roots: &["CList"],
    path: &["data"],
    item: "e",
};

const VALUES: Shape = Shape {
    roots: &["vars"],
    path: &["data"],
    item: "var",
};

/// The names of all variables of a type: the answer of `/rest/vars/definitions/1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VariableDefinitions {
    /// The variables, in the controller's order.
    pub definitions: Vec<VariableDefinition>,
}

/// A variable's name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VariableDefinition {
    /// The variable.
    pub id: VariableId,
    /// Its name. Names are not unique.
    pub name: String,
}

/// The values of all variables of a type: the answer of `/rest/vars/get/1` and `/api/variables/1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variables {
    /// The variables, in the controller's order.
    pub variables: Vec<VariableEntry>,
}

/// A variable and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VariableEntry {
    /// The variable.
    pub id: VariableId,
    /// Its name; only in JSON.
    pub name: Option<String>,
    /// The raw value.
    pub value: Decimal,
    /// The raw value that it takes when the controller starts, if the answer has it.
    pub init: Option<Decimal>,
    /// Decimal places of the raw values.
    pub prec: i32,
    /// When the value last changed.
    pub changed_at: Option<ControllerTime>,
}

impl VariableEntry {
    /// The value scaled by its decimal places; `None` if the result is out of range.
    #[must_use]
    pub fn number(&self) -> Option<Decimal> {
        self.value.scaled(self.prec).ok()
    }

    /// The value at start-up, scaled by its decimal places.
    #[must_use]
    pub fn init_number(&self) -> Option<Decimal> {
        self.init?.scaled(self.prec).ok()
    }

    fn read(entry: Entry<'_>, kind: VariableType) -> Result<Self, AnswerError> {
        let changed_at = entry.element.field("ts");
        Ok(Self {
            id: VariableId {
                kind: entry.number("type").map_or(kind, VariableType::of),
                number: entry.required_number("id")?,
            },
            name: entry.element.field("name").map(str::to_owned),
            value: entry.required_number("val")?,
            init: entry.number("init"),
            prec: entry.number("prec").unwrap_or_default(),
            changed_at: changed_at.and_then(ControllerTime::in_answer),
        })
    }

    /// Reads the answer for one variable: `/rest/vars/get/1/3`.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn parse(body: &[u8], kind: VariableType) -> Result<Self, AnswerError> {
        let text = body::text(body)?;
        let root = document::whole(&text, &["var", "vars"])?;
        let element = match root.name.as_str() {
            "vars" => root.child("var").ok_or_else(|| AnswerError::Missing {
                part: "var",
                entry: String::new(),
            })?,
            _ => &root,
        };
        let name = "variable";
        Self::read(Entry { element, name }, kind)
    }
}

impl VariableDefinitions {
    /// Reads the body of an answer, XML or JSON, for variables of this type.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn parse(body: &[u8], kind: VariableType) -> Result<Self, AnswerError> {
        DEFINITIONS.read(body, |all: &mut Self, element| {
            if element.name != "e" {
                return Ok(());
            }
            let name = format!("definition {}", all.definitions.len() + 1);
            let entry = Entry {
                element: &element,
                name: &name,
            };
            let definition = VariableDefinition {
                id: VariableId {
                    kind,
                    number: entry.required_number("id")?,
                },
                name: entry.text("name"),
            };
            keep(&mut all.definitions, definition)
        })
    }
}

impl Variables {
    /// Reads the body of an answer, XML or JSON, for variables of this type.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn parse(body: &[u8], kind: VariableType) -> Result<Self, AnswerError> {
        VALUES.read(body, |all: &mut Self, element| {
            if element.name != "var" {
                return Ok(());
            }
            let name = format!("variable {}", all.variables.len() + 1);
            let entry = Entry {
                element: &element,
                name: &name,
            };
            keep(&mut all.variables, VariableEntry::read(entry, kind)?)
        })
    }
}
