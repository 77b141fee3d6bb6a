//! Tests the plain driver of `ioxproto/examples` against the simulated controller: the scenarios of
//! the conformance suite for a driver that uses only the core, and one session in detail.

#[expect(dead_code, reason = "`main` is not called")]
#[path = "../../ioxproto/examples/plain_driver/main.rs"]
mod plain_driver;

mod conformance {
    use ioxconformance::CoreOnly;

    const DRIVER: CoreOnly =
        CoreOnly::new(|machine, deliver| super::plain_driver::watch(machine, deliver));

    ioxconformance::conformance!(crate::conformance::DRIVER, core only);
}

use std::time::Duration;

use ioxproto::{Config, Notification, Status, StreamMachine, Timing};
use ioxsim::{Ending, Event, Server, ServerOptions};

#[test]
fn the_plain_driver_marks_replay_and_live_reconnects_and_stops() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let server = runtime
        .block_on(Server::start(ServerOptions::default()))
        .unwrap();
    let control = server.control();
    let bad = b"<Event seqnum=\"x\"><control>ST</control><action>\xff</action></Event>";
    control.add_to_replay(bad.to_vec());
    let mut timing = Timing::default();
    timing.drain_quiet = Duration::from_millis(300);
    timing.drain_quiet_after_mark = Duration::from_millis(150);
    timing.backoff = vec![Duration::from_millis(20)];
    let config = Config::new(server.url())
        .local_account("admin", "admin")
        .timing(timing);

    let (mut statuses, mut replayed, mut live) = (Vec::new(), 0, Vec::new());
    let mut connected = 0;
    plain_driver::watch(StreamMachine::new(config).unwrap(), |notification| {
        match notification {
            Notification::Status(change) => {
                statuses.push(change.status.to_string());
                if change.status == Status::Connected {
                    connected += 1;
                    let name = format!("{connected}");
                    control.emit(&Event::new("ST", name).node("n1"));
                }
            }
            Notification::Event(event) if event.is_live() => {
                live.push(event.action().to_owned());
                if live.len() == 1 {
                    control.end(Ending::Reset);
                }
                return live.len() < 2;
            }
            Notification::Event(_) => replayed += 1,
            _ => {}
        }
        true
    });
    assert_eq!(
        statuses,
        [
            "stream_initializing",
            "stream_syncing",
            "connected",
            "lost_connection",
            "reconnecting",
            "stream_initializing",
            "stream_syncing",
            "connected",
            "disconnected"
        ]
    );
    assert_eq!(live, ["1", "2"]);
    assert!(replayed > control.replay_frames(), "twice: {replayed}");
    let parted = runtime.block_on(async {
        let parted = control.wait_for(|seen| seen.closes.contains(&Some(1000)) && seen.open == 0);
        tokio::time::timeout(Duration::from_secs(60), parted).await
    });
    assert!(parted.is_ok(), "{:?}", control.seen());
}
