//! Properties as answers write them, and the status of nodes (`/rest/status`).

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
    /// The raw value; empty where the controller does not know it.
    pub value: String,
    /// The value as the controller displays it; may be blank.
    pub formatted: String,
    /// The unit of measure's id, or on old firmware its text; empty where it is not said.
    pub uom: String,
    /// Decimal places of the raw value; 0 where it is not said.
    pub prec: i32,
    /// The property's name as the controller displays it; mostly empty.
    pub name: String,
}

impl PropertyReading {
    /// Whether the controller knows no value: it has not heard of the property yet.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.value.is_empty()
    }

    /// The raw value scaled by its places, where it is a number.
    #[must_use]
    pub fn number(&self) -> Option<Decimal> {
        let raw: Decimal = self.value.parse().ok()?;
        raw.scaled(self.prec).ok()
    }

    /// The same as the state of the house keeps it, to seed a state with, or for its
    /// [shown value](Property::shown).
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
                control: entry.needed("id")?.to_owned(),
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

/// The properties of all nodes: what `/rest/status` answers.
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
            let address = entry.needed("id").or_else(|missing| {
                // `/api/nodes` says the same under another name.
                entry.needed("address").map_err(|_| missing)
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
    /// Reads the answer about one node: `/rest/status/<address>`.
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
