//! The JSON interface of IoX 6 (`/api/*`): the same house as under `/rest/`, in another form.
//!
//! Based on other clients and their test data, and not tested on a real controller. In nodes,
//! scalars are strings. Ids of programs are decimal numbers, as in current firmware.

use serde_json::{Value, json};

use super::{PROGRAM_FOLDER_NAME, PROGRAM_ROOT_NAME, ROOT_NAME, VERSION, link_type};
use crate::device::Device;
use crate::event::Event;
use crate::house::{House, PROGRAM_FOLDER, Program, Variable};
use crate::local_time::LocalTime;
use crate::places::SCENE;
use crate::uuid::Uuid;

/// The id of the root folder of programs.
const PROGRAM_ROOT: u32 = 1;

/// The maximum number of decimal places of a variable.
const MAX_PRECISION: u8 = 6;

/// Returns the identity of the controller, which needs no credentials.
pub(super) fn config(uuid: Uuid) -> Value {
    json!({"uuid": uuid.to_string(), "version": VERSION, "portalHost": "my.isy.io"})
}

/// Returns the document at this path, given as its parts after `/api/`; `None` if there is none.
pub(super) fn answer(house: &House, uuid: Uuid, path: &[&str], local: &LocalTime) -> Option<Value> {
    Some(match path {
        ["nodes"] => nodes(house, uuid),
        ["groups"] => groups(house),
        ["programs"] => programs(house, local),
        // The conditions and actions of programs, of which this house has none.
        ["triggers"] => json!([]),
        ["sys"] => json!({"insteonSupport": true, "zMatterZwave": true, "zigbeeSupport": false,
            "matterSupport": false, "nodePropertyHistory": false}),
        ["variables", kind] => {
            let kind: u8 = kind.parse().ok().filter(|kind| matches!(kind, 1 | 2))?;
            let of_kind = house.variables().filter(|variable| variable.kind == kind);
            of_kind.map(variable).collect()
        }
        _ => return None,
    })
}

/// Carries out a change that is sent to this path, given as its parts after `/api/`. Returns its
/// events; `None` if there is no such thing, or the change is not possible.
pub(super) fn carry_out(
    house: &mut House,
    path: &[&str],
    body: &Value,
    local: &LocalTime,
) -> Option<Vec<Event>> {
    match path {
        ["nodes", address] => change_node(house, address, body),
        ["variables", kind, id] => {
            change_variable(house, kind.parse().ok()?, id.parse().ok()?, body, local)
        }
        ["programs", id, command] => {
            let id = format!("{:X}", id.parse::<u32>().ok()?);
            house.order_program(&id, command, local)
        }
        _ => None,
    }
}

/// Changes a node: `name` renames, `parentAddress` moves, `enabled` enables or disables it.
fn change_node(house: &mut House, address: &str, body: &Value) -> Option<Vec<Event>> {
    let mut events = Vec::new();
    if let Some(name) = body["name"].as_str() {
        events.push(house.places.rename(address, name)?);
    }
    if let Some(folder) = body["parentAddress"].as_str() {
        events.push(house.places.move_into(address, folder)?);
    }
    if let Some(enabled) = body["enabled"].as_bool() {
        events.extend(super::command::enable(house, address, enabled)?);
    }
    (!events.is_empty()).then_some(events)
}

fn change_variable(
    house: &mut House,
    kind: u8,
    id: u32,
    body: &Value,
    local: &LocalTime,
) -> Option<Vec<Event>> {
    let mut events = Vec::new();
    if let Some(prec) = body["prec"].as_u64() {
        let prec = u8::try_from(prec)
            .ok()
            .filter(|prec| *prec <= MAX_PRECISION)?;
        events.push(house.set_precision(kind, id, prec)?);
    }
    let prec = house.variable(kind, id)?.prec;
    if let Some(value) = raw(&body["value"], prec) {
        events.push(house.set_variable(kind, id, value, local)?);
    }
    if let Some(value) = raw(&body["init"], prec) {
        events.push(house.set_init(kind, id, value)?);
    }
    if let Some(name) = body["name"].as_str() {
        events.push(house.rename_variable(kind, id, name)?);
    }
    (!events.is_empty()).then_some(events)
}

/// Converts a number to a raw value: an integer is raw, a number with a fraction is a display
/// value.
fn raw(number: &Value, prec: u8) -> Option<i64> {
    let shown = || number.as_f64().filter(|shown| shown.abs() < 1e9);
    number
        .as_i64()
        .or_else(|| shown().map(|shown| (shown * 10f64.powi(prec.into())).round() as i64))
}

fn nodes(house: &House, uuid: Uuid) -> Value {
    let places = &house.places;
    let folders = places.folders().map(|(address, folder)| {
        let mut entry = json!({"nodeType": "folder", "flag": "0", "address": address,
            "name": folder.name, "family": "13"});
        set_parent(&mut entry, &folder.parent);
        entry
    });
    let links = places.members().enumerate();
    let links = links.map(|(at, member)| json!({"_": member, "type": link_type(at).to_string()}));
    let mut scene = json!({"nodeType": "group", "flag": "132", "nodeDefId": "InsteonDimmer",
        "address": SCENE, "name": places.scene().name, "family": "6", "deviceGroup": "17",
        "pnode": SCENE, "members": {"link": links.collect::<Vec<_>>()}});
    set_parent(&mut scene, &places.scene().folder);
    // The controller itself, which is not a scene.
    let root = json!({"nodeType": "group", "flag": "12", "nodeDefId": "InsteonDimmer",
        "address": uuid.to_string(), "name": ROOT_NAME, "family": "6"});
    json!({"nodes": {
        "node": house.devices().map(|device| node(house, device)).collect::<Vec<_>>(),
        "group": [root, scene],
        "folder": folders.collect::<Vec<_>>(),
    }})
}

fn node(house: &House, device: &Device) -> Value {
    let catalogue = device.catalogue();
    let place = house.places.node(device.address());
    // The properties of a plug-in are not listed here.
    let status = device.last("ST").filter(|_| catalogue.instance.is_none());
    let mut entry = json!({"nodeType": "node", "flag": "128", "nodeDefId": catalogue.definition,
        "address": device.address(), "name": place.name, "type": catalogue.kind,
        "enabled": device.is_enabled().to_string(), "deviceClass": "0", "wattage": "0",
        "dcPeriod": "0", "pnode": device.address(),
        "property": status.map(property).into_iter().collect::<Vec<_>>()});
    match (catalogue.family, catalogue.instance) {
        (Some(family), Some(instance)) => {
            entry["family"] = json!({"_": family.to_string(), "instance": instance.to_string()});
        }
        (Some(family), None) => entry["family"] = family.to_string().into(),
        (None, _) => {}
    }
    set_parent(&mut entry, &place.folder);
    entry
}

fn set_parent(entry: &mut Value, folder: &str) {
    if !folder.is_empty() {
        entry["parent"] = json!({"_": folder, "type": "3"});
    }
}

fn property(event: &Event) -> Value {
    let (uom, prec) = event.unit();
    let mut property = json!({"id": event.control(), "value": event.action(),
        "formatted": event.displayed(), "uom": uom, "name": ""});
    if !matches!(prec, "" | "0") {
        property["prec"] = prec.into();
    }
    property
}

/// Lists what the scene does to its members: each is switched on.
fn groups(house: &House) -> Value {
    let links = house.places.members().map(|member| {
        json!({"node": member, "type": "native",
            "params": [{"id": "OL", "val": {"value": 255, "uom": 100}}]})
    });
    let links: Vec<_> = links.collect();
    json!({"groups": [{"id": SCENE, "ctl": [{"id": SCENE, "links": links}]}]})
}

fn programs(house: &House, local: &LocalTime) -> Value {
    let folder =
        |id: u32, name: &str| json!({"id": id, "name": name, "status": "true", "folder": true});
    let mut nested = folder(decimal(PROGRAM_FOLDER), PROGRAM_FOLDER_NAME);
    nested["parentId"] = PROGRAM_ROOT.into();
    let folders = [folder(PROGRAM_ROOT, PROGRAM_ROOT_NAME), nested];
    let programs = house.programs().map(|it| program(it, local));
    folders.into_iter().chain(programs).collect()
}

fn program(program: &Program, local: &LocalTime) -> Value {
    let time = |time: &str| local.program_time_in_utc(time).unwrap_or_default();
    let parent = match program.folder {
        "" => PROGRAM_ROOT,
        folder => decimal(folder),
    };
    json!({"id": decimal(&program.id), "parentId": parent, "name": program.name,
        "status": program.condition.to_string(), "folder": false, "enabled": program.enabled,
        "runAtStartup": program.runs_at_startup, "running": "idle",
        "lastRunTime": time(&program.last_run), "lastFinishTime": time(&program.last_finish),
        "nextScheduledRunTime": ""})
}

/// Parses an id in hex.
fn decimal(id: &str) -> u32 {
    u32::from_str_radix(id, 16).unwrap_or_default()
}

fn variable(variable: &Variable) -> Value {
    json!({"id": variable.id.to_string(), "val": variable.value, "init": variable.init,
        "prec": variable.prec, "name": variable.name, "ts": variable.changed.trim_end()})
}
