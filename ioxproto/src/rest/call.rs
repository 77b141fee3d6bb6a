//! Calls: requests with the type of their answer.

use std::fmt;
use std::time::Duration;

use super::command::{Command, Target};
use super::confirmation::{Confirmation, Expectation};
use super::path::{PathBuilder, checked_address, raw};
use super::{
    AnswerError, CallError, CallProblem, ClockReading, ControllerInfo, NetworkResources, NodeEntry,
    NodeStatus, Nodes, Programs, RequestError, Statuses, VariableDefinitions, VariableEntry,
    Variables, body,
};
use crate::config::MAX_DURATION;
use crate::state::ControllerState;
use crate::view::VariableType;

/// A request to a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    purpose: Purpose,
    /// The event that the call waits for after the answer.
    expectation: Option<Box<Expectation>>,
}

/// What a request does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    Read {
        path: String,
        not_found: NotFound,
    },
    /// A path from the caller, which may do anything.
    Raw {
        path: String,
    },
    Command(Command),
}

/// What a 404 to a read means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotFound {
    /// The controller is busy, or the item does not exist: repeat the read.
    Busy,
    /// There are no items: the answer is empty.
    None,
    /// The item does not exist.
    Refusal,
}

impl Request {
    fn read(path: impl Into<String>, not_found: NotFound) -> Self {
        let path = path.into();
        Self {
            purpose: Purpose::Read { path, not_found },
            expectation: None,
        }
    }

    /// The requested path, percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        match &self.purpose {
            Purpose::Read { path, .. } | Purpose::Raw { path } => path,
            Purpose::Command(command) => command.path(),
        }
    }

    /// The command, if the request is one.
    #[must_use]
    pub fn command(&self) -> Option<&Command> {
        match &self.purpose {
            Purpose::Command(command) => Some(command),
            Purpose::Read { .. } | Purpose::Raw { .. } => None,
        }
    }

    /// What the request sets, if it is a command.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        self.command().map(Command::target)
    }

    pub(super) fn expectation(&self) -> Option<&Expectation> {
        self.expectation.as_deref()
    }

    /// Whether the request may be sent twice without harm: a read of this module, or an absolute
    /// command. Not a path from the caller, which may do anything.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        match &self.purpose {
            Purpose::Read { .. } => true,
            Purpose::Raw { .. } => false,
            Purpose::Command(command) => command.is_absolute(),
        }
    }

    /// Whether to repeat the request after an answer with this HTTP status.
    #[must_use]
    pub fn is_repeated_after(&self, status: u16) -> bool {
        match &self.purpose {
            Purpose::Read { not_found, .. } => {
                status == 503 || (status == 404 && *not_found == NotFound::Busy)
            }
            Purpose::Raw { .. } => status == 503,
            Purpose::Command(_) => matches!(status, 404 | 503) && self.is_repeatable(),
        }
    }

    /// Whether this HTTP status means that there are no items, such as no variables of a type.
    #[must_use]
    pub fn is_none_after(&self, status: u16) -> bool {
        let may_be_none = matches!(
            self.purpose,
            Purpose::Read {
                not_found: NotFound::None,
                ..
            }
        );
        status == 404 && may_be_none
    }
}

impl From<Command> for Request {
    fn from(command: Command) -> Self {
        Self {
            purpose: Purpose::Command(command),
            expectation: None,
        }
    }
}

impl<A> From<Call<A>> for Request {
    fn from(call: Call<A>) -> Self {
        call.request
    }
}

/// The answer to a request, before it is parsed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`; empty if there is none.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the command was carried out; `None` if the call did not wait for that.
    pub confirmation: Option<Confirmation>,
}

/// Shows only the length of the body: bodies are long and may contain secrets.
impl fmt::Debug for RawAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawAnswer")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("bytes", &self.body.len())
            .field("confirmation", &self.confirmation)
            .finish()
    }
}

/// The controller has accepted a command. An event shows that it was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Accepted;

/// A request with the parser of its answer.
///
/// The functions of [`rest`](crate::rest) create calls.
#[derive(Clone, Debug)]
pub struct Call<A> {
    request: Request,
    read: Reader<A>,
}

/// The function that parses an answer, with the argument that it needs.
#[derive(Clone, Debug)]
enum Reader<A> {
    Plain(fn(&RawAnswer) -> Result<A, AnswerError>),
    OfType(
        VariableType,
        fn(&RawAnswer, VariableType) -> Result<A, AnswerError>,
    ),
    Of(String, fn(&RawAnswer, &str) -> Result<A, AnswerError>),
}

impl<A> Call<A> {
    fn new(request: Request, read: fn(&RawAnswer) -> Result<A, AnswerError>) -> Self {
        Self {
            request,
            read: Reader::Plain(read),
        }
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Parses the answer.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] names what is wrong or missing.
    pub fn read(&self, answer: &RawAnswer) -> Result<A, AnswerError> {
        match &self.read {
            Reader::Plain(read) => read(answer),
            Reader::OfType(kind, read) => read(answer, *kind),
            Reader::Of(address, read) => read(answer, address),
        }
    }
}

impl<A> Call<A> {
    /// The result of the call, with the answer parsed.
    ///
    /// # Errors
    ///
    /// The [`CallError`] of the call, or [`CallProblem::Answer`] if the answer cannot be parsed.
    pub fn outcome(&self, outcome: Result<RawAnswer, CallError>) -> Result<A, CallError> {
        let is_command = self.request.command().is_some();
        let outcome = outcome.and_then(|answer| {
            self.read(&answer).map_err(|error| CallError {
                may_have_been_carried_out: true,
                problem: CallProblem::Answer(error),
            })
        });
        outcome.map_err(|mut error| {
            error.may_have_been_carried_out &= is_command;
            error
        })
    }
}

/// A call whose answer is not parsed.
impl From<Request> for Call<RawAnswer> {
    fn from(request: Request) -> Self {
        Self::new(request, |answer| Ok(answer.clone()))
    }
}

impl From<Command> for Call<Accepted> {
    fn from(command: Command) -> Self {
        Self::new(command.into(), accepted)
    }
}

/// Accepts any answer to a command except a web page: the bodies differ between firmware versions.
fn accepted(answer: &RawAnswer) -> Result<Accepted, AnswerError> {
    match body::text(&answer.body) {
        Err(page @ AnswerError::WebPage { .. }) => Err(page),
        _ => Ok(Accepted),
    }
}

impl Command {
    /// A call that sends the command and then waits for the event that shows that it was carried
    /// out. It waits for at most `within` after the controller's answer, and at most a day. Only
    /// live events that arrive after the command was sent count.
    ///
    /// `house` supplies the members of a scene. It also shows whether the value is already set, in
    /// which case no event follows. With an empty state the call always waits.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ioxproto::state::{ControllerState, Property};
    /// use ioxproto::rest::Command;
    ///
    /// let mut house = ControllerState::new();
    /// house.seed_property("1A 2B 3C 1", "ST", Property::new("0"));
    /// let on = Command::on("1A 2B 3C 1")?.confirmed(Duration::from_secs(5), &house);
    /// // `handle.call(on).await` gives a `Confirmation`.
    /// assert!(on.request().command().is_some());
    /// # Ok::<(), ioxproto::rest::RequestError>(())
    /// ```
    #[must_use]
    pub fn confirmed(self, within: Duration, house: &ControllerState) -> Call<Confirmation> {
        let expectation = Expectation::of(&self, within.min(MAX_DURATION), house);
        let mut request = Request::from(self);
        request.expectation = Some(Box::new(expectation));
        Call::new(request, |answer| match answer.confirmation {
            Some(Confirmation::Confirmed) => Ok(Confirmation::Confirmed),
            known => accepted(answer).map(|Accepted| known.unwrap_or(Confirmation::Unconfirmed)),
        })
    }
}

/// The controller's firmware, product and features (`/rest/config`).
#[must_use]
pub fn config() -> Call<ControllerInfo> {
    let request = Request::read("/rest/config", NotFound::Refusal);
    Call::new(request, |answer| ControllerInfo::parse(&answer.body))
}

/// All nodes, scenes with their members, and folders (`/rest/nodes`).
#[must_use]
pub fn nodes() -> Call<Nodes> {
    let request = Request::read("/rest/nodes", NotFound::Busy);
    Call::new(request, |answer| Nodes::parse(&answer.body))
}

/// One node (`/rest/nodes/<address>`).
///
/// # Errors
///
/// [`RequestError::Address`].
pub fn node(address: &str) -> Result<Call<NodeEntry>, RequestError> {
    let path = PathBuilder::new("/rest/nodes").segment(checked_address(address)?);
    let request = Request::read(path.finish(), NotFound::Busy);
    Ok(Call::new(request, |answer| NodeEntry::parse(&answer.body)))
}

/// The properties of all nodes (`/rest/status`).
#[must_use]
pub fn status() -> Call<Statuses> {
    let request = Request::read("/rest/status", NotFound::Busy);
    Call::new(request, |answer| Statuses::parse(&answer.body))
}

/// The properties of one node (`/rest/status/<address>`).
///
/// # Errors
///
/// [`RequestError::Address`].
pub fn node_status(address: &str) -> Result<Call<NodeStatus>, RequestError> {
    let address = checked_address(address)?;
    let path = PathBuilder::new("/rest/status").segment(address);
    Ok(Call {
        request: Request::read(path.finish(), NotFound::Busy),
        read: Reader::Of(address.to_owned(), |answer, address| {
            NodeStatus::parse(&answer.body, address)
        }),
    })
}

/// All programs and their folders (`/rest/programs?subfolders=true`).
#[must_use]
pub fn programs() -> Call<Programs> {
    let request = Request::read("/rest/programs?subfolders=true", NotFound::Refusal);
    Call::new(request, |answer| Programs::parse(&answer.body))
}

/// The names of all variables of a type (`/rest/vars/definitions/<type>`). A controller that
/// answers 404 has none.
#[must_use]
pub fn variable_definitions(kind: VariableType) -> Call<VariableDefinitions> {
    let path = format!("/rest/vars/definitions/{}", kind.number());
    Call {
        request: Request::read(path, NotFound::None),
        read: Reader::OfType(kind, |answer, kind| match answer.status {
            404 => Ok(VariableDefinitions::default()),
            _ => VariableDefinitions::parse(&answer.body, kind),
        }),
    }
}

/// The values of all variables of a type (`/rest/vars/get/<type>`).
#[must_use]
pub fn variables(kind: VariableType) -> Call<Variables> {
    let path = format!("/rest/vars/get/{}", kind.number());
    Call {
        request: Request::read(path, NotFound::Refusal),
        read: Reader::OfType(kind, |answer, kind| Variables::parse(&answer.body, kind)),
    }
}

/// The value of one variable (`/rest/vars/get/<type>/<number>`).
#[must_use]
pub fn variable(id: crate::view::VariableId) -> Call<VariableEntry> {
    let path = format!("/rest/vars/get/{}/{}", id.kind.number(), id.number);
    Call {
        request: Request::read(path, NotFound::Refusal),
        read: Reader::OfType(id.kind, |answer, kind| {
            VariableEntry::parse(&answer.body, kind)
        }),
    }
}

/// The controller's clock, time zone and location (`/rest/time`).
#[must_use]
pub fn time() -> Call<ClockReading> {
    let request = Request::read("/rest/time", NotFound::Refusal);
    Call::new(request, |answer| ClockReading::parse(&answer.body))
}

/// The network resources (`/rest/networking/resources`). A controller that answers 404 has none, or
/// lacks the module.
#[must_use]
pub fn network_resources() -> Call<NetworkResources> {
    let request = Request::read("/rest/networking/resources", NotFound::None);
    Call::new(request, |answer| match answer.status {
        404 => Ok(NetworkResources::default()),
        _ => NetworkResources::parse(&answer.body),
    })
}

/// A GET of any path, whose answer is not parsed. The path may have a query. Spaces and other
/// characters that are not allowed in a path are percent-encoded.
///
/// # Errors
///
/// [`RequestError::Path`].
pub fn get(path: &str) -> Result<Call<RawAnswer>, RequestError> {
    let request = Request {
        purpose: Purpose::Raw { path: raw(path)? },
        expectation: None,
    };
    Ok(request.into())
}
