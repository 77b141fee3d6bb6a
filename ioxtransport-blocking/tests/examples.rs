//! Runs the examples against the simulated controller.

use std::error::Error;

use ioxconformance::{LIMIT, Sim, options};
use ioxproto::{ReadNames, Status};
use ioxsim::{Event, ServerOptions};
use ioxtransport_blocking::{EventStream, Handle};

#[expect(dead_code, reason = "`main` is not called")]
#[path = "../examples/motion_light.rs"]
mod motion_light;
#[expect(dead_code, reason = "`main` is not called")]
#[path = "../examples/run_on_change.rs"]
mod run_on_change;
#[expect(dead_code, reason = "`main` is not called")]
#[path = "../examples/ten_lines.rs"]
mod ten_lines;

/// Emits live events while the example runs, then stops its stream.
fn while_it_runs(sim: Sim, handle: Handle, live: &[Event]) -> Result<(), Box<dyn Error>> {
    handle.wait_for(Status::Connected, LIMIT)?;
    for event in live {
        sim.emit(event);
    }
    let all = live.len() as u64;
    handle.wait_until(|handle| handle.stats().live_events == all, LIMIT)?;
    handle.stop();
    Ok(())
}

fn watched() -> Result<(Sim, EventStream), Box<dyn Error>> {
    let sim = Sim::start(ServerOptions::default());
    let stream = EventStream::start(options(sim.url()))?;
    Ok((sim, stream))
}

#[test]
fn ten_lines_print_what_happens() -> Result<(), Box<dyn Error>> {
    let (sim, stream) = watched()?;
    let handle = stream.handle();
    let example = std::thread::spawn(move || {
        let mut out = Vec::new();
        let printed = ten_lines::print(stream, &mut out).map(|()| out);
        printed.map_err(|error| error.to_string())
    });
    while_it_runs(sim, handle, &[Event::new("ST", "255").node("n1")])?;
    let out = String::from_utf8(example.join().map_err(|_| "it panicked")??)?;
    assert_eq!(
        out,
        "stream_initializing\nstream_syncing\nconnected\nn1 ST = 255\n\
         disconnected: stopped on request\n"
    );
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_change_runs_the_command_and_a_replay_does_not() -> Result<(), Box<dyn Error>> {
    let (sim, stream) = watched()?;
    let stream = stream.in_background()?;
    let handle = stream.handle();
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("ran");
    let script = format!(
        "echo \"$IOX_NODE is $IOX_ACTION, $IOX_FORMATTED\" >> '{}'",
        file.display()
    );
    let example = std::thread::spawn(move || {
        let command = ["sh".to_owned(), "-c".to_owned(), script];
        run_on_change::run_on_change(stream, "n1", &command).map_err(|error| error.to_string())
    });
    while_it_runs(
        sim,
        handle,
        &[
            Event::new("ST", "255").node("n1").shown("On"),
            Event::new("ST", "0").node("n2").shown("Off"),
            Event::new("ST", "0").node("n1").shown("$(exit) `x`"),
        ],
    )?;
    example.join().map_err(|_| "it panicked")??;
    assert_eq!(
        std::fs::read_to_string(file)?,
        "n1 is 255, On\nn1 is 0, $(exit) `x`\n"
    );
    Ok(())
}

#[test]
fn a_motion_sensor_switches_a_light_by_name() -> Result<(), Box<dyn Error>> {
    let sim = Sim::start(ServerOptions::default());
    let stream = EventStream::start(options(sim.url()).read_names(ReadNames::AfterConnected))?;
    let handle = stream.handle();
    let example = std::thread::spawn(move || {
        let lit = motion_light::light(stream, "Living room motion sensor", "Hall lamp");
        lit.map_err(|error| error.to_string())
    });
    handle.wait_for(Status::Connected, LIMIT)?;
    let nodes = sim.nodes();
    let (lamp, sensor) = (&nodes[0], &nodes[4]);
    sim.emit(&Event::new("ST", "0").node(lamp).uom("100", "0"));
    // The names arrive slightly after the status.
    let motion = Event::new("ST", "1").node(sensor).uom("2", "0");
    handle.wait_until(
        |_| {
            sim.emit(&motion);
            sim.last(lamp, "ST")
                .is_some_and(|event| event.action() != "0")
        },
        LIMIT,
    )?;
    handle.stop();
    // The stop may interrupt the call for another of these events, so the result does not matter.
    let _ = example.join().map_err(|_| "it panicked")?;
    Ok(())
}
