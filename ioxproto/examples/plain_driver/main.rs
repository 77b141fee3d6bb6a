//! A driver by hand over `std::net`: plain `http`, a local account, one thread. To be read beside
//! the driver chapter.
//! `IOX_PASSWORD=… cargo run -p ioxproto --example plain_driver -- http://eisy.local:8080 admin`

#![allow(clippy::disallowed_methods, reason = "only the core has no clock")]

mod transport;

use ioxproto::FailureKind::{Other, Protocol};
use ioxproto::{Action, Address, Config, ConnectionId, Exchange, StreamMachine};
use ioxproto::{Failure, Message, Notification};

use transport::{Opcode, Refused, WebSocket, is_timeout, now, until, upgraded};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, url, user] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: plain_driver URL USER, with the password in IOX_PASSWORD".into());
    };
    let config = Config::new(url.as_str()).local_account(user, std::env::var("IOX_PASSWORD")?);
    watch(
        StreamMachine::new(config.seed(std::process::id().into()))?,
        |told| {
            println!("{told:?}");
            true
        },
    );
    Ok(())
}

/// Drives to the end of the stream; stops it when `tell` says `false`.
pub(crate) fn watch(mut core: StreamMachine, mut tell: impl FnMut(Notification) -> bool) {
    let mut tell = |core: &mut StreamMachine, told| {
        if !tell(told) {
            core.stop(now());
        }
    };
    let mut link: Option<(ConnectionId, WebSocket)> = None;
    core.start(now());
    let mut event = None;
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
                ) => {
                    *link = connect(&mut core, id, &address, upgrade);
                }
                (
                    Action::OpenWebSocket {
                        max_message_bytes: limit,
                        ..
                    },
                    Some((_, open)),
                ) => {
                    open.max_message_bytes = limit;
                }
                (Action::Ping { .. }, Some((_, open))) => open.send(Opcode::Ping, &[]),
                (Action::Close { code, .. }, Some((_, open))) => {
                    open.send(Opcode::Close, &code.to_be_bytes());
                }
                (Action::Abort { .. }, link) => *link = None,
                (Action::Notify(told), _) => tell(&mut core, told),
                // Request, Abandon, ProvideToken and SendText are not for local accounts.
                _ => {}
            }
        }
        if let Some(told) = event.take() {
            tell(&mut core, told);
        } else if core.status().is_at_rest() {
            return;
        } else {
            event = take_or_wait(&mut core, &mut link);
        }
    }
}

/// Connects and runs the upgrade. Blocks, but no longer than the machine allows.
fn connect(
    core: &mut StreamMachine,
    id: ConnectionId,
    to: &Address,
    upgrade: Exchange,
) -> Option<(ConnectionId, WebSocket)> {
    let limit = core.poll_timeout(now());
    match upgraded(to, upgrade, limit) {
        Ok((socket, (answer, unread))) => {
            core.upgrade_answered(now(), id, answer);
            return Some((id, WebSocket::new(socket, unread)));
        }
        // The machine's limit is over: it knows what to say.
        Err(error) if is_timeout(&error) => core.tick(now()),
        Err(error) => core.failed(now(), id, Failure::transport(Other, error.to_string())),
    }
    None
}

/// Takes a message that is there, or waits for bytes until the deadline, and then ticks.
fn take_or_wait(
    core: &mut StreamMachine,
    link: &mut Option<(ConnectionId, WebSocket)>,
) -> Option<Notification> {
    let Some((id, open)) = link else {
        std::thread::sleep(until(core.poll_timeout(now())));
        core.tick(now());
        return None;
    };
    let id = *id;
    match open.next() {
        Ok(Some((Opcode::Text, bytes))) => return core.message(now(), id, Message::Text(&bytes)),
        Ok(Some((Opcode::Binary, bytes))) => {
            return core.message(now(), id, Message::Binary(&bytes));
        }
        Ok(Some((Opcode::Pong, _))) => return core.message(now(), id, Message::Pong),
        Ok(Some((Opcode::Ping, payload))) => {
            open.send(Opcode::Pong, &payload);
            return core.message(now(), id, Message::Ping);
        }
        Ok(Some((Opcode::Close, payload))) => {
            open.send(Opcode::Close, &payload);
            let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            core.closed(now(), id, code, "");
        }
        Err(Refused(why)) => core.failed(now(), id, Failure::transport(Protocol, why)),
        Ok(None) => {
            core.bytes_received(now(), id, open.mid_message());
            match open.read(until(core.poll_timeout(now()))) {
                Ok(0) => core.closed(now(), id, None, ""),
                Ok(_) => return None,
                Err(error) if is_timeout(&error) => {
                    core.tick(now());
                    return None;
                }
                Err(error) => core.failed(now(), id, Failure::transport(Other, error.to_string())),
            }
        }
    }
    // What was reported as over is dropped.
    *link = None;
    None
}
