//! Parses the payloads of command topics into commands to the controller.
//!
//! Rules:
//!
//! * A payload is one word or one number in UTF-8. Any other payload is refused.
//! * The kind of a node decides which payloads it accepts: a sensor accepts only `QUERY`.
//! * Locks, covers and alarms each need a separate permission, and so do scenes that contain one.

use std::collections::BTreeSet;

use ioxproto::rest::{
    Command, FanMode, Level, ProgramCommand, RequestError, Setpoint, TemperatureUnit,
    ThermostatMode,
};
use ioxproto::view::{Decimal, ProgramId, VariableField, VariableId};
use thiserror::Error;

use crate::Allowance;
use crate::discovery::kind::{Backlight, Kind};
use crate::topics::{BACKLIGHT, ENABLED};

/// The maximum length of a command payload, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 64;

/// The reason why a command is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("it is retained: it may be old, so publish commands without the retain flag")]
    Retained,
    #[error("it was sent while the bridge was disconnected")]
    Late,
    #[error("its payload has {0} bytes; the maximum is {MAX_PAYLOAD}")]
    TooLong(usize),
    #[error("its payload is not UTF-8")]
    NotText,
    #[error("its payload {0:?} is not understood: {1}")]
    NotUnderstood(String, &'static str),
    #[error("there is no such node, program or variable")]
    UnknownTarget,
    #[error("commands to {0} are not allowed: allow them in the configuration")]
    NotAllowed(Allowance),
    #[error("{0}")]
    OutOfRange(String),
    #[error("the controller was disconnected for too long")]
    Expired,
    #[error("the controller is not connected")]
    Away,
    #[error("a newer command to the same target replaces it")]
    Replaced,
    #[error("too many commands wait for the controller")]
    TooMany,
}

impl Refusal {
    /// The stable code, for metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Retained => "retained",
            Self::Late => "late",
            Self::TooLong(_) => "too_long",
            Self::NotText => "not_text",
            Self::NotUnderstood(..) => "not_understood",
            Self::UnknownTarget => "unknown_target",
            Self::NotAllowed(_) => "not_allowed",
            Self::OutOfRange(_) => "out_of_range",
            Self::Expired => "expired",
            Self::Away => "away",
            Self::Replaced => "replaced",
            Self::TooMany => "too_many",
        }
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self::OutOfRange(error.to_string())
    }
}

/// The node or scene that a command is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipient<'a> {
    pub(crate) address: &'a str,
    pub(crate) kind: Kind,
    pub(crate) backlight: Option<Backlight>,
}

/// Returns the text of a payload, without surrounding white space.
pub(crate) fn text(payload: &[u8]) -> Result<&str, Refusal> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Refusal::TooLong(payload.len()));
    }
    let text = std::str::from_utf8(payload).map_err(|_| Refusal::NotText)?;
    Ok(text.trim())
}

/// Checks that commands to all of these kinds are allowed.
pub(crate) fn check_allowed(
    affected: impl IntoIterator<Item = Kind>,
    allowed: &BTreeSet<Allowance>,
) -> Result<(), Refusal> {
    let mut needed = affected.into_iter().filter_map(Kind::allowance);
    match needed.find(|needed| !allowed.contains(needed)) {
        Some(missing) => Err(Refusal::NotAllowed(missing)),
        None => Ok(()),
    }
}

/// The payloads that the bridge's web page offers for a program.
pub(crate) const PROGRAM_OFFERS: &[&str] = &["RUN_THEN", "RUN_ELSE", "STOP", "ENABLE", "DISABLE"];

/// The payloads that the bridge's web page offers for a node of this kind. `LEVEL` stands for `0%`
/// to `100%`.
pub(crate) fn node_offers(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Light | Kind::Fan | Kind::Number => &["ON", "OFF", "LEVEL"],
        Kind::Scene | Kind::Switch | Kind::Alarm | Kind::Relay => &["ON", "OFF"],
        Kind::Cover => &["OPEN", "CLOSE", "STOP", "LEVEL"],
        Kind::Lock { .. } => &["LOCK", "UNLOCK"],
        Kind::Climate | Kind::Sensor | Kind::BinarySensor(_) | Kind::Button | Kind::Heartbeat => {
            &["QUERY"]
        }
    }
}

/// Parses a command to a node or scene.
pub(crate) fn to_node(node: Recipient<'_>, payload: &str) -> Result<Command, Refusal> {
    let address = node.address;
    let word = payload.to_ascii_uppercase();
    if word == "QUERY" && node.kind != Kind::Scene {
        return Ok(Command::query(address)?);
    }
    match node.kind {
        Kind::Sensor | Kind::BinarySensor(_) | Kind::Heartbeat | Kind::Button => {
            Err(not_understood(payload, "it takes only QUERY"))
        }
        Kind::Climate => Err(not_understood(
            payload,
            "a thermostat takes QUERY; its settings have topics of their own",
        )),
        Kind::Lock { is_insteon } => Ok(match (word.as_str(), is_insteon) {
            ("LOCK", true) => Command::on(address)?,
            ("UNLOCK", true) => Command::off(address)?,
            ("LOCK", false) => Command::lock(address)?,
            ("UNLOCK", false) => Command::unlock(address)?,
            _ => {
                return Err(not_understood(
                    payload,
                    "a lock takes LOCK, UNLOCK and QUERY",
                ));
            }
        }),
        Kind::Cover => Ok(match word.as_str() {
            "OPEN" => Command::on(address)?,
            "CLOSE" => Command::off(address)?,
            "STOP" => Command::fade_stop(address)?,
            _ => level(
                address,
                payload,
                "a cover takes OPEN, CLOSE, STOP, QUERY or a position such as 40%",
            )?,
        }),
        Kind::Scene
        | Kind::Light
        | Kind::Fan
        | Kind::Number
        | Kind::Switch
        | Kind::Alarm
        | Kind::Relay => Ok(match word.as_str() {
            "ON" => Command::on(address)?,
            "OFF" => Command::off(address)?,
            "FAST_ON" => Command::fast_on(address)?,
            "FAST_OFF" => Command::fast_off(address)?,
            "BRIGHTEN" => Command::brighten(address)?,
            "DIM" => Command::dim(address)?,
            "FADE_UP" => Command::fade_up(address)?,
            "FADE_DOWN" => Command::fade_down(address)?,
            "FADE_STOP" => Command::fade_stop(address)?,
            "BEEP" if node.kind != Kind::Scene => Command::beep(address)?,
            _ if matches!(node.kind, Kind::Light | Kind::Fan | Kind::Number) => level(
                address,
                payload,
                "it takes ON, OFF, FAST_ON, FAST_OFF, BRIGHTEN, DIM, FADE_UP, FADE_DOWN, FADE_STOP, BEEP, QUERY, 0 to 255 or 0% to 100%",
            )?,
            _ => {
                let takes = match node.kind {
                    Kind::Scene => {
                        "it takes ON, OFF, FAST_ON, FAST_OFF, BRIGHTEN, DIM, FADE_UP, FADE_DOWN, FADE_STOP"
                    }
                    _ => {
                        "it takes ON, OFF, FAST_ON, FAST_OFF, BRIGHTEN, DIM, FADE_UP, FADE_DOWN, FADE_STOP, BEEP, QUERY"
                    }
                };
                return Err(not_understood(payload, takes));
            }
        }),
    }
}

/// Parses a command that sets a property of a node. `uom` is the property's unit.
pub(crate) fn to_control(
    node: Recipient<'_>,
    control: &str,
    uom: &str,
    payload: &str,
) -> Result<Command, Refusal> {
    let address = node.address;
    let number = || payload.parse::<Decimal>().ok();
    match (control, node.kind) {
        (ENABLED, Kind::Scene) => Err(Refusal::UnknownTarget),
        (ENABLED, _) => match payload.to_ascii_uppercase().as_str() {
            "ON" => Ok(Command::enable(address)?),
            "OFF" => Ok(Command::disable(address)?),
            _ => Err(not_understood(
                payload,
                "a node is enabled by ON and disabled by OFF",
            )),
        },
        (BACKLIGHT, _) => {
            let backlight = node.backlight.ok_or(Refusal::UnknownTarget)?;
            let value: Option<u8> = digits(payload).and_then(|text| text.parse().ok());
            let value = value
                .filter(|value| *value <= backlight.max())
                .ok_or_else(|| {
                    not_understood(payload, "a backlight is 0 to 100; for a keypad, 0 to 127")
                })?;
            let uom = match backlight {
                Backlight::Percent => 51,
                Backlight::Index => 25,
            };
            let value = Some(i64::from(value).into());
            Ok(Command::custom(address, BACKLIGHT, value, Some(uom))?.absolute())
        }
        ("CLISPH" | "CLISPC", Kind::Climate) => {
            let value =
                number().ok_or_else(|| not_understood(payload, "a setpoint is a number"))?;
            let unit = match uom {
                "4" => TemperatureUnit::Celsius,
                "17" => TemperatureUnit::Fahrenheit,
                _ => TemperatureUnit::HalfDegrees,
            };
            let setpoint = Setpoint::new(value, unit)?;
            Ok(match control {
                "CLISPH" => Command::heat_setpoint(address, setpoint)?,
                _ => Command::cool_setpoint(address, setpoint)?,
            })
        }
        ("CLIMD", Kind::Climate) => {
            let mode = match (payload.to_ascii_lowercase().as_str(), uom) {
                ("off", _) => ThermostatMode::Off,
                ("heat", _) => ThermostatMode::Heat,
                ("cool", _) => ThermostatMode::Cool,
                ("auto", _) => ThermostatMode::Auto,
                ("fan_only", "98") => ThermostatMode::Other(4),
                ("fan_only", _) => ThermostatMode::Other(6),
                _ => {
                    return Err(not_understood(
                        payload,
                        "a mode is off, heat, cool, auto or fan_only",
                    ));
                }
            };
            Ok(Command::thermostat_mode(address, mode)?)
        }
        ("CLIFS", Kind::Climate) => {
            let mode = match (payload.to_ascii_lowercase().as_str(), uom) {
                ("auto", "68") => FanMode::Other(0),
                ("on", "68") => FanMode::Other(1),
                ("auto", _) => FanMode::Auto,
                ("on", _) => FanMode::On,
                _ => return Err(not_understood(payload, "a fan is on or auto")),
            };
            Ok(Command::fan_mode(address, mode)?)
        }
        ("OL", Kind::Light | Kind::Fan | Kind::Switch) => {
            let (value, unit) = match parse_level(payload) {
                Some(ParsedLevel::Raw(raw)) => (raw, None),
                Some(ParsedLevel::Percent(percent)) => (percent, Some(51)),
                None => {
                    return Err(not_understood(
                        payload,
                        "an on-level is 0 to 255 or 0% to 100%",
                    ));
                }
            };
            let value = Some(i64::from(value).into());
            Ok(Command::custom(address, "OL", value, unit)?.absolute())
        }
        ("RR", Kind::Light | Kind::Fan | Kind::Switch) => {
            let rate: Option<u8> = digits(payload).and_then(|text| text.parse().ok());
            match rate.filter(|rate| *rate <= 31) {
                Some(rate) => {
                    let value = Some(i64::from(rate).into());
                    Ok(Command::custom(address, "RR", value, None)?.absolute())
                }
                None => Err(not_understood(payload, "a ramp rate is 0 to 31")),
            }
        }
        _ => Err(Refusal::UnknownTarget),
    }
}

/// Parses a command to a program.
pub(crate) fn to_program(id: ProgramId, payload: &str) -> Result<Command, Refusal> {
    let order = match payload.to_ascii_uppercase().as_str() {
        "RUN" => ProgramCommand::Run,
        "RUN_THEN" => ProgramCommand::RunThen,
        "RUN_ELSE" => ProgramCommand::RunElse,
        "STOP" => ProgramCommand::Stop,
        "ENABLE" => ProgramCommand::Enable,
        "DISABLE" => ProgramCommand::Disable,
        _ => {
            return Err(not_understood(
                payload,
                "a program takes RUN, RUN_THEN, RUN_ELSE, STOP, ENABLE and DISABLE",
            ));
        }
    };
    Ok(Command::program(id, order))
}

/// Parses a command that sets a variable with this number of decimal places.
pub(crate) fn to_variable(
    id: VariableId,
    field: VariableField,
    places: u32,
    payload: &str,
) -> Result<Command, Refusal> {
    const EXPECTED: &str = "a variable is a 32-bit number with at most its own decimal places";
    let raw = payload.parse::<Decimal>().ok().and_then(|value| {
        let power = 10_i128.checked_pow(places)?;
        let mantissa = value.mantissa().checked_mul(power)?;
        let raw = Decimal::new(mantissa, value.scale()).ok()?.to_i64()?;
        i32::try_from(raw).ok()
    });
    match raw {
        Some(raw) => Ok(Command::variable(id, field, raw)),
        None => Err(not_understood(payload, EXPECTED)),
    }
}

/// A level, in the unit in which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParsedLevel {
    Raw(u8),
    Percent(u8),
}

/// Parses `0` to `255`, or `0%` to `100%`: no sign, blank or fraction.
fn parse_level(payload: &str) -> Option<ParsedLevel> {
    match payload.strip_suffix('%') {
        Some(percent) => {
            let percent: u8 = digits(percent)?.parse().ok()?;
            (percent <= 100).then_some(ParsedLevel::Percent(percent))
        }
        None => Some(ParsedLevel::Raw(digits(payload)?.parse().ok()?)),
    }
}

fn digits(text: &str) -> Option<&str> {
    let is_number = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(text)
}

fn level(address: &str, payload: &str, expected: &'static str) -> Result<Command, Refusal> {
    let level = match parse_level(payload) {
        Some(ParsedLevel::Raw(raw)) => Level::raw(raw),
        Some(ParsedLevel::Percent(percent)) => Level::percent(percent)?,
        None => return Err(not_understood(payload, expected)),
    };
    // Level 0 is sent as `DOF`: with `DON/0`, some devices stay on at their lowest level.
    if parse_level(payload)
        .is_some_and(|level| matches!(level, ParsedLevel::Raw(0) | ParsedLevel::Percent(0)))
    {
        return Ok(Command::off(address)?);
    }
    Ok(Command::level(address, level)?)
}

fn not_understood(payload: &str, expected: &'static str) -> Refusal {
    Refusal::NotUnderstood(payload.to_owned(), expected)
}

#[cfg(test)]
mod tests {
    use ioxproto::view::VariableType;

    use super::*;

    fn sent(kind: Kind, payload: &str) -> Option<String> {
        let node = Recipient {
            address: "n1",
            kind,
            backlight: Some(Backlight::Percent),
        };
        let command = to_node(node, payload).ok()?;
        Some(command.path().replace("/rest/nodes/n1/cmd/", ""))
    }

    #[test]
    fn a_backlight_is_a_number_that_its_device_accepts() {
        let sent = |backlight, payload: &str| {
            let node = Recipient {
                address: "n1",
                kind: Kind::Light,
                backlight,
            };
            let command = to_control(node, "BL", "", payload).ok()?;
            Some(command.path().replace("/rest/nodes/n1/cmd/", ""))
        };
        let percent = Some(Backlight::Percent);
        assert_eq!(sent(percent, "40").as_deref(), Some("BL/40/51"));
        assert_eq!(
            sent(Some(Backlight::Index), "127").as_deref(),
            Some("BL/127/25")
        );
        for (backlight, payload) in [
            (percent, "101"),
            (percent, "-1"),
            (percent, ""),
            (None, "40"),
        ] {
            assert_eq!(sent(backlight, payload), None, "{payload}");
        }
    }

    #[test]
    fn each_kind_accepts_its_own_words() {
        let secmd = Kind::Lock { is_insteon: false };
        let insteon = Kind::Lock { is_insteon: true };
        for (kind, payload, path) in [
            (Kind::Light, "ON", Some("DON")),
            (Kind::Light, "off", Some("DOF")),
            (Kind::Light, "128", Some("DON/128")),
            (Kind::Light, "50%", Some("DON/50/51")),
            (Kind::Light, "0", Some("DOF")),
            (Kind::Light, "FAST_ON", Some("DFON")),
            (Kind::Switch, "128", None),
            (Kind::Switch, "ON", Some("DON")),
            (Kind::Fan, "171", Some("DON/171")),
            (Kind::Cover, "OPEN", Some("DON")),
            (Kind::Cover, "STOP", Some("FDSTOP")),
            (Kind::Cover, "40%", Some("DON/40/51")),
            (Kind::Cover, "ON", None),
            (secmd, "LOCK", Some("SECMD/1")),
            (secmd, "UNLOCK", Some("SECMD/0")),
            (insteon, "LOCK", Some("DON")),
            (insteon, "UNLOCK", Some("DOF")),
            (insteon, "OFF", None),
            (Kind::Scene, "ON", Some("DON")),
            (Kind::Scene, "128", None),
            (Kind::Sensor, "ON", None),
            (Kind::BinarySensor(None), "ON", None),
        ] {
            assert_eq!(sent(kind, payload).as_deref(), path, "{kind:?} {payload}");
        }
    }

    #[test]
    fn every_payload_that_the_web_page_offers_is_accepted() {
        for kind in [
            Kind::Scene,
            Kind::Light,
            Kind::Switch,
            Kind::Alarm,
            Kind::Relay,
            Kind::Fan,
            Kind::Cover,
            Kind::Lock { is_insteon: true },
            Kind::Lock { is_insteon: false },
            Kind::Climate,
            Kind::BinarySensor(None),
            Kind::Sensor,
            Kind::Button,
            Kind::Heartbeat,
            Kind::Number,
        ] {
            for offer in node_offers(kind) {
                let payload = if *offer == "LEVEL" { "40%" } else { offer };
                assert!(sent(kind, payload).is_some(), "{kind:?} {offer}");
            }
        }
        for offer in PROGRAM_OFFERS {
            assert!(to_program(ProgramId::new(7), offer).is_ok(), "{offer}");
        }
    }

    #[test]
    fn an_invalid_level_is_refused() {
        for payload in [
            "101%", "256", "-1", "NaN", "inf", "1e2", "50.5", "50 %", "%", "", "0x10", "+5",
            "ON;OFF", "1000", "٣",
        ] {
            assert_eq!(sent(Kind::Light, payload), None, "{payload}");
        }
        assert_eq!(text(&vec![b'1'; 1 << 20]), Err(Refusal::TooLong(1 << 20)));
        assert_eq!(text(&[b'O', b'N', 0xff]), Err(Refusal::NotText));
        assert_eq!(text(b" ON\n"), Ok("ON"));
    }

    #[test]
    fn thermostats_variables_and_programs() {
        let node = Recipient {
            address: "n1",
            kind: Kind::Climate,
            backlight: Some(Backlight::Percent),
        };
        let set = |control, uom, payload| {
            let command = to_control(node, control, uom, payload).ok()?;
            Some(command.path().replace("/rest/nodes/n1/cmd/", ""))
        };
        assert_eq!(set("CLISPH", "101", "68.5").as_deref(), Some("CLISPH/137"));
        assert_eq!(set("CLISPH", "4", "20.5").as_deref(), Some("CLISPH/20.5/4"));
        assert_eq!(set("CLISPH", "4", "NaN"), None);
        assert_eq!(set("CLISPH", "4", "200"), None);
        assert_eq!(set("CLIMD", "98", "heat").as_deref(), Some("CLIMD/1"));
        assert_eq!(set("CLIMD", "98", "warm"), None);
        assert_eq!(set("ST", "17", "20"), None);
        let id = VariableId {
            kind: VariableType::State,
            number: 3,
        };
        let variable = |places, payload| {
            let command = to_variable(id, VariableField::Value, places, payload).ok()?;
            Some(command.path().to_owned())
        };
        assert_eq!(variable(0, "21").as_deref(), Some("/rest/vars/set/2/3/21"));
        assert_eq!(
            variable(1, "21.5").as_deref(),
            Some("/rest/vars/set/2/3/215")
        );
        assert_eq!(variable(1, "-3").as_deref(), Some("/rest/vars/set/2/3/-30"));
        assert_eq!(variable(0, "21.5"), None);
        assert_eq!(variable(0, "2147483648"), None);
        assert_eq!(variable(0, "NaN"), None);
        assert!(to_program(ProgramId::new(1), "RUN_THEN").is_ok());
        assert!(to_program(ProgramId::new(1), "runthen").is_err());
    }

    #[test]
    fn a_command_that_affects_a_lock_needs_the_permission() {
        let lock = Kind::Lock { is_insteon: true };
        let none = BTreeSet::new();
        assert_eq!(check_allowed([Kind::Light], &none), Ok(()));
        assert_eq!(
            check_allowed([Kind::Scene, Kind::Light, lock], &none),
            Err(Refusal::NotAllowed(Allowance::Locks))
        );
        let locks = BTreeSet::from([Allowance::Locks]);
        assert_eq!(check_allowed([Kind::Scene, lock], &locks), Ok(()));
        assert_eq!(
            check_allowed([lock, Kind::Cover], &locks),
            Err(Refusal::NotAllowed(Allowance::Covers))
        );
    }
}
