//! Watches one node and prints each live change of its values.
//!
//! ```sh
//! IOX_PASSWORD=… cargo run -p ioxtransport-async-std --example watch_one_node -- https://eisy.local:8443 "42 92 8C 1" sha256:…
//! ```

use std::env;

use ioxtransport_async_std::{Builder, EventStream, Notification};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(url), Some(node)) = (arguments.next(), arguments.next()) else {
        return Err("usage: watch_one_node URL NODE [PIN]…".into());
    };
    let password = env::var("IOX_PASSWORD").map_err(|_| "no password in IOX_PASSWORD")?;
    let mut builder = EventStream::builder(url).local_account("admin", password);
    for pin in arguments {
        builder = builder.pin(pin);
    }
    async_std::task::block_on(watch(builder, &node, |line| println!("{line}")))
}

/// Watches the node until the stream is stopped. Fails with the reason if the stream fails for
/// good.
pub(crate) async fn watch(
    builder: Builder,
    node: &str,
    mut show: impl FnMut(String),
) -> Result<(), Box<dyn std::error::Error>> {
    let mut stream = builder.start()?;
    while let Some(notification) = stream.next().await {
        match notification {
            // Events that are not live are replay: they report the state, not a change.
            Notification::Event(event) if event.is_live() && event.node() == node => {
                show(format!("{} is now {}", event.control(), event.fmt_act()));
            }
            Notification::Status(change) => show(change.to_string()),
            _ => {}
        }
    }
    Ok(stream.handle().closed().await?)
}
