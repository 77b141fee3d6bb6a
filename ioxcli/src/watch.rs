//! `iox watch`; also shows the simulated controller of `iox demo`.

use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use ioxdriver::Options;
use tokio::time::{sleep, timeout_at};

use crate::any_stream::{AnyStream, Handle};
use crate::arguments::{Format, Output, Transport, Watch};
use crate::connection::{self, Endpoint};
use crate::exit_error::ExitError;
use crate::file::Target;
use crate::names;
use crate::output::{Ended, Screen};
use crate::record::{self, End, Recorder, Room};
use crate::renderer::Renderer;
use crate::signals::{Save, Stop};
use crate::state_file::StateFile;
use crate::stderr::say;

/// The limit in bytes for output that waits for its reader. Above it, the stream is not read.
const MAX_BUFFERED: usize = 64 * 1024;

/// The time limit for a stop, including the writers.
const STOP: Duration = Duration::from_millis(1500);

/// The minimum time for the writers to finish after the end of the stream.
const MIN_FINISH: Duration = Duration::from_millis(300);

/// Watches until it is asked to stop.
pub(crate) async fn run(watch: Watch, began: Instant, mut stop: Stop) -> Result<(), ExitError> {
    let controller = &watch.controller;
    let endpoint = Endpoint::find(&controller.url, &controller.access, &watch.timing)?;
    let Some(options) = endpoint.options(&mut stop).await? else {
        return Ok(());
    };
    let watched = WatchTarget {
        controller: endpoint.address.to_string(),
        options,
        transport: endpoint.transport,
    };
    follow(watched, &watch.output, began, stop).await
}

/// What to watch, and with which driver.
pub(crate) struct WatchTarget {
    /// The controller's URL.
    pub(crate) controller: String,
    pub(crate) options: Options,
    pub(crate) transport: Transport,
}

/// Returns the files for the recording and the state.
fn targets(output: &Output) -> Result<(Option<Target>, Option<Target>), ExitError> {
    let target = |path: &std::path::Path, what| Target::new(path, what);
    let record = match &output.record {
        Some(path) => Some(target(&record::with_time(path)?, "the recording")?),
        None => None,
    };
    let state = output
        .state
        .as_deref()
        .map(|path| target(path, "the state"));
    let state = state.transpose()?;
    if let Some(record) = &record
        && !output.append
        && !output.overwrite
        && record.holds_something()
    {
        return Err(ExitError::usage(format!(
            "{} already exists: append to it with --append, replace it with --overwrite, or record to a file \
             named after the time, such as --record events-%F.jsonl",
            record.path().display()
        )));
    }
    match (&record, &state) {
        (Some(record), Some(state)) if record.is_same(state) => Err(ExitError::usage(format!(
            "--record and --state name the same file, {}: each needs a separate file",
            state.path().display()
        ))),
        _ => Ok((record, state)),
    }
}

/// Starts a stream and shows its notifications until it ends.
pub(crate) async fn follow(
    watched: WatchTarget,
    output: &Output,
    began: Instant,
    mut stop: Stop,
) -> Result<(), ExitError> {
    let shows_names = matches!(output.format, Format::Text | Format::Json);
    // A node may be selected by its name, whatever is shown.
    let wants_names = !output.no_names && (shows_names || !output.selection.node.is_empty());
    let mut options = watched.options.read_names(names::read_option(wants_names));
    let (record, state) = targets(output)?;
    let mut recording = None;
    if let Some(target) = &record {
        let (recorder, tap) = Recorder::create(target, output.append)?;
        options = options.tap(tap);
        let (end, room, ended) = recorder.split();
        recording = Some(Recording {
            end,
            room,
            ended: Box::pin(ended),
            outcome: None,
        });
    }
    let save = Save::on(state.is_some(), output.state_every)
        .map_err(|error| ExitError::other(format!("cannot start: {error}")))?;
    let screen = Screen::stdout()
        .map_err(|error| ExitError::other(format!("cannot write to standard output: {error}")))?;
    let renderer = Renderer::new(watched.controller, output);
    let stream = AnyStream::start(options, watched.transport)?;
    let session = WatchSession {
        handle: stream.handle(),
        stream,
        renderer,
        screen,
        recording,
        save,
        state_file: state.map(StateFile::new),
        stopping_since: None,
    };
    let time_limit = async {
        match output.duration {
            Some(duration) => sleep(duration.saturating_sub(began.elapsed())).await,
            None => std::future::pending().await,
        }
    };
    session.run(&mut stop, time_limit).await
}

/// A running stream and its outputs.
struct WatchSession {
    stream: AnyStream,
    handle: Handle,
    renderer: Renderer,
    screen: Screen,
    recording: Option<Recording>,
    save: Save,
    state_file: Option<StateFile>,
    /// When the stream was asked to stop.
    stopping_since: Option<Instant>,
}

/// A recording in progress.
struct Recording {
    end: End,
    room: Room,
    ended: Pin<Box<dyn Future<Output = Result<(), ExitError>>>>,
    /// Its outcome, once it has ended.
    outcome: Option<Result<(), ExitError>>,
}

impl Recording {
    /// Completes when the recording ends; never if there is none, or after its end.
    async fn ended(recording: Option<&mut Self>) -> Result<(), ExitError> {
        match recording {
            Some(recording) if recording.outcome.is_none() => recording.ended.as_mut().await,
            _ => std::future::pending().await,
        }
    }

    async fn finish(self, until: tokio::time::Instant) -> Result<(), ExitError> {
        if let Some(outcome) = self.outcome {
            return outcome;
        }
        self.end.end();
        let ended = timeout_at(until, self.ended).await;
        ended.unwrap_or_else(|_| Err(self.end.cut_short()))
    }
}

impl WatchSession {
    async fn run(
        mut self,
        stop: &mut Stop,
        time_limit: impl Future<Output = ()>,
    ) -> Result<(), ExitError> {
        let mut time_limit = pin!(time_limit);
        let mut has_reader = true;
        loop {
            let room = self
                .recording
                .as_ref()
                .map(|recording| recording.room.clone());
            let full = room.filter(Room::is_full);
            // A stream that is stopping has a bounded number of notifications left.
            let is_running = self.stopping_since.is_none();
            let has_room =
                !is_running || (self.renderer.buffer.len() < MAX_BUFFERED && full.is_none());
            let has_output = has_reader && !self.renderer.buffer.is_empty();
            let mut stops = false;
            tokio::select! {
                biased;
                () = stop.requested(), if is_running => stops = true,
                () = &mut time_limit, if is_running => stops = true,
                ended = Recording::ended(self.recording.as_mut()) => {
                    stops = ended.is_err();
                    if let Some(recording) = &mut self.recording {
                        recording.outcome = Some(ended);
                    }
                }
                written = wait_for_write(self.state_file.as_mut()) => if let Err(error) = written {
                    say(error);
                },
                () = self.save.due() => if let (Some(file), Some(state)) = (&mut self.state_file, &self.renderer.state) {
                    file.write(state);
                },
                next = self.stream.next(), if has_room => match next {
                    Some(notification) => stops = self.renderer.handle_notification(&notification),
                    None => break,
                },
                room = self.screen.room(), if has_output => match room {
                    Some(room) => room.send(std::mem::take(&mut self.renderer.buffer)),
                    None => {
                        has_reader = false;
                        stops = true;
                    }
                },
                () = async { if let Some(room) = &full { room.wait().await } }, if full.is_some() => {}
            }
            if stops && self.stopping_since.is_none() {
                self.stopping_since = Some(Instant::now());
                self.handle.request_stop();
            }
            if !has_reader {
                self.renderer.buffer.clear();
            }
        }
        self.finish().await
    }

    /// Passes the rest of the output to the writers, and waits for them for a limited time.
    async fn finish(self) -> Result<(), ExitError> {
        let Self {
            handle,
            mut renderer,
            screen,
            recording,
            mut state_file,
            stopping_since,
            ..
        } = self;
        renderer.view.finish(&handle.stats(), &mut renderer.buffer);
        let now = Instant::now();
        let until = (stopping_since.unwrap_or(now) + STOP)
            .max(now + MIN_FINISH)
            .into();
        let rest = std::mem::take(&mut renderer.buffer);
        let recorded = async {
            match recording {
                Some(recording) => recording.finish(until).await,
                None => Ok(()),
            }
        };
        let state = async {
            let (Some(file), Some(state)) = (&mut state_file, &renderer.state) else {
                return Ok(());
            };
            match timeout_at(until, file.finish(state)).await {
                Ok(written) => written,
                Err(_) => Err(file.cut_short()),
            }
        };
        let screen = timeout_at(until, screen.finish(rest));
        let (shown, recorded, state) = tokio::join!(screen, recorded, state);
        if let Ok(Ended::Failed(error)) = shown {
            return Err(ExitError::other(format!(
                "cannot write to standard output: {error}"
            )));
        }
        recorded?;
        state?;
        connection::outcome(&handle, &renderer.controller)
    }
}

async fn wait_for_write(file: Option<&mut StateFile>) -> Result<(), ExitError> {
    match file {
        Some(file) => file.wait_for_write().await,
        None => std::future::pending().await,
    }
}
