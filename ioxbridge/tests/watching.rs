//! Tests of a bridge without a broker, on real sockets.

use std::time::{Duration, Instant};

use ioxbridge::{Controller, Handle, Options};
use ioxproto::Status;
use ioxsim::{Server, ServerOptions};

const LIMIT: Duration = Duration::from_secs(60);

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn controller(name: &str, server: &Server) -> Controller {
    let options = ioxdriver::Options::new(server.url()).local_account("admin", "admin");
    Controller::new(name, options)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_without_a_broker_watches_counts_and_replaces_controllers() {
    let home = Server::start(ServerOptions::default()).await.unwrap();
    let barn = Server::start(ServerOptions::default()).await.unwrap();
    let handle = Handle::new();
    let watched = vec![controller("home", &home)];
    let bridge = tokio::spawn(ioxbridge::run(Options::new(), watched, handle.clone()));
    let status = |name: &str| {
        let controllers = handle.stats().controllers;
        controllers.get(name).map(|controller| controller.status)
    };
    eventually("home is live", || status("home") == Some(Status::Connected)).await;
    assert!(handle.stats().broker.is_none());

    handle.add_controller(controller("barn", &barn));
    eventually("barn is live", || status("barn") == Some(Status::Connected)).await;
    handle.remove_controller("home");
    eventually("the bridge disconnects from home", || {
        home.control().subscribers() == 0
    })
    .await;
    eventually("home is removed", || status("home").is_none()).await;
    assert_eq!(status("barn"), Some(Status::Connected));

    handle.request_stop();
    bridge.await.unwrap().unwrap();
    eventually("the bridge disconnects from barn", || {
        barn.control().subscribers() == 0
    })
    .await;
}
