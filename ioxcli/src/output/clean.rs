//! Escapes texts from the controller for a terminal.

/// A text from the controller for one line of a terminal. Escapes characters that could move the
/// cursor or change colours.
pub(in crate::output) struct Clean<'a>(pub(in crate::output) &'a str);

impl std::fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

/// The escaped text.
pub(crate) fn harmless(text: &str) -> String {
    Clean(text).to_string()
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
    fn what_a_peer_sends_commands_no_terminal() {
        let hostile = "\u{1b}]0;title\u{7}\u{202e}abc\r\n\u{9b}2J";
        assert_eq!(
            Clean(hostile).to_string(),
            "\u{fffd}]0;title\u{fffd}\u{fffd}abc  \u{fffd}2J"
        );
        for invisible in [
            '\u{ad}', '\u{61c}', '\u{200b}', '\u{2028}', '\u{2029}', '\u{2060}', '\u{2066}',
            '\u{feff}',
        ] {
            assert_eq!(Clean(&invisible.to_string()).to_string(), "\u{fffd}");
        }
        assert_eq!(Clean("Küche 21°").to_string(), "Küche 21°");
    }
}
