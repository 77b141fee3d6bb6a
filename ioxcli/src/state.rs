//! `iox state`: prints the state of the house after the replay.

use std::time::{Duration, SystemTime};

use ioxproto::state::ControllerState;
use ioxproto::{Notification, Status, StatusChange, SubscribePath};
use tokio::time::sleep;

use crate::any_stream::{AnyStream, Handle};
use crate::arguments::{State, StateFormat};
use crate::connection::{self, Endpoint};
use crate::exit_error::ExitError;
use crate::names::{self, Names};
use crate::output::{Ended, Screen, Stamps, house, silent, silent_json};
use crate::renderer::{MissingNames, say_why};
use crate::selection::Selection;
use crate::signals::Stop;

/// Connects, waits for the end of the replay, prints the state and disconnects.
pub(crate) async fn run(arguments: State, mut stop: Stop) -> Result<(), ExitError> {
    let controller = &arguments.controller;
    let mut endpoint = Endpoint::find(&controller.url, &controller.access, &[])?;
    if arguments.silent.is_some() && endpoint.path != SubscribePath::Api {
        return Err(ExitError::usage(
            "--silent needs --path api: the replay of /rest/subscribe does not show when a node was last heard",
        ));
    }
    endpoint.wait_for_silence();
    let Some(options) = endpoint.options(&mut stop).await? else {
        return Err(not_complete());
    };
    let options = options.read_names(names::read_option(!arguments.no_names));
    let screen = Screen::stdout()
        .map_err(|error| ExitError::other(format!("cannot write to standard output: {error}")))?;
    let stream = AnyStream::start(options, endpoint.transport)?;
    let (state, stamps) = match endpoint.path {
        SubscribePath::Api => (ControllerState::new().with_change_times(), Stamps::Changed),
        _ => (ControllerState::new(), Stamps::Sent),
    };
    let session = Session {
        controller: endpoint.address.to_string(),
        handle: stream.handle(),
        stream,
        selection: Selection::new(&arguments.selection, false),
        state,
        names: Names::none(),
        missing_names: MissingNames::default(),
        screen,
        stamps,
        is_printed: false,
    };
    session.run(&arguments, &mut stop).await
}

fn not_complete() -> ExitError {
    ExitError::other("stopped before the state was complete")
}

/// A stream that ends after the replay.
struct Session {
    controller: String,
    stream: AnyStream,
    handle: Handle,
    selection: Selection,
    state: ControllerState,
    names: Names,
    missing_names: MissingNames,
    screen: Screen,
    /// The meaning of the replay's timestamps.
    stamps: Stamps,
    /// Whether the state has been printed; later notifications do not change it.
    is_printed: bool,
}

impl Session {
    async fn run(mut self, arguments: &State, stop: &mut Stop) -> Result<(), ExitError> {
        let time_limit = sleep(arguments.timeout);
        tokio::pin!(time_limit);
        let mut end_error = None;
        loop {
            tokio::select! {
                biased;
                () = stop.requested(), if end_error.is_none() => {
                    end_error = Some(not_complete());
                    self.handle.request_stop();
                }
                () = &mut time_limit, if end_error.is_none() => {
                    let seconds = arguments.timeout.as_secs_f32();
                    end_error = Some(ExitError::other(format!(
                        "{} has not sent its complete state within {seconds} s: see the messages above, or try a longer --timeout",
                        self.controller
                    )));
                    self.handle.request_stop();
                }
                next = self.stream.next() => match next {
                    Some(notification) => self.apply(&notification, arguments).await?,
                    None => break,
                },
            }
        }
        // A slow reader must not delay a signal.
        let written = tokio::select! {
            written = self.screen.finish(Vec::new()) => written,
            () = stop.requested() => Ended::ReaderClosed,
        };
        if let Ended::Failed(error) = written {
            return Err(ExitError::other(format!(
                "cannot write to standard output: {error}"
            )));
        }
        match end_error {
            _ if self.is_printed && self.state.is_complete() => {
                match &*self.selection.not_found() {
                    [] => Ok(()),
                    sentences => Err(ExitError::other(sentences.join("; "))),
                }
            }
            _ if self.is_printed => Err(ExitError::other("the state is not complete: see above")),
            Some(error) => Err(error),
            None => connection::outcome(&self.handle, &self.controller),
        }
    }

    async fn apply(
        &mut self,
        notification: &Notification,
        arguments: &State,
    ) -> Result<(), ExitError> {
        match notification {
            Notification::Status(change) => self.status(change, arguments).await?,
            _ if self.is_printed => {}
            Notification::Names(read) => {
                self.missing_names.note_reading(read);
                self.names = Names::of(read);
                self.selection.resolve(&self.names);
                self.state.apply_names(&read.names);
            }
            Notification::Event(event) if self.selection.takes(event) => {
                self.names.update(event);
                self.state.update(event);
            }
            _ => {}
        }
        Ok(())
    }

    async fn status(&mut self, change: &StatusChange, arguments: &State) -> Result<(), ExitError> {
        say_why(&self.controller, change);
        self.missing_names.report(&self.controller, change.status);
        if self.is_printed {
            return Ok(());
        }
        self.state.apply_status(change);
        if change.status == Status::Connected {
            self.is_printed = true;
            // Print before the connection is closed.
            let text = self.text(arguments.format, arguments.silent)?;
            if let Some(room) = self.screen.room().await {
                room.send(text.into_bytes());
            }
            self.handle.request_stop();
        }
        Ok(())
    }

    fn text(
        &self,
        format: StateFormat,
        longer_than: Option<Duration>,
    ) -> Result<String, ExitError> {
        let now = SystemTime::now();
        Ok(match (format, longer_than) {
            (StateFormat::Text, None) => house(&self.state, self.stamps, &self.names, now),
            (StateFormat::Text, Some(longer)) => silent(&self.state, &self.names, now, longer),
            (StateFormat::Json, None) => {
                let json = serde_json::to_string(&self.state);
                json.map_err(|error| ExitError::other(error.to_string()))? + "\n"
            }
            (StateFormat::Json, Some(longer)) => silent_json(&self.state, now, longer) + "\n",
        })
    }
}
