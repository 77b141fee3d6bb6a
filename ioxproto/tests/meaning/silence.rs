//! When nodes were last heard from.

use std::time::{Duration, SystemTime};

use ioxproto::Event;
use ioxproto::state::{ControllerState, Heard};

use super::{event, live, property, system};

const HOUR: Duration = Duration::from_secs(3600);

fn at(hours: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + hours * HOUR
}

/// The nodes that have been silent for more than 25 hours.
fn silent(state: &ControllerState, now: SystemTime) -> Vec<&str> {
    state.silent(now, 25 * HOUR).map(|(node, _)| node).collect()
}

fn command(node: &str) -> Event {
    event(&format!(
        "<Event><control>DON</control><action>0</action><node>{node}</node></Event>"
    ))
}

#[test]
fn a_live_event_counts_as_heard_when_it_is_received() {
    let mut state = ControllerState::new();
    state.update(&live("n1", "ST", "1").with_received_at(at(100)));
    state.update(&live("n1", "OL", "1").with_received_at(at(110)));
    assert_eq!(state.heard("n1", "ST"), Some(Heard::At(at(100))));
    assert_eq!(state.node_heard("n1"), Some(Heard::At(at(110))));
    assert!(silent(&state, at(135)).is_empty());
    assert_eq!(silent(&state, at(136)), ["n1"]);
}

#[test]
fn a_replay_shows_only_that_nothing_was_heard_since() {
    let mut state = ControllerState::new();
    state.update(&property("n1", "ST", "1").with_received_at(at(100)));
    assert_eq!(state.heard("n1", "ST"), Some(Heard::NotSince(at(100))));
    // The replay of the next connection repeats it.
    state.update(&property("n1", "ST", "1").with_received_at(at(120)));
    assert_eq!(state.heard("n1", "ST"), Some(Heard::NotSince(at(100))));
    assert_eq!(silent(&state, at(126)), ["n1"]);
    state.update(&live("n1", "ST", "1").with_received_at(at(126)));
    state.update(&property("n1", "ST", "1").with_received_at(at(130)));
    assert_eq!(state.heard("n1", "ST"), Some(Heard::At(at(126))));
}

#[test]
fn a_replay_with_the_times_of_changes_says_when_it_was_heard() {
    let mut state = ControllerState::new().with_change_times();
    let replayed = property("n1", "ST", "1").with_received_at(at(1_000_000));
    state.update(&replayed);
    let Some(Heard::At(heard)) = state.heard("n1", "ST") else {
        panic!("the time is not taken from the stamp");
    };
    let since = heard.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_secs(), 1_778_103_036);
}

#[test]
fn a_command_counts_as_heard_from_its_node_and_a_comm_error_does_not() {
    let mut state = ControllerState::new();
    state.update(&live("n1", "ST", "1").with_received_at(at(100)));
    state.update(&command("n1").with_live(true).with_received_at(at(120)));
    assert_eq!(state.node_heard("n1"), Some(Heard::At(at(120))));
    assert_eq!(state.heard("n1", "ST"), Some(Heard::At(at(100))));
    let error = system("_3", "NE", "n1", "").with_live(true);
    state.update(&error.with_received_at(at(150)));
    assert_eq!(silent(&state, at(150)), ["n1"]);
}
