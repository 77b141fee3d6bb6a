//! The simulated controller in its own process.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;

use ioxdriver::Trust;
use ioxsim::{ControllerOptions, Server, ServerOptions, Tls};

use crate::clients::{Error, Result};
use crate::frame_server::{Layout, Pace};

/// What a controller serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The simulated controller over plain HTTP.
    Plain,
    /// The simulated controller over TLS.
    Tls,
    /// An endless flood of frames in JSON envelopes.
    Flood,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Flood => "flood",
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let kinds = [Self::Plain, Self::Tls, Self::Flood];
        let kind = kinds.into_iter().find(|kind| kind.word() == word);
        kind.ok_or_else(|| format!("{word} is not a kind of controller").into())
    }
}

/// The process of a controller. Dropping it kills the process.
#[derive(Debug)]
pub struct Controller {
    process: Child,
    url: String,
    fingerprint: String,
}

impl Controller {
    /// Starts this program again with the arguments `serve KIND PORT`, which must call [`serve`].
    /// Port 0 takes a free one; a flood always takes a free one.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn start(kind: Kind, port: u16) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", kind.word(), &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let mut controller = Self {
            process,
            url: String::new(),
            fingerprint: String::new(),
        };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let (url, fingerprint) = line.trim_end().split_once('|').ok_or("no address")?;
        (controller.url, controller.fingerprint) = (url.to_owned(), fingerprint.to_owned());
        Ok(controller)
    }

    /// Returns the address it listens on.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the port it listens on.
    ///
    /// # Errors
    ///
    /// If it has not printed a valid port.
    pub fn port(&self) -> Result<u16> {
        let (_, port) = self.url.rsplit_once(':').ok_or("no port")?;
        Ok(port.trim_end_matches('/').parse()?)
    }

    /// Returns the trust in its certificate, if it has one.
    ///
    /// # Errors
    ///
    /// If it has not printed a valid fingerprint.
    pub fn trust(&self) -> Result<Trust> {
        Ok(match &*self.fingerprint {
            "" => Trust::default(),
            pin => Trust::Pins(vec![pin.parse()?]),
        })
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // Fails if the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the controller until the parent process ends it.
///
/// # Errors
///
/// If it does not start.
pub async fn serve(kind: Kind, port: u16) -> Result<()> {
    if kind == Kind::Flood {
        let address = crate::frame_server::serve(Layout::Json, Pace::Flood)?;
        println!("http://{address}|");
        return std::future::pending().await;
    }
    let options = ServerOptions {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        tls: (kind == Kind::Tls).then(Tls::self_signed).transpose()?,
        controller: ControllerOptions {
            max_subscribers: 1_000_000,
            ..ControllerOptions::default()
        },
        ..ServerOptions::default()
    };
    let server = Server::start(options).await?;
    println!(
        "{}|{}",
        server.url(),
        server.fingerprint().unwrap_or_default()
    );
    std::future::pending().await
}
