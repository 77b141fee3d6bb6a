//! A driver over `std::net`: plain `http`, a local account, one thread. Read it together with the
//! driver chapter. `websocket.rs` has no sockets, so that other drivers can use it.
//!
//! `IOX_PASSWORD=… cargo run -p ioxproto --example plain_driver -- http://eisy.local:8080 admin`

#![allow(clippy::disallowed_methods, reason = "only the core has no clock")]

mod transport;
mod websocket;

use ioxproto::{
    Action, Address, Config, ConnectionId, Exchange, Message, Notification, RequestId, Status,
    StreamMachine,
};

use transport::{Connection, exchange, io_failure, is_timeout, now, until, websocket_failure};
use websocket::Opcode;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, url, user] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: plain_driver URL USER, with the password in IOX_PASSWORD".into());
    };
    let config = Config::new(url.as_str()).local_account(user, std::env::var("IOX_PASSWORD")?);
    let mut failure = None;
    watch(
        StreamMachine::new(config.seed(std::process::id().into()))?,
        |notification| {
            match notification {
                Notification::Event(event) => println!("{event}"),
                Notification::Status(change) => {
                    println!("{change}");
                    let has_failed = change.status == Status::ReconnectFailed;
                    failure = change.reason.filter(|_| has_failed);
                }
                other => println!("{other:?}"),
            }
            true
        },
    );
    match failure {
        Some(reason) => Err(reason.to_string().into()),
        None => Ok(()),
    }
}

/// Runs the stream to its end. Stops it once `deliver` returns `false`.
pub(crate) fn watch(mut core: StreamMachine, mut deliver: impl FnMut(Notification) -> bool) {
    let mut deliver = |core: &mut StreamMachine, notification| {
        if !deliver(notification) {
            core.stop(now());
        }
    };
    let mut link: Option<(ConnectionId, Connection)> = None;
    let mut event = None;
    core.start(now());
    loop {
        while let Some(action) = core.poll_action() {
            match (action, &mut link) {
                (
                    Action::Connect {
                        id,
                        address,
                        upgrade,
                    },
                    link,
                ) => *link = connect(&mut core, id, &address, upgrade),
                (
                    Action::OpenWebSocket {
                        max_message_bytes, ..
                    },
                    Some((_, connection)),
                ) => connection.websocket.max_message_bytes = max_message_bytes,
                (Action::Ping { .. }, Some((_, connection))) => connection.send(Opcode::Ping, &[]),
                (Action::Close { code, .. }, Some((_, connection))) => {
                    connection.send(Opcode::Close, &code.to_be_bytes());
                }
                (Action::Abort { .. }, link) => *link = None,
                (
                    Action::Request {
                        id,
                        address,
                        exchange,
                    },
                    _,
                ) => request(&mut core, id, &address, exchange),
                (Action::Notify(notification), _) => deliver(&mut core, notification),
                // A local account needs no SendText and no ProvideToken. Requests end before the
                // machine can abandon them.
                _ => {}
            }
        }
        if let Some(event) = event.take() {
            deliver(&mut core, event);
        } else if core.status().is_at_rest() {
            return;
        } else {
            event = read_or_wait(&mut core, &mut link);
        }
    }
}

/// Connects and runs the upgrade. Blocks at most until the machine's deadline.
fn connect(
    core: &mut StreamMachine,
    id: ConnectionId,
    to: &Address,
    upgrade: Exchange,
) -> Option<(ConnectionId, Connection)> {
    let limit = core.poll_timeout(now());
    match exchange(to, upgrade, limit, |phase| core.phase(now(), id, phase)) {
        Ok((socket, answer, early)) => {
            core.upgrade_answered(now(), id, answer);
            return Some((id, Connection::new(socket, &early)));
        }
        // The machine knows which limit passed and reports it.
        Err(error) if is_timeout(&error) => core.tick(now()),
        Err(error) => core.failed(now(), id, io_failure(&error)),
    }
    None
}

/// Runs an exchange alongside the stream, such as the test whether a silent port speaks TLS. Blocks
/// at most until the machine's deadline.
fn request(core: &mut StreamMachine, id: RequestId, to: &Address, request: Exchange) {
    let limit = core.poll_timeout(now());
    match exchange(to, request, limit, |_| {}) {
        Ok((_, answer, _)) => core.http_answered(now(), id, answer),
        Err(error) if is_timeout(&error) => core.tick(now()),
        Err(error) => core.http_failed(now(), id, io_failure(&error)),
    }
}

/// Passes a received message to the machine. Without one, waits for bytes until the deadline, and
/// then ticks.
fn read_or_wait(
    core: &mut StreamMachine,
    link: &mut Option<(ConnectionId, Connection)>,
) -> Option<Notification> {
    let Some((id, connection)) = link else {
        std::thread::sleep(until(core.poll_timeout(now())));
        core.tick(now());
        return None;
    };
    let id = *id;
    match connection.websocket.next() {
        Ok(Some((Opcode::Text, bytes))) => return core.message(now(), id, Message::Text(&bytes)),
        Ok(Some((Opcode::Binary, bytes))) => {
            return core.message(now(), id, Message::Binary(&bytes));
        }
        Ok(Some((Opcode::Pong, _))) => return core.message(now(), id, Message::Pong),
        Ok(Some((Opcode::Ping, payload))) => {
            connection.send(Opcode::Pong, &payload);
            return core.message(now(), id, Message::Ping);
        }
        Ok(Some((Opcode::Close, payload))) => {
            connection.send(Opcode::Close, &payload);
            let (code, text) = payload.split_at(payload.len().min(2));
            let code = code.first_chunk().map(|code| u16::from_be_bytes(*code));
            core.closed(now(), id, code, &String::from_utf8_lossy(text));
        }
        Err(error) => core.failed(now(), id, websocket_failure(&error)),
        Ok(None) => {
            core.bytes_received(now(), id, connection.websocket.is_mid_message());
            match connection.read(until(core.poll_timeout(now()))) {
                Ok(0) => core.closed(now(), id, None, ""),
                Ok(_) => return None,
                Err(error) if is_timeout(&error) => {
                    core.tick(now());
                    return None;
                }
                Err(error) => core.failed(now(), id, io_failure(&error)),
            }
        }
    }
    // The machine knows that the connection is over: drop it.
    *link = None;
    None
}
