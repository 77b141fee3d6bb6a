//! What the controller tells of its house.

use std::fmt::Write as _;

use super::{
    Outcome, PROGRAM_FOLDER_NAME, PROGRAM_ROOT_NAME, ROOT, ROOT_NAME, VERSION, link_type, profile,
    text,
};
use crate::device::Device;
use crate::event::Event;
use crate::house::{House, PROGRAM_FOLDER};
use crate::options::Firmware;
use crate::places::SCENE;
use crate::ssdp;

/// The document at this path, its parts behind `/rest/`.
pub(super) fn answer(house: &House, path: &[&str]) -> Outcome {
    let document = match path {
        ["config"] => Some(config()),
        ["time"] => Some(time()),
        ["sys"] => Some("<SystemOptions><ZMatterZWave>true</ZMatterZWave></SystemOptions>".into()),
        ["ping"] => {
            Some("<RestResponse succeeded=\"true\"><status>200</status></RestResponse>".into())
        }
        ["networking", "resources"] => Some("<NetConfig/>".into()),
        // Definitions of Z-Wave nodes are in the profile already.
        ["zwave" | "zmatter", .., "def", "get"] => Some("<nodeDefs></nodeDefs>".into()),
        ["nodes"] => Some(nodes(house)),
        ["status"] => Some(statuses(house.devices())),
        ["status", address] => house
            .device(address)
            .map(|device| statuses(std::iter::once(device))),
        ["programs"] => Some(programs(house)),
        ["vars", "definitions", kind] => variables(house, kind, true),
        ["vars", "get", kind] => variables(house, kind, false),
        _ => None,
    };
    if path == ["profiles"] {
        return Outcome::Json(profile::document());
    }
    document.map_or(Outcome::NotFound, Outcome::Document)
}

/// The documents of a house in which there is nothing.
pub(super) fn nothing(path: &[&str]) -> Outcome {
    let document = match path {
        ["config"] => config(),
        ["nodes" | "status"] => "<nodes></nodes>".to_owned(),
        ["programs"] => "<programs></programs>".to_owned(),
        ["vars", "definitions", _] => "<CList></CList>".to_owned(),
        ["vars", "get", _] => "<vars></vars>".to_owned(),
        _ => return Outcome::NotFound,
    };
    Outcome::Document(document)
}

fn config() -> String {
    format!(
        "<configuration><deviceSpecs><make>Universal Devices Inc.</make></deviceSpecs>\
         <app_version>{VERSION}</app_version><app_full_version>{VERSION}</app_full_version>\
         <root><id>{ROOT}</id><name>{ROOT_NAME}</name></root>\
         <product><id>5226</id><desc>eisy</desc></product>\
         <features><feature><id>21040</id><desc>Networking Module</desc><isInstalled>true</isInstalled></feature></features>\
         <variables>true</variables><nodedefs>true</nodedefs></configuration>"
    )
}

/// The UPnP description, which is shown without sign-in.
pub(super) fn description(firmware: Firmware) -> String {
    let (model, version) = match firmware {
        Firmware::Iox6 => ("eisy", format!("<modelVersion>{VERSION}</modelVersion>")),
        Firmware::Isy994 => ("ISY994i", String::new()),
    };
    format!(
        "<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><deviceType>{}</deviceType>\
         <friendlyName>{ROOT_NAME}</friendlyName><manufacturer>Universal Devices</manufacturer>\
         <modelName>{model}</modelName><modelNumber>5226</modelNumber>{version}\
         <UDN>uuid:{ROOT}</UDN></device></root>",
        ssdp::kind(firmware)
    )
}

fn time() -> String {
    "<DT><NTP>3987000000</NTP><TMZOffset>-7</TMZOffset><DST>true</DST><Lat>37.3</Lat><Long>121.9</Long>\
     <Sunrise>3986970000</Sunrise><Sunset>3987018000</Sunset><IsMilitary>true</IsMilitary></DT>"
        .to_owned()
}

fn nodes(house: &House) -> String {
    let mut document = format!("<nodes><root>{ROOT_NAME}</root>");
    for (address, folder) in house.places.folders() {
        // Writing to a String cannot fail.
        let _ = write!(
            document,
            "<folder flag=\"0\"><address>{address}</address><name>{}</name>{}<family>13</family></folder>",
            text(&folder.name),
            parent(&folder.parent)
        );
    }
    for device in house.devices() {
        node(&mut document, house, device);
    }
    let members: String = house
        .places
        .members()
        .enumerate()
        .map(|(at, member)| format!("<link type=\"{}\">{}</link>", link_type(at), text(member)))
        .collect();
    let scene = house.places.scene();
    let _ = write!(
        document,
        "<group flag=\"132\" nodeDefId=\"InsteonDimmer\"><address>{SCENE}</address><name>{}</name>{}\
         <family>6</family><deviceGroup>17</deviceGroup><pnode>{SCENE}</pnode><members>{members}</members></group></nodes>",
        text(&scene.name),
        parent(&scene.folder)
    );
    document
}

/// The element that names a folder as the parent; none at the top.
fn parent(folder: &str) -> String {
    match folder {
        "" => String::new(),
        folder => format!("<parent type=\"3\">{folder}</parent>"),
    }
}

fn node(document: &mut String, house: &House, device: &Device) {
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
         <pnode>{address}</pnode>{}</node>",
        text(&place.name),
        parent(&place.folder),
        device.is_enabled(),
        device.last("ST").map(property).unwrap_or_default(),
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
             runAtStartup=\"{}\" running=\"idle\"><name>{}</name></program>",
            program.id,
            program.condition,
            program.enabled,
            program.runs_at_startup,
            text(&program.name),
        );
    }
    document.push_str("</programs>");
    document
}

fn variables(house: &House, kind: &str, definitions: bool) -> Option<String> {
    let kind: u8 = kind.parse().ok().filter(|kind| matches!(kind, 1 | 2))?;
    let of_kind = house.variables().filter(|variable| variable.kind == kind);
    let mut document = String::new();
    for variable in of_kind {
        let _ = if definitions {
            write!(
                document,
                "<e id=\"{}\" name=\"{}\"/>",
                variable.id,
                text(&variable.name)
            )
        } else {
            write!(
                document,
                "<var type=\"{kind}\" id=\"{}\"><init>{}</init><prec>0</prec><val>{}</val><ts>{}</ts></var>",
                variable.id, variable.init, variable.value, variable.changed
            )
        };
    }
    Some(match (definitions, kind) {
        (true, 1) => format!("<CList type=\"VAR_INT\">{document}</CList>"),
        (true, _) => format!("<CList type=\"VAR_STATE\">{document}</CList>"),
        (false, _) => format!("<vars>{document}</vars>"),
    })
}
