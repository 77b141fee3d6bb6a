//! The names of the house, read by the stream itself.

use std::time::Duration;

use ioxdriver::Options;
use ioxproto::state::ControllerState;
use ioxproto::{Notification, ReadNames, Status};
use ioxsim::Event;

use crate::{Bench, Front, Reply, Watched, quick};

const LAMP: &str = "1 1 1 1";

/// Scripts the answers to all requests for names.
fn answer(front: &Front, lamp: &str) {
    let nodes = format!(
        "<nodes><folder><address>7</address><name>Hall</name></folder>\
         <node><address>{LAMP}</address><name>{lamp}</name><parent type=\"3\">7</parent></node></nodes>"
    );
    let programs = r#"<programs><program id="8D"><name>Dusk</name></program></programs>"#;
    let variables = r#"<CList><e id="3" name="Guests"/></CList>"#;
    for (path, status, body) in [
        ("/rest/nodes", 200, nodes.as_str()),
        ("/rest/programs?subfolders=true", 200, programs),
        ("/rest/vars/definitions/1", 200, variables),
        ("/rest/vars/definitions/2", 404, ""),
    ] {
        front.reply(path, [Reply::Answer(status, body.to_owned())]);
    }
}

fn options(bench: &Bench, front: &Front, when: ReadNames) -> Options {
    let mut timing = quick();
    timing.names_quiet = Duration::from_millis(50);
    timing.names_spacing = Duration::from_millis(200);
    bench.options_of(front).timing(timing).read_names(when)
}

/// The name of the lamp, if the notification has names that were read.
fn read(notification: &Notification) -> Option<&str> {
    match notification {
        Notification::Names(read) => Some(read.names.node(LAMP)?.name.as_str()),
        _ => None,
    }
}

/// All changes in the house so far, as text, and the state of the house.
fn changes(watched: &Watched) -> (Vec<String>, ControllerState) {
    let mut state = ControllerState::new();
    let notifications = watched.notifications().iter();
    let changes = notifications.flat_map(|notification| state.apply(notification));
    (changes.map(|change| change.to_string()).collect(), state)
}

pub fn names_are_read_before_the_subscription(bench: &Bench) {
    let (front, _sim) = bench.front();
    answer(&front, "Lamp");
    let mut watched = bench.start(options(bench, &front, ReadNames::BeforeSubscribing));
    watched.connected();
    let position = |is: &dyn Fn(&Notification) -> bool| watched.notifications().iter().position(is);
    let named = position(&|notification| read(notification) == Some("Lamp"));
    let subscribed = position(
        &|notification| matches!(notification, Notification::Status(change) if change.status == Status::StreamSyncing),
    );
    assert!(
        named.is_some() && named < subscribed,
        "{:?}",
        watched.notifications()
    );
    let (_, state) = changes(&watched);
    assert_eq!(state.names().folder(LAMP), "Hall");
    assert_eq!(state.names().programs().count(), 1);
    assert_eq!(state.names().variables().count(), 1);
    watched.stop();
}

pub fn the_stream_subscribes_even_if_names_are_not_answered(bench: &Bench) {
    let (front, _sim) = bench.front();
    front.reply("/rest/nodes", [Reply::Silence]);
    let options = options(bench, &front, ReadNames::BeforeSubscribing);
    let mut timing = quick();
    timing.names_before = Duration::from_millis(200);
    let mut watched = bench.start(options.timing(timing));
    watched.connected();
    let missing = |notification: &Notification| matches!(notification, Notification::Names(read) if !read.is_complete());
    assert!(
        watched.notifications().iter().any(missing),
        "{:?}",
        watched.notifications()
    );
    watched.stop();
}

pub fn renames_are_applied_and_names_are_read_again(bench: &Bench) {
    let (front, sim) = bench.front();
    answer(&front, "Lamp");
    let mut watched = bench.start(options(bench, &front, ReadNames::AfterConnected));
    watched.connected();
    watched.until("the names", |notification| {
        read(notification) == Some("Lamp")
    });
    let rename = Event::new("_3", "NN").node(LAMP);
    sim.emit(&rename.info("<newName>Hall lamp</newName>"));
    watched.event("_3", "NN");
    let (texts, _) = changes(&watched);
    let renamed = "node 1 1 1 1: renamed from Lamp to Hall lamp".to_owned();
    assert!(texts.contains(&renamed), "{texts:?}");
    answer(&front, "Porch lamp");
    sim.emit(&Event::new("_3", "AA").node(LAMP));
    watched.until("the names again", |notification| {
        read(notification) == Some("Porch lamp")
    });
    let (texts, state) = changes(&watched);
    let found = "node 1 1 1 1: renamed from Hall lamp to Porch lamp (found by reading)";
    assert!(texts.contains(&found.to_owned()), "{texts:?}");
    assert_eq!(
        state.names().path(state.names().node(LAMP).unwrap()),
        "Hall/Porch lamp"
    );
    watched.stop();
}
