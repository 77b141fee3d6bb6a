//! `iox demo`: starts a simulated controller and watches it.

use std::time::{Duration, Instant};

use ioxbridge::{Allowance, Controller, Handle, HttpOptions, HttpServer, PageOptions};
use ioxdriver::{Options, Trust};
use ioxsim::{ControllerOptions, HouseOptions, Server, ServerOptions, Tls};

use crate::arguments::{Demo, Format, Transport};
use crate::exit_error::ExitError;
use crate::signals::Stop;
use crate::stderr::say;
use crate::top::{self, ShownController};
use crate::watch::{self, WatchTarget};

/// The default account of the simulated controller.
const ACCOUNT: &str = "admin";

/// Starts a controller on loopback, with TLS, and watches it until asked to stop.
pub(crate) async fn run(demo: Demo, began: Instant, stop: Stop) -> Result<(), ExitError> {
    let simulated = SimulatedController::start(8).await?;
    let url = simulated.server.url();
    if demo.output.format == Format::Text {
        say(format_args!(
            "watching the simulated controller {url} with its pinned certificate; Ctrl-C stops it"
        ));
    }
    let watched = WatchTarget {
        controller: url,
        options: simulated.options,
        transport: Transport::Tokio,
    };
    let result = watch::follow(watched, &demo.output, began, stop).await;
    simulated.server.shutdown().await;
    result
}

/// Shows a simulated controller full-screen.
pub(crate) async fn top(stop: Stop) -> Result<(), ExitError> {
    let simulated = SimulatedController::start(24).await?;
    let shown = ShownController {
        label: "demo".to_owned(),
        options: simulated.options,
        transport: Transport::Tokio,
        has_change_times: false,
    };
    let result = top::show(vec![shown], top::SILENT, false, stop).await;
    simulated.server.shutdown().await;
    result
}

/// Shows a simulated controller on a web page, served by a bridge without a broker.
pub(crate) async fn web(port: u16, mut stop: Stop) -> Result<(), ExitError> {
    let simulated = SimulatedController::start(24).await?;
    let handle = Handle::new();
    let http = HttpOptions::new(([127, 0, 0, 1], port).into()).page(PageOptions::new());
    let server = HttpServer::bind(&http, handle.clone()).await;
    let server = server.map_err(|error| ExitError::other(error.to_string()))?;
    say(format_args!(
        "a simulated house is on http://{}/; Ctrl-C stops it",
        server.address()
    ));
    let options = ioxbridge::Options::new().allow(Allowance::ALL);
    let controller = Controller::new("demo", simulated.options);
    let bridge = ioxbridge::run(options, vec![controller], handle.clone());
    let ended = tokio::select! {
        ended = bridge => ended.map_err(|error| ExitError::other(error.to_string())),
        () = server.serve(std::future::pending()) => Ok(()),
        () = stop.requested() => Ok(()),
    };
    simulated.server.shutdown().await;
    ended
}

/// A simulated controller, and how to connect to it.
struct SimulatedController {
    server: Server,
    options: Options,
}

impl SimulatedController {
    async fn start(nodes: usize) -> Result<Self, ExitError> {
        let cannot =
            |error| ExitError::other(format!("cannot start the simulated controller: {error}"));
        let house = HouseOptions {
            nodes,
            rate_per_second: 3.0,
            seed: 1,
            ..HouseOptions::default()
        };
        let options = ServerOptions {
            tls: Some(Tls::self_signed().map_err(cannot)?),
            controller: ControllerOptions {
                house: house.into(),
                first_heartbeat: (Duration::from_secs(4), Duration::from_secs(6)),
                heartbeat_every: Duration::from_secs(10),
                ..ControllerOptions::default()
            },
            ..ServerOptions::default()
        };
        let server = Server::start(options).await.map_err(cannot)?;
        let pin = server.fingerprint().unwrap_or_default();
        let pin = pin.parse().map_err(|error| {
            ExitError::other(format!("the simulated controller's {pin}: {error}"))
        })?;
        let options = Options::new(server.url())
            .local_account(ACCOUNT, ACCOUNT)
            .trust(Trust::Pins(vec![pin]));
        Ok(Self { server, options })
    }
}
