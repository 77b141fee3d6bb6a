//! The profile of the house's devices (`/rest/profiles`): the properties and commands of each kind
//! of node.
//!
//! Contains what clients need to start: node definitions with their properties and commands, and
//! the editors that these refer to.

use serde_json::{Value, json};

/// The id, editor and name of a property or command. A command without a parameter has the editor
/// "".
type Entry = (&'static str, &'static str, &'static str);

const QUERY: Entry = ("QUERY", "", "Query");
const STATUS: Entry = ("ST", "LEVEL", "Status");
const LAMP_COMMANDS: [Entry; 11] = [
    ("DON", "LEVEL", "On"),
    ("DOF", "", "Off"),
    ("DFON", "", "Fast On"),
    ("DFOF", "", "Fast Off"),
    ("BRT", "", "Brighten"),
    ("DIM", "", "Dim"),
    ("FDUP", "", "Fade Up"),
    ("FDDOWN", "", "Fade Down"),
    ("FDSTOP", "", "Fade Stop"),
    ("BEEP", "", "Beep"),
    QUERY,
];
const WEATHER: [Entry; 4] = [
    ("ST", "BOOL", "Online"),
    ("CLITEMP", "TEMPERATURE", "Temperature"),
    ("CLIHUM", "HUMIDITY", "Humidity"),
    ("GV1", "WIND", "Wind"),
];
const THERMOSTAT: [Entry; 7] = [
    ("ST", "TEMPERATURE", "Temperature"),
    ("CLISPH", "TEMPERATURE", "Heat Setpoint"),
    ("CLISPC", "TEMPERATURE", "Cool Setpoint"),
    ("CLIMD", "MODE", "Mode"),
    ("CLIFS", "FAN", "Fan Setting"),
    ("CLIHCS", "HEAT_COOL", "Heat/Cool State"),
    ("CLIHUM", "HUMIDITY", "Humidity"),
];
const THERMOSTAT_COMMANDS: [Entry; 5] = [
    ("CLISPH", "TEMPERATURE", "Heat Setpoint"),
    ("CLISPC", "TEMPERATURE", "Cool Setpoint"),
    ("CLIMD", "MODE", "Mode"),
    ("CLIFS", "FAN", "Fan Setting"),
    QUERY,
];
const LOCK: [Entry; 2] = [
    ("ST", "LOCK_STATE", "Lock"),
    ("BATLVL", "PERCENT", "Battery Level"),
];
const SENSOR: [Entry; 4] = [
    ("ST", "MOTION", "Motion"),
    ("CLITEMP", "TEMPERATURE", "Temperature"),
    ("LUMIN", "LUX", "Luminance"),
    ("BATLVL", "PERCENT", "Battery Level"),
];

/// Returns the document.
pub(super) fn document() -> Value {
    let dimmer = [
        STATUS,
        ("OL", "LEVEL", "On Level"),
        ("RR", "RAMP_RATE", "Ramp Rate"),
    ];
    let insteon = [
        definition("DimmerLampSwitch_ADV", &dimmer, &LAMP_COMMANDS),
        definition("KeypadButton_ADV", &[STATUS], &LAMP_COMMANDS),
        definition("OnOffControl", &[STATUS], &LAMP_COMMANDS),
    ];
    let zwave = [
        definition("UZW0008", &THERMOSTAT, &THERMOSTAT_COMMANDS),
        definition("UZW0021", &LOCK, &[("SECMD", "LOCK", "Lock"), QUERY]),
        definition("UZW0033", &SENSOR, &[QUERY]),
    ];
    let scenes = [definition("InsteonDimmer", &[], &LAMP_COMMANDS)];
    let weather = [definition("weather", &WEATHER, &[QUERY])];
    json!({
        "timestamp": "2026-05-06T16:30:34.261606-07:00",
        "families": [
            family("1", "1", "Insteon", &insteon),
            family("6", "1", "Scenes", &scenes),
            family("10", "10", "Weather", &weather),
            family("12", "1", "Z-Wave", &zwave),
        ],
    })
}

fn family(id: &str, instance: &str, name: &str, definitions: &[Value]) -> Value {
    json!({"id": id, "name": name, "instances": [{
        "id": instance, "name": name,
        "nodedefs": definitions, "editors": editors(), "linkdefs": [],
    }]})
}

fn definition(id: &str, properties: &[Entry], commands: &[Entry]) -> Value {
    let properties = properties
        .iter()
        .map(|(id, editor, name)| json!({"id": id, "editor": editor, "name": name}));
    let accepts = commands.iter().map(|(id, editor, name)| {
        let mut command = json!({"id": id, "native": "false", "name": name});
        if !editor.is_empty() {
            let parameter = json!({"id": "", "editor": editor, "optional": *id == "DON"});
            command["parameters"] = json!([parameter]);
        }
        command
    });
    json!({
        "id": id,
        "properties": properties.collect::<Vec<_>>(),
        "cmds": {"sends": [], "accepts": accepts.collect::<Vec<_>>()},
        "links": {"ctl": [], "rsp": []},
    })
}

fn editors() -> Value {
    let level = json!([
        {"uom": "51", "prec": 0, "min": 0, "max": 100},
        {"uom": "100", "prec": 0, "min": 0, "max": 255},
    ]);
    json!([
        {"id": "LEVEL", "ranges": level},
        numbers("RAMP_RATE", "25", 0, (0, 31)),
        numbers("TEMPERATURE", "17", 1, (-40, 150)),
        numbers("PERCENT", "51", 0, (0, 100)),
        numbers("HUMIDITY", "22", 0, (0, 100)),
        numbers("WIND", "48", 1, (0, 200)),
        numbers("LUX", "36", 0, (0, 100_000)),
        words("BOOL", "2", &[("0", "False"), ("1", "True")]),
        words("MOTION", "78", &[("0", "Off"), ("100", "On")]),
        words("LOCK", "11", &[("0", "Unlock"), ("1", "Lock")]),
        words("LOCK_STATE", "11", &[("0", "Unlocked"), ("100", "Locked")]),
        words("MODE", "67", &[("0", "Off"), ("1", "Heat"), ("2", "Cool"), ("3", "Auto")]),
        words("FAN", "68", &[("0", "Auto"), ("1", "On")]),
        words("HEAT_COOL", "66", &[("0", "Idle"), ("1", "Heating"), ("2", "Cooling")]),
    ])
}

fn numbers(id: &str, uom: &str, prec: u8, (min, max): (i32, i32)) -> Value {
    json!({"id": id, "ranges": [{"uom": uom, "prec": prec, "min": min, "max": max}]})
}

fn words(id: &str, uom: &str, names: &[(&str, &str)]) -> Value {
    let subset: Vec<_> = names.iter().map(|(value, _)| *value).collect();
    let names: serde_json::Map<_, _> = names
        .iter()
        .map(|(value, name)| ((*value).to_owned(), Value::from(*name)))
        .collect();
    json!({"id": id, "ranges": [{"uom": uom, "subset": subset.join(","), "names": names}]})
}
