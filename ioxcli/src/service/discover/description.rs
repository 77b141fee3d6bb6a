//! Reads `/desc`, the public description of a controller. It is read without credentials, from any
//! host that answered the search. Therefore it is not trusted: `URLBase` and redirects are not
//! followed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ioxdriver::Trust;
use quick_xml::Reader;
use quick_xml::events::Event as Piece;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde::Serialize;

use super::answer::Location;
use crate::output::neutralise;

/// The time limit for connection, TLS, request and answer together.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The maximum length of a string, in characters. Longer strings are truncated.
const MAX_TEXT: usize = 100;

/// The description of a controller, as it claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Description {
    pub(crate) name: Option<String>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) model_number: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) uuid: Option<String>,
}

/// Fetches and parses a description, within 3 s.
pub(super) fn read(location: &Location) -> Result<Description, String> {
    let answer = fetch(location).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no description within {} s", TIME_LIMIT.as_secs())
        }
        _ => neutralise(&format!("no description: {error}")),
    })?;
    parse(body(&answer)?)
}

fn fetch(location: &Location) -> io::Result<Vec<u8>> {
    let until = Instant::now() + TIME_LIMIT;
    let address = SocketAddr::new(location.ip, location.base.port());
    let socket = TcpStream::connect_timeout(&address, TIME_LIMIT)?;
    let socket = BoundedSocket { socket, until };
    if !location.base.has_tls() {
        return exchange(socket, location);
    }
    // The request has no secrets, and the answer is not trusted.
    let config = Trust::Insecure.client_config();
    let name = ServerName::IpAddress(location.ip.into());
    let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
    exchange(StreamOwned::new(tls, socket), location)
}

/// Sends the request and reads the answer. Uses HTTP/1.0, whose answers are not chunked and end
/// with the connection.
fn exchange(mut stream: impl Read + Write, location: &Location) -> io::Result<Vec<u8>> {
    let (path, host) = (&location.path, location.base.authority());
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            // Some servers close the connection without a TLS close_notify.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(answer),
            Ok(0) => return Ok(answer),
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(error) => return Err(error),
        }
        if answer.len() > MAX_ANSWER {
            return Err(io::Error::other("it is longer than 64 KiB"));
        }
        if is_complete(&answer) {
            return Ok(answer);
        }
    }
}

/// A socket with a time limit for all operations together.
struct BoundedSocket {
    socket: TcpStream,
    until: Instant,
}

impl BoundedSocket {
    fn time_left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(left),
        }
    }
}

impl Read for BoundedSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.time_left()?))?;
        self.socket.read(buffer)
    }
}

impl Write for BoundedSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.time_left()?))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// Parses the head: its length, the status code, and the length of the body if it is given.
fn head(answer: &[u8]) -> Option<(usize, u16, Option<usize>)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(answer).ok()? else {
        return None;
    };
    let of_body = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| str::from_utf8(header.value).ok()?.trim().parse().ok());
    Some((length, response.code?, of_body))
}

fn is_complete(answer: &[u8]) -> bool {
    head(answer).is_some_and(|(head, _, body)| body.is_some_and(|body| answer.len() - head >= body))
}

fn body(answer: &[u8]) -> Result<&[u8], String> {
    match head(answer) {
        Some((head, 200, _)) => Ok(&answer[head..]),
        Some((_, code @ 300..=399, _)) => Err(format!(
            "the description is redirected ({code}), which is not followed"
        )),
        Some((_, code, _)) => Err(format!("no description ({code})")),
        None => Err("no description: the answer is not HTTP".to_owned()),
    }
}

/// Parses the first device of a description.
fn parse(body: &[u8]) -> Result<Description, String> {
    let text = String::from_utf8_lossy(body);
    let mut description = Description::default();
    let mut reader = Reader::from_str(&text);
    let mut wanted: Option<&mut Option<String>> = None;
    let mut is_device = false;
    loop {
        match reader.read_event() {
            Ok(Piece::Start(tag)) => {
                let name = tag.name();
                let name: &str = name.as_ref();
                is_device |= name == "device";
                wanted = match name {
                    "friendlyName" => Some(&mut description.name),
                    "manufacturer" => Some(&mut description.manufacturer),
                    "modelName" => Some(&mut description.model),
                    "modelNumber" => Some(&mut description.model_number),
                    "modelVersion" => Some(&mut description.version),
                    "UDN" => Some(&mut description.uuid),
                    _ => None,
                };
                // Keep the first of each, because a device may contain other devices.
                wanted = wanted.filter(|text| text.is_none());
                if let Some(text) = &mut wanted {
                    **text = Some(String::new());
                }
            }
            Ok(Piece::Text(piece)) => append(&mut wanted, &piece),
            Ok(Piece::CData(piece)) => append(&mut wanted, &piece),
            Ok(Piece::GeneralRef(reference)) => {
                if let Some(character) = character(&reference) {
                    append(&mut wanted, character.encode_utf8(&mut [0; 4]));
                }
            }
            Ok(Piece::End(_)) => wanted = None,
            Ok(Piece::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    if !is_device {
        return Err("the description has no device".to_owned());
    }
    Ok(description.tidied())
}

fn append(wanted: &mut Option<&mut Option<String>>, piece: &str) {
    let Some(text) = wanted.as_mut().and_then(|text| text.as_mut()) else {
        return;
    };
    let room = MAX_TEXT.saturating_sub(text.chars().count());
    text.extend(piece.chars().take(room));
}

/// Resolves a reference. Knows only the predefined XML entities, so that entities cannot expand.
fn character(reference: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Some(character);
    }
    let name: &str = reference.as_ref();
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

impl Description {
    /// Trims strings, drops empty ones, and neutralises control characters.
    fn tidied(self) -> Self {
        let tidy = |text: Option<String>| {
            let text = neutralise(text?.trim());
            (!text.is_empty()).then_some(text)
        };
        Self {
            name: tidy(self.name),
            manufacturer: tidy(self.manufacturer),
            model: tidy(self.model),
            model_number: tidy(self.model_number),
            version: tidy(self.version),
            uuid: tidy(self.uuid).map(|udn| match udn.strip_prefix("uuid:") {
                Some(uuid) => uuid.to_owned(),
                None => udn,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const DESCRIPTION: &str = "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><URLBase>http://evil.example</URLBase><device><deviceType>urn:udi-com:device:X_IoX_Device:1</deviceType><friendlyName> Barn &amp; home </friendlyName><manufacturer>Universal Devices</manufacturer><modelName>eisy</modelName><modelNumber>5226</modelNumber><modelVersion>6.0.5</modelVersion><UDN>uuid:00:21:b9:00:00:01</UDN><device><friendlyName>Inner</friendlyName></device></device></root>";

    /// A server that does this with each connection; the location of its description.
    fn server(serve: impl Fn(TcpStream) + Send + 'static) -> Location {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            while let Ok((mut socket, _)) = listener.accept() {
                let mut request = [0; 1024];
                let _ = socket.read(&mut request);
                serve(socket);
            }
        });
        Location {
            base: format!("http://127.0.0.1:{port}").parse().unwrap(),
            ip: [127, 0, 0, 1].into(),
            path: "/desc".to_owned(),
        }
    }

    fn answering(answer: String) -> Location {
        server(move |mut socket| {
            let _ = socket.write_all(answer.as_bytes());
        })
    }

    #[test]
    fn a_description_is_read() {
        let with_length = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{DESCRIPTION}",
            DESCRIPTION.len()
        );
        let until_the_end = format!("HTTP/1.0 200 OK\r\n\r\n{DESCRIPTION}");
        for answer in [with_length, until_the_end] {
            let description = read(&answering(answer)).unwrap();
            assert_eq!(description.name.as_deref(), Some("Barn & home"));
            assert_eq!(description.model.as_deref(), Some("eisy"));
            assert_eq!(description.version.as_deref(), Some("6.0.5"));
            assert_eq!(description.uuid.as_deref(), Some("00:21:b9:00:00:01"));
        }
    }

    #[test]
    fn hostile_servers_are_refused() {
        let elsewhere = "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\n\r\n";
        let error = read(&answering(elsewhere.to_owned())).unwrap_err();
        assert!(error.contains("not followed"), "{error}");
        let endless = server(|mut socket| {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while socket.write_all(&[b'x'; 4096]).is_ok() {}
        });
        let error = read(&endless).unwrap_err();
        assert!(error.contains("64 KiB"), "{error}");
        for nonsense in [
            "",
            "SSH-2.0\r\n",
            "HTTP/1.1 200 OK\r\n\r\n<html/>",
            "HTTP/1.1 500 X\r\n\r\n",
        ] {
            assert!(read(&answering(nonsense.to_owned())).is_err(), "{nonsense}");
        }
        let dripping = server(|mut socket| {
            while socket.write_all(b"H").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let began = Instant::now();
        let error = read(&dripping).unwrap_err();
        assert!(error.contains("within 3 s"), "{error}");
        assert!(began.elapsed() >= TIME_LIMIT);
    }

    #[test]
    fn texts_have_no_control_characters_and_a_limited_length() {
        let text = format!(
            "<!DOCTYPE x [<!ENTITY a \"{}\">]><device><friendlyName>\u{1b}]0;x\u{7}&a;&#27;{}</friendlyName></device>",
            "b".repeat(1000),
            "c".repeat(1000)
        );
        let name = parse(text.as_bytes()).unwrap().name.unwrap();
        assert!(name.chars().count() <= MAX_TEXT, "{name}");
        assert!(
            !name.contains(char::is_control) && !name.contains('b'),
            "{name:?}"
        );
    }
}
