//! The devices of a synthetic house: their nodes, their values and their changes.

use fastrand::Rng;

use crate::event::Event;

/// Raw ramp rates and their display texts.
const RAMP_RATES: [(&str, &str); 4] = [
    ("26", "4.5 seconds"),
    ("27", "2.0 seconds"),
    ("28", "0.5 seconds"),
    ("31", "0.1 seconds"),
];

/// The kind of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Dimmer,
    /// A keypad button, which may switch the dimmer at this address.
    Button(Option<String>),
    Thermostat,
    Lock,
    Sensor,
    /// A weather station provided by a plug-in.
    Plugin,
    /// Known only from an emitted event or a script command.
    Unknown,
}

/// The controller's catalogue entry for a kind of node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Catalogue {
    /// Its nodeDefId.
    pub(crate) definition: &'static str,
    /// Its type, four numbers.
    pub(crate) kind: &'static str,
    /// Its family; Insteon has none.
    pub(crate) family: Option<u8>,
    /// The slot of a plug-in.
    pub(crate) instance: Option<u8>,
}

/// A node, with the last event of each of its properties and commands.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    address: String,
    kind: Kind,
    enabled: bool,
    last: Vec<Event>,
}

/// Makes this many nodes: one of each kind first, then mostly dimmers and keypads.
pub(crate) fn furnish(nodes: usize, rng: &mut Rng) -> Vec<Device> {
    let mut devices: Vec<Device> = Vec::new();
    let mut round = 0;
    while devices.len() < nodes {
        let room = nodes - devices.len();
        let number = devices.len() + 1;
        match round {
            1 => devices.push(plug_in(rng)),
            2 => devices.push(lock(number, rng)),
            3 | 21 => devices.push(thermostat(number, rng)),
            4 => devices.push(sensor(number, rng)),
            _ if round % 5 == 0 && round > 0 => {
                let load = devices.first().map(|device| device.address.clone());
                keypad(room.min(5), load, &mut devices, rng);
            }
            _ if round % 7 == 6 => devices.push(sensor(number, rng)),
            _ => devices.push(dimmer(rng)),
        }
        round += 1;
    }
    devices
}

fn insteon(rng: &mut Rng) -> String {
    // No leading zeros, as controllers write them.
    format!("{:X} {:X} {:X}", rng.u8(1..), rng.u8(..), rng.u8(1..))
}

fn dimmer(rng: &mut Rng) -> Device {
    let mut device = Device::new(&format!("{} 1", insteon(rng)), Kind::Dimmer);
    let on_level = [255, 204, 153, 128][rng.usize(..4)];
    let level = if rng.u8(..3) == 0 { on_level } else { 0 };
    device.set(device.level(level));
    device.set(
        device
            .event("OL", on_level)
            .uom("100", "0")
            .shown(percent(on_level))
            .name("On Level"),
    );
    let (raw, shown) = RAMP_RATES[rng.usize(..RAMP_RATES.len())];
    device.set(
        device
            .event("RR", raw)
            .uom("25", "0")
            .shown(shown)
            .name("Ramp Rate"),
    );
    device.set(device.event("DON", 0));
    device.set(device.event("DOF", 0));
    device
}

fn keypad(buttons: usize, load: Option<String>, devices: &mut Vec<Device>, rng: &mut Rng) {
    let address = insteon(rng);
    for button in 0..buttons {
        let load = if button == 0 { load.clone() } else { None };
        // Button 2 is the other half of the load on the device and has no node.
        let number = if button == 0 { 1 } else { button + 2 };
        let mut device = Device::new(&format!("{address} {number}"), Kind::Button(load));
        device.set(device.level(if rng.bool() { 255 } else { 0 }));
        device.set(device.event("DON", 0));
        device.set(device.event("DOF", 0));
        devices.push(device);
    }
}

fn thermostat(number: usize, rng: &mut Rng) -> Device {
    let mut device = Device::new(&format!("ZW{number:03}_1"), Kind::Thermostat);
    device.set(device.temperature("ST", "Temperature", rng.i64(660..740)));
    device.set(device.temperature("CLISPH", "Heat Setpoint", 680));
    device.set(device.temperature("CLISPC", "Cool Setpoint", 760));
    device.set(
        device
            .event("CLIMD", 3)
            .uom("67", "0")
            .shown("Auto")
            .name("Mode"),
    );
    device.set(device.heating());
    device.set(
        device
            .event("CLIFS", 0)
            .uom("68", "0")
            .shown("Auto")
            .name("Fan Setting"),
    );
    device.set(device.humidity(rng.i64(30..60)));
    device
}

fn lock(number: usize, rng: &mut Rng) -> Device {
    let mut device = Device::new(&format!("ZW{number:03}_1"), Kind::Lock);
    device.set(device.locked(true));
    device.set(device.battery(rng.i64(40..100)));
    device
}

fn sensor(number: usize, rng: &mut Rng) -> Device {
    let mut device = Device::new(&format!("ZW{number:03}_1"), Kind::Sensor);
    device.set(device.motion(false));
    device.set(device.temperature("CLITEMP", "Temperature", rng.i64(650..750)));
    device.set(device.light(rng.i64(0..400)));
    device.set(device.battery(rng.i64(40..100)));
    device
}

fn plug_in(rng: &mut Rng) -> Device {
    let address = format!("n010_{:014x}", rng.u64(..) >> 8);
    let mut device = Device::new(&address, Kind::Plugin);
    device.set(
        device
            .event("ST", 1)
            .uom("2", "0")
            .shown("True")
            .name("Online"),
    );
    device.set(device.temperature("CLITEMP", "Temperature", rng.i64(400..900)));
    device.set(device.humidity(rng.i64(20..90)));
    device.set(device.wind(rng.i64(0..150)));
    device
}

impl Device {
    pub(crate) fn new(address: &str, kind: Kind) -> Self {
        Self {
            address: address.to_owned(),
            kind,
            enabled: true,
            last: Vec::new(),
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    pub(crate) fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// Returns the everyday word for its kind, used in names.
    pub(crate) fn noun(&self) -> &'static str {
        match self.kind {
            Kind::Dimmer => "lamp",
            Kind::Button(_) => "button",
            Kind::Thermostat => "thermostat",
            Kind::Lock => "door lock",
            Kind::Sensor => "motion sensor",
            Kind::Plugin => "weather",
            Kind::Unknown => "device",
        }
    }

    /// Returns the controller's catalogue entry for its kind.
    pub(crate) fn catalogue(&self) -> Catalogue {
        const ZWAVE: Option<u8> = Some(12);
        let (definition, kind, family, instance) = match self.kind {
            Kind::Dimmer => ("DimmerLampSwitch_ADV", "1.32.69.0", None, None),
            Kind::Button(_) => ("KeypadButton_ADV", "1.66.69.0", None, None),
            Kind::Thermostat => ("UZW0008", "4.8.6.0", ZWAVE, None),
            Kind::Lock => ("UZW0021", "4.64.3.0", ZWAVE, None),
            Kind::Sensor => ("UZW0033", "4.33.1.0", ZWAVE, None),
            Kind::Plugin => ("weather", "1.4.0.0", Some(10), Some(10)),
            Kind::Unknown => ("OnOffControl", "2.42.69.0", None, None),
        };
        Catalogue {
            definition,
            kind,
            family,
            instance,
        }
    }

    /// Returns the events that a command with these parameters causes; `None` if the device does
    /// not take the command.
    pub(crate) fn commanded(&self, command: &str, parameters: &[&str]) -> Option<Vec<Event>> {
        match (&self.kind, command, parameters) {
            (_, "QUERY", []) => Some(self.last("ST").cloned().into_iter().collect()),
            (_, "BEEP", _) => Some(Vec::new()),
            (Kind::Lock, "SECMD", [order @ ("0" | "1"), ..]) => {
                Some(vec![self.locked(*order == "1")])
            }
            (Kind::Thermostat, "CLISPH", [value, ..]) => Some(vec![self.temperature(
                "CLISPH",
                "Heat Setpoint",
                tenths(value)?,
            )]),
            (Kind::Thermostat, "CLISPC", [value, ..]) => Some(vec![self.temperature(
                "CLISPC",
                "Cool Setpoint",
                tenths(value)?,
            )]),
            (Kind::Thermostat, "CLIMD", [mode, ..]) => {
                let mode: u8 = mode.parse().ok()?;
                Some(vec![self.event("CLIMD", mode).uom("67", "0").name("Mode")])
            }
            (Kind::Thermostat, "CLIFS", [mode, ..]) => {
                let mode: u8 = mode.parse().ok()?;
                Some(vec![
                    self.event("CLIFS", mode).uom("68", "0").name("Fan Setting"),
                ])
            }
            (Kind::Dimmer | Kind::Button(_) | Kind::Unknown, ..) => {
                self.commanded_lamp(command, parameters)
            }
            _ => None,
        }
    }

    fn commanded_lamp(&self, command: &str, parameters: &[&str]) -> Option<Vec<Event>> {
        let level = match (command, parameters) {
            ("DON", []) => return Some(self.changed(self.command(true), self.switched(true))),
            ("DON", [value]) => value.parse::<u8>().ok()?.into(),
            ("DON", [percent, "51"]) => {
                let percent: i64 = percent.parse().ok().filter(|it| (0..=100).contains(it))?;
                (percent * 255 + 50) / 100
            }
            ("DON", [value, "100"]) => value.parse::<u8>().ok()?.into(),
            ("DOF" | "DFOF", []) => 0,
            ("DFON", []) => 255,
            ("BRT", []) => (self.number("ST") + 8).min(255),
            ("DIM", []) => (self.number("ST") - 8).max(0),
            ("FDUP" | "FDDOWN" | "FDSTOP", []) => return Some(vec![self.event(command, 0)]),
            _ => return None,
        };
        Some(self.changed(self.event(command, 0), self.level(level)))
    }

    /// Returns the events of a command; none if the status does not change.
    fn changed(&self, command: Event, status: Event) -> Vec<Event> {
        match self.last("ST") {
            Some(last) if last.action() == status.action() => Vec::new(),
            _ => vec![command, status],
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.last.iter()
    }

    pub(crate) fn last(&self, control: &str) -> Option<&Event> {
        self.last.iter().find(|event| event.control() == control)
    }

    /// Returns the dimmer that this button switches.
    pub(crate) fn load(&self) -> Option<&str> {
        match &self.kind {
            Kind::Button(load) => load.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        self.set(event.clone());
    }

    fn set(&mut self, event: Event) {
        match self
            .last
            .iter_mut()
            .find(|last| last.control() == event.control())
        {
            Some(last) => *last = event,
            None => self.last.push(event),
        }
    }

    /// Draws a plausible change, and returns its events.
    pub(crate) fn draw_change(&self, rng: &mut Rng) -> Vec<Event> {
        match self.kind {
            Kind::Dimmer => self.draw_dimmer_change(rng),
            Kind::Button(_) => {
                let on = self.number("ST") == 0;
                vec![self.command(on), self.switched(on)]
            }
            Kind::Thermostat => self.draw_thermostat_change(rng),
            Kind::Lock if rng.u8(..4) == 0 => {
                vec![self.battery((self.number("BATLVL") - 1).max(1))]
            }
            Kind::Lock => vec![self.locked(self.number("ST") != 100)],
            Kind::Sensor => vec![match rng.u8(..4) {
                0 => self.drifted("CLITEMP", "Temperature", rng),
                1 => self.light((self.number("LUMIN") + rng.i64(-30..=30)).max(0)),
                _ => self.motion(self.number("ST") == 0),
            }],
            Kind::Plugin => vec![match rng.u8(..3) {
                0 => self.drifted("CLITEMP", "Temperature", rng),
                1 => self.humidity((self.number("CLIHUM") + rng.i64(-2..=2)).clamp(5, 99)),
                _ => self.wind((self.number("GV1") + rng.i64(-20..=20)).max(0)),
            }],
            Kind::Unknown => self.last.first().cloned().into_iter().collect(),
        }
    }

    fn draw_dimmer_change(&self, rng: &mut Rng) -> Vec<Event> {
        if rng.u8(..5) == 0 {
            let (fade, level) = if self.number("ST") < 128 {
                ("FDUP", 204)
            } else {
                ("FDDOWN", 51)
            };
            return vec![
                self.event(fade, 0),
                self.event("FDSTOP", 0),
                self.level(level),
            ];
        }
        let on = self.number("ST") == 0;
        vec![self.command(on), self.switched(on)]
    }

    fn draw_thermostat_change(&self, rng: &mut Rng) -> Vec<Event> {
        if rng.u8(..6) == 0 {
            let setpoint = self.number("CLISPH") + if rng.bool() { 10 } else { -10 };
            let setpoint = setpoint.clamp(600, 750);
            return vec![self.temperature("CLISPH", "Heat Setpoint", setpoint)];
        }
        let drifted = self.drifted("ST", "Temperature", rng);
        let mut after = self.clone();
        after.set(drifted.clone());
        let heating = after.heating();
        let mut events = vec![drifted];
        if self.last("CLIHCS") != Some(&heating) {
            events.push(heating);
        }
        events
    }

    /// Returns the raw value of a property; 0 if there is none.
    fn number(&self, control: &str) -> i64 {
        self.last(control)
            .and_then(|event| event.action().parse().ok())
            .unwrap_or(0)
    }

    fn event(&self, control: &str, action: impl ToString) -> Event {
        Event::new(control, action.to_string()).node(self.address.as_str())
    }

    fn command(&self, on: bool) -> Event {
        self.event(if on { "DON" } else { "DOF" }, 0)
    }

    /// Returns its status after it is switched on or off.
    pub(crate) fn switched(&self, on: bool) -> Event {
        let on_level = self.last("OL").map_or(255, |_| self.number("OL"));
        self.level(if on { on_level } else { 0 })
    }

    fn level(&self, raw: i64) -> Event {
        let shown = match raw {
            0 => "Off".to_owned(),
            255 if self.kind != Kind::Dimmer => "On".to_owned(),
            _ => percent(raw),
        };
        self.event("ST", raw)
            .uom("100", "0")
            .shown(shown)
            .name("Status")
    }

    fn temperature(&self, control: &str, name: &str, tenths: i64) -> Event {
        self.event(control, tenths)
            .uom("17", "1")
            .shown(format!("{}.{}°F", tenths / 10, tenths % 10))
            .name(name)
    }

    fn drifted(&self, control: &str, name: &str, rng: &mut Rng) -> Event {
        let tenths = self.number(control) + [-3, -2, -1, 1, 2, 3][rng.usize(..6)];
        self.temperature(control, name, tenths.clamp(300, 1100))
    }

    fn heating(&self) -> Event {
        let (raw, shown) = if self.number("ST") < self.number("CLISPH") {
            (1, "Heating")
        } else if self.number("ST") > self.number("CLISPC") {
            (2, "Cooling")
        } else {
            (0, "Idle")
        };
        self.event("CLIHCS", raw)
            .uom("66", "0")
            .shown(shown)
            .name("Heat/Cool State")
    }

    fn humidity(&self, percent: i64) -> Event {
        self.event("CLIHUM", percent)
            .uom("22", "0")
            .shown(format!("{percent}%"))
            .name("Humidity")
    }

    fn battery(&self, percent: i64) -> Event {
        self.event("BATLVL", percent)
            .uom("51", "0")
            .shown(format!("{percent}%"))
            .name("Battery Level")
    }

    fn locked(&self, locked: bool) -> Event {
        let (raw, shown) = if locked {
            (100, "Locked")
        } else {
            (0, "Unlocked")
        };
        self.event("ST", raw)
            .uom("11", "0")
            .shown(shown)
            .name("Status")
    }

    fn motion(&self, on: bool) -> Event {
        let (raw, shown) = if on { (100, "On") } else { (0, "Off") };
        self.event("ST", raw)
            .uom("78", "0")
            .shown(shown)
            .name("Status")
    }

    fn light(&self, lux: i64) -> Event {
        self.event("LUMIN", lux)
            .uom("36", "0")
            .shown(format!("{lux} lux"))
            .name("Luminance")
    }

    fn wind(&self, tenths: i64) -> Event {
        self.event("GV1", tenths)
            .uom("48", "1")
            .shown(format!("{}.{} mph", tenths / 10, tenths % 10))
            .name("Wind Speed")
    }
}

/// Parses degrees such as `72` or `72.5`, in tenths.
fn tenths(text: &str) -> Option<i64> {
    let degrees: f64 = text.parse().ok()?;
    (0.0..=150.0)
        .contains(&degrees)
        .then(|| (degrees * 10.0).round() as i64)
}

/// Formats a level from 0 to 255 as a percentage.
fn percent(raw: i64) -> String {
    format!("{}%", (raw * 100 + 127) / 255)
}
