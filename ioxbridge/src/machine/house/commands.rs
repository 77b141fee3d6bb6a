//! Commands to a house, from MQTT and from the page.

use std::collections::BTreeMap;
use std::time::Duration;

use ioxproto::rest::{Call, Confirmation};
use ioxproto::view::VariableField;
use ioxproto::{Now, Status};

use super::{House, PendingCommand, Record};
use crate::NodeOverride;
use crate::discovery::kind::{self, Kind};
use crate::machine::command::{self, Recipient, Refusal};
use crate::machine::{CallNumber, MAX_FOUND, Message, Request, Shared};
use crate::slug::slug;
use crate::topics::{BACKLIGHT, CommandTarget, ENABLED};

/// How long a command waits for the connection to its controller.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for the event that confirms a command.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum number of commands that wait for a controller.
const MAX_WAITING: usize = 64;

impl House {
    /// Handles a message on one of the controller's topics.
    pub(in crate::machine) fn message(&mut self, shared: &mut Shared, now: Now, message: &Message) {
        let Some(target) = self.topics.command(&message.topic) else {
            if message.retain && message.payload.len() <= MAX_FOUND {
                let owner = self.owner();
                shared.outbox.found(owner, &message.topic, &message.payload);
            }
            return;
        };
        shared.commands += 1;
        let command = if message.retain {
            Err(Refusal::Retained)
        } else if !self.progress.is_open {
            Err(Refusal::Late)
        } else {
            command::text(&message.payload)
                .and_then(|payload| self.command(shared, &target, payload))
        };
        match command {
            Ok(call) => self.wait(shared, now, &message.topic, call),
            Err(refusal) => shared.ignore(&self.name, &message.topic, &refusal),
        }
    }

    /// Parses a command and checks that it is allowed.
    pub(super) fn command(
        &self,
        shared: &Shared,
        target: &CommandTarget<'_>,
        payload: &str,
    ) -> Result<Call<Confirmation>, Refusal> {
        let command = match target {
            CommandTarget::Node(node) | CommandTarget::Control(node, _) => {
                let record = self.records.get(*node).ok_or(Refusal::UnknownTarget)?;
                let kind = self.commanded_kind(&shared.settings.overrides, record);
                let recipient = Recipient {
                    address: &record.address,
                    kind,
                    backlight: kind::backlight(&self.facts(record)),
                };
                if !payload.eq_ignore_ascii_case("QUERY") {
                    let affected = self.affected(node, record);
                    command::check_allowed(affected, &shared.settings.allowed)?;
                }
                match target {
                    CommandTarget::Control(_, control) => {
                        let property = self.state.property(&record.address, control);
                        let uom = match (property, *control) {
                            (Some(property), _) => property.uom(),
                            // These have no property, and need no unit.
                            (None, ENABLED | BACKLIGHT) => "",
                            _ => return Err(Refusal::UnknownTarget),
                        };
                        command::to_control(recipient, control, uom, payload)?
                    }
                    _ => command::to_node(recipient, payload)?,
                }
            }
            CommandTarget::Program(id) => {
                self.programs.get(id).ok_or(Refusal::UnknownTarget)?;
                command::to_program(*id, payload)?
            }
            CommandTarget::Variable(id) | CommandTarget::VariableInit(id) => {
                let (_, places) = self.variables.get(id).ok_or(Refusal::UnknownTarget)?;
                let field = match target {
                    CommandTarget::VariableInit(_) => VariableField::Init,
                    _ => VariableField::Value,
                };
                command::to_variable(*id, field, *places, payload)?
            }
        };
        Ok(command.confirmed(CONFIRM_TIMEOUT, &self.state))
    }

    /// Sends a command from the page at once. It passes the same checks as a command from MQTT, but
    /// is refused if the controller is not connected.
    pub(in crate::machine) fn page_command(
        &mut self,
        shared: &mut Shared,
        target: &CommandTarget<'_>,
        payload: &str,
    ) -> Result<CallNumber, Refusal> {
        shared.commands += 1;
        let command = match self.status.status {
            Status::Connected => self.command(shared, target, payload),
            _ => Err(Refusal::Away),
        };
        match command {
            Ok(call) => Ok(self.send(shared, "(page)", call)),
            Err(refusal) => {
                shared.ignore(&self.name, "(page)", &refusal);
                Err(refusal)
            }
        }
    }

    /// Returns the kind that determines which commands a node accepts. An override may turn a
    /// switch into a light, but never changes a node that needs a permission, such as a lock.
    pub(super) fn commanded_kind(
        &self,
        overrides: &BTreeMap<String, NodeOverride>,
        record: &Record,
    ) -> Kind {
        let natural = Kind::of(&self.facts(record));
        let change = overrides.get(&slug(&record.address));
        match change.and_then(|change| change.component) {
            Some(component) if natural.allowance().is_none() => natural.overridden(component),
            _ => natural,
        }
    }

    /// Returns the kinds of everything that a command acts on: the node, or a scene and its
    /// members.
    pub(super) fn affected(&self, node: &str, record: &Record) -> Vec<Kind> {
        let own = (node, record);
        let members = record.members.iter().filter_map(|member| {
            let record = self.records.get(member)?;
            Some((member.as_str(), record))
        });
        let affected = std::iter::once(own).chain(members);
        affected
            .map(|(_, record)| Kind::of(&self.facts(record)))
            .collect()
    }

    /// Sends a command, or queues it until the controller is connected.
    pub(super) fn wait(
        &mut self,
        shared: &mut Shared,
        now: Now,
        topic: &str,
        call: Call<Confirmation>,
    ) {
        if self.status.status == Status::Connected {
            self.send(shared, topic, call);
            return;
        }
        if self.waiting.len() >= MAX_WAITING && !self.waiting.contains_key(topic) {
            shared.ignore(&self.name, topic, &Refusal::TooMany);
            return;
        }
        let until = now.monotonic + COMMAND_TIMEOUT;
        let waiting = PendingCommand { call, until };
        if self.waiting.insert(topic.to_owned(), waiting).is_some() {
            shared.ignore(&self.name, topic, &Refusal::Replaced);
        }
    }

    pub(super) fn send(
        &mut self,
        shared: &mut Shared,
        topic: &str,
        call: Call<Confirmation>,
    ) -> CallNumber {
        let number = shared.call(self.watch, Request::Command(call));
        self.sent.insert(number, topic.to_owned());
        number
    }
}
