//! Weather and energy readings of an ISY-994 (`_11`, `_13`).

use std::borrow::Cow;
use std::fmt;

use super::{ViewError, payload};
use crate::Event;
use crate::vocabulary::SystemControl;

/// A reading of the climate module (`_11`).
///
/// The meanings of the codes are taken from clients of the ISY-994; other codes keep their number.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Climate<'a> {
    /// The code of the reading, verbatim.
    pub code: &'a str,
    /// The meaning of the code: `temperature`, `wind_speed`, `time`; `None` for an unknown code.
    pub reading: Option<&'static str>,
    /// The value, verbatim: a number, a direction such as `NNE`, or a date and time.
    pub value: Cow<'a, str>,
    /// The unit, verbatim; may be empty.
    pub unit: Cow<'a, str>,
}

/// `climate temperature 71.3 F`.
impl fmt::Display for Climate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reading {
            Some(reading) => write!(f, "climate {}", reading.replace('_', " "))?,
            None => write!(f, "climate reading {}", self.code)?,
        }
        write!(f, " {}", self.value)?;
        if self.unit.is_empty() {
            return Ok(());
        }
        write!(f, " {}", self.unit)
    }
}

/// A message of the energy monitor (`_13`): its parts by name, because their format is not
/// documented.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Energy<'a> {
    /// The action, verbatim.
    pub code: &'a str,
    /// Name and value of each part of the payload, in order; at most 32.
    pub readings: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The payload, if it has no parts.
    pub text: &'a str,
}

/// `energy monitor 2: channel 1, watts 120`.
impl fmt::Display for Energy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "energy monitor {}", self.code)?;
        let mut before = ": ";
        for (name, value) in &self.readings {
            write!(f, "{before}{name} {value}")?;
            before = ", ";
        }
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        Ok(())
    }
}

/// The limit for the readings of one event.
const MAX_READINGS: usize = 32;

impl Event {
    /// The event as a reading of the climate module.
    ///
    /// # Errors
    ///
    /// It is another event, or its payload has no `value`.
    pub fn climate(&self) -> Result<Climate<'_>, ViewError> {
        self.expect(SystemControl::Climate, "a reading of the climate module")?;
        let part = "value";
        let value = payload::text(self.event_info(), part)?.ok_or(ViewError::Missing { part })?;
        Ok(Climate {
            code: self.action(),
            reading: reading(self.action()),
            value,
            unit: payload::text(self.event_info(), "unit")?.unwrap_or_default(),
        })
    }

    /// The event as a message of the energy monitor.
    ///
    /// # Errors
    ///
    /// It is another event, or its payload is not well-formed.
    pub fn energy(&self) -> Result<Energy<'_>, ViewError> {
        self.expect(
            SystemControl::EnergyMonitoring,
            "a message of the energy monitor",
        )?;
        let mut readings = Vec::new();
        payload::children(self.event_info(), |child| {
            readings.extend(child.attributes());
            if !child.text.is_empty() {
                readings.push((Cow::Borrowed(child.name), child.text));
            }
            readings.truncate(MAX_READINGS);
        })?;
        Ok(Energy {
            code: self.action(),
            text: if readings.is_empty() {
                self.event_info()
            } else {
                ""
            },
            readings,
        })
    }
}

fn reading(code: &str) -> Option<&'static str> {
    Some(match code.trim() {
        "1" => "temperature",
        "2" => "temperature_high",
        "3" => "temperature_low",
        "4" => "feels_like",
        "5" => "temperature_average",
        "6" => "humidity",
        "8" => "pressure",
        "10" => "dew_point",
        "11" => "wind_speed",
        "13" => "wind_direction",
        "15" => "gust_speed",
        "17" => "rain_today",
        "18" => "light",
        "22" => "evapotranspiration",
        "23" => "irrigation_requirement",
        "24" => "water_deficit_yesterday",
        "25" => "elevation",
        "30" => "temperature_average_tomorrow",
        "31" => "temperature_high_tomorrow",
        "32" => "temperature_low_tomorrow",
        "33" => "humidity_tomorrow",
        "34" => "wind_speed_tomorrow",
        "35" => "gust_speed_tomorrow",
        "36" => "rain_tomorrow",
        "37" => "snow_tomorrow",
        "42" => "forecast_temperature_average",
        "43" => "forecast_temperature_high",
        "44" => "forecast_temperature_low",
        "45" => "forecast_humidity",
        "46" => "forecast_rain",
        "47" => "forecast_snow",
        "100" => "time",
        _ => return None,
    })
}
