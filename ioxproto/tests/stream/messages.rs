//! Messages: numbering, limits, invalid bytes, counts.

use ioxproto::{Message, Notification, Reason, Status};
use pretend::{Done, Driver, event};

#[test]
fn a_gap_is_reported_with_its_numbers_before_the_event_and_is_not_fatal() {
    let mut driver = Driver::connected();
    driver.event(16, "ST", "0", "11 22 33 1");
    driver.event(19, "ST", "0", "11 22 33 1");
    assert_eq!(driver.gaps(), [(17, 19)]);
    assert!(matches!(driver.notifications[1], Notification::Gap(_)));
    assert!(matches!(driver.notifications[2], Notification::Event(_)));
    assert_eq!(driver.stats().gaps, 1);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn a_service_status_frame_takes_a_number() {
    let mut driver = Driver::connected();
    driver.event(423, "ST", "0", "11 22 33 1");
    driver.text("{\"type\":\"spolisy\",\"data\":\"{\\\"status\\\":\\\"inactive\\\"}\"}");
    driver.event(425, "_0", "90", "");
    assert_eq!(driver.gaps(), []);
}

#[test]
fn a_subscription_response_takes_no_number() {
    let mut driver = Driver::connected();
    driver.event(1, "ST", "0", "11 22 33 1");
    driver.text(
        "<SubscriptionResponse><SID>uuid:75</SID><duration>0</duration></SubscriptionResponse>",
    );
    driver.event(3, "ST", "0", "11 22 33 1");
    assert_eq!(driver.gaps(), [(2, 3)]);
}

#[test]
fn a_malformed_frame_may_have_taken_a_number() {
    let mut driver = Driver::connected();
    driver.event(1, "ST", "0", "11 22 33 1");
    driver.text("<Event seqnum=\"2\"");
    driver.event(3, "ST", "0", "11 22 33 1");
    assert_eq!(driver.gaps(), []);
}

#[test]
fn subscriptions_are_numbered_separately_and_a_new_connection_starts_anywhere() {
    let mut driver = Driver::connected();
    driver.text(&event(5, "ST", "0", "a").replace("uuid:7", "uuid:6"));
    driver.event(0, "ST", "0", "a");
    assert_eq!(driver.stream.sid(), "uuid:7");
    driver.text(&event(6, "ST", "0", "a").replace("uuid:7", "uuid:6"));
    driver.closed();
    driver.pass(1.0);
    driver.accept();
    assert_eq!(driver.stream.sid(), "");
    driver.event(0, "ST", "0", "a");
    assert_eq!(driver.gaps(), []);
}

#[test]
fn numbers_are_reset_only_by_a_new_connection() {
    let mut driver = Driver::connected();
    driver.event(7, "ST", "0", "a");
    driver.event(0, "ST", "0", "a");
    assert_eq!(driver.gaps(), [(8, 0)]);
}

#[test]
fn json_envelopes_and_plain_xml_are_both_read() {
    let mut driver = Driver::connected();
    let inner = event(1, "ST", "0", "a").replace('"', "\\\"");
    driver.text(&format!("{{\"type\":\"event\",\"data\":\"{inner}\"}}"));
    driver.event(2, "ST", "0", "a");
    assert_eq!(driver.events().len(), 2);
    assert_eq!(driver.gaps(), []);
}

#[test]
fn invalid_utf_8_is_replaced_and_counted_without_a_reconnect() {
    let mut driver = Driver::syncing();
    let mut bytes = event(1, "ST", "0", "ZW003_1").into_bytes();
    let at = bytes
        .windows(7)
        .position(|window| window == b"ZW003_1")
        .unwrap();
    bytes[at] = 0xff;
    driver.message(Message::Text(&bytes));
    assert_eq!(driver.events()[0].node(), "\u{fffd}W003_1");
    let stats = driver.stats();
    assert_eq!(
        (stats.events, stats.invalid_utf8, stats.malformed),
        (1, 1, 0)
    );
    assert_eq!(driver.status(), Status::StreamSyncing);
}

#[test]
fn several_documents_in_a_message_are_several_events_without_a_gap() {
    let mut driver = Driver::connected();
    driver.event(0, "ST", "0", "a");
    let text = format!(
        "{}{}{}",
        event(1, "ST", "1", "a"),
        event(2, "ST", "2", "a"),
        event(3, "ST", "3", "a")
    );
    driver.text(&text);
    driver.event(4, "ST", "4", "a");
    let actions: Vec<_> = driver
        .events()
        .iter()
        .map(|event| event.action().to_owned())
        .collect();
    assert_eq!(actions[actions.len() - 5..], ["0", "1", "2", "3", "4"]);
    assert_eq!(driver.gaps(), []);
    // A document that is cut off may have had the missing number.
    let whole = event(5, "ST", "5", "a");
    driver.text(&format!("{whole}{}", &whole[..40]));
    driver.event(7, "ST", "7", "a");
    assert_eq!(driver.gaps(), []);
    let stats = driver.stats();
    assert_eq!((stats.malformed, stats.gaps), (1, 0));
}

#[test]
fn a_gap_between_documents_of_one_message_comes_before_its_event() {
    let mut driver = Driver::connected();
    driver.event(0, "ST", "0", "a");
    driver.text(&format!(
        "{}{}",
        event(2, "ST", "2", "a"),
        event(5, "ST", "5", "a")
    ));
    assert_eq!(driver.gaps(), [(1, 2), (3, 5)]);
}

#[test]
fn characters_that_xml_forbids_are_replaced_and_counted() {
    let mut driver = Driver::connected();
    driver.text(&event(0, "ST", "255", "a").replace("255", "255\0"));
    driver.text(&event(1, "ST", "255", "a").replace("255", "&#7;255"));
    driver.event(2, "ST", "0", "a");
    assert_eq!(driver.events().len(), 3);
    let stats = driver.stats();
    assert_eq!((stats.forbidden_characters, stats.malformed), (2, 0));
}

#[test]
fn a_message_over_the_limit_ends_the_connection_with_the_reason() {
    let mut driver = Driver::with(|config| config.max_message_bytes(2000)).into_connected();
    driver.text(&"x".repeat(2000));
    assert_eq!(driver.status(), Status::Connected);
    driver.text(&"x".repeat(2001));
    assert_eq!(driver.last_reason().code(), "message_too_large");
    assert_eq!(driver.done, [Done::Abort]);
    assert_eq!(driver.last_wait(), 1.0);
}

#[test]
fn frames_bytes_and_kinds_are_counted() {
    let mut driver = Driver::syncing();
    driver.event(0, "ST", "0", "a");
    driver.pass(1.0);
    driver.event(1, "ST", "0", "a");
    driver.text("null");
    driver.text("<Event");
    driver.message(Message::Binary(b"abc"));
    driver.message(Message::Pong);
    let stats = driver.stats();
    assert_eq!(
        (
            stats.frames,
            stats.events,
            stats.live_events,
            stats.ignored,
            stats.malformed
        ),
        (4, 2, 1, 1, 1)
    );
    assert_eq!(
        stats.bytes,
        (2 * event(0, "ST", "0", "a").len() + 4 + 6) as u64
    );
}

#[test]
fn the_time_of_the_last_text_frame_of_any_kind_is_kept() {
    let mut driver = Driver::connected();
    assert_eq!(driver.stream.last_event_at(), None);
    driver.pass(3.0);
    driver.message(Message::Binary(b"x"));
    assert_eq!(driver.stream.last_event_at(), None);
    driver.text("null");
    assert_eq!(driver.stream.last_event_at(), Some(driver.now.utc));
}

#[test]
fn the_text_of_a_close_frame_is_cut_to_123_bytes_between_characters() {
    let long = "€".repeat(123);
    for (given, kept) in [
        ("going away", "going away"),
        (&long, &long[..123]),
        (&format!("a{long}"), &format!("a{}", &long[..120])),
        (&format!("ab{long}"), &format!("ab{}", &long[..120])),
    ] {
        let mut driver = Driver::connected();
        driver.closed_with(Some(1001), given);
        let (code, text) = (Some(1001), kept.to_owned());
        assert_eq!(driver.last_reason(), &Reason::Closed { code, text });
    }
}
