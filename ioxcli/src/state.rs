//! `iox state`: the house as it is after the replay, and nothing more.

use std::time::{Duration, SystemTime};

use ioxproto::state::ControllerState;
use ioxproto::{Notification, Status, StatusChange, SubscribePath};
use tokio::time::sleep;

use crate::arguments::{State, StateFormat};
use crate::connection::{self, Endpoint};
use crate::exit_error::ExitError;
use crate::names::{self, Names};
use crate::output::{Ended, Screen, Stamps, house, silent, silent_json};
use crate::renderer::{Unnamed, say_why};
use crate::selection::Selection;
use crate::signals::Stop;
use crate::source::{Handle, Source};

/// Connects, waits for the end of the replay, prints and leaves.
pub(crate) async fn run(arguments: State, mut stop: Stop) -> Result<(), ExitError> {
    let controller = &arguments.controller;
    let mut endpoint = Endpoint::find(&controller.url, &controller.access, &[])?;
    if arguments.silent.is_some() && endpoint.path != SubscribePath::Api {
        return Err(ExitError::usage(
            "--silent needs --path api: the replay of /rest/subscribe does not tell when a node was heard last",
        ));
    }
    endpoint.wait_for_silence();
    let Some(options) = endpoint.options(&mut stop).await? else {
        return Err(not_complete());
    };
    let options = options.read_names(names::read(!arguments.no_names));
    let screen = Screen::stdout()
        .map_err(|error| ExitError::other(format!("cannot write to standard output: {error}")))?;
    let stream = Source::start(options, endpoint.transport)?;
    let (state, stamps) = match endpoint.path {
        SubscribePath::Api => (ControllerState::new().with_change_times(), Stamps::Changed),
        _ => (ControllerState::new(), Stamps::Sent),
    };
    let question = Question {
        controller: endpoint.address.to_string(),
        handle: stream.handle(),
        stream,
        selection: Selection::new(&arguments.selection, false),
        state,
        names: Names::none(),
        unnamed: Unnamed::default(),
        screen,
        stamps,
        printed: false,
    };
    question.answer(&arguments, &mut stop).await
}

fn not_complete() -> ExitError {
    ExitError::other("stopped before the controller had told its state")
}

/// A stream that lives until the replay is over.
struct Question {
    controller: String,
    stream: Source,
    handle: Handle,
    selection: Selection,
    state: ControllerState,
    names: Names,
    unnamed: Unnamed,
    screen: Screen,
    /// What the timestamps of the replay tell.
    stamps: Stamps,
    /// Whether the state is complete and printed, and nothing more is taken up.
    printed: bool,
}

impl Question {
    async fn answer(mut self, arguments: &State, stop: &mut Stop) -> Result<(), ExitError> {
        let late = sleep(arguments.timeout);
        tokio::pin!(late);
        let mut ended_by = None;
        loop {
            tokio::select! {
                biased;
                () = stop.requested(), if ended_by.is_none() => {
                    ended_by = Some(not_complete());
                    self.handle.request_stop();
                }
                () = &mut late, if ended_by.is_none() => {
                    let seconds = arguments.timeout.as_secs_f32();
                    ended_by = Some(ExitError::other(format!(
                        "{} has not told its state within {seconds} s: see above for why, or try a longer --timeout",
                        self.controller
                    )));
                    self.handle.request_stop();
                }
                next = self.stream.next() => match next {
                    Some(notification) => self.take(&notification, arguments).await?,
                    None => break,
                },
            }
        }
        // Who reads it may take their time, but holds up no signal.
        let written = tokio::select! {
            written = self.screen.finish(Vec::new()) => written,
            () = stop.requested() => Ended::ReaderClosed,
        };
        if let Ended::Failed(error) = written {
            return Err(ExitError::other(format!(
                "cannot write to standard output: {error}"
            )));
        }
        match ended_by {
            _ if self.printed && self.state.is_complete() => match &*self.selection.not_found() {
                [] => Ok(()),
                sentences => Err(ExitError::other(sentences.join("; "))),
            },
            _ if self.printed => Err(ExitError::other("the state is not complete: see above")),
            Some(trouble) => Err(trouble),
            None => connection::outcome(&self.handle, &self.controller),
        }
    }

    async fn take(&mut self, told: &Notification, arguments: &State) -> Result<(), ExitError> {
        match told {
            Notification::Status(change) => self.status(change, arguments).await?,
            _ if self.printed => {}
            Notification::Names(read) => {
                self.unnamed.take(read);
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
        self.unnamed.say(&self.controller, change.status);
        if self.printed {
            return Ok(());
        }
        self.state.apply_status(change);
        if change.status == Status::Connected {
            self.printed = true;
            // Printed at once; the polite goodbye comes after it.
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
