//! The self-audit.

use ioxproto::{Drift, Failure, FailureKind, Notification, Status};

use crate::harness::{Done, Harness, event};

const LAMPS: [&str; 4] = ["1 1 1 1", "2 2 2 1", "3 3 3 1", "4 4 4 1"];
const AGAIN: u32 = 6;
const QUARTER: u32 = 15 * 60 + 1;

/// A stream with the self-audit, in a house of four lamps that are off, when the first audit is
/// due.
fn auditing() -> Harness {
    let mut harness = Harness::with(|config| config.self_audit(true)).into_syncing();
    replay(&mut harness);
    harness.become_connected();
    pass_alive(&mut harness, QUARTER);
    assert_eq!(harness.gets.len(), 1, "one reading of the status");
    harness.notifications.clear();
    harness
}

fn replay(harness: &mut Harness) {
    for node in LAMPS {
        harness.text(&event(1, "ST", "0", node));
    }
}

/// Lets time pass while heartbeats arrive.
fn pass_alive(harness: &mut Harness, duration: u32) {
    for _ in 0..duration {
        harness.pass(1.0);
        harness.drain();
        harness.event(1, "_0", "90", "");
    }
}

/// Lets time pass until the next audit begins.
fn next_audit(harness: &mut Harness) {
    for _ in 0..QUARTER {
        if !harness.gets.is_empty() {
            return;
        }
        pass_alive(harness, 1);
    }
    panic!("no audit");
}

/// Answers the call of the audit.
fn answer(harness: &mut Harness, values: [&str; 4]) {
    let nodes = LAMPS.iter().zip(values).map(|(node, value)| {
        format!("<node id=\"{node}\"><property id=\"ST\" value=\"{value}\" uom=\"\"/></node>")
    });
    let body = format!("<nodes>{}</nodes>", nodes.collect::<String>());
    harness.answer_call(200, &body);
}

/// Answers both calls of an audit that finds differences.
fn answer_twice(harness: &mut Harness, values: [&str; 4]) {
    answer(harness, values);
    pass_alive(harness, AGAIN);
    answer(harness, values);
}

fn drifts(harness: &Harness) -> Vec<&Drift> {
    let mut drifts = Vec::new();
    for notification in &harness.notifications {
        if let Notification::Drift(drift) = notification {
            drifts.push(drift);
        }
    }
    drifts
}

fn nodes(harness: &Harness) -> Vec<&str> {
    drifts(harness).iter().map(|drift| &*drift.node).collect()
}

#[test]
fn without_the_option_nothing_is_audited() {
    let mut harness = Harness::connected();
    pass_alive(&mut harness, QUARTER);
    assert!(harness.sent.is_empty());
}

#[test]
fn values_that_agree_are_read_once_every_quarter_of_an_hour() {
    let mut harness = auditing();
    answer(&mut harness, ["0"; 4]);
    pass_alive(&mut harness, QUARTER - 10);
    assert_eq!(harness.sent.len(), 1);
    pass_alive(&mut harness, 10);
    assert_eq!(harness.sent.len(), 2);
    assert_eq!(harness.sent[1].1, "/rest/status");
    assert!(harness.calls_done.is_empty() && drifts(&harness).is_empty());
}

#[test]
fn a_value_that_differs_twice_is_reported_counted_and_corrected() {
    let mut harness = auditing();
    answer(&mut harness, ["255", "0", "0", "0"]);
    assert!(drifts(&harness).is_empty(), "it is read again first");
    pass_alive(&mut harness, 4);
    assert!(harness.gets.is_empty());
    pass_alive(&mut harness, 2);
    answer(&mut harness, ["255", "0", "0", "0"]);
    assert_eq!(nodes(&harness), ["1 1 1 1"]);
    assert_eq!(drifts(&harness)[0].property.raw(), "255");
    assert_eq!(harness.stats().drifts, 1);
    assert_eq!(harness.stream.status(), Status::Connected);
    // The state was corrected: the next audit finds no difference.
    next_audit(&mut harness);
    answer(&mut harness, ["255", "0", "0", "0"]);
    pass_alive(&mut harness, AGAIN);
    assert!(harness.gets.is_empty());
}

#[test]
fn a_value_that_changes_between_the_readings_is_not_a_drift() {
    let mut harness = auditing();
    answer(&mut harness, ["255", "9", "0", "0"]);
    pass_alive(&mut harness, AGAIN);
    answer(&mut harness, ["0", "10", "0", "0"]);
    assert!(drifts(&harness).is_empty());
}

#[test]
fn an_event_overrides_an_answer() {
    // The event arrives between the two answers.
    let mut harness = auditing();
    answer(&mut harness, ["255", "0", "0", "0"]);
    harness.event(2, "ST", "7", "1 1 1 1");
    pass_alive(&mut harness, AGAIN);
    answer(&mut harness, ["255", "0", "0", "0"]);
    assert!(drifts(&harness).is_empty());
    // The event arrives before the first answer.
    let mut harness = auditing();
    harness.event(2, "ST", "7", "1 1 1 1");
    answer(&mut harness, ["255", "0", "0", "0"]);
    pass_alive(&mut harness, AGAIN);
    assert!(harness.gets.is_empty());
}

#[test]
fn only_known_numeric_values_are_compared() {
    let mut harness = auditing();
    let body = r#"<nodes>
        <node id="01 01 01 1"><property id="ST" value="" uom="0"/><property id="OL" value="7"/></node>
        <node id="2 2 2 1"><property id="ST" value="0" formatted="Off"/></node>
        <node id="9 9 9 1"><property id="ST" value="9"/></node></nodes>"#;
    harness.answer_call(200, body);
    pass_alive(&mut harness, AGAIN);
    assert!(harness.gets.is_empty());
}

#[test]
fn an_address_is_the_same_in_any_spelling() {
    let mut harness = auditing();
    let body = r#"<nodes><node id="01 01 01 1"><property id="ST" value="9"/></node></nodes>"#;
    harness.answer_call(200, body);
    pass_alive(&mut harness, AGAIN);
    harness.answer_call(200, body);
    assert_eq!(nodes(&harness), ["1 1 1 1"]);
}

#[test]
fn three_drifts_at_once_show_that_the_subscription_is_dead() {
    let mut harness = auditing();
    answer_twice(&mut harness, ["255", "255", "0", "0"]);
    assert_eq!(harness.stream.status(), Status::Connected);
    let mut harness = auditing();
    answer_twice(&mut harness, ["255", "255", "255", "0"]);
    assert_eq!(harness.stream.status(), Status::LostConnection);
    assert_eq!(harness.last_reason().code(), "stale_subscription");
    assert_eq!(harness.last_wait(), 1.0);
    assert!(harness.done.contains(&Done::Abort));
    assert_eq!(drifts(&harness).len(), 3, "each drift is reported, too");
}

#[test]
fn a_dead_subscription_is_replaced_once_in_six_hours() {
    let mut harness = auditing();
    answer_twice(&mut harness, ["255", "255", "255", "0"]);
    let reconnect = |harness: &mut Harness| {
        harness.pass(1.0);
        harness.drain();
        harness.accept();
        replay(harness);
        harness.become_connected();
    };
    reconnect(&mut harness);
    // Other values each time, with events in between.
    let mut value = 10;
    let mut lost = 0;
    for _ in 0..25 {
        for node in LAMPS {
            harness.event(2, "ST", "0", node);
        }
        next_audit(&mut harness);
        value += 1;
        // Every other audit finds no difference, so that nothing differs twice in a row.
        if value % 2 == 0 {
            answer(&mut harness, ["0"; 4]);
            continue;
        }
        let text = value.to_string();
        answer_twice(&mut harness, [&text, &text, &text, "0"]);
        if harness.stream.status() == Status::LostConnection {
            lost += 1;
            reconnect(&mut harness);
        }
    }
    assert_eq!(lost, 1, "six hours and a quarter have passed");
}

#[test]
fn a_value_that_differs_again_is_reported_once_more_and_then_left_out() {
    let mut harness = auditing();
    answer_twice(&mut harness, ["255", "0", "0", "0"]);
    next_audit(&mut harness);
    answer_twice(&mut harness, ["9", "0", "0", "0"]);
    assert_eq!(drifts(&harness).len(), 2);
    next_audit(&mut harness);
    answer(&mut harness, ["8", "0", "0", "0"]);
    pass_alive(&mut harness, AGAIN);
    assert!(harness.gets.is_empty(), "left out");
    // An event of the node includes it in the audit again.
    harness.event(2, "ST", "0", "1 1 1 1");
    next_audit(&mut harness);
    answer_twice(&mut harness, ["8", "0", "0", "0"]);
    assert_eq!(drifts(&harness).len(), 3);
}

#[test]
fn a_failed_reading_is_not_repeated_before_the_next_audit() {
    let mut harness = auditing();
    harness.fail_call(Failure::transport(FailureKind::ConnectionReset, "reset"));
    pass_alive(&mut harness, QUARTER);
    assert_eq!(harness.sent.len(), 2);
    answer(&mut harness, ["255", "0", "0", "0"]);
    pass_alive(&mut harness, AGAIN);
    harness.answer_call(200, "<html>log in</html>");
    assert!(drifts(&harness).is_empty());
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn an_audit_ends_with_its_connection() {
    let mut harness = auditing();
    answer(&mut harness, ["255", "0", "0", "0"]);
    harness.closed();
    harness.pass(1.0);
    harness.drain();
    harness.accept();
    harness.become_connected();
    pass_alive(&mut harness, 60);
    assert!(harness.gets.is_empty());
    // The next audit is due at its usual time.
    next_audit(&mut harness);
    // The connection ends while the call is in flight.
    harness.closed();
    assert!(harness.gets.is_empty() && !harness.stream.has_calls());
}
