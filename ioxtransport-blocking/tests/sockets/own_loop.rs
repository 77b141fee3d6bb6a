//! Waits that time out, and loops that never wait.

use std::time::{Duration, Instant};

use ioxsim::Event;
use ioxtransport_blocking::TimedOut;

use crate::watched::{LIMIT, Watched, server};

#[test]
fn a_custom_loop_that_polls_becomes_live() {
    let server = server(true);
    let mut stream = crate::watched::builder(&server).start().unwrap();
    let began = Instant::now();
    while !stream.handle().is_connected() {
        assert!(began.elapsed() < LIMIT);
        match stream.try_next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended"),
            // Stands for the other work of the loop.
            Err(TimedOut) => std::thread::park_timeout(Duration::from_millis(5)),
        }
    }
    stream.stop();
    while let Ok(Some(_)) = stream.try_next() {}
    assert!(matches!(stream.try_next(), Ok(None)));
}

#[test]
fn a_timeout_does_not_change_the_stream() {
    let server = server(false);
    let mut watched = Watched::of(&server);
    watched.connected();
    let next = watched.stream.next_timeout(Duration::from_millis(1));
    assert!(matches!(next, Err(TimedOut)));
    server.control().emit(&Event::new("ST", "5").node("n1"));
    assert!(watched.event("ST", "5").is_live());
}
