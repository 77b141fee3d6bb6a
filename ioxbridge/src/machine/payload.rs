//! The payloads of state and event topics.

use std::time::SystemTime;

use ioxproto::state::{Program, Property, Variable};
use ioxproto::unit::ShownValue;
use ioxproto::view::{ControllerTime, Decimal, NodeCommand, Timestamp};
use ioxproto::{Now, StatusChange};
use serde_json::{Value, json};

/// The text before the time, which is the last member of a property's payload.
const TIME: &str = ",\"time\":";

/// The payload of a property: value, unit, text and time.
pub(super) fn property(property: &Property, now: Now) -> Vec<u8> {
    let shown = property.shown();
    let value = value(&shown);
    let text = Value::from(shown.text.as_ref());
    let unit = Value::from(shown.unit);
    let time = property.time().map_or_else(|| utc(now.utc), timestamp);
    format!("{{\"value\":{value},\"unit\":{unit},\"text\":{text}{TIME}{time}}}").into_bytes()
}

/// The number if there is one, else the text; `null` for an unknown value.
fn value(shown: &ShownValue<'_>) -> Value {
    match shown.number {
        Some(number) => decimal(number),
        None if shown.text == ShownValue::UNKNOWN => Value::Null,
        None => Value::from(shown.text.as_ref()),
    }
}

/// Whether two payloads of a property are equal except for their times.
pub(super) fn is_same_value(one: &[u8], other: &[u8]) -> bool {
    let head = |payload: &[u8]| -> Option<usize> {
        let text = std::str::from_utf8(payload).ok()?;
        text.rfind(TIME)
    };
    match (head(one), head(other)) {
        (Some(one_end), Some(other_end)) => one[..one_end] == other[..other_end],
        _ => false,
    }
}

/// The payload of a scene.
pub(super) fn scene(is_on: bool, now: Now) -> Vec<u8> {
    let (value, text) = if is_on { (1, "On") } else { (0, "Off") };
    let time = utc(now.utc);
    format!("{{\"value\":{value},\"unit\":\"\",\"text\":\"{text}\"{TIME}{time}}}").into_bytes()
}

/// The payload of a battery sensor: the state that it reported last.
pub(super) fn active(is_active: bool, now: Now) -> Vec<u8> {
    let value = u8::from(is_active);
    format!("{{\"value\":{value}{TIME}{}}}", utc(now.utc)).into_bytes()
}

/// Whether a payload looks like one from [`active`].
pub(super) fn is_active_payload(payload: &[u8]) -> bool {
    let is_short = payload.len() <= 100;
    let value: Option<Value> = serde_json::from_slice(payload).ok().filter(|_| is_short);
    value.is_some_and(|value| matches!(value["value"].as_u64(), Some(0 | 1)))
}

/// The payload that says whether a node is enabled.
pub(super) fn enabled(is_enabled: bool) -> Vec<u8> {
    json!({ "value": is_enabled }).to_string().into_bytes()
}

/// The payload of a command or button press, in the form that Home Assistant expects of events.
pub(super) fn event(command: &NodeCommand<'_>, now: Now) -> Vec<u8> {
    let parameter = command.parameter();
    let event = json!({
        "event_type": command.command.label(),
        "text": command.text(),
        "value": parameter.as_ref().map_or(Value::Null, value),
        "time": utc(now.utc),
    });
    event.to_string().into_bytes()
}

/// The payload of a program.
pub(super) fn program(program: &Program) -> Vec<u8> {
    let time = |time: Option<ControllerTime>| {
        time.and_then(ControllerTime::instant)
            .map_or(Value::Null, timestamp)
    };
    let program = json!({
        "status": program.status,
        "enabled": program.enabled,
        "run_at_startup": program.run_at_reboot,
        "running": program.run_state.map(|state| state.label()),
        "last_run": time(program.last_run),
        "last_finish": time(program.last_finish),
        "next_run": time(program.next_run),
    });
    program.to_string().into_bytes()
}

/// The payload of a variable.
pub(super) fn variable(variable: &Variable) -> Vec<u8> {
    let number = |number: Option<Decimal>| number.map_or(Value::Null, decimal);
    let time = variable.time.and_then(ControllerTime::instant);
    let variable = json!({
        "value": number(variable.value),
        "init": number(variable.init),
        "time": time.map_or(Value::Null, timestamp),
    });
    variable.to_string().into_bytes()
}

/// The payload of a stream's status.
pub(super) fn status(change: &StatusChange, uuid: &str, reconnects: u64, drift: u64) -> Vec<u8> {
    let status = json!({
        "status": change.status.as_str(),
        "reason": change.reason.as_ref().map(|reason| reason.code()),
        "message": change.reason.as_ref().map(ToString::to_string),
        "uuid": uuid,
        "reconnects": reconnects,
        "drift": drift,
    });
    status.to_string().into_bytes()
}

/// An integer if the number has no decimal places, else a float.
fn decimal(number: Decimal) -> Value {
    match number.to_i64() {
        Some(whole) if number.scale() <= 0 => Value::from(whole),
        _ => Value::from(number.to_f64()),
    }
}

fn timestamp(time: Timestamp) -> Value {
    let time = jiff::Timestamp::from_microsecond(time.unix_micros());
    time.map_or(Value::Null, |time| Value::from(time.to_string()))
}

fn utc(time: SystemTime) -> Value {
    let time = jiff::Timestamp::try_from(time);
    time.map_or(Value::Null, |time| Value::from(format!("{time:.3}")))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn now() -> Now {
        Now {
            monotonic: Instant::now(),
            utc: SystemTime::UNIX_EPOCH,
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_property_has_value_unit_text_and_time() {
        let temperature = Property::new("725").with_unit("17", Some(1));
        assert_eq!(
            text(property(&temperature, now())),
            r#"{"value":72.5,"unit":"°F","text":"72.5°F","time":"1970-01-01T00:00:00.000Z"}"#
        );
        let lamp = Property::new("255")
            .with_unit("100", Some(0))
            .with_formatted("On \"\n");
        let lamp: Value = serde_json::from_slice(&property(&lamp, now())).unwrap();
        assert_eq!(lamp["value"], 255);
        assert_eq!(lamp["text"], "On \"");
        let blank: Value = serde_json::from_slice(&property(&Property::new(""), now())).unwrap();
        assert!(blank["value"].is_null());
    }

    #[test]
    fn payloads_that_differ_only_in_time_have_the_same_value() {
        let lamp = Property::new("255").with_unit("100", Some(0));
        let later = Now {
            utc: SystemTime::now(),
            ..now()
        };
        let (one, other) = (property(&lamp, now()), property(&lamp, later));
        assert_ne!(one, other);
        assert!(is_same_value(&one, &other));
        assert!(!is_same_value(&one, &property(&Property::new("0"), now())));
        assert!(!is_same_value(&one, b"255"));
        assert!(!is_same_value(b"", b""));
    }
}
