//! Metrics, health checks and the web page over HTTP.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | what [`Stats`](crate::Stats) counts, as OpenMetrics |
//! | `/healthz` | 200 while the bridge's loop runs, else 503: restart the process |
//! | `/readyz` | 200 while the bridge does its work: its loop runs, the broker, if there is one, is connected, and all controllers are watched; else 503 |
//!
//! [`page`] has the paths of the web page, which is served if the options ask for it. Other paths
//! take no other method than GET and HEAD, and no answer allows other origins. A
//! request must name the server by an address that it listens on, by `localhost`, or by a
//! [name of its own](HttpOptions::host): a web page that a rebound DNS name leads here gets 421.
//! There are at most 64 connections, and one on which nothing comes for 30 s is closed.

mod health;
mod host;
mod listener;
mod metrics;
mod page;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::health::Health;
use self::host::Hosts;
use self::listener::Limited;
pub use self::page::PageOptions;
use crate::Handle;

/// How long a stop waits for answers under way.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Where metrics and health checks are served.
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpOptions {
    address: SocketAddr,
    hosts: Vec<String>,
    page: Option<PageOptions>,
}

impl HttpOptions {
    /// On this address; port 0 takes a free one.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            hosts: Vec::new(),
            page: None,
        }
    }

    /// One more name by which requests may call the server, without a port. Default none but its
    /// addresses and `localhost`.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Serves the web page too. Default none.
    pub fn page(mut self, page: PageOptions) -> Self {
        self.page = Some(page);
        self
    }
}

/// Why the server cannot begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address cannot be listened on.
    #[error("cannot serve HTTP on {address}: {source}{}", advice(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The page would be open to the network.
    #[error(
        "the web page would be open to everybody who reaches {address}: give it a password, say that a proxy in front of it decides who comes, or listen on a loopback address"
    )]
    Unprotected {
        /// The address.
        address: SocketAddr,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program, or another bridge, listens there: choose another port"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        io::ErrorKind::PermissionDenied => "; choose a port above 1023",
        _ => "",
    }
}

/// A server that listens, and does not answer yet.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    /// Ends the answers that would go on.
    stopping: watch::Sender<bool>,
    /// The model of the page, for as long as the server lives.
    model: Option<page::Model>,
}

impl HttpServer {
    /// Listens. `handle` is that of the bridge that it tells about.
    ///
    /// # Errors
    ///
    /// [`HttpError`] if the address cannot be had: it names the address, and what to do.
    pub async fn bind(options: &HttpOptions, handle: Handle) -> Result<Self, HttpError> {
        if let Some(page) = &options.page
            && !page.is_protected_on(options.address)
        {
            return Err(HttpError::Unprotected {
                address: options.address,
            });
        }
        let cannot = |source| HttpError::Listen {
            address: options.address,
            source,
        };
        let listener = TcpListener::bind(options.address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let hosts = Arc::new(Hosts::new(address, &options.hosts));
        let stopping = watch::Sender::new(false);
        let (page, model) = options
            .page
            .as_ref()
            .map(|page| page::router(page, &handle, &hosts, stopping.subscribe()))
            .unzip();
        Ok(Self {
            listener,
            address,
            router: router(page, handle, hosts),
            stopping,
            model,
        })
    }

    /// Where it listens, with the port that it got.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` completes.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        let _model = self.model;
        let mut stopping = self.stopping.subscribe();
        let stopped = self.stopping;
        let stop = async move {
            stop.await;
            stopped.send_replace(true);
        };
        let server =
            axum::serve(Limited::new(self.listener), self.router).with_graceful_shutdown(stop);
        let late = async {
            // An error means that the sender is gone, which the server is then too.
            let _ = stopping.wait_for(|stopping| *stopping).await;
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            // It never fails: errors of a connection end that connection.
            _ = server => {}
            () = late => {}
        }
    }
}

fn router(page: Option<Router>, handle: Handle, hosts: Arc<Hosts>) -> Router {
    let shared = Arc::new(Shared {
        health: Health::new(),
        handle,
    });
    let own = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(is_alive))
        .route("/readyz", get(is_ready))
        .with_state(shared);
    let all = match page {
        Some(page) => own.merge(page),
        None => own,
    };
    all.layer(middleware::from_fn_with_state(hosts, check_host))
}

#[derive(Debug)]
struct Shared {
    handle: Handle,
    health: Health,
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    match metrics::encode(shared.handle.stats()) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        // Writing to a string fails only if an encoder does.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn is_alive(State(shared): State<Arc<Shared>>) -> Response {
    answer(shared.health.check_alive(&shared.handle.stats()))
}

async fn is_ready(State(shared): State<Arc<Shared>>) -> Response {
    let stats = shared.handle.stats();
    let alive = shared.health.check_alive(&stats);
    answer(alive.and_then(|()| health::check_ready(&stats)))
}

fn answer(checked: Result<(), String>) -> Response {
    match checked {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// Answers those alone who call the server by a name that it has.
async fn check_host(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let named = host.and_then(|host| host.to_str().ok());
    let authority = request.uri().authority();
    let is_ours = match (authority, named) {
        (Some(authority), _) => hosts.has(authority.as_str()),
        (None, Some(host)) => hosts.has(host),
        (None, None) => false,
    };
    let mut response = match is_ours {
        true => next.run(request).await,
        false => {
            let text = "this server has another name: add it to hosts\n";
            (StatusCode::MISDIRECTED_REQUEST, text).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
