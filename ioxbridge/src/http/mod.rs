//! Metrics, health checks and the web page over HTTP.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | the [`Stats`](crate::Stats) in OpenMetrics format |
//! | `/healthz` | 200 while the bridge's loop runs, else 503: restart the process |
//! | `/readyz` | 200 while the bridge is operational: its loop runs, all controllers are watched and the broker, if there is one, is connected; else 503 |
//!
//! [`page`] lists the paths of the web page, which is served if the options enable it. All other
//! paths accept only GET and HEAD. No answer allows cross-origin access.
//!
//! The host of a request must be an address on which the server listens, `localhost`, or a
//! [configured name](HttpOptions::host). Other hosts get 421, which protects against DNS rebinding.
//!
//! There are at most 64 connections. A connection that is idle for 30 s is closed.

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
use self::listener::LimitedListener;
pub use self::page::PageOptions;
use crate::Handle;

/// How long to wait at a stop for answers in progress.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// The options of the HTTP server.
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpOptions {
    address: SocketAddr,
    hosts: Vec<String>,
    page: Option<PageOptions>,
}

impl HttpOptions {
    /// Creates options for a server on this address. Port 0 selects a free port.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            hosts: Vec::new(),
            page: None,
        }
    }

    /// Adds a host name, without a port, that requests may use besides the server's addresses and
    /// `localhost`. Default: none.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Enables the web page. Default: no page.
    pub fn page(mut self, page: PageOptions) -> Self {
        self.page = Some(page);
        self
    }
}

/// The reason why the server cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The server cannot listen on the address.
    #[error("cannot serve HTTP on {address}: {source}{}", advice(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The page would be accessible to everybody on the network.
    #[error(
        "the web page would be open to everybody who reaches {address}: give it a password, declare that a proxy controls access to it, or listen on a loopback address"
    )]
    Unprotected {
        /// The address.
        address: SocketAddr,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program, or another bridge, uses this port: choose another one"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        io::ErrorKind::PermissionDenied => "; choose a port above 1023",
        _ => "",
    }
}

/// An HTTP server that listens but does not answer yet.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    /// Ends the open-ended answers when the server stops.
    stopping: watch::Sender<bool>,
    /// Keeps the model of the page alive while the server exists.
    model: Option<page::ModelGuard>,
}

impl HttpServer {
    /// Starts to listen. `handle` is the handle of the bridge that the server reports on.
    ///
    /// # Errors
    ///
    /// [`HttpError`] if the server cannot listen on the address, or if the page would be
    /// unprotected. The message says what to do.
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

    /// Returns the address on which the server listens, with the actual port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop` completes.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        let _model = self.model;
        let mut stopping = self.stopping.subscribe();
        let stopped = self.stopping;
        let stop = async move {
            stop.await;
            stopped.send_replace(true);
        };
        let server = axum::serve(LimitedListener::new(self.listener), self.router)
            .with_graceful_shutdown(stop);
        let late = async {
            // An error means that the sender is gone, and the server with it.
            let _ = stopping.wait_for(|stopping| *stopping).await;
            tokio::time::sleep(STOP_TIMEOUT).await;
        };
        tokio::select! {
            // The server never fails: an error of a connection ends only that connection.
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

/// The state that the requests for metrics and health share.
#[derive(Debug)]
struct Shared {
    handle: Handle,
    health: Health,
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    match metrics::encode(shared.handle.stats()) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        // Writing to a `String` cannot fail, so this is an error of an encoder.
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

/// Refuses requests whose host is not one of the server's.
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
            let text = "this is not a name of this server: add it to hosts\n";
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
