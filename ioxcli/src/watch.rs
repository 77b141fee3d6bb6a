//! `iox watch`, and what `iox demo` does with its controller.

use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use ioxdriver::Options;
use tokio::time::{sleep, timeout_at};

use crate::arguments::{Format, Output, Transport, Watch};
use crate::connection::{self, Endpoint};
use crate::exit_error::ExitError;
use crate::file::Target;
use crate::names;
use crate::output::{Ended, Screen};
use crate::record::{self, End, Recorder, Room};
use crate::renderer::Renderer;
use crate::signals::{Save, Stop};
use crate::source::{Handle, Source};
use crate::state_file::StateFile;
use crate::stderr::say;

/// Output above this, in bytes, that nobody takes holds up the stream.
const BUFFER: usize = 64 * 1024;

/// How long a stop may take, whatever the writers do.
const STOP: Duration = Duration::from_millis(1500);

/// How long to wait for the writers at least, once the stream has ended.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Watches until it is asked to stop.
pub(crate) async fn run(watch: Watch, began: Instant, mut stop: Stop) -> Result<(), ExitError> {
    let controller = &watch.controller;
    let endpoint = Endpoint::find(&controller.url, &controller.access, &watch.timing)?;
    let Some(options) = endpoint.options(&mut stop).await? else {
        return Ok(());
    };
    let watched = Watched {
        controller: endpoint.address.to_string(),
        options,
        transport: endpoint.transport,
    };
    follow(watched, &watch.output, began, stop).await
}

/// What to watch, and on which driver.
pub(crate) struct Watched {
    /// The controller's URL.
    pub(crate) controller: String,
    pub(crate) options: Options,
    pub(crate) transport: Transport,
}

/// Where the recording and the state go.
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
            "{} is there already: add to it with --append, replace it with --overwrite, or record to a file \
             named after the time, such as --record events-%F.jsonl",
            record.path().display()
        )));
    }
    match (&record, &state) {
        (Some(record), Some(state)) if record.is_same(state) => Err(ExitError::usage(format!(
            "--record and --state name the same file, {}: each needs one of its own",
            state.path().display()
        ))),
        _ => Ok((record, state)),
    }
}

/// Starts a stream and shows its notifications until it ends.
pub(crate) async fn follow(
    watched: Watched,
    output: &Output,
    began: Instant,
    mut stop: Stop,
) -> Result<(), ExitError> {
    let wants_names = !output.no_names && matches!(output.format, Format::Text | Format::Json);
    let mut options = watched.options.read_names(names::read(wants_names));
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
    let showing = Renderer::new(watched.controller, output);
    let stream = Source::start(options, watched.transport)?;
    let following = Following {
        handle: stream.handle(),
        stream,
        showing,
        screen,
        recording,
        save,
        state_file: state.map(StateFile::new),
        stopping: None,
    };
    let enough = async {
        match output.duration {
            Some(duration) => sleep(duration.saturating_sub(began.elapsed())).await,
            None => std::future::pending().await,
        }
    };
    following.run(&mut stop, enough).await
}

/// A stream that is shown, and where what it tells goes.
struct Following {
    stream: Source,
    handle: Handle,
    showing: Renderer,
    screen: Screen,
    recording: Option<Recording>,
    save: Save,
    state_file: Option<StateFile>,
    /// Since when the stream is asked to stop.
    stopping: Option<Instant>,
}

/// A recording under way.
struct Recording {
    end: End,
    room: Room,
    ended: Pin<Box<dyn Future<Output = Result<(), ExitError>>>>,
    /// What it came to, once it has ended.
    outcome: Option<Result<(), ExitError>>,
}

impl Recording {
    /// Completes once it has ended.
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

impl Following {
    async fn run(
        mut self,
        stop: &mut Stop,
        enough: impl Future<Output = ()>,
    ) -> Result<(), ExitError> {
        let mut enough = pin!(enough);
        let mut read = true;
        loop {
            let room = self
                .recording
                .as_ref()
                .map(|recording| recording.room.clone());
            let full = room.filter(Room::is_full);
            // What is left of a stream that is stopping is bounded.
            let goes_on = self.stopping.is_none();
            let roomy = !goes_on || (self.showing.buffer.len() < BUFFER && full.is_none());
            let has_output = read && !self.showing.buffer.is_empty();
            let mut stops = false;
            tokio::select! {
                biased;
                () = stop.requested(), if goes_on => stops = true,
                () = &mut enough, if goes_on => stops = true,
                ended = Recording::ended(self.recording.as_mut()) => {
                    stops = ended.is_err();
                    if let Some(recording) = &mut self.recording {
                        recording.outcome = Some(ended);
                    }
                }
                written = written(self.state_file.as_mut()) => if let Err(trouble) = written {
                    say(trouble);
                },
                () = self.save.due() => if let (Some(file), Some(state)) = (&mut self.state_file, &self.showing.state) {
                    file.write(state);
                },
                next = self.stream.next(), if roomy => match next {
                    Some(notification) => stops = self.showing.take(&notification),
                    None => break,
                },
                room = self.screen.room(), if has_output => match room {
                    Some(room) => room.send(std::mem::take(&mut self.showing.buffer)),
                    None => {
                        read = false;
                        stops = true;
                    }
                },
                () = async { if let Some(room) = &full { room.wait().await } }, if full.is_some() => {}
            }
            if stops && self.stopping.is_none() {
                self.stopping = Some(Instant::now());
                self.handle.request_stop();
            }
            if !read {
                self.showing.buffer.clear();
            }
        }
        self.finish().await
    }

    /// The stream has ended: gives the writers what is left, and a moment to write it.
    async fn finish(self) -> Result<(), ExitError> {
        let Self {
            handle,
            mut showing,
            screen,
            recording,
            mut state_file,
            stopping,
            ..
        } = self;
        showing.view.finish(&handle.stats(), &mut showing.buffer);
        let now = Instant::now();
        let until = (stopping.unwrap_or(now) + STOP)
            .max(now + LAST_WORDS)
            .into();
        let last_words = std::mem::take(&mut showing.buffer);
        let recorded = async {
            match recording {
                Some(recording) => recording.finish(until).await,
                None => Ok(()),
            }
        };
        let state = async {
            let (Some(file), Some(state)) = (&mut state_file, &showing.state) else {
                return Ok(());
            };
            match timeout_at(until, file.finish(state)).await {
                Ok(written) => written,
                Err(_) => Err(file.cut_short()),
            }
        };
        let words = timeout_at(until, screen.finish(last_words));
        let (words, recorded, state) = tokio::join!(words, recorded, state);
        if let Ok(Ended::Failed(error)) = words {
            return Err(ExitError::other(format!(
                "cannot write to standard output: {error}"
            )));
        }
        recorded?;
        state?;
        connection::outcome(&handle, &showing.controller)
    }
}

async fn written(file: Option<&mut StateFile>) -> Result<(), ExitError> {
    match file {
        Some(file) => file.written().await,
        None => std::future::pending().await,
    }
}
