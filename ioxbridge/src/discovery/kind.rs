//! Determines the kind of a node: a light, a lock, a sensor and so on.
//!
//! The first rule that matches applies: the part of the device, the node definition, the Insteon
//! device type, the Z-Wave category, the presence of a setpoint, the unit of the status. A node
//! that matches none is a sensor, which accepts only queries. The tables are those of Home
//! Assistant's own integration for these controllers.

use crate::{Allowance, Component};

/// The facts about a node or scene that determine its kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) is_scene: bool,
    /// `nodeDefId`; empty on old firmware.
    pub(crate) definition: &'a str,
    /// `type`, such as `1.32.69.0`.
    pub(crate) device_type: &'a str,
    pub(crate) family: u32,
    pub(crate) zwave_category: Option<u32>,
    /// The last part of the address: the number of the node within its device.
    pub(crate) part: u32,
    /// The unit of the status; empty if unknown.
    pub(crate) uom: &'a str,
    /// Whether it has a setpoint, as thermostats have.
    pub(crate) has_setpoint: bool,
}

/// The kind of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Scene,
    Light,
    Switch,
    /// A switch that sounds or arms an alarm.
    Alarm,
    /// The relay of an IOLinc, which usually opens a garage door.
    Relay,
    Fan,
    Cover,
    /// A lock. An Insteon lock accepts on and off; other locks accept `SECMD`.
    Lock {
        is_insteon: bool,
    },
    Climate,
    BinarySensor(Option<&'static str>),
    /// The daily heartbeat of a battery sensor. It is on if the heartbeat is missing.
    Heartbeat,
    Sensor,
    /// A button that only reports presses.
    Button,
    Number,
}

const INSTEON: u32 = 1;

/// The meaning of the commands from a node of an Insteon battery sensor. Such nodes report their
/// state with commands; their status is only the controller's last guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sense {
    /// On and off are the state of the node itself.
    Own,
    /// On also means that the device's first node is off.
    Opposite,
    /// Each command is a heartbeat.
    Heartbeat,
}

/// Returns the meaning of a node's commands, if it reports its state with commands.
pub(crate) fn sense(facts: &Facts<'_>) -> Option<Sense> {
    let class = insteon_class(facts)?;
    Some(match (class, facts.part) {
        ("opening" | "moisture", 2) => Sense::Opposite,
        ("opening" | "moisture", 4) => Sense::Heartbeat,
        _ => Sense::Own,
    })
}

/// Whether on means that nothing is detected: the first node of a leak sensor is on while it is
/// dry.
pub(crate) fn is_inverted(facts: &Facts<'_>) -> bool {
    facts.part == 1 && insteon_class(facts) == Some("moisture")
}

/// Returns the device class of an Insteon battery sensor.
fn insteon_class(facts: &Facts<'_>) -> Option<&'static str> {
    let is_insteon = facts.family == INSTEON && !facts.is_scene;
    is_insteon
        .then(|| insteon_sensor_class(facts.device_type))
        .flatten()
}

/// How the backlight of a device is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backlight {
    /// As a percentage.
    Percent,
    /// As an index into a keypad's table of level pairs for on and off.
    Index,
}

impl Backlight {
    /// The maximum value.
    pub(crate) fn max(self) -> u8 {
        match self {
            Self::Percent => 100,
            Self::Index => 127,
        }
    }
}

/// Returns how the backlight of a node is set, if it has one.
pub(crate) fn backlight(facts: &Facts<'_>) -> Option<Backlight> {
    if facts.family != INSTEON {
        return None;
    }
    let definition = facts.definition;
    Some(
        match definition.strip_suffix("_ADV").unwrap_or(definition) {
            "DimmerMotorSwitch"
            | "DimmerLampSwitch"
            | "DimmerSwitchOnly"
            | "RelayLampSwitch"
            | "RelaySwitchOnlyPlusQuery"
            | "RelaySwitchOnly" => Backlight::Percent,
            "KeypadDimmer" | "KeypadRelay" | "KeypadButton" => Backlight::Index,
            _ => return None,
        },
    )
}

impl Kind {
    /// Determines the kind of a node.
    pub(crate) fn of(facts: &Facts<'_>) -> Self {
        if facts.is_scene {
            return Self::Scene;
        }
        by_part(facts)
            .or_else(|| by_definition(facts.definition))
            .or_else(|| by_insteon_type(facts))
            .or_else(|| by_zwave_category(facts.zwave_category))
            .or_else(|| facts.has_setpoint.then_some(Self::Climate))
            .or_else(|| by_unit(facts.uom))
            .unwrap_or(Self::Sensor)
    }

    /// Returns the kind that an override with this component makes of a node.
    pub(crate) fn overridden(self, component: Component) -> Self {
        match component {
            Component::Light => Self::Light,
            Component::Switch => Self::Switch,
            Component::Fan => Self::Fan,
            Component::Cover => Self::Cover,
            Component::Lock => match self {
                Self::Lock { .. } => self,
                _ => Self::Lock { is_insteon: true },
            },
            Component::Climate => Self::Climate,
            Component::BinarySensor => Self::BinarySensor(None),
            Component::Sensor => Self::Sensor,
            Component::Event => Self::Button,
            Component::Number => Self::Number,
            Component::Button => Self::Scene,
        }
    }

    /// Returns the permission that commands to this kind need, if any.
    pub(crate) fn allowance(self) -> Option<Allowance> {
        match self {
            Self::Lock { .. } => Some(Allowance::Locks),
            Self::Cover | Self::Relay => Some(Allowance::Covers),
            Self::Alarm => Some(Allowance::Alarms),
            _ => None,
        }
    }
}

/// Whether the node has physical buttons.
pub(crate) fn has_buttons(facts: &Facts<'_>) -> bool {
    const TYPES: [&str; 10] = [
        "1.14.", "1.32.", "1.45.", "1.65.", "1.66.", "2.42.", "2.44.", "2.55.", "2.57.", "3.32.",
    ];
    is_button(facts.definition)
        || (facts.family == INSTEON && starts_with_any(facts.device_type, &TYPES))
}

fn is_button(definition: &str) -> bool {
    matches!(
        definition,
        "KeypadButton" | "KeypadButton_ADV" | "RemoteLinc2" | "RemoteLinc2_ADV"
    )
}

/// Determines the kind of nodes that differ from the other nodes of their device.
fn by_part(facts: &Facts<'_>) -> Option<Kind> {
    if facts.family != INSTEON {
        return None;
    }
    match facts.part {
        // FanLinc: the lamp, then the fan.
        1 if facts.device_type.starts_with("1.46.") => Some(Kind::Light),
        // Thermostats: cooling and heating.
        2 | 3 if starts_with_any(facts.device_type, &["4.8.", "5."]) => Some(Kind::BinarySensor(
            Some(["cold", "heat"][usize::from(facts.part == 3)]),
        )),
        // IOLinc: the sensor, then the relay.
        2 if facts.device_type.starts_with("7.0.") => Some(Kind::Relay),
        9..=12 if facts.definition.starts_with("EZIO2x4") => Some(Kind::BinarySensor(None)),
        // Battery sensors: low battery, tamper.
        3 if facts.device_type.starts_with("16.") => Some(Kind::BinarySensor(Some("battery"))),
        10 | 16 if facts.device_type.starts_with("16.") => Some(Kind::BinarySensor(Some("tamper"))),
        part => match (insteon_class(facts)?, part) {
            // Daylight, or the opposite of the first node.
            ("motion", 2) => Some(Kind::BinarySensor(Some("light"))),
            ("opening" | "moisture", 2) => Some(Kind::BinarySensor(None)),
            ("opening" | "moisture", 4) => Some(Kind::Heartbeat),
            // On if no motion is detected.
            ("motion", 13 | 19) => Some(Kind::BinarySensor(None)),
            _ => None,
        },
    }
}

fn by_definition(definition: &str) -> Option<Kind> {
    let base = definition.strip_suffix("_ADV").unwrap_or(definition);
    Some(match base {
        "BallastRelayLampSwitch"
        | "DimmerLampOnly"
        | "DimmerLampSwitch"
        | "DimmerSwitchOnly"
        | "KeypadDimmer" => Kind::Light,
        "AlertModuleArmed" | "AlertModuleSiren" | "Siren" => Kind::Alarm,
        "EZIO2x4_Output"
        | "EZRAIN_Output"
        | "KeypadRelay"
        | "RelayLampOnly"
        | "RelayLampSwitch"
        | "RelaySwitchOnlyPlusQuery"
        | "X10" => Kind::Switch,
        "FanLincMotor" => Kind::Fan,
        "DimmerMotorSwitch" => Kind::Cover,
        "DoorLock" => Kind::Lock { is_insteon: true },
        "TempLinc" | "Thermostat" => Kind::Climate,
        "BinaryAlarm" | "BinaryControl" | "EZIO2x4_Input" | "EZRAIN_Input" | "OnOffControl" => {
            if definition == "EZIO2x4_Input_ADV" {
                Kind::Sensor
            } else {
                Kind::BinarySensor(None)
            }
        }
        "KeypadButton" | "RemoteLinc2" => Kind::Button,
        "IMETER_SOLO" => Kind::Sensor,
        _ => return None,
    })
}

fn by_insteon_type(facts: &Facts<'_>) -> Option<Kind> {
    if facts.family != INSTEON {
        return None;
    }
    let kind = facts.device_type;
    let is = |prefixes: &[&str]| starts_with_any(kind, prefixes);
    if is(&["1.46."]) {
        Some(Kind::Fan)
    } else if is(&["4.64.", "15."]) {
        Some(Kind::Lock { is_insteon: true })
    } else if is(&["4.8.", "5."]) {
        Some(Kind::Climate)
    } else if is(&["14."]) {
        Some(Kind::Cover)
    } else if is(&["0.16.", "0.17.", "0.18."]) {
        Some(Kind::Button)
    } else if is(&["1."]) {
        Some(Kind::Light)
    } else if is(&["2.", "7.3.255.", "9.10.", "9.11.", "113."]) {
        Some(Kind::Switch)
    } else if is(&["7.0.", "7.13.", "16."]) {
        Some(Kind::BinarySensor(insteon_sensor_class(kind)))
    } else if is(&["9.0.", "9.7."]) {
        Some(Kind::Sensor)
    } else {
        None
    }
}

fn insteon_sensor_class(kind: &str) -> Option<&'static str> {
    if starts_with_any(kind, &["16.8.", "16.13.", "16.14."]) {
        Some("moisture")
    } else if starts_with_any(
        kind,
        &[
            "16.2.", "16.6.", "16.7.", "16.9.", "16.17.", "16.20.", "16.21.",
        ],
    ) {
        Some("opening")
    } else if starts_with_any(kind, &["16.1.", "16.3.", "16.4.", "16.5.", "16.22."]) {
        Some("motion")
    } else {
        None
    }
}

fn by_zwave_category(category: Option<u32>) -> Option<Kind> {
    Some(match category? {
        109 | 119 => Kind::Light,
        121 | 122 | 123 | 137 | 141 | 147 => Kind::Switch,
        106 | 107 => Kind::Cover,
        111 => Kind::Lock { is_insteon: false },
        140 => Kind::Climate,
        category @ (104 | 112 | 138 | 148..=179) => {
            Kind::BinarySensor(zwave_sensor_class(category))
        }
        118 | 143 | 180..=185 => Kind::Sensor,
        _ => return None,
    })
}

fn zwave_sensor_class(category: u32) -> Option<&'static str> {
    Some(match category {
        138 | 156 => "smoke",
        172 | 176..=178 => "safety",
        150 | 151 => "gas",
        152 | 168 => "cold",
        154 | 166 | 167 => "heat",
        153 => "sound",
        159 | 169 => "moisture",
        160 => "door",
        162 => "battery",
        155 => "motion",
        173 => "vibration",
        148 | 149 | 157 | 158 | 164 | 174 | 175 => "problem",
        _ => return None,
    })
}

fn by_unit(uom: &str) -> Option<Kind> {
    Some(match uom {
        "11" => Kind::Lock { is_insteon: false },
        "97" => Kind::Cover,
        "78" => Kind::Switch,
        "2" => Kind::BinarySensor(None),
        "79" => Kind::BinarySensor(Some("opening")),
        "51" | "100" => Kind::Light,
        "67" | "98" => Kind::Climate,
        _ => return None,
    })
}

fn starts_with_any(text: &str, prefixes: &[&str]) -> bool {
    // A type may be shortened: `16.2` must match `16.2.`, but not `16.20.`.
    let text = format!("{text}.");
    prefixes.iter().any(|prefix| text.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insteon(device_type: &str, part: u32) -> Kind {
        Kind::of(&Facts {
            device_type,
            part,
            family: INSTEON,
            uom: "100",
            ..Facts::default()
        })
    }

    #[test]
    fn a_definition_decides_before_a_type_and_a_unit() {
        let facts = Facts {
            definition: "RelayLampSwitch_ADV",
            device_type: "1.32.69.0",
            family: INSTEON,
            uom: "100",
            part: 1,
            ..Facts::default()
        };
        assert_eq!(Kind::of(&facts), Kind::Switch);
        let unknown = Facts {
            definition: "FutureThing",
            ..facts
        };
        assert_eq!(Kind::of(&unknown), Kind::Light);
    }

    #[test]
    fn insteon_types_and_parts() {
        for (device_type, part, kind) in [
            ("1.32.69.0", 1, Kind::Light),
            ("1.46.65.0", 1, Kind::Light),
            ("1.46.65.0", 2, Kind::Fan),
            ("2.42.67.0", 1, Kind::Switch),
            ("4.64.1.0", 1, Kind::Lock { is_insteon: true }),
            ("5.11.1.0", 1, Kind::Climate),
            ("5.11.1.0", 2, Kind::BinarySensor(Some("cold"))),
            ("5.11.1.0", 3, Kind::BinarySensor(Some("heat"))),
            ("7.0.1.0", 1, Kind::BinarySensor(None)),
            ("7.0.1.0", 2, Kind::Relay),
            ("14.1.1.0", 1, Kind::Cover),
            ("16.1.1.0", 1, Kind::BinarySensor(Some("motion"))),
            ("16.2.1.0", 1, Kind::BinarySensor(Some("opening"))),
            ("16.20.1.0", 1, Kind::BinarySensor(Some("opening"))),
            ("16.8.1.0", 1, Kind::BinarySensor(Some("moisture"))),
            ("16.8.1.0", 3, Kind::BinarySensor(Some("battery"))),
            ("16.8.1.0", 4, Kind::Heartbeat),
            ("16.2.1.0", 2, Kind::BinarySensor(None)),
            ("16.1.1.0", 2, Kind::BinarySensor(Some("light"))),
            ("16.1.1.0", 4, Kind::BinarySensor(Some("motion"))),
            ("16.22.1.0", 10, Kind::BinarySensor(Some("tamper"))),
            ("16.22.1.0", 19, Kind::BinarySensor(None)),
            ("0.18.1.0", 1, Kind::Button),
        ] {
            assert_eq!(insteon(device_type, part), kind, "{device_type} {part}");
        }
    }

    #[test]
    fn battery_sensors_tell_their_state_by_commands() {
        let sensed = |device_type, part| {
            let facts = Facts {
                device_type,
                part,
                family: INSTEON,
                ..Facts::default()
            };
            (sense(&facts), is_inverted(&facts))
        };
        assert_eq!(sensed("16.1.1.0", 1), (Some(Sense::Own), false));
        assert_eq!(sensed("16.2.1.0", 2), (Some(Sense::Opposite), false));
        assert_eq!(sensed("16.8.1.0", 1), (Some(Sense::Own), true));
        assert_eq!(sensed("16.8.1.0", 3), (Some(Sense::Own), false));
        assert_eq!(sensed("16.8.1.0", 4), (Some(Sense::Heartbeat), false));
        assert_eq!(sensed("7.0.1.0", 1), (None, false));
    }

    #[test]
    fn other_families_go_by_category_then_unit() {
        let kind = |family, zwave_category, uom| {
            Kind::of(&Facts {
                family,
                zwave_category,
                uom,
                device_type: "4.16.1.0",
                part: 1,
                ..Facts::default()
            })
        };
        assert_eq!(kind(12, Some(111), "11"), Kind::Lock { is_insteon: false });
        assert_eq!(kind(4, Some(155), "2"), Kind::BinarySensor(Some("motion")));
        assert_eq!(kind(10, None, "97"), Kind::Cover);
        assert_eq!(kind(10, None, "51"), Kind::Light);
        assert_eq!(kind(10, None, "17"), Kind::Sensor);
        assert_eq!(kind(10, None, ""), Kind::Sensor);
        let thermostat = Facts {
            uom: "17",
            has_setpoint: true,
            ..Facts::default()
        };
        assert_eq!(Kind::of(&thermostat), Kind::Climate);
    }

    #[test]
    fn locks_covers_and_alarms_need_a_permission_whatever_an_override_says() {
        assert_eq!(
            Kind::Lock { is_insteon: true }.allowance(),
            Some(Allowance::Locks)
        );
        assert_eq!(Kind::Cover.allowance(), Some(Allowance::Covers));
        assert_eq!(
            by_definition("Siren_ADV").and_then(Kind::allowance),
            Some(Allowance::Alarms)
        );
        assert_eq!(Kind::Light.allowance(), None);
        assert_eq!(Kind::Cover.overridden(Component::Switch), Kind::Switch);
    }
}
