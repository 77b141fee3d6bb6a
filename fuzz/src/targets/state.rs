//! Applies frames, replays and reconnections to the state of a controller. There must be no panic,
//! and the state must stay within its limits.
//!
//! Each line is one step: `live` or `replayed`, a space and a frame, or the name of a stream
//! status.

use ioxproto::state::{ControllerState, Limits, Occasion};
use ioxproto::{Event, Frame, FrameReader, Notification, Status, StatusChange};

const LIMITS: Limits = Limits {
    entries: 12,
    texts: 256,
};

/// Applies the lines.
pub fn run(data: &[u8]) {
    let mut states = [
        ControllerState::new().with_limits(LIMITS),
        ControllerState::new()
            .with_limits(LIMITS)
            .with_change_times(),
        ControllerState::known_only(),
    ];
    states[2].seed_property("n", "ST", ioxproto::state::Property::new("0"));
    states[2].seed_scene("s", ["n"]);
    let mut reader = FrameReader::new();
    let mut replay_has_ended = false;
    for line in data.split(|byte| *byte == b'\n') {
        let Some(notification) = step(&mut reader, line) else {
            continue;
        };
        for state in &mut states {
            let changes = state.apply(&notification);
            let allowed = |occasion| match &notification {
                Notification::Event(event) if event.is_live() => occasion == Occasion::Live,
                // The network delayed the event until after the replay.
                Notification::Event(_) if replay_has_ended => occasion != Occasion::Live,
                Notification::Event(_) => occasion == Occasion::Replay,
                _ => occasion == Occasion::WhileAway,
            };
            assert!(changes.iter().all(|change| allowed(change.occasion)));
            for change in &changes {
                assert!(!change.to_string().is_empty());
            }
            check(state);
        }
        if let Notification::Status(change) = &notification {
            replay_has_ended = match change.status {
                Status::Connected => true,
                Status::StreamSyncing
                | Status::LostConnection
                | Status::ReconnectFailed
                | Status::Disconnected => false,
                _ => replay_has_ended,
            };
        }
        assert_eq!(states[2].nodes().filter(|node| *node != "n").count(), 0);
    }
}

fn step(reader: &mut FrameReader, line: &[u8]) -> Option<Notification> {
    if let Some(status) = std::str::from_utf8(line)
        .ok()
        .and_then(|name| name.parse::<Status>().ok())
    {
        return Some(Notification::Status(StatusChange::new(status)));
    }
    let (live, frame) = match (line.strip_prefix(b"live "), line.strip_prefix(b"replayed ")) {
        (Some(frame), _) => (true, frame),
        (_, Some(frame)) => (false, frame),
        _ => return None,
    };
    let (Frame::Event(event), _) = reader.read_bytes(frame) else {
        return None;
    };
    let event = event.with_live(live);
    views(&event);
    Some(Notification::Event(event))
}

/// Takes every view of the event, though most are errors.
fn views(event: &Event) {
    assert!(event.describe().contains(" = "));
    match event.view() {
        Ok(view) => assert!(!view.to_string().is_empty()),
        Err(error) => assert!(error.to_string().len() < 4096),
    }
    if let Ok(change) = event.lifecycle() {
        _ = change.details();
    }
}

fn check(state: &ControllerState) {
    assert!(!state.is_growing() || state.entries() <= LIMITS.entries);
    let properties: usize = state
        .nodes()
        .map(|node| state.properties(node).count())
        .sum();
    let members: usize = state
        .scenes()
        .map(|scene| state.members(scene).count())
        .sum();
    let others = state.programs().count() + state.variables().count() + state.scenes().count();
    assert_eq!(
        state.entries(),
        state.nodes().count() + properties + members + others
    );
    for node in state.nodes() {
        for scene in state.scenes_of(node) {
            assert!(state.members(scene).any(|member| member == node));
        }
    }
    assert!(serde_json::to_value(state).is_ok_and(|json| json.is_object()));
}
