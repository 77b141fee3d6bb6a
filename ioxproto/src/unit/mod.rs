//! Units of measure, and the shown value of a property: its number, unit and text.
//!
//! A property arrives as a raw number with the id of its unit (`uom`) and a number of decimal
//! places (`prec`). Often the controller adds a display text (`fmtAct`). [`ShownValue::of`]
//! converts these to number, unit and text. All outputs use it, so that they agree.
//!
//! | unit | number | example |
//! |---|---|---|
//! | most | raw / 10^prec | `721`, prec 1, uom 17: 72.1, `72.1°F` |
//! | 100, a level | 0 to 255, without a unit; the text is its share of 255 in percent | `153`: 153, `60%` |
//! | 101, half degrees | raw / 10^prec / 2 | `136`: 68.0, `68.0°` |
//! | enumerated | the code | `5`, uom 98: 5, `Program Auto` |
//!
//! A `prec` below 0 is ignored. A blank value is *unknown*: it has no number and the text
//! `unknown`. The ids and words are taken from existing clients of these controllers.
//!
//! ```
//! use ioxproto::unit::{ShownValue, Unit};
//!
//! let shown = ShownValue::of("721", "17", Some(1), "");
//! assert_eq!((shown.to_string().as_str(), shown.unit), ("72.1°F", "°F"));
//! assert_eq!(shown.number.map(|number| number.to_f64()), Some(72.1));
//! assert_eq!(ShownValue::of("5", "98", None, "").text, "Program Auto");
//! assert_eq!(ShownValue::of("", "0", None, " ").text, "unknown");
//! assert_eq!(Unit::of("17").map(|unit| unit.meaning()), Some("temperature"));
//! ```

mod table;
mod words;

use std::borrow::Cow;
use std::fmt;

use crate::view::Decimal;

/// The id of a lamp's level: 0 to 255.
const LEVEL: u16 = 100;
/// The id of temperatures in half degrees.
const HALF_DEGREES: u16 = 101;

/// A unit of measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    id: u16,
    symbol: &'static str,
    meaning: &'static str,
    words: &'static [(i64, &'static str)],
}

impl Unit {
    /// The unit with this id, as given in `uom`; `None` for an unknown id.
    #[must_use]
    pub fn of(uom: &str) -> Option<&'static Self> {
        table::UNITS.get(uom.trim().parse::<usize>().ok()?)
    }

    /// All units, in the order of their ids.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &table::UNITS
    }

    /// Its id on the wire.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.id
    }

    /// The symbol shown after a number: `°F`, `kWh`, `%`. May be empty.
    #[must_use]
    pub fn symbol(&self) -> &'static str {
        self.symbol
    }

    /// What the unit measures, in words: `temperature`.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// The values of an enumerated unit with their words; empty for other units.
    #[must_use]
    pub fn words(&self) -> &'static [(i64, &'static str)] {
        self.words
    }

    /// The word of a number, if it has one.
    #[must_use]
    pub fn word(&self, number: Decimal) -> Option<&'static str> {
        let code = number.to_i64()?;
        let at = self.words.binary_search_by_key(&code, |(code, _)| *code);
        at.ok()
            .and_then(|at| self.words.get(at))
            .map(|(_, word)| *word)
    }

    /// The text of a number, if it is not just the number with the symbol.
    fn text(&self, number: Decimal) -> Option<Cow<'static, str>> {
        match self.word(number) {
            Some(word) => Some(Cow::Borrowed(word)),
            None if self.id == LEVEL => percent(number).map(Cow::Owned),
            None => None,
        }
    }
}

/// A value as shown to people: number, unit and text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShownValue<'a> {
    /// The number in its unit; `None` if the raw value is blank, not a number, or beyond 38 digits.
    pub number: Option<Decimal>,
    /// The unit's symbol; empty if the unit has none or there is no number.
    pub unit: &'static str,
    /// The first of these that exists: the controller's text, the word of the value, number and
    /// unit, the raw text.
    pub text: Cow<'a, str>,
}

impl<'a> ShownValue<'a> {
    /// The text of a value that the controller does not know.
    pub const UNKNOWN: &'static str = "unknown";

    /// Converts a raw value with its `uom`, its `prec` and the controller's text for it (`fmtAct`).
    #[must_use]
    pub fn of(raw: &'a str, uom: &str, prec: Option<i32>, formatted: &'a str) -> Self {
        let unit = Unit::of(uom);
        let (number, symbol) = match convert(raw, unit, prec) {
            Some((number, symbol)) => (Some(number), symbol),
            None => (None, ""),
        };
        let formatted = formatted.trim();
        let text = match number {
            _ if !formatted.is_empty() => Cow::Borrowed(formatted),
            Some(number) => match unit.and_then(|unit| unit.text(number)) {
                Some(text) => text,
                None => Cow::Owned(with_symbol(number, symbol)),
            },
            None if raw.trim().is_empty() => Cow::Borrowed(Self::UNKNOWN),
            None => Cow::Borrowed(raw.trim()),
        };
        Self {
            number,
            unit: symbol,
            text,
        }
    }
}

/// The text.
impl fmt::Display for ShownValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Converts a raw value to a number in its unit.
pub(crate) fn shown_number(raw: &str, uom: &str, prec: Option<i32>) -> Option<Decimal> {
    convert(raw, Unit::of(uom), prec).map(|(number, _)| number)
}

/// Converts a raw value to a number in its unit, with the unit's symbol.
fn convert(raw: &str, unit: Option<&Unit>, prec: Option<i32>) -> Option<(Decimal, &'static str)> {
    let scaled = scaled(raw, prec)?;
    let Some(unit) = unit else {
        return Some((scaled, ""));
    };
    match unit.id {
        HALF_DEGREES => {
            let mantissa = scaled.mantissa().checked_mul(5)?;
            let halved = Decimal::new(mantissa, scaled.scale() + 1).ok()?;
            Some((halved, unit.symbol))
        }
        _ => Some((scaled, unit.symbol)),
    }
}

/// Applies the decimal places to a raw value; ignores places below 0.
pub(crate) fn scaled(raw: &str, prec: Option<i32>) -> Option<Decimal> {
    let places = prec.filter(|prec| *prec > 0).unwrap_or(0);
    raw.parse::<Decimal>().ok()?.scaled(places).ok()
}

/// A level as a percentage of 255, rounded as controllers do it: a level above 0 is at least `1%`.
/// `None` outside 0 to 255.
fn percent(level: Decimal) -> Option<String> {
    let level = level.to_i64().filter(|level| (0..=255).contains(level))?;
    let percent = (level * 200 + 255) / 510;
    Some(format!("{}%", percent.max(i64::from(level > 0))))
}

/// `72.1°F`, `60%`, `12.5 kWh`, `$3.50`.
fn with_symbol(number: Decimal, symbol: &str) -> String {
    match symbol {
        "" => number.to_string(),
        "$" => format!("${number}"),
        "%" | "¢" => format!("{number}{symbol}"),
        _ if symbol.starts_with('°') => format!("{number}{symbol}"),
        _ => format!("{number} {symbol}"),
    }
}
