//! The loop of a bridge: what comes in from controllers, broker and program, in turns.

use std::collections::BTreeMap;
use std::time::Duration;

use ioxproto::{Notification, Status};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::handle::Change;
use crate::watch::{News, Watch, WatchId};
use crate::{BrokerStats, Controller, ControllerStats, Handle, Options, OptionsError};

/// How many batches of notifications wait for the loop, all controllers together.
const WAITING_NEWS: usize = 256;

/// Runs a bridge until its handle asks it to stop.
///
/// It needs a tokio runtime with I/O and timers. Trouble with controllers or the broker never ends
/// it: it is logged and counted, and tried again.
///
/// # Errors
///
/// [`OptionsError`] when the options cannot be used. Nothing was started then.
pub async fn run(
    options: Options,
    controllers: Vec<Controller>,
    handle: Handle,
) -> Result<(), OptionsError> {
    options.check(&controllers)?;
    let (news, mut told) = mpsc::channel(WAITING_NEWS);
    let mut bridge = Bridge {
        handle: handle.clone(),
        watched: BTreeMap::new(),
        next_watch: 0,
        news,
    };
    handle.update_stats(|stats| {
        stats.broker = options.broker.as_ref().map(|_| BrokerStats::default());
    });
    for controller in &controllers {
        bridge
            .add(controller)
            .map_err(|cause| OptionsError::Controller {
                name: controller.name.clone(),
                cause: cause.to_string(),
            })?;
    }
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = handle.woken() => {
                let wishes = handle.take_wishes();
                for change in wishes.changes {
                    bridge.change(change);
                }
                if wishes.stop {
                    return Ok(());
                }
            }
            Some(news) = told.recv() => bridge.told(&news),
            _ = seconds.tick() => bridge.count(),
        }
    }
}

/// What runs.
struct Bridge {
    handle: Handle,
    watched: BTreeMap<WatchId, Watched>,
    next_watch: u64,
    news: mpsc::Sender<News>,
}

struct Watched {
    name: String,
    watch: Watch,
    losses: BTreeMap<&'static str, u64>,
}

impl Bridge {
    fn add(&mut self, controller: &Controller) -> Result<(), ioxtransport_tokio::BuildError> {
        let id = WatchId(self.next_watch);
        self.next_watch += 1;
        let watch = Watch::start(controller, id, self.news.clone())?;
        let watched = Watched {
            name: controller.name.clone(),
            watch,
            losses: BTreeMap::new(),
        };
        self.watched.insert(id, watched);
        Ok(())
    }

    fn change(&mut self, change: Change) {
        let name = match &change {
            Change::Add(controller) => controller.name.as_str(),
            Change::Remove(name) => name,
        };
        self.watched.retain(|_, watched| watched.name != name);
        self.handle.update_stats(|stats| {
            stats.controllers.remove(name);
        });
        match change {
            Change::Add(controller) => match self.add(&controller) {
                Ok(()) => info!(controller = controller.name, "controller added"),
                Err(error) => {
                    warn!(controller = controller.name, %error, "the controller cannot be watched");
                }
            },
            Change::Remove(name) => info!(controller = name, "controller removed"),
        }
    }

    fn told(&mut self, news: &News) {
        // News of a watch that was replaced says nothing of the one in its place.
        let Some(watched) = self.watched.get_mut(&news.watch) else {
            return;
        };
        for notification in &news.notifications {
            if let Notification::Status(change) = notification
                && matches!(
                    change.status,
                    Status::LostConnection | Status::ReconnectFailed
                )
                && let Some(reason) = &change.reason
            {
                *watched.losses.entry(reason.code()).or_default() += 1;
            }
        }
    }

    fn count(&self) {
        self.handle.update_stats(|stats| {
            stats.turns += 1;
            for watched in self.watched.values() {
                let handle = watched.watch.handle();
                let of_controller = ControllerStats {
                    status: handle.status(),
                    is_available: handle.connected(),
                    stream: handle.stats(),
                    losses: watched.losses.clone(),
                    ..ControllerStats::default()
                };
                stats
                    .controllers
                    .insert(watched.name.clone(), of_controller);
            }
        });
    }
}
