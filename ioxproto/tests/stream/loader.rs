//! The names of the house that the stream reads by itself.

use ioxproto::names::{NamesPart, NamesRead};
use ioxproto::rest::{self, CallProblem};
use ioxproto::{Config, Failure, FailureKind, Notification, ReadNames, Status};

use crate::harness::{Done, Harness, seconds};
use crate::portal::{LOGIN, REFRESH};

const NODES: &str = r#"<nodes><node><address>1 1 1 1</address><name>Lamp</name></node></nodes>"#;
const PROGRAMS: &str = r#"<programs><program id="8D"><name>Dusk</name></program></programs>"#;
const VARIABLES: &str = r#"<CList><e id="3" name="Guests"/></CList>"#;
const PATHS: [&str; 4] = [
    "/rest/nodes",
    "/rest/programs?subfolders=true",
    "/rest/vars/definitions/1",
    "/rest/vars/definitions/2",
];

fn reading(when: ReadNames) -> Harness {
    Harness::with(|config| config.read_names(when))
}

/// A stream that is connected and has read the names.
fn named() -> Harness {
    let mut harness = reading(ReadNames::AfterConnected).into_connected();
    answer_all(&mut harness);
    harness.notifications.clear();
    harness.sent.clear();
    harness
}

fn answer_all(harness: &mut Harness) {
    harness.answer_call(200, NODES);
    harness.answer_call(200, PROGRAMS);
    harness.answer_call(200, VARIABLES);
    harness.answer_call(404, "");
}

fn paths(harness: &Harness) -> Vec<&str> {
    harness.sent.iter().map(|(_, path)| path.as_str()).collect()
}

/// All readings of the names.
fn read(harness: &Harness) -> Vec<&NamesRead> {
    let mut read = Vec::new();
    for notification in &harness.notifications {
        if let Notification::Names(names) = notification {
            read.push(names);
        }
    }
    read
}

fn lifecycle(harness: &mut Harness, verb: &str, node: &str, info: &str) {
    harness.text(&format!(
        "<Event seqnum=\"1\"><control>_3</control><action>{verb}</action><node>{node}</node><eventInfo>{info}</eventInfo></Event>"
    ));
}

fn trigger(harness: &mut Harness, action: &str, info: &str) {
    harness.text(&format!(
        "<Event seqnum=\"1\"><control>_1</control><action>{action}</action><node></node><eventInfo>{info}</eventInfo></Event>"
    ));
}

fn rename(harness: &mut Harness, name: &str) {
    let info = format!("<newName>{name}</newName>");
    lifecycle(harness, "NN", "1 1 1 1", &info);
}

fn name(read: &NamesRead) -> &str {
    &read.names.node("1 1 1 1").unwrap().name
}

/// Lets time pass while heartbeats arrive.
fn pass_alive(harness: &mut Harness, duration: u32) {
    for _ in 0..duration {
        harness.pass(1.0);
        harness.drain();
        harness.event(1, "_0", "90", "");
    }
}

#[test]
fn names_are_read_after_connected_by_calls_that_the_caller_does_not_see() {
    let mut harness = reading(ReadNames::AfterConnected).into_syncing();
    assert!(harness.sent.is_empty());
    harness.pass(1.0);
    harness.drain();
    assert_eq!(harness.stream.status(), Status::Connected);
    assert_eq!(paths(&harness), PATHS[..1]);
    harness.answer_call(200, NODES);
    assert_eq!(paths(&harness), PATHS);
    harness.answer_call(200, PROGRAMS);
    harness.answer_call(200, VARIABLES);
    assert!(read(&harness).is_empty());
    harness.answer_call(404, "");
    let names = read(&harness)[0];
    assert!(names.is_complete());
    assert_eq!(names.names.node("01.01.01.01").unwrap().name, "Lamp");
    assert_eq!(names.names.programs().count(), 1);
    assert_eq!(names.names.variables().count(), 1);
    assert!(harness.calls_done.is_empty());
    assert!(!harness.stream.has_calls());
}

#[test]
fn without_the_option_nothing_is_read() {
    let mut harness = Harness::connected();
    lifecycle(&mut harness, "AA", "1 1 1 1", "");
    harness.event(2, "ST", "1", "9 9 9 1");
    harness.pass(40.0);
    assert!(harness.sent.is_empty());
}

#[test]
fn names_are_read_before_the_subscription_without_other_statuses() {
    let mut harness = reading(ReadNames::BeforeSubscribing);
    harness.start();
    assert!(harness.attempts.is_empty());
    assert_eq!(harness.statuses(), ["stream_initializing"]);
    answer_all(&mut harness);
    assert_eq!(read(&harness).len(), 1);
    assert_eq!(harness.attempts.len(), 1, "then it connects");
    harness.accept();
    harness.pass(1.0);
    harness.drain();
    let expected = ["stream_initializing", "stream_syncing", "connected"];
    assert_eq!(harness.statuses(), expected);
    harness.pass(30.0);
    harness.drain();
    assert_eq!(harness.sent.len(), 4, "they are fresh");
}

#[test]
fn the_subscription_waits_ten_seconds_for_names_and_continues_without_them() {
    let mut harness = reading(ReadNames::BeforeSubscribing);
    harness.start();
    harness.answer_call(200, NODES);
    harness.pass(9.9);
    harness.drain();
    assert!(harness.attempts.is_empty());
    harness.pass(0.2);
    harness.drain();
    assert_eq!(harness.attempts, [seconds(10.0)]);
    let names = read(&harness)[0];
    assert_eq!(name(names), "Lamp", "what came in time is kept");
    let error = names.error(NamesPart::Programs).unwrap();
    assert!(matches!(error.problem, CallProblem::TimedOut { .. }));
    assert!(harness.gets.is_empty(), "abandoned");
    assert!(harness.done.contains(&Done::Abandon));
}

#[test]
fn a_reading_of_a_lost_connection_ends_before_the_next_begins() {
    let mut harness = reading(ReadNames::BeforeSubscribing);
    harness.start();
    harness.pass(10.1);
    harness.drain();
    harness.accept();
    harness.become_connected();
    // Thirty seconds after the first reading another one begins, which is not answered.
    for _ in 0..40 {
        if !harness.gets.is_empty() {
            break;
        }
        pass_alive(&mut harness, 1);
    }
    assert!(!harness.gets.is_empty());
    harness.closed();
    harness.pass(1.0);
    harness.drain();
    for _ in 0..8 {
        if !harness.gets.is_empty() {
            harness.answer_call(200, NODES);
        }
    }
    assert!(harness.calls_done.is_empty(), "no call of the caller's");
}

#[test]
fn an_unreachable_controller_does_not_prevent_attempts() {
    let mut harness = reading(ReadNames::BeforeSubscribing);
    harness.start();
    harness.fail_call(Failure::transport(FailureKind::ConnectionRefused, "no"));
    assert_eq!(harness.attempts.len(), 1);
    assert_eq!(read(&harness)[0].missing.len(), 4);
    harness.fail(FailureKind::ConnectionRefused);
    assert_eq!(harness.last_wait(), 1.0);
    harness.pass(1.0);
    harness.drain();
    assert_eq!(
        paths(&harness),
        ["/rest/nodes"; 2],
        "tried again before the next"
    );
}

#[test]
fn a_refused_account_is_tried_once_before_the_subscription_is() {
    let mut harness = reading(ReadNames::BeforeSubscribing);
    harness.start();
    harness.answer_call(401, "");
    assert_eq!((harness.sent.len(), harness.attempts.len()), (1, 1));
    harness.refuse(401, "");
    assert_eq!(harness.stream.status(), Status::ReconnectFailed);
    assert!(!harness.stream.has_calls());
}

#[test]
fn a_stop_before_the_subscription_ends_everything() {
    let mut harness = reading(ReadNames::BeforeSubscribing);
    harness.start();
    harness.stop();
    assert_eq!(harness.stream.status(), Status::Disconnected);
    assert!(harness.gets.is_empty() && !harness.stream.has_calls());
    assert!(read(&harness).is_empty());
    assert_eq!(harness.stream.poll_timeout(harness.now), None);
}

#[test]
fn a_portal_account_signs_in_before_the_names_are_read() {
    let mut harness = Harness::with(|config: Config| {
        let config = config.portal_account("me@example.com", "secret");
        config.read_names(ReadNames::BeforeSubscribing)
    });
    harness.start();
    assert_eq!(harness.posts, [LOGIN]);
    harness.grant("one", 3600.0);
    assert!(harness.get().contains("Authorization: Bearer one."));
    // The token is refused: one renewal for both the names and the subscription.
    harness.answer_call(401, "");
    assert_eq!(harness.posts, [LOGIN, REFRESH]);
    harness.grant("two", 3600.0);
    answer_all(&mut harness);
    assert!(harness.request().contains("Bearer two."));
}

#[test]
fn a_rename_comes_from_the_event_alone() {
    let mut harness = named();
    rename(&mut harness, "Hall lamp");
    pass_alive(&mut harness, 40);
    assert!(harness.sent.is_empty());
}

#[test]
fn an_incomplete_event_leads_to_a_reading_two_seconds_after_the_last_one() {
    let mut harness = named();
    pass_alive(&mut harness, 60);
    lifecycle(&mut harness, "AA", "1 1 1 1", "");
    harness.pass(1.5);
    lifecycle(&mut harness, "FD", "7", "");
    harness.pass(1.9);
    harness.drain();
    assert!(harness.sent.is_empty());
    harness.pass(0.2);
    harness.drain();
    assert_eq!(paths(&harness), PATHS[..1]);
    answer_all(&mut harness);
    assert_eq!(read(&harness).len(), 1);
}

#[test]
fn readings_begin_thirty_seconds_apart_at_least() {
    let mut harness = named();
    lifecycle(&mut harness, "AA", "1 1 1 1", "");
    harness.pass(29.0);
    harness.drain();
    assert!(harness.sent.is_empty());
    harness.pass(1.1);
    harness.drain();
    assert_eq!(harness.sent.len(), 1);
}

#[test]
fn endless_changes_do_not_postpone_a_reading_for_ever() {
    let mut harness = named();
    pass_alive(&mut harness, 60);
    for _ in 0..32 {
        lifecycle(&mut harness, "AA", "1 1 1 1", "");
        harness.pass(1.0);
        harness.drain();
    }
    assert_eq!(harness.sent.len(), 1);
}

#[test]
fn a_variable_table_and_a_new_poll_lead_to_a_reading() {
    for (action, info) in [("9", r#"<var type="1" id="0"/>"#), ("1", "")] {
        let mut harness = named();
        pass_alive(&mut harness, 60);
        trigger(&mut harness, action, info);
        harness.pass(2.1);
        harness.drain();
        assert_eq!(harness.sent.len(), 1, "action {action}");
    }
}

#[test]
fn an_unknown_node_program_or_variable_leads_to_one_reading() {
    let events: [fn(&mut Harness); 3] = [
        |harness| harness.event(5, "ST", "1", "9 9 9 1"),
        |harness| trigger(harness, "0", "<id>8E</id><s>21</s>"),
        |harness| {
            trigger(
                harness,
                "6",
                r#"<var type="1" id="4"><prec>0</prec><val>1</val></var>"#,
            );
        },
    ];
    for event in events {
        let mut harness = named();
        pass_alive(&mut harness, 60);
        event(&mut harness);
        harness.pass(2.1);
        harness.drain();
        assert_eq!(harness.sent.len(), 1);
        answer_all(&mut harness);
        // It is still unknown, and causes no further reading.
        event(&mut harness);
        pass_alive(&mut harness, 60);
        assert_eq!(harness.sent.len(), 4);
    }
}

#[test]
fn a_known_node_program_or_variable_causes_no_reading() {
    let mut harness = named();
    harness.event(5, "ST", "1", "1 1 1 1");
    trigger(&mut harness, "0", "<id>8D</id><s>21</s>");
    trigger(
        &mut harness,
        "6",
        r#"<var type="1" id="3"><prec>0</prec><val>1</val></var>"#,
    );
    pass_alive(&mut harness, 40);
    assert!(harness.sent.is_empty());
}

#[test]
fn a_replayed_lifecycle_event_is_ignored() {
    let mut harness = named();
    harness.closed();
    harness.pass(1.0);
    harness.drain();
    harness.accept();
    rename(&mut harness, "Old name");
    lifecycle(&mut harness, "NR", "1 1 1 1", "");
    harness.pass(1.0);
    pass_alive(&mut harness, 30);
    harness.fail_call(Failure::transport(FailureKind::ConnectionReset, "reset"));
    assert_eq!(name(read(&harness)[0]), "Lamp");
}

#[test]
fn an_event_while_the_names_are_read_is_newer_than_what_was_read() {
    let mut harness = named();
    pass_alive(&mut harness, 60);
    lifecycle(&mut harness, "AA", "1 1 1 1", "");
    harness.pass(2.1);
    harness.drain();
    rename(&mut harness, "Hall lamp");
    answer_all(&mut harness);
    assert_eq!(name(read(&harness)[0]), "Hall lamp");
}

#[test]
fn names_are_read_again_after_an_outage() {
    let mut harness = named();
    pass_alive(&mut harness, 60);
    harness.closed();
    harness.pass(1.0);
    harness.drain();
    harness.accept();
    assert!(harness.sent.is_empty());
    harness.pass(1.0);
    harness.drain();
    assert_eq!(harness.sent.len(), 1);
}

#[test]
fn a_failed_reading_keeps_the_names_and_is_repeated_after_growing_waits() {
    let mut harness = named();
    pass_alive(&mut harness, 60);
    lifecycle(&mut harness, "AA", "1 1 1 1", "");
    harness.pass(2.1);
    harness.drain();
    let began = harness.sent[0].0;
    for _ in 0..3 {
        harness.fail_call(Failure::transport(FailureKind::ConnectionReset, "reset"));
        let last = read(&harness).pop().unwrap();
        assert_eq!((name(last), last.missing.len()), ("Lamp", 4));
        let before = harness.sent.len();
        while harness.sent.len() == before {
            pass_alive(&mut harness, 1);
        }
    }
    let since: Vec<u64> = harness
        .sent
        .iter()
        .map(|(at, _)| (*at - began).as_secs())
        .collect();
    assert_eq!(since, [0, 30, 90, 210]);
}

#[test]
fn a_partial_reading_keeps_the_rest() {
    let mut harness = named();
    pass_alive(&mut harness, 60);
    lifecycle(&mut harness, "AA", "1 1 1 1", "");
    harness.pass(2.1);
    harness.drain();
    harness.answer_call(200, &NODES.replace("Lamp", "Hall lamp"));
    harness.answer_call(200, "<html>busy</html>");
    harness.answer_call(200, VARIABLES);
    harness.answer_call(404, "");
    let names = read(&harness)[0];
    assert_eq!(name(names), "Hall lamp");
    assert_eq!(names.names.programs().count(), 1, "known from before");
    assert_eq!(names.missing.len(), 1);
    assert_eq!(names.missing[0].part, NamesPart::Programs);
    // The call was answered: a repeat would give the same result.
    pass_alive(&mut harness, 60);
    assert_eq!(harness.sent.len(), 4);
}

#[test]
fn the_limit_of_calls_does_not_apply_to_the_streams_own() {
    let mut harness = Harness::with(|config| {
        let config = config.read_names(ReadNames::AfterConnected);
        config.max_calls(1)
    })
    .into_connected();
    answer_all(&mut harness);
    assert!(read(&harness)[0].is_complete());
    let id = harness.call(rest::status());
    assert!(!harness.is_over(id));
}

#[test]
fn reading_names_does_not_delay_the_heartbeat_deadline_or_a_reconnect() {
    let mut plain = Harness::connected();
    let mut reads = reading(ReadNames::AfterConnected).into_connected();
    for harness in [&mut plain, &mut reads] {
        harness.pass(75.9);
        harness.drain();
        assert_eq!(harness.stream.status(), Status::Connected);
        harness.pass(0.2);
        harness.drain();
        assert_eq!(harness.stream.status(), Status::LostConnection);
        assert_eq!(harness.last_wait(), 1.0);
        harness.pass(1.0);
        harness.drain();
        assert_eq!(harness.attempts.len(), 2);
    }
    assert_eq!(plain.attempts, reads.attempts);
}

#[test]
fn names_are_delivered_in_order_with_the_events() {
    let mut harness = reading(ReadNames::AfterConnected).into_connected();
    harness.answer_call(200, NODES);
    harness.answer_call(200, PROGRAMS);
    harness.answer_call(200, VARIABLES);
    harness.answer_call(404, "");
    harness.event(3, "ST", "1", "1 1 1 1");
    let kinds: Vec<bool> = harness
        .notifications
        .iter()
        .map(|notification| matches!(notification, Notification::Names(_)))
        .collect();
    assert_eq!(kinds, [true, false]);
}
