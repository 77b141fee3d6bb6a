//! Home Assistant templates that read the bridge's payloads.
//!
//! An unknown value is `null` in the payload. The template then returns `None`, which Home
//! Assistant treats as unknown.

/// The value of a property or variable.
pub(super) const NUMBER: &str = "{{ value_json.value }}";
/// The value that a variable takes when the controller starts.
pub(super) const INIT: &str = "{{ value_json.init }}";
/// The text of a property.
pub(super) const TEXT: &str = "{{ value_json.text }}";
/// `ON` or `OFF` for a flag, optionally inverted.
pub(super) fn flag(is_inverted: bool) -> &'static str {
    match is_inverted {
        false => "{{ 'ON' if value_json.value else 'OFF' }}",
        true => "{{ 'OFF' if value_json.value else 'ON' }}",
    }
}
/// The time at which a value was received.
pub(super) const TIME: &str = "{{ value_json.time }}";
/// A program's status.
pub(super) const PROGRAM: &str = "{{ value_json.status }}";

/// `ON` or `OFF` for a level or a switch.
pub(super) fn on_off(uom: &str) -> String {
    either(uom, "ON", "OFF")
}

/// The word `on` or `off`, depending on the value.
pub(super) fn either(uom: &str, on: &str, off: &str) -> String {
    match uom {
        // 101 means unknown.
        "78" => format!("{{{{ {{0: '{off}', 100: '{on}'}}.get(value_json.value) }}}}"),
        // An open door is on.
        "79" => format!("{{{{ {{0: '{on}', 100: '{off}'}}.get(value_json.value) }}}}"),
        // Unlocked is on.
        "11" => format!("{{{{ {{0: '{on}', 100: '{off}', 102: '{on}'}}.get(value_json.value) }}}}"),
        _ => format!(
            "{{{{ ('{on}' if value_json.value > 0 else '{off}') if value_json.value is number else None }}}}"
        ),
    }
}

/// The brightness from 0 to 255.
pub(super) fn brightness(uom: &str) -> &'static str {
    match uom {
        "51" => {
            "{{ (value_json.value * 255 / 100) | round | int if value_json.value is number else 0 }}"
        }
        _ => "{{ value_json.value if value_json.value is number else 0 }}",
    }
}

/// The command to turn a light on: with a level or, if none is given, at the device's on-level.
pub(super) fn turn_on(uom: &str) -> &'static str {
    match uom {
        "51" => {
            "{{ ((brightness * 100 / 255) | round(0, 'ceil') | int) ~ '%' if brightness is defined else 'ON' }}"
        }
        _ => "{{ brightness if brightness is defined else 'ON' }}",
    }
}

/// A cover's position in percent; empty if the value is not a position.
pub(super) fn position(uom: &str) -> &'static str {
    match uom {
        "100" => "{{ (value_json.value * 100 / 255) | round | int if value_json.value is number }}",
        _ => "{{ value_json.value if value_json.value is number and value_json.value <= 100 }}",
    }
}

/// The state of a cover.
pub(super) fn cover_state(uom: &str) -> &'static str {
    match uom {
        "97" => {
            "{{ {0: 'closed', 101: None, 102: 'stopped', 103: 'closing', 104: 'opening'}.get(value_json.value, 'open') if value_json.value is number else None }}"
        }
        "79" => "{{ {0: 'open', 100: 'closed'}.get(value_json.value) }}",
        _ => {
            "{{ ('open' if value_json.value > 0 else 'closed') if value_json.value is number else None }}"
        }
    }
}

/// The state of a lock.
pub(super) fn lock_state(uom: &str) -> &'static str {
    match uom {
        "11" => "{{ {0: 'UNLOCKED', 100: 'LOCKED', 102: 'JAMMED'}.get(value_json.value) }}",
        _ => {
            "{{ ('LOCKED' if value_json.value > 0 else 'UNLOCKED') if value_json.value is number else None }}"
        }
    }
}

/// A thermostat's mode.
pub(super) fn climate_mode(uom: &str) -> &'static str {
    match uom {
        "98" => {
            "{{ {0: 'off', 1: 'heat', 2: 'cool', 3: 'auto', 4: 'fan_only', 5: 'auto', 6: 'heat', 7: 'cool'}.get(value_json.value) }}"
        }
        _ => {
            "{{ {0: 'off', 1: 'heat', 2: 'cool', 3: 'auto', 4: 'heat', 6: 'fan_only', 8: 'dry', 10: 'auto', 11: 'heat', 12: 'cool'}.get(value_json.value) }}"
        }
    }
}

/// A thermostat's current action.
pub(super) const CLIMATE_ACTION: &str = "{{ {0: 'idle', 1: 'heating', 2: 'cooling', 3: 'fan', 7: 'heating', 8: 'heating', 9: 'cooling', 10: 'heating', 11: 'heating'}.get(value_json.value) }}";

/// A thermostat's fan mode.
pub(super) fn climate_fan(uom: &str) -> &'static str {
    match uom {
        "68" => "{{ {0: 'auto', 1: 'on'}.get(value_json.value) }}",
        _ => "{{ {7: 'on', 8: 'auto'}.get(value_json.value) }}",
    }
}
