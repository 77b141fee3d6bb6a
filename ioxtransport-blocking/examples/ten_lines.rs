//! What happens in the house, a line each.
//!
//! `IOX_PASSWORD=… cargo run -p ioxtransport-blocking --example ten_lines -- https://eisy.local:8443 admin sha256:…`

use std::error::Error;
use std::io::{self, Write};

use ioxtransport_blocking::{EventStream, Notification, Trust};

fn main() -> Result<(), Box<dyn Error>> {
    let [_, url, user, pin] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: ten_lines URL USER PIN, with the password in IOX_PASSWORD".into());
    };
    let stream = EventStream::builder(url)
        .local_account(user, std::env::var("IOX_PASSWORD")?)
        .trust(Trust::Pins(vec![pin.parse()?]))
        .start()?;
    Ok(print(stream, &mut io::stdout())?)
}

pub(crate) fn print(stream: EventStream, out: &mut dyn Write) -> io::Result<()> {
    for notification in stream {
        match notification {
            Notification::Event(event) if event.live() => {
                writeln!(
                    out,
                    "{} {} = {}",
                    event.node(),
                    event.control(),
                    event.action()
                )?;
            }
            Notification::Status(change) => writeln!(out, "{}", change.status)?,
            _ => {}
        }
    }
    Ok(())
}
