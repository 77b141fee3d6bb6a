//! Nodes, scenes and folders (`/rest/nodes`, `/api/nodes`).

use std::fmt;

use super::AnswerError;
use super::body::{Entry, Shape, keep};
use super::document::{self, Element};
use super::property::PropertyReading;

const SHAPE: Shape = Shape {
    roots: &["nodes"],
    path: &["data", "nodes"],
    item: "node",
};

/// All nodes, scenes and folders: the answer of `/rest/nodes` and `/api/nodes`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Nodes {
    /// The name of the tree's root; empty if it has none.
    pub root: String,
    /// The nodes, in the controller's order.
    pub nodes: Vec<NodeEntry>,
    /// The scenes (groups), without the one that represents the controller itself.
    pub scenes: Vec<SceneEntry>,
    /// The folders.
    pub folders: Vec<FolderEntry>,
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NodeEntry {
    /// Its address.
    pub address: String,
    /// Its name; empty if the controller gives none.
    pub name: String,
    /// Its parent; `None` at the top of the tree.
    pub parent: Option<Parent>,
    /// Its family, with the slot of a plug-in.
    pub family: Family,
    /// Its node definition (`nodeDefId`); empty on old firmware.
    pub node_def_id: String,
    /// Its device type (`type`), such as `1.32.69.0`; `0.0.0.0` if it has none.
    pub device_type: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The first node of its device (`pnode`); empty if the answer does not give it.
    pub primary_node: String,
    /// Its kind, as four numbers such as `1.2.9.0` (`hint`).
    pub hint: String,
    /// Its Z-Wave category (`devtype`, `cat`), such as 111 for a door lock; `None` for other nodes.
    pub zwave_category: Option<u32>,
    /// Its flags (`flag`).
    pub flags: NodeFlags,
    /// Its properties in this answer.
    pub properties: Vec<PropertyReading>,
}

/// A scene.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SceneEntry {
    /// Its address.
    pub address: String,
    /// Its name; empty if the controller gives none.
    pub name: String,
    /// Its parent; `None` at the top of the tree.
    pub parent: Option<Parent>,
    /// Its family.
    pub family: Family,
    /// Its node definition (`nodeDefId`); empty on old firmware.
    pub node_def_id: String,
    /// Its first node (`pnode`); empty if the answer does not give it.
    pub primary_node: String,
    /// Its number among the device's own groups (`deviceGroup`).
    pub device_group: String,
    /// Its flags.
    pub flags: NodeFlags,
    /// Its members.
    pub members: Vec<SceneMember>,
}

/// A folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderEntry {
    /// Its address.
    pub address: String,
    /// Its name; empty if the controller gives none.
    pub name: String,
    /// Its parent; `None` at the top of the tree.
    pub parent: Option<Parent>,
    /// Its family.
    pub family: Family,
    /// Its flags.
    pub flags: NodeFlags,
}

/// A node in a scene.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SceneMember {
    /// The node's address.
    pub address: String,
    /// How it is linked.
    pub link: LinkType,
}

/// How a node is linked in a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkType {
    /// It follows the scene (0).
    Responder,
    /// It follows the scene and controls it (16).
    Controller,
    /// An unknown type.
    Other(u32),
}

/// The parent of a node, scene or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parent {
    /// The parent's address.
    pub address: String,
    /// The kind of the parent.
    pub kind: ParentKind,
}

/// The kind of a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParentKind {
    /// A node (1).
    Node,
    /// A scene (2).
    Scene,
    /// A folder (3).
    Folder,
    /// An unknown type, or none given (0).
    Other(u32),
}

/// The technology of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Family {
    /// Its number: 1 Insteon, 4 and 12 Z-Wave, 6 scene, 10 plug-in, 13 folder, 14 Zigbee,
    /// 15 Matter. Insteon if the controller gives none.
    pub id: u32,
    /// The plug-in's slot (`instance`).
    pub instance: Option<String>,
}

/// The bits of `flag`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeFlags(u32);

impl NodeFlags {
    /// The bits as received.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether it is a group (4).
    #[must_use]
    pub fn is_group(self) -> bool {
        self.0 & 4 != 0
    }

    /// Whether it is the root of the tree (8). A root group is the controller itself.
    #[must_use]
    pub fn is_root(self) -> bool {
        self.0 & 8 != 0
    }

    /// Whether the controller cannot reach it (16).
    #[must_use]
    pub fn is_in_error(self) -> bool {
        self.0 & 16 != 0
    }

    /// Whether it was discovered and is not set up yet (32).
    #[must_use]
    pub fn is_new(self) -> bool {
        self.0 & 32 != 0
    }

    /// Whether it is about to be deleted (64).
    #[must_use]
    pub fn is_to_be_deleted(self) -> bool {
        self.0 & 64 != 0
    }

    /// Whether it is the first node of its device (128).
    #[must_use]
    pub fn is_device_root(self) -> bool {
        self.0 & 128 != 0
    }
}

impl LinkType {
    pub(crate) fn of(number: u32) -> Self {
        match number {
            0 => Self::Responder,
            16 => Self::Controller,
            other => Self::Other(other),
        }
    }
}

/// Writes `responder`, `controller`, or the number of an unknown type.
impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Responder => f.pad("responder"),
            Self::Controller => f.pad("controller"),
            Self::Other(number) => number.fmt(f),
        }
    }
}

impl ParentKind {
    /// The kind with this number on the wire.
    #[must_use]
    pub fn of(number: u32) -> Self {
        match number {
            1 => Self::Node,
            2 => Self::Scene,
            3 => Self::Folder,
            other => Self::Other(other),
        }
    }
}

impl Nodes {
    /// Reads the body of an answer, XML or JSON.
    ///
    /// ```
    /// use ioxproto::rest::Nodes;
    ///
    /// let nodes = Nodes::parse(
    ///     br#"<nodes><root>Home</root><node flag="128" nodeDefId="DimmerLampSwitch_ADV">
    ///     <address>1A 2B 3C 1</address><name>Hall lamp</name></node></nodes>"#,
    /// )?;
    /// assert_eq!((nodes.root.as_str(), nodes.nodes[0].name.as_str()), ("Home", "Hall lamp"));
    /// # Ok::<(), ioxproto::rest::AnswerError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        SHAPE.read(body, |nodes: &mut Self, element| {
            let nth = |list: usize| format!("{} {}", element.name, list + 1);
            match element.name.as_str() {
                "root" => nodes.root = element.text().to_owned(),
                "node" => {
                    let node = NodeEntry::read(&element, &nth(nodes.nodes.len()))?;
                    keep(&mut nodes.nodes, node)?;
                }
                "group" => {
                    let scene = SceneEntry::read(&element, &nth(nodes.scenes.len()))?;
                    // This group is the controller itself; its name is that of the house.
                    if scene.flags.is_root() {
                        if nodes.root.is_empty() {
                            nodes.root = scene.name;
                        }
                    } else {
                        keep(&mut nodes.scenes, scene)?;
                    }
                }
                "folder" => {
                    let folder = FolderEntry::read(&element, &nth(nodes.folders.len()))?;
                    keep(&mut nodes.folders, folder)?;
                }
                _ => {}
            }
            Ok(())
        })
    }
}

impl NodeEntry {
    /// Reads one `<node>` element or an answer that contains one: the answer of
    /// `/rest/nodes/<address>`, or the payload of a lifecycle event.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        let text = super::body::text(body)?;
        let root = document::whole(&text, &["nodeInfo", "node", "nodes"])?;
        let node = root.child("node").unwrap_or(&root);
        let mut entry = Self::read(node, "node")?;
        // `nodeInfo` lists all properties next to the node.
        if let Some(all) = root.child("properties") {
            entry.properties = PropertyReading::all_in(all, &entry.address)?;
        }
        Ok(entry)
    }

    fn read(element: &Element, name: &str) -> Result<Self, AnswerError> {
        let entry = Entry { element, name };
        let address = entry.required("address")?.to_owned();
        let category = element.child("devtype").and_then(|kind| kind.field("cat"));
        Ok(Self {
            name: entry.text("name"),
            parent: Parent::of(entry),
            family: Family::of(entry, 1),
            zwave_category: category.and_then(|text| text.trim().parse().ok()),
            node_def_id: entry.text("nodeDefId"),
            device_type: entry.text("type"),
            enabled: entry.boolean("enabled").unwrap_or(true),
            primary_node: entry.text("pnode"),
            hint: entry.text("hint"),
            flags: NodeFlags(entry.number("flag").unwrap_or_default()),
            properties: PropertyReading::all_in(element, &address)?,
            address,
        })
    }
}

impl SceneEntry {
    fn read(element: &Element, name: &str) -> Result<Self, AnswerError> {
        let entry = Entry { element, name };
        let members = element.child("members");
        let links = members
            .into_iter()
            .flat_map(|members| members.children("link"));
        let members = links.filter(|link| !link.text().is_empty()).map(|link| {
            let number = link.attribute("type").and_then(|text| text.parse().ok());
            SceneMember {
                address: link.text().to_owned(),
                link: LinkType::of(number.unwrap_or_default()),
            }
        });
        Ok(Self {
            address: entry.required("address")?.to_owned(),
            name: entry.text("name"),
            parent: Parent::of(entry),
            family: Family::of(entry, 6),
            node_def_id: entry.text("nodeDefId"),
            primary_node: entry.text("pnode"),
            device_group: entry.text("deviceGroup"),
            flags: NodeFlags(entry.number("flag").unwrap_or_default()),
            members: members.collect(),
        })
    }
}

impl FolderEntry {
    fn read(element: &Element, name: &str) -> Result<Self, AnswerError> {
        let entry = Entry { element, name };
        Ok(Self {
            address: entry.required("address")?.to_owned(),
            name: entry.text("name"),
            parent: Parent::of(entry),
            family: Family::of(entry, 13),
            flags: NodeFlags(entry.number("flag").unwrap_or_default()),
        })
    }
}

impl Parent {
    fn of(entry: Entry<'_>) -> Option<Self> {
        let address = entry
            .element
            .field("parent")
            .filter(|text| !text.is_empty())?;
        let kind = entry.element.child("parent")?.attribute("type");
        let kind = kind.and_then(|text| text.parse().ok()).unwrap_or_default();
        Some(Self {
            address: address.to_owned(),
            kind: ParentKind::of(kind),
        })
    }
}

impl Family {
    /// The family of an entry, or this default.
    fn of(entry: Entry<'_>, otherwise: u32) -> Self {
        let element = entry.element.child("family");
        let instance = element.and_then(|family| family.attribute("instance"));
        let instance = instance.or_else(|| entry.element.attribute("instance"));
        Self {
            id: entry.number("family").unwrap_or(otherwise),
            instance: instance.map(str::to_owned),
        }
    }
}
