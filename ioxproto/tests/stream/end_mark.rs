//! The end mark of `/rest/subscribe`: when it ends the drain, is withdrawn, and is expected.

use ioxproto::{Account, Config, Profile, Status, SubscribePath, Timing};
use pretend::{Driver, seconds};

const NODE: &str = "11 22 33 1";

/// Sends the events that precede the mark.
fn preamble(driver: &mut Driver) {
    driver.event(90, "_4", "5", "");
    driver.event(91, "_4", "6", "");
}

fn marked() -> Driver {
    let mut driver = Driver::syncing();
    preamble(&mut driver);
    driver.event(92, "_22", "1", "");
    driver
}

fn isy994() -> Driver {
    Driver::with(|config| config.profile(Profile::Isy994)).into_syncing()
}

#[test]
fn the_end_mark_shortens_the_silence_to_a_quarter_of_a_second() {
    let mut driver = marked();
    driver.pass(0.2);
    // On an ISY-994 one more system event follows the mark.
    driver.event(93, "_23", "1", "");
    driver.pass(0.2);
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.pass(0.05);
    assert_eq!(driver.status(), Status::Connected);
    assert_eq!(driver.live(), [false; 4]);
}

#[test]
fn a_mark_that_was_not_the_end_does_not_shorten_the_drain() {
    let mut driver = Driver::syncing();
    driver.event(0, "_22", "1", "");
    driver.event(1, "ST", "0", NODE);
    driver.pass(0.9);
    driver.event(2, "ST", "0", "11 22 33 2");
    assert_eq!(driver.live(), [false; 3]);
    driver.pass(1.0);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn a_property_stamped_within_half_a_second_of_the_mark_withdraws_it() {
    for (behind, status) in [
        (-1.0, Status::StreamSyncing),
        (0.5, Status::StreamSyncing),
        (0.51, Status::Connected),
        (3600.0, Status::Connected),
    ] {
        let mut driver = marked();
        driver.event_stamped(behind, 93, "ST", "0", NODE);
        driver.pass(0.25);
        assert_eq!(driver.status(), status, "stamped {behind} s later");
        assert_eq!(driver.live(), [false; 4]);
    }
}

#[test]
fn a_withdrawn_mark_is_valid_again_once_a_stamp_is_past_the_replay() {
    let mut driver = marked();
    driver.event_stamped(0.4, 93, "ST", "0", NODE);
    driver.pass(0.8);
    driver.event(94, "ST", "1", NODE);
    driver.pass(0.24);
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.pass(0.01);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn an_unstamped_property_withdraws_the_mark_unless_the_mark_follows_its_preamble_directly() {
    let end = |preamble: &[(&str, &str)]| {
        let mut driver = isy994();
        for (control, action) in preamble {
            driver.event_unstamped(0, control, action, "");
        }
        driver.event_unstamped(1, "_22", "1", "");
        driver.event_unstamped(2, "ST", "0", NODE);
        driver.pass(0.25);
        driver.status()
    };
    assert_eq!(end(&[("_4", "5"), ("_4", "6")]), Status::Connected);
    for other in [
        &[][..],
        &[("_4", "6")],
        &[("_4", "6"), ("_4", "5")],
        &[("_4", "5"), ("_5", "0"), ("_4", "6")],
        &[("_4", "5"), ("_4", "6"), ("_5", "0")],
    ] {
        assert_eq!(end(other), Status::StreamSyncing, "{other:?}");
    }
}

#[test]
fn the_mark_counts_however_long_the_drain_lasts() {
    let mut timing = Timing::default();
    timing.drain_cap = seconds(300.0);
    let mut driver = Driver::with(|config| config.timing(timing)).into_syncing();
    for seqnum in 0..260 {
        driver.event_unstamped(seqnum, "ST", "0", NODE);
        driver.pass(0.5);
    }
    preamble(&mut driver);
    driver.event(92, "_22", "1", "");
    driver.pass(0.25);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn a_withdrawn_mark_is_not_expected_again() {
    let mut driver = isy994();
    driver.event_unstamped(0, "_22", "1", "");
    driver.event_unstamped(1, "ST", "0", NODE);
    driver.pass(0.9);
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.pass(0.1);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn only_a_heartbeat_stamped_before_the_replay_shows_the_clock_set_back() {
    // The replay began at the preamble, with the mark.
    for (stamped, status) in [(-0.5, Status::StreamSyncing), (-0.51, Status::Connected)] {
        let mut driver = marked();
        driver.event_stamped(0.0, 93, "ST", "0", NODE);
        driver.event_stamped(stamped, 94, "_0", "90", "");
        driver.pass(0.25);
        assert_eq!(driver.status(), status, "{stamped}");
    }
}

#[test]
fn properties_after_the_mark_do_not_prolong_the_drain() {
    let mut driver = marked();
    for seqnum in 0..4 {
        driver.pass(0.05);
        driver.event_stamped(0.51, 93 + seqnum, "ST", "0", NODE);
    }
    driver.pass(0.05);
    assert_eq!(driver.status(), Status::Connected);
    assert_eq!(driver.live(), [false; 7]);
}

#[test]
fn system_events_after_the_mark_prolong_the_drain_by_a_second_at_most() {
    let mut driver = marked();
    for seqnum in 0..6 {
        driver.pass(0.16);
        driver.event(93 + seqnum, "_5", "1", "");
    }
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.pass(0.04);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn while_a_mark_is_expected_only_five_seconds_of_silence_end_the_drain() {
    let mut shown_before = marked();
    shown_before.pass(0.25);
    shown_before.closed();
    shown_before.pass(1.0);
    shown_before.accept();
    let mut announced = Driver::syncing();
    announced.text("<SubscriptionResponse><SID>uuid:75</SID></SubscriptionResponse>");
    for (mut driver, why) in [
        (shown_before, "shown before"),
        (announced, "SubscriptionResponse"),
        (isy994(), "ISY-994"),
    ] {
        driver.event(0, "ST", "0", NODE);
        driver.pass(4.9);
        assert_eq!(driver.status(), Status::StreamSyncing, "{why}");
        driver.event(1, "ST", "0", NODE);
        driver.pass(5.0);
        assert_eq!(driver.status(), Status::Connected, "{why}");
        assert_eq!(driver.last_reason_of_connected(), None);
    }
}

#[test]
fn a_busy_house_without_its_expected_mark_drains_until_the_cap() {
    let mut driver = isy994();
    for seqnum in 0..600 {
        assert_eq!(driver.status(), Status::StreamSyncing);
        driver.event(seqnum, "ST", "0", NODE);
        driver.pass(0.1);
    }
    assert_eq!(driver.last_reason_of_connected(), Some("replay_incomplete"));
}

#[test]
fn a_mark_that_the_network_delays_until_after_the_drain_is_expected_next_time() {
    let mut driver = Driver::connected();
    preamble(&mut driver);
    driver.event(92, "_22", "1", "");
    driver.pass(1.0);
    driver.event(93, "ST", "0", NODE);
    driver.closed();
    driver.pass(1.0);
    driver.accept();
    driver.pass(4.9);
    assert_eq!(driver.status(), Status::StreamSyncing);
}

#[test]
fn two_minutes_later_the_same_control_is_not_a_mark() {
    let mut driver = Driver::connected();
    for _ in 0..3 {
        driver.pass(50.0);
        driver.event(0, "_0", "90", "");
    }
    preamble(&mut driver);
    driver.event(92, "_22", "1", "");
    driver.pass(1.0);
    driver.event(93, "ST", "0", NODE);
    driver.closed();
    driver.pass(1.0);
    driver.accept();
    driver.pass(1.0);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn a_withdrawn_mark_that_is_valid_again_after_the_drain_is_expected_next_time() {
    let mut driver = Driver::connected();
    preamble(&mut driver);
    driver.event(92, "_22", "1", "");
    driver.event(93, "ST", "0", NODE);
    driver.pass(1.0);
    driver.event(94, "ST", "1", NODE);
    assert_eq!(driver.live().last(), Some(&true));
    driver.closed();
    driver.pass(1.0);
    driver.accept();
    driver.pass(4.9);
    assert_eq!(driver.status(), Status::StreamSyncing);
}

#[test]
fn if_the_clock_is_set_back_after_the_mark_the_next_heartbeat_ends_the_drain() {
    let mut driver = marked();
    for seqnum in 0..15 {
        driver.event_stamped(-3600.0, 93 + seqnum, "ST", "0", NODE);
        driver.pass(0.5);
    }
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.event_stamped(-3600.0, 108, "_0", "90", "");
    driver.pass(0.1);
    driver.event_stamped(-3600.0, 109, "ST", "0", NODE);
    driver.pass(0.15);
    assert_eq!(driver.status(), Status::Connected);
}

#[test]
fn on_the_api_path_the_same_control_is_an_ordinary_event() {
    let portal = |config: Config| {
        config
            .path(SubscribePath::Api)
            .account(Account::portal("a@b.c", "secret"))
    };
    let mut driver = Driver::with(portal);
    driver.start();
    driver.grant("first", 3600.0);
    driver.accept();
    preamble(&mut driver);
    driver.event(92, "_22", "1", "");
    driver.pass(0.9);
    assert_eq!(driver.status(), Status::StreamSyncing);
    driver.pass(0.1);
    assert_eq!(driver.status(), Status::Connected);
}
