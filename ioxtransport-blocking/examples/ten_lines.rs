//! Prints each live event and each change of status as a line.
//!
//! `IOX_PASSWORD=… cargo run -p ioxtransport-blocking --example ten_lines -- https://eisy.local:8443 admin sha256:…`

use std::error::Error;
use std::io::{self, Write};

use ioxtransport_blocking::{EventStream, Notification};

fn main() -> Result<(), Box<dyn Error>> {
    let [_, url, user, pins @ ..] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: ten_lines URL USER [PIN], with the password in IOX_PASSWORD".into());
    };
    let builder = EventStream::builder(url).local_account(user, std::env::var("IOX_PASSWORD")?);
    let builder = pins.iter().fold(builder, |builder, pin| builder.pin(pin));
    print(builder.start()?, &mut io::stdout())
}

pub(crate) fn print(mut stream: EventStream, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    for notification in &mut stream {
        match notification {
            Notification::Event(event) if event.is_live() => writeln!(out, "{event}")?,
            Notification::Status(change) => writeln!(out, "{change}")?,
            _ => {}
        }
    }
    Ok(stream.handle().closed()?)
}
