//! Tests of the server of the page: access, commands and server-sent events.

use ioxbridge::{Handle, HttpError, HttpOptions, HttpServer, Options, PageOptions};
use ioxsim::Event;

use crate::client::{Events, get, post, send};
use crate::house::{House, quiet};

const PASSWORD: &str = "open sesame";

fn with_password() -> PageOptions {
    PageOptions::new().password(PASSWORD.into())
}

/// The key of the node that a test switches.
async fn lamp(house: &House) -> (String, String) {
    let mut events = Events::open(house.address, "").await.unwrap();
    let lamp = events
        .entry(|entry| entry["commands"][2] == "LEVEL" && entry["kind"] == "node")
        .await;
    let text = |member: &str| lamp[member].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

fn command(key: &str, payload: &str) -> String {
    serde_json::json!({ "key": key, "payload": payload }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_loads_nothing_from_other_origins() {
    let house = House::start(PageOptions::new()).await;
    for path in ["/", "/app.js", "/style.css", "/session", "/metrics"] {
        let answer = get(house.address, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("access-control-allow-origin").is_none());
    }
    let page = get(house.address, "/").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"));
    assert!(
        !policy.contains("unsafe") && !policy.contains('*'),
        "{policy}"
    );
    for attribute in ["onclick=", "style=", "http://", "https://"] {
        assert!(!page.body.contains(attribute), "{attribute}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_the_servers_is_answered_421() {
    let house = House::start(PageOptions::new()).await;
    for path in ["/", "/events", "/session", "/app.js"] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: rebound.example");
        assert_eq!(send(house.address, &head, "").await.status, 421, "{path}");
    }
    let head = "POST /command HTTP/1.1\r\nHost: rebound.example\r\nX-Iox-Request: 1";
    assert_eq!(send(house.address, head, "{}").await.status, 421);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_for_the_network_needs_a_password_or_a_proxy() {
    let bind = async |page: PageOptions| {
        let options = HttpOptions::new(([0, 0, 0, 0], 0).into()).page(page);
        HttpServer::bind(&options, Handle::new()).await
    };
    let refused = bind(PageOptions::new()).await.unwrap_err();
    assert!(
        matches!(refused, HttpError::Unprotected { .. }),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("give it a password"),
        "{refused}"
    );
    assert!(bind(with_password()).await.is_ok());
    assert!(bind(PageOptions::new().behind_proxy()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_the_house_is_not_shown_and_no_command_is_carried_out() {
    let house = House::start(with_password()).await;
    assert_eq!(get(house.address, "/").await.status, 200);
    assert_eq!(get(house.address, "/session").await.status, 401);
    assert!(Events::open(house.address, "").await.is_none());
    let answer = post(house.address, "/command", "", &command("home/node/x", "ON")).await;
    assert_eq!(answer.status, 401);
    let wrong = "\r\nAuthorization: Bearer open";
    assert!(Events::open(house.address, wrong).await.is_none());
    let bearer = format!("\r\nAuthorization: Bearer {PASSWORD}");
    assert!(Events::open(house.address, &bearer).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_begins_with_the_password_and_ends_with_sign_out() {
    let house = House::start(with_password()).await;
    assert_eq!(
        post(house.address, "/sign-in", "", "guess").await.status,
        401
    );
    let answer = post(house.address, "/sign-in", "", PASSWORD).await;
    assert_eq!(answer.status, 204);
    let cookie = answer.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!answer.head.contains(PASSWORD));
    let cookie = format!("\r\nCookie: {}", cookie.split(';').next().unwrap());
    let mut events = Events::open(house.address, &cookie).await.unwrap();
    assert_eq!(events.next().await.unwrap()["type"], "snapshot");

    assert_eq!(
        post(house.address, "/sign-out", &cookie, "").await.status,
        204
    );
    assert!(Events::open(house.address, &cookie).await.is_none());
    // An open stream of events ends at the next change.
    house.control().emit(&Event::new("ST", "7").node("n1"));
    while events.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_from_forms_and_other_origins_change_nothing() {
    let house = House::start(PageOptions::new()).await;
    let (key, address) = lamp(&house).await;
    let value = || {
        house
            .control()
            .last(&address, "ST")
            .map(|event| format!("{event:?}"))
    };
    let before = value();
    let payload = if before.as_deref().is_some_and(|on| on.contains("255")) {
        "OFF"
    } else {
        "ON"
    };
    let body = command(&key, payload);
    let form = "POST /command HTTP/1.1\r\nContent-Type: text/plain";
    assert_eq!(send(house.address, form, &body).await.status, 403);
    for origin in [
        "http://evil.example",
        "null",
        "https://127.0.0.1.evil.example",
    ] {
        let header = format!("\r\nOrigin: {origin}");
        let answer = post(house.address, "/command", &header, &body).await;
        assert_eq!(answer.status, 403, "{origin}");
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let head = format!("{method} /command HTTP/1.1\r\nX-Iox-Request: 1");
        assert_eq!(
            send(house.address, &head, &body).await.status,
            405,
            "{method}"
        );
    }
    assert_eq!(value(), before);
    let header = format!("\r\nOrigin: http://{}", house.address);
    assert_eq!(
        post(house.address, "/command", &header, &body).await.status,
        200
    );
    assert_ne!(value(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_carried_out_confirmed_and_seen() {
    let house = House::start(PageOptions::new()).await;
    let (key, address) = lamp(&house).await;
    let mut events = Events::open(house.address, "").await.unwrap();
    for (payload, is_on) in [("OFF", false), ("40%", true), ("OFF", false)] {
        let answer = post(house.address, "/command", "", &command(&key, payload)).await;
        assert_eq!(answer.status, 200, "{payload}: {}", answer.body);
        let outcome: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert!(
            ["confirmed", "unchanged"].contains(&outcome["outcome"].as_str().unwrap()),
            "{payload}: {outcome}"
        );
        if outcome["outcome"] == "confirmed" {
            let entry = events
                .entry(|entry| entry["id"] == *address && entry["on"] == is_on)
                .await;
            assert!(payload != "40%" || entry["value"] == "40%", "{entry}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_carried_out_reports_the_reason() {
    let house = House::start(PageOptions::new()).await;
    let (key, _) = lamp(&house).await;
    let long = "x".repeat(5000);
    for (body, status, code) in [
        (command(&key, "101%"), 422, "not_understood"),
        (command(&key, "NaN"), 422, "not_understood"),
        (command(&key, &"9".repeat(100)), 422, "too_long"),
        (command("home/node/nobody", "ON"), 404, "unknown_target"),
        (command("away/node/x", "ON"), 404, "unknown_target"),
        (command("nonsense", "ON"), 404, "unknown_target"),
        ("not json".to_owned(), 400, "not_understood"),
        (
            r#"{"key":"a","payload":"ON","more":1}"#.to_owned(),
            400,
            "not_understood",
        ),
        (command(&key, &long), 413, ""),
    ] {
        let answer = post(house.address, "/command", "", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(answer.body.contains(code), "{body}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_can_be_turned_off() {
    let house = House::start(PageOptions::new().commands(false)).await;
    let mut events = Events::open(house.address, "").await.unwrap();
    assert_eq!(events.next().await.unwrap()["commands"], false);
    let answer = post(
        house.address,
        "/command",
        "",
        &command("home/node/n1", "ON"),
    )
    .await;
    assert_eq!(answer.status, 403, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_misses_nothing() {
    let mut house = House::start(PageOptions::new()).await;
    let mut events = Events::open(house.address, "").await.unwrap();
    house.control().emit(&Event::new("ST", "1").node("n1"));
    let changed_to = |value: &'static str| {
        move |entry: &serde_json::Value| {
            entry["id"] == "n1" && entry["properties"][0]["raw"] == value
        }
    };
    events.entry(changed_to("1")).await;
    let seen = events.id.clone();
    drop(events);
    for value in ["2", "3"] {
        house.control().emit(&Event::new("ST", value).node("n1"));
        let mut other = Events::open(house.address, "").await.unwrap();
        other
            .entry(changed_to(if value == "2" { "2" } else { "3" }))
            .await;
    }
    let header = format!("\r\nLast-Event-ID: {seen}");
    let mut events = Events::open(house.address, &header).await.unwrap();
    let first = events.next().await.unwrap();
    assert_eq!(first["type"], "change", "{first}");
    let logged = first["log"].to_string() + &events.next().await.unwrap()["log"].to_string();
    assert!(logged.contains('2') && logged.contains('3'), "{logged}");

    // Another server numbers its changes differently.
    house.stop_serving().await;
    house.serve(PageOptions::new()).await;
    let mut events = Events::open(house.address, &header).await.unwrap();
    assert_eq!(events.next().await.unwrap()["type"], "snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_blocks_no_other() {
    let house = House::with(quiet(12), Options::new(), PageOptions::new()).await;
    let _stuck = Events::open(house.address, "").await.unwrap();
    let mut events = Events::open(house.address, "").await.unwrap();
    let name = "x".repeat(2000);
    for number in 0..2000 {
        let text = format!("{number} {name}");
        house.control().emit(&Event::new("ST", text).node("n1"));
    }
    let last = |entry: &serde_json::Value| {
        let raw = entry["properties"][0]["raw"].as_str();
        entry["id"] == "n1" && raw.is_some_and(|raw| raw.starts_with("1999 "))
    };
    events.entry(last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_limited_and_other_requests_are_still_answered() {
    let house = House::start(PageOptions::new()).await;
    let mut readers = Vec::new();
    while let Some(events) = Events::open(house.address, "").await {
        readers.push(events);
        assert!(readers.len() <= 40);
    }
    assert_eq!(readers.len(), 40);
    assert_eq!(get(house.address, "/metrics").await.status, 200);
    drop(readers);
}
