//! `/api/events/subscribe`.

use ioxproto::{Config, Notification, Status, SubscribePath};
use ioxsim::{AfterAnswer, ControllerOptions, Ending, Event, FirstFrames, Place, PortalOptions};

use crate::world::World;

fn options(portal: PortalOptions) -> ControllerOptions {
    ControllerOptions {
        portal: Some(portal),
        ..ControllerOptions::default()
    }
}

fn account(config: Config) -> Config {
    config
        .portal_account("user@example.test", "secret")
        .path(SubscribePath::Api)
}

fn places(world: &World) -> Vec<(Place, bool)> {
    let shown = world.controller.portal_seen().shown.iter();
    shown.map(|shown| (shown.place, shown.accepted)).collect()
}

#[test]
fn events_come_in_envelopes_with_the_time_of_their_change() {
    let mut world = World::new(options(PortalOptions::default()), account);
    world.pass(2.0);
    assert_eq!(world.status(), Status::Connected);
    assert_eq!(places(&world), [(Place::TypedFrame, true)]);
    assert!(
        world
            .sent
            .iter()
            .all(|text| text.starts_with(r#"{"type":"event","data":""#))
    );
    let events = world.client.events();
    assert!(
        events
            .iter()
            .all(|event| !event.is_live() && event.control() != "_22")
    );
    let mut stamps: Vec<_> = events
        .iter()
        .map(|event| event.timestamp().to_owned())
        .collect();
    assert!(!stamps.is_sorted(), "not in the order of time");
    stamps.dedup();
    assert!(stamps.len() > 20, "each its own");
    let on = Event::new("ST", "255").node("42 92 8C 1");
    world.pass(1.0);
    world.controller.emit(world.client.now, &on);
    world.settle();
    let last = world
        .client
        .events()
        .last()
        .map(|event| (event.is_live(), event.timestamp().to_owned()));
    let (live, happened) = last.unwrap();
    assert!(live);
    // The next replay repeats the event with the time at which it happened.
    world.pass(60.0);
    world.end(Ending::Fin);
    world.client.notifications.clear();
    world.pass(3.0);
    let again = world.client.events();
    let again = again
        .iter()
        .find(|event| event.node() == "42 92 8C 1" && event.control() == "ST")
        .unwrap();
    assert_eq!(
        (again.is_live(), again.timestamp()),
        (false, happened.as_str())
    );
}

#[test]
fn a_controller_that_accepts_one_form_only_is_detected_and_remembered() {
    for (first_frames, expected) in [
        (FirstFrames::Typed, vec![(Place::TypedFrame, true); 2]),
        (
            FirstFrames::Bare,
            vec![
                (Place::TypedFrame, false),
                (Place::BareFrame, true),
                (Place::BareFrame, true),
            ],
        ),
    ] {
        for refused_first_frame in [
            AfterAnswer::End(Ending::Close(1008)),
            AfterAnswer::End(Ending::Reset),
            AfterAnswer::Mute,
        ] {
            let portal = PortalOptions {
                first_frames,
                refused_first_frame,
                ..PortalOptions::default()
            };
            let mut world = World::new(options(portal), account);
            world.pass(15.0);
            assert_eq!(world.status(), Status::Connected, "{refused_first_frame:?}");
            world.end(Ending::Fin);
            world.pass(5.0);
            assert_eq!(world.status(), Status::Connected);
            assert_eq!(places(&world), expected);
        }
    }
}

#[test]
fn after_both_forms_the_token_is_renewed_and_sent_in_the_form_refused_last() {
    let portal = PortalOptions {
        first_frames: FirstFrames::Neither,
        ..PortalOptions::default()
    };
    let mut world = World::new(options(portal), account);
    world.pass(20.0);
    let places: Vec<_> = places(&world).into_iter().map(|(place, _)| place).collect();
    let expected = [
        Place::TypedFrame,
        Place::BareFrame,
        Place::Refresh,
        Place::BareFrame,
        Place::TypedFrame,
        Place::Refresh,
    ];
    assert_eq!(places[..6], expected);
    assert!(
        world
            .client
            .reasons()
            .iter()
            .all(|reason| *reason == "token_not_accepted")
    );
    world.pass(3600.0);
    // The backoff has reached a minute.
    assert!(world.times("/api/events/subscribe").len() < 70);
}

#[test]
fn an_upgrade_that_requires_the_token_gets_it() {
    let portal = PortalOptions {
        token_on_upgrade: true,
        ..PortalOptions::default()
    };
    let mut world = World::new(options(portal), account);
    world.pass(3.0);
    assert_eq!(world.status(), Status::Connected);
    world.end(Ending::Fin);
    world.pass(3.0);
    assert_eq!(world.status(), Status::Connected);
    let last: Vec<_> = places(&world).into_iter().rev().take(2).collect();
    assert_eq!(last, [(Place::TypedFrame, true), (Place::Upgrade, true)]);
    assert_eq!(
        world.times("/api/events/subscribe").len(),
        3,
        "what worked is remembered"
    );
}

#[test]
fn a_service_status_uses_a_number_and_causes_no_gap() {
    let mut world = World::new(options(PortalOptions::default()), account);
    world.pass(2.0);
    world.controller.service_status("active");
    world.pass(60.0);
    let statuses: Vec<_> = world
        .client
        .notifications
        .iter()
        .filter_map(|notification| match notification {
            Notification::Ignored(ignored) => Some(ignored.text.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        statuses,
        [
            r#"{"type":"spolisy","data":"{\"status\":\"active\"}"}"#,
            r#"{"type":"spolisy","data":"{\"status\":\"inactive\"}"}"#,
        ]
    );
    assert_eq!(world.client.gaps(), []);
    let numbers: Vec<_> = world
        .client
        .events()
        .iter()
        .map(|event| event.seqnum())
        .collect();
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    let skipped = last - first + 1 - numbers.len() as i64;
    assert_eq!(skipped, 2, "{numbers:?}");
    assert_eq!(world.controller.portal_seen().logins, 1);
}

#[test]
fn a_session_on_this_path_logs_out_too() {
    let mut world = World::new(options(PortalOptions::default()), account);
    world.pass(2.0);
    world.stop();
    assert_eq!(world.status(), Status::Disconnected);
    assert_eq!(world.controller.portal_seen().logouts, 1);
    assert_eq!(world.controller.subscribers(), 0);
}

#[test]
fn a_controller_without_portal_accounts_has_no_such_path() {
    let mut world = World::new(
        ControllerOptions {
            portal: None,
            ..ControllerOptions::default()
        },
        account,
    );
    world.pass(1.0);
    assert_eq!(world.client.reasons().first(), Some(&"login_failed"));
}
