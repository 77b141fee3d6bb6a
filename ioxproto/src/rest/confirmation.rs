//! Confirmed commands: which event proves that a command was carried out.
//!
//! The answer to a command says that it was accepted. A live event shows that it was carried out.
//! The event may arrive before or after the answer:
//!
//! | command to | confirmed by |
//! |---|---|
//! | a node: on, off, level, fade, step | its `ST` with a matching value, or the command (`DON` …) |
//! | a lock: lock, unlock | its `ST` with exactly 100 or 0, not jammed or unknown |
//! | a node: anything else | the property named like the command, with the value if it is known |
//! | a node: enable, disable | `_3` `EN` with that state |
//! | a scene | the same event of any member |
//! | a program: run, stop | `_1` 0 of the program |
//! | a program: enable, disable, at start-up | `_1` 0 of the program that does not contradict the command |
//! | a variable: value, value at start-up | `_1` 6, `_1` 7 of the variable, with the value |
//! | a beep, a network resource, a query of everything | nothing |

use std::time::Duration;

use super::command::{Command, Goal, Target};
use crate::Event;
use crate::spelling::is_same_address;
use crate::state::ControllerState;
use crate::view::{Decimal, LifecycleDetails, VariableField, VariableId};
use crate::vocabulary::{Code, Lifecycle};

/// Whether a command that the controller has accepted was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Confirmation {
    /// An event has shown that the command was carried out.
    Confirmed,
    /// The value was already set, so no event is expected.
    Unchanged,
    /// No such event arrived in time, or no event confirms this kind of command.
    Unconfirmed,
}

/// The event that a command waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    command: Command,
    /// The members, if the target is a scene.
    members: Vec<String>,
    /// The value was already set when the call was made.
    was_set: bool,
    /// How long after the answer the event may arrive.
    pub(super) within: Duration,
}

impl Expectation {
    /// Builds the expectation of a command that is about to be sent.
    pub(super) fn of(command: &Command, within: Duration, house: &ControllerState) -> Self {
        let members = match command.target() {
            Target::Node { address, .. } => house.members(address).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let mut expectation = Self {
            command: command.clone(),
            members,
            was_set: false,
            within,
        };
        expectation.was_set = expectation.is_set_in(house);
        expectation
    }

    /// The confirmation of an accepted command for which no event is awaited; `None` if the call
    /// must wait for an event.
    pub(super) fn without_event(&self) -> Option<Confirmation> {
        match self.command.goal() {
            Goal::Nothing => Some(Confirmation::Unconfirmed),
            _ if self.was_set => Some(Confirmation::Unchanged),
            _ => None,
        }
    }

    /// Whether the house is already in the state that the command sets.
    fn is_set_in(&self, house: &ControllerState) -> bool {
        match (self.command.target(), self.command.goal()) {
            (Target::Node { address, control }, goal) => {
                let raw = |node: &str, control: &str| {
                    let property = house.property(node, control)?;
                    property.raw().parse::<Decimal>().ok()
                };
                let is_set = |node: &str| {
                    let Some(now) = house.property(node, control) else {
                        return false;
                    };
                    // A lamp that is on, but not at its on level, changes.
                    let own = raw(node, ON_LEVEL).filter(|_| *goal == Goal::IsOn(true));
                    is_value(goal, now.raw(), now.uom())
                        && own.is_none_or(|own| Some(own) == raw(node, control))
                };
                match &self.members[..] {
                    [] => is_set(address),
                    // Only off is the same for all members: a scene may set each one to its own
                    // level.
                    members => {
                        matches!(goal, Goal::IsOn(false)) && members.iter().all(|node| is_set(node))
                    }
                }
            }
            (Target::Program(id), goal) => {
                let program = house.program(*id);
                program.is_some_and(|now| match goal {
                    Goal::ProgramEnabled(enabled) => now.enabled == Some(*enabled),
                    Goal::ProgramRunsAtStartup(runs) => now.run_at_reboot == Some(*runs),
                    _ => false,
                })
            }
            (Target::Variable(id, field), Goal::Variable(due)) => {
                let now = house.variable(*id);
                let now = now.and_then(|now| match field {
                    VariableField::Init => now.init,
                    _ => now.value,
                });
                // The value in the state has the digits of the raw value; only the decimal point
                // differs.
                now.is_some_and(|now| now.mantissa() == due.mantissa())
            }
            (Target::Variable(..) | Target::NetworkResource(_) | Target::AllNodes, _) => false,
        }
    }

    /// Whether an event shows that the command was carried out.
    pub(super) fn is_met_by(&self, event: &Event) -> bool {
        match self.command.target() {
            Target::Node { address, control } => match self.command.goal() {
                Goal::Enabled(enabled) => is_enabled(event, address, *enabled),
                goal => {
                    event.is_of_node()
                        && self.is_target(event.node(), address)
                        && self.is_of_command(event, control, goal)
                }
            },
            Target::Program(id) => event.program_status().is_ok_and(|program| {
                let fits = |said: Option<bool>, due: bool| said.is_none_or(|said| said == due);
                program.id == *id
                    && match self.command.goal() {
                        Goal::ProgramEnabled(enabled) => fits(program.enabled, *enabled),
                        Goal::ProgramRunsAtStartup(runs) => fits(program.run_at_reboot, *runs),
                        _ => true,
                    }
            }),
            Target::Variable(id, field) => is_variable(event, *id, *field, self.command.goal()),
            Target::NetworkResource(_) | Target::AllNodes => false,
        }
    }

    /// Whether a node is the target, or a member of the target scene.
    fn is_target(&self, node: &str, address: &str) -> bool {
        is_same_address(node, address)
            || self
                .members
                .iter()
                .any(|member| is_same_address(node, member))
    }

    fn is_of_command(&self, event: &Event, control: &str, goal: &Goal) -> bool {
        if event.control() == control {
            // A scene may set each member to its own level, so any value counts.
            let any = !self.members.is_empty() && *goal != Goal::IsOn(false);
            return any || *goal == Goal::Any || is_value(goal, event.action(), event.uom());
        }
        match goal {
            Goal::IsOn(true) | Goal::Full => matches!(event.control(), "DON" | "DFON"),
            Goal::IsOn(false) => matches!(event.control(), "DOF" | "DFOF"),
            Goal::Any => control == "QUERY" || self.command.name() == Some(event.control()),
            _ => false,
        }
    }
}

/// The property with a node's on level: the level that it takes when it is switched on.
const ON_LEVEL: &str = "OL";

/// Whether a raw value in this unit is the value that a command sets.
fn is_value(goal: &Goal, raw: &str, uom: &str) -> bool {
    let Ok(value) = raw.parse::<Decimal>() else {
        return false;
    };
    let is_on = value != Decimal::from(0);
    match goal {
        Goal::Property(due) => value == *due,
        _ if is_indefinite(value, uom) => false,
        Goal::IsOn(on) => is_on == *on,
        Goal::Full => percent(value, uom).map_or(is_on, |percent| percent == 100),
        // Devices round differently.
        Goal::Percent(due) => {
            percent(value, uom).map_or(is_on, |percent| percent.abs_diff(i64::from(*due)) <= 1)
        }
        _ => false,
    }
}

/// Whether a status is neither on nor off: unknown, jammed or moving.
fn is_indefinite(value: Decimal, uom: &str) -> bool {
    matches!(uom, "11" | "78" | "79" | "97") && value.to_i64().is_some_and(|value| value > 100)
}

/// A raw level in percent; `None` if the unit is not one of a level.
fn percent(value: Decimal, uom: &str) -> Option<i64> {
    let value = value.to_i64()?;
    match uom {
        // Saturate: an event may contain any number.
        "100" => Some(value.saturating_mul(200).saturating_add(255) / 510),
        "51" | "78" => Some(value),
        _ => None,
    }
}

fn is_enabled(event: &Event, address: &str, due: bool) -> bool {
    event.lifecycle().is_ok_and(|change| {
        change.verb == Code::Known(Lifecycle::EnabledChanged)
            && is_same_address(change.address, address)
            && change.details() == Ok(LifecycleDetails::Enabled(due))
    })
}

fn is_variable(event: &Event, id: VariableId, field: VariableField, goal: &Goal) -> bool {
    event.variable_change().is_ok_and(|change| {
        let value = change.raw.parse::<Decimal>().ok();
        change.id == id
            && change.field == field
            && matches!(goal, Goal::Variable(due) if value == Some(*due))
    })
}
