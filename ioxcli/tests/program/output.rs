//! The output of `iox watch`.

use serde_json::Value;

use crate::house::House;
use crate::iox::{Running, iox, objects, run, watch, without_time};

/// Checks the members of a line, and their types, for its kind.
fn keeps_the_contract(line: &str) {
    let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
    let texts: &[&str] = match object["type"].as_str().unwrap() {
        "status" => &["type", "status"],
        "event" => &[
            "type",
            "sid",
            "timestamp",
            "control",
            "action",
            "node_address",
            "formatted_action",
            "formatted_name",
            "uom",
            "event_info",
        ],
        "malformed" => &["type", "error"],
        "ignored" => &["type", "reason"],
        "gap" => &["type"],
        other => panic!("{other}"),
    };
    for text in texts {
        assert!(object[*text].is_string(), "{text} in {line}");
    }
    let order: &[&str] = match object["type"].as_str().unwrap() {
        "status" => &["status", "reason"],
        "event" => &[
            "live",
            "seqnum",
            "sid",
            "timestamp",
            "control",
            "action",
            "node_address",
            "formatted_action",
            "formatted_name",
            "uom",
            "precision",
            "event_info",
        ],
        "gap" => &["expected", "got"],
        _ => &[],
    };
    let mut from = 0;
    for member in order {
        let at = line[from..]
            .find(&format!(",\"{member}\":"))
            .unwrap_or_else(|| panic!("{member} is not in its place in {line}"));
        from += at + 1;
    }
}

#[test]
fn the_demo_shows_statuses_in_order_and_live_events() {
    let arguments = [
        "demo",
        "--format",
        "json",
        "--max-events",
        "60",
        "--duration",
        "50",
    ];
    let finished = run(iox(&arguments));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.stdout.lines().for_each(keeps_the_contract);
    let lines = objects(&finished.stdout);
    let statuses: Vec<_> = lines
        .iter()
        .filter_map(|line| line["status"].as_str())
        .collect();
    let expected = [
        "stream_initializing",
        "stream_syncing",
        "connected",
        "disconnected",
    ];
    assert_eq!(statuses, expected);
    let events: Vec<_> = lines
        .iter()
        .filter(|line| line["type"] == "event")
        .collect();
    assert_eq!(events.len(), 60);
    assert!(events.iter().any(|event| event["live"] == true));
    assert!(lines.iter().all(|line| line["type"] != "gap"));
}

#[test]
fn the_demo_is_readable_and_has_no_colour_in_a_pipe() {
    let finished = run(iox(&["demo", "--max-events", "55", "--duration", "50"]));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for word in [
        "stream_syncing",
        "replay",
        "connected",
        "Status",
        "disconnected",
    ] {
        assert!(finished.stdout.contains(word), "{finished:?}");
    }
    assert!(!finished.stdout.contains('\u{1b}'), "{finished:?}");
}

#[test]
fn max_events_is_exact() {
    let house = House::lively();
    for count in [1, 7, 200] {
        for format in ["json", "text"] {
            let number = count.to_string();
            let finished = run(watch(
                &house.url,
                &["--max-events", &number, "--format", format, "--all"],
            ));
            assert_eq!(finished.code, Some(0), "{finished:?}");
            let lines = finished.stdout.lines();
            let statuses = [
                "initializing",
                "syncing",
                "connected  after",
                "disconnected",
                "\"connected\"",
            ];
            let events = lines.filter(|line| !statuses.iter().any(|status| line.contains(status)));
            assert_eq!(events.count(), count, "{finished:?}");
        }
    }
}

#[test]
fn every_line_of_a_troubled_stream_keeps_the_contract() {
    let house = House::quiet();
    let running = Running::start(watch(&house.url, &["--format", "json"]));
    running.wait_for_status("connected");
    let control = house.control();
    control.shift_seqnum(5);
    house.switch("255");
    let gap = running.wait_for(r#""type":"gap""#);
    keeps_the_contract(&gap);
    keeps_the_contract(&running.line());
    control.send_text("<Event seqnum=");
    keeps_the_contract(&running.wait_for(r#""type":"malformed""#));
    control.send_text(r#"{"type":"spolisy"}"#);
    let ignored = running.wait_for(r#""type":"ignored""#);
    assert_eq!(
        without_time(&ignored),
        r#"{"type":"ignored","reason":"a message of type spolisy"}"#
    );
    control.send_text_bytes(b"<Event><control>ST</control><node>caf\xe9</node></Event>");
    let replaced = running.wait_for("caf\u{fffd}");
    keeps_the_contract(&replaced);
    running.stop();
}

#[test]
fn the_format_none_shows_the_counts() {
    let house = House::quiet();
    let replay = house.control().replay_frames();
    let finished = run(watch(
        &house.url,
        &["--format", "none", "--max-events", "5"],
    ));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(replay > 5);
    assert!(finished.stdout.contains("events (") && finished.stdout.contains("0 gaps"));
}

#[test]
fn a_recording_gives_the_same_output_as_the_watch() {
    let house = House::lively();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.jsonl");
    let path = path.to_str().unwrap();
    let arguments = ["--format", "json", "--max-events", "150", "--record", path];
    let watched = run(watch(&house.url, &arguments));
    assert_eq!(watched.code, Some(0), "{watched:?}");
    let shown = events_as_replayed(&watched.stdout);
    assert_eq!(shown.len(), 150);

    let decoded = run(iox(&["decode", "--format", "json", path]));
    let decoded = events_as_replayed(&decoded.stdout);
    assert_eq!(decoded[..150], shown);

    // The same with a simulated controller that replays it.
    let simulator = Running::start(iox(&["simulate", "--replay", path, "--speed", "1000"]));
    let url = simulator.wait_for("url ");
    let url = url.split_whitespace().last().unwrap();
    let played = run(watch(url, &["--format", "json", "--max-events", "150"]));
    assert_eq!(events_as_replayed(&played.stdout), shown);
    assert!(!played.stdout.contains("\"gap\""));
    simulator.stop();
}

/// Returns the events, all marked as replayed.
fn events_as_replayed(stdout: &str) -> Vec<String> {
    stdout
        .lines()
        .filter(|line| line.starts_with(r#"{"type":"event""#))
        .map(|line| without_time(line).replacen(r#""live":true"#, r#""live":false"#, 1))
        .collect()
}
