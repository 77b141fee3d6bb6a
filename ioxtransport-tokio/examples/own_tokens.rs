//! Supplies its own access tokens from a file. The stream asks when it needs one.
//!
//! ```sh
//! cargo run -p ioxtransport-tokio --example own_tokens -- https://eisy.local token-file
//! ```

use std::{env, fs, io};

use ioxtransport_tokio::{Builder, EventStream, Notification, Secret};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(url), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: own_tokens URL TOKEN-FILE".into());
    };
    let token = |rejected: bool| {
        if rejected {
            eprintln!("the controller refused the token: put another into {file}");
        }
        fs::read_to_string(&file)
            .inspect_err(|error| eprintln!("cannot read {file}: {error}"))
            .map(|text| Secret::new(text.trim()))
    };
    watch(EventStream::builder(url), token, |line| println!("{line}")).await
}

/// Watches the stream. `token` returns a token; its argument is whether the last one was refused.
pub(crate) async fn watch(
    builder: Builder,
    mut token: impl FnMut(bool) -> io::Result<Secret>,
    mut show: impl FnMut(String),
) -> Result<(), Box<dyn std::error::Error>> {
    let mut stream = builder.own_tokens().start()?;
    let handle = stream.handle();
    while let Some(notification) = stream.next().await {
        match notification {
            // Without a token, the stream waits as after a lost connection, and asks again.
            Notification::TokenWanted { rejected } => handle.provide_token(token(rejected).ok()),
            Notification::Event(event) if event.is_live() => {
                show(event.to_string());
            }
            Notification::Status(change) => show(change.to_string()),
            _ => {}
        }
    }
    Ok(handle.closed().await?)
}
