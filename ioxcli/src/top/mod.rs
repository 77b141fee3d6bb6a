//! `iox top`: shows controllers, their houses and their live events full-screen.
//!
//! [`model`] makes the decisions, [`render`] draws the screen and [`terminal`] controls the
//! terminal. The loop in this file connects them with the streams, signals and the clock. It draws
//! when the model asks for it, at most ten times per second.

mod command;
mod controller;
mod details;
mod keys;
mod log;
mod model;
#[cfg(test)]
mod picture;
mod render;
mod rows;
mod terminal;
#[cfg(test)]
mod tests;
mod words;

use std::time::{Duration, SystemTime};

use ioxdriver::Options;
use ioxproto::SubscribePath;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use self::controller::Controller;
use self::model::{Effect, Input, Model, PendingCommand};
use self::terminal::Screen;
use crate::any_stream::{AnyStream, Handle};
use crate::arguments::{Top, Transport};
use crate::command::CONFIRMED_WITHIN;
use crate::connection::{self, Endpoint};
use crate::exit_error::ExitError;
use crate::names;
use crate::output::stdout_has_colour;
use crate::signals::{Continue, Reload, Stop};

/// The minimum time between two redraws.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

/// The maximum number of notifications that wait, for all controllers together.
const MAX_WAITING_NOTIFICATIONS: usize = 1024;

/// The time limit for stopping all streams.
const STOP: Duration = Duration::from_millis(1500);

/// The default time without an event after which a node is marked as silent.
pub(crate) const SILENT: Duration = Duration::from_secs(24 * 60 * 60);

/// One controller to show.
pub(crate) struct ShownController {
    /// Its name on the screen.
    pub(crate) label: String,
    pub(crate) options: Options,
    pub(crate) transport: Transport,
    /// Whether its replayed events have the times of the changes.
    pub(crate) has_change_times: bool,
}

/// Shows the controllers of the command line, until it is asked to stop.
pub(crate) async fn run(top: Top, mut stop: Stop) -> Result<(), ExitError> {
    terminal::check()?;
    let mut all = Vec::new();
    for controller in &top.controllers {
        let endpoint = Endpoint::find(controller, &top.access, &[])?;
        let Some(options) = endpoint.options(&mut stop).await? else {
            return Ok(());
        };
        let is_url = controller.contains("://");
        all.push(ShownController {
            label: match is_url {
                // Unlike the given URL, a parsed address never contains a password.
                true => endpoint.address.to_string(),
                false => controller.clone(),
            },
            options,
            transport: endpoint.transport,
            has_change_times: endpoint.path == SubscribePath::Api,
        });
    }
    show(all, top.silent, top.panic, stop).await
}

/// Shows controllers, until it is asked to stop.
pub(crate) async fn show(
    all: Vec<ShownController>,
    silent_after: Duration,
    panics: bool,
    mut stop: Stop,
) -> Result<(), ExitError> {
    terminal::check()?;
    let (sender, inputs) = mpsc::channel(MAX_WAITING_NOTIFICATIONS);
    let mut streams = JoinSet::new();
    let mut controllers = Vec::new();
    let mut handles = Vec::new();
    for (index, shown) in all.into_iter().enumerate() {
        controllers.push(Controller::new(&shown.label, shown.has_change_times));
        let options = shown.options.read_names(names::read_option(true));
        let stream = AnyStream::start(options, shown.transport)?;
        handles.push((stream.handle(), shown.label));
        streams.spawn(forward(stream, index, sender.clone()));
    }
    let cannot = |error| ExitError::other(format!("cannot use the terminal: {error}"));
    let model = Model::new(
        SystemTime::now(),
        TimeZone::system(),
        controllers,
        silent_after,
    );
    let mut session = Session {
        screen: Screen::take(stdout_has_colour()).map_err(cannot)?,
        model,
        handles,
        inputs,
        sender,
        drawn: None,
        panics,
    };
    let shown = session.run(&mut stop).await;
    let Session {
        screen, handles, ..
    } = session;
    // Restore the terminal first, because a second signal ends the program immediately.
    drop(screen);
    for (handle, _) in &handles {
        handle.request_stop();
    }
    let ended = async { while streams.join_next().await.is_some() {} };
    // Streams that have not ended by then end with the program.
    let _ = timeout(STOP, ended).await;
    shown?;
    for (handle, label) in &handles {
        if handle.status().is_at_rest() {
            connection::outcome(handle, label)?;
        }
    }
    Ok(())
}

/// Forwards the notifications of a stream until it ends, even if the receiver is gone.
async fn forward(mut stream: AnyStream, index: usize, sender: mpsc::Sender<Input>) {
    while let Some(notification) = stream.next().await {
        let _ = sender.send(Input::Notification(index, notification)).await;
    }
}

/// The streams and the screen that shows them.
struct Session {
    screen: Screen,
    model: Model,
    /// The handle and the label of each controller.
    handles: Vec<(Handle, String)>,
    inputs: mpsc::Receiver<Input>,
    sender: mpsc::Sender<Input>,
    /// When the screen was last drawn.
    drawn: Option<Instant>,
    /// Whether the first key causes a panic, for tests.
    panics: bool,
}

/// Whether the loop continues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Continue,
    Quit,
}

impl Session {
    async fn run(&mut self, stop: &mut Stop) -> Result<(), ExitError> {
        let cannot = |error| ExitError::other(format!("cannot use the terminal: {error}"));
        let mut keys = terminal::read_keys().map_err(cannot)?;
        let mut hang_up = Reload::on_signal().map_err(cannot)?;
        let mut job = Continue::on_signals().map_err(cannot)?;
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let height = self.screen.height();
        self.handle_input(Input::Resized(height)).map_err(cannot)?;
        let mut is_due = self.model.take_redraw();
        loop {
            let next = self
                .drawn
                .map_or_else(Instant::now, |drawn| drawn + REDRAW_INTERVAL);
            let turn = tokio::select! {
                biased;
                () = stop.requested() => Turn::Quit,
                () = hang_up.requested() => Turn::Quit,
                continued = job.changed() => {
                    match continued {
                        true => self.screen.resume(),
                        false => self.screen.suspend(),
                    }.map_err(cannot)?;
                    is_due = true;
                    Turn::Continue
                }
                () = sleep_until(next), if is_due => {
                    self.screen.draw(&self.model).map_err(cannot)?;
                    self.drawn = Some(Instant::now());
                    is_due = false;
                    Turn::Continue
                }
                key = keys.recv() => match key {
                    Some(_) if self.panics => panic!("panic requested by --panic"),
                    Some(key) => self.handle_input(key).map_err(cannot)?,
                    // The terminal is gone.
                    None => Turn::Quit,
                },
                Some(input) = self.inputs.recv() => self.handle_input(input).map_err(cannot)?,
                _ = second.tick() => self.handle_input(Input::Tick).map_err(cannot)?,
            };
            if turn == Turn::Quit {
                return Ok(());
            }
            if self.screen.is_lost() {
                return Err(ExitError::other("an internal error: see the message above"));
            }
            is_due |= self.model.take_redraw();
        }
    }

    fn handle_input(&mut self, input: Input) -> std::io::Result<Turn> {
        for effect in self.model.update(SystemTime::now(), input) {
            match effect {
                Effect::Quit => return Ok(Turn::Quit),
                Effect::Suspend => self.screen.suspend()?,
                Effect::Repaint => self.screen.repaint()?,
                Effect::Send(pending) => self.send(pending),
            }
        }
        Ok(Turn::Continue)
    }

    fn send(&self, pending: PendingCommand) {
        let PendingCommand {
            controller,
            what,
            command,
        } = pending;
        let house = &self.model.controllers[controller].house;
        let call = command.confirmed(CONFIRMED_WITHIN, house);
        let handle = self.handles[controller].0.clone();
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let outcome = handle.call(call).await;
            // Fails only if the program is ending.
            let _ = sender.send(Input::Outcome(controller, what, outcome)).await;
        });
    }
}
