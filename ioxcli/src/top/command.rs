//! From a key to a command: what it goes to, and what it does.

use ioxproto::rest::{Command, Level, ProgramCommand, RequestError};
use ioxproto::view::ProgramId;

use super::controller::Controller;
use super::log::Tone;
use super::model::{Effect, Model, PendingCommand, Prompt};
use crate::output::harmless;

/// What a command goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A node or a scene, by its address.
    Node(String),
    Program(ProgramId),
}

impl Target {
    fn name(&self, controller: &Controller) -> String {
        match self {
            Self::Node(address) => match controller.name_of(address) {
                name if name == address => harmless(name),
                name => harmless(&format!("{name} ({address})")),
            },
            Self::Program(id) => match controller.house.names().program(*id) {
                Some(name) => harmless(&format!("program {name} ({id})")),
                None => format!("program {id}"),
            },
        }
    }
}

impl Model {
    /// Asks whether to switch on (`o`), switch off (`f`) or, for a program, evaluate (`r`) what is
    /// selected. A program that is switched on runs its *then*, one that is switched off its
    /// *else*.
    pub(super) fn ask(&mut self, key: char) {
        let Some(target) = self.ready_target() else {
            return;
        };
        let (verb, command) = match (&target, key) {
            (Target::Node(address), 'o') => ("on", Command::on(address)),
            (Target::Node(address), 'f') => ("off", Command::off(address)),
            (Target::Node(_), _) => {
                self.say(Tone::Warning, "r runs a program, and this is none");
                return;
            }
            (Target::Program(id), 'o') => (
                "run then",
                Ok(Command::program(*id, ProgramCommand::RunThen)),
            ),
            (Target::Program(id), 'f') => (
                "run else",
                Ok(Command::program(*id, ProgramCommand::RunElse)),
            ),
            (Target::Program(id), _) => ("run", Ok(Command::program(*id, ProgramCommand::Run))),
        };
        let what = format!("{}: {verb}", target.name(self.controller()));
        self.confirm(self.selected, what, command);
    }

    /// Asks for a level.
    pub(super) fn ask_level(&mut self) {
        match self.ready_target() {
            Some(Target::Node(address)) => {
                self.prompt = Some(Prompt::Level {
                    controller: self.selected,
                    address,
                    typed: String::new(),
                });
            }
            Some(Target::Program(_)) => self.say(Tone::Warning, "a program has no level"),
            None => {}
        }
    }

    /// A level was typed.
    pub(super) fn take_level(&mut self, controller: usize, address: &str, typed: &str) {
        let Ok(percent @ 0..=100) = typed.parse::<u8>() else {
            self.say(Tone::Warning, "a level is a number from 0 to 100");
            return;
        };
        let command = Level::percent(percent).and_then(|level| Command::level(address, level));
        let target = Target::Node(address.to_owned());
        let name = target.name(&self.controllers[controller]);
        self.confirm(controller, format!("{name}: {percent} %"), command);
    }

    fn confirm(&mut self, controller: usize, what: String, command: Result<Command, RequestError>) {
        match command {
            Ok(command) => {
                self.prompt = Some(Prompt::Confirm(PendingCommand {
                    controller,
                    what,
                    command,
                }));
            }
            Err(error) => self.say(Tone::Warning, format!("{what}: {error}")),
        }
    }

    /// The question was answered with yes.
    pub(super) fn send(&mut self, order: PendingCommand) -> Vec<Effect> {
        self.say(Tone::Notice, format!("{}: sent …", order.what));
        vec![Effect::Send(order)]
    }

    /// The target, if it takes commands; otherwise says why not.
    fn ready_target(&mut self) -> Option<Target> {
        let Some(target) = self.target() else {
            let advice = "select a node, a scene or a program in the house (2) first";
            self.say(Tone::Warning, advice);
            return None;
        };
        if !self.is_connected() {
            let label = &self.controller().label;
            let sentence = format!("{label} is not connected: nothing can be sent");
            self.say(Tone::Warning, sentence);
            return None;
        }
        if let Target::Node(address) = &target
            && self.controller().house.is_disabled(address)
        {
            let name = target.name(self.controller());
            self.say(
                Tone::Warning,
                format!("{name} is disabled and takes no commands"),
            );
            return None;
        }
        Some(target)
    }
}
