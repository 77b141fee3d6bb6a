//! Measures how often an idle stream wakes its driver, and how often it tries a dead controller.
//! There are no faults, and time is virtual.

use std::collections::BTreeMap;
use std::time::Duration;

use ioxproto::{Profile, Status};
use ioxsim::{ControllerOptions, Ending, OnUpgrade, Times};

use crate::checker::PASSWORD;
use crate::client::Command;
use crate::settings::Settings;
use crate::site::Condition;
use crate::wire::{Arrival, Payload};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);

/// The measured values.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Bounds {
    /// Wake-ups of the driver of an idle stream in an hour, by kind of controller.
    pub wake_ups_an_hour: BTreeMap<&'static str, u64>,
    /// Attempts in the first and in the second hour, by the way in which the controller is dead.
    pub attempts_an_hour: BTreeMap<&'static str, (u64, u64)>,
    /// The longest message that is delivered, in bytes.
    pub longest_message: usize,
}

/// Measures all bounds.
///
/// # Errors
///
/// The rule that was broken meanwhile.
pub fn measure() -> Result<Bounds, String> {
    let mut bounds = Bounds::default();
    let kinds = [
        ("eisy", Profile::Iox, ControllerOptions::default()),
        ("ISY-994", Profile::Isy994, ControllerOptions::isy994()),
    ];
    for (kind, profile, options) in kinds {
        let mut world = connected_world(profile, options);
        world.pass(HOUR);
        let before = world.client.wake_ups;
        world.pass(HOUR);
        let woken = world.client.wake_ups - before;
        bounds.wake_ups_an_hour.insert(kind, woken);
        check_passing(&world)?;
    }
    let dead = [
        ("refuses connections", Condition::Refusing),
        ("is switched off", Condition::Off),
        ("accepts and stays mute", Condition::Mute),
        ("accepts and resets", Condition::Resetting),
        ("answers 503", Condition::Booting),
    ];
    for (how, site) in dead {
        let mut world = connected_world(Profile::Iox, ControllerOptions::default());
        world.go_down(site);
        bounds.attempts_an_hour.insert(how, two_hours(&mut world));
        check_passing(&world)?;
    }
    let mut world = connected_world(Profile::Iox, ControllerOptions::default());
    let fault = OnUpgrade::AcceptThenEnd(Ending::Close(1013));
    world.site.controller.on_upgrade(fault, Times::Always);
    world.site.controller.end(Ending::Fin);
    world.forward();
    let how = "takes the upgrade and closes";
    bounds.attempts_an_hour.insert(how, two_hours(&mut world));
    check_passing(&world)?;
    bounds
        .attempts_an_hour
        .insert("closes just after connected", dropped()?);
    bounds.longest_message = longest()?;
    Ok(bounds)
}

/// Makes a world without faults, and lets its stream connect.
fn connected_world(profile: Profile, options: ControllerOptions) -> World {
    let options = ControllerOptions {
        accounts: vec![ioxsim::Account::new("admin", PASSWORD)],
        ..options
    };
    let settings = Settings {
        profile,
        ..Settings::plain()
    };
    let mut world = World::without_faults(settings, options);
    world.client.commands.push_back(Command::Start);
    world.pass(Duration::from_secs(60));
    world
}

fn check_passing(world: &World) -> Result<(), String> {
    world
        .checker
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

/// Counts attempts while the controller ends each connection as soon as the stream is connected.
fn dropped() -> Result<(u64, u64), String> {
    let mut world = connected_world(Profile::Iox, ControllerOptions::default());
    let began = world.totals.attempts;
    let mut hours = [0; 2];
    for attempts in &mut hours {
        let until = world.clock.world() + HOUR;
        while world.clock.world() < until && world.checker.is_passing() {
            world.site.controller.end(Ending::Fin);
            world.forward();
            world.pass_until(until, |world| world.checker.status() != Status::Connected);
            world.pass_until(until, |world| world.checker.status() == Status::Connected);
        }
        *attempts = world.totals.attempts;
    }
    check_passing(&world)?;
    Ok((hours[0] - began, hours[1] - hours[0]))
}

fn longest() -> Result<usize, String> {
    let limit = 1024 * 1024;
    let mut world = connected_world(Profile::Iox, ControllerOptions::default());
    let mut through = 0;
    for length in [limit / 2, limit, limit + 1] {
        let before = world.totals.messages;
        world.inject(&Arrival::spoiled(Payload::Text(vec![b' '; length])));
        world.pass(Duration::from_secs(1));
        if world.totals.messages > before {
            through = length;
        }
        check_passing(&world)?;
    }
    Ok(through)
}
