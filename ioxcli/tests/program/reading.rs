//! Output for people and scripts: values, hidden events, filters and local times.

use std::process::Command;

use ioxsim::{Event, ServerOptions};
use serde_json::json;

use crate::house::House;
use crate::iox::{Finished, Running, iox, objects, run, run_with_input, watch, without_time};

/// Starts a controller that sends these frames.
fn playing(frames: &[&str]) -> House {
    let lines = frames.iter().map(|frame| {
        json!({"direction": "receive", "opcode": 1, "time": 1.0, "data": frame}).to_string()
    });
    let lines: Vec<_> = lines.collect();
    House::start(ServerOptions::of(
        ioxsim::Recording::parse(&lines.join("\n")).unwrap(),
    ))
}

fn frame(control: &str, action: &str, node: &str) -> String {
    format!("<Event><control>{control}</control>{action}<node>{node}</node></Event>")
}

fn state(url: &str, arguments: &[&str]) -> Finished {
    let mut command = iox(&[
        "state",
        url,
        "--username",
        "admin",
        "--no-names",
        "--drain-quiet",
        "0.3",
    ]);
    command.args(arguments).env("IOX_PASSWORD", "admin");
    run(command)
}

fn decode(format: &str, input: &str) -> String {
    let finished = run_with_input(iox(&["decode", "--format", format]), input.as_bytes());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.stdout
}

#[test]
fn every_output_shows_the_same_value() {
    for (action, number, unit, text) in [
        (
            r#"<action uom="17" prec="1">721</action>"#,
            json!(72.1),
            "°F",
            "72.1°F",
        ),
        (r#"<action uom="101">136</action>"#, json!(68), "°", "68.0°"),
        (
            r#"<action uom="98">5</action>"#,
            json!(5),
            "",
            "Program Auto",
        ),
        (r#"<action uom="99">8</action>"#, json!(8), "", "Auto"),
        (r#"<action uom="100">153</action>"#, json!(153), "", "60%"),
        (
            r#"<action uom="0" prec="-1">255</action>"#,
            json!(255),
            "",
            "255",
        ),
        ("<action></action>", json!(null), "", "unknown"),
    ] {
        let frame = frame("GV1", action, "n1");
        let line = &objects(&decode("json", &frame))[0];
        assert_eq!(
            (&line["value"], line["unit"].as_str(), line["text"].as_str()),
            (&number, Some(unit), Some(text))
        );
        assert!(decode("text", &frame).ends_with(&format!("GV1           {text}")));
        assert_eq!(decode("value", &frame), text);
        let house = playing(&[&frame]);
        let output = state(&house.url, &["--format", "json"]);
        let property = &objects(&output.stdout)[0]["nodes"]["n1"]["GV1"];
        assert_eq!(
            (
                &property["value"],
                property["unit"].as_str(),
                property["text"].as_str()
            ),
            (&number, Some(unit), Some(text))
        );
        let output = state(&house.url, &[]);
        assert!(
            output.stdout.contains(&format!("GV1            {text}")),
            "{output:?}"
        );
    }
}

#[test]
fn commands_are_shown_in_words_and_are_not_properties() {
    for (control, text) in [
        ("DON", "On"),
        ("DFON", "Fast On"),
        ("FDSTOP", "Fade Stop"),
        ("BRT", "Brighten"),
    ] {
        let frame = frame(control, "<action>0</action>", "n1");
        let line = &objects(&decode("json", &frame))[0];
        assert_eq!(
            (line["kind"].as_str(), line["text"].as_str()),
            (Some("command"), Some(text))
        );
        assert!(decode("text", &frame).ends_with(&format!("n1              {text}")));
    }
    let lamp = frame("ST", "<action>0</action>", "n1");
    let house = playing(&[&lamp, &frame("DON", "<action>0</action>", "n1")]);
    let output = state(&house.url, &[]);
    assert!(
        output.stdout.contains("ST") && !output.stdout.contains("DON"),
        "{output:?}"
    );
}

#[test]
fn panels_and_weather_are_shown_in_words() {
    for (control, action, info, text) in [
        (
            "_19",
            "2",
            "<ae type='3' area='2' val='0'/>",
            "ELK area 2 armed state: disarmed",
        ),
        (
            "_19",
            "3",
            "<ze type='51' zone='7' val='2'/>",
            "ELK zone 7 logical state: violated",
        ),
        (
            "_11",
            "1",
            "<value>71.3</value><unit>F</unit>",
            "climate temperature 71.3 F",
        ),
        (
            "_11",
            "100",
            "<value>2026/05/06 08:02:00</value><unit></unit>",
            "climate time 2026/05/06 08:02:00",
        ),
        (
            "_13",
            "2",
            r#"<channel id="1"/><watts>120</watts>"#,
            "energy monitor 2: id 1, watts 120",
        ),
        (
            "_23",
            "1",
            "<PortalStatus isConnected='1' isRegistered='1'/>",
            "portal connected, registered",
        ),
    ] {
        let frame = format!(
            "<Event><control>{control}</control><action>{action}</action><node></node><eventInfo>{info}</eventInfo></Event>"
        );
        let shown = decode("text", &frame);
        assert!(shown.ends_with(text), "{shown}");
    }
}

#[test]
fn frames_with_common_defects_are_delivered() {
    let nul = "<Event><control>ST</control><action>255</action><node>n1</node><fmtName>Status\0</fmtName></Event>";
    let shown = decode("json", nul);
    assert_eq!(objects(&shown)[0]["formatted_name"], "Status\u{fffd}");
    let two = format!(
        "{}<?xml version='1.0'?>{}",
        frame("ST", "<action>1</action>", "n1"),
        frame("ST", "<action>2</action>", "n2")
    );
    let shown = objects(&decode("json", &two));
    assert_eq!(
        (shown[0]["action"].as_str(), shown[1]["action"].as_str()),
        (Some("1"), Some("2"))
    );
    let house = House::quiet();
    let running = Running::start(watch(&house.url, &["--format", "json"]));
    running.wait_for_status("connected");
    house.control().send_text(&two);
    running.wait_for(r#""node_address":"n1""#);
    running.wait_for(r#""node_address":"n2""#);
    assert!(!running.stop().stdout.contains("malformed"));
}

#[test]
fn internal_events_are_hidden_unless_requested() {
    let house = House::quiet();
    let control = house.control();
    let show = |arguments: &[&str]| {
        let running = Running::start(watch(&house.url, arguments));
        running.wait_for("connected");
        control.emit(&Event::new("_5", "1"));
        control.emit(&Event::new("ST", "0").node("42 92 8C 1"));
        control.emit(&Event::new("DON", "0").node("42 92 8C 1"));
        control.emit(&Event::new("DFON", "0").node("42 92 8C 1"));
        control.send_text("null");
        control.emit(&Event::new("ST", "7").node("the last"));
        let mut seen = vec![];
        loop {
            let line = running.line();
            if line.contains("the last") {
                break;
            }
            seen.push(line);
        }
        running.stop();
        seen.join("\n")
    };
    let quiet = show(&[]);
    assert!(quiet.contains("Fast On"), "{quiet}");
    assert!(
        !quiet.contains("busy") && !quiet.contains("ignored"),
        "{quiet}"
    );
    assert_eq!(quiet.lines().count(), 2, "{quiet}");
    let all = show(&["--all"]);
    for part in ["system busy", "Fast On", "ignored", "  On"] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let named = show(&["--control", "_5", "--control", "ST", "--live-only"]);
    assert_eq!(named.lines().count(), 2, "{named}");
    assert!(named.contains("system busy"), "{named}");
    let without = show(&["--all", "--not-control", "_5"]);
    assert!(
        !without.contains("busy") && without.contains("Fast On"),
        "{without}"
    );
    // JSON is complete.
    let json = show(&["--format", "json"]);
    assert!(json.contains(r#""control":"_5""#) && json.contains(r#""type":"ignored""#));
}

#[test]
fn a_node_is_found_in_any_spelling_and_a_missing_one_is_reported() {
    let lamp = frame("ST", "<action>0</action>", "1A 2B 3C 1");
    let house = playing(&[&lamp, &frame("ST", "<action>0</action>", "n001_porch")]);
    for written in ["1a.2b.3c.1", "1A 2B 3C", "1a:2b:3c:01"] {
        let output = state(&house.url, &["--node", written]);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(output.stdout.contains("1A 2B 3C 1") && !output.stdout.contains("porch"));
    }
    let output = state(&house.url, &["--node", "1A 2B 3C 2"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output
            .stderr
            .contains(r#"no node matches "1A 2B 3C 2"; similar: "1A 2B 3C 1""#),
        "{output:?}"
    );

    let arguments = [
        "--node",
        "1A 2B 3C 2",
        "--node",
        "1a 2b 3c 1",
        "--duration",
        "4",
    ];
    let watched = run(watch(&house.url, &arguments));
    assert_eq!(watched.code, Some(0), "{watched:?}");
    assert_eq!(
        watched.stderr.matches("no node matches").count(),
        1,
        "{watched:?}"
    );
}

#[test]
fn a_script_can_select_only_events_or_values_or_changes() {
    let house = House::quiet();
    let watch = |arguments: &[&str], values: &[&str]| {
        let common = ["--live-only", "--control", "ST", "--max-events", "4"];
        let running = Running::start(watch(&house.url, &[&common, arguments].concat()));
        let mut values = values.iter().cycle();
        let finished = running.finish_while(|| house.switch(values.next().unwrap()));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished.stdout
    };
    let events = watch(&["--format", "json", "--only", "events"], &["7"]);
    let kinds: Vec<_> = objects(&events)
        .iter()
        .map(|line| line["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["event"; 4], "{events}");
    let values = watch(&["--format", "value"], &["128"]);
    assert_eq!(values, "50%\n50%\n50%\n50%");
    let changes = watch(
        &["--format", "value", "--changes-only"],
        &["255", "255", "0", "0", "0"],
    );
    let (first, second) = if changes.starts_with("On") {
        ("On", "Off")
    } else {
        ("Off", "On")
    };
    assert_eq!(changes, format!("{first}\n{second}\n{first}\n{second}"));
}

#[test]
fn decode_reads_the_lines_of_watch() {
    let house = House::quiet();
    let watched = run(watch(
        &house.url,
        &["--format", "json", "--max-events", "20"],
    ));
    let again = decode("json", &watched.stdout);
    assert_eq!(again, watched.stdout.trim_end());
    let text = decode("text", &watched.stdout);
    assert!(text.contains("connected"), "{text}");
    assert!(
        !text.contains("ignored") && !text.contains("malformed"),
        "{text}"
    );
}

#[test]
fn decode_shows_the_time_of_the_recording() {
    let recorded = json!({"direction": "receive", "opcode": 1, "time": 1_778_032_361.901, "data": frame("ST", "<action>1</action>", "n1")});
    let line = &objects(&decode("json", &recorded.to_string()))[0];
    assert_eq!(line["time"], "2026-05-06T01:52:41.901Z");
    let line = &objects(&decode("json", &frame("ST", "<action>1</action>", "n1")))[0];
    assert!(line["time"].is_null());
}

#[test]
fn frames_are_found_in_logs_and_over_several_lines() {
    let logged = format!(
        "2026-05-06 DEBUG received {}",
        frame("ST", "<action>1</action>", "n1")
    );
    let pretty = "<?xml version=\"1.0\"?>\n<Event>\n  <control>ST</control>\n  <node>n2</node>\n</Event>\nnothing here\n";
    let shown = objects(&decode("json", &format!("{logged}\n{pretty}")));
    let nodes: Vec<_> = shown
        .iter()
        .map(|line| line["node_address"].as_str())
        .collect();
    assert_eq!(nodes, [Some("n1"), Some("n2"), None]);
    assert_eq!(shown[2]["error"], "it contains no frame");
}

#[test]
fn an_existing_recording_is_not_overwritten_silently() {
    let house = House::quiet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.jsonl");
    let record = |more: &[&str]| {
        let path = path.to_str().unwrap();
        run(watch(
            &house.url,
            &[&["--record", path, "--max-events", "5"], more].concat(),
        ))
    };
    assert_eq!(record(&[]).code, Some(0));
    let first = std::fs::read_to_string(&path).unwrap();
    let refused = record(&[]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--append") && refused.stderr.contains("--overwrite"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    // The last line of a recording may be truncated.
    std::fs::write(&path, first.trim_end()).unwrap();
    assert_eq!(record(&["--append"]).code, Some(0));
    let both = std::fs::read_to_string(&path).unwrap();
    assert!(both.starts_with(&first) && both.len() > first.len());
    assert_eq!(record(&["--overwrite"]).code, Some(0));
    assert!(std::fs::read_to_string(&path).unwrap().len() < both.len());
    let named = folder.path().join("at-%F.jsonl");
    let finished = run(watch(
        &house.url,
        &["--record", named.to_str().unwrap(), "--max-events", "1"],
    ));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let names = std::fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        names.iter().any(|name| {
            let name = name.to_str().unwrap();
            name.len() == "at-2026-05-06.jsonl".len() && name.starts_with("at-2")
        }),
        "{names:?}"
    );
}

#[test]
fn times_are_shown_in_local_time() {
    let stamped = "<Event timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>ST</control><action>1</action><node>n1</node></Event>";
    let show = |zone: &str| {
        let mut command: Command = iox(&["decode"]);
        command.env("TZ", zone);
        run_with_input(command, stamped.as_bytes()).stdout
    };
    assert!(show("UTC0").starts_with("2026-05-06 01:52:41  n1"));
    assert!(show("<+02>-2").starts_with("2026-05-06 03:52:41  n1"));
    let line = without_time(&decode("json", stamped));
    assert!(line.contains("18:52:41.875777-07:00"), "{line}");
}
