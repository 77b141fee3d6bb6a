//! The REST interface: reads of the house and commands to it, as `/rest/*` in XML and, with IoX 6,
//! as `/api/*` in JSON.
//!
//! Only a synthetic house serves it; a recorded one has nothing to read or command. Commands are
//! carried out immediately, and their events go to every subscriber.

mod api;
mod command;
mod profile;
mod read;

use http::{Method, Request};
use ioxproto::Now;
use serde_json::{Value, json};
use tracing::debug;

use crate::answer::Answer;
use crate::call_fault::OnCall;
use crate::controller::Controller;
use crate::event::{Event, escaped};
use crate::options::Firmware;
use crate::upgrade;
use crate::uuid::Uuid;

/// The root of the XML interface. The event stream has a path of its own in it.
const REST: &str = "/rest/";
const SUBSCRIBE: &str = "/rest/subscribe";
/// The description of the controller, which needs no credentials.
const DESCRIPTION: &str = "/desc";
/// The root of the JSON interface.
const API: &str = "/api/";

/// The name of the controller itself, whose address is its UUID.
const ROOT_NAME: &str = "My home";
const VERSION: &str = "6.0.1";
const ISY994_VERSION: &str = "5.3.4";
/// The network resources, by id and name.
const RESOURCES: [(u32, &str); 2] = [(1, "Wake TV & radio"), (2, "Tür öffnen")];
/// The names of the folders of programs.
const PROGRAM_ROOT_NAME: &str = "My programs";
const PROGRAM_FOLDER_NAME: &str = "Comfort";

/// The first parts of the paths that are served under `/rest/`.
const SERVED: [&str; 13] = [
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
    "profiles",
    "zwave",
    "zmatter",
];

/// The outcome of a request.
enum Outcome {
    /// A document.
    Document(String),
    /// A document in JSON.
    Json(Value),
    /// Accepted, with the events that it causes.
    Accepted(Vec<Event>),
    /// There is no such thing.
    NotFound,
}

/// The identity of the controller.
#[derive(Clone, Copy, Debug)]
struct Identity {
    firmware: Firmware,
    uuid: Uuid,
}

impl Controller {
    fn identity(&self) -> Identity {
        let options = self.options();
        Identity {
            firmware: options.firmware,
            uuid: options.uuid,
        }
    }

    /// Answers a request without a body. Returns `None` if it is for the event stream or an
    /// account.
    pub(crate) fn rest(&mut self, now: Now, request: &Request<()>) -> Option<Answer> {
        let path = request.uri().path().strip_prefix(&*self.options().prefix)?;
        if path.starts_with(API) {
            let parts = parts(path);
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            return self.answer_api(now, request, &parts, &Value::Null);
        }
        if path == DESCRIPTION {
            return Some(xml(200, &read::description(self.identity())));
        }
        if path == SUBSCRIBE || !path.starts_with(REST) {
            return None;
        }
        let path = path.to_owned();
        Some(self.answer_rest(now, request, &path))
    }

    /// Answers a request with a body. Returns `None` if it is not for the house.
    pub(crate) fn rest_with_body(
        &mut self,
        now: Now,
        request: &Request<Vec<u8>>,
    ) -> Option<Answer> {
        let path = request.uri().path().strip_prefix(&*self.options().prefix)?;
        let parts = parts(path.starts_with(API).then_some(path)?);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        self.answer_api(now, request, &parts, &body)
    }

    fn answer_api<T>(
        &mut self,
        now: Now,
        request: &Request<T>,
        path: &[&str],
        body: &Value,
    ) -> Option<Answer> {
        if self.options().firmware == Firmware::Isy994 {
            return None;
        }
        let is_read = request.method() == Method::GET;
        if is_read && path == ["config"] {
            return Some(successful(api::config(self.identity().uuid)));
        }
        // Accounts and the event stream are served elsewhere.
        if !path.first().is_some_and(|first| API_SERVED.contains(first)) {
            return None;
        }
        if !self.is_authorized(now.utc, request.headers()) {
            return Some(upgrade::unauthorized());
        }
        let fault = self.on_call.take();
        if let Some(refusal) = fault.and_then(OnCall::refusal) {
            return Some(refusal);
        }
        let answer = self.carry_out_api(now, is_read, path, body)?;
        Some(match fault {
            Some(fault) => fault.spoil(answer),
            None => answer,
        })
    }

    fn carry_out_api(
        &mut self,
        now: Now,
        is_read: bool,
        path: &[&str],
        body: &Value,
    ) -> Option<Answer> {
        let local = self.local(now);
        let uuid = self.identity().uuid;
        let house = self.house_mut()?;
        let read = is_read
            .then(|| api::answer(house, uuid, path, &local))
            .flatten();
        if let Some(read) = read {
            return Some(successful(read));
        }
        let is_program = path.first() == Some(&"programs");
        let outcome = (is_program || !is_read)
            .then(|| api::carry_out(house, path, body, &local))
            .flatten();
        let Some(events) = outcome else {
            debug!(?path, "nothing is served at this path");
            let refusal = json!({"successful": false, "error": "not found"});
            return Some(Answer::json(404, &refusal));
        };
        for event in &events {
            self.emit(now, event);
        }
        Some(successful(Value::Null))
    }

    fn answer_rest(&mut self, now: Now, request: &Request<()>, path: &str) -> Answer {
        if request.method() != Method::GET {
            return Answer::refusal(405, [("Allow", "GET")]);
        }
        let parts = parts(path);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let is_served = parts.first().is_some_and(|first| SERVED.contains(first));
        if is_served && !self.is_authorized(now.utc, request.headers()) {
            return upgrade::unauthorized();
        }
        let fault = is_served.then(|| self.on_call.take()).flatten();
        if let Some(refusal) = fault.and_then(OnCall::refusal) {
            return refusal;
        }
        let answer = self.carry_out(now, request, &parts);
        match fault {
            Some(fault) => fault.spoil(answer),
            None => answer,
        }
    }

    fn carry_out(&mut self, now: Now, request: &Request<()>, parts: &[&str]) -> Answer {
        let local = self.local(now);
        let identity = self.identity();
        let query = request.uri().query().unwrap_or_default();
        let outcome = match self.house_mut() {
            Some(house) => match read::answer(house, identity, parts, query) {
                Outcome::NotFound => command::carry_out(house, parts, &local),
                outcome => outcome,
            },
            None => read::nothing(identity, parts),
        };
        match outcome {
            Outcome::Document(document) => xml(200, &document),
            Outcome::Json(document) => Answer::json(200, &document),
            Outcome::Accepted(events) => {
                for event in &events {
                    self.emit(now, event);
                }
                xml(200, &response(true, 200))
            }
            Outcome::NotFound => {
                // Safe to log: a URI contains no control characters.
                let path = request.uri().path();
                debug!(path, "nothing is served at this path");
                busy()
            }
        }
    }
}

/// The first parts of the paths that are served under `/api/`.
const API_SERVED: [&str; 6] = [
    "nodes",
    "groups",
    "programs",
    "triggers",
    "sys",
    "variables",
];

/// Returns the parts of a path after the first, percent-decoded; none if one of them is malformed.
fn parts(path: &str) -> Vec<String> {
    let parts = path.trim_end_matches('/').split('/').skip(2);
    let parts: Option<Vec<String>> = parts.map(decoded).collect();
    parts.unwrap_or_default()
}

fn successful(data: Value) -> Answer {
    Answer::json(200, &json!({"successful": true, "data": data}))
}

/// Returns the link type of the member of a scene at this index: the first is its controller, the
/// others are responders.
fn link_type(at: usize) -> u8 {
    if at == 0 { 16 } else { 0 }
}

fn xml(status: u16, document: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{document}");
    Answer::with_body(status, [], "text/xml; charset=UTF-8", body.as_bytes())
}

/// The answer of a controller whose Insteon modem is busy, or to a request for something that does
/// not exist.
pub(crate) fn busy() -> Answer {
    xml(404, &response(false, 404))
}

/// A refusal with status 200.
pub(crate) fn not_succeeded() -> Answer {
    xml(200, &response(false, 404))
}

fn response(succeeded: bool, status: u16) -> String {
    format!("<RestResponse succeeded=\"{succeeded}\"><status>{status}</status></RestResponse>")
}

/// Escapes a string for XML.
fn text(text: &str) -> String {
    let mut written = String::new();
    escaped(&mut written, text);
    written
}

/// Percent-decodes a part of a path; `None` if it is malformed.
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
