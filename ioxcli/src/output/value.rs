//! The format for scripts: one line with the shown value for each change of a property or variable.

use ioxproto::Event;
use ioxproto::view::View;

use super::clean::Clean;

/// Appends the value of an event that has one.
pub(super) fn show(event: &Event, out: &mut Vec<u8>) {
    let text = match event.view() {
        Ok(View::Property(property)) => property.shown().to_string(),
        Ok(View::Command(command)) => command.text(),
        Ok(View::Variable(variable)) => variable.number.to_string(),
        Ok(View::Program(program)) => match program.status() {
            Some(status) => status.to_string(),
            None => return,
        },
        _ => return,
    };
    out.extend_from_slice(Clean(&text).to_string().as_bytes());
    out.push(b'\n');
}
