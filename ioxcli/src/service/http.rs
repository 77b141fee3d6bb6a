//! The port for the web page, metrics and health checks, and its replacement while the bridge runs.

use std::net::SocketAddr;

use ioxbridge::{Handle, HttpOptions, HttpServer, PageOptions};
use ioxproto::Secret;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::exit_error::ExitError;
use crate::service::config;

/// What is to be served, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HttpPlan {
    /// None if nothing is to be served.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) settings: config::Http,
    /// The password of the page.
    pub(crate) password: Option<Secret>,
}

impl HttpPlan {
    /// Whether the page is served.
    pub(crate) fn has_page(&self) -> bool {
        self.page().is_some()
    }

    /// The page, if it is wanted: by default where only people of this machine, with the password,
    /// or of a proxy come in.
    fn page(&self) -> Option<PageOptions> {
        let settings = &self.settings;
        let is_local = self.address?.ip().is_loopback();
        let is_protected = is_local || self.password.is_some() || settings.behind_proxy;
        if !settings.page.unwrap_or(is_protected) {
            return None;
        }
        let mut page = PageOptions::new();
        if let Some(password) = &self.password {
            page = page.password(password.clone());
        }
        if settings.behind_proxy {
            page = page.behind_proxy();
        }
        if let Some(commands) = settings.commands {
            page = page.commands(commands);
        }
        Some(page)
    }
}

/// The server that runs, if one is to.
pub(crate) struct Http {
    plan: HttpPlan,
    handle: Handle,
    running: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Http {
    /// Serves as planned. Fails with what to do if the port cannot be had.
    pub(crate) async fn start(plan: &HttpPlan, handle: &Handle) -> Result<Self, ExitError> {
        Ok(Self {
            plan: plan.clone(),
            handle: handle.clone(),
            running: serve(plan, handle).await?,
        })
    }

    /// Serves as another plan says. If its port cannot be had, the old one stays, and that is
    /// logged.
    pub(crate) async fn replace(&mut self, plan: &HttpPlan) {
        if *plan == self.plan {
            return;
        }
        let is_ended = plan.address.is_none() && self.running.is_some();
        // Two servers cannot have one port: the old one has to go first.
        let port = |plan: &HttpPlan| plan.address.map(|address| address.port());
        let old = if port(plan) == port(&self.plan) {
            self.stop().await;
            None
        } else {
            self.running.take()
        };
        match serve(plan, &self.handle).await {
            Ok(running) => {
                self.running = running;
                self.plan = plan.clone();
                stop(old).await;
                if is_ended {
                    info!("metrics are no longer served");
                }
            }
            Err(trouble) => {
                error!("{trouble}. Metrics are served as before");
                self.running = match old {
                    Some(running) => Some(running),
                    None => match serve(&self.plan, &self.handle).await {
                        Ok(running) => running,
                        Err(trouble) => {
                            error!("{trouble}. Metrics are not served any more");
                            None
                        }
                    },
                };
            }
        }
    }

    /// Ends the server, with the answers that are under way.
    pub(crate) async fn stop(&mut self) {
        stop(self.running.take()).await;
    }
}

async fn stop(running: Option<Running>) {
    if let Some(Running { stop, task }) = running {
        drop(stop);
        // Its last answers are not worth an error.
        let _ = task.await;
    }
}

/// Opens the port, so that one in use shows at once, and serves.
async fn serve(plan: &HttpPlan, handle: &Handle) -> Result<Option<Running>, ExitError> {
    let Some(address) = plan.address else {
        return Ok(None);
    };
    let mut options = HttpOptions::new(address);
    for host in &plan.settings.hosts {
        options = options.host(host);
    }
    let page = plan.page();
    let has_page = page.is_some();
    if let Some(page) = page {
        options = options.page(page);
    }
    let server = HttpServer::bind(&options, handle.clone()).await;
    let server = server.map_err(|error| {
        ExitError::other(format!(
            "{error}. It is listen of [http] in the configuration, or --http; enabled = false does without"
        ))
    })?;
    match has_page {
        true => info!(
            "the web page and metrics are on http://{}/",
            server.address()
        ),
        false => info!("metrics are on http://{}/metrics", server.address()),
    }
    if !address.ip().is_loopback() {
        warn!(%address, "metrics are served to the network, without a password");
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.serve(async {
        // Dropped or sent: both are the end.
        let _ = stopped.await;
    }));
    Ok(Some(Running { stop, task }))
}
