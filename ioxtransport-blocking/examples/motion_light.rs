//! Switches on a light when a motion sensor reports motion. Finds both by name.
//!
//! `IOX_PASSWORD=… cargo run -p ioxtransport-blocking --example motion_light -- http://127.0.0.1:8080 "Living room motion sensor" "Hall lamp"`

use std::error::Error;

use ioxproto::names::Found;
use ioxproto::rest::Command;
use ioxtransport_blocking::{EventStream, Notification};

fn main() -> Result<(), Box<dyn Error>> {
    let [_, url, sensor, lamp] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: motion_light URL SENSOR LAMP, the password in IOX_PASSWORD".into());
    };
    let password = std::env::var("IOX_PASSWORD")?;
    let options = EventStream::builder(url).local_account("admin", password);
    light(options.start()?, sensor, lamp)
}

pub(crate) fn light(
    mut stream: EventStream,
    sensor: &str,
    lamp: &str,
) -> Result<(), Box<dyn Error>> {
    let (handle, mut names) = (stream.handle(), Default::default());
    for notification in &mut stream {
        match notification {
            Notification::Names(read) => names = read.names,
            Notification::Event(event)
                if event.is_live()
                    && (event.control(), names.find(sensor))
                        == ("ST", Found::One(event.node()))
                    && event.action() != "0" =>
            {
                if let Found::One(lamp) = names.find(lamp) {
                    handle.call(Command::on(lamp)?)?;
                }
            }
            Notification::Status(change) => eprintln!("{change}"),
            _ => {}
        }
    }
    Ok(handle.closed()?)
}
