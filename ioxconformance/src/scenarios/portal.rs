//! Portal accounts, the caller's own tokens, and the JSON path.

use ioxproto::{Notification, Reason, Secret, Status, SubscribePath};
use ioxsim::{Endpoint, Event, FirstFrames, OnPost, Times};

use crate::{Bench, Sim, Watched};

fn check_live_event_and_stop(server: &Sim, watched: &mut Watched) {
    watched.connected();
    assert!(watched.events().iter().all(|event| !event.is_live()));
    server.emit(&Event::new("ST", "8").node("n1"));
    assert!(watched.event("ST", "8").is_live());
    watched.stop();
    watched.end();
    server.seen("all sockets closed", |seen| seen.open == 0);
}

pub fn a_portal_account_logs_in_and_out(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.start(bench.portal(&server));
    check_live_event_and_stop(&server, &mut watched);
    let seen = server.seen("the logout", |seen| seen.portal.logouts == 1);
    assert_eq!((seen.portal.logins, seen.portal.sessions), (1, 0));
    assert_eq!(seen.closes, [Some(1000)]);
}

pub fn the_json_path_works(bench: &Bench) {
    let server = bench.server();
    let options = bench.portal(&server).path(SubscribePath::Api);
    let mut watched = bench.start(options);
    watched.status(Status::StreamSyncing);
    server.service_status("active");
    check_live_event_and_stop(&server, &mut watched);
    let gap = |notification: &Notification| matches!(notification, Notification::Gap(_));
    assert!(!watched.notifications().iter().any(gap));
}

pub fn both_shapes_of_the_first_frame_are_tried(bench: &Bench) {
    for first_frames in [FirstFrames::Typed, FirstFrames::Bare] {
        let server = bench.server_with(|controller| {
            if let Some(portal) = &mut controller.portal {
                portal.first_frames = first_frames;
            }
        });
        let options = bench.portal(&server).path(SubscribePath::Api);
        let mut watched = bench.start(options);
        check_live_event_and_stop(&server, &mut watched);
    }
}

pub fn a_forgotten_session_is_renewed_at_once(bench: &Bench) {
    let server = bench.server();
    let mut watched = bench.start(bench.portal(&server));
    watched.connected();
    server.forget_sessions();
    server.end(ioxsim::Ending::Fin);
    watched.lost();
    watched.connected();
    let seen = server.control().seen();
    assert_eq!(seen.portal.logins, 2);
}

pub fn a_login_that_is_refused_is_final(bench: &Bench) {
    let server = bench.server();
    let options = bench
        .options(&server)
        .portal_account("user@example.test", "wrong");
    let mut watched = bench.start(options);
    let change = watched.status(Status::ReconnectFailed);
    assert!(matches!(change.reason, Some(Reason::LoginRefused { .. })));
    watched.end();
    assert_eq!(server.upgrades(), 0);
}

pub fn a_failed_login_is_retried(bench: &Bench) {
    let server = bench.server();
    server.on_post(Endpoint::Login, OnPost::refuse(500), Times::Next(1));
    server.on_post(Endpoint::Login, OnPost::BrokenJson, Times::Next(1));
    server.on_post(
        Endpoint::Login,
        OnPost::End(ioxsim::Ending::Reset),
        Times::Next(1),
    );
    let mut watched = bench.start(bench.portal(&server));
    for _ in 0..3 {
        watched.lost();
    }
    watched.connected();
}

pub fn an_unanswered_login_times_out(bench: &Bench) {
    let mut timing = crate::quick();
    timing.http = std::time::Duration::from_millis(500);
    let server = bench.server();
    server.on_post(Endpoint::Login, OnPost::Mute, Times::Next(1));
    let mut watched = bench.start(bench.portal(&server).timing(timing));
    let reason = watched.lost();
    assert_eq!(reason.code(), "timed_out");
    assert!(reason.to_string().contains("logging in"), "{reason}");
}

pub fn tokens_come_from_the_callers_token_provider(bench: &Bench) {
    let server = bench.server();
    // The login of another stream provides a token.
    let mut other = bench.start(bench.portal(&server));
    other.connected();
    let issued = server.control().seen().portal.issued;
    let token: Secret = issued.front().cloned().unwrap();
    let options = bench.options(&server).own_tokens();
    let mut watched = bench.start(options);
    let wanted =
        |notification: &Notification| matches!(notification, Notification::TokenWanted { .. });
    watched.until("the token request", wanted);
    watched.handle().provide_token(None);
    assert_eq!(watched.lost(), Reason::NoToken);
    watched.until("the second token request", wanted);
    watched.handle().provide_token(Some(token));
    watched.connected();
    other.stop();
}
