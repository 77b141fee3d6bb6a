//! A stream with a task that consumes it, and simulated controllers.

use std::path::Path;
use std::time::Duration;

use ioxsim::{Control, ControllerOptions, PortalOptions, Server, ServerOptions, Tls};
use ioxtransport_tokio::{
    Builder, EventStream, Handle, Notification, Secret, Status, SubscribePath, Timing, Trust,
};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a test waits; much longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const USERNAME: &str = "user@example.test";
pub(crate) const PASSWORD: &str = "secret";

/// Waits for something that must happen soon.
pub(crate) async fn soon<T>(happening: impl Future<Output = T>) -> T {
    timeout(LIMIT, happening).await.expect("timed out")
}

pub(crate) fn portal(access_lifetime: u64) -> ControllerOptions {
    ControllerOptions {
        portal: Some(PortalOptions {
            access_lifetime: Duration::from_secs(access_lifetime),
            ..PortalOptions::default()
        }),
        ..ControllerOptions::default()
    }
}

pub(crate) async fn serve(controller: ControllerOptions) -> Server {
    let options = ServerOptions {
        controller,
        ..ServerOptions::default()
    };
    Server::start(options).await.unwrap()
}

pub(crate) async fn serve_tls(controller: ControllerOptions, tls: Tls) -> Server {
    let options = ServerOptions {
        controller,
        tls: Some(tls),
        ..ServerOptions::default()
    };
    Server::start(options).await.unwrap()
}

/// A certificate of the fixtures, with its own key or that of another one.
pub(crate) fn fixture(certificate: &str, key: &str) -> Tls {
    Tls::new(
        file(&format!("{certificate}.der")),
        file(&format!("{key}.key.der")),
    )
}

pub(crate) fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ioxdriver/tests/certificates");
    std::fs::read(folder.join(name)).unwrap()
}

pub(crate) fn pin(server: &Server) -> Trust {
    Trust::Pins(vec![server.fingerprint().unwrap().parse().unwrap()])
}

/// Options with short waits between attempts.
pub(crate) fn builder(server: &Server) -> Builder {
    let mut timing = Timing::default();
    timing.backoff = vec![Duration::from_millis(20)];
    timing.drain_quiet = Duration::from_millis(300);
    timing.token_accepted = Duration::from_secs(2);
    // A stop has time for the close frame and the logout, even on a busy machine.
    timing.stop = Duration::from_secs(30);
    timing.connect = Duration::from_secs(30);
    timing.http = Duration::from_secs(30);
    // Reading names would change the number of requests that these tests count.
    EventStream::builder(server.url())
        .read_names(ioxproto::ReadNames::Never)
        .timing(timing)
        .path(SubscribePath::Rest)
}

pub(crate) fn portal_account(server: &Server) -> Builder {
    builder(server).portal_account(USERNAME, PASSWORD)
}

pub(crate) struct Watched {
    pub(crate) handle: Handle,
    pub(crate) control: Control,
    notifications: watch::Receiver<Vec<Notification>>,
}

impl Watched {
    pub(crate) fn start(builder: Builder, server: &Server) -> Self {
        Self::start_with_tokens(builder, server, Vec::new())
    }

    /// Answers requests for a token with these tokens in turn, then with none.
    pub(crate) fn start_with_tokens(
        builder: Builder,
        server: &Server,
        tokens: Vec<Secret>,
    ) -> Self {
        let mut stream = builder.start().unwrap();
        let handle = stream.handle();
        let asked = stream.handle();
        let (sender, notifications) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut tokens = tokens.into_iter();
            while let Some(notification) = stream.next().await {
                if let Notification::TokenWanted { .. } = &notification {
                    asked.provide_token(tokens.next());
                }
                sender.send_modify(|notifications| notifications.push(notification));
            }
        });
        Self {
            handle,
            control: server.control(),
            notifications,
        }
    }

    pub(crate) async fn connected(&self) {
        self.handle
            .wait_for(Status::Connected, LIMIT)
            .await
            .unwrap();
    }

    /// Waits until the stream has failed permanently, and returns the code of the reason.
    pub(crate) async fn failed(&self) -> &'static str {
        self.handle
            .wait_for(Status::ReconnectFailed, LIMIT)
            .await
            .unwrap();
        self.handle.last_reason().unwrap().code()
    }

    pub(crate) async fn stop(&self) {
        soon(self.handle.stop()).await;
        assert_eq!(self.handle.outcome(), Some(Ok(())));
    }

    /// Ends the connection at the controller, and waits until the stream has reconnected.
    pub(crate) async fn reconnect(&self) {
        let upgrades = self.control.upgrades();
        self.control.end(ioxsim::Ending::Fin);
        soon(self.control.wait_for(|seen| seen.upgrades > upgrades)).await;
        self.connected().await;
    }

    pub(crate) fn notifications(&self) -> Vec<Notification> {
        self.notifications.borrow().clone()
    }

    /// Waits until the notifications so far meet a condition.
    pub(crate) async fn until(&self, condition: impl FnMut(&Vec<Notification>) -> bool) {
        let mut notifications = self.notifications.clone();
        soon(notifications.wait_for(condition)).await.unwrap();
    }

    /// The codes of all reasons so far.
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        for notification in self.notifications() {
            if let Notification::Status(change) = notification {
                reasons.extend(change.reason.as_ref().map(|reason| reason.code()));
            }
        }
        reasons
    }
}
