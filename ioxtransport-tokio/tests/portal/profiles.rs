//! The ISY-994 and the headers that it requires.

use ioxsim::{ControllerOptions, Event};
use ioxtransport_tokio::{Builder, Profile};

use crate::watched::{Watched, builder, serve};

fn local(server: &ioxsim::Server) -> Builder {
    builder(server).local_account("admin", "admin")
}

#[tokio::test]
async fn an_isy_994_is_watched_with_its_profile() {
    let server = serve(ControllerOptions::isy994()).await;
    let watched = Watched::start(local(&server).profile(Profile::Isy994), &server);
    watched.connected().await;
    assert_eq!(watched.control.seen().requests, 1);
    let headers = watched.control.last_request_headers();
    assert_eq!(headers["sec-websocket-protocol"], "ISYSUB");
    assert_eq!(headers["origin"], "com.universal-devices.websockets.isy");
    watched
        .control
        .emit(&Event::new("ST", "255").node("1 1 1 1"));
    watched.stop().await;
    assert_eq!(watched.control.seen().closes, [Some(1000)]);
}

#[tokio::test]
async fn a_400_is_retried_once_with_headers_that_are_remembered() {
    let server = serve(ControllerOptions {
        echo_subprotocol: false,
        ..ControllerOptions::isy994()
    })
    .await;
    let watched = Watched::start(local(&server), &server);
    watched.connected().await;
    assert_eq!(watched.reasons(), [""; 0]);
    assert_eq!(watched.control.seen().requests, 2);
    watched.reconnect().await;
    assert_eq!(watched.control.seen().requests, 3);
}
