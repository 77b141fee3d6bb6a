//! Turns keys into commands to a node, scene or program.

use ioxproto::rest::{Command, Level, ProgramCommand, RequestError};
use ioxproto::view::ProgramId;

use super::controller::Controller;
use super::log::EntryKind;
use super::model::{Effect, Model, PendingCommand, Prompt};
use crate::output::neutralise;

/// The target of a command.
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
                name if name == address => neutralise(name),
                name => neutralise(&format!("{name} ({address})")),
            },
            Self::Program(id) => match controller.house.names().program(*id) {
                Some(name) => neutralise(&format!("program {name} ({id})")),
                None => format!("program {id}"),
            },
        }
    }
}

impl Model {
    /// Asks for confirmation to switch the selected target on (`o`) or off (`f`), or to run a
    /// program by its condition (`r`). For a program, `o` runs its *then* and `f` its *else*.
    pub(super) fn ask(&mut self, key: char) {
        let Some(target) = self.ready_target() else {
            return;
        };
        let (verb, command) = match (&target, key) {
            (Target::Node(address), 'o') => ("on", Command::on(address)),
            (Target::Node(address), 'f') => ("off", Command::off(address)),
            (Target::Node(_), _) => {
                self.say(
                    EntryKind::Warning,
                    "r runs a program, and this is not a program",
                );
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
            Some(Target::Program(_)) => self.say(EntryKind::Warning, "a program has no level"),
            None => {}
        }
    }

    /// Asks for confirmation of a typed level.
    pub(super) fn take_level(&mut self, controller: usize, address: &str, typed: &str) {
        let Ok(percent @ 0..=100) = typed.parse::<u8>() else {
            self.say(EntryKind::Warning, "a level is a number from 0 to 100");
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
            Err(error) => self.say(EntryKind::Warning, format!("{what}: {error}")),
        }
    }

    /// Sends a command after its confirmation.
    pub(super) fn send(&mut self, pending: PendingCommand) -> Vec<Effect> {
        self.say(EntryKind::Notice, format!("{}: sent …", pending.what));
        vec![Effect::Send(pending)]
    }

    /// Returns the target if it accepts commands; otherwise shows why not.
    fn ready_target(&mut self) -> Option<Target> {
        let Some(target) = self.target() else {
            let advice = "select a node, a scene or a program in the house (2) first";
            self.say(EntryKind::Warning, advice);
            return None;
        };
        if !self.is_connected() {
            let label = &self.controller().label;
            let sentence = format!("{label} is not connected: nothing can be sent");
            self.say(EntryKind::Warning, sentence);
            return None;
        }
        if let Target::Node(address) = &target
            && self.controller().house.is_disabled(address)
        {
            let name = target.name(self.controller());
            self.say(
                EntryKind::Warning,
                format!("{name} is disabled and accepts no commands"),
            );
            return None;
        }
        Some(target)
    }
}
