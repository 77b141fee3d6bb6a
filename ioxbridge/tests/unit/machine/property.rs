//! A property test: after any sequence of events, the retained messages match the state.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::world::{Real, World, lifecycle, options};
use crate::slug::slug;

const ADDRESSES: [&str; 4] = ["1A 2B 3C 1", "1A 2B 3D 1", "n003_t1", "ZW012_1"];

#[derive(Clone, Debug)]
enum Step {
    Level(usize, u8),
    Press(usize),
    Rename(usize, u8),
    Remove(usize),
    Add(usize),
    Connect,
    Disconnect,
    ConnectBroker,
    LoseBroker,
    /// The broker loses all retained messages, while it is disconnected.
    Forget,
    Acknowledge(bool),
    Fail(bool),
    Birth,
    Command(usize),
    Restart,
    /// Switch to another broker, with the same retained messages (`true`) or none.
    ReplaceBroker(bool),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..ADDRESSES.len();
    prop_oneof![
        5 => (node.clone(), any::<u8>()).prop_map(|(node, level)| Step::Level(node, level)),
        2 => node.clone().prop_map(Step::Press),
        1 => (node.clone(), 0..5_u8).prop_map(|(node, name)| Step::Rename(node, name)),
        1 => node.clone().prop_map(Step::Remove),
        1 => node.clone().prop_map(Step::Add),
        2 => Just(Step::Connect),
        2 => Just(Step::Disconnect),
        2 => Just(Step::ConnectBroker),
        2 => Just(Step::LoseBroker),
        1 => Just(Step::Forget),
        1 => any::<bool>().prop_map(Step::Acknowledge),
        1 => any::<bool>().prop_map(Step::Fail),
        1 => Just(Step::Birth),
        1 => node.prop_map(Step::Command),
        1 => Just(Step::Restart),
        1 => any::<bool>().prop_map(Step::ReplaceBroker),
        4 => (0..100_u64).prop_map(Step::Pass),
    ]
}

struct Run {
    world: World,
    presses: usize,
}

impl Run {
    fn step(&mut self, step: &Step) {
        let world = &mut self.world;
        match step {
            Step::Level(node, level) => world.level(1, ADDRESSES[*node], *level),
            Step::Press(node) => {
                if world.controllers[&1].is_live {
                    self.presses += 1;
                }
                world.press(1, ADDRESSES[*node], "DON");
            }
            Step::Rename(node, name) => {
                let name = format!("Name {name}");
                let controller = world.controller_mut(1);
                let Some(real) = controller.nodes.get_mut(ADDRESSES[*node]) else {
                    return;
                };
                real.name.clone_from(&name);
                if controller.is_live {
                    let info = format!("<newName>{name}</newName>");
                    world.event(1, &lifecycle(ADDRESSES[*node], "NN", &info), true);
                }
            }
            Step::Remove(node) => {
                let controller = world.controller_mut(1);
                if controller.nodes.remove(ADDRESSES[*node]).is_some() && controller.is_live {
                    world.event(1, &lifecycle(ADDRESSES[*node], "NR", ""), true);
                }
            }
            Step::Add(node) => {
                let controller = world.controller_mut(1);
                if controller.nodes.contains_key(ADDRESSES[*node]) {
                    return;
                }
                let real = Real {
                    name: "New".to_owned(),
                    definition: "RelayLampSwitch_ADV",
                    level: 0,
                };
                controller.nodes.insert(ADDRESSES[*node].to_owned(), real);
                if controller.is_live {
                    world.event(1, &lifecycle(ADDRESSES[*node], "ND", ""), true);
                    world.level(1, ADDRESSES[*node], 0);
                }
            }
            Step::Connect => world.connect(1),
            Step::Disconnect => world.disconnect(1),
            Step::ConnectBroker => world.connect_broker(),
            Step::LoseBroker => world.lose_broker(),
            Step::Forget => {
                if !world.is_connected {
                    world.retained.clear();
                }
            }
            Step::Acknowledge(acknowledges) => {
                world.acknowledges = *acknowledges;
                world.run();
            }
            Step::Fail(fails) => world.controller_mut(1).fails = *fails,
            Step::Birth => world.publish("homeassistant/status", "online", false),
            Step::Command(node) => {
                let topic = format!("iox/home/{}/set", slug(ADDRESSES[*node]));
                world.publish(&topic, "ON", false);
            }
            Step::Restart => {
                let controller = world.controllers[&1].clone();
                world.restart(&options());
                world.add(1, "home", &[]);
                world.controllers.insert(
                    1,
                    crate::machine::tests::world::Controller {
                        is_live: false,
                        ..controller
                    },
                );
            }
            Step::ReplaceBroker(holds) => {
                if !holds {
                    world.retained.clear();
                }
                world.replace_broker(true);
            }
            Step::Pass(seconds) => world.pass(Duration::from_secs(*seconds)),
        }
    }

    /// Ends all faults, and waits until the bridge has recovered.
    fn heal(&mut self) {
        let world = &mut self.world;
        world.controller_mut(1).fails = false;
        world.acknowledges = true;
        world.run();
        world.connect_broker();
        world.connect(1);
        world.pass(Duration::from_secs(300));
    }

    fn check(&self) {
        let world = &self.world;
        let mut expected: BTreeSet<String> = [
            "homeassistant/device/iox_0021b9000001/controller/config",
            "homeassistant/device/iox_0021b9000001/program_0012/config",
            "homeassistant/device/iox_0021b9000001/variable_integer_3/config",
            "iox/bridge/bridge/info",
            "iox/bridge/bridge/state",
            "iox/home/availability",
            "iox/home/program/0012",
            "iox/home/state",
        ]
        .map(str::to_owned)
        .into();
        for (address, real) in &world.controllers[&1].nodes {
            let node = slug(address);
            let state = format!("iox/home/{node}/ST");
            assert_eq!(world.json(&state)["value"], real.level, "{address}");
            let config = format!("homeassistant/device/iox_0021b9000001/{node}/config");
            assert_eq!(
                world.json(&config)["device"]["name"],
                real.name,
                "{address}"
            );
            expected.insert(state);
            expected.insert(config);
            expected.insert(format!("iox/home/{node}/enabled"));
        }
        assert_eq!(
            world.retained.keys().cloned().collect::<BTreeSet<_>>(),
            expected
        );
        assert_eq!(world.retained["iox/home/availability"], "online");
        assert_eq!(world.retained["iox/bridge/bridge/state"], "online");
        let events: Vec<_> = world
            .taken
            .iter()
            .filter(|taken| taken.topic.ends_with("/event"))
            .collect();
        assert!(
            events.iter().all(|event| !event.retain),
            "an event was retained"
        );
        // Each live press is published at most once, and no command of a replay, which has one for
        // each node.
        assert!(
            events.len() <= self.presses,
            "{} events of {} presses",
            events.len(),
            self.presses
        );
        assert_eq!(world.machine.broker_stats().waiting, 0);
        assert!(world.max_in_flight <= 32);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_retained_in_the_end_equals_the_state(steps in prop::collection::vec(step(), 0..80)) {
        let mut run = Run { world: World::new(&options()), presses: 0 };
        let lamp = (ADDRESSES[0], "Hall lamp", "DimmerLampSwitch_ADV");
        run.world.add(1, "home", &[lamp, (ADDRESSES[2], "Attic", "FutureThing")]);
        for step in &steps {
            run.step(step);
        }
        run.heal();
        run.check();
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(steps in prop::collection::vec(step(), 0..40)) {
        let outputs = || {
            let mut run = Run { world: World::new(&options()), presses: 0 };
            run.world.now.utc = std::time::SystemTime::UNIX_EPOCH;
            run.world.add(1, "home", &[(ADDRESSES[0], "Hall lamp", "DimmerLampSwitch_ADV")]);
            for step in &steps {
                run.step(step);
            }
            run.world.taken
        };
        prop_assert_eq!(outputs(), outputs());
    }
}
