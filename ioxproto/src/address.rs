//! The address of a controller: parses and checks its base URL.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::{self, Write as _};

use thiserror::Error;

use crate::punycode::ascii_host;

/// A controller's base URL: scheme, host, port and path prefix.
///
/// `http` and `ws` mean a plain socket, `https` and `wss` mean TLS; the port defaults to 80 or 443.
/// IPv6 literals are written in brackets, and a path prefix is kept (`http://host/webroot`).
///
/// ```
/// let address: ioxproto::Address = "https://[fd00::17]:8443/webroot/".parse().unwrap();
/// assert_eq!(address.host(), "fd00::17");
/// assert_eq!(address.port(), 8443);
/// assert!(address.has_tls());
/// assert_eq!(address.path("/rest/subscribe"), "/webroot/rest/subscribe");
/// assert_eq!(address.to_string(), "https://[fd00::17]:8443/webroot");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    tls: bool,
    host: String,
    port: u16,
    prefix: String,
}

/// Why a string is not the address of a controller.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is empty.
    #[error("the URL is empty: give the controller's base URL, such as https://eisy.local:8443")]
    Empty,
    /// The text has no `scheme://` at the beginning.
    #[error(
        "{given:?} has no scheme: write it as https://{hint} (or http://{hint} for a plain connection)"
    )]
    NoScheme {
        /// The text as given, without a password.
        given: String,
        /// The text to put after a scheme to get a URL.
        hint: String,
    },
    /// The path is that of a page or request on the controller, not that of its base URL.
    #[error("the URL ends in {path}, which is a path on the controller: give its base URL, {base}")]
    NotTheBase {
        /// The superfluous part of the path.
        path: String,
        /// The URL without it.
        base: String,
    },
    /// A scheme that no controller supports.
    #[error(
        "controllers do not support the scheme {0:?}: use https (or wss), or http (or ws) for a plain connection"
    )]
    UnknownScheme(String),
    /// A user name or password inside the URL.
    #[error(
        "the URL contains a user name or password: give them separately, so that they do not end up in logs and shell histories"
    )]
    Credentials,
    /// A query or fragment, which a base URL cannot have.
    #[error(
        "the URL has a query or fragment: give the controller's base URL alone, such as https://eisy.local:8443"
    )]
    NotABase,
    /// Anything else that does not parse.
    #[error("{url:?} is not a URL: {cause}")]
    Invalid {
        /// The text as given.
        url: String,
        /// The error.
        cause: String,
    },
}

crate::debug_is_display! { AddressError }

impl Address {
    /// Whether the connection uses TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls
    }

    /// The same address over TLS.
    pub(crate) fn with_tls(&self) -> Self {
        Self {
            tls: true,
            ..self.clone()
        }
    }

    /// Host name or IP literal, without the brackets of an IPv6 literal. A link-local address may
    /// end in `%` and the name of the network interface.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns an absolute path on the controller: the prefix of the URL, followed by `path`.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The value of the `Host` header. Omits the default port of the scheme.
    #[must_use]
    pub fn authority(&self) -> String {
        // A zone is only meaningful on this computer (RFC 6874 section 1).
        let host = self.host.split('%').next().unwrap_or_default();
        self.with_port(host)
    }

    fn with_port(&self, host: &str) -> String {
        let default = if self.tls { 443 } else { 80 };
        let brackets = host.contains(':');
        let (open, close) = if brackets { ("[", "]") } else { ("", "") };
        if self.port == default {
            format!("{open}{host}{close}")
        } else {
            format!("{open}{host}{close}:{}", self.port)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let host = self.host.replacen('%', "%25", 1);
        write!(f, "{scheme}://{}{}", self.with_port(&host), self.prefix)
    }
}

impl TryFrom<&str> for Address {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Infallible> for AddressError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(no_scheme(text));
        };
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(AddressError::UnknownScheme(scheme.to_owned())),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // Search all of it: a password may contain a slash, and the rest would look like a path.
        if rest.contains('@') {
            return Err(AddressError::Credentials);
        }
        if rest.contains(['?', '#']) {
            return Err(AddressError::NotABase);
        }
        let invalid = |cause: &str| AddressError::Invalid {
            url: text.to_owned(),
            cause: cause.to_owned(),
        };
        if !authority.is_ascii() {
            let port = authority.rfind(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at(port);
            return Err(invalid(&match ascii_host(host) {
                Some(form) => {
                    format!("the host has letters beyond ASCII: write it as {form}{port}")
                }
                None => "the host has letters beyond ASCII, and is too long for a name".to_owned(),
            }));
        }
        let (plain, zone) = without_zone(text, authority).map_err(&invalid)?;
        let uri: http::Uri = escaped(&plain)
            .parse()
            .map_err(|error: http::uri::InvalidUri| invalid(&error.to_string()))?;
        let host = uri.host().unwrap_or_default();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(invalid("it has no host"));
        }
        if (host.contains(':') || zone.is_some()) && host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(invalid("the text in brackets is not an IPv6 address"));
        }
        let port_given = authority
            .rsplit_once(':')
            .filter(|(_, port)| !port.contains(']'));
        let port = match (uri.port_u16(), port_given) {
            (Some(0), _) => return Err(invalid("port 0 cannot be connected to")),
            (Some(port), _) => port,
            (None, Some(_)) => return Err(invalid("the port is not a number from 1 to 65535")),
            (None, None) => {
                if tls {
                    443
                } else {
                    80
                }
            }
        };
        let path = uri.path().trim_end_matches('/');
        let (prefix, request_path) = split_request_path(path);
        let address = Self {
            tls,
            host: match zone {
                Some(zone) => format!("{host}%{zone}"),
                None => host.to_owned(),
            },
            port,
            prefix: prefix.to_owned(),
        };
        if request_path.is_empty() {
            return Ok(address);
        }
        Err(AddressError::NotTheBase {
            path: request_path.to_owned(),
            base: address.to_string(),
        })
    }
}

/// Request paths that people paste instead of the base URL, longer ones first.
const REQUEST_PATHS: [&str; 5] = [
    "/rest/subscribe",
    "/rest/nodes",
    "/rest",
    "/api/events/subscribe",
    "/api",
];

/// Splits a path into the controller's base and the path after it.
fn split_request_path(path: &str) -> (&str, &str) {
    let request_path = REQUEST_PATHS
        .iter()
        .find(|request_path| path.ends_with(**request_path));
    path.split_at(path.len() - request_path.map_or(0, |request_path| request_path.len()))
}

/// The error for a string without `://`, with a hint that is a URL.
fn no_scheme(text: &str) -> AddressError {
    let given = redacted(text);
    let lower = given.to_ascii_lowercase();
    let scheme = ["https:", "http:", "wss:", "ws:"]
        .into_iter()
        .find(|scheme| lower.starts_with(scheme));
    let rest = given.get(scheme.map_or(0, str::len)..).unwrap_or_default();
    let rest = rest.trim_start_matches('/').trim_end_matches('/');
    let is_url = format!("https://{rest}").parse::<Address>().is_ok();
    let hint = if is_url { rest } else { "eisy.local:8443" };
    AddressError::NoScheme {
        hint: hint.to_owned(),
        given,
    }
}

/// Splits off the zone of a link-local IPv6 literal (`%eth0`, or `%25eth0` as in RFC 6874).
fn without_zone<'a>(
    url: &'a str,
    authority: &str,
) -> Result<(Cow<'a, str>, Option<String>), &'static str> {
    let literal = authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'));
    let Some((ip, zone)) = literal.and_then(|(literal, _)| literal.split_once('%')) else {
        return Ok((Cow::Borrowed(url), None));
    };
    let name = zone.strip_prefix("25").filter(|name| !name.is_empty());
    let name = name.unwrap_or(zone);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err("the text after the % is not the name of a network interface");
    }
    let plain = url.replacen(&format!("[{ip}%{zone}]"), &format!("[{ip}]"), 1);
    Ok((Cow::Owned(plain), Some(name.to_owned())))
}

/// Percent-encodes characters that URLs cannot contain, such as an umlaut or a space in a path (RFC
/// 3986 section 2.1). Keeps what is already encoded.
fn escaped(url: &str) -> String {
    let mut escaped = String::with_capacity(url.len());
    for character in url.chars() {
        if character.is_ascii_graphic() && !"\"<>\\^`{|}".contains(character) {
            escaped.push(character);
        } else {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

/// Removes `user:password@` from a string without a scheme, because errors must not repeat it.
fn redacted(text: &str) -> String {
    text.rsplit_once('@')
        .map_or_else(|| text.to_owned(), |(_, host)| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_beyond_ascii_is_percent_encoded_and_a_host_is_refused_with_advice() {
        let address: Address = "http://eisy.local/gar\u{e4}ge one/a%20b".parse().unwrap();
        assert_eq!(
            address.path("/rest/subscribe"),
            "/gar%C3%A4ge%20one/a%20b/rest/subscribe"
        );
        let error = "http://k\u{fc}che.local".parse::<Address>().unwrap_err();
        assert!(
            error.to_string().contains("write it as xn--kche-0ra.local"),
            "{error}"
        );
        let error = "http://k\u{fc}che.local:8080/x"
            .parse::<Address>()
            .unwrap_err();
        assert!(
            error.to_string().ends_with("xn--kche-0ra.local:8080"),
            "{error}"
        );
    }

    #[test]
    fn every_hint_is_a_url() {
        for (given, hint) in [
            ("eisy.local:8443", "eisy.local:8443"),
            ("http:host", "host"),
            ("https:/host:8443/", "host:8443"),
            ("//host", "host"),
            (":", "eisy.local:8443"),
            ("a b", "eisy.local:8443"),
            ("http:", "eisy.local:8443"),
        ] {
            let error = given.parse::<Address>().unwrap_err();
            let AddressError::NoScheme { hint: found, .. } = &error else {
                panic!("{given}: {error:?}")
            };
            assert_eq!(found, hint, "{given}");
            assert!(format!("https://{found}").parse::<Address>().is_ok());
        }
        assert_eq!("  ".parse::<Address>(), Err(AddressError::Empty));
    }

    #[test]
    fn a_request_path_is_refused_with_the_base_url() {
        for (url, base) in [
            ("https://h:8443/rest/subscribe", "https://h:8443"),
            ("http://h/rest/", "http://h"),
            ("http://h/webroot/rest/subscribe", "http://h/webroot"),
            ("https://h/api/events/subscribe", "https://h"),
        ] {
            let Err(AddressError::NotTheBase { base: found, path }) = url.parse::<Address>() else {
                panic!("{url}")
            };
            assert_eq!(found, base);
            assert!(url.contains(&path));
            assert!(found.parse::<Address>().is_ok());
        }
        assert!("http://h/restful".parse::<Address>().is_ok());
    }

    #[test]
    fn the_zone_of_a_link_local_address_is_used_only_to_connect() {
        for url in [
            "http://[fe80::1%25eth0]:8080/x",
            "http://[fe80::1%eth0]:8080/x",
        ] {
            let address: Address = url.parse().unwrap();
            assert_eq!(address.host(), "fe80::1%eth0");
            assert_eq!(address.authority(), "[fe80::1]:8080");
            assert_eq!(address.to_string(), "http://[fe80::1%25eth0]:8080/x");
            assert_eq!(address.to_string().parse(), Ok(address));
        }
        for url in [
            "http://[fe80::1%]",
            "http://[fe80::1%a b]",
            "http://[x%eth0]",
        ] {
            assert!(url.parse::<Address>().is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_never_repeated() {
        for url in [
            "https://admin:hunter2@eisy.local:8443",
            "https://admin:hunter/2@eisy.local:8443",
            "https://admin:12/hunter2@h:1",
            "https://admin:hunter?2@eisy.local",
            "admin:hunter2@eisy.local:8443",
            "gopher://admin:hunter2@eisy.local",
        ] {
            let error = url.parse::<Address>().unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("hunter"),
                "{error:?}"
            );
        }
    }
}
