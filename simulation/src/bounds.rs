//! What a stream costs when there is nothing to do, and what it spares a controller that is dead:
//! measured in fair weather, in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use ioxproto::{Profile, Status};
use ioxsim::{ControllerOptions, Ending, OnUpgrade, Times};

use crate::driver::Command;
use crate::site::{Entrance, Site};
use crate::wire::{Payload, Truth};
use crate::witness::PASSWORD;
use crate::world::{Setting, World};

const HOUR: Duration = Duration::from_secs(3600);

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Bounds {
    /// How often an idle stream wakes its driver in an hour, by the kind of controller.
    pub wake_ups_an_hour: BTreeMap<&'static str, u64>,
    /// Attempts in the first hour and in the hour after it, by how the controller is dead.
    pub attempts_an_hour: BTreeMap<&'static str, (u64, u64)>,
    /// The longest message that is let through, in bytes.
    pub longest_message: usize,
}

/// Measures.
///
/// # Errors
///
/// The rule that was broken on the way.
pub fn measure() -> Result<Bounds, String> {
    let mut bounds = Bounds::default();
    let kinds = [
        ("eisy", Profile::Iox, ControllerOptions::default()),
        ("ISY-994", Profile::Isy994, ControllerOptions::isy994()),
    ];
    for (kind, profile, options) in kinds {
        let mut world = fair(profile, options);
        world.pass(HOUR);
        let before = world.driver.wake_ups;
        world.pass(HOUR);
        let woken = world.driver.wake_ups - before;
        bounds.wake_ups_an_hour.insert(kind, woken);
        content(&world)?;
    }
    let dead = [
        ("refuses connections", Site::Refusing),
        ("is switched off", Site::Off),
        ("accepts and stays mute", Site::Mute),
        ("accepts and resets", Site::Resetting),
        ("answers 503", Site::Booting),
    ];
    for (how, site) in dead {
        let mut world = fair(Profile::Iox, ControllerOptions::default());
        world.go_down(site);
        bounds.attempts_an_hour.insert(how, two_hours(&mut world));
        content(&world)?;
    }
    let mut world = fair(Profile::Iox, ControllerOptions::default());
    let fault = OnUpgrade::AcceptThenEnd(Ending::Close(1013));
    world.controller.on_upgrade(fault, Times::Always);
    world.controller.end(Ending::Fin);
    world.forward();
    let how = "takes the upgrade and closes";
    bounds.attempts_an_hour.insert(how, two_hours(&mut world));
    content(&world)?;
    bounds
        .attempts_an_hour
        .insert("closes just after connected", dropped()?);
    bounds.longest_message = longest()?;
    Ok(bounds)
}

/// A world without weather, connected.
fn fair(profile: Profile, options: ControllerOptions) -> World {
    let options = ControllerOptions {
        accounts: vec![ioxsim::Account::new("admin", PASSWORD)],
        ..options
    };
    let mut world = World::made(Setting {
        seed: 1,
        entrance: Entrance::Local,
        secured: false,
        options,
        profile,
        jitter: 0.0,
        limit: 1024 * 1024,
        read_names: ioxproto::ReadNames::Never,
        keep_trying: false,
    });
    world.driver.commands.push_back(Command::Start);
    world.pass(Duration::from_secs(60));
    world
}

fn content(world: &World) -> Result<(), String> {
    world
        .witness
        .violation()
        .map_or(Ok(()), |rule| Err(rule.to_owned()))
}

fn two_hours(world: &mut World) -> (u64, u64) {
    let before = world.totals.attempts;
    world.pass(HOUR);
    let between = world.totals.attempts;
    world.pass(HOUR);
    (between - before, world.totals.attempts - between)
}

/// Each connection is ended as soon as it is connected.
fn dropped() -> Result<(u64, u64), String> {
    let mut world = fair(Profile::Iox, ControllerOptions::default());
    let began = world.totals.attempts;
    let mut hours = [0; 2];
    for attempts in &mut hours {
        let until = world.clock.world() + HOUR;
        while world.clock.world() < until && world.witness.is_content() {
            world.controller.end(Ending::Fin);
            world.forward();
            world.pass_until(until, |world| world.witness.status() != Status::Connected);
            world.pass_until(until, |world| world.witness.status() == Status::Connected);
        }
        *attempts = world.totals.attempts;
    }
    content(&world)?;
    Ok((hours[0] - began, hours[1] - hours[0]))
}

fn longest() -> Result<usize, String> {
    let limit = 1024 * 1024;
    let mut world = fair(Profile::Iox, ControllerOptions::default());
    let truth = Truth {
        spoiled: true,
        ..Truth::default()
    };
    let mut through = 0;
    for length in [limit / 2, limit, limit + 1] {
        let before = world.totals.messages;
        for index in world.subscribed() {
            world.say(index, Payload::Text(vec![b' '; length]), truth);
        }
        world.pass(Duration::from_secs(1));
        if world.totals.messages > before {
            through = length;
        }
        content(&world)?;
    }
    Ok(through)
}
