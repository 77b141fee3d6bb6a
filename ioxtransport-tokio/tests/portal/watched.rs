//! A stream that a task of its own consumes, and a controller to watch.

use std::path::Path;
use std::time::Duration;

use ioxsim::{Control, ControllerOptions, PortalOptions, Server, ServerOptions, Tls};
use ioxtransport_tokio::{
    Builder, EventStream, Handle, Notification, Secret, Status, SubscribePath, Timing, Trust,
};
use tokio::sync::watch;
use tokio::time::timeout;

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const USERNAME: &str = "user@example.test";
pub(crate) const PASSWORD: &str = "secret";

/// Waits for something that is to happen soon.
pub(crate) async fn soon<T>(happening: impl Future<Output = T>) -> T {
    timeout(LIMIT, happening).await.expect("it happens in time")
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

/// A certificate of the fixtures, with its key or another's.
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

/// A builder whose stream does not wait long for anything.
pub(crate) fn builder(server: &Server) -> Builder {
    let mut timing = Timing::default();
    timing.backoff = vec![Duration::from_millis(20)];
    timing.drain_quiet = Duration::from_millis(300);
    timing.token_accepted = Duration::from_secs(2);
    // Whatever is to be said on stop is said, however busy the machine.
    timing.stop = Duration::from_secs(30);
    timing.connect = Duration::from_secs(30);
    timing.http = Duration::from_secs(30);
    // What is counted here are the requests of the stream itself.
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
    told: watch::Receiver<Vec<Notification>>,
}

impl Watched {
    pub(crate) fn start(builder: Builder, server: &Server) -> Self {
        Self::start_with_tokens(builder, server, Vec::new())
    }

    /// Answers questions for tokens with these, in turn, then with none.
    pub(crate) fn start_with_tokens(
        builder: Builder,
        server: &Server,
        tokens: Vec<Secret>,
    ) -> Self {
        let mut stream = builder.start().unwrap();
        let handle = stream.handle();
        let asked = stream.handle();
        let (teller, told) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut tokens = tokens.into_iter();
            while let Some(notification) = stream.next().await {
                if let Notification::TokenWanted { .. } = &notification {
                    asked.provide_token(tokens.next());
                }
                teller.send_modify(|told| told.push(notification));
            }
        });
        Self {
            handle,
            control: server.control(),
            told,
        }
    }

    pub(crate) async fn connected(&self) {
        self.handle
            .wait_for(Status::Connected, LIMIT)
            .await
            .unwrap();
    }

    /// Waits until the stream is over, and says why.
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

    /// The controller drops the connection, and the stream comes back.
    pub(crate) async fn reconnect(&self) {
        let upgrades = self.control.upgrades();
        self.control.end(ioxsim::Ending::Fin);
        soon(self.control.wait_for(|seen| seen.upgrades > upgrades)).await;
        self.connected().await;
    }

    pub(crate) fn told(&self) -> Vec<Notification> {
        self.told.borrow().clone()
    }

    /// Waits until what was told is like this.
    pub(crate) async fn until(&self, like_this: impl FnMut(&Vec<Notification>) -> bool) {
        let mut told = self.told.clone();
        soon(told.wait_for(like_this)).await.unwrap();
    }

    /// The codes of the reasons that were given so far.
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        for notification in self.told() {
            if let Notification::Status(change) = notification {
                reasons.extend(change.reason.as_ref().map(|reason| reason.code()));
            }
        }
        reasons
    }
}
