//! `iox discover`, with a hand-made device.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::thread;

use crate::iox::{iox, objects, run};

/// Answers searches and serves this description. Returns the HTTP and the SSDP port.
pub(crate) fn device(description: &'static str) -> (u16, u16) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = server.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in server.incoming() {
            let mut socket = socket.unwrap();
            let _ = socket.read(&mut [0; 1024]);
            let _ = write!(socket, "HTTP/1.1 200 OK\r\n\r\n{description}");
        }
    });
    (http, announce(&format!("http://127.0.0.1:{http}")))
}

/// Answers searches with this URL. Returns the port.
pub(crate) fn announce(url: &str) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nLOCATION: {url}/desc\r\nST: urn:udi-com:device:X_IoX_Device:1\r\n\r\n"
    );
    thread::spawn(move || {
        while let Ok((_, from)) = socket.recv_from(&mut [0; 2048]) {
            socket.send_to(answer.as_bytes(), from).unwrap();
        }
    });
    port
}

const DESCRIPTION: &str = "<root><device><friendlyName>Home\u{1b}[2J</friendlyName><modelName>eisy</modelName><modelVersion>6.0.5</modelVersion><UDN>uuid:00:21:b9:00:00:01</UDN></device></root>";

#[test]
fn a_simulated_controller_is_found_by_its_answer_and_described() {
    let server = crate::house::House::start(ioxsim::ServerOptions {
        ssdp: Some((std::net::Ipv4Addr::LOCALHOST, 0).into()),
        ..ioxsim::ServerOptions::default()
    });
    let to = server.ssdp_address().to_string();
    let found = run(iox(&[
        "discover", "--to", &to, "--wait", "1", "--format", "json",
    ]));
    assert_eq!(found.code, Some(0), "{found:?}");
    for word in [&*server.url, "My home", "eisy", "00:21:b9:00:00:01"] {
        assert!(found.stdout.contains(word), "no {word:?} in {found:?}");
    }
}

#[test]
fn a_controller_that_answers_is_listed_for_people_and_programs() {
    let (http, ssdp) = device(DESCRIPTION);
    let to = format!("127.0.0.1:{ssdp}");
    let discover = |format| {
        run(iox(&[
            "discover", "--to", &to, "--wait", "1", "--format", format,
        ]))
    };
    let text = discover("text");
    assert_eq!(text.code, Some(0), "{text:?}");
    let url = format!("http://127.0.0.1:{http}");
    for word in [
        "NAME",
        &url,
        "Home\u{fffd}[2J",
        "eisy",
        "6.0.5",
        "00:21:b9:00:00:01",
    ] {
        assert!(text.stdout.contains(word), "no {word:?} in {text:?}");
    }
    let json = discover("json");
    assert_eq!(json.code, Some(0), "{json:?}");
    let [controller] = &*objects(&json.stdout) else {
        panic!("{json:?}");
    };
    assert_eq!(controller["type"], "controller");
    assert_eq!(controller["url"], url);
    assert_eq!(controller["uuid"], "00:21:b9:00:00:01");
    assert_eq!(controller["version"], "6.0.5");
    assert_eq!(controller["error"], serde_json::Value::Null);
    assert_eq!(controller["time"].as_str().unwrap().len(), 24);
}

#[test]
fn without_an_answer_there_is_advice() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = silent.local_addr().unwrap().to_string();
    let finished = run(iox(&["discover", "--to", &to, "--wait", "0.3"]));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for word in ["127.0.0.1 did not answer", "UPnP may be off", "iox setup"] {
        assert!(finished.stderr.contains(word), "{finished:?}");
    }
    let wrong = run(iox(&["discover", "--to", "eisy.local"]));
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}
