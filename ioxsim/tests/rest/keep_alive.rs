//! Several requests on one connection, on real sockets.

use std::time::Duration;

use ioxsim::{OnCall, Server, ServerOptions, Times};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(super) const LIMIT: Duration = Duration::from_secs(10);

pub(super) fn request(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n{more}\r\n")
}

/// Reads an answer with a length.
pub(super) async fn answer(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return text;
            }
        }
        let length = timeout(LIMIT, socket.read_buf(&mut read))
            .await
            .unwrap()
            .unwrap();
        assert!(length > 0, "{text}");
    }
}

pub(super) async fn has_ended(socket: &mut TcpStream) {
    let read = timeout(LIMIT, socket.read(&mut [0; 64])).await.unwrap();
    assert_eq!(read.unwrap(), 0);
}

#[tokio::test]
async fn a_connection_carries_several_requests_also_at_once() {
    let server = Server::start(ServerOptions::default()).await.unwrap();
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    for path in ["/rest/time", "/rest/nodes", "/api/config"] {
        socket
            .write_all(request(path, "").as_bytes())
            .await
            .unwrap();
        let answer = answer(&mut socket).await;
        assert!(answer.contains("Keep-Alive: timeout=5"), "{answer}");
    }
    let two = request("/rest/time", "") + &request("/rest/time", "Connection: close\r\n");
    socket.write_all(two.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    timeout(LIMIT, socket.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert_eq!(rest.matches("HTTP/1.1 200").count(), 2, "{rest}");
    assert_eq!(rest.matches("Connection: close").count(), 1, "{rest}");
    assert_eq!(server.control().connections(), 1);
}

#[tokio::test]
async fn an_idle_connection_is_ended_and_so_is_one_without_keep_alive() {
    let quick = Some(Duration::from_millis(50));
    for keep_alive in [quick, None] {
        let options = ServerOptions {
            keep_alive,
            ..ServerOptions::default()
        };
        let server = Server::start(options).await.unwrap();
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket
            .write_all(request("/rest/time", "").as_bytes())
            .await
            .unwrap();
        let answer = answer(&mut socket).await;
        assert_eq!(answer.contains("Connection: close"), keep_alive.is_none());
        has_ended(&mut socket).await;
    }
}

#[tokio::test]
async fn a_spoilt_answer_ends_its_connection() {
    let server = Server::start(ServerOptions::default()).await.unwrap();
    for fault in [OnCall::TooShort, OnCall::CutOff, OnCall::TooLong] {
        server.control().on_call(fault, Times::Next(1));
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket
            .write_all(request("/rest/time", "").as_bytes())
            .await
            .unwrap();
        let mut all = Vec::new();
        timeout(LIMIT, socket.read_to_end(&mut all))
            .await
            .unwrap()
            .unwrap();
        assert!(all.starts_with(b"HTTP/1.1 200"), "{fault:?}");
    }
}

#[tokio::test]
async fn broken_framing_leaves_a_part_of_the_answer_on_the_kept_connection() {
    let server = Server::start(ServerOptions::default()).await.unwrap();
    server
        .control()
        .on_call(OnCall::BrokenFraming, Times::Next(1));
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let two = request("/rest/time", "") + &request("/rest/time", "Connection: close\r\n");
    socket.write_all(two.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    timeout(LIMIT, socket.read_to_end(&mut all))
        .await
        .unwrap()
        .unwrap();
    let all = String::from_utf8(all).unwrap();
    let (head, rest) = all.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 404") && head.contains("Keep-Alive:"),
        "{head}"
    );
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let behind = &rest[length.unwrap().parse().unwrap()..];
    // A client that continues to read mistakes the rest of the refusal for the next answer.
    assert!(behind.starts_with("tResponse>HTTP/1.1 200"), "{behind}");
}
