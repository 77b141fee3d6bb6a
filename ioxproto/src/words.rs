//! Describes events and values in a few words, for a line or a table cell that a person reads.
//!
//! Texts from the controller are [`neutralised`]: they cannot contain terminal control sequences,
//! and cannot hide or reorder the text next to them.
//!
//! ```
//! use ioxproto::names::Names;
//! use ioxproto::{Frame, FrameReader, words};
//!
//! let text = r#"<Event><control>ST</control><action uom="100">153</action><node>n1</node></Event>"#;
//! let Frame::Event(event) = FrameReader::new().read(text) else { panic!("not an event") };
//! assert_eq!(words::of_event(&event, &Names::default()), "ST: 60%");
//! ```

use std::fmt;

use crate::Event;
use crate::names::Names;
use crate::state::{ControllerState, Program};
use crate::view::View;

/// The maximum length of a shown payload, in characters.
const PAYLOAD: usize = 120;

/// Describes an event, without the node that it is about.
#[must_use]
pub fn of_event(event: &Event, names: &Names) -> String {
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
    neutralised(text.trim_end()).to_string()
}

/// The value that represents a node: that of `ST`, otherwise of its first property. Empty if the
/// node has no property.
#[must_use]
pub fn of_node(state: &ControllerState, address: &str) -> String {
    let first = || state.properties(address).next();
    let status = state.property(address, "ST");
    let property = status.or_else(|| first().map(|(_, property)| property));
    let shown = property.map_or_else(String::new, |property| property.shown().to_string());
    neutralised(&shown).to_string()
}

/// Describes a program: whether it is disabled, what it is running, and the last result of its
/// condition.
#[must_use]
pub fn of_program(program: &Program) -> String {
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

/// Makes a string from a controller safe to show. Replaces line breaks and tabs by spaces, and
/// control characters, invisible characters and changes of the writing direction by `U+FFFD`.
///
/// ```
/// use ioxproto::words::neutralised;
/// assert_eq!(neutralised("a\u{1b}[2J\u{202e}b\n").to_string(), "a\u{fffd}[2J\u{fffd}b ");
/// ```
#[must_use]
pub fn neutralised(text: &str) -> impl fmt::Display + '_ {
    Neutralised(text)
}

/// Displays a text without control characters.
struct Neutralised<'a>(&'a str);

impl fmt::Display for Neutralised<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self.0.split_inclusive(is_unsafe) {
            let mut characters = piece.chars();
            match characters.next_back() {
                Some('\n' | '\r' | '\t') => write!(f, "{} ", characters.as_str())?,
                Some(last) if is_unsafe(last) => {
                    write!(f, "{}\u{fffd}", characters.as_str())?;
                }
                _ => f.write_str(piece)?,
            }
        }
        Ok(())
    }
}

/// Whether a character is a control character, changes the writing direction or is invisible.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_a_controller_cannot_control_a_terminal() {
        let hostile = "\u{1b}]0;title\u{7}\u{202e}abc\r\n\u{9b}2J";
        assert_eq!(
            neutralised(hostile).to_string(),
            "\u{fffd}]0;title\u{fffd}\u{fffd}abc  \u{fffd}2J"
        );
        for invisible in [
            '\u{ad}', '\u{61c}', '\u{200b}', '\u{2028}', '\u{2029}', '\u{2060}', '\u{2066}',
            '\u{feff}',
        ] {
            assert_eq!(neutralised(&invisible.to_string()).to_string(), "\u{fffd}");
        }
        assert_eq!(neutralised("Küche 21°").to_string(), "Küche 21°");
    }
}
