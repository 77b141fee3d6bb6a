//! `iox bridge`: runs the bridge as a service.
//!
//! ```text
//!  configuration ─► Plan ─► queue of controllers ─► ioxbridge ─► counts ─► status, watchdog, HTTP
//!       ▲                   (one every 10 ms)
//!    SIGHUP: adds, replaces and removes what differs; an invalid file changes nothing
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use ioxbridge::{Broker, Handle, OptionsError, Stats};
use ioxproto::Status;
use tokio::task::JoinError;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tracing::{error, info, warn};

use crate::arguments::Bridge;
use crate::exit_error::ExitError;
use crate::output;
use crate::service::config::{self, Config, Name};
use crate::service::http::Http;
use crate::service::notify::ServiceManager;
use crate::service::plan::{FixedSettings, Plan, WatchedController};
use crate::signals::{Reload, Stop};

/// The time between the starts of two controllers, so that thousands do not connect at once.
const START_INTERVAL: Duration = Duration::from_millis(10);

/// How often the status is reported to the service manager.
const STATUS: Duration = Duration::from_secs(5);

/// The time limit for a stop.
const STOP: Duration = Duration::from_secs(5);

/// Runs the bridge until it is asked to stop.
pub(crate) async fn run(arguments: Bridge, mut stop: Stop) -> Result<(), ExitError> {
    let path = config::locate(arguments.config.as_deref())?;
    let plan = tokio::select! {
        plan = read_plan(&path, &arguments) => plan?,
        () = stop.requested() => return Ok(()),
    };
    if arguments.check {
        return output::print(summary(&path, &plan)).await;
    }
    let mut reload =
        Reload::on_signal().map_err(|error| ExitError::other(format!("cannot start: {error}")))?;
    let handle = Handle::new();
    let http = Http::start(&plan.http, &handle).await?;
    let options = plan.options.clone();
    let mut bridge = tokio::spawn(ioxbridge::run(options, Vec::new(), handle.clone()));
    let mut service = Service::new(plan, handle, http);
    let controllers = service.controllers.len();
    info!(configuration = %path.display(), controllers, "the bridge has started");
    let mut spread = every(START_INTERVAL);
    let mut status = every(STATUS);
    let mut watchdog = ServiceManager::watchdog_interval().map(every);
    service.manager.ready();
    loop {
        tokio::select! {
            biased;
            () = stop.requested() => break,
            ended = &mut bridge => return Err(ended_early(ended)),
            () = reload.requested() => {
                service.manager.reloading();
                tokio::select! {
                    plan = read_plan(&path, &arguments) => service.reload(plan).await,
                    () = stop.requested() => break,
                }
                service.manager.ready();
                service.report_status();
            }
            _ = spread.tick(), if !service.waiting.is_empty() => service.start_next(),
            () = next_tick(&mut watchdog) => service.manager.send_keep_alive(service.handle.stats().turns),
            _ = status.tick() => service.report_status(),
        }
    }
    info!("the bridge is stopping");
    service.manager.stopping();
    service.handle.request_stop();
    let both = async {
        let (ended, ()) = tokio::join!(&mut bridge, service.http.stop());
        ended
    };
    match timeout(STOP, both).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(ended) => Err(ended_early(ended)),
        Err(_) => Err(ExitError::other(format!(
            "the bridge did not stop within {} s",
            STOP.as_secs()
        ))),
    }
}

async fn read_plan(path: &Path, arguments: &Bridge) -> Result<Plan, ExitError> {
    let config = Config::load(path)?;
    Plan::make(&config, arguments.shard, arguments.http).await
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn next_tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => _ = interval.tick().await,
        None => std::future::pending().await,
    }
}

fn ended_early(ended: Result<Result<(), OptionsError>, JoinError>) -> ExitError {
    ExitError::other(match ended {
        Ok(Ok(())) => "the bridge ended by itself".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => format!("the bridge failed: {error}"),
    })
}

/// A running bridge, and the plan that it follows.
struct Service {
    handle: Handle,
    manager: ServiceManager,
    controllers: BTreeMap<Name, WatchedController>,
    /// The controllers still to be started.
    waiting: VecDeque<Name>,
    broker: Option<Broker>,
    http: Http,
    fixed: FixedSettings,
    /// Whether the last reload failed, so that the old configuration is still used.
    has_invalid_config: bool,
}

impl Service {
    fn new(plan: Plan, handle: Handle, http: Http) -> Self {
        let mut waiting: Vec<Name> = plan.controllers.keys().cloned().collect();
        // Controllers at the same site often follow each other: do not connect them all in a row.
        fastrand::shuffle(&mut waiting);
        Self {
            handle,
            manager: ServiceManager::default(),
            controllers: plan.controllers,
            waiting: waiting.into(),
            broker: plan.broker,
            http,
            fixed: plan.fixed,
            has_invalid_config: false,
        }
    }

    fn start_next(&mut self) {
        let next = self.waiting.pop_front();
        if let Some(watched) = next.and_then(|name| self.controllers.get(&name)) {
            self.handle.add_controller(watched.controller.clone());
        }
    }

    /// Replaces the configuration, if the new one is valid. Unchanged controllers are not affected,
    /// unless their stream has failed, because their account may have been fixed. The broker and
    /// the metrics port are replaced if they differ.
    async fn reload(&mut self, plan: Result<Plan, ExitError>) {
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                error!("{error}; the old configuration stays in use");
                self.has_invalid_config = true;
                return;
            }
        };
        self.has_invalid_config = false;
        let old = std::mem::replace(&mut self.controllers, plan.controllers);
        let mut removed = 0;
        for name in old.keys() {
            if !self.controllers.contains_key(name) {
                removed += 1;
                self.waiting.retain(|waiting| waiting != name);
                self.handle.remove_controller(name.as_str());
            }
        }
        let mut changed = 0;
        let stats = self.handle.stats();
        for (name, watched) in &self.controllers {
            let is_given_up = stats
                .controllers
                .get(name.as_str())
                .is_some_and(|controller| controller.status == Status::ReconnectFailed);
            if is_given_up || old.get(name) != Some(watched) {
                changed += 1;
                if !self.waiting.contains(name) {
                    self.waiting.push_back(name.clone());
                }
            }
        }
        info!(changed, removed, "the configuration was reloaded");
        if self.broker != plan.broker {
            self.handle.replace_broker(plan.broker.clone());
            self.broker = plan.broker;
        }
        self.http.replace(&plan.http).await;
        for part in self.fixed.differences(&plan.fixed) {
            warn!("{part} differs from before: that takes effect at the next start");
        }
    }

    fn report_status(&mut self) {
        let mut status = status(&self.handle.stats(), self.controllers.len());
        if self.has_invalid_config {
            status += "; the configuration on disk cannot be used, the old one is in force";
        }
        self.manager.status(status);
    }
}

fn status(stats: &Stats, controllers: usize) -> String {
    let count = |status| {
        let all = stats.controllers.values();
        all.filter(|controller| controller.status == status).count()
    };
    let connected = count(Status::Connected);
    let given_up = match count(Status::ReconnectFailed) {
        0 => String::new(),
        number => format!(", {number} given up"),
    };
    let broker = match &stats.broker {
        None => "no broker",
        Some(broker) if broker.is_connected => "broker connected",
        Some(_) => "broker away",
    };
    format!("{connected} of {controllers} controllers connected{given_up}, {broker}")
}

/// The output of `--check` for a valid configuration.
fn summary(path: &Path, plan: &Plan) -> String {
    let names: Vec<&str> = plan.controllers.keys().map(Name::as_str).collect();
    let commands = match plan.options.are_commands_allowed() {
        true => "carried out",
        false => "ignored",
    };
    let mut text = format!(
        "{} can be used.\ncontrollers  {} of {}: {}\ncommands     {commands}\n",
        path.display(),
        names.len(),
        plan.configured,
        names.join(", "),
    );
    if let Some(address) = plan.http.address {
        if plan.http.has_page() {
            text += &format!("web page     http://{address}/\n");
        }
        text += &format!("metrics      http://{address}/metrics\n");
    }
    text
}
