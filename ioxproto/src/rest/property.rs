//! Properties in answers, and the status of nodes (`/rest/status`).

use super::AnswerError;
use super::body::{self, Entry, Shape, keep};
use super::document::{self, Element};
use crate::state::Property;
use crate::view::Decimal;

const SHAPE: Shape = Shape {
    roots: &["nodes"],
    path: &["data", "nodes"],
    item: "node",
};

/// A property in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PropertyReading {
    /// Its control, such as `ST` (`id`).
    pub control: String,
    /// The raw value; empty if the controller does not know it.
    pub value: String,
    /// The value as the controller displays it; may be blank.
    pub formatted: String,
    /// The unit of measure's id, or its text on old firmware; empty if the answer has none.
    pub uom: String,
    /// Decimal places of the raw value; 0 if the answer has none.
    pub prec: i32,
    /// The property's name as the controller displays it; usually empty.
    pub name: String,
}

impl PropertyReading {
    /// Whether the controller does not know the value, because the device has not reported it yet.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.value.is_empty()
    }

    /// The raw value scaled by its decimal places, if it is a number.
    #[must_use]
    pub fn number(&self) -> Option<Decimal> {
        let raw: Decimal = self.value.parse().ok()?;
        raw.scaled(self.prec).ok()
    }

    /// Converts the reading to a [`Property`] of the state, to seed a state, or to get its [shown
    /// value](Property::shown).
    #[must_use]
    pub fn to_property(&self) -> Property {
        Property::new(&self.value)
            .with_unit(&self.uom, Some(self.prec))
            .with_formatted(&self.formatted)
            .with_name(&self.name)
    }

    /// The properties of a node's element.
    pub(super) fn all_in(element: &Element, node: &str) -> Result<Vec<Self>, AnswerError> {
        let name = format!("a property of node {node:?}");
        let read = |element| {
            let entry = Entry {
                element,
                name: &name,
            };
            let untrimmed = |part: &str| element.attribute(part).unwrap_or_default().to_owned();
            Ok(Self {
                control: entry.required("id")?.to_owned(),
                value: entry.text("value").trim().to_owned(),
                formatted: untrimmed("formatted"),
                uom: entry.text("uom"),
                prec: entry.number("prec").unwrap_or_default(),
                name: untrimmed("name"),
            })
        };
        element.children("property").map(read).collect()
    }
}

/// The properties of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStatus {
    /// The node's address.
    pub address: String,
    /// Its properties.
    pub properties: Vec<PropertyReading>,
}

/// The properties of all nodes: the answer of `/rest/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statuses {
    /// The nodes, in the controller's order.
    pub nodes: Vec<NodeStatus>,
}

impl Statuses {
    /// Reads the body of an answer.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        SHAPE.read(body, |statuses: &mut Self, element| {
            if element.name != "node" {
                return Ok(());
            }
            let name = format!("node {}", statuses.nodes.len() + 1);
            let entry = Entry {
                element: &element,
                name: &name,
            };
            let address = entry.required("id").or_else(|missing| {
                // `/api/nodes` uses this name.
                entry.required("address").map_err(|_| missing)
            })?;
            let status = NodeStatus {
                properties: PropertyReading::all_in(&element, address)?,
                address: address.to_owned(),
            };
            keep(&mut statuses.nodes, status)
        })
    }
}

impl NodeStatus {
    /// Reads the answer for one node: `/rest/status/<address>`.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn parse(body: &[u8], address: &str) -> Result<Self, AnswerError> {
        let text = body::text(body)?;
        let root = document::whole(&text, &["properties", "nodes", "node", "nodeInfo"])?;
        let inner = root.child("properties").or_else(|| root.child("node"));
        let holder = inner.unwrap_or(&root);
        if holder.name == "nodes" {
            return Err(AnswerError::Missing {
                part: "node",
                entry: String::new(),
            });
        }
        Ok(Self {
            address: address.to_owned(),
            properties: PropertyReading::all_in(holder, address)?,
        })
    }

    /// The property of this control.
    #[must_use]
    pub fn property(&self, control: &str) -> Option<&PropertyReading> {
        self.properties
            .iter()
            .find(|property| property.control == control)
    }
}
