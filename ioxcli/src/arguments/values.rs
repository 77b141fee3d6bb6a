//! Parsers for the values of arguments.

use std::time::Duration;

use ioxproto::{Profile, SubscribePath};

pub(crate) fn path(text: &str) -> Result<SubscribePath, String> {
    [("rest", SubscribePath::Rest), ("api", SubscribePath::Api)]
        .into_iter()
        .find(|(name, path)| text == *name || text == path.as_str())
        .map(|(_, path)| path)
        .ok_or_else(|| "the values are rest and api".to_owned())
}

pub(crate) fn username(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty: give the user name of a controller account".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

pub(crate) fn profile(text: &str) -> Result<Profile, String> {
    match text {
        "iox" => Ok(Profile::Iox),
        "isy994" => Ok(Profile::Isy994),
        _ => Err("the values are iox and isy994".to_owned()),
    }
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero() && *duration < Duration::from_secs(10_000_000_000))
        .ok_or_else(|| "it must be a number of seconds greater than 0".to_owned())
}

/// Parses a time span, such as `90s`, `30m`, `25h` or `3d`.
pub(super) fn time_span(text: &str) -> Result<Duration, String> {
    let expected = || "it must be a number with s, m, h or d, such as 25h".to_owned();
    let unit = text.chars().next_back().ok_or_else(expected)?;
    let number = text.strip_suffix(unit).ok_or_else(expected)?;
    let factor = match unit {
        's' => 1.0,
        'm' => 60.0,
        'h' => 3600.0,
        'd' => 86_400.0,
        _ => return Err(expected()),
    };
    let number: f64 = number.parse().map_err(|_| expected())?;
    seconds(&(number * factor).to_string()).map_err(|_| expected())
}

pub(super) fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    number
        .parse()
        .ok()
        .filter(|percent| *percent <= 100)
        .ok_or_else(|| "it must be a whole number from 0 to 100".to_owned())
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.0..=100_000.0).contains(rate))
        .ok_or_else(|| "it must be a number from 0 to 100000".to_owned())
}

pub(super) fn factor(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|factor: &f64| factor.is_finite() && *factor > 0.0)
        .ok_or_else(|| "it must be a number greater than 0".to_owned())
}

pub(super) fn timing(text: &str) -> Result<(String, Duration), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=SECONDS")?;
    Ok((name.to_owned(), seconds(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_parsed_by_name_or_in_full() {
        assert_eq!(path("api"), Ok(SubscribePath::Api));
        assert_eq!(path("/rest/subscribe"), Ok(SubscribePath::Rest));
        assert!(path("/rest").is_err());
    }

    #[test]
    fn invalid_numbers_are_refused() {
        for text in ["", "0", "-1", "NaN", "inf", "1e300", "x"] {
            assert!(seconds(text).is_err(), "{text}");
            assert!(factor(text).is_err() || text == "1e300", "{text}");
        }
        for text in ["", "%", "101", "-1", "0.5", "abc", "50%%"] {
            assert!(percent(text).is_err(), "{text}");
        }
        assert_eq!(
            (percent("0"), percent("50%"), percent("100 %")),
            (Ok(0), Ok(50), Ok(100))
        );
        assert!(rate("-1").is_err() && rate("NaN").is_err() && rate("0").is_ok());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
    }
}
