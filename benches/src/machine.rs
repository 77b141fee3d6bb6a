//! A stream machine without a socket, in the state that a benchmark needs.

use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use ioxproto::{Action, Config, ConnectionId, Exchange, Now, StreamMachine, Timing};
use sha1::{Digest as _, Sha1};

use crate::clients::Result;

/// Returns the current time on both clocks.
#[must_use]
pub fn now() -> Now {
    Now {
        monotonic: Instant::now(),
        utc: SystemTime::now(),
    }
}

/// Makes a machine for a controller on plain HTTP.
///
/// # Errors
///
/// If the configuration is invalid.
pub fn stream(seed: u64, timing: Timing) -> Result<StreamMachine> {
    let config = Config::new("http://eisy.test")
        .local_account("admin", "admin")
        .timing(timing)
        .seed(seed);
    Ok(StreamMachine::new(config)?)
}

/// Makes a connected machine, and returns it with its connection.
///
/// # Errors
///
/// If it does not connect.
pub fn connected() -> Result<(StreamMachine, ConnectionId, Now)> {
    let (mut stream, mut now) = (stream(1, Timing::default())?, now());
    stream.start(now);
    let mut connection = None;
    while let Some(action) = stream.poll_action() {
        if let Action::Connect { id, upgrade, .. } = action {
            connection = Some((id, upgrade));
        }
    }
    let (id, mut upgrade) = connection.ok_or("nothing to connect")?;
    accept(&mut upgrade)?;
    stream.upgrade_answered(now, id, upgrade.into_answer().0);
    now = quiet(&mut stream, now, Duration::from_secs(2));
    match stream.status() {
        ioxproto::Status::Connected => Ok((stream, id, now)),
        other => Err(format!("the machine is {other}").into()),
    }
}

/// Lets this much time pass without input, with a tick whenever one is due. The machine's actions
/// are dropped.
pub fn quiet(stream: &mut StreamMachine, mut now: Now, time: Duration) -> Now {
    let until = now.monotonic + time;
    while let Some(deadline) = stream.poll_timeout(now)
        && deadline.at < until
    {
        now = now.after(deadline.at.saturating_duration_since(now.monotonic));
        stream.tick(now);
        while stream.poll_action().is_some() {}
    }
    now = now.after(until.saturating_duration_since(now.monotonic));
    stream.tick(now);
    while stream.poll_action().is_some() {}
    now
}

/// Answers an upgrade with 101.
///
/// # Errors
///
/// If the request is invalid.
pub fn accept(upgrade: &mut Exchange) -> Result<()> {
    let request = std::str::from_utf8(upgrade.request())?;
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .ok_or("no key")?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key)
    );
    upgrade.receive(answer.as_bytes());
    Ok(())
}

/// Computes `Sec-WebSocket-Accept` (RFC 6455 section 4.2.2).
#[must_use]
pub fn accept_key(key: &str) -> String {
    let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    base64::engine::general_purpose::STANDARD.encode(digest)
}
