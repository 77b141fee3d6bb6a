//! Where a controller is: its base URL, taken apart and checked.

use std::convert::Infallible;
use std::fmt::{self, Write as _};

use thiserror::Error;

/// A controller's base URL: scheme, host, port and path prefix.
///
/// `http` and `ws` mean a plain socket, `https` and `wss` mean TLS; the port defaults to 80 or 443.
/// IPv6 literals are written in brackets, and a path prefix is kept (`http://host/webroot`).
///
/// ```
/// let address: ioxproto::Address = "https://[fd00::17]:8443/webroot/".parse().unwrap();
/// assert_eq!(address.host(), "fd00::17");
/// assert_eq!(address.port(), 8443);
/// assert!(address.tls());
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

/// Why a text is not the address of a controller.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No `scheme://` at the front.
    #[error("{0:?} has no scheme: write it as https://{0} (or http://{0} for a plain connection)")]
    NoScheme(String),
    /// A scheme that no controller speaks.
    #[error(
        "the scheme {0:?} is not one a controller speaks: use https (or wss), or http (or ws) for a plain connection"
    )]
    UnknownScheme(String),
    /// A user name or password inside the URL.
    #[error(
        "the URL carries a user name or password: give them apart from the URL, so that they do not end up in logs and histories"
    )]
    Credentials,
    /// A query or fragment, which a base URL has no use for.
    #[error(
        "the URL has a query or fragment: give the controller's base URL alone, such as https://eisy.local:8443"
    )]
    NotABase,
    /// Anything else that does not parse.
    #[error("{url:?} is not a URL: {cause}")]
    Invalid {
        /// The text as given.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl Address {
    /// Whether the connection is made over TLS.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The same address over TLS.
    pub(crate) fn with_tls(&self) -> Self {
        Self {
            tls: true,
            ..self.clone()
        }
    }

    /// Host name or IP literal, without the brackets of an IPv6 literal.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// An absolute path on the controller, with the URL's own prefix in front.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// What goes into the `Host` header: the port is left out where it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let default = if self.tls { 443 } else { 80 };
        let brackets = self.host.contains(':');
        let (open, close) = if brackets { ("[", "]") } else { ("", "") };
        if self.port == default {
            format!("{open}{}{close}", self.host)
        } else {
            format!("{open}{}{close}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
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
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(AddressError::NoScheme(redacted(text)));
        };
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(AddressError::UnknownScheme(scheme.to_owned())),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // Anywhere: a password may hold a slash, and what follows it would pass as a path.
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
            return Err(invalid(
                "the host has letters beyond ASCII: give its name in the form that begins with xn--, or its IP address",
            ));
        }
        let uri: http::Uri = escaped(text)
            .parse()
            .map_err(|error: http::uri::InvalidUri| invalid(&error.to_string()))?;
        let host = uri.host().unwrap_or_default();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(invalid("it names no host"));
        }
        if host.contains(':') && host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(invalid("the brackets hold no IPv6 address"));
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
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            prefix,
        })
    }
}

/// Percent-encodes what URLs cannot hold as it is, such as an umlaut or a blank in a path (RFC 3986
/// section 2.1). What is encoded already stays.
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

/// A URL without a scheme may still hold `user:password@`; errors must not repeat it.
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
        assert!(error.to_string().contains("xn--"), "{error}");
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
