//! The self-audit.

use ioxproto::{Drift, Failure, FailureKind, Notification, Status};
use pretend::{Done, Driver, event};

const LAMPS: [&str; 4] = ["1 1 1 1", "2 2 2 1", "3 3 3 1", "4 4 4 1"];
const AGAIN: u32 = 6;
const QUARTER: u32 = 15 * 60 + 1;

/// A stream with the self-audit, in a house of four lamps that are off, when the first audit is
/// due.
fn auditing() -> Driver {
    let mut driver = Driver::with(|config| config.self_audit(true)).into_syncing();
    replay(&mut driver);
    driver.become_connected();
    pass_alive(&mut driver, QUARTER);
    assert_eq!(driver.gets.len(), 1, "one reading of the status");
    driver.notifications.clear();
    driver
}

fn replay(driver: &mut Driver) {
    for node in LAMPS {
        driver.text(&event(1, "ST", "0", node));
    }
}

/// Lets time pass while heartbeats arrive.
fn pass_alive(driver: &mut Driver, duration: u32) {
    for _ in 0..duration {
        driver.pass(1.0);
        driver.event(1, "_0", "90", "");
    }
}

/// Lets time pass until the next audit begins.
fn next_audit(driver: &mut Driver) {
    for _ in 0..QUARTER {
        if !driver.gets.is_empty() {
            return;
        }
        pass_alive(driver, 1);
    }
    panic!("no audit");
}

/// Answers the call of the audit.
fn answer(driver: &mut Driver, values: [&str; 4]) {
    let nodes = LAMPS.iter().zip(values).map(|(node, value)| {
        format!("<node id=\"{node}\"><property id=\"ST\" value=\"{value}\" uom=\"\"/></node>")
    });
    let body = format!("<nodes>{}</nodes>", nodes.collect::<String>());
    driver.answer_call(200, &body);
}

/// Answers both calls of an audit that finds differences.
fn answer_twice(driver: &mut Driver, values: [&str; 4]) {
    answer(driver, values);
    pass_alive(driver, AGAIN);
    answer(driver, values);
}

fn drifts(driver: &Driver) -> Vec<&Drift> {
    let mut drifts = Vec::new();
    for notification in &driver.notifications {
        if let Notification::Drift(drift) = notification {
            drifts.push(drift);
        }
    }
    drifts
}

fn nodes(driver: &Driver) -> Vec<&str> {
    drifts(driver).iter().map(|drift| &*drift.node).collect()
}

#[test]
fn without_the_option_nothing_is_audited() {
    let mut driver = Driver::connected();
    pass_alive(&mut driver, QUARTER);
    assert!(driver.sent.is_empty());
}

#[test]
fn values_that_agree_are_read_once_every_quarter_of_an_hour() {
    let mut driver = auditing();
    answer(&mut driver, ["0"; 4]);
    pass_alive(&mut driver, QUARTER - 10);
    assert_eq!(driver.sent.len(), 1);
    pass_alive(&mut driver, 10);
    assert_eq!(driver.sent.len(), 2);
    assert_eq!(driver.sent[1].1, "/rest/status");
    assert!(driver.calls_done.is_empty() && drifts(&driver).is_empty());
}

#[test]
fn a_value_that_differs_twice_is_reported_counted_and_corrected() {
    let mut driver = auditing();
    answer(&mut driver, ["255", "0", "0", "0"]);
    assert!(drifts(&driver).is_empty(), "it is read again first");
    pass_alive(&mut driver, 4);
    assert!(driver.gets.is_empty());
    pass_alive(&mut driver, 2);
    answer(&mut driver, ["255", "0", "0", "0"]);
    assert_eq!(nodes(&driver), ["1 1 1 1"]);
    assert_eq!(drifts(&driver)[0].property.raw(), "255");
    assert_eq!(driver.stats().drifts, 1);
    assert_eq!(driver.status(), Status::Connected);
    // The state was corrected: the next audit finds no difference.
    next_audit(&mut driver);
    answer(&mut driver, ["255", "0", "0", "0"]);
    pass_alive(&mut driver, AGAIN);
    assert!(driver.gets.is_empty());
}

#[test]
fn a_value_that_changes_between_the_readings_is_not_a_drift() {
    let mut driver = auditing();
    answer(&mut driver, ["255", "9", "0", "0"]);
    pass_alive(&mut driver, AGAIN);
    answer(&mut driver, ["0", "10", "0", "0"]);
    assert!(drifts(&driver).is_empty());
}

#[test]
fn an_event_overrides_an_answer() {
    // The event arrives between the two answers.
    let mut driver = auditing();
    answer(&mut driver, ["255", "0", "0", "0"]);
    driver.event(2, "ST", "7", "1 1 1 1");
    pass_alive(&mut driver, AGAIN);
    answer(&mut driver, ["255", "0", "0", "0"]);
    assert!(drifts(&driver).is_empty());
    // The event arrives before the first answer.
    let mut driver = auditing();
    driver.event(2, "ST", "7", "1 1 1 1");
    answer(&mut driver, ["255", "0", "0", "0"]);
    pass_alive(&mut driver, AGAIN);
    assert!(driver.gets.is_empty());
}

#[test]
fn only_known_numeric_values_are_compared() {
    let mut driver = auditing();
    let body = r#"<nodes>
        <node id="01 01 01 1"><property id="ST" value="" uom="0"/><property id="OL" value="7"/></node>
        <node id="2 2 2 1"><property id="ST" value="0" formatted="Off"/></node>
        <node id="9 9 9 1"><property id="ST" value="9"/></node></nodes>"#;
    driver.answer_call(200, body);
    pass_alive(&mut driver, AGAIN);
    assert!(driver.gets.is_empty());
}

#[test]
fn an_address_is_the_same_in_any_spelling() {
    let mut driver = auditing();
    let body = r#"<nodes><node id="01 01 01 1"><property id="ST" value="9"/></node></nodes>"#;
    driver.answer_call(200, body);
    pass_alive(&mut driver, AGAIN);
    driver.answer_call(200, body);
    assert_eq!(nodes(&driver), ["1 1 1 1"]);
}

#[test]
fn three_drifts_at_once_show_that_the_subscription_is_dead() {
    let mut driver = auditing();
    answer_twice(&mut driver, ["255", "255", "0", "0"]);
    assert_eq!(driver.status(), Status::Connected);
    let mut driver = auditing();
    answer_twice(&mut driver, ["255", "255", "255", "0"]);
    assert_eq!(driver.status(), Status::LostConnection);
    assert_eq!(driver.last_reason().code(), "stale_subscription");
    assert_eq!(driver.last_wait(), 1.0);
    assert!(driver.done.contains(&Done::Abort));
    assert_eq!(drifts(&driver).len(), 3, "each drift is reported, too");
}

#[test]
fn a_dead_subscription_is_replaced_once_in_six_hours() {
    let mut driver = auditing();
    answer_twice(&mut driver, ["255", "255", "255", "0"]);
    let reconnect = |driver: &mut Driver| {
        driver.pass(1.0);
        driver.accept();
        replay(driver);
        driver.become_connected();
    };
    reconnect(&mut driver);
    // Other values each time, with events in between.
    let mut value = 10;
    let mut lost = 0;
    for _ in 0..25 {
        for node in LAMPS {
            driver.event(2, "ST", "0", node);
        }
        next_audit(&mut driver);
        value += 1;
        // Every other audit finds no difference, so that nothing differs twice in a row.
        if value % 2 == 0 {
            answer(&mut driver, ["0"; 4]);
            continue;
        }
        let text = value.to_string();
        answer_twice(&mut driver, [&text, &text, &text, "0"]);
        if driver.status() == Status::LostConnection {
            lost += 1;
            reconnect(&mut driver);
        }
    }
    assert_eq!(lost, 1, "six hours and a quarter have passed");
}

#[test]
fn a_value_that_differs_again_is_reported_once_more_and_then_left_out() {
    let mut driver = auditing();
    answer_twice(&mut driver, ["255", "0", "0", "0"]);
    next_audit(&mut driver);
    answer_twice(&mut driver, ["9", "0", "0", "0"]);
    assert_eq!(drifts(&driver).len(), 2);
    next_audit(&mut driver);
    answer(&mut driver, ["8", "0", "0", "0"]);
    pass_alive(&mut driver, AGAIN);
    assert!(driver.gets.is_empty(), "left out");
    // An event of the node includes it in the audit again.
    driver.event(2, "ST", "0", "1 1 1 1");
    next_audit(&mut driver);
    answer_twice(&mut driver, ["8", "0", "0", "0"]);
    assert_eq!(drifts(&driver).len(), 3);
}

#[test]
fn a_failed_reading_is_not_repeated_before_the_next_audit() {
    let mut driver = auditing();
    driver.fail_call(Failure::transport(FailureKind::ConnectionReset, "reset"));
    pass_alive(&mut driver, QUARTER);
    assert_eq!(driver.sent.len(), 2);
    answer(&mut driver, ["255", "0", "0", "0"]);
    pass_alive(&mut driver, AGAIN);
    driver.answer_call(200, "<html>log in</html>");
    assert!(drifts(&driver).is_empty());
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn an_audit_ends_with_its_connection() {
    let mut driver = auditing();
    answer(&mut driver, ["255", "0", "0", "0"]);
    driver.closed();
    driver.pass(1.0);
    driver.accept();
    driver.become_connected();
    pass_alive(&mut driver, 60);
    assert!(driver.gets.is_empty());
    // The next audit is due at its usual time.
    next_audit(&mut driver);
    // The connection ends while the call is in flight.
    driver.closed();
    assert!(driver.gets.is_empty() && !driver.stream.has_calls());
}
