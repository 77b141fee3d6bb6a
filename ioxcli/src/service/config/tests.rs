//! Tests of the configuration's settings and of the messages about mistakes.

use super::*;
use crate::service::secret::Source;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("/etc/iox/config.toml"), text)
}

/// Expects an error whose message contains these words. Returns the message.
#[track_caller]
fn mistake(text: &str, words: &[&str]) -> String {
    let sentence = parse(text).unwrap_err();
    for word in words {
        assert!(sentence.contains(word), "no {word:?} in {sentence:?}");
    }
    assert!(!sentence.contains("hunter2"), "{sentence}");
    sentence
}

const HOME: &str = "[controllers.home]\nurl = \"https://eisy.local:8443\"\nusername = \"admin\"\n";

#[test]
fn all_settings_are_read() {
    let pin = format!("sha256:{}", "ab".repeat(32));
    let text = format!(
        r#"
[controllers.home]
url = "https://eisy.local:8443"
username = "admin"
password_file = "home.password"
pin = "{pin}"
profile = "isy994"
timing = {{ drain_cap = 90, ping_after = 12.5 }}

[controllers.barn]
url = "http://10.0.0.7"
username = "me@example.test"
password_command = ["pass", "show", "barn"]
auth = "portal"
path = "api"

[bridge]
instance = "attic"
availability_delay = 120
commands = true
allow = ["locks", "covers"]

[mqtt]
host = "broker.local"
tls = true
username = "iox"
password_env = "MQTT_PASSWORD"

[homeassistant]
prefix = "ha"

[http]
listen = "[::1]:9000"
hosts = ["bridge.lan"]
"#
    );
    let Settings {
        controllers,
        bridge,
        mqtt,
        homeassistant,
        http,
    } = parse(&text).unwrap().settings;
    let home = &controllers["home"];
    assert_eq!(home.password, Some(Source::File("home.password".into())));
    assert_eq!(
        home.trust,
        Some(TrustSetting::Pins(vec![pin.parse().unwrap()]))
    );
    assert_eq!(home.profile, Some(ioxproto::Profile::Isy994));
    let mut timing = ioxproto::Timing::default();
    home.timing.apply(&mut timing);
    assert_eq!(timing.drain_cap.as_secs(), 90);
    assert_eq!(timing.ping_after.as_millis(), 12_500);
    assert_eq!(timing.connect, ioxproto::Timing::default().connect);
    assert_eq!(controllers["barn"].path, Some(ioxproto::SubscribePath::Api));
    assert_eq!(
        bridge.allow,
        [ioxbridge::Allowance::Locks, ioxbridge::Allowance::Covers]
    );
    assert_eq!(
        (bridge.instance.as_deref(), bridge.commands),
        (Some("attic"), Some(true))
    );
    let mqtt = mqtt.unwrap();
    assert_eq!((mqtt.port, mqtt.tls), (8883, true));
    assert!(homeassistant.enabled && homeassistant.prefix == "ha");
    assert_eq!(http.listen.to_string(), "[::1]:9000");
}

#[test]
fn an_empty_file_has_the_defaults() {
    let settings = parse("").unwrap().settings;
    assert!(settings.controllers.is_empty() && settings.mqtt.is_none());
    assert!(settings.http.enabled && settings.http.listen.ip().is_loopback());
}

#[test]
fn unknown_keys_are_refused_with_line_and_suggestion() {
    let sentence = mistake(
        &format!("{HOME}pasword_file = \"x\"\n"),
        &[
            "unknown field `pasword_file`",
            "did you mean `password_file`?",
        ],
    );
    assert!(
        sentence.starts_with("/etc/iox/config.toml:4: "),
        "{sentence}"
    );
    let sentence = mistake("\n[mqqt]\nhost = \"x\"\n", &["did you mean `mqtt`?"]);
    assert!(
        sentence.starts_with("/etc/iox/config.toml:2: "),
        "{sentence}"
    );
    mistake("[bridge]\nzzz = 1\n", &["unknown field `zzz`"]);
    mistake(
        "[bridge]\nallow = [\"lock\"]\n",
        &["config.toml:2: ", "did you mean `locks`?"],
    );
    mistake(
        &format!("{HOME}auth = \"locl\"\n"),
        &["did you mean `local`?"],
    );
    mistake(
        &format!("{HOME}timing = {{ drain_quit = 1 }}\n"),
        &["did you mean `drain_quiet`?"],
    );
}

#[test]
fn duplicate_names_and_keys_are_refused_with_their_line() {
    let sentence = mistake(&format!("{HOME}{HOME}"), &["duplicate", "home"]);
    assert!(
        sentence.starts_with("/etc/iox/config.toml:4: "),
        "{sentence}"
    );
    mistake(
        &format!("{HOME}username = \"x\"\n"),
        &["config.toml:4: ", "duplicate"],
    );
}

#[test]
fn invalid_values_are_refused_with_their_line() {
    let with = |line: &str| format!("{HOME}{line}\n");
    for (line, word) in [
        ("pin = \"sha256:00\"", "fingerprint"),
        ("path = \"rast\"", "rest and api"),
        ("profile = \"x\"", "isy994"),
        ("timing = { drain_cap = 0 }", "greater than 0"),
        ("timing = { drain_cap = nan }", "greater than 0"),
    ] {
        mistake(&with(line), &["config.toml:4: ", word]);
    }
    for line in [
        "password = \"hunter2\"\npassword_env = \"X\"",
        "password_command = []",
        "password_credential = \"../hunter2\"",
        "insecure = true\nca = \"ca.pem\"",
    ] {
        mistake(&with(line), &["config.toml:1: "]);
    }
    mistake(
        "[controllers.home]\nurl = \"eisy.local\"\nusername = \"x\"\n",
        &["config.toml:2: ", "no scheme"],
    );
    mistake(
        "[controllers.home]\nurl = \"https://admin:hunter2@eisy\"\nusername = \"x\"\n",
        &["config.toml:2: "],
    );
    mistake(
        "[controllers.home]\nurl = \"https://eisy\"\n",
        &["config.toml:1: ", "username"],
    );
    mistake(
        "[controllers.\"a/#\"]\nurl = \"https://eisy\"\nusername = \"x\"\n",
        &["letters, digits"],
    );
    mistake(
        "[controllers.a]\nurl = \"http://eisy\"\nusername = \"x\"\ninsecure = true\n",
        &["http:// has none"],
    );
    mistake(
        "[mqtt]\nhost = \"mqtt://x\"\n",
        &["config.toml:1: ", "port = 1883"],
    );
    mistake(
        "[mqtt]\nhost = \"x\"\npassword = \"hunter2\"\n",
        &["username"],
    );
}

#[test]
fn a_malformed_password_is_not_repeated() {
    for line in [
        "password = hunter2",
        "password = \"hunter2",
        "password = [\"hunter2\"]",
        "password = { hunter2 = 1 }",
        "password = \"\"",
    ] {
        mistake(&format!("{HOME}{line}\n"), &["config.toml:"]);
    }
    for number in ["314159", "3.14159", "true", "2026-01-02"] {
        let sentence = mistake(
            &format!("{HOME}password = {number}\n"),
            &["config.toml:4: "],
        );
        assert!(!sentence.contains(number), "{sentence}");
    }
}

#[test]
fn an_unknown_name_is_reported_with_a_similar_one() {
    let config = parse(HOME).unwrap();
    assert!(config.controller("home").is_ok());
    let error = config.controller("hone").unwrap_err().to_string();
    assert!(
        error.contains("no controller is named hone") && error.contains("nearest is home"),
        "{error}"
    );
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let config = parse("").unwrap();
    assert_eq!(config.resolve(Path::new("x")), Path::new("/etc/iox/x"));
    assert_eq!(config.resolve(Path::new("/x")), Path::new("/x"));
}

/// Removes the comment sign from wanted lines that show a setting.
fn uncommented(text: &str, wanted: impl Fn(&str) -> bool) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(setting) if wanted(setting) => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_documented_configuration_is_valid_and_shows_the_defaults() {
    let text = include_str!("../../../../contrib/config.toml");
    let shown = parse(text).unwrap().settings;
    let is_alternative = |setting: &str| {
        [
            "password_",
            "password ",
            "pin",
            "ca ",
            "insecure",
            "username",
            "hosts",
            "overrides",
        ]
        .iter()
        .any(|key| setting.starts_with(key))
    };
    // All settings except examples and those that exclude each other.
    let all = uncommented(text, |setting| {
        (setting.starts_with('[') || setting.contains(" = ")) && !is_alternative(setting)
    });
    let all = parse(&all).unwrap().settings;
    let mut timing = ioxproto::Timing::default();
    all.controllers["home"].timing.apply(&mut timing);
    assert_eq!(timing, ioxproto::Timing::default());
    let mut http = all.http;
    // Their defaults depend on the address.
    (http.page, http.commands, http.password) = (None, None, None);
    assert_eq!(http, shown.http);
    assert_eq!(all.homeassistant, shown.homeassistant);
    assert_eq!(all.mqtt.unwrap().port, shown.mqtt.unwrap().port);
    let pin = format!("sha256:{}", "0".repeat(64));
    for key in [
        "password_command",
        "password_env",
        "password_credential",
        "pin ",
        "ca ",
    ] {
        let one = uncommented(text, |setting| setting.starts_with(key));
        let one = one
            .replace("password_file = ", "# ")
            .replace("sha256:…", &pin);
        // The same keys of the broker would also need TLS and a user name: leave them out.
        let controller = one.split("[mqtt]").next().unwrap_or_default();
        let parsed = parse(controller);
        assert!(parsed.is_ok(), "{key}: {parsed:?}");
    }
}
