//! Parses the stamps of events. Of several stamps within one second, only the first is parsed in
//! full.

use crate::view::Timestamp;

/// Parses timestamps of any layout, and those like `2026-05-05T18:52:41.875777-07:00` quickly.
#[derive(Debug, Default)]
pub(super) struct StampParser {
    last: Option<Second>,
}

/// A whole second as the controller wrote it, and its value in microseconds since 1970.
#[derive(Debug)]
struct Second {
    written: [u8; 19],
    offset: [u8; 6],
    micros: i64,
}

impl StampParser {
    /// Returns microseconds since 1970; `None` if the text is not a timestamp with a UTC offset.
    pub(super) fn parse(&mut self, text: &str) -> Option<i64> {
        let Some((written, fraction, offset)) = layout(text) else {
            return Timestamp::parse(text).map(Timestamp::unix_micros);
        };
        if let Some(last) = &self.last
            && last.written == *written
            && last.offset == *offset
        {
            return Some(last.micros + fraction);
        }
        let micros = Timestamp::parse(text)?.unix_micros();
        self.last = Some(Second {
            written: *written,
            offset: *offset,
            micros: micros - fraction,
        });
        Some(micros)
    }
}

/// Splits a timestamp into its second, its fraction in microseconds and its UTC offset.
fn layout(text: &str) -> Option<(&[u8; 19], i64, &[u8; 6])> {
    let (written, rest) = text.as_bytes().split_first_chunk::<19>()?;
    let (point, rest) = rest.split_first()?;
    let (digits, rest) = rest.split_first_chunk::<6>()?;
    let offset = rest.try_into().ok()?;
    if *point != b'.' || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let fraction = digits
        .iter()
        .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((written, fraction, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_the_same_whatever_was_read_before() {
        let stamps = [
            "2026-05-05T18:52:41.875777-07:00",
            "2026-05-05T18:52:41.000001-07:00",
            "2026-05-05T18:52:41.999999+02:00",
            "2026-05-05T18:52:42.000000-07:00",
            "2026-05-05T18:52:42-07:00",
            "2026-05-05T18:52:42.000001Z",
            "2026-05-05T18:52:42.00000x-07:00",
            "2026-05-05T18:52:42x000001-07:00",
            "2026-13-05T18:52:42.000000-07:00",
            "2026-05-05T18:52:42.000000",
            "",
        ];
        for first in stamps {
            for second in stamps {
                let mut parser = StampParser::default();
                for text in [first, second, first] {
                    let whole = Timestamp::parse(text).map(Timestamp::unix_micros);
                    assert_eq!(parser.parse(text), whole, "{first:?} {second:?}");
                }
            }
        }
    }
}
