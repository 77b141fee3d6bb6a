//! The names and folders of a synthetic house: those of its nodes and its scene, and the scene's
//! members.

use std::collections::BTreeMap;

use crate::device::Device;
use crate::event::{Event, escaped};

/// The address of the only scene of the house.
pub(crate) const SCENE: &str = "20481";

/// The folders of a house: address, name and parent folder ("" at the top). The number of a node
/// determines its folder.
const FOLDERS: [(&str, &str, &str); 6] = [
    ("31337", "Hall", ""),
    ("31338", "Küche & Bad", ""),
    ("31339", "Kids' \"den\"", ""),
    ("31340", "Garage", ""),
    ("31341", "Living room", ""),
    ("31342", "Workbench", "31340"),
];
/// The number of folders at the top, which are filled first.
const TOP: usize = 5;

/// A folder of nodes.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) name: String,
    /// The folder that it is in; "" at the top.
    pub(crate) parent: String,
}

/// The name of a node, and the address of its folder ("" at the top).
#[derive(Clone, Debug, Default)]
pub(crate) struct Location {
    pub(crate) name: String,
    pub(crate) folder: String,
}

/// What an address belongs to (`nodeType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Node,
    Scene,
    Folder,
}

impl Kind {
    /// Returns its number in events and XML.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Node => 1,
            Self::Scene => 2,
            Self::Folder => 3,
        }
    }
}

/// The names and places of a house.
#[derive(Debug)]
pub(crate) struct Places {
    folders: BTreeMap<String, Folder>,
    nodes: BTreeMap<String, Location>,
    scene: Location,
    members: Vec<String>,
}

impl Places {
    /// Names the devices after their folders. No two nodes of one folder have the same name.
    pub(crate) fn new(devices: &[Device]) -> Self {
        let folders = FOLDERS.map(|(address, name, parent)| {
            let folder = Folder {
                name: name.to_owned(),
                parent: parent.to_owned(),
            };
            (address.to_owned(), folder)
        });
        let nodes = devices.iter().enumerate().map(|(number, device)| {
            let (round, at) = (number / TOP, number % TOP);
            // From the third round on, nodes of the garage are put into its folder `Workbench`.
            let is_nested = round >= 2 && FOLDERS[at].0 == FOLDERS[TOP].2;
            let (folder, name, _) = FOLDERS[if is_nested { TOP } else { at }];
            let noun = device.noun();
            let place = Location {
                name: match round {
                    0 => format!("{name} {noun}"),
                    round => format!("{name} {noun} {}", round + 1),
                },
                folder: folder.to_owned(),
            };
            (device.address().to_owned(), place)
        });
        let lamps = devices.iter().filter(|device| device.noun() == "lamp");
        Self {
            folders: folders.into(),
            nodes: nodes.collect(),
            scene: Location {
                name: "Evening".to_owned(),
                folder: String::new(),
            },
            members: lamps
                .take(3)
                .map(|lamp| lamp.address().to_owned())
                .collect(),
        }
    }

    pub(crate) fn folders(&self) -> impl Iterator<Item = (&str, &Folder)> {
        self.folders
            .iter()
            .map(|(address, folder)| (&**address, folder))
    }

    /// Returns the name and folder of a node. A node that is known only from events has no name.
    pub(crate) fn node(&self, address: &str) -> Location {
        self.nodes.get(address).cloned().unwrap_or_default()
    }

    pub(crate) fn scene(&self) -> &Location {
        &self.scene
    }

    /// Returns the members of the scene, the first of which is its controller.
    pub(crate) fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(String::as_str)
    }

    fn kind(&self, address: &str) -> Option<Kind> {
        match address {
            SCENE => Some(Kind::Scene),
            _ if self.nodes.contains_key(address) => Some(Kind::Node),
            _ if self.folders.contains_key(address) => Some(Kind::Folder),
            _ => None,
        }
    }

    /// Renames a node, the scene or a folder. Returns the event; `None` if it does not exist.
    pub(crate) fn rename(&mut self, address: &str, name: &str) -> Option<Event> {
        let action = match self.kind(address)? {
            Kind::Node => {
                self.nodes.get_mut(address)?.name = name.to_owned();
                "NN"
            }
            Kind::Scene => {
                self.scene.name = name.to_owned();
                "GN"
            }
            Kind::Folder => {
                self.folders.get_mut(address)?.name = name.to_owned();
                "FN"
            }
        };
        let mut info = String::from("<newName>");
        escaped(&mut info, name);
        info.push_str("</newName>");
        Some(Event::new("_3", action).node(address).info(info))
    }

    /// Moves a node, the scene or a folder into a folder, or to the top (""). Returns the event;
    /// `None` if one of them does not exist, or a folder would contain itself.
    pub(crate) fn move_into(&mut self, address: &str, folder: &str) -> Option<Event> {
        let kind = self.kind(address)?;
        if !folder.is_empty() && self.kind(folder)? != Kind::Folder {
            return None;
        }
        if kind == Kind::Folder && self.is_within(folder, address) {
            return None;
        }
        let place = match kind {
            Kind::Node => &mut self.nodes.get_mut(address)?.folder,
            Kind::Scene => &mut self.scene.folder,
            Kind::Folder => &mut self.folders.get_mut(address)?.parent,
        };
        *place = folder.to_owned();
        let mut info = String::from("<node>");
        escaped(&mut info, address);
        info.push_str(&format!(
            "</node><nodeType>{}</nodeType><parent>{folder}</parent><parentType>{}</parentType>",
            kind.number(),
            if folder.is_empty() {
                0
            } else {
                Kind::Folder.number()
            },
        ));
        Some(Event::new("_3", "PC").node(address).info(info))
    }

    fn is_within(&self, folder: &str, ancestor: &str) -> bool {
        let mut at = folder;
        while at != ancestor {
            match self.folders.get(at) {
                Some(folder) => at = &folder.parent,
                None => return false,
            }
        }
        true
    }

    /// Removes a node. Returns the event; `None` if it does not exist.
    pub(crate) fn remove(&mut self, address: &str) -> Option<Event> {
        self.nodes.remove(address)?;
        self.members.retain(|member| member != address);
        Some(Event::new("_3", "NR").node(address))
    }

    /// Adds a node with this name.
    pub(crate) fn add(&mut self, address: &str, name: &str, folder: &str) {
        let place = Location {
            name: name.to_owned(),
            folder: folder.to_owned(),
        };
        self.nodes.insert(address.to_owned(), place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places::new(&crate::device::furnish(
            20,
            &mut fastrand::Rng::with_seed(1),
        ))
    }

    #[test]
    fn a_rename_event_has_the_name_escaped() {
        let mut places = places();
        let event = places.rename("31337", "Up & down").unwrap();
        assert_eq!(event.action(), "FN");
        assert!(
            places
                .rename(SCENE, "Night")
                .is_some_and(|event| event.action() == "GN")
        );
        assert_eq!(places.scene().name, "Night");
        assert!(places.rename("nowhere", "x").is_none());
    }

    #[test]
    fn a_folder_never_contains_itself() {
        let mut places = places();
        assert!(places.move_into("31340", "31342").is_none());
        assert!(places.move_into("31340", "31340").is_none());
        assert!(places.move_into("31340", "31337").is_some());
        assert!(places.move_into("31337", "31342").is_none());
        assert!(places.move_into("31342", "").is_some());
        assert!(places.move_into("31337", "31342").is_some());
        assert!(places.move_into(SCENE, SCENE).is_none());
    }
}
