//! Calls that run alongside the stream, made and cancelled at random.
//!
//! Every command that is counted has a unique path: each variable is set to a new number, and each
//! beep has a new parameter. So the checker knows which command a request or an event belongs to.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;
use ioxproto::Notification;
use ioxproto::names::Names;
use ioxproto::rest::{self, CallId, Command, Nodes, ProgramCommand, Request};
use ioxproto::state::ControllerState;
use ioxproto::view::{Decimal, ProgramId, VariableField, VariableId, VariableType};
use ioxsim::OnCall;

use crate::checker::CallKind;
use crate::client::Command as DriverCommand;
use crate::random::{generator, pause, pick};
use crate::site::HouseChange;

/// The callers, and the state of the house as they know it.
#[derive(Debug)]
pub(crate) struct Calls {
    /// The mean time between two rounds, in seconds.
    mean: f64,
    /// When the next round is due.
    pub(crate) next: Duration,
    /// Counts up, to make paths and names unique.
    counter: i32,
    pub(crate) pending: Vec<CallId>,
    /// The state built from the notifications.
    state: ControllerState,
    rng: Rng,
}

/// What happens at one time.
#[derive(Debug)]
pub(crate) enum Round {
    /// Calls are made or cancelled.
    Commands(Vec<DriverCommand>),
    /// A number of the next calls fail in this way.
    Fail(OnCall, u32),
    /// The names of the house change.
    Change(HouseChange),
}

impl Calls {
    pub(crate) fn none() -> Self {
        Self {
            mean: 1.0,
            next: Duration::MAX,
            counter: 10_000,
            pending: Vec::new(),
            state: ControllerState::new(),
            rng: Rng::with_seed(0),
        }
    }

    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = generator(seed, "calls");
        let means = [None, Some(2.0), Some(15.0), Some(120.0), Some(600.0)];
        let Some(mean) = *pick(&mut rng, &means) else {
            return Self::none();
        };
        Self {
            mean,
            next: Duration::from_secs_f64(mean),
            rng,
            ..Self::none()
        }
    }

    /// Limits the rate to about 100 rounds of calls in a fault period of this length. More would
    /// find nothing new.
    pub(crate) fn spread(&mut self, fault_period: Duration) {
        self.mean = self.mean.max(fault_period.as_secs_f64() / 100.0);
    }

    pub(crate) fn hear(&mut self, notification: &Notification) {
        self.state.apply(notification);
    }

    /// Compares the names in the state with those of the house, and returns the differences.
    pub(crate) fn wrong_names(&self, house: &Nodes) -> Vec<(String, String)> {
        let mut expected = Names::default();
        expected.take_nodes(house);
        let described = |names: &Names| {
            // The probe's node is not in the house and has no name.
            let entries = names.entries().filter(|entry| !entry.name.is_empty());
            let each = entries.map(|it| {
                (
                    it.address.clone(),
                    format!("{} in {:?}", it.name, it.parent),
                )
            });
            each.collect::<BTreeSet<_>>()
        };
        let (known, expected) = (described(self.state.names()), described(&expected));
        known.symmetric_difference(&expected).cloned().collect()
    }

    /// Draws a round in a house with these nodes.
    pub(crate) fn draw_round(&mut self, now: Duration, nodes: &[String]) -> Round {
        self.next = now + pause(&mut self.rng, self.mean);
        match self.rng.u8(..16) {
            0 => self.draw_fault(),
            1 => Round::Change(self.draw_change(nodes)),
            2 if self.pending.is_empty() => Round::Commands(Vec::new()),
            2 => {
                let id = *pick(&mut self.rng, &self.pending);
                Round::Commands(vec![DriverCommand::Cancel(id)])
            }
            _ => {
                // Calls that are made together may overtake each other and fill the queue.
                let count = *pick(&mut self.rng, &[1, 1, 1, 1, 3, 3, 40]);
                Round::Commands((0..count).map(|_| self.draw_call(nodes)).collect())
            }
        }
    }

    fn draw_call(&mut self, nodes: &[String]) -> DriverCommand {
        self.counter += 1;
        // 100 apart, so that no value that the house derives from an earlier one is equal.
        let value = self.counter * 100;
        let kinds = [VariableType::Integer, VariableType::State];
        let variable = VariableId {
            kind: *pick(&mut self.rng, &kinds),
            number: 1,
        };
        let set = |value| Command::variable(variable, VariableField::Value, value);
        let within = Duration::from_secs(*pick(&mut self.rng, &[1, 5, 30]));
        let (request, kind): (Request, _) = match self.rng.u8(..8) {
            0 => (rest::nodes().request().clone(), CallKind::Read),
            1 => (rest::status().request().clone(), CallKind::Read),
            2 => (rest::programs().request().clone(), CallKind::Read),
            3 => (set(value).into(), CallKind::Absolute),
            4 | 5 => {
                let call = set(value).confirmed(within, &self.state);
                let kind = CallKind::Confirmed { value, within };
                (call.request().clone(), kind)
            }
            6 => {
                // The value that the state already has.
                let known = self.state.variable(variable);
                let known = known.and_then(|known| known.value?.to_string().parse().ok());
                let call = set(known.unwrap_or(value)).confirmed(within, &self.state);
                (call.request().clone(), CallKind::Known { within })
            }
            _ if nodes.is_empty() => {
                let run = Command::program(ProgramId::new(3), ProgramCommand::Run);
                (run.into(), CallKind::Read)
            }
            _ => {
                let node = pick(&mut self.rng, nodes);
                let parameter = Decimal::new(value.into(), 0).ok();
                match Command::custom(node, "BEEP", parameter, None) {
                    Ok(beep) => (beep.into(), CallKind::Once),
                    Err(_) => (rest::time().request().clone(), CallKind::Read),
                }
            }
        };
        DriverCommand::Call(Box::new(request), kind)
    }

    fn draw_fault(&mut self) -> Round {
        let slow = Duration::from_millis(self.rng.u64(..90_000));
        let fault = *pick(
            &mut self.rng,
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
        Round::Fail(fault, self.rng.u32(1..6))
    }

    fn draw_change(&mut self, nodes: &[String]) -> HouseChange {
        self.counter += 1;
        let name = format!("Name {} & \"more\"", self.counter);
        let folder = *pick(&mut self.rng, &["", "31337", "31340", "31342"]);
        let of_house = *pick(&mut self.rng, &["31337", "31340", "31342", "20481"]);
        let what = match nodes.is_empty() || self.rng.bool() {
            true => of_house.to_owned(),
            false => pick(&mut self.rng, nodes).clone(),
        };
        match self.rng.u8(..5) {
            0 | 1 => HouseChange::Rename { what, name },
            2 => HouseChange::Move { what, folder },
            3 => HouseChange::Add { name },
            _ => HouseChange::Remove,
        }
    }
}
