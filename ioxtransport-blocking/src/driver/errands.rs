//! What goes between the core and the world: what the core asks for is carried out, and what happened is told to it.

use ioxdriver::{Command, Tapped};
use ioxproto::{Action, ConnectionId, Message, Notification};
use tracing::debug;

use super::{Driver, Happening};
use crate::attempt::Attempt;
use crate::link::{Link, News};

impl Driver {
    /// Does everything that the core asks for.
    pub(super) fn carry_out(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Connect {
                    id,
                    address,
                    upgrade,
                } => {
                    let attempt = Attempt::new(&self.route, address, upgrade);
                    self.link = Link::Attempt(id, Box::new(attempt));
                }
                Action::OpenWebSocket {
                    id,
                    max_message_bytes,
                } => self.link.upgrade(id, max_message_bytes),
                Action::Request {
                    id,
                    address,
                    exchange,
                } => {
                    let attempt = Attempt::new(&self.route, address, exchange);
                    self.requests.insert(id, attempt);
                }
                Action::Abandon { id } => {
                    self.requests.remove(&id);
                }
                Action::ProvideToken { id, rejected } => {
                    self.token_wanted = Some(id);
                    self.notify(Notification::TokenWanted { rejected });
                }
                Action::SendText { id, text } => {
                    if let Some(open) = self.link.open(id) {
                        open.send_secret(&text);
                    }
                }
                Action::Ping { id } => {
                    if let Some(open) = self.link.open(id) {
                        open.ping();
                    }
                }
                Action::Close { id, code } => {
                    if let Some(open) = self.link.open(id) {
                        open.close(code);
                    }
                }
                Action::Abort { id } => {
                    if self.link.id() == Some(id) {
                        self.link = Link::None;
                    }
                }
                Action::Notify(notification) => self.notify(notification),
                other => debug!(?other, "an action that this driver does not know"),
            }
        }
    }

    fn notify(&mut self, notification: Notification) {
        if let Notification::Status(change) = &notification {
            let now = self.now();
            self.shared
                .status_changed(&self.core, now, change.status, change.reason.clone());
            self.news.notify(usize::MAX);
        }
        match &mut self.listener {
            Some(listener) => listener.tell(&notification),
            None => self.batch.push(notification),
        }
    }

    /// Hands over what is not yet delivered. Handles know what was told, and not only once the driver waits: it may not, for
    /// long.
    pub(super) fn deliver(&mut self) {
        if !self.batch.is_empty() {
            let now = self.now();
            self.shared.update(&self.core, now);
            self.delivery.push_all(&mut self.batch);
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Stop => self.core.stop(now),
            Command::Token(token) => {
                if let Some(id) = self.token_wanted.take() {
                    self.core.token(now, id, token);
                }
            }
            other => debug!(?other, "a command that this driver does not know"),
        }
    }

    pub(super) fn handle(&mut self, happening: Happening) {
        let now = self.now();
        match happening {
            Happening::Answered(id, answer) => {
                self.requests.remove(&id);
                match *answer {
                    Ok(answer) => self.core.http_answered(now, id, answer),
                    Err(failure) => self.core.http_failed(now, id, failure),
                }
            }
            Happening::Link(News::Exchanged(id, exchanged)) => match *exchanged {
                Ok((answer, connection, early)) => {
                    self.link = Link::Answered {
                        id,
                        connection,
                        early,
                    };
                    self.core.upgrade_answered(now, id, answer);
                }
                Err(failure) => {
                    self.link = Link::None;
                    self.core.failed(now, id, failure);
                }
            },
            Happening::Link(News::Received(id, message)) => self.received(id, message),
            Happening::Link(News::Ended(id, failure)) => {
                self.link = Link::None;
                match failure {
                    Some(failure) => self.core.failed(now, id, failure),
                    None => self.core.closed(now, id, None, ""),
                }
            }
        }
    }

    fn received(&mut self, id: ConnectionId, message: tungstenite::Message) {
        let now = self.now();
        let notification = match &message {
            tungstenite::Message::Binary(bytes) => {
                let open = self.link.open(id);
                let was_text = open.is_some_and(|open| open.take_was_text(bytes.len()));
                if let Some(tap) = &mut self.tap {
                    tap.see(match was_text {
                        true => Tapped::Text(bytes),
                        false => Tapped::Binary(bytes),
                    });
                }
                let message = match was_text {
                    true => Message::Text(bytes),
                    false => Message::Binary(bytes),
                };
                self.core.message(now, id, message)
            }
            tungstenite::Message::Ping(_) => self.core.message(now, id, Message::Ping),
            tungstenite::Message::Pong(_) => self.core.message(now, id, Message::Pong),
            tungstenite::Message::Close(frame) => {
                let (code, text) = frame.as_ref().map_or((None, ""), |frame| {
                    (Some(frame.code.into()), &*frame.reason)
                });
                if let Link::Open(open) = self.link.take() {
                    open.part();
                }
                self.core.closed(now, id, code, text);
                None
            }
            tungstenite::Message::Text(_) | tungstenite::Message::Frame(_) => None,
        };
        self.carry_out();
        if let Some(notification) = notification {
            self.notify(notification);
        }
    }
}
