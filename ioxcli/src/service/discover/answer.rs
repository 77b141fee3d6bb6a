//! Parses answers to a search. Anyone on the network can send them, so they are not trusted: the
//! location in an answer must be at the address that sent it.

use std::net::IpAddr;
use std::time::SystemTime;

use ioxproto::Address;

/// The search target of an ISY-994, and of an eisy or Polisy before IoX 6.
pub(super) const INSTEON: &str = "urn:udi-com:device:X_Insteon_Lighting_Device:1";
/// The search target of IoX 6.
pub(super) const IOX: &str = "urn:udi-com:device:X_IoX_Device:1";

/// The longest location that is accepted, in bytes.
const MAX_LOCATION: usize = 255;

/// An answer of a controller.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) location: Location,
    pub(super) received: SystemTime,
}

/// The location of a controller's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// The address of the controller, the base of all its URLs.
    pub(super) base: Address,
    pub(super) ip: IpAddr,
    /// The path of the description.
    pub(super) path: String,
}

impl Answer {
    /// Parses a datagram from this address; `None` if it is not an answer of a controller, or if
    /// its location is at another address.
    pub(super) fn parse(datagram: &[u8], from: IpAddr, received: SystemTime) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        response.parse(datagram).ok()?.is_complete().then_some(())?;
        if response.code != Some(200) {
            return None;
        }
        let header = |name: &str| {
            let found = response
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name))?;
            str::from_utf8(found.value).ok().map(str::trim)
        };
        let target = header("ST")?;
        if target != INSTEON && target != IOX {
            return None;
        }
        let location = Location::parse(header("LOCATION")?, from)?;
        Some(Self { location, received })
    }
}

impl Location {
    /// Parses a URL; `None` if it is not at this address.
    fn parse(url: &str, from: IpAddr) -> Option<Self> {
        if url.len() > MAX_LOCATION || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let rest = ["http://", "https://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme))?;
        let path = match rest.find('/') {
            Some(at) => &rest[at..],
            None => "/",
        };
        let base: Address = url
            .strip_suffix("/desc")
            .unwrap_or_else(|| url.strip_suffix(path).unwrap_or(url))
            .parse()
            .ok()?;
        let ip: IpAddr = base.host().parse().ok()?;
        (ip.to_canonical() == from.to_canonical()).then(|| Self {
            base,
            ip,
            path: path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "10.0.0.7";

    fn answer(location: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\nLocation: {location}\r\nSERVER: UCoS, UPnP/1.0, UDI/1.0\r\nST: {INSTEON}\r\nUSN: uuid:00:21:b9:00:00:01::upnp:rootdevice\r\n\r\n"
        )
    }

    fn parse(datagram: &str) -> Option<Location> {
        let from = FROM.parse().unwrap();
        let answer = Answer::parse(datagram.as_bytes(), from, SystemTime::UNIX_EPOCH);
        answer.map(|answer| answer.location)
    }

    #[test]
    fn an_answer_has_the_location_of_its_sender() {
        let location = parse(&answer("http://10.0.0.7:80/desc")).unwrap();
        assert_eq!(location.base.to_string(), "http://10.0.0.7");
        assert_eq!(location.path, "/desc");
        let location = parse(&answer("https://10.0.0.7:8443/desc")).unwrap();
        assert_eq!(location.base.to_string(), "https://10.0.0.7:8443");
        let newer = answer("https://10.0.0.7/x/desc").replace(INSTEON, IOX);
        let location = parse(&newer).unwrap();
        assert_eq!(location.base.path("/rest"), "/x/rest");
        assert_eq!(location.path, "/x/desc");
        assert_eq!(parse(&answer("http://10.0.0.7")).unwrap().path, "/");
    }

    #[test]
    fn hostile_answers_are_ignored() {
        for location in [
            "http://10.0.0.8/desc",
            "http://evil.example/desc",
            "http://10.0.0.7@evil.example/desc",
            "http://evil.example@10.0.0.7/desc",
            "http://10.0.0.7.evil.example/desc",
            "http://127.0.0.1/desc",
            "http://0x0a000007/desc",
            "ftp://10.0.0.7/desc",
            "file:///etc/passwd",
            "//10.0.0.7/desc",
            "http:///desc",
            "http://10.0.0.7:99999/desc",
            "http://10.0.0.7/a b",
            "http://10.0.0.7/\u{1b}[2J",
            "",
        ] {
            assert_eq!(parse(&answer(location)), None, "{location}");
        }
        let long = format!("http://10.0.0.7/{}", "a".repeat(300));
        assert_eq!(parse(&answer(&long)), None);
    }

    #[test]
    fn other_datagrams_are_ignored() {
        let good = answer("http://10.0.0.7/desc");
        for datagram in [
            String::new(),
            "nonsense\r\n\r\n".to_owned(),
            good.replace("200 OK", "404 Not Found"),
            good.replace("HTTP/1.1 200 OK", "NOTIFY * HTTP/1.1"),
            good.replace(INSTEON, "upnp:rootdevice"),
            good.replace("ST: ", "X-ST: "),
            good.replace("Location: ", "X-Location: "),
            good.trim_end().to_owned(),
            good.replace("EXT:\r\n", &"X: y\r\n".repeat(100)),
        ] {
            assert_eq!(parse(&datagram), None, "{datagram:?}");
        }
        for end in 0..good.len() {
            let from = FROM.parse().unwrap();
            let cut = Answer::parse(&good.as_bytes()[..end], from, SystemTime::UNIX_EPOCH);
            assert!(cut.is_none(), "cut at {end}");
        }
    }
}
