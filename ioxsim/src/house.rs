//! A synthetic house: its contents, its replay and its changes.

use fastrand::Rng;

use crate::device::{Device, Kind};
use crate::event::{Event, escaped};
use crate::local_time::LocalTime;
use crate::places::Places;

/// The options of a synthetic house. The same options give the same house and the same changes.
///
/// ```
/// let lively = ioxsim::HouseOptions {
///     rate_per_second: 5.0,
///     ..ioxsim::HouseOptions::default()
/// };
/// # let _ = lively;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HouseOptions {
    /// The number of nodes (a keypad has several). Default 20; from 10 on there is one of each
    /// kind.
    pub nodes: usize,
    /// The number of programs. Default: 3, plus one for each 10 nodes.
    pub programs: Option<usize>,
    /// The mean number of live events per second, at most 100 000. Default 0: nothing happens by
    /// itself.
    pub rate_per_second: f64,
    /// The seed of everything random. Default 1.
    pub seed: u64,
}

impl Default for HouseOptions {
    fn default() -> Self {
        Self {
            nodes: 20,
            programs: None,
            rate_per_second: 0.0,
            seed: 1,
        }
    }
}

/// The id of the only folder of programs, in hex without padding. Its name is in `rest`.
pub(crate) const PROGRAM_FOLDER: &str = "A";

/// A program of the house.
#[derive(Debug)]
pub(crate) struct Program {
    /// Hex without padding.
    pub(crate) id: String,
    pub(crate) name: String,
    /// The folder that it is in; "" at the top.
    pub(crate) folder: &'static str,
    pub(crate) enabled: bool,
    pub(crate) runs_at_startup: bool,
    pub(crate) condition: bool,
    pub(crate) last_run: String,
    pub(crate) last_finish: String,
}

/// A variable of the house.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) kind: u8,
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) value: i64,
    pub(crate) init: i64,
    /// The decimal places: the value is displayed divided by this power of ten.
    pub(crate) prec: u8,
    /// When the value last changed, as text.
    pub(crate) changed: String,
}

/// The state of the house.
#[derive(Debug)]
pub(crate) struct House {
    devices: Vec<Device>,
    pub(crate) places: Places,
    programs: Vec<Program>,
    variables: Vec<Variable>,
    /// The last `_7` event, which the replay repeats.
    log: Event,
    rng: Rng,
}

impl House {
    pub(crate) fn new(options: &HouseOptions, local: &LocalTime) -> Self {
        let mut rng = Rng::with_seed(options.seed);
        let devices = crate::device::furnish(options.nodes, &mut rng);
        let programs = (1..=options.programs.unwrap_or(3 + options.nodes / 10))
            .map(|number| Program {
                id: format!("{:X}", 2 * number + 1),
                name: match number {
                    1 => "Porch at dusk".to_owned(),
                    2 => "Good night & lock".to_owned(),
                    _ => format!("Program {number}"),
                },
                folder: if number > 2 { PROGRAM_FOLDER } else { "" },
                enabled: rng.u8(..10) > 0,
                runs_at_startup: false,
                condition: rng.bool(),
                last_run: local.of_program(),
                last_finish: local.of_program(),
            })
            .collect();
        let variables = (0..4 + options.nodes / 10)
            .map(|number| Variable {
                kind: 1 + (number % 2) as u8,
                id: (number / 2 + 1) as u32,
                name: match number {
                    0 => "Guests".to_owned(),
                    1 => "Away".to_owned(),
                    _ => format!("Variable {number}"),
                },
                value: rng.i64(0..100),
                init: 0,
                prec: 0,
                changed: local.of_variable(),
            })
            .collect();
        Self {
            places: Places::new(&devices),
            devices,
            programs,
            variables,
            log: Event::new("_7", "1")
                .info("<![CDATA[U7 Rest:  submitCmd([2001],[DON],[<NULL>])]]>"),
            rng,
        }
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(Device::address)
    }

    pub(crate) fn last(&self, address: &str, control: &str) -> Option<&Event> {
        self.device(address)?.last(control)
    }

    /// Stores an event, so that the next replay shows it.
    pub(crate) fn apply(&mut self, event: &Event) {
        if !event.of_node() {
            if event.control() == "_7" {
                self.log = event.clone();
            }
            return;
        }
        let known = self
            .devices
            .iter_mut()
            .find(|device| device.address() == event.address());
        match known {
            Some(device) => device.apply(event),
            None => {
                let mut device = Device::new(event.address(), Kind::Unknown);
                device.apply(event);
                self.devices.push(device);
            }
        }
    }

    /// Returns the events of the replay before the end marks, in order.
    pub(crate) fn replay(&self) -> Vec<Event> {
        let mut replay = vec![
            Event::new("_5", "0"),
            Event::new("_20", "2"),
            Event::new("_26", "2"),
            self.log.clone(),
        ];
        replay.extend(self.programs.iter().map(Program::status));
        for variable in &self.variables {
            replay.push(variable.init());
            replay.push(variable.changed());
        }
        for device in &self.devices {
            replay.extend(device.events().cloned());
        }
        replay
    }

    /// Draws a change: one event, or a few that belong together. They are already applied.
    pub(crate) fn change(&mut self, local: &LocalTime) -> Vec<Event> {
        let events = match self.rng.u8(..20) {
            0 | 1 => self.run_program(local),
            2 | 3 => self.change_variable(local),
            4 => self.query(),
            _ => self.change_device(),
        };
        for event in &events {
            self.apply(event);
        }
        events
    }

    fn change_device(&mut self) -> Vec<Event> {
        if self.devices.is_empty() {
            return vec![Event::new("_5", "0")];
        }
        let index = self.rng.usize(..self.devices.len());
        let mut events = self.devices[index].draw_change(&mut self.rng);
        // A keypad button may switch the load of a dimmer elsewhere in the house.
        if let Some(load) = self.devices[index].load() {
            let on = events.first().is_some_and(|event| event.control() == "DON");
            if let Some(dimmer) = self.device(load) {
                events.push(dimmer.switched(on));
            }
        }
        events
    }

    /// The controller queries a device: busy, the answer, idle again.
    fn query(&mut self) -> Vec<Event> {
        let mut events = vec![Event::new("_5", "1")];
        if !self.devices.is_empty() {
            let index = self.rng.usize(..self.devices.len());
            let device = &self.devices[index];
            if let Some(status) = device.last("ST") {
                let mut line = String::new();
                let report = format!(
                    "[{:<16}] {:>13}   {}",
                    device.address(),
                    "ST",
                    status.action()
                );
                escaped(&mut line, &report);
                events.push(Event::new("_1", "3").info(line));
                events.push(status.clone());
            }
        }
        events.push(Event::new("_5", "0"));
        events
    }

    fn run_program(&mut self, local: &LocalTime) -> Vec<Event> {
        if self.programs.is_empty() {
            return vec![Event::new("_5", "0")];
        }
        let index = self.rng.usize(..self.programs.len());
        let program = &mut self.programs[index];
        if self.rng.u8(..4) == 0 {
            let info = format!("<id>{}</id><nsr>{}</nsr>", program.id, local.of_program());
            return vec![Event::new("_1", "0").info(info)];
        }
        program.condition = self.rng.bool();
        program.last_run = local.of_program();
        let running = program.running();
        program.last_finish = local.of_program();
        vec![running, program.status()]
    }

    fn change_variable(&mut self, local: &LocalTime) -> Vec<Event> {
        let index = self.rng.usize(..self.variables.len());
        let variable = &mut self.variables[index];
        variable.value += self.rng.i64(-3..=3);
        variable.changed = local.of_variable();
        vec![variable.changed()]
    }

    /// Draws a factor from 0.5 to 1.5, to space changes unevenly.
    pub(crate) fn unevenness(&mut self) -> f64 {
        0.5 + self.rng.f64()
    }

    pub(crate) fn device(&self, address: &str) -> Option<&Device> {
        self.devices
            .iter()
            .find(|device| device.address() == address)
    }

    pub(crate) fn device_mut(&mut self, address: &str) -> Option<&mut Device> {
        self.devices
            .iter_mut()
            .find(|device| device.address() == address)
    }

    pub(crate) fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter()
    }

    pub(crate) fn programs(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter()
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.variables.iter()
    }

    /// Carries out a program command, and returns its events; `None` if there is no such program or
    /// command.
    pub(crate) fn order_program(
        &mut self,
        id: &str,
        order: &str,
        local: &LocalTime,
    ) -> Option<Vec<Event>> {
        let id = id.trim_start_matches('0');
        let program = self
            .programs
            .iter_mut()
            .find(|program| program.id.eq_ignore_ascii_case(id))?;
        match order {
            "run" | "runThen" | "runElse" => {
                program.condition = match order {
                    "runThen" => true,
                    "runElse" => false,
                    _ => program.condition,
                };
                program.last_run = local.of_program();
                let running = program.running();
                program.last_finish = local.of_program();
                return Some(vec![running, program.status()]);
            }
            "stop" => {}
            "enableRunAtStartup" | "disableRunAtStartup" => {
                program.runs_at_startup = order == "enableRunAtStartup";
            }
            "enable" | "disable" => program.enabled = order == "enable",
            _ => return None,
        }
        Some(vec![program.status()])
    }

    pub(crate) fn set_variable(
        &mut self,
        kind: u8,
        id: u32,
        value: i64,
        local: &LocalTime,
    ) -> Option<Event> {
        let variable = self.variable_mut(kind, id)?;
        variable.value = value;
        variable.changed = local.of_variable();
        Some(variable.changed())
    }

    /// Renames a variable. Returns the event that announces changed names.
    pub(crate) fn rename_variable(&mut self, kind: u8, id: u32, name: &str) -> Option<Event> {
        self.variable_mut(kind, id)?.name = name.to_owned();
        let info = format!("<var type=\"{kind}\" id=\"{id}\"/>");
        Some(Event::new("_1", "9").info(info))
    }

    /// Adds a node at the top, with its status. Returns the events.
    pub(crate) fn add_node(&mut self, address: &str, name: &str) -> Option<Vec<Event>> {
        if self.device(address).is_some() {
            return None;
        }
        self.places.add(address, name, "");
        let device = Device::new(address, Kind::Unknown);
        let status = device.switched(false);
        let mut info = String::from("<nodeName>");
        escaped(&mut info, name);
        info.push_str("</nodeName><nodeType>1</nodeType>");
        self.devices.push(device);
        Some(vec![
            Event::new("_3", "ND").node(address).info(info),
            status,
        ])
    }

    /// Removes a node. Returns the event.
    pub(crate) fn remove_node(&mut self, address: &str) -> Option<Event> {
        let event = self.places.remove(address)?;
        self.devices.retain(|device| device.address() != address);
        Some(event)
    }

    pub(crate) fn set_init(&mut self, kind: u8, id: u32, value: i64) -> Option<Event> {
        let variable = self.variable_mut(kind, id)?;
        variable.init = value;
        Some(variable.init())
    }

    pub(crate) fn variable(&self, kind: u8, id: u32) -> Option<&Variable> {
        self.variables
            .iter()
            .find(|variable| (variable.kind, variable.id) == (kind, id))
    }

    /// Sets the decimal places of a variable, without changing its raw value. Returns the event.
    pub(crate) fn set_precision(&mut self, kind: u8, id: u32, prec: u8) -> Option<Event> {
        let variable = self.variable_mut(kind, id)?;
        variable.prec = prec;
        Some(variable.changed())
    }

    fn variable_mut(&mut self, kind: u8, id: u32) -> Option<&mut Variable> {
        self.variables
            .iter_mut()
            .find(|variable| (variable.kind, variable.id) == (kind, id))
    }
}

impl Program {
    /// The status when idle, with the outcome of the last evaluation.
    fn status(&self) -> Event {
        self.frame(if self.condition { "21" } else { "31" })
    }

    /// The status while running its `then` or its `else`.
    fn running(&self) -> Event {
        self.frame(if self.condition { "22" } else { "33" })
    }

    fn frame(&self, state: &str) -> Event {
        Event::new("_1", "0").info(format!(
            "<id>{}</id><{} /><{} /><r>{}</r><f>{}</f><s>{state}</s>",
            self.id,
            if self.enabled { "on" } else { "off" },
            if self.runs_at_startup { "rr" } else { "nr" },
            self.last_run,
            self.last_finish,
        ))
    }
}

impl Variable {
    fn init(&self) -> Event {
        Event::new("_1", "7").info(format!(
            r#"<var type="{}" id="{}"><init>{}</init><prec>{}</prec></var>"#,
            self.kind, self.id, self.init, self.prec
        ))
    }

    fn changed(&self) -> Event {
        Event::new("_1", "6").info(format!(
            r#"<var type="{}" id="{}"><prec>{}</prec><val>{}</val><ts>{}</ts></var>"#,
            self.kind, self.id, self.prec, self.value, self.changed
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn local() -> LocalTime {
        let utc = SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_032_361);
        LocalTime::new(utc, -7 * 60)
    }

    fn house(nodes: usize, seed: u64) -> House {
        let options = HouseOptions {
            nodes,
            seed,
            ..HouseOptions::default()
        };
        House::new(&options, &local())
    }

    #[test]
    fn the_same_seed_gives_the_same_house_and_the_same_changes() {
        let run = |seed| {
            let mut house = house(30, seed);
            let replay = house.replay();
            let changes: Vec<_> = (0..200).flat_map(|_| house.change(&local())).collect();
            (replay, changes)
        };
        assert!(run(7) == run(7));
        assert!(run(7) != run(8));
    }

    #[test]
    fn a_change_shows_in_the_next_replay() {
        let mut house = house(20, 1);
        for _ in 0..100 {
            for event in house.change(&local()) {
                if event.of_node() {
                    assert!(house.last(event.address(), event.control()).is_some());
                }
            }
        }
        for event in house.replay().iter().filter(|event| event.of_node()) {
            assert_eq!(house.last(event.address(), event.control()), Some(event));
        }
    }

    #[test]
    fn a_house_has_the_requested_number_of_nodes_and_one_of_each_kind() {
        for nodes in [0, 1, 5, 10, 100] {
            assert_eq!(house(nodes, 3).addresses().count(), nodes);
        }
        let house = house(10, 3);
        let has = |control: &str| {
            house
                .addresses()
                .any(|address| house.last(address, control).is_some())
        };
        assert!(["OL", "RR", "CLISPH", "BATLVL", "GV1"].into_iter().all(has));
    }

    #[test]
    fn an_empty_house_still_has_events() {
        let mut house = house(0, 1);
        assert!((0..50).all(|_| !house.change(&local()).is_empty()));
    }
}
