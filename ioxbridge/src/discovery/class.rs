//! The device classes and units that Home Assistant accepts.
//!
//! Home Assistant refuses an entity whose unit does not match its device class. Therefore every
//! pair here is in its table of units, and a doubtful value has no class.

use ioxproto::unit::Unit;

/// The classes and the unit of a sensor's value, as Home Assistant names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    pub(crate) class: Option<&'static str>,
    pub(crate) unit: Option<&'static str>,
    pub(crate) state_class: Option<&'static str>,
}

/// Returns what a property measures, from its control and unit.
pub(crate) fn measure(control: &str, uom: &str) -> Measure {
    let id: Option<u16> = uom.trim().parse().ok();
    let known = Unit::of(uom);
    let is_number = known.is_none_or(|unit| unit.words().is_empty());
    // 101 (half degrees) may be Celsius or Fahrenheit: the thermostat's scale is not known.
    let symbol = known.map_or("", Unit::symbol);
    let unit = match id {
        Some(14 | 100 | 101) => None,
        _ => home_assistant_unit(symbol),
    };
    let is_fitting = |class: &&str| is_accepted(class, unit);
    let class = class_of_control(control).filter(is_fitting);
    let class = class.or_else(|| id.and_then(class_of_unit).filter(is_fitting));
    let is_text = matches!(id, Some(0 | 27 | 70 | 75 | 84 | 145..=148 | 150 | 151 | 25));
    let state_class = match class {
        _ if !is_number || is_text || known.is_none() => None,
        Some("energy" | "water" | "gas" | "precipitation") => Some("total_increasing"),
        Some("wind_direction") => None,
        _ => Some("measurement"),
    };
    Measure {
        class,
        unit: unit.filter(|_| is_number || class.is_some()),
        state_class,
    }
}

/// Returns the class of a control, which is more reliable than the class of its unit.
fn class_of_control(control: &str) -> Option<&'static str> {
    Some(match control {
        "BATLVL" => "battery",
        "CLIHUM" => "humidity",
        "SOILH" => "moisture",
        "CLITEMP" | "DEWPT" | "SOILT" | "TEMPEXH" | "TEMPOUT" | "WATERT" | "WATERTB"
        | "WATERTD" | "WINDCH" => "temperature",
        "BARPRES" => "atmospheric_pressure",
        "CC" => "current",
        "CV" => "voltage",
        "CPW" => "power",
        "TPW" => "energy",
        "PF" => "power_factor",
        "CO2LVL" => "carbon_dioxide",
        "DISTANC" => "distance",
        "ETO" | "RAINRT" => "precipitation_intensity",
        "PRECIP" => "precipitation",
        "FREQ" => "frequency",
        "PM10" => "pm10",
        "PM25" => "pm25",
        "RFSS" => "signal_strength",
        "SOLRAD" => "irradiance",
        "SPEED" => "speed",
        "WATERP" => "pressure",
        "WEIGHT" | "MUSCLEM" | "FATM" => "weight",
        _ => return None,
    })
}

fn class_of_unit(id: u16) -> Option<&'static str> {
    Some(match id {
        1 | 41 => "current",
        4 | 17 | 26 => "temperature",
        5 | 18 | 38 | 82 | 83 | 105 | 116 => "distance",
        7 | 39 | 130 | 143 | 144 => "volume_flow_rate",
        10 | 20 | 42 | 45 | 58 => "duration",
        12 | 13 => "sound_pressure",
        22 => "humidity",
        23 | 118 => "atmospheric_pressure",
        24 | 46 | 106 | 120 => "precipitation_intensity",
        28 | 52 => "weight",
        29 | 43 | 72 => "voltage",
        30 | 73 => "power",
        31 | 117 | 127 | 138 => "pressure",
        32 | 40 | 48 | 49 => "speed",
        33 | 119 | 128 => "energy",
        35 | 69 => "water",
        36 => "illuminance",
        53 => "power_factor",
        54 => "carbon_dioxide",
        74 => "irradiance",
        76 => "wind_direction",
        90 | 133 => "frequency",
        123 | 124 => "radon",
        125 => "ph",
        131 => "signal_strength",
        135 => "apparent_power",
        136 => "reactive_power",
        _ => return None,
    })
}

/// Returns a unit as Home Assistant writes it; `None` for no unit.
fn home_assistant_unit(symbol: &'static str) -> Option<&'static str> {
    match symbol {
        "" => None,
        // Home Assistant uses the Greek letter, not the micro sign.
        "µg/m³" => Some("μg/m³"),
        other => Some(other),
    }
}

/// For each class, the units that it accepts, of those that controllers send.
pub(crate) const UNITS: &[(&str, &[&str])] = &[
    ("apparent_power", &["VA"]),
    (
        "atmospheric_pressure",
        &["hPa", "inHg", "kPa", "mbar", "mmHg", "psi"],
    ),
    ("battery", &["%"]),
    ("carbon_dioxide", &["ppm"]),
    ("current", &["A", "mA"]),
    ("distance", &["mm", "cm", "m", "km", "in", "ft", "mi"]),
    ("duration", &["d", "h", "min", "s", "ms"]),
    ("energy", &["Wh", "kWh", "J"]),
    ("frequency", &["Hz", "kHz"]),
    ("humidity", &["%"]),
    ("illuminance", &["lx"]),
    ("irradiance", &["W/m²"]),
    ("moisture", &["%"]),
    ("ph", &[]),
    ("pm10", &["μg/m³"]),
    ("pm25", &["μg/m³"]),
    ("power", &["W", "kW"]),
    ("power_factor", &["%", ""]),
    ("precipitation", &["in", "mm", "cm"]),
    ("precipitation_intensity", &["in/d", "in/h", "mm/d", "mm/h"]),
    ("pressure", &["hPa", "inHg", "kPa", "mbar", "mmHg", "psi"]),
    ("radon", &["Bq/m³", "pCi/L"]),
    ("reactive_power", &["var"]),
    ("signal_strength", &["dB", "dBm"]),
    ("sound_pressure", &["dB", "dBA"]),
    (
        "speed",
        &["km/h", "m/s", "mph", "in/h", "in/d", "mm/h", "mm/d"],
    ),
    ("temperature", &["°C", "°F", "K"]),
    ("voltage", &["mV", "V", "kV"]),
    (
        "volume_flow_rate",
        &["ft³/min", "m³/h", "L/h", "gal/min", "gal/h"],
    ),
    ("water", &["L", "gal", "ft³", "m³"]),
    ("weight", &["kg", "lb"]),
    ("wind_direction", &["°"]),
];

/// Whether Home Assistant accepts a class with this unit.
pub(crate) fn is_accepted(class: &str, unit: Option<&str>) -> bool {
    let units = UNITS.iter().find(|(name, _)| *name == class);
    units.is_some_and(|(_, units)| match unit {
        Some(unit) => units.contains(&unit),
        None => units.is_empty() || units.contains(&""),
    })
}

/// The device classes of binary sensors.
pub(crate) const BINARY_SENSOR_CLASSES: &[&str] = &[
    "battery",
    "battery_charging",
    "carbon_monoxide",
    "cold",
    "connectivity",
    "door",
    "garage_door",
    "gas",
    "glass_break",
    "heat",
    "light",
    "lock",
    "moisture",
    "motion",
    "moving",
    "occupancy",
    "opening",
    "plug",
    "power",
    "presence",
    "problem",
    "running",
    "safety",
    "smoke",
    "sound",
    "tamper",
    "update",
    "vibration",
    "window",
];
/// The device classes of covers.
pub(crate) const COVER_CLASSES: &[&str] = &[
    "awning", "blind", "curtain", "damper", "door", "garage", "gate", "shade", "shutter", "window",
];
/// The device classes of switches.
pub(crate) const SWITCH_CLASSES: &[&str] = &["outlet", "switch"];
/// The device classes of events.
pub(crate) const EVENT_CLASSES: &[&str] = &["button", "doorbell", "motion"];
/// The device classes of buttons.
pub(crate) const BUTTON_CLASSES: &[&str] = &["identify", "restart", "update"];

/// Whether a component may have this device class, whatever its unit.
pub(crate) fn is_class_of(component: &str, class: &str) -> bool {
    match component {
        "binary_sensor" => BINARY_SENSOR_CLASSES.contains(&class),
        "cover" => COVER_CLASSES.contains(&class),
        "switch" => SWITCH_CLASSES.contains(&class),
        "event" => EVENT_CLASSES.contains(&class),
        "button" => BUTTON_CLASSES.contains(&class),
        "sensor" | "number" => UNITS.iter().any(|(name, _)| *name == class),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_counts_before_its_unit_and_a_wrong_pair_has_no_class() {
        let class = |control, uom| measure(control, uom).class;
        assert_eq!(class("ST", "17"), Some("temperature"));
        assert_eq!(class("BATLVL", "51"), Some("battery"));
        assert_eq!(class("CLIHUM", "22"), Some("humidity"));
        // Home Assistant does not accept BTU/h as a unit of power.
        assert_eq!(class("ST", "3"), None);
        assert_eq!(measure("ST", "3").unit, Some("BTU/h"));
        assert_eq!(class("CPW", "73"), Some("power"));
        assert_eq!(class("CPW", "135"), Some("apparent_power"));
        assert_eq!(class("CLITEMP", "101"), None);
        assert_eq!(class("ST", "102"), None);
        assert_eq!(measure("ST", "122").unit, Some("μg/m³"));
    }

    #[test]
    fn words_have_no_unit_and_no_state_class() {
        for uom in ["11", "15", "25", "66", "78", "98", "145"] {
            let measure = measure("ST", uom);
            assert_eq!((measure.unit, measure.state_class), (None, None), "{uom}");
        }
        assert_eq!(measure("TPW", "33").state_class, Some("total_increasing"));
        assert_eq!(measure("ST", "17").state_class, Some("measurement"));
        assert_eq!(measure("ST", "").state_class, None);
    }
}
