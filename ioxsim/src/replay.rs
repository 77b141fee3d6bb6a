//! The replay of a new subscriber, and the times of the changes in it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use fastrand::Rng;

use crate::event::Event;
use crate::house::House;
use crate::options::{ControllerOptions, Firmware};
use crate::subscriber::{Item, heartbeat_interval};

/// The greatest age of a change when the controller is switched on.
const MAX_AGE: Duration = Duration::from_secs(21 * 24 * 60 * 60);

/// The times of the replayed changes, which `/api/events/subscribe` shows.
#[derive(Debug)]
pub(crate) struct Changes {
    switched_on: SystemTime,
    seed: u64,
    at: BTreeMap<(String, String), SystemTime>,
}

impl Changes {
    pub(crate) fn new(switched_on: SystemTime, seed: u64) -> Self {
        Self {
            switched_on,
            seed,
            at: BTreeMap::new(),
        }
    }

    pub(crate) fn record(&mut self, event: &Event, utc: SystemTime) {
        if event.of_node() {
            let key = (event.address().to_owned(), event.control().to_owned());
            self.at.insert(key, utc);
        }
    }

    /// The time of the last change. If nothing changed since the controller was switched on, a
    /// random time up to three weeks earlier.
    fn at(&self, event: &Event, index: u64) -> SystemTime {
        let key = (event.address().to_owned(), event.control().to_owned());
        self.at.get(&key).copied().unwrap_or_else(|| {
            let age = MAX_AGE.mul_f64(Rng::with_seed(self.seed ^ (index << 32)).f64());
            self.switched_on
                .checked_sub(age)
                .unwrap_or(SystemTime::UNIX_EPOCH)
        })
    }
}

/// Returns the frames of a replay, including the end marks if the path has them.
pub(crate) fn replay(
    options: &ControllerOptions,
    house: Option<&House>,
    changes: &Changes,
    extras: &[Vec<u8>],
    enveloped: bool,
) -> Vec<Item> {
    let mut replay = Vec::new();
    if options.firmware == Firmware::Isy994 {
        replay.push(Item::Greeting);
    }
    if options.heartbeat_in_replay {
        replay.push(Item::Event(Event::new(
            "_0",
            heartbeat_interval(options).to_string(),
        )));
    }
    for (index, event) in (0..).zip(house.map(House::replay).unwrap_or_default()) {
        if event.control() == "_5" {
            // The busy status of the controller is the current one.
            replay.push(Item::Event(event));
            continue;
        }
        let at = changes.at(&event, index);
        replay.push(Item::Past(event, at));
    }
    replay.extend(extras.iter().cloned().map(Item::Raw));
    if enveloped || !options.end_mark {
        return replay;
    }
    let marks = [
        Event::new("_4", "5").info("<status>1</status>"),
        Event::new("_4", "6").info("<status>0</status>"),
        Event::new("_22", "1"),
    ];
    replay.extend(marks.map(Item::Event));
    if options.firmware == Firmware::Isy994 {
        let portal = r#"<PortalStatus isConnected="false" isRegistered="false"/>"#;
        replay.push(Item::Event(Event::new("_23", "1").info(portal)));
    }
    replay
}
