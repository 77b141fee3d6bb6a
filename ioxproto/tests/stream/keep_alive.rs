//! Keep-alive: what calls request, and which of them may use a kept connection.

use std::time::Duration;

use ioxproto::rest::{self, Command, Request};
use ioxproto::{Config, ConfigError, StreamMachine, Timing};
use pretend::Driver;

const LAMP: &str = "1A 2B 3C 1";

fn with_keep_alive(keep_alive: Duration) -> Config {
    let mut timing = Timing::default();
    timing.keep_alive = keep_alive;
    Config::new("http://eisy.test:8080")
        .local_account("admin", "secret")
        .timing(timing)
}

#[test]
fn a_call_asks_to_close_only_if_connections_are_not_kept() {
    for (keep_alive, closes) in [(4, false), (0, true)] {
        let timing = with_keep_alive(Duration::from_secs(keep_alive));
        let mut driver = Driver::with(|_| timing).into_connected();
        driver.call(rest::status().request().clone());
        let head = driver.get();
        assert_eq!(head.contains("\r\nConnection: close\r\n"), closes, "{head}");
        assert_eq!(head.contains("\r\nConnection:"), closes, "{head}");
        let (_, exchange) = &mut driver.gets[0];
        exchange.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let kept = (!closes).then_some(Duration::from_secs(4));
        assert_eq!(exchange.keep_alive(), kept);
    }
}

#[test]
fn only_reads_and_absolute_commands_may_be_sent_twice() {
    let requests: [(Request, bool); 6] = [
        (rest::nodes().into(), true),
        (Command::on(LAMP).unwrap().into(), true),
        (Command::off(LAMP).unwrap().into(), true),
        (Command::brighten(LAMP).unwrap().into(), false),
        (Command::query(LAMP).unwrap().into(), false),
        // A raw path may be any command.
        (rest::get("/rest/nodes").unwrap().into(), false),
    ];
    for (request, repeatable) in requests {
        let mut driver = Driver::connected();
        let path = request.path().to_owned();
        driver.call(request);
        let (_, exchange) = &driver.gets[0];
        assert_eq!(exchange.is_repeatable(), repeatable, "{path}");
    }
}

#[test]
fn the_time_is_bounded_and_may_be_zero() {
    assert!(StreamMachine::new(with_keep_alive(Duration::ZERO)).is_ok());
    let error = StreamMachine::new(with_keep_alive(Duration::from_secs(100_000))).unwrap_err();
    assert_eq!(error, ConfigError::Timing { name: "keep_alive" });
}
