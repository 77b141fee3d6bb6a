//! An HTTP client that sends a request verbatim and reads answers and server-sent events.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::house::LIMIT;

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Returns the value of a header, given its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(each, _)| each.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value)
    }
}

/// Sends a request. `head` has no empty line at its end.
pub(crate) async fn send(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let host = match head.contains("\r\nHost:") {
        true => String::new(),
        false => format!("\r\nHost: {address}"),
    };
    let request =
        format!("{head}{host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let read = socket.read_to_string(&mut text);
    timeout(LIMIT, read).await.unwrap().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, &format!("GET {path} HTTP/1.1"), "").await
}

/// Sends a `POST` request like the page.
pub(crate) async fn post(address: SocketAddr, path: &str, headers: &str, body: &str) -> Answer {
    let head = format!("POST {path} HTTP/1.1\r\nX-Iox-Request: 1{headers}");
    send(address, &head, body).await
}

/// A reader of server-sent events.
pub(crate) struct Events {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
    /// The id of the last event.
    pub(crate) id: String,
}

impl Events {
    /// Connects; `None` if the server refuses.
    pub(crate) async fn open(address: SocketAddr, headers: &str) -> Option<Self> {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /events HTTP/1.1\r\nHost: {address}{headers}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(socket).lines();
        let status = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap()?;
        status.contains(" 200 ").then_some(Self {
            lines,
            id: String::new(),
        })
    }

    /// Reads the next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<serde_json::Value> {
        loop {
            let line = timeout(LIMIT, self.lines.next_line()).await.unwrap();
            let line = line.ok()??;
            if let Some(id) = line.strip_prefix("id: ") {
                id.clone_into(&mut self.id);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }

    /// Reads events until one has a matching entry.
    pub(crate) async fn entry(
        &mut self,
        fits: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        loop {
            let event = self.next().await.unwrap();
            let entries = event["entries"].as_array().unwrap();
            if let Some(entry) = entries.iter().find(|entry| fits(entry)) {
                return entry.clone();
            }
        }
    }
}
