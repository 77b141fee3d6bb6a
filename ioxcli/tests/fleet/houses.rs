//! The simulated controllers, with changes and faults.

use std::time::Duration;

use fastrand::Rng;
use ioxsim::{
    Control, ControllerOptions, Ending, Event, HouseOptions, OnCall, OnConnect, OnUpgrade, Server,
    ServerOptions, Times, Uuid,
};

/// The value of a command that occurs only in replays.
pub(crate) const REPLAYED: u64 = 666;
/// The value of the first live command. Each command has a different value.
pub(crate) const FIRST_TAG: u64 = 1000;

const NODES: usize = 10;
/// The folders of a synthetic house; "" is the root.
const FOLDERS: [&str; 3] = ["31337", "31341", ""];

/// A simulated controller and the name that it has in the configuration.
pub(crate) struct House {
    pub(crate) name: String,
    pub(crate) uuid: Uuid,
    pub(crate) server: Server,
    pub(crate) control: Control,
    /// A dimmer that sends commands.
    pub(crate) lamp: String,
    renames: u32,
}

/// Starts this many controllers. They send no events by themselves.
pub(crate) async fn houses(count: usize, seed: u64) -> Vec<House> {
    let mut houses = Vec::new();
    for number in 0..count {
        let own = seed.wrapping_add(number as u64);
        let uuid = Uuid::default().plus(number as u32);
        let server = Server::start(ServerOptions {
            controller: ControllerOptions {
                house: HouseOptions {
                    nodes: NODES,
                    seed: own,
                    ..HouseOptions::default()
                }
                .into(),
                uuid,
                seed: own,
                ..ControllerOptions::default()
            },
            ..ServerOptions::default()
        });
        let server = server.await.unwrap();
        let control = server.control();
        let is_lamp = |node: &&String| control.last(node, "OL").is_some();
        let lamp = control.nodes().iter().find(is_lamp).unwrap().clone();
        // The timestamp is old, as in every replay. It identifies the event as replayed even after
        // a stream has stopped waiting for the end of the replay.
        control.add_to_replay(format!(
            "<Event seqnum=\"x\" sid=\"uuid:x\" timestamp=\"2026-01-01T00:00:00.000000-07:00\">\
             <control>DON</control><action>{REPLAYED}</action><node>{lamp}</node><eventInfo/></Event>"
        ));
        houses.push(House {
            name: format!("house{number:03}"),
            uuid,
            server,
            control,
            lamp,
            renames: 0,
        });
    }
    houses
}

impl House {
    /// Sends a command with a unique value, as a pressed button does.
    pub(crate) fn press(&self, tag: u64) {
        let command = if tag.is_multiple_of(2) { "DON" } else { "DOF" };
        let event = Event::new(command, tag.to_string()).node(&self.lamp);
        self.control.emit(&event);
    }

    /// Renames, moves, adds or removes a node.
    pub(crate) fn change_structure(&mut self, rng: &mut Rng) {
        let extra = format!("EE 1 {:X} 1", rng.u8(1..=3));
        match rng.u8(..4) {
            0 => {
                if !self.control.add_node(&extra, "Extra") {
                    self.control.remove_node(&extra);
                }
            }
            1 => {
                self.control
                    .move_into(&self.lamp, FOLDERS[rng.usize(..FOLDERS.len())]);
            }
            _ => {
                self.renames += 1;
                let nodes = self.control.nodes();
                let node = &nodes[rng.usize(..nodes.len())];
                let name = format!("Named & renamed {}", self.renames);
                self.control.rename(node, &name);
            }
        }
    }

    /// Injects a random connection fault. Returns how long the controller stays frozen, if it is.
    pub(crate) fn inject_fault(&self, rng: &mut Rng) -> Option<Duration> {
        match rng.u8(..10) {
            0..=4 => self.control.end(match rng.u8(..4) {
                0 => Ending::Fin,
                1 => Ending::MidFrame,
                2 => Ending::Close(1001),
                _ => Ending::Reset,
            }),
            5 => {
                self.control
                    .on_upgrade(OnUpgrade::refuse(503), Times::Next(rng.u32(1..=2)));
                self.control.end(Ending::Reset);
            }
            6 => {
                self.control
                    .on_connect(OnConnect::Reset, Times::Next(rng.u32(1..=3)));
                self.control.end(Ending::Reset);
            }
            7 => {
                let fault = match rng.u8(..3) {
                    0 => OnCall::Refuse { status: 503 },
                    1 => OnCall::CutOff,
                    _ => OnCall::Busy { carried_out: false },
                };
                self.control.on_call(fault, Times::Next(rng.u32(1..=4)));
                self.control.end(Ending::Reset);
            }
            _ => {
                self.control.freeze();
                // Mostly a few seconds, sometimes longer than the stall limit of a stream.
                let share = rng.f64();
                return Some(Duration::from_secs_f64(0.2 + 60.0 * share * share));
            }
        }
        None
    }

    /// Removes all faults.
    pub(crate) fn heal(&self) {
        self.control.thaw();
        self.control.accept_normally();
        self.control.call_normally();
    }
}
