//! Keeps a table of the properties of all nodes and prints each change, including changes during an
//! outage.
//!
//! ```sh
//! IOX_PASSWORD=… cargo run -p ioxtransport-tokio --example table_of_states -- http://eisy.local:8080
//! ```

use std::env;

use ioxtransport_tokio::ioxproto::dispatch::Dispatcher;
use ioxtransport_tokio::ioxproto::state::{ControllerState, Occasion, SharedState};
use ioxtransport_tokio::{Builder, EventStream, Handle, Status};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = env::args().nth(1).ok_or("usage: table_of_states URL")?;
    let builder = EventStream::builder(url).local_account("admin", env::var("IOX_PASSWORD")?);
    let (handle, state) = keep(builder, |line| println!("{line}"))?;
    handle
        .wait_for(Status::Connected, std::time::Duration::from_secs(30))
        .await?;
    println!("{}", table(&state));
    tokio::select! {
        ended = handle.closed() => return Ok(ended?),
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    handle.stop().await;
    Ok(())
}

/// Keeps the table and shows its changes.
pub(crate) fn keep(
    builder: Builder,
    show: impl Fn(String) + Send + Sync + 'static,
) -> Result<(Handle, SharedState), Box<dyn std::error::Error>> {
    let state = SharedState::new(ControllerState::new());
    let dispatcher = Dispatcher::new();
    dispatcher.attach(state.clone());
    let listener = dispatcher.on_change(move |change| match change.occasion {
        // A replay fills the table. It reports no change.
        Occasion::Replay => {}
        Occasion::WhileAway => show(format!("while away: {change}")),
        _ => show(change.to_string()),
    });
    listener.detach();
    let handle = builder.start_with(move |notification| dispatcher.dispatch(notification))?;
    Ok((handle, state))
}

/// The table as text, with a line for each property.
pub(crate) fn table(state: &SharedState) -> String {
    let state = state.snapshot();
    let mut lines = String::new();
    for node in state.nodes() {
        for (control, property) in state.properties(node) {
            lines.push_str(&format!("{node:20} {control:8} {}\n", property.formatted()));
        }
    }
    lines
}
