//! An eisy and an ISY-994, which answer differently.

use ioxproto::rest::{ClockReading, ControllerInfo};
use ioxsim::{ControllerOptions, Server, ServerOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::House;
use super::keep_alive::{LIMIT, answer, has_ended, request};

fn isy994() -> House {
    House::with(ControllerOptions::isy994(), 12, None)
}

#[test]
fn each_identifies_itself_and_gives_the_time_in_its_unit() {
    for (mut house, is_isy994, offset) in [
        (House::new(), false, "<TMZOffset>-7<"),
        (isy994(), true, "<TMZOffset>-25200<"),
    ] {
        let config = ControllerInfo::parse(house.read("/rest/config").as_bytes()).unwrap();
        assert_eq!(config.is_isy994(), is_isy994, "{config:?}");
        assert_eq!(config.firmware.starts_with("5."), is_isy994);
        let time = house.read("/rest/time");
        assert!(time.contains(offset), "{time}");
        let time = ClockReading::parse(time.as_bytes()).unwrap();
        assert_eq!(time.offset_seconds, Some(-7 * 3600));
    }
}

#[test]
fn an_isy_994_has_no_profile_in_json() {
    let mut house = isy994();
    assert_eq!(house.get("/rest/profiles?include=nodedefs").0, 404);
    for path in ["/rest/nodes", "/rest/status", "/rest/programs"] {
        house.read(path);
    }
}

#[tokio::test]
async fn one_connection_more_than_allowed_is_closed_unanswered() {
    let options = ServerOptions {
        most_connections: Some(2),
        ..ServerOptions::default()
    };
    let server = Server::start(options).await.unwrap();
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket
            .write_all(request("/rest/time", "").as_bytes())
            .await
            .unwrap();
        assert!(answer(&mut socket).await.contains("HTTP/1.1 200"));
        sockets.push(socket);
    }
    let mut third = TcpStream::connect(server.address()).await.unwrap();
    has_ended(&mut third).await;
    // There is room again once one of them is gone.
    drop(sockets.pop());
    let one_open = server.control();
    timeout(LIMIT, one_open.wait_for(|seen| seen.open == 1))
        .await
        .unwrap();
    let mut fourth = TcpStream::connect(server.address()).await.unwrap();
    fourth
        .write_all(request("/rest/time", "Connection: close\r\n").as_bytes())
        .await
        .unwrap();
    let mut all = String::new();
    timeout(LIMIT, fourth.read_to_string(&mut all))
        .await
        .unwrap()
        .unwrap();
    assert!(all.starts_with("HTTP/1.1 200"), "{all}");
}
