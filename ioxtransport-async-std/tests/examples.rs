//! Runs the example against a simulated controller.

use std::sync::mpsc::channel;
use std::thread;

use ioxconformance::{LIMIT, Sim};
use ioxsim::{Event, HouseOptions, ServerOptions};
use ioxtransport_async_std::EventStream;

#[expect(dead_code, reason = "`main` is not called")]
#[path = "../examples/watch_one_node.rs"]
mod watch_one_node;

#[test]
fn one_node_is_watched() {
    let house = HouseOptions {
        rate_per_second: 0.0,
        ..HouseOptions::default()
    };
    let server = Sim::start(ServerOptions::of(house));
    let builder = EventStream::builder(server.url()).local_account("admin", "admin");
    let (sender, lines) = channel();
    let show = move |line: String| {
        let _ = sender.send(line);
    };
    let watch = thread::spawn(move || {
        let watched = watch_one_node::watch(builder, "11 22 33 1", show);
        async_std::task::block_on(watched).map_err(|error| error.to_string())
    });
    while lines.recv_timeout(LIMIT).unwrap() != "connected" {}
    let on_event = |node| Event::new("ST", "255").node(node).shown("On");
    server.emit(&on_event("44 55 66 1"));
    server.emit(&on_event("11 22 33 1"));
    assert_eq!(lines.recv_timeout(LIMIT).unwrap(), "ST is now On");
    // The watch does not end by itself: detach its thread.
    drop(watch);
}
