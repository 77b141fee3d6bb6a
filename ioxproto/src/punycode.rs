//! Converts host names beyond ASCII to the form for name lookup: `xn--` and Punycode (RFC 3492).

/// The parameters of RFC 3492 section 5.
const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const INITIAL_N: u32 = 128;

/// Encodes each non-ASCII label of a host name, in lower case. There is no Unicode normalization:
/// strings that look alike may give different names. `None` if a label is too long.
pub(crate) fn ascii_host(host: &str) -> Option<String> {
    let parts: Option<Vec<String>> = host
        .to_lowercase()
        .split('.')
        .map(|part| match part.is_ascii() {
            true => Some(part.to_owned()),
            false => encoded(part).map(|code| format!("xn--{code}")),
        })
        // The longest label (RFC 1035 section 2.3.4).
        .map(|part| part.filter(|part| part.len() <= 63))
        .collect();
    let host = parts?.join(".");
    (host.len() < 254).then_some(host)
}

/// RFC 3492 section 6.3.
fn encoded(part: &str) -> Option<String> {
    let characters: Vec<u32> = part.chars().map(u32::from).collect();
    if characters.len() > 63 {
        return None;
    }
    let mut output: String = part.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(output.len()).ok()?;
    let mut handled = basic;
    if basic > 0 {
        output.push('-');
    }
    let (mut n, mut delta, mut bias) = (INITIAL_N, 0_u32, INITIAL_BIAS);
    while usize::try_from(handled).ok()? < characters.len() {
        let next = characters.iter().copied().filter(|code| *code >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for code in &characters {
            if *code < n {
                delta = delta.checked_add(1)?;
            }
            if *code == n {
                push_number(&mut output, delta, bias);
                bias = adapt_bias(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        n += 1;
    }
    Some(output)
}

/// Appends a number as variable-length digits, whose weights depend on the bias.
fn push_number(output: &mut String, number: u32, bias: u32) {
    let mut rest = number;
    for k in (BASE..).step_by(BASE as usize) {
        let threshold = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
        if rest < threshold {
            break;
        }
        let digit = threshold + (rest - threshold) % (BASE - threshold);
        rest = (rest - threshold) / (BASE - threshold);
        output.push(digit_of(digit));
    }
    output.push(digit_of(rest));
}

/// `a` to `z`, then `0` to `9`.
fn digit_of(digit: u32) -> char {
    // Digits are below 36.
    char::from_digit((digit + 10) % 36, 36).unwrap_or('0')
}

/// RFC 3492 section 6.1.
fn adapt_bias(delta: u32, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / DAMP } else { delta / 2 };
    delta += delta / points;
    let mut k = 0;
    while delta > ((BASE - T_MIN) * T_MAX) / 2 {
        delta /= BASE - T_MIN;
        k += BASE;
    }
    k + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_beyond_ascii_have_their_xn_form() {
        for (host, form) in [
            ("küche.local", "xn--kche-0ra.local"),
            ("Bücher.example", "xn--bcher-kva.example"),
            ("münchen", "xn--mnchen-3ya"),
            ("日本語", "xn--wgv71a119e"),
            ("eisy.local", "eisy.local"),
        ] {
            assert_eq!(ascii_host(host).as_deref(), Some(form));
        }
        for too_long in [
            "ü".repeat(64),
            "ü".repeat(60),
            format!("ü.{}", "a".repeat(64)),
        ] {
            assert_eq!(ascii_host(&too_long), None, "{too_long}");
        }
        assert!(ascii_host(&"a".repeat(63)).is_some());
    }
}
