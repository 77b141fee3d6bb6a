//! Exact decimal numbers, as controllers send them: an integer and a number of decimal places.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The limit of the scale, in both directions; real values are far below it.
const MAX_SCALE: i32 = 60;

/// An exact decimal: `mantissa / 10^scale`. The scale may be negative.
///
/// `Display` keeps trailing zeros (`72.50`); comparison is numerical (`72.50` equals `72.5`). Only
/// [`to_f64`](Self::to_f64) uses floating point.
///
/// ```
/// use ioxproto::view::Decimal;
///
/// let raw: Decimal = "725".parse()?;
/// let value = raw.scaled(1)?;
/// assert_eq!(value.to_string(), "72.5");
/// assert_eq!(value, "72.50".parse()?);
/// assert_eq!(value.to_f64(), 72.5);
/// assert_eq!(raw.scaled(-2)?.to_string(), "72500");
/// # Ok::<(), ioxproto::view::NotDecimal>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    mantissa: i128,
    scale: i32,
}

/// The text is not a decimal number, or the number is out of range: more than 38 digits, or a scale
/// beyond 60 places.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number of at most 38 digits and 60 decimal places")]
#[non_exhaustive]
pub struct NotDecimal;

crate::debug_is_display! { NotDecimal }

impl Decimal {
    /// `mantissa / 10^scale`.
    ///
    /// # Errors
    ///
    /// The scale is below -60 or above 60.
    pub fn new(mantissa: i128, scale: i32) -> Result<Self, NotDecimal> {
        if scale.unsigned_abs() > MAX_SCALE.unsigned_abs() {
            return Err(NotDecimal);
        }
        Ok(Self { mantissa, scale })
    }

    /// Divides by 10^`prec`: converts a raw value to the real one.
    ///
    /// # Errors
    ///
    /// The scale of the result is below -60 or above 60.
    pub fn scaled(self, prec: i32) -> Result<Self, NotDecimal> {
        Self::new(
            self.mantissa,
            self.scale.checked_add(prec).ok_or(NotDecimal)?,
        )
    }

    /// The digits as an integer.
    #[must_use]
    pub fn mantissa(self) -> i128 {
        self.mantissa
    }

    /// The number of decimal places; negative for zeros to the left of the point.
    #[must_use]
    pub fn scale(self) -> i32 {
        self.scale
    }

    /// The nearest floating-point number.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        // Parsing rounds once; a division would round twice.
        format!("{}e{}", self.mantissa, -self.scale)
            .parse()
            .unwrap_or(f64::NAN)
    }

    /// The number as an integer, if it is one and fits.
    #[must_use]
    pub fn to_i64(self) -> Option<i64> {
        let (mantissa, scale) = self.normal();
        let zeros = u32::try_from(-scale).ok()?;
        let whole = mantissa.checked_mul(10_i128.checked_pow(zeros)?)?;
        whole.try_into().ok()
    }

    /// Removes trailing zeros.
    fn normal(self) -> (i128, i32) {
        if self.mantissa == 0 {
            return (0, 0);
        }
        let (mut mantissa, mut scale) = (self.mantissa, self.scale);
        while mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        (mantissa, scale)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.normal() == other.normal()
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normal().hash(state);
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self {
            mantissa: value.into(),
            scale: 0,
        }
    }
}

/// Accepts digits with an optional sign and decimal point, and whitespace around them; no exponent.
impl FromStr for Decimal {
    type Err = NotDecimal;

    fn from_str(text: &str) -> Result<Self, NotDecimal> {
        let text = text.trim();
        let (negative, digits) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && places.is_empty() {
            return Err(NotDecimal);
        }
        let mut mantissa = 0_i128;
        for byte in whole.bytes().chain(places.bytes()) {
            if !byte.is_ascii_digit() {
                return Err(NotDecimal);
            }
            mantissa = mantissa
                .checked_mul(10)
                .and_then(|mantissa| mantissa.checked_add(i128::from(byte - b'0')))
                .ok_or(NotDecimal)?;
        }
        let mantissa = if negative { -mantissa } else { mantissa };
        Self::new(
            mantissa,
            i32::try_from(places.len()).map_err(|_| NotDecimal)?,
        )
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs();
        let places = usize::try_from(self.scale).unwrap_or(0);
        let zeros = usize::try_from(-self.scale).unwrap_or(0);
        let text = match (digits, places) {
            (0, 0) => "0".to_owned(),
            (_, 0) => format!("{digits}{:0<zeros$}", ""),
            _ => {
                let text = format!("{digits:0>width$}", width = places + 1);
                let (whole, part) = text.split_at(text.len() - places);
                format!("{whole}.{part}")
            }
        };
        f.pad_integral(self.mantissa >= 0, "", &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(raw: &str, prec: i32) -> Option<String> {
        let raw: Decimal = raw.parse().ok()?;
        Some(raw.scaled(prec).ok()?.to_string())
    }

    #[test]
    fn values_are_exact_at_any_scale() {
        let cases = [
            ("51", 1, "5.1"),
            ("-51", 2, "-0.51"),
            ("0", 2, "0.00"),
            ("0", -3, "0"),
            ("-5", 3, "-0.005"),
            ("3", -2, "300"),
            ("7.25", 1, "0.725"),
            ("+4", 0, "4"),
            (" 12 ", 0, "12"),
            (".5", 0, "0.5"),
            ("5.", 0, "5"),
            (
                "170141183460469231731687303715884105727",
                3,
                "170141183460469231731687303715884105.727",
            ),
        ];
        for (raw, prec, expected) in cases {
            assert_eq!(shown(raw, prec).as_deref(), Some(expected), "{raw} {prec}");
        }
    }

    #[test]
    fn invalid_numbers_give_none() {
        for raw in [
            "", "-", ".", "1e3", "NaN", "inf", "0x1", "1_0", "--1", "1.2.3", "１",
        ] {
            assert_eq!(shown(raw, 0), None, "{raw}");
        }
        assert_eq!(shown(&"9".repeat(40), 0), None);
        assert_eq!(shown("1", i32::MAX), None);
        assert_eq!(shown("1", i32::MIN), None);
        assert_eq!(shown("1.5", i32::MAX), None);
    }

    #[test]
    fn floats_are_the_nearest() {
        let value = Decimal::new(11, 1).unwrap();
        assert_eq!(value.to_f64().to_string(), "1.1");
        assert_eq!(Decimal::new(3, -2).unwrap().to_f64().to_string(), "300");
    }
}
