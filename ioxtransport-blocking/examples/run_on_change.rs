//! Runs a shell command, such as `curl` for a webhook, whenever a light or another node changes.
//!
//! ```sh
//! IOX_PASSWORD=… cargo run -p ioxtransport-blocking --example run_on_change -- \
//!     https://eisy.local:8443 admin sha256:… '42 92 8C 1' \
//!     sh -c 'curl --data "$IOX_FORMATTED" https://example.org/hooks/porch'
//! ```
//!
//! The command gets the node in `IOX_NODE`, the raw value in `IOX_ACTION`, and the formatted value
//! in `IOX_FORMATTED`. The values come from the controller, so quote them as above.

use std::error::Error;
use std::process::Command;

use ioxtransport_blocking::{EventStream, Notification};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, user, pin, node, command @ ..] = &arguments[..] else {
        return Err(
            "usage: run_on_change URL USER PIN NODE COMMAND …, with the password in IOX_PASSWORD"
                .into(),
        );
    };
    let stream = EventStream::builder(url)
        .local_account(user, std::env::var("IOX_PASSWORD")?)
        .pin(pin)
        .start()?
        // A command may take long. Meanwhile the stream is read in the background, and the changes
        // wait in a queue.
        .in_background()?;
    run_on_change(stream, node, command)
}

pub(crate) fn run_on_change(
    stream: EventStream,
    node: &str,
    command: &[String],
) -> Result<(), Box<dyn Error>> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let handle = stream.handle();
    for notification in stream {
        match notification {
            // Only live events: after each connect the controller replays its state, which reports
            // no change.
            Notification::Event(event)
                if event.is_live() && event.node() == node && event.control() == "ST" =>
            {
                let ran = Command::new(program)
                    .args(arguments)
                    .env("IOX_NODE", event.node())
                    .env("IOX_ACTION", event.action())
                    .env("IOX_FORMATTED", event.fmt_act())
                    .status();
                match ran {
                    Ok(status) if status.success() => {}
                    Ok(status) => eprintln!("{program}: {status}"),
                    Err(error) => eprintln!("{program}: {error}"),
                }
            }
            Notification::Status(change) => eprintln!("{change}"),
            _ => {}
        }
    }
    // The stream reconnects by itself. If it ends by itself, a person must fix the cause.
    Ok(handle.closed()?)
}
