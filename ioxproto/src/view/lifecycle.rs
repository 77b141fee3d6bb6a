//! The lifecycle of nodes, folders and scenes (`_3`).

use std::borrow::Cow;
use std::fmt;

use super::ViewError;
use super::payload;
use crate::Event;
use crate::vocabulary::{Code, Lifecycle, LifecycleSubject, SystemControl};

/// A lifecycle event: the verb and the address. The fields of the payload are decoded on demand.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LifecycleChange<'a> {
    /// What happened.
    pub verb: Code<'a, Lifecycle>,
    /// The address of the node, folder or scene. For some verbs, the name of an editor or resource.
    pub address: &'a str,
    info: &'a str,
}

/// The payload of a lifecycle event, by its verb. Fields that the payload lacks are `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LifecycleDetails<'a> {
    /// `ND`.
    NodeAdded {
        /// The node's name (`nodeName`).
        name: Option<Cow<'a, str>>,
        /// The node's type (`nodeType`).
        kind: Option<Cow<'a, str>>,
        /// The whole `<node>` element, which IoX 6 sends.
        node_xml: Option<&'a str>,
    },
    /// `RV`.
    NodeRevised {
        /// The whole `<node>` element.
        node_xml: Option<&'a str>,
    },
    /// `NN`, `FN`, `GN`.
    Renamed {
        /// The new name (`newName`).
        name: Cow<'a, str>,
    },
    /// `MV`.
    MovedIntoScene {
        /// The node that was moved (`movedNode`).
        node: Cow<'a, str>,
        /// The kind of link (`linkType`).
        link_type: Option<Cow<'a, str>>,
    },
    /// `RG`.
    RemovedFromScene {
        /// The node that was removed (`removedNode`).
        node: Cow<'a, str>,
    },
    /// `PC`.
    ParentChanged {
        /// The node (`node`).
        node: Option<Cow<'a, str>>,
        /// Its type (`nodeType`).
        node_type: Option<Cow<'a, str>>,
        /// Its new parent (`parent`).
        parent: Option<Cow<'a, str>>,
        /// The parent's type (`parentType`).
        parent_type: Option<Cow<'a, str>>,
    },
    /// `EN`.
    Enabled(bool),
    /// `PI`.
    PowerInfo {
        /// `deviceClass`.
        device_class: Option<Cow<'a, str>>,
        /// `wattage`.
        wattage: Option<Cow<'a, str>>,
        /// `dcPeriod`.
        dc_period: Option<Cow<'a, str>>,
    },
    /// `GD`.
    SceneAdded {
        /// The scene's name (`groupName`).
        name: Option<Cow<'a, str>>,
        /// The scene's type (`groupType`).
        kind: Option<Cow<'a, str>>,
    },
    /// A verb whose payload has no fields of its own, or an unknown one.
    Plain,
}

impl<'a> LifecycleChange<'a> {
    /// Whether nodes, scenes or folders have changed, so that cached structure must be loaded
    /// again. `false` for an unknown verb.
    #[must_use]
    pub fn is_reload_needed(&self) -> bool {
        self.verb.known().is_some_and(Lifecycle::is_reload_needed)
    }

    /// The payload as inner XML.
    #[must_use]
    pub fn payload(&self) -> &'a str {
        self.info
    }

    /// The text of the payload's first element of this name.
    ///
    /// # Errors
    ///
    /// The payload is not well-formed.
    pub fn field(&self, name: &str) -> Result<Option<Cow<'a, str>>, ViewError> {
        payload::text(self.info, name)
    }

    /// The payload's fields, by the verb.
    ///
    /// # Errors
    ///
    /// The payload is not well-formed, or lacks a field that its verb requires: the new name, the
    /// node that was moved or removed, whether the node is enabled.
    pub fn details(&self) -> Result<LifecycleDetails<'a>, ViewError> {
        let Code::Known(verb) = self.verb else {
            return Ok(LifecycleDetails::Plain);
        };
        Ok(match verb {
            Lifecycle::NodeAdded => {
                let node = payload::first(self.info, "node")?;
                let inner = node.as_ref().map_or("", |node| node.inner);
                let name = self.field("nodeName")?;
                LifecycleDetails::NodeAdded {
                    name: name
                        .map_or_else(|| payload::text(inner, "name"), |name| Ok(Some(name)))?,
                    kind: self.field("nodeType")?,
                    node_xml: node.map(|node| node.outer),
                }
            }
            Lifecycle::NodeRevised => LifecycleDetails::NodeRevised {
                node_xml: payload::first(self.info, "node")?.map(|node| node.outer),
            },
            Lifecycle::NodeRenamed | Lifecycle::FolderRenamed | Lifecycle::SceneRenamed => {
                LifecycleDetails::Renamed {
                    name: self.needed("newName")?,
                }
            }
            Lifecycle::NodeMoved => LifecycleDetails::MovedIntoScene {
                node: self.needed("movedNode")?,
                link_type: self.field("linkType")?,
            },
            Lifecycle::RemovedFromScene => LifecycleDetails::RemovedFromScene {
                node: self.needed("removedNode")?,
            },
            Lifecycle::ParentChanged => LifecycleDetails::ParentChanged {
                node: self.field("node")?,
                node_type: self.field("nodeType")?,
                parent: self.field("parent")?,
                parent_type: self.field("parentType")?,
            },
            Lifecycle::EnabledChanged => {
                let text = self.needed("enabled")?;
                LifecycleDetails::Enabled(
                    parse_bool(&text).ok_or_else(|| {
                        ViewError::invalid("enabled", &text, "true, false, 1 or 0")
                    })?,
                )
            }
            Lifecycle::PowerInfo => LifecycleDetails::PowerInfo {
                device_class: self.field("deviceClass")?,
                wattage: self.field("wattage")?,
                dc_period: self.field("dcPeriod")?,
            },
            Lifecycle::SceneAdded => LifecycleDetails::SceneAdded {
                name: self.field("groupName")?,
                kind: self.field("groupType")?,
            },
            _ => LifecycleDetails::Plain,
        })
    }

    fn needed(&self, part: &'static str) -> Result<Cow<'a, str>, ViewError> {
        self.field(part)?.ok_or(ViewError::Missing { part })
    }
}

/// Parses `true`, `false`, `1` and `0`, ignoring case.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.trim() {
        "1" => Some(true),
        "0" => Some(false),
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// `node n009_harmonyctrl added`, `scene 25614 renamed to Porch`; the code of an unknown verb.
impl fmt::Display for LifecycleChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Code::Known(verb) = self.verb else {
            return write!(f, "{}: {}", self.address, self.verb);
        };
        let subject = match verb.subject() {
            LifecycleSubject::Node => "node",
            LifecycleSubject::Folder => "folder",
            LifecycleSubject::Scene => "scene",
            LifecycleSubject::Resource => "resource",
        };
        f.write_str(subject)?;
        if !self.address.is_empty() {
            write!(f, " {}", self.address)?;
        }
        match (verb, self.details()) {
            (Lifecycle::NodeAdded | Lifecycle::FolderAdded | Lifecycle::SceneAdded, _) => {
                f.write_str(" added")
            }
            (Lifecycle::NodeRemoved | Lifecycle::FolderRemoved | Lifecycle::SceneRemoved, _) => {
                f.write_str(" removed")
            }
            (_, Ok(LifecycleDetails::Renamed { name })) => write!(f, " renamed to {name}"),
            (_, Ok(LifecycleDetails::MovedIntoScene { node, .. })) => {
                write!(f, " now contains node {node}")
            }
            (_, Ok(LifecycleDetails::RemovedFromScene { node })) => {
                write!(f, " no longer contains node {node}")
            }
            (_, Ok(LifecycleDetails::Enabled(true))) => f.write_str(" enabled"),
            (_, Ok(LifecycleDetails::Enabled(false))) => f.write_str(" disabled"),
            (Lifecycle::NodeRevised, _) => f.write_str(" revised"),
            (verb, _) => write!(f, ": {}", verb.label().replace('_', " ")),
        }
    }
}

impl Event {
    /// The event as a lifecycle event. [`LifecycleChange::details`] reads the payload, so that verb
    /// and address are available even if the payload is broken.
    ///
    /// # Errors
    ///
    /// It is another event.
    pub fn lifecycle(&self) -> Result<LifecycleChange<'_>, ViewError> {
        if self.control() != SystemControl::NodeLifecycle.code() {
            return Err(ViewError::other(self, "a lifecycle event"));
        }
        Ok(LifecycleChange {
            verb: Code::of(self.action()),
            address: self.node(),
            info: self.event_info(),
        })
    }
}
