//! The test bench of a scenario: the driver under test and a simulated controller.

use std::env;
use std::ops::Deref;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ioxdriver::{Fingerprint, Options, Trust};
use ioxproto::{Notification, ReadNames, Timing};
use ioxsim::{Control, ControllerOptions, HouseOptions, Observation, Server, ServerOptions, Tls};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::{Driver, Front, Handle, StreamHandle, Watched};

/// How long a scenario waits for something that must happen; much longer than a busy machine needs.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The environment variable that is set in the process of a test that runs alone.
const ALONE: &str = "IOX_CONFORMANCE_ALONE";

/// Polls a condition until it is met. Returns `false` if it is not met within the [`LIMIT`].
pub fn holds_in_time(mut condition: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + LIMIT;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// Waits until a condition is met.
///
/// # Panics
///
/// If it is not met within the [`LIMIT`].
pub fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_in_time(condition), "timed out waiting for {what}");
}

/// Timings that are short enough for tests and have the proportions of the real ones.
#[must_use]
pub fn quick() -> Timing {
    let milliseconds = Duration::from_millis;
    let mut timing = Timing::default();
    timing.drain_quiet = milliseconds(300);
    timing.drain_quiet_after_mark = milliseconds(150);
    timing.backoff = [20, 40, 100, 200].map(milliseconds).to_vec();
    timing.proven_after = milliseconds(3000);
    timing
}

/// Options for the simulated controller at this URL: its local account and [`quick`] timings,
/// without reading names.
pub fn options(url: impl Into<String>) -> Options {
    Options::new(url)
        .local_account("admin", "admin")
        .timing(quick())
        .read_names(ReadNames::Never)
        .seed(1)
}

/// How streams connect to the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "with TLS, or without")]
pub enum Link {
    /// `http`.
    Plain,
    /// `https`, with a pinned self-signed certificate.
    Tls,
}

const PORTAL_USER: &str = "user@example.test";
const PORTAL_PASSWORD: &str = "secret";

/// The test bench of a scenario.
pub struct Bench {
    pub(crate) driver: &'static dyn Driver,
    link: Link,
    test: &'static str,
}

#[expect(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "made for tests, which fail with a panic"
)]
impl Bench {
    /// Creates the bench for a test. `test` is its path, which begins with the name of its crate.
    #[must_use]
    pub fn new(driver: &'static dyn Driver, link: Link, test: &'static str) -> Self {
        Self { driver, link, test }
    }

    /// Runs a scenario in a process of its own, because it observes the whole process. The process
    /// runs the test's program with only this test.
    pub fn alone(&self, scenario: impl FnOnce()) {
        if env::var_os(ALONE).is_some() {
            return scenario();
        }
        let (_, test) = self.test.split_once("::").unwrap();
        let run = Command::new(env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(
            run.status.success() && said.contains("1 passed"),
            "{}\n{said}{}",
            run.status,
            String::from_utf8_lossy(&run.stderr)
        );
        println!("{said}");
    }

    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.link == Link::Tls
    }

    /// Starts a controller on the scenario's link. Nothing happens in its house by itself.
    #[must_use]
    pub fn server(&self) -> Sim {
        self.server_with(|_| {})
    }

    #[must_use]
    pub fn server_with(&self, change: impl FnOnce(&mut ControllerOptions)) -> Sim {
        let mut options = ServerOptions::of(HouseOptions {
            nodes: 12,
            rate_per_second: 0.0,
            seed: 5,
            ..HouseOptions::default()
        });
        options.tls = self.has_tls().then(|| Tls::self_signed().unwrap());
        change(&mut options.controller);
        Sim::start(options)
    }

    /// Options for a stream of this controller.
    pub fn options(&self, server: &Sim) -> Options {
        let options = options(server.url());
        match server.server().fingerprint() {
            Some(fingerprint) => options.trust(Trust::Pins(vec![
                fingerprint.parse::<Fingerprint>().unwrap(),
            ])),
            None => options,
        }
    }

    /// Starts a scripted REST interface on the scenario's link, and the controller behind it.
    #[must_use]
    pub fn front(&self) -> (Front, Sim) {
        let sim = Self {
            link: Link::Plain,
            ..*self
        }
        .server();
        let url = sim.url();
        let address = url.strip_prefix("http://").unwrap();
        let tls = self.has_tls().then(|| Tls::self_signed().unwrap());
        let front = Front::start(address.parse().unwrap(), tls).unwrap();
        (front, sim)
    }

    /// Options for a stream of the controller behind a scripted interface.
    pub fn options_of(&self, front: &Front) -> Options {
        let options = options(front.url());
        match front.fingerprint() {
            Some(fingerprint) => {
                let pin = fingerprint.parse::<Fingerprint>().unwrap();
                options.trust(Trust::Pins(vec![pin]))
            }
            None => options,
        }
    }

    #[must_use]
    pub fn watch(&self, server: &Sim) -> Watched {
        self.start(self.options(server))
    }

    /// Options with a portal account.
    pub fn portal(&self, server: &Sim) -> Options {
        self.options(server)
            .portal_account(PORTAL_USER, PORTAL_PASSWORD)
    }

    /// Options with a portal account, for the controller behind a scripted interface.
    pub fn portal_of(&self, front: &Front) -> Options {
        self.options_of(front)
            .portal_account(PORTAL_USER, PORTAL_PASSWORD)
    }

    /// Waits until a full queue prevents the driver from reading.
    pub fn wait_until_queue_full(&self, watched: &Watched) {
        let full = watched
            .handle()
            .wait_until(&Handle::is_waiting_for_consumer, LIMIT);
        assert_eq!(full, Ok(()));
    }

    #[must_use]
    pub fn start(&self, options: Options) -> Watched {
        // Logs the options, as a careless program may do.
        tracing::info!(?options, "starting");
        Watched::new(self.driver.start(options))
    }

    #[must_use]
    pub fn start_with(
        &self,
        options: Options,
        listener: impl FnMut(&Notification) + Send + 'static,
    ) -> Option<Box<dyn StreamHandle>> {
        self.driver.start_with(options, Box::new(listener))
    }
}

/// A simulated controller on a runtime of its own.
pub struct Sim {
    runtime: Runtime,
    server: Option<Server>,
    control: Control,
}

#[expect(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "made for tests, which fail with a panic"
)]
impl Sim {
    #[must_use]
    pub fn start(options: ServerOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(Server::start(options)).unwrap();
        Self {
            control: server.control(),
            server: Some(server),
            runtime,
        }
    }

    #[must_use]
    pub fn server(&self) -> &Server {
        self.server
            .as_ref()
            .expect("the server runs until it is killed")
    }

    #[must_use]
    pub fn url(&self) -> String {
        self.server().url()
    }

    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Ends like a killed process: all connections end with it.
    pub fn kill(mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.kill());
        }
    }

    /// Waits until the controller's observations fit.
    pub fn seen(&self, what: &str, fits: impl FnMut(&Observation) -> bool) -> Observation {
        let waited = self
            .runtime
            .block_on(async { timeout(LIMIT, self.control.wait_for(fits)).await });
        match waited {
            Ok(seen) => seen,
            Err(_) => panic!(
                "the controller never saw {what}: {:#?}",
                self.control.seen()
            ),
        }
    }
}

impl Deref for Sim {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}
