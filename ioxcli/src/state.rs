//! `iox state`: the house as it is after the replay, and nothing more.

use std::pin::pin;

use ioxproto::mirror::ControllerState;
use ioxproto::{Notification, Status, SubscribePath};
use tokio::time::sleep;

use crate::arguments::{State, StateFormat};
use crate::connection::{self, Endpoint};
use crate::names::{self, Names};
use crate::output::{Ended, Screen, Stamps, house};
use crate::selection::Selection;
use crate::showing::say_why;
use crate::signals::Stop;
use crate::source::Source;
use crate::stderr::say;
use crate::trouble::Trouble;

/// Connects, waits for the end of the replay, prints and leaves.
pub(crate) async fn run(arguments: State, mut stop: Stop) -> Result<(), Trouble> {
    let controller = &arguments.controller;
    let mut endpoint = Endpoint::find(&controller.url, &controller.access, &[])?;
    let not_complete = || Trouble::other("stopped before the controller had told its state");
    endpoint.wait_for_silence();
    let Some(options) = endpoint.options(&mut stop).await? else {
        return Err(not_complete());
    };
    let address = &endpoint.address;
    let mut stream = Source::start(options, endpoint.transport)?;
    let handle = stream.handle();
    let mut selection = Selection::new(&arguments.selection, false);
    let stamps = match endpoint.path {
        SubscribePath::Api => Stamps::Changed,
        _ => Stamps::Sent,
    };
    let mut state = ControllerState::new();
    let mut told = false;
    let screen = Screen::stdout()
        .map_err(|error| Trouble::other(format!("cannot write to standard output: {error}")))?;
    let mut names = pin!(async {
        match arguments.no_names {
            true => Ok(Names::none()),
            false => Names::load(&handle).await,
        }
    });
    let mut known = Names::none();
    // The first event waits for the names.
    let mut named = false;
    let mut held = None;
    let mut held_since = None;
    let late = sleep(arguments.timeout);
    tokio::pin!(late);
    let mut ended_by = None;
    loop {
        tokio::select! {
            biased;
            () = stop.requested(), if ended_by.is_none() => {
                ended_by = Some(not_complete());
                handle.request_stop();
            }
            () = &mut late, if ended_by.is_none() => {
                let seconds = arguments.timeout.as_secs_f32();
                ended_by = Some(Trouble::other(format!(
                    "{address} has not told its state within {seconds} s: see above for why, or try a longer --timeout"
                )));
                handle.request_stop();
            }
            loaded = async {
                tokio::select! {
                    loaded = &mut names => loaded.map_err(|error| error.to_string()),
                    () = names::waited_enough(held_since) => Err(names::too_late()),
                }
            }, if !named => {
                named = true;
                known = loaded.unwrap_or_else(|error| {
                    say(format_args!("{address}: without names: {error}"));
                    Names::none()
                });
                selection.resolve(&known);
                if let Some(event) = held.take() && selection.takes(&event) {
                    state.update(&event);
                }
            }
            next = stream.next(), if held.is_none() => match next {
                Some(Notification::Event(event)) if !named => {
                    held = Some(event);
                    held_since = Some(tokio::time::Instant::now());
                }
                Some(Notification::Event(event)) => {
                    if !told && selection.takes(&event) {
                        state.update(&event);
                    }
                }
                Some(Notification::Status(change)) => {
                    say_why(address.to_string().as_str(), &change);
                    if !told {
                        state.apply_status(&change);
                    }
                    if change.status == Status::Connected && !told {
                        told = true;
                        // Printed at once; the polite goodbye comes after it.
                        let text = text(&state, arguments.format, stamps, &known)?;
                        if let Some(room) = screen.room().await {
                            room.send(text);
                        }
                        handle.request_stop();
                    }
                }
                Some(_) => {}
                None => break,
            },
        }
    }
    // Who reads it may take their time, but holds up no signal.
    let written = tokio::select! {
        written = screen.finish(Vec::new()) => written,
        () = stop.requested() => Ended::NobodyReads,
    };
    if let Ended::Failed(error) = written {
        return Err(Trouble::other(format!(
            "cannot write to standard output: {error}"
        )));
    }
    match ended_by {
        _ if told && state.is_complete() => match &*selection.not_found() {
            [] => Ok(()),
            sentences => Err(Trouble::other(sentences.join("; "))),
        },
        _ if told => Err(Trouble::other("the state is not complete: see above")),
        Some(trouble) => Err(trouble),
        None => connection::outcome(&handle, &address.to_string()),
    }
}

fn text(
    state: &ControllerState,
    format: StateFormat,
    stamps: Stamps,
    names: &Names,
) -> Result<Vec<u8>, Trouble> {
    let text = match format {
        StateFormat::Text => house(state, stamps, names),
        StateFormat::Json => {
            let json = serde_json::to_string(state);
            json.map_err(|error| Trouble::other(error.to_string()))? + "\n"
        }
    };
    Ok(text.into_bytes())
}
