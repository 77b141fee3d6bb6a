//! Runs the examples against a simulated controller.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::time::Duration;

use ioxsim::{Ending, Event, HouseOptions, Server, ServerOptions};
use ioxtransport_tokio::ioxproto::dispatch::Filter;
use ioxtransport_tokio::{Builder, EventStream, Status};
use tokio::sync::mpsc;
use tokio::time::timeout;

#[expect(dead_code, reason = "`main` is not called")]
#[path = "../examples/own_tokens.rs"]
mod own_tokens;
#[expect(dead_code, reason = "`main` is not called")]
#[path = "../examples/share_one_stream.rs"]
mod share_one_stream;
#[expect(dead_code, reason = "`main` is not called")]
#[path = "../examples/table_of_states.rs"]
mod table_of_states;
#[cfg(unix)]
#[expect(dead_code, reason = "`main` is not called")]
#[path = "../examples/unix_socket.rs"]
mod unix_socket;
#[expect(dead_code, reason = "`main` is not called")]
#[path = "../examples/watch_one_node.rs"]
mod watch_one_node;

/// How long a test waits for something that must happen; much longer than a busy machine needs.
const LIMIT: Duration = Duration::from_secs(60);

async fn server() -> Server {
    let house = HouseOptions {
        rate_per_second: 0.0,
        ..HouseOptions::default()
    };
    Server::start(ServerOptions::of(house)).await.unwrap()
}

fn local(server: &Server) -> Builder {
    EventStream::builder(server.url()).local_account("admin", "admin")
}

/// Takes lines until this one.
async fn until(lines: &mut mpsc::UnboundedReceiver<String>, wanted: &str) {
    let mut seen = Vec::new();
    loop {
        let line = timeout(LIMIT, lines.recv()).await;
        let line = line.unwrap_or_else(|_| panic!("never {wanted:?}; seen: {seen:#?}"));
        let line = line.unwrap_or_else(|| panic!("the end before {wanted:?}; seen: {seen:#?}"));
        if line == wanted {
            return;
        }
        seen.push(line);
    }
}

fn on(node: &str) -> Event {
    Event::new("ST", "255")
        .node(node)
        .shown("On")
        .name("Status")
}

#[tokio::test]
async fn one_node_is_watched() {
    let server = server().await;
    let (show, mut lines) = mpsc::unbounded_channel();
    let show = move |line| show.send(line).unwrap();
    let builder = local(&server);
    let watch = async {
        let watched = watch_one_node::watch(builder, "11 22 33 1", show);
        watched.await.map_err(|error| error.to_string())
    };
    let script = async {
        until(&mut lines, "connected").await;
        server.control().emit(&on("44 55 66 1"));
        server.control().emit(&on("11 22 33 1"));
        until(&mut lines, "ST is now On").await;
    };
    tokio::select! {
        ended = watch => panic!("{ended:?}"),
        () = script => {}
    }
}

#[tokio::test]
async fn refused_credentials_end_the_watch_with_the_reason() {
    let server = server().await;
    let builder = EventStream::builder(server.url()).local_account("admin", "wrong");
    let watched = timeout(LIMIT, watch_one_node::watch(builder, "n", |_| ())).await;
    let error = watched.unwrap().unwrap_err().to_string();
    assert!(error.starts_with("the stream has given up: "), "{error}");
}

#[tokio::test]
async fn one_stream_is_shared_between_tasks() {
    let server = server().await;
    let (handle, dispatcher) = share_one_stream::share(local(&server)).unwrap();
    let live = || Filter::new().control("ST").live_only();
    let mut first = share_one_stream::subscribe(&dispatcher, live());
    let mut second = share_one_stream::subscribe(&dispatcher, live());
    handle.wait_for(Status::Connected, LIMIT).await.unwrap();
    server.control().emit(&on("11 22 33 1"));
    for receiver in [&mut first, &mut second] {
        let event = timeout(LIMIT, receiver.recv()).await.unwrap().unwrap();
        assert_eq!((event.node(), event.is_live()), ("11 22 33 1", true));
    }
    assert_eq!(server.control().upgrades(), 1);
}

#[tokio::test]
async fn own_tokens_are_supplied() {
    let server = server().await;
    let login = EventStream::builder(server.url()).portal_account("user@example.test", "secret");
    let portal = login.start().unwrap();
    let connected = portal.handle();
    connected.wait_for(Status::Connected, LIMIT).await.unwrap();
    let token = server.control().seen().portal.issued[0].clone();
    let (show, mut lines) = mpsc::unbounded_channel();
    let show = move |line| show.send(line).unwrap();
    let builder = EventStream::builder(server.url());
    let watch = async {
        let watched = own_tokens::watch(builder, |_| Ok(token.clone()), show);
        watched.await.map_err(|error| error.to_string())
    };
    let script = async {
        until(&mut lines, "connected").await;
        server.control().emit(&on("n1"));
        until(&mut lines, "n1 ST = On").await;
    };
    tokio::select! {
        ended = watch => panic!("{ended:?}"),
        () = script => {}
    }
}

#[tokio::test]
async fn the_table_is_kept_across_an_outage() {
    let server = server().await;
    let (show, mut lines) = mpsc::unbounded_channel();
    let show = move |line: String| {
        let _ = show.send(line);
    };
    let (handle, state) = table_of_states::keep(local(&server), show).unwrap();
    handle.wait_for(Status::Connected, LIMIT).await.unwrap();
    let node = server.control().nodes()[0].clone();
    server.control().emit(&on(&node));
    let line = timeout(LIMIT, lines.recv()).await.unwrap().unwrap();
    assert!(line.contains(&node), "{line}");
    let table = table_of_states::table(&state);
    let row = table
        .lines()
        .find(|row| row.starts_with(&node) && row.contains(" ST "));
    assert!(row.is_some_and(|row| row.ends_with("On")), "{table}");
    server.control().end(Ending::Fin);
    let lost = handle.wait_for(Status::LostConnection, LIMIT);
    lost.await.unwrap();
    server
        .control()
        .emit(&Event::new("ST", "0").node(&node).shown("Off"));
    handle.wait_for(Status::Connected, LIMIT).await.unwrap();
    let line = timeout(LIMIT, lines.recv()).await.unwrap().unwrap();
    assert!(
        line.starts_with("while away: ") && line.contains(&node),
        "{line}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_connector_can_use_a_unix_socket() {
    let server = server().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tunnel.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let address = server.address();
    let tunnel = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(address).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
    let builder = EventStream::builder("http://eisy.test:8080").local_account("admin", "admin");
    let stream = unix_socket::through(builder, path).start().unwrap();
    let handle = stream.handle();
    handle.wait_for(Status::Connected, LIMIT).await.unwrap();
    timeout(LIMIT, handle.stop()).await.unwrap();
    timeout(LIMIT, tunnel).await.unwrap().unwrap();
}
