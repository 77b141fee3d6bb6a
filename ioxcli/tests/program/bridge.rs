//! `iox bridge` as a service: its configuration, its port and its service manager.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::configured::{entry, folder, within, write};
use crate::house::{House, closed_port};
use crate::iox::{Finished, LIMIT, Running, iox, run};

/// A bridge, its folder, and a socket that receives its notifications as a service manager.
struct Service {
    folder: TempDir,
    manager: UnixDatagram,
    notifications: Vec<String>,
    running: Running,
    port: u16,
}

impl Service {
    fn start(config: &str) -> Self {
        let port = closed_port();
        Self::with(config, &["--http", &format!("127.0.0.1:{port}")], port)
    }

    /// Starts a bridge. It serves metrics on this port only if the arguments or the configuration
    /// say so.
    fn with(config: &str, arguments: &[&str], port: u16) -> Self {
        let folder = folder(config);
        let socket = folder.path().join("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(LIMIT)).unwrap();
        let mut command = within(iox(&[&["bridge"], arguments].concat()), &folder);
        command
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", "3000000");
        Self {
            folder,
            manager,
            notifications: Vec::new(),
            running: Running::start(command),
            port,
        }
    }

    /// Waits for a notification with a line that contains this text, and returns it.
    fn wait_for(&mut self, text: &str) -> String {
        let began = Instant::now();
        let mut buffer = [0; 4096];
        while began.elapsed() < LIMIT {
            let length = self.manager.recv(&mut buffer).expect("a notification");
            let words = String::from_utf8(buffer[..length].to_vec()).unwrap();
            self.notifications.extend(words.lines().map(str::to_owned));
            if let Some(line) = words.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
        }
        panic!("no {text:?} in {:?}", self.notifications);
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("iox/config.toml")
    }

    fn reload(&mut self, config: &str) {
        write(&self.config(), config, 0o600);
        self.running.signal(Signal::HUP);
        self.wait_for("RELOADING=1");
        self.wait_for("READY=1");
    }

    fn metrics(&self) -> String {
        let answer = request(self.port, "GET /metrics", "localhost");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer
    }

    /// Waits until the metrics contain this line.
    fn wait_for_metric(&self, line: &str) {
        let began = Instant::now();
        while !self.metrics().lines().any(|got| got == line) {
            assert!(began.elapsed() < LIMIT, "no {line} in {}", self.metrics());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Sends a request and returns the answer, head and body.
fn request(port: u16, request: &str, host: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn check(config: &str) -> Finished {
    run(within(iox(&["bridge", "--check"]), &folder(config)))
}

#[test]
fn a_bridge_notifies_its_service_manager_and_serves_metrics_and_health() {
    let house = House::quiet();
    let mut service = Service::start(&entry("home", &house));
    service.wait_for("READY=1");
    service.wait_for("WATCHDOG=1");
    service.wait_for("STATUS=1 of 1 controllers connected, no broker");
    service.wait_for("WATCHDOG=1");
    service.wait_for_metric("iox_controller_up{controller=\"home\"} 1");
    let metrics = service.metrics();
    assert!(
        metrics.contains("content-type: application/openmetrics-text"),
        "{metrics}"
    );
    assert!(
        !metrics.to_lowercase().contains("access-control"),
        "{metrics}"
    );
    for path in ["GET /healthz", "HEAD /readyz", "GET /readyz"] {
        let answer = request(service.port, path, &format!("127.0.0.1:{}", service.port));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    for (path, host, code) in [
        ("GET /metrics", "evil.example", 421),
        ("GET /healthz", "", 421),
        ("POST /metrics", "localhost", 405),
        ("OPTIONS /metrics", "localhost", 405),
        ("DELETE /healthz", "localhost", 405),
        ("GET /", "localhost", 200),
        ("GET /nothing", "localhost", 404),
    ] {
        let answer = request(service.port, path, host);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code} ")),
            "{path}: {answer}"
        );
        assert!(
            !answer.to_lowercase().contains("access-control"),
            "{answer}"
        );
    }
    service.running.signal(Signal::TERM);
    service.wait_for("STOPPING=1");
    let finished = service.running.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn a_reload_adds_and_removes_controllers_without_touching_the_others() {
    let (home, barn) = (House::quiet(), House::quiet());
    let mut service = Service::start(&entry("home", &home));
    service.wait_for_metric_of_first_connection();
    let both = entry("home", &home) + &entry("barn", &barn);
    service.reload(&both);
    service.wait_for_metric("iox_controller_up{controller=\"barn\"} 1");
    // An invalid file changes nothing, and is reported.
    service.reload("[controllers.home]\nurl = 1\n");
    service.wait_for("the configuration on disk cannot be used");
    service.wait_for_metric("iox_streams{status=\"connected\"} 2");
    // A changed password is fetched again.
    service.reload(&entry("barn", &barn));
    service.wait_for_metric("iox_streams{status=\"connected\"} 1");
    assert!(!service.metrics().contains("controller=\"home\""));
    assert_eq!(home.control().seen().upgrades, 1, "home was touched");
    assert_eq!(barn.control().seen().upgrades, 1, "barn was touched");
    service.running.signal(Signal::TERM);
    let finished = service.running.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for word in ["config.toml:2: ", "the old configuration stays in use"] {
        assert!(finished.stderr.contains(word), "{finished:?}");
    }
}

#[test]
fn a_reload_serves_metrics_on_another_port_or_as_before_if_that_is_in_use() {
    let house = House::quiet();
    let (first, second) = (closed_port(), closed_port());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port();
    let config = |port: u16, more: &str| {
        let home = entry("home", &house);
        format!("{home}[http]\nlisten = \"127.0.0.1:{port}\"\n{more}")
    };
    let mut service = Service::with(&config(first, ""), &[], first);
    service.wait_for_metric_of_first_connection();
    service.reload(&config(taken, ""));
    service.wait_for_metric("iox_streams{status=\"connected\"} 1");
    service.reload(&config(second, ""));
    service.port = second;
    service.wait_for_metric("iox_streams{status=\"connected\"} 1");
    assert!(TcpStream::connect(("127.0.0.1", first)).is_err());
    // Another name on the same port.
    assert!(request(second, "GET /healthz", "bridge.lan").starts_with("HTTP/1.1 421 "));
    service.reload(&config(second, "hosts = [\"bridge.lan\"]\n"));
    assert!(request(second, "GET /healthz", "bridge.lan").starts_with("HTTP/1.1 200 "));
    service.reload(&config(second, "enabled = false\n"));
    assert!(TcpStream::connect(("127.0.0.1", second)).is_err());
    assert_eq!(house.control().seen().upgrades, 1, "home was touched");
    service.running.signal(Signal::TERM);
    let finished = service.running.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for word in [
        &*format!("cannot serve HTTP on 127.0.0.1:{taken}"),
        "HTTP is served as before",
        "the HTTP server has stopped",
    ] {
        assert!(finished.stderr.contains(word), "{word}: {finished:?}");
    }
}

#[test]
fn a_reload_replaces_the_broker_and_reports_what_needs_a_restart() {
    let house = House::quiet();
    let brokers = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let config = |broker: &TcpListener, more: &str| {
        let (home, port) = (entry("home", &house), broker.local_addr().unwrap().port());
        format!("{home}[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n{more}")
    };
    let is_asked = |broker: &TcpListener| {
        let mut first = [0];
        let (mut socket, _) = broker.accept().unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.read_exact(&mut first).unwrap();
        // The packet type of CONNECT.
        assert_eq!(first, [0x10]);
    };
    let mut service = Service::start(&config(&brokers[0], ""));
    service.wait_for_metric_of_first_connection();
    is_asked(&brokers[0]);
    service.reload(&config(&brokers[1], ""));
    is_asked(&brokers[1]);
    service.reload(&config(
        &brokers[1],
        "[bridge]\nallow = [\"locks\"]\n[homeassistant]\nenabled = false\n",
    ));
    service.reload(&entry("home", &house));
    service.wait_for("STATUS=1 of 1 controllers connected, no broker");
    assert_eq!(house.control().seen().upgrades, 1, "home was touched");
    service.running.signal(Signal::TERM);
    let finished = service.running.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for word in [
        "another broker is in use",
        "[bridge] differs from before: that takes effect at the next start",
        "[homeassistant] or its overrides differs from before",
        "no broker is in use any more",
    ] {
        assert!(finished.stderr.contains(word), "{word}: {finished:?}");
    }
}

impl Service {
    fn wait_for_metric_of_first_connection(&mut self) {
        self.wait_for("READY=1");
        self.wait_for_metric("iox_streams{status=\"connected\"} 1");
    }
}

#[test]
fn a_controller_that_refuses_the_password_is_not_retried_until_a_reload() {
    let house = House::quiet();
    let config = entry("home", &house);
    let mut service = Service::start(&config);
    let password = service.folder.path().join("iox/password");
    service.wait_for_metric_of_first_connection();
    // The reload fetches the changed password from the file.
    write(&password, "wrong\n", 0o600);
    service.reload(&config);
    service.wait_for_metric("iox_streams{status=\"reconnect_failed\"} 1");
    service.wait_for("STATUS=0 of 1 controllers connected, 1 given up");
    write(&password, "admin\n", 0o600);
    service.reload(&config);
    service.wait_for_metric("iox_streams{status=\"connected\"} 1");
}

#[test]
fn the_journal_gets_levels_and_no_times() {
    let folder = folder(&entry("home", &House::quiet()));
    let path = folder.path().join("journal");
    let journal = fs::File::create(&path).unwrap();
    let about = journal.metadata().unwrap();
    let stream = format!("{}:{}", about.dev(), about.ino());
    let mut command = within(iox(&["bridge", "--http", "127.0.0.1:0"]), &folder);
    command.env("JOURNAL_STREAM", stream);
    let running = Running::with_stderr(command, journal);
    let began = Instant::now();
    let mut text = String::new();
    while !text.contains("<6>ioxproto::stream::machine: controller{name=\"home\"}: ") {
        assert!(began.elapsed() < LIMIT, "{text}");
        std::thread::sleep(Duration::from_millis(20));
        text = fs::read_to_string(&path).unwrap();
    }
    let finished = running.stop();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let text = fs::read_to_string(&path).unwrap();
    let is_plain = |line: &str| line.starts_with("<6>iox") || line.starts_with("<4>iox");
    assert!(text.lines().all(is_plain), "{text}");
}

#[test]
fn a_port_in_use_is_reported() {
    let house = House::quiet();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = format!("{}[http]\nlisten = \"{address}\"\n", entry("home", &house));
    let finished = run(within(iox(&["bridge"]), &folder(&config)));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for word in [&*address, "another program", "--http"] {
        assert!(finished.stderr.contains(word), "{finished:?}");
    }
    assert_eq!(house.control().seen().connections, 0, "nothing was started");
}

#[test]
fn a_check_does_not_connect_and_finds_the_errors_of_a_start() {
    let house = House::quiet();
    let good = check(&entry("home", &house));
    assert_eq!(good.code, Some(0), "{good:?}");
    for word in [
        "can be used",
        "1 of 1: home",
        "http://127.0.0.1:9994/metrics",
    ] {
        assert!(good.stdout.contains(word), "{good:?}");
    }
    assert_eq!(house.control().seen().connections, 0);
    let home = entry("home", &house);
    for (config, word) in [
        (String::new(), "names no controller"),
        (
            home.replace("password_file = \"password\"\n", ""),
            "has no password",
        ),
        (
            home.replace("\"password\"", "\"missing\""),
            "missing: No such file",
        ),
        (format!("{home}path = \"api\"\n"), "portal"),
        (
            format!("{home}timing = {{ drain_cap = 100000 }}\n"),
            "drain_cap",
        ),
        (
            format!("{home}password_env = \"X\"\n"),
            "more than one of password",
        ),
        (
            format!("{home}[bridge]\ncomands = true\n"),
            "did you mean `commands`?",
        ),
        (
            format!("{home}[homeassistant]\nprefix = \"a/#\"\n"),
            "discovery prefix",
        ),
        (
            format!("{home}[homeassistant]\noverrides = \"missing.toml\"\n"),
            "missing.toml",
        ),
        (
            format!("{home}[mqtt]\nhost = \"x\"\nca = \"missing.pem\"\n"),
            "missing.pem",
        ),
        (
            format!(
                "{home}[mqtt]\nhost = \"x\"\nusername = \"x\"\npassword_command = [\"false\"]\n"
            ),
            "false failed",
        ),
    ] {
        let finished = check(&config);
        assert_eq!(finished.code, Some(2), "{config}: {finished:?}");
        assert!(finished.stderr.contains(word), "{config}: {finished:?}");
    }
}

#[test]
fn overrides_of_nodes_are_read_from_a_separate_file() {
    let house = House::quiet();
    let config = format!(
        "{}[homeassistant]\noverrides = \"nodes.toml\"\n",
        entry("home", &house)
    );
    let folder = folder(&config);
    let path = folder.path().join("iox/nodes.toml");
    let check = || run(within(iox(&["bridge", "--check"]), &folder));
    fs::write(
        &path,
        "[\"1A 2B 3C 1\"]\nhide = true\n[n001_x]\ncomponent = \"switch\"\nname = \"Pump\"\n",
    )
    .unwrap();
    let good = check();
    assert_eq!(good.code, Some(0), "{good:?}");
    fs::write(&path, "[n001_x]\ncomponent = \"swich\"\n").unwrap();
    let bad = check();
    assert_eq!(bad.code, Some(2), "{bad:?}");
    assert!(bad.stderr.contains("nodes.toml:2: "), "{bad:?}");
}

#[test]
fn each_of_several_processes_watches_its_share() {
    let house = House::quiet();
    let names: Vec<String> = (0..12).map(|number| format!("house-{number}")).collect();
    let config: String = names.iter().map(|name| entry(name, &house)).collect();
    let folder = folder(&config);
    let mut seen = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let finished = run(within(
            iox(&["bridge", "--check", "--shard", shard]),
            &folder,
        ));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let line = finished
            .stdout
            .lines()
            .find(|line| line.starts_with("controllers"));
        let (_, list) = line.unwrap().split_once(": ").unwrap();
        seen.extend(list.split(", ").map(str::to_owned));
        let port = 9993 + shard[..1].parse::<u16>().unwrap();
        assert!(
            finished.stdout.contains(&format!(":{port}/metrics")),
            "{finished:?}"
        );
    }
    seen.sort();
    let mut expected = names;
    expected.sort();
    assert_eq!(seen, expected);
    let wrong = run(within(iox(&["bridge", "--shard", "4/3"]), &folder));
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}
