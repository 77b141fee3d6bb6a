//! Events, values and times in a few words, for a cell of the screen.

use std::time::{Duration, SystemTime};

use ioxproto::Event;
use ioxproto::names::Names;
use ioxproto::state::{ControllerState, Program};
use ioxproto::view::View;
use jiff::tz::TimeZone;

use crate::output::harmless;

/// The longest payload that is shown, in characters.
const PAYLOAD: usize = 120;

/// What an event says, without the node that it is about.
pub(super) fn of_event(event: &Event, names: &Names) -> String {
    let mut text = match event.view() {
        Ok(View::Property(property)) => {
            let name = match property.name.trim() {
                "" => property.control,
                name => name,
            };
            format!("{name}: {}", property.shown())
        }
        Ok(View::Command(command)) => match command.parameter() {
            Some(shown) if shown.text != command.title() => {
                format!("{} {}", command.title(), shown.text)
            }
            _ => command.title().to_owned(),
        },
        Ok(View::Other) | Err(_) => event.describe().to_string(),
        Ok(view) => {
            let name = match &view {
                View::Program(program) => names.program(program.id),
                View::Variable(variable) => names.variable(variable.id),
                _ => None,
            };
            match name {
                Some(name) => format!("{view} ({name})"),
                None => view.to_string(),
            }
        }
    };
    let is_decoded = !matches!(event.view(), Ok(View::Other) | Err(_));
    if !is_decoded && !event.event_info().is_empty() {
        text.push_str("  ");
        text.extend(event.event_info().chars().take(PAYLOAD));
    }
    harmless(text.trim_end())
}

/// The value that stands for a node: of `ST`, else of its first property.
pub(super) fn of_node(house: &ControllerState, address: &str) -> String {
    let first = || house.properties(address).next();
    let status = house.property(address, "ST");
    let property = status.or_else(|| first().map(|(_, property)| property));
    property.map_or_else(String::new, |property| property.shown().to_string())
}

/// What a program is doing, and what its condition last came to.
pub(super) fn of_program(program: &Program) -> String {
    let mut words: Vec<String> = Vec::new();
    if program.enabled == Some(false) {
        words.push("disabled".to_owned());
    }
    words.extend(
        program
            .run_state
            .map(|state| state.label().replace('_', " ")),
    );
    words.extend(program.status.map(|status| status.to_string()));
    words.join(", ")
}

/// A span of time in its largest unit, such as `5s`, `12m`, `3h` or `4d`.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// The time of day on the reader's clock.
pub(super) fn time_of_day(time: SystemTime, zone: &TimeZone) -> String {
    let Ok(instant) = jiff::Timestamp::try_from(time) else {
        return String::new();
    };
    let zoned = instant.to_zoned_datetime(zone.clone());
    zoned.strftime("%H:%M:%S").to_string()
}
