//! A stream on a simulated controller, with methods that wait for its notifications.

use std::sync::LazyLock;
use std::time::Duration;

use ioxsim::{Control, ControllerOptions, HouseOptions, Server, ServerOptions, Tls};
use ioxtransport_blocking::{
    Builder, Event, EventStream, Fingerprint, Handle, Notification, Status, StatusChange, Timing,
    Trust,
};
use tokio::runtime::Runtime;

/// How long a test waits for something that must happen; much longer than a busy machine needs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Without and with TLS, for tests for which it makes a difference.
pub(crate) const BOTH: [bool; 2] = [false, true];

/// The runtime of the simulator. The driver needs none.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
});

/// Timings that are short enough for tests and have the proportions of the real ones.
pub(crate) fn quick() -> Timing {
    let milliseconds = Duration::from_millis;
    let mut timing = Timing::default();
    timing.drain_quiet = milliseconds(300);
    timing.drain_quiet_after_mark = milliseconds(150);
    timing.backoff = [20, 40, 100, 200].map(milliseconds).to_vec();
    timing.proven_after = milliseconds(3000);
    timing
}

pub(crate) fn server(tls: bool) -> Server {
    server_with(tls, |_| {})
}

pub(crate) fn server_with(tls: bool, change: impl FnOnce(&mut ControllerOptions)) -> Server {
    let mut options = ServerOptions::of(HouseOptions {
        nodes: 12,
        rate_per_second: 0.0,
        seed: 5,
        ..HouseOptions::default()
    });
    options.tls = tls.then(|| Tls::self_signed().unwrap());
    change(&mut options.controller);
    RUNTIME.block_on(Server::start(options)).unwrap()
}

pub(crate) fn builder(server: &Server) -> Builder {
    let builder = EventStream::builder(server.url())
        .local_account("admin", "admin")
        .timing(quick());
    match server.fingerprint() {
        Some(fingerprint) => builder.trust(Trust::Pins(vec![
            fingerprint.parse::<Fingerprint>().unwrap(),
        ])),
        None => builder,
    }
}

/// A stream and its notifications so far.
pub(crate) struct Watched {
    pub(crate) stream: EventStream,
    pub(crate) notifications: Vec<Notification>,
}

impl Watched {
    pub(crate) fn of(server: &Server) -> Self {
        Self::start(builder(server))
    }

    pub(crate) fn start(builder: Builder) -> Self {
        Self {
            stream: builder.start().unwrap(),
            notifications: Vec::new(),
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.stream.handle()
    }

    /// Takes notifications up to the first one that fits.
    pub(crate) fn until(
        &mut self,
        what: &str,
        mut fits: impl FnMut(&Notification) -> bool,
    ) -> Notification {
        loop {
            let next = self.stream.next_timeout(LIMIT).unwrap_or_else(|_| {
                panic!("timed out on {what}; statuses: {:#?}", self.statuses())
            });
            let next = next.unwrap_or_else(|| {
                panic!("the end before {what}; statuses: {:#?}", self.statuses())
            });
            self.notifications.push(next.clone());
            if fits(&next) {
                return next;
            }
        }
    }

    pub(crate) fn status(&mut self, status: Status) -> StatusChange {
        let fits = |notification: &Notification| matches!(notification, Notification::Status(change) if change.status == status);
        match self.until(status.as_str(), fits) {
            Notification::Status(change) => change,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn connected(&mut self) {
        self.status(Status::Connected);
    }

    pub(crate) fn event(&mut self, control: &str, action: &str) -> Event {
        let fits = |notification: &Notification| matches!(notification, Notification::Event(event) if event.control() == control && event.action() == action);
        match self.until(&format!("{control} {action}"), fits) {
            Notification::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    /// Takes the remaining notifications until the stream ends.
    pub(crate) fn end(&mut self) {
        while let Some(next) = self.stream.next_timeout(LIMIT).expect("the stream ends") {
            self.notifications.push(next);
        }
    }

    pub(crate) fn statuses(&self) -> Vec<String> {
        let status = |notification: &Notification| match notification {
            Notification::Status(change) => Some(change.status.to_string()),
            _ => None,
        };
        self.notifications.iter().filter_map(status).collect()
    }
}

/// Waits until the controller's observations fit.
pub(crate) fn seen(control: &Control, what: &str, fits: impl FnMut(&ioxsim::Observation) -> bool) {
    let waited =
        RUNTIME.block_on(async { tokio::time::timeout(LIMIT, control.wait_for(fits)).await });
    assert!(
        waited.is_ok(),
        "the controller never saw {what}: {:#?}",
        control.seen()
    );
}

/// Runs `work` on another thread while this thread runs the stream. Then stops the stream.
pub(crate) fn run_alongside<T: Send + 'static>(
    watched: &mut Watched,
    work: impl FnOnce(Handle) -> T + Send + 'static,
) -> T {
    let handle = watched.handle();
    let thread = std::thread::spawn(move || {
        let done = work(handle.clone());
        handle.request_stop();
        done
    });
    watched.end();
    thread.join().unwrap()
}
