//! `iox demo`: a simulated controller, and a watch on it.

use std::time::{Duration, Instant};

use ioxdriver::Trust;
use ioxproto::{Profile, Secret, SubscribePath, Timing};
use ioxsim::{ControllerOptions, HouseOptions, Server, ServerOptions, Tls};

use crate::arguments::{Auth, Demo, Format, Transport};
use crate::signals::Stop;
use crate::source::Plan;
use crate::trouble::{Trouble, say};
use crate::watch;

/// The default account of the simulated controller.
const ACCOUNT: &str = "admin";

/// Starts a controller on loopback, with TLS, and watches it until asked to stop.
pub(crate) async fn run(demo: Demo, began: Instant, stop: Stop) -> Result<(), Trouble> {
    let cannot = |error| Trouble::other(format!("cannot start the simulated controller: {error}"));
    let house = HouseOptions {
        nodes: 8,
        rate_per_second: 3.0,
        seed: 1,
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
    let url = server.url();
    let pin = server.fingerprint().unwrap_or_default();
    if demo.output.format == Format::Text {
        say(format_args!(
            "watching a simulated controller, {url}, by its pinned certificate; Ctrl-C ends it"
        ));
    }
    let pin = pin
        .parse()
        .map_err(|error| Trouble::other(format!("the simulated controller's {pin}: {error}")))?;
    let plan = Plan {
        url,
        username: ACCOUNT.to_owned(),
        password: Secret::from(ACCOUNT),
        auth: Auth::Local,
        path: SubscribePath::Rest,
        profile: Profile::Iox,
        trust: Trust::Pins(vec![pin]),
        timing: Timing::default(),
        transport: Transport::Tokio,
        tap: None,
    };
    let result = watch::follow(plan, &demo.output, began, stop).await;
    server.shutdown().await;
    result
}
