//! The REST interface: reads of the house and commands to it, as `/rest/*` in XML.
//!
//! A synthetic house serves it; a recorded one has nothing in it that could be read or commanded. Commands are
//! carried out at once, and the events that follow go to every subscriber.

mod command;
mod read;

use http::{Method, Request};
use ioxproto::Now;
use tracing::debug;

use crate::controller::Controller;
use crate::event::{Event, escaped};
use crate::upgrade::{self, Answer};

/// The folder of everything below; the event stream has a path of its own in it.
const REST: &str = "/rest/";
const SUBSCRIBE: &str = "/rest/subscribe";

/// What is served below `/rest/`, by the first part of the path.
const SERVED: [&str; 10] = [
    "config",
    "time",
    "sys",
    "ping",
    "networking",
    "nodes",
    "status",
    "query",
    "programs",
    "vars",
];

/// What a request comes to.
enum Outcome {
    /// A document.
    Document(String),
    /// Accepted, and these events follow.
    Accepted(Vec<Event>),
    /// Nothing of that kind is there.
    NotFound,
}

impl Controller {
    /// Answers a request for anything but the event stream; `None` if it is not for `/rest/`.
    pub(crate) fn rest(&mut self, now: Now, request: &Request<()>) -> Option<Answer> {
        let path = request.uri().path().strip_prefix(&*self.options().prefix)?;
        if path == SUBSCRIBE || !path.starts_with(REST) {
            return None;
        }
        let path = path.to_owned();
        Some(self.answer_rest(now, request, &path))
    }

    fn answer_rest(&mut self, now: Now, request: &Request<()>, path: &str) -> Answer {
        if request.method() != Method::GET {
            return Answer::refusal(405, [("Allow", "GET")]);
        }
        let parts: Option<Vec<String>> = path
            .trim_end_matches('/')
            .split('/')
            .skip(2)
            .map(decoded)
            .collect();
        let parts = parts.unwrap_or_default();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let is_served = parts.first().is_some_and(|first| SERVED.contains(first));
        if is_served && !self.is_authorized(now.utc, request.headers()) {
            return upgrade::unauthorized();
        }
        let local = self.local(now);
        let outcome = match self.house_mut() {
            Some(house) => match read::answer(house, &parts) {
                Outcome::NotFound => command::carry_out(house, &parts, &local),
                outcome => outcome,
            },
            None => read::nothing(&parts),
        };
        match outcome {
            Outcome::Document(document) => xml(200, &document),
            Outcome::Accepted(events) => {
                for event in &events {
                    self.emit(now, event);
                }
                xml(200, &response(true, 200))
            }
            Outcome::NotFound => {
                // A URI holds no control characters.
                debug!(path, "nothing is served at this path");
                xml(404, &response(false, 404))
            }
        }
    }
}

fn xml(status: u16, document: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{document}");
    Answer::with_body(status, [], "text/xml; charset=UTF-8", body.as_bytes())
}

fn response(succeeded: bool, status: u16) -> String {
    format!("<RestResponse succeeded=\"{succeeded}\"><status>{status}</status></RestResponse>")
}

/// A text as XML has it.
fn text(text: &str) -> String {
    let mut written = String::new();
    escaped(&mut written, text);
    written
}

/// A part of a path without its percent-encoding; `None` if that is broken.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = str::from_utf8(&digits).ok()?;
        if digits.starts_with('+') {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths_are_decoded() {
        assert_eq!(decoded("1A%202B%203C%201").as_deref(), Some("1A 2B 3C 1"));
        assert_eq!(decoded("K%C3%BCche").as_deref(), Some("Küche"));
        for broken in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(decoded(broken), None, "{broken}");
        }
    }
}
