//! Shares one stream between several tasks. A dispatcher calls a listener for each task, which
//! sends the events to the channel of that task.
//!
//! A controller accepts only a few subscribers, so a program should have one stream and share it.
//! Events are cheap to clone.
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
    // The stream runs while there is a handle.
    Ok(handle.closed().await?)
}

/// Starts the stream and returns a dispatcher for the tasks.
pub(crate) fn share(builder: Builder) -> Result<(Handle, Dispatcher), Box<dyn std::error::Error>> {
    let dispatcher = Dispatcher::new();
    let to = dispatcher.clone();
    let handle = builder.start_with(move |notification| to.dispatch(notification))?;
    Ok((handle, dispatcher))
}

/// Returns a channel of the events that pass the filter. Listeners run on the driver's task, so
/// they must not wait: if a task is too slow and its channel is full, the event is lost.
pub(crate) fn subscribe(dispatcher: &Dispatcher, filter: Filter) -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(256);
    let registration = dispatcher.on_event(filter, move |event| {
        let _ = sender.try_send(event.clone());
    });
    // The listener stays registered while the stream runs.
    registration.detach();
    receiver
}
