//! Lists the details of a node, line by line.

use super::controller::age;
use super::model::Model;
use super::words;
use crate::output::neutralise;

/// A line of the details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Heading(&'static str),
    /// A label and its fact.
    Fact(&'static str, String),
    Property {
        name: String,
        shown: String,
        raw: String,
        age: String,
    },
    Event {
        at: String,
        text: String,
    },
}

/// Returns the lines for the node that is shown.
pub(super) fn lines(model: &Model) -> Vec<Line> {
    let controller = model.controller();
    let house = &controller.house;
    let address = model.node.as_str();
    let mut lines = vec![Line::Fact("Address", neutralise(address))];
    if let Some(named) = house.names().node(address) {
        let folder = house.names().folder(address);
        let facts = [
            ("Folder", folder.as_str()),
            ("Definition", &named.node_def_id),
            ("Type", &named.device_type),
        ];
        let facts = facts.into_iter().filter(|(_, fact)| !fact.is_empty());
        lines.extend(facts.map(|(what, fact)| Line::Fact(what, neutralise(fact))));
    }
    if let Some((_, words)) = controller.mark(model.now, address, model.silent_after) {
        lines.push(Line::Fact("State", words.to_owned()));
    }
    let list = |all: &mut dyn Iterator<Item = &str>| -> String {
        let names: Vec<&str> = all.map(|address| controller.name_of(address)).collect();
        neutralise(&names.join(", "))
    };
    for (what, names) in [
        ("Scenes", list(&mut house.scenes_of(address))),
        ("Members", list(&mut house.members(address))),
    ] {
        if !names.is_empty() {
            lines.push(Line::Fact(what, names));
        }
    }
    lines.push(Line::Heading("Properties"));
    for (control, property) in house.properties(address) {
        let name = match property.name().trim() {
            "" => neutralise(control),
            name => neutralise(&format!("{name} ({control})")),
        };
        let uom = match property.uom() {
            "" => String::new(),
            uom => format!(" uom {uom}"),
        };
        lines.push(Line::Property {
            name,
            shown: neutralise(&property.shown().to_string()),
            raw: neutralise(&format!("raw {}{uom}", property.raw())),
            age: age(model.now, house.heard(address, control)),
        });
    }
    lines.push(Line::Heading("This session"));
    lines.extend(controller.history(address).map(|entry| Line::Event {
        at: words::time_of_day(entry.at, &model.zone),
        text: entry.text.clone(),
    }));
    lines
}
