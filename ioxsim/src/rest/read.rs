//! Reads of the house.

use std::fmt::Write as _;

use super::{
    ISY994_VERSION, Identity, Outcome, PROGRAM_FOLDER_NAME, PROGRAM_ROOT_NAME, RESOURCES,
    ROOT_NAME, VERSION, link_type, profile, text,
};
use crate::device::Device;
use crate::event::Event;
use crate::house::{House, PROGRAM_FOLDER, Variable};
use crate::options::Firmware;
use crate::places::SCENE;
use crate::ssdp;

/// Returns the document at this path, given as its parts after `/rest/`.
pub(super) fn answer(house: &House, identity: Identity, path: &[&str], query: &str) -> Outcome {
    let firmware = identity.firmware;
    let document = match path {
        ["config"] => Some(config(identity)),
        ["time"] => Some(time(firmware)),
        ["sys"] => Some("<SystemOptions><ZMatterZWave>true</ZMatterZWave></SystemOptions>".into()),
        ["ping"] => {
            Some("<RestResponse succeeded=\"true\"><status>200</status></RestResponse>".into())
        }
        ["networking", "resources"] => Some(resources()),
        // The definitions of Z-Wave nodes are in the profile.
        ["zwave" | "zmatter", .., "def", "get"] => Some("<nodeDefs></nodeDefs>".into()),
        ["nodes"] => Some(nodes(house, Listed::All, query != "members=false")),
        ["nodes", "devices"] => Some(nodes(house, Listed::Devices, true)),
        ["nodes", "scenes"] => Some(nodes(house, Listed::Scenes, true)),
        ["nodes", address] => house
            .device(address)
            .map(|device| node_with_properties(house, device)),
        ["nodes", address, "get", control] => house
            .last(address, control)
            .filter(|event| event.has_value())
            .map(|event| format!("<properties>{}</properties>", property(event))),
        ["status"] => Some(statuses(house.devices())),
        ["status", address] => house
            .device(address)
            .map(|device| statuses(std::iter::once(device))),
        ["programs"] => Some(programs(house)),
        ["vars", "definitions", kind] => variables(house, kind, true),
        ["vars", "get", kind] => variables(house, kind, false),
        ["vars", "get", kind, id] => variable(house, kind, id),
        _ => None,
    };
    if path == ["profiles"] && firmware == Firmware::Iox6 {
        return Outcome::Json(profile::document());
    }
    document.map_or(Outcome::NotFound, Outcome::Document)
}

/// Returns the document at this path of an empty house.
pub(super) fn nothing(identity: Identity, path: &[&str]) -> Outcome {
    let document = match path {
        ["config"] => config(identity),
        ["nodes" | "status"] => "<nodes></nodes>".to_owned(),
        ["programs"] => "<programs></programs>".to_owned(),
        ["vars", "definitions", _] => "<CList></CList>".to_owned(),
        ["vars", "get", _] => "<vars></vars>".to_owned(),
        _ => return Outcome::NotFound,
    };
    Outcome::Document(document)
}

/// Clients recognise an ISY-994 by the description of its product.
fn config(identity: Identity) -> String {
    let Identity { firmware, uuid } = identity;
    let (version, id, product) = match firmware {
        Firmware::Iox6 => (VERSION, "5226", "eisy"),
        Firmware::Isy994 => (ISY994_VERSION, "1110", "ISY 994i 1024"),
    };
    format!(
        "<configuration><deviceSpecs><make>Universal Devices Inc.</make></deviceSpecs>\
         <app_version>{version}</app_version><app_full_version>{version}</app_full_version>\
         <root><id>{uuid}</id><name>{ROOT_NAME}</name></root>\
         <product><id>{id}</id><desc>{product}</desc></product>\
         <features><feature><id>21040</id><desc>Networking Module</desc><isInstalled>true</isInstalled></feature></features>\
         <variables>true</variables><nodedefs>true</nodedefs></configuration>"
    )
}

/// Returns the UPnP description, which needs no credentials.
pub(super) fn description(identity: Identity) -> String {
    let Identity { firmware, uuid } = identity;
    let (model, version) = match firmware {
        Firmware::Iox6 => ("eisy", format!("<modelVersion>{VERSION}</modelVersion>")),
        Firmware::Isy994 => ("ISY994i", String::new()),
    };
    format!(
        "<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><deviceType>{}</deviceType>\
         <friendlyName>{ROOT_NAME}</friendlyName><manufacturer>Universal Devices</manufacturer>\
         <modelName>{model}</modelName><modelNumber>5226</modelNumber>{version}\
         <UDN>uuid:{uuid}</UDN></device></root>",
        ssdp::kind(firmware)
    )
}

/// The offset from UTC is in seconds on an ISY-994, in hours on IoX.
fn time(firmware: Firmware) -> String {
    let offset = match firmware {
        Firmware::Iox6 => -7,
        Firmware::Isy994 => -7 * 60 * 60,
    };
    format!(
        "<DT><NTP>3987000000</NTP><TMZOffset>{offset}</TMZOffset><DST>true</DST><Lat>37.3</Lat>\
         <Long>121.9</Long><Sunrise>3986970000</Sunrise><Sunset>3987018000</Sunset>\
         <IsMilitary>true</IsMilitary></DT>"
    )
}

fn resources() -> String {
    let rules = RESOURCES.map(|(id, name)| {
        format!(
            "<NetRule><id>{id}</id><name>{}</name></NetRule>",
            text(name)
        )
    });
    format!("<NetConfig>{}</NetConfig>", rules.concat())
}

/// The part of the house that a list of nodes contains.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    All,
    Devices,
    Scenes,
}

fn nodes(house: &House, listed: Listed, with_members: bool) -> String {
    let mut document = String::from("<nodes>");
    if listed == Listed::All {
        folders(&mut document, house);
    }
    if listed != Listed::Scenes {
        for device in house.devices() {
            let property = device.last("ST").map(property).unwrap_or_default();
            node(&mut document, house, device, &property);
        }
    }
    if listed != Listed::Devices {
        scene(&mut document, house, with_members);
    }
    document.push_str("</nodes>");
    document
}

/// Writes the name of the house and its folders.
fn folders(document: &mut String, house: &House) {
    let _ = write!(document, "<root>{ROOT_NAME}</root>");
    for (address, folder) in house.places.folders() {
        // Writing to a String cannot fail.
        let _ = write!(
            document,
            "<folder flag=\"0\"><address>{address}</address><name>{}</name>{}<family>13</family></folder>",
            text(&folder.name),
            parent(&folder.parent)
        );
    }
}

fn scene(document: &mut String, house: &House, with_members: bool) {
    let members: String = house
        .places
        .members()
        .enumerate()
        .map(|(at, member)| format!("<link type=\"{}\">{}</link>", link_type(at), text(member)))
        .collect();
    let members = match with_members {
        true => format!("<members>{members}</members>"),
        false => String::new(),
    };
    let scene = house.places.scene();
    let _ = write!(
        document,
        "<group flag=\"132\" nodeDefId=\"InsteonDimmer\"><address>{SCENE}</address><name>{}</name>{}\
         <family>6</family><deviceGroup>17</deviceGroup><pnode>{SCENE}</pnode>{members}</group>",
        text(&scene.name),
        parent(&scene.folder)
    );
}

fn node_with_properties(house: &House, device: &Device) -> String {
    let mut document = String::from("<nodeInfo>");
    node(&mut document, house, device, "");
    let properties = device.events().filter(|event| event.has_value());
    let properties: String = properties.map(property).collect();
    let _ = write!(document, "<properties>{properties}</properties></nodeInfo>");
    document
}

/// Returns the element that names the parent folder; empty at the top.
fn parent(folder: &str) -> String {
    match folder {
        "" => String::new(),
        folder => format!("<parent type=\"3\">{folder}</parent>"),
    }
}

fn node(document: &mut String, house: &House, device: &Device, property: &str) {
    let catalogue = device.catalogue();
    let (definition, kind) = (catalogue.definition, catalogue.kind);
    let family = match (catalogue.family, catalogue.instance) {
        (Some(family), Some(instance)) => {
            format!("<family instance=\"{instance}\">{family}</family>")
        }
        (Some(family), None) => format!("<family>{family}</family>"),
        (None, _) => String::new(),
    };
    let address = text(device.address());
    let place = house.places.node(device.address());
    let _ = write!(
        document,
        "<node flag=\"128\" nodeDefId=\"{definition}\"><address>{address}</address><name>{}</name>\
         {}{family}<type>{kind}</type><enabled>{}</enabled><deviceClass>0</deviceClass>\
         <pnode>{address}</pnode>{property}</node>",
        text(&place.name),
        parent(&place.folder),
        device.is_enabled(),
    );
}

fn statuses<'a>(devices: impl Iterator<Item = &'a Device>) -> String {
    let mut document = String::from("<nodes>");
    for device in devices {
        let _ = write!(document, "<node id=\"{}\">", text(device.address()));
        document.extend(
            device
                .events()
                .filter(|event| event.has_value())
                .map(property),
        );
        document.push_str("</node>");
    }
    document.push_str("</nodes>");
    document
}

fn property(event: &Event) -> String {
    let (uom, prec) = event.unit();
    let prec = match prec {
        "" | "0" => String::new(),
        prec => format!(" prec=\"{prec}\""),
    };
    format!(
        "<property id=\"{}\" value=\"{}\" formatted=\"{}\" uom=\"{uom}\" name=\"\"{prec}/>",
        event.control(),
        event.action(),
        text(event.displayed()),
    )
}

fn programs(house: &House) -> String {
    let mut document = format!(
        "<programs><program id=\"0001\" status=\"true\" folder=\"true\"><name>{PROGRAM_ROOT_NAME}</name></program>\
         <program id=\"{PROGRAM_FOLDER:0>4}\" parentId=\"0001\" status=\"true\" folder=\"true\">\
         <name>{PROGRAM_FOLDER_NAME}</name></program>",
    );
    for program in house.programs() {
        let parent = match program.folder {
            "" => "1",
            folder => folder,
        };
        let _ = write!(
            document,
            "<program id=\"{:0>4}\" parentId=\"{parent:0>4}\" status=\"{}\" folder=\"false\" enabled=\"{}\" \
             runAtStartup=\"{}\" running=\"idle\"><name>{}</name><lastRunTime>{}</lastRunTime>\
             <lastFinishTime>{}</lastFinishTime></program>",
            program.id,
            program.condition,
            program.enabled,
            program.runs_at_startup,
            text(&program.name),
            program_time(&program.last_run),
            program_time(&program.last_finish),
        );
    }
    document.push_str("</programs>");
    document
}

/// Converts `260506 14:30:36 ` to `2026/05/06 14:30:36 `; "" for any other text.
fn program_time(time: &str) -> String {
    match (time.get(..2), time.get(2..4), time.get(4..6), time.get(6..)) {
        (Some(year), Some(month), Some(day), Some(time)) => {
            format!("20{year}/{month}/{day}{time}")
        }
        _ => String::new(),
    }
}

fn variable(house: &House, kind: &str, id: &str) -> Option<String> {
    let variable = house.variable(kind.parse().ok()?, id.parse().ok()?)?;
    Some(value(variable))
}

fn value(variable: &Variable) -> String {
    format!(
        "<var type=\"{}\" id=\"{}\"><init>{}</init><prec>{}</prec><val>{}</val><ts>{}</ts></var>",
        variable.kind, variable.id, variable.init, variable.prec, variable.value, variable.changed
    )
}

fn variables(house: &House, kind: &str, definitions: bool) -> Option<String> {
    let kind: u8 = kind.parse().ok().filter(|kind| matches!(kind, 1 | 2))?;
    let of_kind = house.variables().filter(|variable| variable.kind == kind);
    let mut document = String::new();
    for variable in of_kind {
        if definitions {
            let (id, name) = (variable.id, text(&variable.name));
            let _ = write!(document, "<e id=\"{id}\" name=\"{name}\"/>");
        } else {
            document.push_str(&value(variable));
        }
    }
    Some(match (definitions, kind) {
        (true, 1) => format!("<CList type=\"VAR_INT\">{document}</CList>"),
        (true, _) => format!("<CList type=\"VAR_STATE\">{document}</CList>"),
        (false, _) => format!("<vars>{document}</vars>"),
    })
}
