//! SSDP: who searches for controllers on the network is told where this one is.
//!
//! One datagram asks, one answers. Read from other clients: the search targets of both generations,
//! `ssdp:all` and `upnp:rootdevice`, with or without quotation marks around the value of `MAN`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tracing::{debug, trace};

use crate::options::Firmware;
use crate::uuid::Uuid;

/// The multicast group of SSDP.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
/// The longest datagram that is read whole, in bytes.
const LONGEST: usize = 2048;

/// The kind of device that an ISY-994 says it is; and an eisy, before IoX 6.
const INSTEON: &str = "urn:udi-com:device:X_Insteon_Lighting_Device:1";
/// The kind of device that a controller on IoX 6 says it is.
pub(crate) const IOX: &str = "urn:udi-com:device:X_IoX_Device:1";

/// What a controller of this firmware says it is.
pub(crate) fn kind(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::Iox6 => IOX,
        Firmware::Isy994 => INSTEON,
    }
}

/// Listens for searches; to those sent to everybody only where the address stands for all.
pub(crate) async fn listen(bind: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(bind).await?;
    if bind.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        && let Err(error) = socket.join_multicast_v4(GROUP, Ipv4Addr::UNSPECIFIED)
    {
        debug!(%error, "searches sent to everybody are not heard");
    }
    Ok(socket)
}

/// Which controller is found, and where it is.
pub(crate) struct Place {
    pub(crate) kind: &'static str,
    pub(crate) uuid: Uuid,
    pub(crate) scheme: &'static str,
    /// Where it listens, which may stand for all addresses.
    pub(crate) address: SocketAddr,
    /// The path before all others.
    pub(crate) prefix: String,
}

impl Place {
    /// Where its description is for whoever asks from there.
    async fn description(&self, asked_from: SocketAddr) -> io::Result<String> {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            // The address of the interface that leads there.
            let probe = UdpSocket::bind((address.ip(), 0)).await?;
            probe.connect(asked_from).await?;
            address.set_ip(probe.local_addr()?.ip());
        }
        Ok(format!("{}://{address}{}/desc", self.scheme, self.prefix))
    }
}

/// Answers searches for this kind of device until it is dropped.
pub(crate) async fn answer(socket: UdpSocket, place: &Place) {
    let mut datagram = [0; LONGEST];
    loop {
        // A socket whose last answer reached nobody reports that here.
        let Ok((length, from)) = socket.recv_from(&mut datagram).await else {
            continue;
        };
        if !is_search_for(place.kind, &datagram[..length]) {
            trace!(%from, "a datagram that is not a search for this controller");
            continue;
        }
        debug!(%from, "found by a search");
        let sent = async {
            let answer = found(place.kind, place.uuid, &place.description(from).await?);
            socket.send_to(answer.as_bytes(), from).await
        };
        if let Err(error) = sent.await {
            debug!(%from, %error, "the answer to a search cannot be sent");
        }
    }
}

fn is_search_for(kind: &str, datagram: &[u8]) -> bool {
    let text = String::from_utf8_lossy(datagram);
    let mut lines = text.lines();
    let is_search = lines
        .next()
        .is_some_and(|line| line.starts_with("M-SEARCH * HTTP/1.1"));
    let header = |line: &str, name: &str| {
        let (found, value) = line.split_once(':')?;
        let is_it = found.trim().eq_ignore_ascii_case(name);
        is_it.then(|| value.trim().trim_matches('"').to_owned())
    };
    let (mut discovers, mut is_meant) = (false, false);
    for line in lines {
        discovers |= header(line, "MAN").is_some_and(|man| man == "ssdp:discover");
        is_meant |= header(line, "ST")
            .is_some_and(|target| [kind, "ssdp:all", "upnp:rootdevice"].contains(&&*target));
    }
    is_search && discovers && is_meant
}

fn found(kind: &str, uuid: Uuid, location: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\nLOCATION: {location}\r\n\
         SERVER: UCoS, UPnP/1.0, UDI/1.0\r\nST: {kind}\r\nUSN: uuid:{uuid}::{kind}\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(man: &str, target: &str) -> String {
        format!("M-SEARCH * HTTP/1.1\r\nHOST: x\r\nMAN: {man}\r\nMX: 1\r\nST: {target}\r\n\r\n")
    }

    #[test]
    fn a_search_for_its_kind_or_for_all_finds_it() {
        for target in [IOX, "ssdp:all", "upnp:rootdevice"] {
            for man in ["\"ssdp:discover\"", "ssdp:discover"] {
                assert!(
                    is_search_for(IOX, search(man, target).as_bytes()),
                    "{man} {target}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_search_for_it_is_passed_over() {
        let found = found(IOX, Uuid::default(), "http://127.0.0.1/desc");
        let other = search("\"ssdp:discover\"", INSTEON);
        let no_man = search("x", IOX);
        for text in [
            "",
            "\u{0}",
            "GET / HTTP/1.1\r\n\r\n",
            &found,
            &other,
            &no_man,
        ] {
            assert!(!is_search_for(IOX, text.as_bytes()), "{text}");
        }
    }
}
