//! Portal accounts on `/rest/subscribe`.

use std::time::Duration;

use ioxproto::{Config, Status};
use ioxsim::{
    Account, ControllerOptions, Ending, Endpoint, OnPost, OnUpgrade, Place, PortalOptions, Times,
};

use crate::world::World;

const LOGIN: &str = "/api/login";
const REFRESH: &str = "/api/jwt/refresh";
const LOGOUT: &str = "/api/jwt/logout";

fn options(access_lifetime: u64) -> ControllerOptions {
    ControllerOptions {
        portal: Some(PortalOptions {
            access_lifetime: Duration::from_secs(access_lifetime),
            ..PortalOptions::default()
        }),
        ..ControllerOptions::default()
    }
}

fn account(config: Config) -> Config {
    config.portal_account("user@example.test", "secret")
}

fn connected(access_lifetime: u64) -> World {
    let mut world = World::new(options(access_lifetime), account);
    world.pass(2.0);
    assert_eq!(world.status(), Status::Connected);
    world
}

#[test]
fn a_session_logs_in_watches_and_logs_out() {
    let mut world = connected(3600);
    assert!(world.client.events().len() > 20);
    world.stop();
    assert_eq!(world.status(), Status::Disconnected);
    let seen = world.controller.portal_seen();
    assert_eq!((seen.logins, seen.refreshes, seen.logouts), (1, 0, 1));
    assert_eq!(seen.sessions, 0);
    let places: Vec<_> = seen
        .shown
        .iter()
        .map(|shown| (shown.place, shown.accepted))
        .collect();
    assert_eq!(places, [(Place::Upgrade, true), (Place::Logout, true)]);
    assert_eq!(world.controller.subscribers(), 0);
}

#[test]
fn an_hour_with_five_minute_tokens_refreshes_at_the_right_moments_and_loses_none() {
    let mut world = connected(300);
    // The controller drops the connection every 97 s for an hour.
    for round in 0..37 {
        world.pass(96.0);
        world.end(if round % 2 == 0 {
            Ending::Reset
        } else {
            Ending::Fin
        });
        world.pass(1.0);
    }
    world.pass(2.0);
    assert_eq!(world.status(), Status::Connected);
    let times = world.times(REFRESH);
    // Issued at 0, valid until 300: the connections at 99 and 196 still use it. The one at 293
    // needs a refresh first.
    let each: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((times[0] - 293.0).abs() < 1.5, "{times:?}");
    assert!(
        each.iter().all(|between| (between - 291.0).abs() < 1.5),
        "{each:?}"
    );
    let seen = world.controller.portal_seen();
    assert_eq!(seen.refreshes, times.len() as u64);
    assert_eq!(seen.refreshes, 12);
    assert_eq!((seen.logins, seen.sessions), (1, 1), "no session was lost");
    assert!(
        seen.shown.iter().all(|shown| shown.accepted),
        "no token was refused"
    );
    assert_eq!(
        world
            .client
            .statuses()
            .iter()
            .filter(|status| **status == "connected")
            .count(),
        38
    );
    assert_eq!(world.client.gaps(), []);
    world.stop();
    let seen = world.controller.portal_seen();
    assert_eq!((seen.logouts, seen.sessions), (1, 0));
}

#[test]
fn a_stream_that_lasts_longer_than_its_token_is_left_alone_and_refreshes_to_log_out() {
    let mut world = connected(300);
    world.pass(3600.0);
    assert_eq!(world.status(), Status::Connected);
    assert_eq!(world.times(REFRESH), [0.0; 0]);
    world.stop();
    assert_eq!(world.times(LOGOUT).len(), 1);
    let seen = world.controller.portal_seen();
    assert_eq!((seen.refreshes, seen.logouts, seen.sessions), (1, 1, 0));
}

#[test]
fn a_controller_that_reboots_is_waited_for_and_logged_in_to_again() {
    let mut world = connected(3600);
    world.controller.forget_sessions();
    let booting = OnUpgrade::refuse_with(503, "Retry-After", "20");
    world.controller.on_upgrade(booting, Times::Next(2));
    for endpoint in [Endpoint::Login, Endpoint::Refresh] {
        world
            .controller
            .on_post(endpoint, OnPost::refuse(503), Times::Next(1));
    }
    world.end(Ending::Reset);
    world.pass(200.0);
    assert_eq!(world.status(), Status::Connected);
    let seen = world.controller.portal_seen();
    assert_eq!((seen.logins, seen.sessions), (2, 1));
}

#[test]
fn the_stream_recovers_from_each_fault_at_each_endpoint() {
    let troubles = [
        OnPost::refuse(500),
        OnPost::refuse_with(503, "Retry-After", "3"),
        OnPost::refuse_with(302, "Location", "http://elsewhere.test/"),
        OnPost::BrokenJson,
        OnPost::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        OnPost::Mute,
        OnPost::End(Ending::Fin),
    ];
    for trouble in troubles {
        let mut world = World::new(options(30), account);
        world
            .controller
            .on_post(Endpoint::Refresh, trouble.clone(), Times::Next(1));
        world.pass(2.0);
        world.end(Ending::Fin);
        world.pass(30.0);
        assert_eq!(
            world.status(),
            Status::Connected,
            "{trouble:?}: {:?}",
            world.client.reasons()
        );
        assert_eq!(world.controller.portal_seen().logins, 1, "{trouble:?}");

        let mut world = World::new(
            ControllerOptions {
                portal: None,
                ..options(30)
            },
            account,
        );
        world.controller.set_portal(options(30).portal);
        world
            .controller
            .on_post(Endpoint::Login, trouble.clone(), Times::Next(1));
        world.pass(30.0);
        assert_eq!(
            world.status(),
            Status::Connected,
            "{trouble:?}: {:?}",
            world.client.reasons()
        );

        world
            .controller
            .on_post(Endpoint::Logout, trouble.clone(), Times::Always);
        world.stop();
        world.pass(1.5);
        assert_eq!(world.status(), Status::Disconnected, "{trouble:?}");
    }
}

#[test]
fn a_refused_login_is_final() {
    for no in [
        OnPost::refuse(401),
        OnPost::refuse(403),
        OnPost::Unsuccessful,
    ] {
        let mut world = World::new(
            ControllerOptions {
                portal: None,
                ..options(30)
            },
            account,
        );
        world.controller.set_portal(options(30).portal);
        world
            .controller
            .on_post(Endpoint::Login, no, Times::Next(1));
        world.pass(3600.0);
        assert_eq!(world.status(), Status::ReconnectFailed);
        assert_eq!(world.client.reasons().last(), Some(&"login_refused"));
    }
    let wrong = |config: Config| config.portal_account("user@example.test", "wrong");
    let world = World::new(options(30), wrong);
    assert_eq!(world.status(), Status::ReconnectFailed);
    assert_eq!(world.times(LOGIN).len(), 1);
}

#[test]
fn a_401_on_the_upgrade_is_renewed_once_and_then_final() {
    let mut world = connected(3600);
    world
        .controller
        .on_upgrade(OnUpgrade::refuse(401), Times::Next(1));
    world.end(Ending::Fin);
    world.pass(3.0);
    assert_eq!(world.status(), Status::Connected);
    world
        .controller
        .on_upgrade(OnUpgrade::refuse(403), Times::Next(2));
    world.end(Ending::Fin);
    world.pass(30.0);
    assert_eq!(world.status(), Status::ReconnectFailed);
    assert_eq!(world.controller.portal_seen().refreshes, 2);
}

#[test]
fn a_refresh_token_is_valid_once() {
    let mut world = connected(30);
    // A refresh whose answer is lost: the controller has rotated the token, but the client does not
    // know.
    let first = world.controller.portal_seen().issued[1].clone();
    let request = http::Request::post(REFRESH)
        .body(format!(r#"{{"refreshToken":"{}"}}"#, first.expose()).into_bytes())
        .unwrap();
    let now = world.client.now;
    assert_eq!(world.controller.post(now, &request).status, Some(200));
    assert_eq!(world.controller.post(now, &request).status, Some(401));
    world.end(Ending::Fin);
    world.pass(3.0);
    assert_eq!(world.status(), Status::Connected);
    assert_eq!(world.controller.portal_seen().logins, 2);
}

#[test]
fn a_logout_with_an_expired_token_is_answered_as_configured() {
    for status in [404, 500] {
        let mut portal = PortalOptions {
            stale_logout_status: status,
            ..PortalOptions::default()
        };
        portal.access_lifetime = Duration::from_secs(5);
        let portal = Some(portal);
        let mut world = World::new(
            ControllerOptions {
                portal,
                ..ControllerOptions::default()
            },
            account,
        );
        world.pass(10.0);
        let token = world.controller.portal_seen().issued[0].clone();
        let request = http::Request::post(LOGOUT)
            .header("Authorization", format!("Bearer {}", token.expose()))
            .body(Vec::new())
            .unwrap();
        assert_eq!(
            world.controller.post(world.client.now, &request).status,
            Some(status)
        );
    }
}

#[test]
fn unknown_accounts_methods_and_paths_are_refused() {
    let nobody = ControllerOptions {
        portal: Some(PortalOptions {
            accounts: vec![Account::new("a@b", "c")],
            ..PortalOptions::default()
        }),
        ..ControllerOptions::default()
    };
    let mut world = World::new(nobody, account);
    let now = world.client.now;
    let mut status = |method: &str, path: &str, body: &str| {
        let request = http::Request::builder().method(method).uri(path);
        let request = request.body(body.as_bytes().to_vec()).unwrap();
        world.controller.post(now, &request).status.unwrap()
    };
    let login = r#"{"username":"user@example.test","password":"secret"}"#;
    assert_eq!(status("POST", LOGIN, login), 401);
    assert_eq!(status("POST", LOGIN, "{"), 400);
    assert_eq!(status("PUT", LOGIN, login), 405);
    assert_eq!(status("POST", REFRESH, "{}"), 400);
    assert_eq!(status("POST", LOGOUT, ""), 401);
    assert_eq!(status("POST", "/api/other", ""), 404);
}
