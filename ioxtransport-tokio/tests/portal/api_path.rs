//! Subscriptions at `/api/events/subscribe`.

use ioxsim::{AfterAnswer, ControllerOptions, Ending, Event, FirstFrames, Place, PortalOptions};
use ioxtransport_tokio::{Builder, Notification, SubscribePath};

use crate::watched::{Watched, portal_account, serve, soon};

fn options(portal: PortalOptions) -> ControllerOptions {
    ControllerOptions {
        portal: Some(portal),
        ..ControllerOptions::default()
    }
}

fn account(server: &ioxsim::Server) -> Builder {
    portal_account(server).path(SubscribePath::Api)
}

fn places(watched: &Watched) -> Vec<Place> {
    let portal = watched.control.seen().portal;
    portal.shown.iter().map(|shown| shown.place).collect()
}

#[tokio::test]
async fn a_session_shows_its_token_in_the_first_frame_and_logs_out() {
    let server = serve(options(PortalOptions::default())).await;
    let watched = Watched::start(account(&server), &server);
    watched.connected().await;
    let headers = watched.control.last_request_headers();
    assert!(!headers.contains_key("authorization"));
    watched
        .control
        .emit(&Event::new("ST", "255").node("42 92 8C 1"));
    watched.control.service_status("active");
    watched
        .control
        .emit(&Event::new("ST", "0").node("42 92 8C 1"));
    let live = |notification: &Notification| matches!(notification, Notification::Event(event) if event.is_live());
    watched
        .until(|notifications| {
            notifications
                .iter()
                .filter(|notification| live(notification))
                .count()
                == 2
        })
        .await;
    let notifications = watched.notifications();
    assert!(notifications.iter().any(
        |notification| matches!(notification, Notification::Ignored(ignored) if ignored.text.contains("spolisy"))
    ));
    assert!(
        !notifications
            .iter()
            .any(|notification| matches!(notification, Notification::Gap(_)))
    );
    watched.stop().await;
    assert_eq!(places(&watched), [Place::TypedFrame, Place::Logout]);
    assert_eq!(watched.control.seen().portal.sessions, 0);
}

#[tokio::test]
async fn the_accepted_shape_of_the_first_frame_is_detected_and_remembered() {
    for refused_first_frame in [
        AfterAnswer::End(Ending::Close(1008)),
        AfterAnswer::End(Ending::Fin),
        AfterAnswer::End(Ending::Reset),
        AfterAnswer::Mute,
    ] {
        let portal = PortalOptions {
            first_frames: FirstFrames::Bare,
            refused_first_frame,
            ..PortalOptions::default()
        };
        let server = serve(options(portal)).await;
        let watched = Watched::start(account(&server), &server);
        watched.connected().await;
        watched.reconnect().await;
        let expected = [Place::TypedFrame, Place::BareFrame, Place::BareFrame];
        assert_eq!(places(&watched), expected, "{refused_first_frame:?}");
    }
}

#[tokio::test]
async fn after_both_shapes_the_token_is_renewed_and_shown_in_the_shape_refused_last() {
    let portal = PortalOptions {
        first_frames: FirstFrames::Neither,
        ..PortalOptions::default()
    };
    let server = serve(options(portal)).await;
    let watched = Watched::start(account(&server), &server);
    soon(
        watched
            .control
            .wait_for(|seen| seen.portal.shown.len() >= 4),
    )
    .await;
    let expected = [
        Place::TypedFrame,
        Place::BareFrame,
        Place::Refresh,
        Place::BareFrame,
    ];
    assert_eq!(places(&watched)[..4], expected);
    watched.stop().await;
}
