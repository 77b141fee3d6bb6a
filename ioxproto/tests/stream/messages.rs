//! Messages: numbering, limits, invalid bytes, counts.

use ioxproto::{Message, Notification, Reason, Status};

use crate::harness::{Done, Harness, event};

#[test]
fn a_gap_is_reported_with_its_numbers_before_the_event_and_is_not_fatal() {
    let mut harness = Harness::connected();
    harness.event(16, "ST", "0", "11 22 33 1");
    harness.event(19, "ST", "0", "11 22 33 1");
    assert_eq!(harness.gaps(), [(17, 19)]);
    assert!(matches!(harness.notifications[1], Notification::Gap(_)));
    assert!(matches!(harness.notifications[2], Notification::Event(_)));
    assert_eq!(harness.stream.stats(harness.now).gaps, 1);
    assert_eq!(harness.stream.status(), Status::Connected);
}

#[test]
fn a_service_status_frame_takes_a_number() {
    let mut harness = Harness::connected();
    harness.event(423, "ST", "0", "11 22 33 1");
    harness.text("{\"type\":\"spolisy\",\"data\":\"{\\\"status\\\":\\\"inactive\\\"}\"}");
    harness.event(425, "_0", "90", "");
    assert_eq!(harness.gaps(), []);
}

#[test]
fn a_subscription_response_takes_no_number() {
    let mut harness = Harness::connected();
    harness.event(1, "ST", "0", "11 22 33 1");
    harness.text(
        "<SubscriptionResponse><SID>uuid:75</SID><duration>0</duration></SubscriptionResponse>",
    );
    harness.event(3, "ST", "0", "11 22 33 1");
    assert_eq!(harness.gaps(), [(2, 3)]);
}

#[test]
fn a_malformed_frame_may_have_taken_a_number() {
    let mut harness = Harness::connected();
    harness.event(1, "ST", "0", "11 22 33 1");
    harness.text("<Event seqnum=\"2\"");
    harness.event(3, "ST", "0", "11 22 33 1");
    assert_eq!(harness.gaps(), []);
}

#[test]
fn subscriptions_are_numbered_separately_and_a_new_connection_starts_anywhere() {
    let mut harness = Harness::connected();
    harness.text(&event(5, "ST", "0", "a").replace("uuid:7", "uuid:6"));
    harness.event(0, "ST", "0", "a");
    assert_eq!(harness.stream.sid(), "uuid:7");
    harness.text(&event(6, "ST", "0", "a").replace("uuid:7", "uuid:6"));
    harness.closed();
    harness.pass(1.0);
    harness.accept();
    assert_eq!(harness.stream.sid(), "");
    harness.event(0, "ST", "0", "a");
    assert_eq!(harness.gaps(), []);
}

#[test]
fn numbers_are_reset_only_by_a_new_connection() {
    let mut harness = Harness::connected();
    harness.event(7, "ST", "0", "a");
    harness.event(0, "ST", "0", "a");
    assert_eq!(harness.gaps(), [(8, 0)]);
}

#[test]
fn json_envelopes_and_plain_xml_are_both_read() {
    let mut harness = Harness::connected();
    let inner = event(1, "ST", "0", "a").replace('"', "\\\"");
    harness.text(&format!("{{\"type\":\"event\",\"data\":\"{inner}\"}}"));
    harness.event(2, "ST", "0", "a");
    assert_eq!(harness.events().len(), 2);
    assert_eq!(harness.gaps(), []);
}

#[test]
fn invalid_utf_8_is_replaced_and_counted_without_a_reconnect() {
    let mut harness = Harness::syncing();
    let mut bytes = event(1, "ST", "0", "ZW003_1").into_bytes();
    let at = bytes
        .windows(7)
        .position(|window| window == b"ZW003_1")
        .unwrap();
    bytes[at] = 0xff;
    harness.message(Message::Text(&bytes));
    assert_eq!(harness.events()[0].node(), "\u{fffd}W003_1");
    let stats = harness.stream.stats(harness.now);
    assert_eq!(
        (stats.events, stats.invalid_utf8, stats.malformed),
        (1, 1, 0)
    );
    assert_eq!(harness.stream.status(), Status::StreamSyncing);
}

#[test]
fn several_documents_in_a_message_are_several_events_without_a_gap() {
    let mut harness = Harness::connected();
    harness.event(0, "ST", "0", "a");
    let text = format!(
        "{}{}{}",
        event(1, "ST", "1", "a"),
        event(2, "ST", "2", "a"),
        event(3, "ST", "3", "a")
    );
    harness.text(&text);
    harness.event(4, "ST", "4", "a");
    let actions: Vec<_> = harness
        .events()
        .iter()
        .map(|event| event.action().to_owned())
        .collect();
    assert_eq!(actions[actions.len() - 5..], ["0", "1", "2", "3", "4"]);
    assert_eq!(harness.gaps(), []);
    // A document that is cut off may have had the missing number.
    let whole = event(5, "ST", "5", "a");
    harness.text(&format!("{whole}{}", &whole[..40]));
    harness.event(7, "ST", "7", "a");
    assert_eq!(harness.gaps(), []);
    let stats = harness.stream.stats(harness.now);
    assert_eq!((stats.malformed, stats.gaps), (1, 0));
}

#[test]
fn a_gap_between_documents_of_one_message_comes_before_its_event() {
    let mut harness = Harness::connected();
    harness.event(0, "ST", "0", "a");
    harness.text(&format!(
        "{}{}",
        event(2, "ST", "2", "a"),
        event(5, "ST", "5", "a")
    ));
    assert_eq!(harness.gaps(), [(1, 2), (3, 5)]);
}

#[test]
fn characters_that_xml_forbids_are_replaced_and_counted() {
    let mut harness = Harness::connected();
    harness.text(&event(0, "ST", "255", "a").replace("255", "255\0"));
    harness.text(&event(1, "ST", "255", "a").replace("255", "&#7;255"));
    harness.event(2, "ST", "0", "a");
    assert_eq!(harness.events().len(), 3);
    let stats = harness.stream.stats(harness.now);
    assert_eq!((stats.forbidden_characters, stats.malformed), (2, 0));
}

#[test]
fn a_message_over_the_limit_ends_the_connection_with_the_reason() {
    let mut harness = Harness::with(|config| config.max_message_bytes(2000)).into_connected();
    harness.text(&"x".repeat(2000));
    assert_eq!(harness.stream.status(), Status::Connected);
    harness.text(&"x".repeat(2001));
    assert_eq!(harness.last_reason().code(), "message_too_large");
    assert_eq!(harness.done, [Done::Abort]);
    assert_eq!(harness.last_wait(), 1.0);
}

#[test]
fn frames_bytes_and_kinds_are_counted() {
    let mut harness = Harness::syncing();
    harness.event(0, "ST", "0", "a");
    harness.pass(1.0);
    harness.event(1, "ST", "0", "a");
    harness.text("null");
    harness.text("<Event");
    harness.message(Message::Binary(b"abc"));
    harness.message(Message::Pong);
    let stats = harness.stream.stats(harness.now);
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
    let mut harness = Harness::connected();
    assert_eq!(harness.stream.last_event_at(), None);
    harness.pass(3.0);
    harness.message(Message::Binary(b"x"));
    assert_eq!(harness.stream.last_event_at(), None);
    harness.text("null");
    assert_eq!(harness.stream.last_event_at(), Some(harness.now.utc));
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
        let mut harness = Harness::connected();
        let id = harness.id();
        harness.stream.closed(harness.now, id, Some(1001), given);
        harness.drain();
        let (code, text) = (Some(1001), kept.to_owned());
        assert_eq!(harness.last_reason(), &Reason::Closed { code, text });
    }
}
