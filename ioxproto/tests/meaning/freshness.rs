//! The age of events, by the controller's clock.

use std::time::{Duration, SystemTime};

use ioxproto::freshness::ControllerClock;
use ioxproto::{Event, SubscribePath};

use super::event;

fn at(timestamp: &str) -> Event {
    event(&format!(
        r#"<Event timestamp="{timestamp}"><control>ST</control><action>1</action><node>n</node></Event>"#
    ))
}

/// 2026-05-06T21:30:36Z, which is 14:30:36 at the controller.
fn utc(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_103_036 + seconds)
}

fn seconds(value: u64) -> Option<Duration> {
    Some(Duration::from_secs(value))
}

#[test]
fn the_age_is_unknown_before_a_live_frame_and_without_a_timestamp() {
    let mut clock = ControllerClock::new(SubscribePath::Api);
    let replayed = at("2026-05-06T14:30:00-07:00");
    clock.learn(&replayed, utc(0));
    clock.learn(&at("").with_live(true), utc(0));
    clock.learn(&at("soon").with_live(true), utc(0));
    assert_eq!(clock.ahead_micros(), None);
    assert_eq!(clock.age(&replayed, utc(0)), None);
    clock.learn(&at("2026-05-06T14:30:36-07:00").with_live(true), utc(0));
    assert_eq!(clock.age(&replayed, utc(0)), seconds(36));
    assert_eq!(clock.age(&at(""), utc(0)), None);
}

#[test]
fn ages_use_the_controllers_clock_even_if_it_is_wrong() {
    let mut clock = ControllerClock::new(SubscribePath::Api);
    // The clock is an hour and a half fast.
    clock.learn(&at("2026-05-06T16:00:36-07:00").with_live(true), utc(0));
    assert_eq!(clock.ahead_micros(), Some(5400 * 1_000_000));
    let replayed = at("2026-05-06T16:00:06-07:00");
    assert_eq!(clock.age(&replayed, utc(0)), seconds(30));
    assert_eq!(
        clock.happened_since(&replayed, utc(0) - Duration::from_secs(31)),
        Some(true)
    );
    assert_eq!(
        clock.happened_since(&replayed, utc(0) - Duration::from_secs(29)),
        Some(false)
    );
    // A different offset from UTC in the text makes no difference.
    assert_eq!(
        clock.age(&at("2026-05-06T15:00:06-08:00"), utc(0)),
        seconds(30)
    );
}

#[test]
fn the_frame_with_the_shortest_delay_counts() {
    let mut clock = ControllerClock::new(SubscribePath::Api);
    let live = |second: u64| at(&format!("2026-05-06T14:30:{second:02}-07:00")).with_live(true);
    clock.learn(&live(36), utc(0));
    // The consumer was blocked for a while: the frame is read late.
    clock.learn(&live(37), utc(20));
    assert_eq!(clock.ahead_micros(), Some(0));
    // The clock was set back by half a minute without an event: this is learned within eight
    // frames.
    for second in 0..8 {
        clock.learn(&live(10 + second), utc(4 + second));
    }
    assert_eq!(clock.ahead_micros(), Some(-30 * 1_000_000));
}

#[test]
fn a_clock_that_was_set_is_learned_again() {
    let mut clock = ControllerClock::new(SubscribePath::Api);
    clock.learn(&at("2026-05-06T16:00:36-07:00").with_live(true), utc(0));
    let set = event(
        r#"<Event timestamp="2026-05-06T14:30:37-07:00"><control>_4</control><action>0</action></Event>"#,
    );
    clock.learn(&set.with_live(true), utc(1));
    assert_eq!(clock.ahead_micros(), Some(0));
}

#[test]
fn a_replay_on_the_xml_path_has_no_age() {
    let mut clock = ControllerClock::new(SubscribePath::Rest);
    clock.learn(&at("2026-05-06T14:30:36-07:00").with_live(true), utc(0));
    let stamped_at_the_connect = at("2026-05-06T14:30:30-07:00");
    assert_eq!(clock.age(&stamped_at_the_connect, utc(0)), None);
    assert_eq!(
        clock.age(&stamped_at_the_connect.with_live(true), utc(0)),
        seconds(6)
    );
}

#[test]
fn an_age_is_never_negative() {
    let mut clock = ControllerClock::new(SubscribePath::Api);
    clock.learn(&at("2026-05-06T14:30:36-07:00").with_live(true), utc(0));
    assert_eq!(
        clock.age(&at("2026-05-06T14:30:41-07:00"), utc(0)),
        seconds(0)
    );
    assert_eq!(clock.age(&at("2027-01-01T00:00:00-07:00"), utc(0)), None);
    assert_eq!(
        clock.age(&at("2026-05-06T14:30:36-07:00"), SystemTime::UNIX_EPOCH),
        None
    );
    for extreme in [
        "-009999-01-01T00:00:00Z",
        "9999-12-30T00:00:00Z",
        "0000-01-01T00:00:00Z",
    ] {
        clock.learn(
            &at(extreme).with_live(true),
            SystemTime::UNIX_EPOCH - Duration::from_secs(9),
        );
        _ = clock.age(&at(extreme), utc(0));
    }
}
