//! Portal accounts and the caller's own tokens.

use ioxsim::{Ending, Endpoint, OnPost, OnUpgrade, Place, Times, Tls};
use ioxtransport_tokio::{Notification, Secret};

use crate::watched::{Watched, builder, pin, portal, portal_account, serve, serve_tls, soon};

#[tokio::test]
async fn a_session_logs_in_watches_refreshes_and_logs_out_with_one_stop() {
    // A token that expires within a minute is refreshed before it is used again.
    let server = serve_tls(portal(50), Tls::self_signed().unwrap()).await;
    let watched = Watched::start(portal_account(&server).trust(pin(&server)), &server);
    watched.connected().await;
    watched.reconnect().await;
    let events = watched.notifications();
    let events = events
        .iter()
        .filter(|notification| matches!(notification, Notification::Event(_)));
    assert!(events.count() > 40);
    watched.stop().await;
    let seen = watched.control.seen();
    let portal = &seen.portal;
    assert_eq!((portal.logins, portal.logouts, portal.sessions), (1, 1, 0));
    // One refresh before the second connect, and one before the logout.
    assert_eq!(portal.refreshes, 2);
    assert!(portal.shown.iter().all(|shown| shown.accepted));
    assert_eq!(seen.closes, [Some(1000)]);
    assert_eq!(watched.control.subscribers(), 0);
}

#[tokio::test]
async fn a_stop_logs_out_with_a_live_token_as_it_is() {
    let server = serve(portal(3600)).await;
    let watched = Watched::start(portal_account(&server), &server);
    watched.connected().await;
    watched.stop().await;
    let portal = watched.control.seen().portal;
    assert_eq!((portal.logins, portal.refreshes, portal.logouts), (1, 0, 1));
}

#[tokio::test]
async fn the_stream_recovers_from_503_while_the_controller_boots() {
    let server = serve(portal(3600)).await;
    let control = server.control();
    control.on_post(Endpoint::Login, OnPost::refuse(503), Times::Next(3));
    control.on_upgrade(OnUpgrade::refuse(503), Times::Next(2));
    let watched = Watched::start(portal_account(&server), &server);
    watched.connected().await;
    let expected = [
        "login_failed",
        "login_failed",
        "login_failed",
        "upgrade_refused",
        "upgrade_refused",
    ];
    assert_eq!(watched.reasons(), expected);
    assert_eq!(control.seen().portal.logins, 1);
}

#[tokio::test]
async fn the_stream_recovers_from_each_temporary_login_failure() {
    for trouble in [
        OnPost::refuse(500),
        OnPost::BrokenJson,
        OnPost::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        OnPost::End(Ending::Fin),
        OnPost::End(Ending::Reset),
    ] {
        let server = serve(portal(3600)).await;
        server
            .control()
            .on_post(Endpoint::Login, trouble.clone(), Times::Next(1));
        let watched = Watched::start(portal_account(&server), &server);
        watched.connected().await;
        assert_eq!(watched.reasons().len(), 1, "{trouble:?}");
        watched.stop().await;
    }
}

#[tokio::test]
async fn a_refused_login_is_final() {
    for no in [
        OnPost::refuse(401),
        OnPost::refuse(403),
        OnPost::Unsuccessful,
    ] {
        let server = serve(portal(3600)).await;
        server.control().on_post(Endpoint::Login, no, Times::Always);
        let watched = Watched::start(portal_account(&server), &server);
        assert_eq!(watched.failed().await, "login_refused");
        assert_eq!(watched.control.seen().portal.posts.len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let elsewhere = serve(portal(3600)).await;
    let there = elsewhere.url();
    let server = serve(portal(3600)).await;
    let control = server.control();
    for status in [301, 307] {
        let redirect = OnPost::refuse_with(status, "Location", format!("{there}/api/login"));
        control.on_post(Endpoint::Login, redirect, Times::Next(1));
    }
    let redirect = OnUpgrade::refuse_with(302, "Location", format!("{there}/rest/subscribe"));
    control.on_upgrade(redirect, Times::Next(1));
    let watched = Watched::start(portal_account(&server), &server);
    watched.connected().await;
    assert_eq!(
        watched.reasons(),
        ["login_failed", "login_failed", "upgrade_refused"]
    );
    assert_eq!(elsewhere.control().connections(), 0);
}

#[tokio::test]
async fn a_401_is_answered_by_one_refresh_and_a_second_one_is_final() {
    let server = serve(portal(3600)).await;
    let control = server.control();
    control.on_upgrade(OnUpgrade::refuse(401), Times::Next(1));
    let watched = Watched::start(portal_account(&server), &server);
    watched.connected().await;
    assert_eq!(watched.reasons(), [""; 0], "the attempt went on");
    control.on_upgrade(OnUpgrade::refuse(401), Times::Always);
    control.end(Ending::Fin);
    assert_eq!(watched.failed().await, "credentials_refused");
    let portal = control.seen().portal;
    assert_eq!((portal.logins, portal.refreshes), (1, 2));
}

#[tokio::test]
async fn the_stream_logs_in_again_if_the_controller_forgets_its_sessions() {
    let server = serve(portal(3600)).await;
    let watched = Watched::start(portal_account(&server), &server);
    watched.connected().await;
    watched.control.forget_sessions();
    watched.reconnect().await;
    let portal = watched.control.seen().portal;
    assert_eq!((portal.logins, portal.sessions), (2, 1));
}

#[tokio::test]
async fn a_stop_while_the_login_hangs_is_in_time() {
    let server = serve(portal(3600)).await;
    let control = server.control();
    control.on_post(Endpoint::Login, OnPost::Mute, Times::Always);
    let timing = ioxtransport_tokio::Timing::default();
    let watched = Watched::start(portal_account(&server).timing(timing), &server);
    soon(control.wait_for(|seen| seen.requests == 1)).await;
    watched.stop().await;
    soon(control.wait_for(|seen| seen.open == 0)).await;
    assert_eq!(control.upgrades(), 0);
}

#[tokio::test]
async fn a_stop_ends_the_session_of_a_login_in_progress() {
    let server = serve(portal(3600)).await;
    let control = server.control();
    control.freeze();
    let watched = Watched::start(portal_account(&server), &server);
    watched.handle.request_stop();
    control.thaw();
    watched.stop().await;
    let portal = control.seen().portal;
    assert_eq!((portal.logins, portal.logouts, portal.sessions), (1, 1, 0));
    assert_eq!(control.upgrades(), 0);
}

#[tokio::test]
async fn the_callers_own_tokens_are_requested_and_requested_again_after_a_401() {
    let server = serve(portal(3600)).await;
    // In place of the application, another stream logs in.
    let account = Watched::start(portal_account(&server), &server);
    account.connected().await;
    let good = account.control.seen().portal.issued[0].clone();
    let tokens = vec![Secret::new("no.good.token"), good.clone()];
    let watched = Watched::start_with_tokens(builder(&server).own_tokens(), &server, tokens);
    watched.connected().await;
    let asked: Vec<_> = watched
        .notifications()
        .into_iter()
        .filter_map(|notification| match notification {
            Notification::TokenWanted { rejected } => Some(rejected),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [false, true]);
    watched.reconnect().await;
    watched.stop().await;
    let portal = watched.control.seen().portal;
    assert_eq!(portal.logouts, 0, "the session is the application's");
    let last = portal.shown.back().unwrap();
    assert_eq!((last.place, last.accepted), (Place::Upgrade, true));
}
