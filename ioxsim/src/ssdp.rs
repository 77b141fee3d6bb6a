//! SSDP: answers searches for controllers on the network.
//!
//! A search and its answer are one datagram each. As other clients do, a search may have the target
//! of either generation, `ssdp:all` or `upnp:rootdevice`, with or without quotation marks around
//! the value of `MAN`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tracing::{debug, trace};

use crate::options::Firmware;
use crate::uuid::Uuid;

/// The multicast group of SSDP.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
/// The longest datagram that is read in full, in bytes.
const MAX_DATAGRAM: usize = 2048;

/// The device type of an ISY-994, and of an eisy before IoX 6.
const INSTEON: &str = "urn:udi-com:device:X_Insteon_Lighting_Device:1";
/// The device type of a controller on IoX 6.
pub(crate) const IOX: &str = "urn:udi-com:device:X_IoX_Device:1";

/// Returns the device type of a controller with this firmware.
pub(crate) fn kind(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::Iox6 => IOX,
        Firmware::Isy994 => INSTEON,
    }
}

/// Listens for searches. Multicast searches are received only on the unspecified address.
pub(crate) async fn listen(bind: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(bind).await?;
    if bind.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        && let Err(error) = socket.join_multicast_v4(GROUP, Ipv4Addr::UNSPECIFIED)
    {
        debug!(%error, "multicast searches are not received");
    }
    Ok(socket)
}

/// The controller to be found, and its address.
pub(crate) struct Device {
    pub(crate) kind: &'static str,
    pub(crate) uuid: Uuid,
    pub(crate) scheme: &'static str,
    /// The address it listens on, which may be unspecified.
    pub(crate) address: SocketAddr,
    /// The prefix of all paths.
    pub(crate) prefix: String,
}

impl Device {
    /// Returns the URL of its description, as seen from the client's address.
    async fn description(&self, asked_from: SocketAddr) -> io::Result<String> {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            // The address of the interface that leads to the client.
            let probe = UdpSocket::bind((address.ip(), 0)).await?;
            probe.connect(asked_from).await?;
            address.set_ip(probe.local_addr()?.ip());
        }
        Ok(format!("{}://{address}{}/desc", self.scheme, self.prefix))
    }
}

/// Answers searches for this kind of device until it is dropped.
pub(crate) async fn answer(socket: UdpSocket, device: &Device) {
    let mut datagram = [0; MAX_DATAGRAM];
    loop {
        // Fails if the last answer could not be delivered.
        let Ok((length, from)) = socket.recv_from(&mut datagram).await else {
            continue;
        };
        if !is_search_for(device.kind, &datagram[..length]) {
            trace!(%from, "ignored a datagram that is not a search for this controller");
            continue;
        }
        debug!(%from, "answering a search");
        let sent = async {
            let answer = found(device.kind, device.uuid, &device.description(from).await?);
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
    fn datagrams_that_are_not_a_search_for_it_are_ignored() {
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
