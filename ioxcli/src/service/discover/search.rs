//! The SSDP search: sends a datagram for each kind of controller on each interface, and collects
//! the answers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use if_addrs::IfAddr;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;
use tokio::time::timeout_at;
use tracing::debug;

use super::answer::{Answer, INSTEON, IOX};

/// The multicast group of SSDP devices.
const GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 1900);

/// The limit for answers.
const MAX_ANSWERS: usize = 64;

/// The limit for datagrams that are read on one interface.
const MAX_DATAGRAMS: usize = 1024;

/// The longest datagram that is read completely. An answer has about 300 bytes.
const MAX_DATAGRAM: usize = 2048;

/// Searches the network, or one address, and collects answers for this long. Each location is
/// returned once.
pub(super) async fn search(to: Option<SocketAddr>, wait: Duration) -> io::Result<Vec<Answer>> {
    let until = tokio::time::Instant::now() + wait;
    let (sender, mut answers) = mpsc::channel(MAX_ANSWERS);
    let target = to.unwrap_or(GROUP);
    let sockets = match to {
        Some(address) => vec![unicast_socket(address)?],
        None => multicast_sockets()?,
    };
    let mut tasks = tokio::task::JoinSet::new();
    for socket in sockets {
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        tasks.spawn(ask(socket, target, to, sender.clone()));
    }
    drop(sender);
    let mut found: Vec<Answer> = Vec::new();
    // Ends at the time limit, or when all sockets have ended.
    while let Ok(Some(answer)) = timeout_at(until, answers.recv()).await {
        if found.iter().all(|known| known.location != answer.location) {
            found.push(answer);
        }
        if found.len() == MAX_ANSWERS {
            debug!("the limit of {MAX_ANSWERS} answers is reached");
            break;
        }
    }
    Ok(found)
}

/// Sends the search messages and forwards the answers.
async fn ask(
    socket: tokio::net::UdpSocket,
    target: SocketAddr,
    only: Option<SocketAddr>,
    answers: mpsc::Sender<Answer>,
) {
    for kind in [IOX, INSTEON] {
        if let Err(error) = socket
            .send_to(search_message(kind).as_bytes(), target)
            .await
        {
            debug!(%error, "cannot send the search message");
            return;
        }
    }
    let mut datagram = [0; MAX_DATAGRAM];
    for _ in 0..MAX_DATAGRAMS {
        // An ICMP error for the search message is reported here. Answers may still arrive.
        let Ok((length, from)) = socket.recv_from(&mut datagram).await else {
            continue;
        };
        let ip = from.ip();
        if only.is_some_and(|only| only.ip().to_canonical() != ip.to_canonical()) {
            continue;
        }
        let Some(answer) = Answer::parse(&datagram[..length], ip, SystemTime::now()) else {
            debug!(%from, "ignored an answer that is not usable");
            continue;
        };
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}

fn search_message(kind: &str) -> String {
    format!(
        "M-SEARCH * HTTP/1.1\r\nHOST: {GROUP}\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: {kind}\r\n\r\n"
    )
}

/// Creates a socket to search one address.
fn unicast_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let from: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((from, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Creates a socket for each IPv4 interface except loopback.
fn multicast_sockets() -> io::Result<Vec<UdpSocket>> {
    let mut sockets = Vec::new();
    for interface in if_addrs::get_if_addrs()? {
        let IfAddr::V4(address) = &interface.addr else {
            continue;
        };
        if interface.is_loopback() {
            continue;
        }
        match multicast_socket(address.ip) {
            Ok(socket) => sockets.push(socket),
            Err(error) => {
                debug!(interface = interface.name, %error, "cannot search on this interface");
            }
        }
    }
    if sockets.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NetworkUnreachable,
            "cannot search on any IPv4 interface",
        ));
    }
    Ok(sockets)
}

fn multicast_socket(address: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&SocketAddr::from((address, 0)).into())?;
    socket.set_multicast_if_v4(&address)?;
    socket.set_multicast_ttl_v4(2)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts a responder that answers each search message.
    fn responder(answers: impl Fn(&str, SocketAddr) -> Vec<String> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut question = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let question = String::from_utf8_lossy(&question[..length]).into_owned();
                for answer in answers(&question, from) {
                    socket.send_to(answer.as_bytes(), from).unwrap();
                }
            }
        });
        address
    }

    fn answer(location: &str, kind: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nLOCATION: {location}\r\nST: {kind}\r\n\r\n")
    }

    async fn urls(to: SocketAddr) -> Vec<String> {
        let found = search(Some(to), Duration::from_millis(700)).await.unwrap();
        found
            .iter()
            .map(|answer| answer.location.base.to_string())
            .collect()
    }

    #[tokio::test]
    async fn both_generations_are_found_and_each_controller_once() {
        let to = responder(|question, _| {
            assert!(
                question.starts_with("M-SEARCH * HTTP/1.1\r\n"),
                "{question}"
            );
            assert!(
                question.contains("MAN: \"ssdp:discover\"\r\n"),
                "{question}"
            );
            let kind = if question.contains(IOX) { IOX } else { INSTEON };
            let port = if kind == IOX { 8443 } else { 80 };
            let own = answer(&format!("https://127.0.0.1:{port}/desc"), kind);
            vec![own.clone(), own]
        });
        let urls = urls(to).await;
        assert_eq!(urls, ["https://127.0.0.1:8443", "https://127.0.0.1:80"]);
    }

    #[tokio::test]
    async fn a_flood_of_answers_is_limited() {
        let to = responder(|_, _| {
            let ports = 1..=200;
            let own = |port| answer(&format!("http://127.0.0.1:{port}/desc"), IOX);
            ports.map(own).collect()
        });
        let urls = urls(to).await;
        assert_eq!(urls.len(), MAX_ANSWERS);
    }

    #[tokio::test]
    async fn answers_whose_location_is_at_another_address_are_ignored() {
        let to = responder(|_, _| {
            ["http://10.9.9.9/desc", "http://evil.example/desc"]
                .map(|location| answer(location, IOX))
                .to_vec()
        });
        assert_eq!(urls(to).await, Vec::<String>::new());
    }
}
