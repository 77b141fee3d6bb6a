//! `iox watch`, and what `iox demo` does with its controller.

use std::pin::pin;
use std::time::{Duration, Instant};

use ioxdriver::Options;
use tokio::time::{sleep, timeout};

use crate::arguments::{Output, Transport, Watch};
use crate::connection;
use crate::output::{Ended, Screen};
use crate::password;
use crate::picture::PictureFile;
use crate::record::Recorder;
use crate::showing::Showing;
use crate::signals::Stop;
use crate::source::Source;
use crate::trouble::Trouble;

/// Output above this, in bytes, that nobody takes holds up the stream.
const BUFFER: usize = 64 * 1024;

/// At the end, so long is waited for a reader that does not read.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// At the end, so long is waited for a slow disk; a second signal ends the wait.
const LAST_WRITES: Duration = Duration::from_secs(30);

/// Watches until it is asked to stop.
pub(crate) async fn run(watch: Watch, began: Instant, mut stop: Stop) -> Result<(), Trouble> {
    let controller = &watch.controller;
    let address = connection::address(&controller.url)?;
    let timing = connection::timing(controller, &watch.timing)?;
    let file = controller.password_file.as_deref();
    let Some(password) = password::obtain(&controller.username, file, &mut stop).await? else {
        return Ok(());
    };
    let watched = Watched {
        controller: address.to_string(),
        options: connection::options(controller, &address, password, timing)?,
        transport: controller.transport,
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

/// Starts a stream and shows what comes of it, until it ends.
pub(crate) async fn follow(
    watched: Watched,
    output: &Output,
    began: Instant,
    mut stop: Stop,
) -> Result<(), Trouble> {
    let mut options = watched.options;
    let mut recorder = None;
    if let Some(path) = &output.record {
        let (made, tap) = Recorder::create(path)?;
        recorder = Some(made);
        options = options.tap(tap);
    }
    let picture = output.state.as_deref().map(PictureFile::new).transpose()?;
    let screen = Screen::stdout()
        .map_err(|error| Trouble::other(format!("cannot write to standard output: {error}")))?;
    let mut showing = Showing::new(watched.controller, output);
    let mut stream = Source::start(options, watched.transport)?;
    let handle = stream.handle();
    let end_recording = recorder.as_ref().map(Recorder::end);
    let mut recording = pin!(async {
        match &mut recorder {
            Some(recorder) => recorder.ended().await,
            None => Ok(()),
        }
    });
    let mut recorded = output.record.is_none().then_some(Ok(()));
    let mut enough = pin!(async {
        match output.duration {
            Some(duration) => sleep(duration.saturating_sub(began.elapsed())).await,
            None => std::future::pending().await,
        }
    });
    let mut stopping = false;
    let mut read = true;
    loop {
        // What is left of a stream that is stopping is bounded.
        let roomy = stopping || showing.buffer.len() < BUFFER;
        let was_stopping = stopping;
        tokio::select! {
            biased;
            () = stop.requested(), if !stopping => stopping = true,
            () = &mut enough, if !stopping => stopping = true,
            ended = &mut recording, if recorded.is_none() => {
                stopping |= ended.is_err();
                recorded = Some(ended);
            }
            next = stream.next(), if roomy => match next {
                Some(notification) => stopping |= showing.take(&notification),
                None => break,
            },
            room = screen.room(), if read && !showing.buffer.is_empty() => match room {
                Some(room) => room.send(std::mem::take(&mut showing.buffer)),
                None => {
                    read = false;
                    stopping = true;
                }
            },
        }
        if stopping && !was_stopping {
            handle.request_stop();
        }
        if !read {
            showing.buffer.clear();
        }
    }
    showing.view.finish(&handle.stats(), &mut showing.buffer);
    let written = timeout(
        LAST_WORDS,
        screen.finish(std::mem::take(&mut showing.buffer)),
    )
    .await;
    if let Some(end) = end_recording {
        // It waits where the disk does.
        tokio::task::spawn_blocking(end);
    }
    let recorded = match recorded {
        Some(recorded) => recorded,
        None => timeout(LAST_WRITES, recording).await.unwrap_or_else(|_| {
            Err(Trouble::other(
                "the end of the recording could not be written in time",
            ))
        }),
    };
    if let Ok(Ended::Failed(error)) = written {
        return Err(Trouble::other(format!(
            "cannot write to standard output: {error}"
        )));
    }
    recorded?;
    if let (Some(picture), Some(state)) = (picture, &showing.state) {
        picture.write(state)?;
    }
    connection::outcome(&handle, &showing.controller)
}
