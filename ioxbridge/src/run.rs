//! The loop of a bridge: it passes inputs from controllers, broker and program to the machine, and
//! carries out the machine's outputs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use ioxproto::rest::{self, CallError};
use ioxproto::{Notification, Now, Status};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{info, warn};

use crate::brokers::{BrokerInput, Brokers, LEAVE_TIMEOUT};
use crate::handle::{Change, PageAnswer, PageCommand};
use crate::machine::{Answer, CallNumber, Machine, Output, Read, Request, command_text};
use crate::options::are_commands_allowed;
use crate::page::{Key, Page};
use crate::slug::slug;
use crate::topics::CommandTarget;
use crate::watch::{ControllerEvents, Watch, WatchId};
use crate::{CallDurations, Controller, ControllerStats, Handle, Options, OptionsError};

/// The maximum number of batches of notifications that wait for the loop, for all controllers.
const MAX_WAITING_BATCHES: usize = 256;
/// The maximum number of answers to calls that wait for the loop.
const MAX_WAITING_ANSWERS: usize = 256;
/// How long a command that was submitted to the stream may wait for the stream to reconnect.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long changes to the page are collected before they are sent together.
const PAGE_EVERY: Duration = Duration::from_millis(100);

/// Runs a bridge until its handle asks it to stop.
///
/// It needs a tokio runtime with I/O and timers. Failures of controllers or the broker do not end
/// it: they are logged, counted and retried.
///
/// # Errors
///
/// [`OptionsError`] if the options are invalid.
pub async fn run(
    options: Options,
    controllers: Vec<Controller>,
    handle: Handle,
) -> Result<(), OptionsError> {
    options.check(&controllers)?;
    let (events, mut received) = mpsc::channel(MAX_WAITING_BATCHES);
    let (answers, mut answered) = mpsc::channel(MAX_WAITING_ANSWERS);
    let mut bridge = Bridge {
        machine: Machine::new(&options),
        handle: handle.clone(),
        watched: BTreeMap::new(),
        next_watch: 0,
        events,
        answers,
        brokers: Brokers::new(&options.instance, options.broker.clone()),
        commands: options.commands,
        page_due: None,
        page_commands: BTreeMap::new(),
    };
    bridge.begin_page();
    bridge.log_ignored_commands();
    for controller in &controllers {
        bridge
            .add(controller)
            .map_err(|cause| OptionsError::Controller {
                name: controller.name.clone(),
                cause: cause.to_string(),
            })?;
    }
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        bridge.pump();
        let due = bridge.machine.deadline();
        tokio::select! {
            () = handle.wait_for_requests() => {
                let requests = handle.take_requests();
                bridge.begin_page();
                for change in requests.changes {
                    bridge.change(change);
                }
                for command in requests.commands {
                    bridge.page_command(command);
                }
                if requests.stop {
                    break;
                }
            }
            Some(batch) = received.recv() => bridge.handle_batch(&batch),
            Some(answer) = answered.recv() => bridge.answered(answer),
            input = bridge.brokers.next() => bridge.handle_broker_input(input),
            () = until(due) => bridge.machine.tick(now()),
            () = until(bridge.page_due) => bridge.flush_page(),
            _ = seconds.tick() => bridge.count(),
        }
    }
    bridge.count();
    bridge.watched.clear();
    // A message in flight may contain the last state of a topic.
    let _ = timeout(LEAVE_TIMEOUT, bridge.finish()).await;
    Ok(())
}

fn now() -> Now {
    Now {
        monotonic: Instant::now(),
        utc: SystemTime::now(),
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// A running bridge.
struct Bridge {
    machine: Machine,
    handle: Handle,
    watched: BTreeMap<WatchId, WatchedController>,
    next_watch: u64,
    events: mpsc::Sender<ControllerEvents>,
    answers: mpsc::Sender<CompletedCall>,
    brokers: Brokers,
    /// Whether commands are carried out, if configured. It applies to every broker.
    commands: Option<bool>,
    /// When the marked entries of the page are to be rendered.
    page_due: Option<Instant>,
    /// The commands from the page that have no answer yet.
    page_commands: BTreeMap<CallNumber, oneshot::Sender<PageAnswer>>,
}

/// A watched controller and its statistics.
struct WatchedController {
    name: String,
    watch: Watch,
    losses: BTreeMap<&'static str, u64>,
    calls: BTreeMap<&'static str, u64>,
    durations: CallDurations,
    pending: usize,
}

/// The outcome of a call.
struct CompletedCall {
    watch: WatchId,
    number: CallNumber,
    answer: Answer,
    /// `ok`, or the code of the error.
    outcome: &'static str,
    took: Duration,
}

impl Bridge {
    fn add(&mut self, controller: &Controller) -> Result<(), ioxtransport_tokio::BuildError> {
        let id = WatchId(self.next_watch);
        self.next_watch += 1;
        let watch = Watch::start(controller, id, self.events.clone())?;
        let watched = WatchedController {
            name: controller.name.clone(),
            watch,
            losses: BTreeMap::new(),
            calls: BTreeMap::new(),
            durations: CallDurations::default(),
            pending: 0,
        };
        self.watched.insert(id, watched);
        self.machine.add(now(), id, &controller.name);
        self.show_house(id);
        Ok(())
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Add(controller) => {
                self.remove(&controller.name);
                match self.add(&controller) {
                    Ok(()) => info!(controller = controller.name, "controller added"),
                    Err(error) => {
                        warn!(controller = controller.name, %error, "the controller cannot be watched");
                    }
                }
            }
            Change::Remove(name) => {
                self.remove(&name);
                info!(controller = name, "controller removed");
            }
            Change::Broker(broker) => {
                if self.brokers.replace(broker.map(|broker| *broker)) {
                    self.broker_replaced();
                }
            }
        }
    }

    fn remove(&mut self, name: &str) {
        let left: Vec<WatchId> = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.name == name)
            .map(|(id, _)| *id)
            .collect();
        for id in left {
            self.watched.remove(&id);
            self.machine.remove(now(), id);
            self.update_page(|page, _| page.remove(id));
        }
        self.handle.update_stats(|stats| {
            stats.controllers.remove(name);
        });
    }

    /// Handles the switch to another broker, or to none.
    fn broker_replaced(&mut self) {
        let broker = self.brokers.broker();
        self.machine
            .replace_broker(are_commands_allowed(self.commands, broker));
        match broker {
            Some(broker) => {
                let (host, port) = (&broker.host, broker.port);
                info!(host, port, "another broker is in use");
            }
            None => info!("no broker is in use any more"),
        }
        self.log_ignored_commands();
    }

    fn log_ignored_commands(&self) {
        let broker = self.brokers.broker();
        if broker.is_some() && !are_commands_allowed(self.commands, broker) {
            info!("commands from MQTT are not carried out: the configuration does not allow them");
        }
    }

    fn handle_batch(&mut self, batch: &ControllerEvents) {
        // Events of a replaced watch do not apply to its replacement.
        let Some(watched) = self.watched.get_mut(&batch.watch) else {
            return;
        };
        let now = now();
        for notification in &batch.notifications {
            if let Notification::Status(change) = notification
                && matches!(
                    change.status,
                    Status::LostConnection | Status::ReconnectFailed
                )
                && let Some(reason) = &change.reason
            {
                *watched.losses.entry(reason.code()).or_default() += 1;
                warn!(controller = watched.name, status = %change.status, "{reason}");
            }
            self.machine.notified(now, batch.watch, notification);
            let machine = &self.machine;
            self.handle.feed().update(|page| {
                page.notified(now, batch.watch, notification, |event| {
                    let house = machine.house(batch.watch);
                    house
                        .map(|house| house.describe_event(event))
                        .unwrap_or_default()
                });
            });
        }
        self.update_page(|_, _| ());
    }

    fn handle_broker_input(&mut self, input: BrokerInput) {
        match input {
            BrokerInput::Connected { limits, is_new } => {
                if is_new {
                    self.broker_replaced();
                }
                self.machine.connected(now(), limits);
            }
            BrokerInput::Lost => self.machine.lost(),
            BrokerInput::Message(message) => self.machine.message(now(), &message),
            BrokerInput::Acknowledged(id, is_taken) => {
                self.machine.acknowledged(now(), id, is_taken);
            }
        }
    }

    /// Carries out the outputs of the machine.
    fn pump(&mut self) {
        while let Some(output) = self.machine.poll() {
            match (output, self.brokers.link()) {
                (Output::Publish(publication), Some(link)) => link.publish(publication),
                (Output::Mark { topic, payload }, Some(link)) => link.mark(&topic, payload),
                (Output::Subscribe(subscription), Some(link)) => link.subscribe(subscription),
                (Output::Unsubscribe(filter), Some(link)) => link.unsubscribe(filter),
                (
                    Output::Call {
                        watch,
                        number,
                        request,
                    },
                    _,
                ) => self.call(watch, number, request),
                // The connection has just ended. The machine is notified next.
                (_, None) => {}
            }
        }
    }

    fn call(&mut self, watch: WatchId, number: CallNumber, request: Request) {
        let Some(watched) = self.watched.get_mut(&watch) else {
            return;
        };
        watched.pending += 1;
        let handle = watched.watch.handle().clone();
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let began = Instant::now();
            let (answer, outcome) = match make(&handle, request).await {
                Ok(answer) => (answer, "ok"),
                Err(error) => (Answer::Failed(error.to_string()), error.code()),
            };
            drop(handle);
            let answered = CompletedCall {
                watch,
                number,
                answer,
                outcome,
                took: began.elapsed(),
            };
            // An error means that the bridge has stopped.
            let _ = answers.send(answered).await;
        });
    }

    fn answered(&mut self, answered: CompletedCall) {
        let Some(watched) = self.watched.get_mut(&answered.watch) else {
            return;
        };
        watched.pending = watched.pending.saturating_sub(1);
        *watched.calls.entry(answered.outcome).or_default() += 1;
        watched.durations.add(answered.took);
        if let Some(waiting) = self.page_commands.remove(&answered.number) {
            let answer = match &answered.answer {
                Answer::Command(confirmation) => PageAnswer::Done(*confirmation),
                Answer::Failed(why) => PageAnswer::Failed(why.clone()),
                _ => PageAnswer::Failed("the controller sent an unexpected answer".to_owned()),
            };
            // The browser may have disconnected.
            let _ = waiting.send(answer);
        }
        self.machine
            .answered(now(), answered.watch, answered.number, answered.answer);
        self.update_page(|page, _| page.mark_all(answered.watch));
    }

    /// Sends the remaining messages and disconnects from the broker.
    async fn finish(&mut self) {
        self.pump();
        while self.brokers.link().is_some() && self.machine.broker_stats().in_flight > 0 {
            let input = self.brokers.next().await;
            self.handle_broker_input(input);
            self.pump();
        }
        self.brokers.leave().await;
    }

    /// Creates the model of the page, if a server has requested it.
    fn begin_page(&mut self) {
        let Some(wanted) = self.handle.feed().take_wanted() else {
            return;
        };
        let page = Page::new(wanted.instance, wanted.are_commands_allowed);
        self.handle.feed().begin(page);
        let houses: Vec<WatchId> = self.watched.keys().copied().collect();
        for house in houses {
            self.show_house(house);
        }
    }

    fn show_house(&mut self, watch: WatchId) {
        self.update_page(|page, machine| {
            if let Some(house) = machine.house(watch) {
                page.add(now(), watch, house.name(), house.status().clone());
            }
        });
    }

    /// Changes the page, if there is one, and schedules its rendering.
    fn update_page(&mut self, change: impl FnOnce(&mut Page, &Machine)) {
        let machine = &self.machine;
        let is_marked = self.handle.feed().update(|page| {
            change(page, machine);
            page.is_marked()
        });
        if is_marked == Some(true) {
            self.page_due
                .get_or_insert_with(|| Instant::now() + PAGE_EVERY);
        }
    }

    fn flush_page(&mut self) {
        self.page_due = None;
        let machine = &self.machine;
        let feed = self.handle.feed();
        let is_changed = feed.update(|page| page.flush(now(), |watch| machine.view(watch)));
        if is_changed == Some(true) {
            feed.wake_readers();
        }
    }

    fn page_command(&mut self, command: PageCommand) {
        let slug;
        let target = match &command.key {
            Key::Node(address) => {
                slug = self::slug(address);
                CommandTarget::Node(&slug)
            }
            Key::Program(id) => CommandTarget::Program(*id),
            Key::Variable(id) => CommandTarget::Variable(*id),
        };
        let sent = command_text(command.payload.as_bytes()).and_then(|payload| {
            self.machine
                .page_command(&command.controller, &target, payload)
        });
        match sent {
            Ok(number) => _ = self.page_commands.insert(number, command.answer),
            // The browser may have disconnected.
            Err(refusal) => _ = command.answer.send(PageAnswer::Refused(refusal)),
        }
    }

    fn count(&mut self) {
        let has_broker = self.brokers.broker().is_some();
        let broker = has_broker.then(|| self.machine.broker_stats());
        self.update_page(|page, _| page.take_broker(broker.as_ref()));
        self.handle.update_stats(|stats| {
            stats.turns += 1;
            stats.broker = broker;
            for (id, watched) in &self.watched {
                let handle = watched.watch.handle();
                let house = self.machine.house(*id);
                let of_controller = ControllerStats {
                    uuid: house.and_then(|house| house.uuid().map(str::to_owned)),
                    status: handle.status(),
                    is_available: house.is_some_and(|house| house.is_available()),
                    stream: handle.stats(),
                    losses: watched.losses.clone(),
                    drift: house.map_or(0, |house| house.drift()),
                    calls: watched.calls.clone(),
                    call_durations: watched.durations,
                    pending_calls: watched.pending,
                    nodes: house.map_or(0, |house| house.record_count()),
                };
                stats
                    .controllers
                    .insert(watched.name.clone(), of_controller);
            }
        });
    }
}

/// Makes a call to a controller.
async fn make(handle: &ioxtransport_tokio::Handle, request: Request) -> Result<Answer, CallError> {
    Ok(match request {
        Request::Read(Read::Config) => Answer::Config(handle.call(rest::config()).await?),
        Request::Read(Read::Nodes) => Answer::Nodes(handle.call(rest::nodes()).await?),
        Request::Read(Read::Programs) => Answer::Programs(handle.call(rest::programs()).await?),
        Request::Read(Read::Definitions(kind)) => {
            let call = rest::variable_definitions(kind);
            Answer::Definitions(kind, handle.call(call).await?)
        }
        Request::Read(Read::Variables(kind)) => {
            Answer::Variables(handle.call(rest::variables(kind)).await?)
        }
        Request::Command(call) => {
            let mut ticket = handle.submit(call);
            match timeout(COMMAND_TIMEOUT, &mut ticket).await {
                Ok(confirmation) => Answer::Command(confirmation?),
                Err(_) => {
                    // The connection was lost before the command was sent.
                    if !handle.is_connected() {
                        ticket.cancel();
                    }
                    Answer::Command(ticket.await?)
                }
            }
        }
    })
}
