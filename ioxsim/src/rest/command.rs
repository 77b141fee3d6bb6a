//! Carries out commands to the house, and returns their events.

use super::{Outcome, RESOURCES};
use crate::event::Event;
use crate::house::House;
use crate::local_time::LocalTime;
use crate::places::SCENE;

/// Carries out the command at this path, given as its parts after `/rest/`.
pub(super) fn carry_out(house: &mut House, path: &[&str], local: &LocalTime) -> Outcome {
    let events = match path {
        ["nodes", address, "cmd", command, parameters @ ..] => {
            command_node(house, address, command, parameters)
        }
        ["nodes", address, order @ ("enable" | "disable")] => {
            enable(house, address, *order == "enable")
        }
        ["query", address] => query(house, address),
        ["query"] => Some(Vec::new()),
        ["programs", id, order] => house.order_program(id, order, local),
        ["vars", field @ ("set" | "init"), kind, id, value] => {
            set_variable(house, field, kind, id, value, local)
        }
        // What it sends goes elsewhere, and causes no event.
        ["networking", "resources", id] => RESOURCES
            .iter()
            .any(|(known, _)| known.to_string() == *id)
            .then(Vec::new),
        _ => None,
    };
    events.map_or(Outcome::NotFound, Outcome::Accepted)
}

fn command_node(
    house: &mut House,
    address: &str,
    command: &str,
    parameters: &[&str],
) -> Option<Vec<Event>> {
    if address == SCENE {
        let members: Vec<String> = house.places.members().map(str::to_owned).collect();
        let members = members.iter().filter_map(|member| house.device(member));
        return Some(
            members
                .filter_map(|device| device.commanded(command, parameters))
                .flatten()
                .collect(),
        );
    }
    let device = house.device(address)?;
    if !device.is_enabled() {
        return None;
    }
    device.commanded(command, parameters)
}

fn query(house: &House, address: &str) -> Option<Vec<Event>> {
    let device = house.device(address)?;
    Some(device.last("ST").cloned().into_iter().collect())
}

pub(super) fn enable(house: &mut House, address: &str, enabled: bool) -> Option<Vec<Event>> {
    house.device_mut(address)?.set_enabled(enabled);
    let info = format!("<enabled>{enabled}</enabled>");
    Some(vec![Event::new("_3", "EN").node(address).info(info)])
}

fn set_variable(
    house: &mut House,
    field: &str,
    kind: &str,
    id: &str,
    value: &str,
    local: &LocalTime,
) -> Option<Vec<Event>> {
    let (kind, id) = (kind.parse().ok()?, id.parse().ok()?);
    let value = value.parse().ok()?;
    let event = match field {
        "init" => house.set_init(kind, id, value)?,
        _ => house.set_variable(kind, id, value, local)?,
    };
    Some(vec![event])
}
