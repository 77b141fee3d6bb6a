//! The web page: shows the houses live and sends commands to them.
//!
//! | path | method | answer |
//! |---|---|---|
//! | `/`, `/app.js`, `/style.css` and others | GET | the page, without data of the houses |
//! | `/session` | GET | `open` or `signed in` if the client has access, else 401 |
//! | `/sign-in` | POST | takes the password as its body; sets a session cookie |
//! | `/sign-out` | POST | ends the session |
//! | `/events` | GET | the houses as server-sent events; resumes after `Last-Event-ID` |
//! | `/command` | POST | sends a command and returns its outcome |
//!
//! A POST request needs the header `X-Iox-Request: 1`, which neither a form nor a page of another
//! origin can send. Its `Origin`, if present, must be this server.

mod access;
mod command;
mod events;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use ioxproto::Secret;
use tokio::sync::watch;

use self::access::Access;
use super::host::Hosts;
use crate::Handle;
use crate::page::ModelRequest;

/// The maximum body of a request, in bytes.
const MAX_BODY: usize = 4 * 1024;

/// The header that POST requests need.
const REQUEST_HEADER: HeaderName = HeaderName::from_static("x-iox-request");

/// The content security policy: scripts, styles, images and connections only from this server, and
/// no forms to other servers. The page contains no frames or plug-ins and cannot be embedded in
/// another page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Who may see the page, and what they may do.
///
/// ```
/// use ioxbridge::PageOptions;
///
/// let page = PageOptions::new().password("a long random text".into()).commands(false);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PageOptions {
    password: Option<Secret>,
    is_behind_proxy: bool,
    commands: Option<bool>,
}

impl Default for PageOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl PageOptions {
    /// Creates options for a page that is open to everybody who reaches the server. The server must
    /// then listen on a loopback address.
    pub fn new() -> Self {
        Self {
            password: None,
            is_behind_proxy: false,
            commands: None,
        }
    }

    /// Requires this password, entered in the browser or sent as a bearer token.
    pub fn password(mut self, password: Secret) -> Self {
        self.password = Some(password);
        self
    }

    /// Allows the server to listen on any address without a password, because a proxy in front of
    /// it controls access.
    pub fn behind_proxy(mut self) -> Self {
        self.is_behind_proxy = true;
        self
    }

    /// Sets whether the page may send commands. Default: yes, unless it is behind a proxy and has
    /// no password. Locks, covers and alarms also need an [`Allowance`](crate::Allowance) in the
    /// options of the bridge.
    pub fn commands(mut self, allowed: bool) -> Self {
        self.commands = Some(allowed);
        self
    }

    /// Whether the page is protected: by the password, a proxy or a loopback address.
    pub(super) fn is_protected_on(&self, address: std::net::SocketAddr) -> bool {
        self.password.is_some() || self.is_behind_proxy || address.ip().to_canonical().is_loopback()
    }

    fn are_commands_allowed(&self) -> bool {
        let relies_on_proxy = self.is_behind_proxy && self.password.is_none();
        self.commands.unwrap_or(!relies_on_proxy)
    }
}

/// The state that the requests to the page share.
#[derive(Debug)]
struct Shared {
    handle: Handle,
    access: Access,
    are_commands_allowed: bool,
    events: events::ReaderPermits,
    /// Changes or closes when the server stops.
    stopping: watch::Receiver<bool>,
    hosts: Arc<Hosts>,
}

/// Creates the routes, and asks the bridge to create the page model. The returned guard removes the
/// model.
pub(super) fn router(
    options: &PageOptions,
    handle: &Handle,
    hosts: &Arc<Hosts>,
    stopping: watch::Receiver<bool>,
) -> (Router, ModelGuard) {
    let are_commands_allowed = options.are_commands_allowed();
    // Without random numbers the id is empty. Then a reader that resumes after a restart of the
    // server can miss changes.
    let instance = access::new_id().unwrap_or_default();
    let model = ModelGuard {
        handle: handle.clone(),
        instance: instance.clone(),
    };
    handle.feed().request_model(ModelRequest {
        instance,
        are_commands_allowed,
    });
    handle.wake();
    let shared = Arc::new(Shared {
        handle: handle.clone(),
        access: Access::new(options.password.clone()),
        are_commands_allowed,
        events: events::ReaderPermits::default(),
        stopping,
        hosts: Arc::clone(hosts),
    });
    let post_routes = Router::new()
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/command", post(command::send))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            check_request,
        ))
        .layer(DefaultBodyLimit::max(MAX_BODY));
    let mut assets = Router::new();
    for (path, media_type, text) in ASSETS {
        assets = assets.route(path, get(move || asset(media_type, text)));
    }
    let router = Router::new()
        .route("/session", get(session))
        .route("/events", get(events::stream))
        .merge(post_routes)
        .with_state(shared)
        .merge(assets)
        .layer(middleware::from_fn(add_headers));
    (router, model)
}

/// Keeps the page model of one server alive. Dropping it removes the model.
#[derive(Debug)]
pub(super) struct ModelGuard {
    handle: Handle,
    instance: String,
}

impl Drop for ModelGuard {
    fn drop(&mut self) {
        self.handle.feed().end(&self.instance);
    }
}

/// The files of the page: path, media type and text.
const ASSETS: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("../../../assets/index.html")),
    (
        "/icon.svg",
        "image/svg+xml",
        include_str!("../../../assets/icon.svg"),
    ),
    (
        "/style.css",
        "text/css; charset=utf-8",
        include_str!("../../../assets/style.css"),
    ),
    ("/app.js", SCRIPT, include_str!("../../../assets/app.js")),
    (
        "/commands.js",
        SCRIPT,
        include_str!("../../../assets/commands.js"),
    ),
    (
        "/controllers.js",
        SCRIPT,
        include_str!("../../../assets/controllers.js"),
    ),
    (
        "/details.js",
        SCRIPT,
        include_str!("../../../assets/details.js"),
    ),
    (
        "/house.js",
        SCRIPT,
        include_str!("../../../assets/house.js"),
    ),
    ("/log.js", SCRIPT, include_str!("../../../assets/log.js")),
    (
        "/state.js",
        SCRIPT,
        include_str!("../../../assets/state.js"),
    ),
    ("/text.js", SCRIPT, include_str!("../../../assets/text.js")),
];

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

async fn asset(media_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, media_type)], text).into_response()
}

async fn session(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match (shared.access.is_granted(&headers), shared.access.is_open()) {
        (true, true) => "open".into_response(),
        (true, false) => "signed in".into_response(),
        (false, _) => (StatusCode::UNAUTHORIZED, "sign in first\n").into_response(),
    }
}

async fn sign_in(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    match shared.access.sign_in(&body) {
        Ok(cookie) => (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response(),
        Err(access::Refused::WrongPassword) => {
            (StatusCode::UNAUTHORIZED, "wrong password\n").into_response()
        }
        Err(access::Refused::TooManyWrong) => {
            let wait = [(header::RETRY_AFTER, "60")];
            let text = "too many wrong passwords: try again in a minute\n";
            (StatusCode::TOO_MANY_REQUESTS, wait, text).into_response()
        }
        Err(access::Refused::NoRandomness) => {
            let text = "the operating system provides no random numbers\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn sign_out(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let cookie = shared.access.sign_out(&headers);
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

/// Refuses POST requests without the header `X-Iox-Request: 1` or with a foreign `Origin`.
/// Command-line clients send no `Origin`.
async fn check_request(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let refuse = |text| (StatusCode::FORBIDDEN, text).into_response();
    if headers.get(REQUEST_HEADER).is_none_or(|value| value != "1") {
        return refuse("the header X-Iox-Request: 1 is missing\n");
    }
    if let Some(origin) = headers.get(header::ORIGIN)
        && !is_own_origin(origin, &shared.hosts)
    {
        return refuse("requests from other origins are refused\n");
    }
    next.run(request).await
}

/// Whether an origin names this server. Scheme and port are ignored: a proxy may change them.
fn is_own_origin(origin: &HeaderValue, hosts: &Hosts) -> bool {
    let uri = origin
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Uri>().ok());
    let authority = uri.as_ref().and_then(Uri::authority);
    authority.is_some_and(|authority| hosts.has(authority.as_str()))
}

async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
