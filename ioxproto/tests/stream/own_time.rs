//! Replay by its timestamps: a replayed event that the network delays until after the drain is not
//! live.

use ioxproto::{Account, Status, SubscribePath, Timing};
use pretend::{Driver, event, seconds};

const NODE: &str = "11 22 33 1";

/// Connected on `/api/events/subscribe`, after one event stamped at the connect.
fn api() -> Driver {
    let mut driver = Driver::with(|config| {
        config
            .path(SubscribePath::Api)
            .account(Account::portal("a@b.c", "secret"))
    });
    driver.start();
    driver.grant("first", 3600.0);
    driver.accept();
    driver.event(0, "_5", "0", "");
    driver.become_connected();
    driver
}

/// Connected on `/rest/subscribe`, a second after a replay of two events half a second apart.
fn rest() -> Driver {
    let mut driver = Driver::syncing();
    driver.event(0, "_5", "0", "");
    driver.pass(0.5);
    driver.event(1, "ST", "0", NODE);
    driver.become_connected();
    driver
}

#[test]
fn on_rest_an_event_stamped_close_to_the_replay_is_replay_after_the_drain_too() {
    for (seconds_after_the_last, live) in [
        (0.0, false),
        (0.5, false),
        (-1.0, false),
        (0.51, true),
        (-1.01, true),
        (3.0, true),
        (-3600.0, true),
    ] {
        let mut driver = rest();
        driver.event_stamped(seconds_after_the_last - 1.0, 2, "ST", "1", NODE);
        assert_eq!(driver.live(), [live], "{seconds_after_the_last}");
    }
}

#[test]
fn on_rest_the_replay_extends_from_event_to_event_for_five_seconds_of_stamps() {
    let mut driver = rest();
    for step in 1..=12 {
        driver.event_stamped(0.5 * f64::from(step) - 1.0, 2, "ST", "1", NODE);
    }
    let replayed = driver.live().iter().filter(|live| !**live).count();
    assert_eq!(replayed, 9, "5 s after the first is 4.5 s after the last");
}

#[test]
fn on_rest_an_event_of_another_subscription_is_live_after_the_drain() {
    let mut driver = rest();
    driver.event_stamped(-1.0, 2, "ST", "1", NODE);
    driver.text(&event(3, "ST", "1", NODE).replace("uuid:7", "uuid:8"));
    assert_eq!(driver.live(), [false, true]);
}

#[test]
fn on_rest_a_frame_of_an_earlier_subscription_does_not_hide_the_replay() {
    let mut driver = Driver::syncing();
    driver.text(&event(7, "ST", "1", NODE).replace("uuid:7", "uuid:6"));
    driver.event(0, "ST", "1", NODE);
    driver.become_connected();
    driver.event_stamped(-1.0, 1, "ST", "1", NODE);
    assert_eq!(driver.live(), [false]);
}

#[test]
fn on_rest_stamps_are_ignored_after_the_end_mark() {
    let mut driver = Driver::syncing();
    driver.event(0, "ST", "1", NODE);
    driver.event(1, "_22", "1", "");
    driver.pass(0.25);
    driver.event_stamped(-0.25, 2, "ST", "1", NODE);
    assert_eq!(driver.live(), [false, false, true]);
    // A late mark ends the replay, too, and is itself replay.
    let mut driver = rest();
    driver.event_stamped(-1.0, 2, "_22", "1", "");
    driver.event_stamped(-0.4, 3, "ST", "1", NODE);
    driver.event_stamped(-1.0, 4, "ST", "1", NODE);
    assert_eq!(driver.live(), [false, true, true]);
}

#[test]
fn on_api_an_event_older_than_the_newest_by_more_than_two_seconds_is_replay() {
    for (stamped, live) in [(-3.1, false), (-3.0, true), (0.0, true), (-86_400.0, false)] {
        let mut driver = api();
        driver.event_stamped(stamped, 1, "ST", "1", NODE);
        assert_eq!(driver.live(), [live], "{stamped}");
    }
}

#[test]
fn on_api_a_heartbeat_or_a_set_clock_resets_the_newest_stamp() {
    for (control, action) in [("_0", "90"), ("_4", "0")] {
        let mut driver = api();
        driver.event_stamped(-3600.0, 1, "ST", "1", NODE);
        driver.event_stamped(-3600.0, 2, control, action, "");
        driver.event_stamped(-3600.0, 3, "ST", "2", NODE);
        assert_eq!(driver.live(), [false, true, true], "{control}/{action}");
    }
}

#[test]
fn a_stamp_does_not_make_an_event_live() {
    let mut driver = Driver::syncing();
    driver.event(0, "ST", "1", NODE);
    driver.event_stamped(3600.0, 1, "ST", "1", NODE);
    assert_eq!(driver.live(), [false; 2]);
}

#[test]
fn without_stamps_the_state_alone_decides() {
    let mut driver = Driver::syncing();
    driver.event_unstamped(0, "ST", "1", NODE);
    driver.become_connected();
    driver.event_unstamped(1, "ST", "1", NODE);
    driver.text(&event(2, "ST", "1", NODE).replace("2026-05-05T18:52:41.875777-07:00", "noon"));
    assert_eq!(driver.live(), [true; 2]);
}

#[test]
fn stamps_count_only_in_the_first_two_minutes_of_listening() {
    let mut driver = api();
    // Time without listening does not count.
    driver.block(1000.0);
    driver.event_stamped(-3600.0, 1, "ST", "1", NODE);
    for _ in 0..2 {
        driver.pass(59.0);
        driver.text("null");
    }
    driver.event_stamped(-3600.0, 2, "ST", "1", NODE);
    driver.pass(1.1);
    driver.event_stamped(-3600.0, 3, "ST", "1", NODE);
    assert_eq!(driver.live(), [false, false, true]);
}

#[test]
fn each_connection_has_its_own_stamps() {
    let mut driver = api();
    driver.closed();
    driver.pass(1.0);
    driver.accept();
    driver.event_stamped(-3600.0, 0, "_5", "0", "");
    driver.pass(1.0);
    driver.notifications.clear();
    driver.event_stamped(-3600.0, 1, "ST", "1", NODE);
    assert_eq!(driver.live(), [true]);
}

#[test]
fn no_part_of_a_replay_on_a_slow_link_is_live() {
    for path in [SubscribePath::Rest, SubscribePath::Api] {
        let mut driver = match path {
            SubscribePath::Rest => rest(),
            _ => api(),
        };
        driver.closed();
        driver.pass(1.0);
        driver.accept();
        let connect = driver.now;
        driver.notifications.clear();
        // 400 events at 6 per second, on a link that sometimes stalls for 3 s.
        for number in 0..400_u32 {
            driver.pass(if number % 60 == 59 { 3.0 } else { 0.16 });
            let late = driver.now.monotonic - connect.monotonic;
            let changed = match path {
                SubscribePath::Rest => f64::from(number) * 0.004,
                _ if number == 0 => 0.0,
                _ => -60.0 * f64::from(number),
            };
            driver.event_stamped(changed - late.as_secs_f64(), number.into(), "ST", "1", NODE);
        }
        assert_eq!(driver.live(), [false; 400], "{path:?}");
        driver.pass(1.0);
        driver.event(400, "ST", "1", NODE);
        assert_eq!(driver.live().last(), Some(&true));
    }
}

#[test]
fn a_busy_house_without_a_mark_is_live_once_its_stamps_show_no_replay_for_five_seconds() {
    let mut driver = Driver::syncing();
    // A replay of 20 s, with live events in between.
    for number in 0..200_u32 {
        driver.pass(0.1);
        let late = 0.1 * f64::from(number);
        driver.event_stamped(-late, number.into(), "ST", "1", NODE);
        driver.event(number.into(), "ST", "1", NODE);
    }
    assert_eq!(driver.status(), Status::StreamSyncing);
    for number in 0..50 {
        assert_eq!(driver.status(), Status::StreamSyncing, "{number}");
        driver.event(number, "ST", "1", NODE);
        driver.pass(0.1);
    }
    assert_eq!(driver.status(), Status::Connected);
    assert_eq!(driver.stats().incomplete_replays, 0);
}

#[test]
fn without_stamps_the_driver_is_not_woken_to_check_them() {
    let mut driver = Driver::syncing();
    for number in 0..120 {
        driver.event_unstamped(number, "ST", "1", NODE);
        driver.pass(0.1);
    }
    driver.event_unstamped(120, "ST", "1", NODE);
    let deadline = driver.stream.poll_timeout(driver.now).unwrap();
    assert_eq!(deadline.reason, "quiet after the replay");
    assert_eq!(deadline.at, driver.now.monotonic + seconds(1.0));
}

#[test]
fn after_a_long_unstamped_replay_the_wait_counts_from_the_first_stamp() {
    let mut timing = Timing::default();
    timing.drain_past_quiet = seconds(2.0);
    let mut driver = Driver::with(|config| config.timing(timing)).into_syncing();
    for number in 0..150 {
        driver.event_unstamped(number, "ST", "1", NODE);
        driver.pass(0.1);
    }
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.event(150, "ST", "1", NODE);
    for number in 0..19 {
        driver.pass(0.1);
        driver.event_unstamped(151 + number, "ST", "1", NODE);
        assert_eq!(driver.status(), Status::StreamSyncing);
    }
    driver.pass(0.1);
    assert_eq!(driver.status(), Status::Connected);
}
