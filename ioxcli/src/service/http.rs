//! The HTTP server for the web page, metrics and health checks, and its replacement on a reload.

use std::net::SocketAddr;

use ioxbridge::{Handle, HttpOptions, HttpServer, PageOptions};
use ioxproto::Secret;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::exit_error::ExitError;
use crate::service::config;

/// What to serve, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HttpPlan {
    /// `None` if nothing is served.
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

    /// The options of the page; `None` without a page. By default there is a page if access is
    /// limited: on a loopback address, with a password, or behind a proxy.
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

/// The HTTP server, if one is configured.
pub(crate) struct Http {
    plan: HttpPlan,
    handle: Handle,
    running: Option<RunningServer>,
}

/// A running server and the means to stop it.
struct RunningServer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Http {
    /// Starts the server. If the port is not available, the error has advice.
    pub(crate) async fn start(plan: &HttpPlan, handle: &Handle) -> Result<Self, ExitError> {
        Ok(Self {
            plan: plan.clone(),
            handle: handle.clone(),
            running: serve(plan, handle).await?,
        })
    }

    /// Replaces the server according to a new plan. If its port is not available, logs an error and
    /// keeps the old server.
    pub(crate) async fn replace(&mut self, plan: &HttpPlan) {
        if *plan == self.plan {
            return;
        }
        let is_switched_off = plan.address.is_none() && self.running.is_some();
        // The old server must release the port first if the new one uses the same.
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
                if is_switched_off {
                    info!("the HTTP server has stopped");
                }
            }
            Err(error) => {
                error!("{error}. HTTP is served as before");
                self.running = match old {
                    Some(running) => Some(running),
                    None => match serve(&self.plan, &self.handle).await {
                        Ok(running) => running,
                        Err(error) => {
                            error!("{error}. The HTTP server has stopped");
                            None
                        }
                    },
                };
            }
        }
    }

    /// Stops the server after its current answers.
    pub(crate) async fn stop(&mut self) {
        stop(self.running.take()).await;
    }
}

async fn stop(running: Option<RunningServer>) {
    if let Some(RunningServer { stop, task }) = running {
        drop(stop);
        // A failed last answer is not reported.
        let _ = task.await;
    }
}

/// Opens the port and starts serving. A port in use is an error.
async fn serve(plan: &HttpPlan, handle: &Handle) -> Result<Option<RunningServer>, ExitError> {
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
            "{error}. The address is listen in [http] of the configuration, or --http; enabled = false switches the server off"
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
        // Completes when the sender is dropped.
        let _ = stopped.await;
    }));
    Ok(Some(RunningServer { stop, task }))
}
