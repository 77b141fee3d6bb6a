//! `iox simulate`: a simulated controller for other programs.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ioxproto::Profile;
use ioxsim::{
    Account, ControllerOptions, HouseOptions, HouseSource, PortalOptions, Recording, Server,
    ServerOptions, Tls,
};

use crate::arguments::Simulate;
use crate::exit_error::ExitError;
use crate::output::Screen;
use crate::signals::Stop;
use crate::stderr::say;

/// Runs the simulated controller until it is asked to stop.
pub(crate) async fn run(simulate: Simulate, mut stop: Stop) -> Result<(), ExitError> {
    let server = Server::start(options(&simulate)?).await.map_err(|error| {
        let (bind, port) = (simulate.bind, simulate.port);
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => ": another program uses this port: choose another --port",
            io::ErrorKind::PermissionDenied => ": choose a --port above 1023",
            _ => "",
        };
        ExitError::other(format!(
            "cannot listen on {}: {error}{advice}",
            SocketAddr::new(bind, port)
        ))
    })?;
    let control = server.control();
    for fault in &simulate.fault {
        fault.clone().plan(&control);
    }
    // The controller runs even if standard output is closed.
    let screen = Screen::stdout().ok();
    if let Some(screen) = &screen
        && let Some(room) = screen.room().await
    {
        room.send(introduction(&server, &simulate).into_bytes());
    }
    stop.requested().await;
    let seen = control.seen();
    server.shutdown().await;
    say(format_args!(
        "stopped; {} connections, {} subscriptions, {} messages sent",
        seen.connections,
        seen.upgrades,
        seen.texts_sent(),
    ));
    Ok(())
}

fn options(simulate: &Simulate) -> Result<ServerOptions, ExitError> {
    let base = match simulate.profile {
        Profile::Isy994 => ControllerOptions::isy994(),
        _ => ControllerOptions {
            portal: Some(portal(simulate)),
            ..ControllerOptions::default()
        },
    };
    let controller = ControllerOptions {
        accounts: vec![Account::new(&*simulate.username, &*simulate.password)],
        house: house(simulate)?,
        max_subscribers: simulate.max_subscribers as usize,
        seed: simulate.seed,
        uuid: simulate.uuid,
        ..base
    };
    let tls = identity(simulate)?;
    let most_connections = match (simulate.max_connections, simulate.profile) {
        (Some(max), _) => Some(max as usize),
        (None, Profile::Isy994) => Some(if tls.is_some() { 2 } else { 5 }),
        (None, _) => None,
    };
    let keep_alive = Some(Duration::from_secs(simulate.keep_alive.into()));
    Ok(ServerOptions {
        bind: SocketAddr::new(simulate.bind, simulate.port),
        tls,
        most_connections,
        most_queued: simulate.max_queued as usize,
        ssdp: simulate
            .ssdp
            .map(|port| SocketAddr::new(simulate.bind, port)),
        keep_alive: keep_alive.filter(|time| !time.is_zero()),
        controller,
        ..ServerOptions::default()
    })
}

fn identity(simulate: &Simulate) -> Result<Option<Tls>, ExitError> {
    let generate = || {
        Tls::self_signed()
            .map_err(|error| ExitError::other(format!("cannot make a certificate: {error}")))
    };
    let Some(path) = &simulate.identity else {
        return simulate.tls.then(generate).transpose();
    };
    let shown = path.display();
    match fs::read(path) {
        Ok(pem) => Tls::from_pem(&pem)
            .map(Some)
            .map_err(|error| ExitError::usage(format!("cannot use {shown}: {error}"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let tls = generate()?;
            save(path, &tls).map_err(|error| {
                ExitError::usage(format!("cannot write the identity {shown}: {error}"))
            })?;
            Ok(Some(tls))
        }
        Err(error) => Err(ExitError::usage(format!(
            "cannot read the identity {shown}: {error}"
        ))),
    }
}

/// Writes the certificate and its private key to a new file that only its owner can read.
fn save(path: &Path, tls: &Tls) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(tls.to_pem().as_bytes())
}

fn portal(simulate: &Simulate) -> PortalOptions {
    let account = Account::new(&*simulate.portal_username, &*simulate.portal_password);
    PortalOptions {
        accounts: vec![account],
        access_lifetime: Duration::from_secs(simulate.token_lifetime.into()),
        refresh_lifetime: Duration::from_secs(simulate.refresh_lifetime.into()),
        ..PortalOptions::default()
    }
}

fn house(simulate: &Simulate) -> Result<HouseSource, ExitError> {
    match &simulate.replay {
        Some(path) => Ok(recording(path)?.speed(simulate.speed).into()),
        None => Ok(HouseSource::from(HouseOptions {
            nodes: simulate.nodes as usize,
            programs: simulate.programs.map(|programs| programs as usize),
            rate_per_second: simulate.rate,
            seed: simulate.seed,
        })),
    }
}

fn recording(path: &Path) -> Result<Recording, ExitError> {
    let shown = path.display();
    let lines = fs::read_to_string(path)
        .map_err(|error| ExitError::usage(format!("cannot read the recording {shown}: {error}")))?;
    Recording::parse(&lines)
        .map_err(|error| ExitError::usage(format!("{shown} cannot be replayed: {error}")))
}

/// Returns a message that says how to connect to the controller.
fn introduction(server: &Server, simulate: &Simulate) -> String {
    let (url, fingerprint) = (server.url(), server.fingerprint());
    let (username, password) = (&simulate.username, &simulate.password);
    let mut text = format!("url          {url}\n");
    let mut pin = String::new();
    if let Some(fingerprint) = fingerprint {
        text += &format!("fingerprint  {fingerprint}\n");
        pin = format!(" --pin {fingerprint}");
    }
    text += &format!("account      {username}, password {password}\n");
    if simulate.profile != Profile::Isy994 {
        let (username, password) = (&simulate.portal_username, &simulate.portal_password);
        text += &format!("portal       {username}, password {password}; also on --path api\n");
    }
    text += &format!(
        "watch it     IOX_PASSWORD={password} iox watch {url} --username {username}{pin}\n"
    );
    text += "Ctrl-C stops it.\n";
    text
}
