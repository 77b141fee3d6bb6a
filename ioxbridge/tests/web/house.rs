//! A simulated house, a bridge without a broker, and the server of its page.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ioxbridge::{Controller, Handle, HttpOptions, HttpServer, Options, PageOptions};
use ioxproto::Status;
use ioxsim::{Control, HouseOptions, Server, ServerOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a test waits for an expected result: much longer than necessary on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The parts that a test needs. Dropping it stops them.
pub(crate) struct House {
    server: Server,
    pub(crate) handle: Handle,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

/// Options of a house with this many nodes, which sends no events by itself.
pub(crate) fn quiet(nodes: usize) -> HouseOptions {
    HouseOptions {
        nodes,
        rate_per_second: 0.0,
        seed: 5,
        ..HouseOptions::default()
    }
}

impl House {
    pub(crate) async fn start(page: PageOptions) -> Self {
        Self::with(quiet(12), Options::new(), page).await
    }

    pub(crate) async fn with(house: HouseOptions, options: Options, page: PageOptions) -> Self {
        let server = Server::start(ServerOptions::of(house)).await.unwrap();
        let handle = Handle::new();
        let stream = ioxdriver::Options::new(server.url()).local_account("admin", "admin");
        let controller = Controller::new("home", stream);
        tokio::spawn(ioxbridge::run(options, vec![controller], handle.clone()));
        let mut house = Self {
            server,
            handle,
            address: ([127, 0, 0, 1], 0).into(),
            stop: None,
            serving: None,
        };
        house.serve(page).await;
        house.wait_until_live().await;
        house
    }

    /// Serves the page at its previous address.
    pub(crate) async fn serve(&mut self, page: PageOptions) {
        let options = HttpOptions::new(self.address).page(page);
        let server = HttpServer::bind(&options, self.handle.clone()).await;
        let server = server.unwrap();
        self.address = server.address();
        let (stop, stopped) = oneshot::channel();
        self.stop = Some(stop);
        self.serving = Some(tokio::spawn(server.serve(async {
            let _ = stopped.await;
        })));
    }

    /// Stops only the server of the page.
    pub(crate) async fn stop_serving(&mut self) {
        self.stop = None;
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap();
        }
    }

    async fn wait_until_live(&self) {
        let began = Instant::now();
        loop {
            let stats = self.handle.stats();
            let home = stats.controllers.get("home");
            if home.is_some_and(|home| home.status == Status::Connected && home.nodes > 0) {
                return;
            }
            assert!(began.elapsed() < LIMIT, "the house is not live in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn control(&self) -> Control {
        self.server.control()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.handle.request_stop();
    }
}
