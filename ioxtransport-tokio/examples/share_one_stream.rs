//! One stream for several tasks: a dispatcher calls a listener of each, and each takes from a
//! channel of its own.
//!
//! A controller accepts few subscribers, so a program has one stream and shares it. Events are
//! cheap to clone.
//!
//! ```sh
//! IOX_PASSWORD=… cargo run -p ioxtransport-tokio --example share_one_stream -- http://eisy.local:8080
//! ```

use std::env;

use ioxtransport_tokio::ioxproto::dispatch::{Dispatcher, Filter};
use ioxtransport_tokio::{Builder, Event, EventStream, Handle};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = env::args().nth(1).ok_or("usage: share_one_stream URL")?;
    let builder = EventStream::builder(url).local_account("admin", env::var("IOX_PASSWORD")?);
    let (handle, dispatcher) = share(builder)?;
    let changes = Filter::new().controls(["ST", "OL"]).live_only();
    for (task, filter) in [
        ("changes", changes),
        ("heartbeats", Filter::new().control("_0")),
    ] {
        let mut events = subscribe(&dispatcher, filter);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                println!("{task}: {event}");
            }
        });
    }
    dispatcher.on_status(|change| println!("{change}")).detach();
    // The stream runs as long as there is a handle.
    Ok(handle.closed().await?)
}

/// Starts the stream, and gives what tasks need to subscribe.
pub(crate) fn share(builder: Builder) -> Result<(Handle, Dispatcher), Box<dyn std::error::Error>> {
    let dispatcher = Dispatcher::new();
    let told = dispatcher.clone();
    let handle = builder.start_with(move |notification| told.dispatch(notification))?;
    Ok((handle, dispatcher))
}

/// What fits, to take at leisure. Listeners run where the driver does, so they only pass on; a
/// channel that is full is one whose task is too slow, and loses the event.
pub(crate) fn subscribe(dispatcher: &Dispatcher, filter: Filter) -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(256);
    let registration = dispatcher.on_event(filter, move |event| {
        let _ = sender.try_send(event.clone());
    });
    // For as long as the stream runs.
    registration.detach();
    receiver
}
