//! Calls beside the stream, made and cancelled at random. They have a random generator of their
//! own, so that the rest of a seed's world does not depend on them.
//!
//! Every command that is counted has a unique path: each variable is set to a new number, and each
//! beep has a new parameter. So the checker knows which command a request or an event belongs to.

use std::time::Duration;

use fastrand::Rng;
use ioxproto::Notification;
use ioxproto::names::Names;
use ioxproto::rest::{self, CallError, CallId, Command, Nodes, ProgramCommand, RawAnswer, Request};
use ioxproto::state::ControllerState;
use ioxproto::view::{Decimal, ProgramId, VariableField, VariableId, VariableType};
use ioxsim::{OnCall, Times};

use crate::checker::{BASIC, CallKind};
use crate::driver::Command as DriverCommand;
use crate::site::pick;
use crate::world::World;

/// The address of a node that some worlds add.
const ADDED: &str = "ZW901_1";

/// The callers, and the state of the house as they know it.
#[derive(Debug)]
pub(crate) struct Calls {
    rng: Rng,
    /// The mean time between two calls, in seconds; `None` in a world without calls.
    mean: Option<f64>,
    next: Duration,
    /// Counts up, to make paths and names unique.
    counter: i32,
    pending: Vec<CallId>,
    /// The state built from the notifications.
    state: ControllerState,
}

impl Calls {
    pub(crate) fn none() -> Self {
        Self {
            rng: Rng::with_seed(0),
            mean: None,
            next: Duration::MAX,
            counter: 10_000,
            pending: Vec::new(),
            state: ControllerState::new(),
        }
    }

    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x0063_616c_6c73);
        let mean = *pick(
            &mut rng,
            &[None, Some(2.0), Some(15.0), Some(120.0), Some(600.0)],
        );
        Self {
            mean,
            next: mean.map_or(Duration::MAX, Duration::from_secs_f64),
            rng,
            ..Self::none()
        }
    }

    /// Limits the rate to about 100 rounds of calls in a fault period of this length. More would
    /// find nothing new.
    pub(crate) fn spread(&mut self, fault_period: Duration) {
        self.mean = self
            .mean
            .map(|mean| mean.max(fault_period.as_secs_f64() / 100.0));
    }

    pub(crate) fn next(&self) -> Duration {
        self.next
    }

    /// Stops making calls. Pending calls continue.
    pub(crate) fn cease(&mut self) {
        self.next = Duration::MAX;
    }

    pub(crate) fn are_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(crate) fn pending_count(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn hear(&mut self, notification: &Notification) {
        self.state.apply(notification);
    }
}

impl World {
    pub(crate) fn make_due_calls(&mut self) {
        let now = self.clock.world();
        let Some(mean) = self.calls.mean.filter(|_| self.calls.next <= now) else {
            return;
        };
        let pause = mean * -(1.0 - self.calls.rng.f64()).ln();
        self.calls.next = now + Duration::from_secs_f64(pause + 0.01);
        match self.calls.rng.u8(..16) {
            0 => self.fail_calls(),
            1 => self.rearrange_house(),
            2 => {
                let pending = &self.calls.pending;
                if !pending.is_empty() {
                    let id = pending[self.calls.rng.usize(..pending.len())];
                    self.driver.commands.push_back(DriverCommand::Cancel(id));
                }
            }
            _ => {
                // Several at once may overtake each other and fill the queue.
                for _ in 0..*pick(&mut self.calls.rng, &[1, 1, 1, 1, 3, 3, 40]) {
                    let (request, kind) = self.draw_request();
                    let call = DriverCommand::Call(Box::new(request), kind);
                    self.driver.commands.push_back(call);
                }
            }
        }
    }

    /// Draws a request, and returns it with its kind.
    fn draw_request(&mut self) -> (Request, CallKind) {
        self.calls.counter += 1;
        // 100 apart, so that no value that the house derives from an earlier one is equal.
        let value = self.calls.counter * 100;
        let nodes = self.controller.nodes();
        let variable = VariableId {
            kind: *pick(
                &mut self.calls.rng,
                &[VariableType::Integer, VariableType::State],
            ),
            number: 1,
        };
        let set = |value| Command::variable(variable, VariableField::Value, value);
        let within = Duration::from_secs(*pick(&mut self.calls.rng, &[1, 5, 30]));
        match self.calls.rng.u8(..8) {
            0 => (rest::nodes().request().clone(), CallKind::Read),
            1 => (rest::status().request().clone(), CallKind::Read),
            2 => (rest::programs().request().clone(), CallKind::Read),
            3 => (set(value).into(), CallKind::Absolute),
            4 | 5 => {
                let call = set(value).confirmed(within, &self.calls.state);
                (
                    call.request().clone(),
                    CallKind::Confirmed { value, within },
                )
            }
            6 => {
                // The value that the state already has.
                let known = self.calls.state.variable(variable);
                let known = known.and_then(|known| known.value?.to_string().parse().ok());
                let call = set(known.unwrap_or(value)).confirmed(within, &self.calls.state);
                (call.request().clone(), CallKind::Known { within })
            }
            _ if nodes.is_empty() => {
                let id = ProgramId::new(3);
                let run = Command::program(id, ProgramCommand::Run);
                (run.into(), CallKind::Read)
            }
            _ => {
                let node = pick(&mut self.calls.rng, &nodes);
                let parameter = Decimal::new(value.into(), 0).ok();
                match Command::custom(node, "BEEP", parameter, None) {
                    Ok(beep) => (beep.into(), CallKind::Once),
                    Err(_) => (rest::time().request().clone(), CallKind::Read),
                }
            }
        }
    }

    fn fail_calls(&mut self) {
        let slow = Duration::from_millis(self.calls.rng.u64(..90_000));
        let fault = *pick(
            &mut self.calls.rng,
            &[
                OnCall::Busy { carried_out: false },
                OnCall::Busy { carried_out: true },
                OnCall::Refuse { status: 503 },
                OnCall::Refuse { status: 500 },
                OnCall::Refuse { status: 401 },
                OnCall::NotSucceeded,
                OnCall::Html,
                OnCall::Empty,
                OnCall::TooShort,
                OnCall::TooLong,
                OnCall::CutOff,
                OnCall::Slow(slow),
                OnCall::Mute,
            ],
        );
        let times = self.calls.rng.u32(1..6);
        self.log(|| format!("faults: calls meet {fault:?}, {times} times"));
        self.controller.on_call(fault, Times::Next(times));
    }

    fn rearrange_house(&mut self) {
        let now = self.clock.controller();
        let nodes = self.controller.nodes();
        self.calls.counter += 1;
        let name = format!("Name {} & \"more\"", self.calls.counter);
        let rng = &mut self.calls.rng;
        let folder = *pick(rng, &["", "31337", "31340", "31342"]);
        let of_house = *pick(rng, &["31337", "31340", "31342", "20481"]);
        let what = match nodes.is_empty() || rng.bool() {
            true => of_house.to_owned(),
            false => pick(rng, &nodes).clone(),
        };
        let change = rng.u8(..5);
        self.log(|| format!("house: change {change} of {what} ({name}, {folder})"));
        match change {
            0 | 1 => self.controller.rename(now, &what, &name),
            2 => self.controller.move_into(now, &what, folder),
            3 => self.controller.add_node(now, ADDED, &name),
            _ => self.controller.remove_node(now, ADDED),
        };
        self.forward();
    }

    pub(crate) fn call(&mut self, request: Request, kind: CallKind) {
        let now = self.clock.client();
        let path = request.path().to_owned();
        let id = self.driver.core.call(now, request);
        self.log(|| format!("caller: {path} as {id:?}"));
        self.calls.pending.push(id);
        self.totals.calls += 1;
        self.checker.calls(self.clock.client_ran(), id, &path, kind);
    }

    pub(crate) fn call_done(&mut self, id: CallId, outcome: &Result<RawAnswer, CallError>) {
        self.log(|| match outcome {
            Ok(answer) => format!("CALL {id:?}: {} {:?}", answer.status, answer.confirmation),
            Err(error) => format!("CALL {id:?}: {error}"),
        });
        let confirmation = outcome.as_ref().ok().and_then(|answer| answer.confirmation);
        self.totals.call_done(outcome);
        self.calls.pending.retain(|pending| *pending != id);
        self.checker.call_ends(id, confirmation);
    }

    /// Checks that the names in the state are those of the house, after a healthy period.
    pub(crate) fn check_names(&mut self) {
        if !self.reads_names {
            return;
        }
        let mut expected = Names::default();
        expected.take_nodes(&self.read_nodes_directly());
        let names = self.calls.state.names();
        let described = |names: &Names| {
            // The probe's node is not in the house and has no name.
            let entries = names.entries().filter(|entry| !entry.name.is_empty());
            let each = entries.map(|it| (it.address.clone(), it.name.clone(), it.parent.clone()));
            each.collect::<std::collections::BTreeSet<_>>()
        };
        let (known, true_names) = (described(names), described(&expected));
        if known != true_names {
            let wrong: Vec<_> = known.symmetric_difference(&true_names).collect();
            self.checker.fail(format!(
                "the names differ from those of the house: {wrong:?}"
            ));
        }
    }

    fn read_nodes_directly(&mut self) -> Nodes {
        let request =
            format!("GET /rest/nodes HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {BASIC}\r\n\r\n");
        self.controller.call_normally();
        let parsed = ioxsim::parse_request(request.as_bytes()).ok().flatten();
        let answer = parsed.map(|(request, _)| {
            let now = self.clock.controller();
            self.controller.upgrade(now, &request).bytes
        });
        let answer = String::from_utf8(answer.unwrap_or_default()).unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Nodes::parse(body.as_bytes()).unwrap_or_else(|error| {
            self.checker
                .fail(format!("the nodes of the house cannot be read: {error}"));
            Nodes::default()
        })
    }
}
