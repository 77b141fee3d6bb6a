//! `iox watch`, and what `iox demo` does with its controller.

use std::pin::pin;
use std::time::{Duration, Instant};

use ioxdriver::Options;
use ioxproto::Notification;
use tokio::time::{sleep, timeout_at};

use crate::arguments::{Format, Output, Transport, Watch};
use crate::connection::{self, Endpoint};
use crate::file::Target;
use crate::names::{self, Names};
use crate::output::{Ended, Screen};
use crate::record::{self, Recorder};
use crate::showing::Showing;
use crate::signals::{Save, Stop};
use crate::source::Source;
use crate::state_file::StateFile;
use crate::stderr::say;
use crate::trouble::Trouble;

/// Output above this, in bytes, that nobody takes holds up the stream.
const BUFFER: usize = 64 * 1024;

/// How long a stop may take, whatever the writers do.
const STOP: Duration = Duration::from_millis(1500);

/// How long to wait for the writers at least, once the stream has ended.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Watches until it is asked to stop.
pub(crate) async fn run(watch: Watch, began: Instant, mut stop: Stop) -> Result<(), Trouble> {
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
fn targets(output: &Output) -> Result<(Option<Target>, Option<Target>), Trouble> {
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
        return Err(Trouble::usage(format!(
            "{} is there already: add to it with --append, replace it with --overwrite, or record to a file \
             named after the time, such as --record events-%F.jsonl",
            record.path().display()
        )));
    }
    match (&record, &state) {
        (Some(record), Some(state)) if record.is_same(state) => Err(Trouble::usage(format!(
            "--record and --state name the same file, {}: each needs one of its own",
            state.path().display()
        ))),
        _ => Ok((record, state)),
    }
}

/// Starts a stream and shows what comes of it, until it ends.
pub(crate) async fn follow(
    watched: Watched,
    output: &Output,
    began: Instant,
    mut stop: Stop,
) -> Result<(), Trouble> {
    let mut options = watched.options;
    let (record, state) = targets(output)?;
    let mut recorder = None;
    if let Some(target) = &record {
        let (made, tap) = Recorder::create(target, output.append)?;
        recorder = Some(made.split());
        options = options.tap(tap);
    }
    let (recording, ended) = match recorder {
        Some((end, room, ended)) => (Some((end, room)), Some(ended)),
        None => (None, None),
    };
    let mut ended = pin!(async {
        match ended {
            Some(ended) => ended.await,
            None => std::future::pending().await,
        }
    });
    let mut recorded = recording.is_none().then_some(Ok(()));
    let mut save = Save::on(state.is_some(), output.state_every)
        .map_err(|error| Trouble::other(format!("cannot start: {error}")))?;
    let mut state_file = state.map(StateFile::new);
    let screen = Screen::stdout()
        .map_err(|error| Trouble::other(format!("cannot write to standard output: {error}")))?;
    let mut showing = Showing::new(watched.controller, output);
    let mut stream = Source::start(options, watched.transport)?;
    let handle = stream.handle();
    let mut names = pin!(async {
        let wanted = !output.no_names && matches!(output.format, Format::Text | Format::Json);
        match wanted {
            true => Names::load(&handle).await,
            false => Ok(Names::none()),
        }
    });
    // The first event waits for the names.
    let mut named = false;
    let mut held = None;
    let mut held_since = None;
    let mut enough = pin!(async {
        match output.duration {
            Some(duration) => sleep(duration.saturating_sub(began.elapsed())).await,
            None => std::future::pending().await,
        }
    });
    let mut stopping = None;
    let mut read = true;
    loop {
        let full = recording.as_ref().filter(|(_, room)| room.is_full());
        // What is left of a stream that is stopping is bounded.
        let roomy = stopping.is_some() || (showing.buffer.len() < BUFFER && full.is_none());
        let mut stops = false;
        tokio::select! {
            biased;
            () = stop.requested(), if stopping.is_none() => stops = true,
            () = &mut enough, if stopping.is_none() => stops = true,
            ended = &mut ended, if recorded.is_none() => {
                stops = ended.is_err();
                recorded = Some(ended);
            }
            written = written(state_file.as_mut()) => if let Err(trouble) = written {
                say(trouble);
            },
            () = save.due() => if let (Some(file), Some(state)) = (&mut state_file, &showing.state) {
                file.write(state);
            },
            loaded = async {
                tokio::select! {
                    loaded = &mut names => loaded.map_err(|error| error.to_string()),
                    () = names::waited_enough(held_since) => Err(names::too_late()),
                }
            }, if !named => {
                named = true;
                showing.know(loaded);
                stops = held.take().is_some_and(|event| showing.take(&event));
            }
            next = stream.next(), if roomy && held.is_none() => match next {
                Some(event @ Notification::Event(_)) if !named => {
                    held = Some(event);
                    held_since = Some(tokio::time::Instant::now());
                }
                Some(notification) => stops = showing.take(&notification),
                None => break,
            },
            room = screen.room(), if read && !showing.buffer.is_empty() => match room {
                Some(room) => room.send(std::mem::take(&mut showing.buffer)),
                None => {
                    read = false;
                    stops = true;
                }
            },
            () = async { if let Some((_, room)) = full { room.wait().await } }, if full.is_some() => {}
        }
        if stops && stopping.is_none() {
            stopping = Some(Instant::now());
            handle.request_stop();
        }
        if !read {
            showing.buffer.clear();
        }
    }
    showing.view.finish(&handle.stats(), &mut showing.buffer);
    let now = Instant::now();
    let until = (stopping.unwrap_or(now) + STOP)
        .max(now + LAST_WORDS)
        .into();
    let last_words = std::mem::take(&mut showing.buffer);
    let recording = async {
        match (recorded, &recording) {
            (None, Some((end, _))) => {
                end.end();
                let ended = timeout_at(until, ended).await;
                ended.unwrap_or_else(|_| Err(end.cut_short()))
            }
            (recorded, _) => recorded.unwrap_or(Ok(())),
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
    let (words, recorded, state) = tokio::join!(words, recording, state);
    if let Ok(Ended::Failed(error)) = words {
        return Err(Trouble::other(format!(
            "cannot write to standard output: {error}"
        )));
    }
    recorded?;
    state?;
    connection::outcome(&handle, &showing.controller)
}

async fn written(file: Option<&mut StateFile>) -> Result<(), Trouble> {
    match file {
        Some(file) => file.written().await,
        None => std::future::pending().await,
    }
}
