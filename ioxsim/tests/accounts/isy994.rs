//! The ISY-994, and the headers that it requires.

use ioxproto::{Config, Notification, Profile, Status};
use ioxsim::{ControllerOptions, Ending, Event};

use crate::world::World;

fn local(config: Config) -> Config {
    config.local_account("admin", "admin")
}

#[test]
fn the_profile_connects_at_the_first_attempt_and_keeps_the_slow_heartbeat() {
    let profile = |config| local(config).profile(Profile::Isy994);
    let mut world = World::new(ControllerOptions::isy994(), profile);
    world.pass(3.0);
    assert_eq!(
        world.client.statuses(),
        ["stream_initializing", "stream_syncing", "connected"]
    );
    assert_eq!(world.times("/rest/subscribe").len(), 1);
    assert!(world.sent[0].starts_with("<SubscriptionResponse><SID>uuid:1</SID>"));
    assert!(
        matches!(world.client.notifications[2], Notification::Ignored(_)),
        "{:?}",
        world.client.notifications[2]
    );
    let last = world.sent.last().unwrap();
    assert!(
        last.contains("<control>_23</control><action>1</action>"),
        "{last}"
    );
    world.controller.emit(
        world.client.now,
        &Event::new("ST", "255").node("1 1 1 1").name("Status"),
    );
    world.settle();
    let events = world.client.events();
    assert!(
        events
            .iter()
            .all(|event| event.timestamp().is_empty() && event.fmt_name().is_empty())
    );
    assert!(events.last().unwrap().is_live());
    // An hour of heartbeats at 120 s, each just in time.
    world.pass(3600.0);
    assert_eq!(world.status(), Status::Connected);
    let heartbeats = world.client.events();
    let heartbeats = heartbeats
        .iter()
        .filter(|event| event.is_live() && event.control() == "_0");
    assert!(heartbeats.clone().count() >= 29);
    assert!(heartbeats.clone().all(|event| event.action() == "120"));
    assert_eq!(world.client.gaps(), []);
}

#[test]
fn the_other_profile_detects_the_headers_and_remembers_them() {
    let mut world = World::new(ControllerOptions::isy994(), local);
    world.pass(3.0);
    assert_eq!(
        world.client.statuses(),
        ["stream_initializing", "stream_syncing", "connected"]
    );
    assert_eq!(world.times("/rest/subscribe").len(), 2);
    world.end(Ending::Fin);
    world.pass(3.0);
    assert_eq!(world.status(), Status::Connected);
    assert_eq!(world.times("/rest/subscribe").len(), 3);
}

#[test]
fn a_101_without_the_subprotocol_is_accepted() {
    let options = ControllerOptions {
        echo_subprotocol: false,
        ..ControllerOptions::isy994()
    };
    let mut world = World::new(options, |config| local(config).profile(Profile::Isy994));
    world.pass(3.0);
    assert_eq!(world.status(), Status::Connected);
}
