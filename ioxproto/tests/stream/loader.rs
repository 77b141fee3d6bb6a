//! The names of the house that the stream reads by itself.

use ioxproto::names::{NamesPart, NamesRead};
use ioxproto::rest::{self, CallProblem};
use ioxproto::{Config, Failure, FailureKind, Notification, ReadNames, Status};
use pretend::{Done, Driver, seconds};

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

fn reading(when: ReadNames) -> Driver {
    Driver::with(|config| config.read_names(when))
}

/// A stream that is connected and has read the names.
fn named() -> Driver {
    let mut driver = reading(ReadNames::AfterConnected).into_connected();
    answer_all(&mut driver);
    driver.notifications.clear();
    driver.sent.clear();
    driver
}

fn answer_all(driver: &mut Driver) {
    driver.answer_call(200, NODES);
    driver.answer_call(200, PROGRAMS);
    driver.answer_call(200, VARIABLES);
    driver.answer_call(404, "");
}

fn paths(driver: &Driver) -> Vec<&str> {
    driver.sent.iter().map(|(_, path)| path.as_str()).collect()
}

/// All readings of the names.
fn read(driver: &Driver) -> Vec<&NamesRead> {
    let mut read = Vec::new();
    for notification in &driver.notifications {
        if let Notification::Names(names) = notification {
            read.push(names);
        }
    }
    read
}

fn lifecycle(driver: &mut Driver, verb: &str, node: &str, info: &str) {
    driver.text(&format!(
        "<Event seqnum=\"1\"><control>_3</control><action>{verb}</action><node>{node}</node><eventInfo>{info}</eventInfo></Event>"
    ));
}

fn trigger(driver: &mut Driver, action: &str, info: &str) {
    driver.text(&format!(
        "<Event seqnum=\"1\"><control>_1</control><action>{action}</action><node></node><eventInfo>{info}</eventInfo></Event>"
    ));
}

fn rename(driver: &mut Driver, name: &str) {
    let info = format!("<newName>{name}</newName>");
    lifecycle(driver, "NN", "1 1 1 1", &info);
}

fn name(read: &NamesRead) -> &str {
    &read.names.node("1 1 1 1").unwrap().name
}

/// Lets time pass while heartbeats arrive.
fn pass_alive(driver: &mut Driver, duration: u32) {
    for _ in 0..duration {
        driver.pass(1.0);
        driver.event(1, "_0", "90", "");
    }
}

#[test]
fn names_are_read_after_connected_by_calls_that_the_caller_does_not_see() {
    let mut driver = reading(ReadNames::AfterConnected).into_syncing();
    assert!(driver.sent.is_empty());
    driver.pass(1.0);
    assert_eq!(driver.status(), Status::Connected);
    assert_eq!(paths(&driver), PATHS[..1]);
    driver.answer_call(200, NODES);
    assert_eq!(paths(&driver), PATHS);
    driver.answer_call(200, PROGRAMS);
    driver.answer_call(200, VARIABLES);
    assert!(read(&driver).is_empty());
    driver.answer_call(404, "");
    let names = read(&driver)[0];
    assert!(names.is_complete());
    assert_eq!(names.names.node("01.01.01.01").unwrap().name, "Lamp");
    assert_eq!(names.names.programs().count(), 1);
    assert_eq!(names.names.variables().count(), 1);
    assert!(driver.calls_done.is_empty());
    assert!(!driver.stream.has_calls());
}

#[test]
fn without_the_option_nothing_is_read() {
    let mut driver = Driver::connected();
    lifecycle(&mut driver, "AA", "1 1 1 1", "");
    driver.event(2, "ST", "1", "9 9 9 1");
    driver.pass(40.0);
    assert!(driver.sent.is_empty());
}

#[test]
fn names_are_read_before_the_subscription_without_other_statuses() {
    let mut driver = reading(ReadNames::BeforeSubscribing);
    driver.start();
    assert!(driver.attempts.is_empty());
    assert_eq!(driver.statuses(), ["stream_initializing"]);
    answer_all(&mut driver);
    assert_eq!(read(&driver).len(), 1);
    assert_eq!(driver.attempts.len(), 1, "then it connects");
    driver.accept();
    driver.pass(1.0);
    let expected = ["stream_initializing", "stream_syncing", "connected"];
    assert_eq!(driver.statuses(), expected);
    driver.pass(30.0);
    assert_eq!(driver.sent.len(), 4, "they are fresh");
}

#[test]
fn the_subscription_waits_ten_seconds_for_names_and_continues_without_them() {
    let mut driver = reading(ReadNames::BeforeSubscribing);
    driver.start();
    driver.answer_call(200, NODES);
    driver.pass(9.9);
    assert!(driver.attempts.is_empty());
    driver.pass(0.2);
    assert_eq!(driver.attempts, [seconds(10.0)]);
    let names = read(&driver)[0];
    assert_eq!(name(names), "Lamp", "what came in time is kept");
    let error = names.error(NamesPart::Programs).unwrap();
    assert!(matches!(error.problem, CallProblem::TimedOut { .. }));
    assert!(driver.gets.is_empty(), "abandoned");
    assert!(driver.done.contains(&Done::Abandon));
}

#[test]
fn a_reading_of_a_lost_connection_ends_before_the_next_begins() {
    let mut driver = reading(ReadNames::BeforeSubscribing);
    driver.start();
    driver.pass(10.1);
    driver.accept();
    driver.become_connected();
    // Thirty seconds after the first reading another one begins, which is not answered.
    for _ in 0..40 {
        if !driver.gets.is_empty() {
            break;
        }
        pass_alive(&mut driver, 1);
    }
    assert!(!driver.gets.is_empty());
    driver.closed();
    driver.pass(1.0);
    for _ in 0..8 {
        if !driver.gets.is_empty() {
            driver.answer_call(200, NODES);
        }
    }
    assert!(driver.calls_done.is_empty(), "no call of the caller's");
}

#[test]
fn an_unreachable_controller_does_not_prevent_attempts() {
    let mut driver = reading(ReadNames::BeforeSubscribing);
    driver.start();
    driver.fail_call(Failure::transport(FailureKind::ConnectionRefused, "no"));
    assert_eq!(driver.attempts.len(), 1);
    assert_eq!(read(&driver)[0].missing.len(), 4);
    driver.fail(FailureKind::ConnectionRefused);
    assert_eq!(driver.last_wait(), 1.0);
    driver.pass(1.0);
    assert_eq!(
        paths(&driver),
        ["/rest/nodes"; 2],
        "tried again before the next"
    );
}

#[test]
fn a_refused_account_is_tried_once_before_the_subscription_is() {
    let mut driver = reading(ReadNames::BeforeSubscribing);
    driver.start();
    driver.answer_call(401, "");
    assert_eq!((driver.sent.len(), driver.attempts.len()), (1, 1));
    driver.refuse(401, "");
    assert_eq!(driver.status(), Status::ReconnectFailed);
    assert!(!driver.stream.has_calls());
}

#[test]
fn a_stop_before_the_subscription_ends_everything() {
    let mut driver = reading(ReadNames::BeforeSubscribing);
    driver.start();
    driver.stop();
    assert_eq!(driver.status(), Status::Disconnected);
    assert!(driver.gets.is_empty() && !driver.stream.has_calls());
    assert!(read(&driver).is_empty());
    assert_eq!(driver.stream.poll_timeout(driver.now), None);
}

#[test]
fn a_portal_account_signs_in_before_the_names_are_read() {
    let mut driver = Driver::with(|config: Config| {
        let config = config.portal_account("me@example.com", "secret");
        config.read_names(ReadNames::BeforeSubscribing)
    });
    driver.start();
    assert_eq!(driver.posts, [LOGIN]);
    driver.grant("one", 3600.0);
    assert!(driver.get().contains("Authorization: Bearer one."));
    // The token is refused: one renewal for both the names and the subscription.
    driver.answer_call(401, "");
    assert_eq!(driver.posts, [LOGIN, REFRESH]);
    driver.grant("two", 3600.0);
    answer_all(&mut driver);
    assert!(driver.request().contains("Bearer two."));
}

#[test]
fn a_rename_comes_from_the_event_alone() {
    let mut driver = named();
    rename(&mut driver, "Hall lamp");
    pass_alive(&mut driver, 40);
    assert!(driver.sent.is_empty());
}

#[test]
fn an_incomplete_event_leads_to_a_reading_two_seconds_after_the_last_one() {
    let mut driver = named();
    pass_alive(&mut driver, 60);
    lifecycle(&mut driver, "AA", "1 1 1 1", "");
    driver.pass(1.5);
    lifecycle(&mut driver, "FD", "7", "");
    driver.pass(1.9);
    assert!(driver.sent.is_empty());
    driver.pass(0.2);
    assert_eq!(paths(&driver), PATHS[..1]);
    answer_all(&mut driver);
    assert_eq!(read(&driver).len(), 1);
}

#[test]
fn readings_begin_thirty_seconds_apart_at_least() {
    let mut driver = named();
    lifecycle(&mut driver, "AA", "1 1 1 1", "");
    driver.pass(29.0);
    assert!(driver.sent.is_empty());
    driver.pass(1.1);
    assert_eq!(driver.sent.len(), 1);
}

#[test]
fn endless_changes_do_not_postpone_a_reading_for_ever() {
    let mut driver = named();
    pass_alive(&mut driver, 60);
    for _ in 0..32 {
        lifecycle(&mut driver, "AA", "1 1 1 1", "");
        driver.pass(1.0);
    }
    assert_eq!(driver.sent.len(), 1);
}

#[test]
fn a_variable_table_and_a_new_poll_lead_to_a_reading() {
    for (action, info) in [("9", r#"<var type="1" id="0"/>"#), ("1", "")] {
        let mut driver = named();
        pass_alive(&mut driver, 60);
        trigger(&mut driver, action, info);
        driver.pass(2.1);
        assert_eq!(driver.sent.len(), 1, "action {action}");
    }
}

#[test]
fn an_unknown_node_program_or_variable_leads_to_one_reading() {
    let events: [fn(&mut Driver); 3] = [
        |driver| driver.event(5, "ST", "1", "9 9 9 1"),
        |driver| trigger(driver, "0", "<id>8E</id><s>21</s>"),
        |driver| {
            trigger(
                driver,
                "6",
                r#"<var type="1" id="4"><prec>0</prec><val>1</val></var>"#,
            );
        },
    ];
    for event in events {
        let mut driver = named();
        pass_alive(&mut driver, 60);
        event(&mut driver);
        driver.pass(2.1);
        assert_eq!(driver.sent.len(), 1);
        answer_all(&mut driver);
        // It is still unknown, and causes no further reading.
        event(&mut driver);
        pass_alive(&mut driver, 60);
        assert_eq!(driver.sent.len(), 4);
    }
}

#[test]
fn a_known_node_program_or_variable_causes_no_reading() {
    let mut driver = named();
    driver.event(5, "ST", "1", "1 1 1 1");
    trigger(&mut driver, "0", "<id>8D</id><s>21</s>");
    trigger(
        &mut driver,
        "6",
        r#"<var type="1" id="3"><prec>0</prec><val>1</val></var>"#,
    );
    pass_alive(&mut driver, 40);
    assert!(driver.sent.is_empty());
}

#[test]
fn a_replayed_lifecycle_event_is_ignored() {
    let mut driver = named();
    driver.closed();
    driver.pass(1.0);
    driver.accept();
    rename(&mut driver, "Old name");
    lifecycle(&mut driver, "NR", "1 1 1 1", "");
    driver.pass(1.0);
    pass_alive(&mut driver, 30);
    driver.fail_call(Failure::transport(FailureKind::ConnectionReset, "reset"));
    assert_eq!(name(read(&driver)[0]), "Lamp");
}

#[test]
fn an_event_while_the_names_are_read_is_newer_than_what_was_read() {
    let mut driver = named();
    pass_alive(&mut driver, 60);
    lifecycle(&mut driver, "AA", "1 1 1 1", "");
    driver.pass(2.1);
    rename(&mut driver, "Hall lamp");
    answer_all(&mut driver);
    assert_eq!(name(read(&driver)[0]), "Hall lamp");
}

#[test]
fn names_are_read_again_after_an_outage() {
    let mut driver = named();
    pass_alive(&mut driver, 60);
    driver.closed();
    driver.pass(1.0);
    driver.accept();
    assert!(driver.sent.is_empty());
    driver.pass(1.0);
    assert_eq!(driver.sent.len(), 1);
}

#[test]
fn a_failed_reading_keeps_the_names_and_is_repeated_after_growing_waits() {
    let mut driver = named();
    pass_alive(&mut driver, 60);
    lifecycle(&mut driver, "AA", "1 1 1 1", "");
    driver.pass(2.1);
    let began = driver.sent[0].0;
    for _ in 0..3 {
        driver.fail_call(Failure::transport(FailureKind::ConnectionReset, "reset"));
        let last = read(&driver).pop().unwrap();
        assert_eq!((name(last), last.missing.len()), ("Lamp", 4));
        let before = driver.sent.len();
        while driver.sent.len() == before {
            pass_alive(&mut driver, 1);
        }
    }
    let since: Vec<u64> = driver
        .sent
        .iter()
        .map(|(at, _)| (*at - began).as_secs())
        .collect();
    assert_eq!(since, [0, 30, 90, 210]);
}

#[test]
fn a_partial_reading_keeps_the_rest() {
    let mut driver = named();
    pass_alive(&mut driver, 60);
    lifecycle(&mut driver, "AA", "1 1 1 1", "");
    driver.pass(2.1);
    driver.answer_call(200, &NODES.replace("Lamp", "Hall lamp"));
    driver.answer_call(200, "<html>busy</html>");
    driver.answer_call(200, VARIABLES);
    driver.answer_call(404, "");
    let names = read(&driver)[0];
    assert_eq!(name(names), "Hall lamp");
    assert_eq!(names.names.programs().count(), 1, "known from before");
    assert_eq!(names.missing.len(), 1);
    assert_eq!(names.missing[0].part, NamesPart::Programs);
    // The call was answered: a repeat would give the same result.
    pass_alive(&mut driver, 60);
    assert_eq!(driver.sent.len(), 4);
}

#[test]
fn the_limit_of_calls_does_not_apply_to_the_streams_own() {
    let mut driver = Driver::with(|config| {
        let config = config.read_names(ReadNames::AfterConnected);
        config.max_calls(1)
    })
    .into_connected();
    answer_all(&mut driver);
    assert!(read(&driver)[0].is_complete());
    let id = driver.call(rest::status());
    assert!(!driver.is_over(id));
}

#[test]
fn reading_names_does_not_delay_the_heartbeat_deadline_or_a_reconnect() {
    let mut plain = Driver::connected();
    let mut reads = reading(ReadNames::AfterConnected).into_connected();
    for driver in [&mut plain, &mut reads] {
        driver.pass(75.9);
        assert_eq!(driver.status(), Status::Connected);
        driver.pass(0.2);
        assert_eq!(driver.status(), Status::LostConnection);
        assert_eq!(driver.last_wait(), 1.0);
        driver.pass(1.0);
        assert_eq!(driver.attempts.len(), 2);
    }
    assert_eq!(plain.attempts, reads.attempts);
}

#[test]
fn names_are_delivered_in_order_with_the_events() {
    let mut driver = reading(ReadNames::AfterConnected).into_connected();
    driver.answer_call(200, NODES);
    driver.answer_call(200, PROGRAMS);
    driver.answer_call(200, VARIABLES);
    driver.answer_call(404, "");
    driver.event(3, "ST", "1", "1 1 1 1");
    let kinds: Vec<bool> = driver
        .notifications
        .iter()
        .map(|notification| matches!(notification, Notification::Names(_)))
        .collect();
    assert_eq!(kinds, [true, false]);
}
