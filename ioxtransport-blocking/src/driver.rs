//! The driver: when it looks, waits, ticks and comes to rest; its errands for the core are apart. To be read beside
//! `ioxproto::driver`.

mod errands;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime};

use event_listener::Event;
use ioxdriver::{Delivery, Exchanged, Listener, Prepared, Shared, Tap, tls};
use ioxproto::{EventStream, Failure, Notification, Now, RequestId};
use tracing::debug;

use crate::attempt::{Answer, Attempt, Route};
use crate::link::{Link, News};
use crate::seat::Seat;
use crate::waiting::Waiting;

/// So many messages are taken in one turn at most.
const BATCH: u32 = 32;
/// A batch that had room for more than this is given back before a wait, so that an idle stream does not keep it.
const IDLE: usize = 4;
/// After so many messages without a wait, a stream that is stopping looks at its deadline.
const STOP_LOOKS_UP: u32 = 256;

pub(crate) struct Driver {
    core: EventStream,
    delivery: Arc<Delivery>,
    shared: Arc<Shared>,
    /// Told whenever there is something new to know, for threads that wait while another one drives.
    news: Arc<Event>,
    /// A start was asked for.
    wanted: Arc<AtomicBool>,
    /// The consumer leaves no room to read on.
    held_up: bool,
    /// What is not yet delivered.
    batch: Vec<Notification>,
    /// So many things happened since the driver last waited.
    busy: u32,
    seat: Weak<Seat>,
    listener: Option<Listener>,
    route: Route,
    tap: Option<Tap>,
    waiting: Waiting,
    waker: Waker,
    link: Link,
    requests: BTreeMap<RequestId, Attempt>,
    token_wanted: Option<RequestId>,
    now: Option<Now>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    AtRest,
    Running,
    /// Gone without coming to rest; nothing begins anew.
    Left,
}

/// What one turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something happened, or may have.
    Moved,
    /// There is nothing to do but to wait.
    Idle,
    /// The stream has ended.
    Ended,
}

/// What there is to tell the core.
enum Happening {
    Link(News),
    Answered(RequestId, Box<Result<Answer, Failure>>),
}

impl Driver {
    pub(crate) fn new(
        prepared: Prepared,
        listener: Option<Listener>,
        delivery: Arc<Delivery>,
        shared: Arc<Shared>,
        news: Arc<Event>,
        wanted: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let tls = prepared
            .config
            .address()
            .tls()
            .then(|| tls::client_config(&prepared.trust));
        let waiting = Waiting::new()?;
        Ok(Self {
            core: EventStream::new(prepared.config),
            delivery,
            shared,
            news,
            wanted,
            held_up: false,
            batch: Vec::new(),
            busy: 0,
            seat: Weak::new(),
            listener,
            route: Route {
                tls,
                resolver: prepared.resolver,
                connector: prepared.connector,
            },
            tap: prepared.tap,
            waker: waiting.waker(),
            waiting,
            link: Link::None,
            requests: BTreeMap::new(),
            token_wanted: None,
            now: None,
            stage: Stage::AtRest,
        })
    }

    /// Where it is driven from.
    pub(crate) fn seated(mut self, seat: Weak<Seat>) -> Self {
        self.seat = seat;
        self
    }

    /// One round without waiting: a command, or what there is to read, up to a batch.
    pub(crate) fn turn(&mut self) -> Turn {
        self.now = None;
        let turn = match self.stage {
            Stage::AtRest if self.wanted.swap(false, Ordering::AcqRel) => self.start(),
            Stage::AtRest => return Turn::Ended,
            Stage::Left => {
                // A start that came too late is told so.
                self.shared.gone();
                return Turn::Ended;
            }
            Stage::Running => self.round(),
        };
        self.settle(turn)
    }

    /// After [`Turn::Idle`]: waits for something to happen, no longer than to this instant.
    pub(crate) fn wait(&mut self, patience: Option<Instant>) -> Turn {
        self.now = None;
        let turn = self.slept(patience);
        self.settle(turn)
    }

    /// Whoever drives may be the consumer, who looks at what is delivered before the next turn.
    fn settle(&mut self, turn: Turn) -> Turn {
        self.carry_out();
        self.deliver();
        if self.core.status().at_rest() {
            return self.rest();
        }
        turn
    }

    fn round(&mut self) -> Turn {
        let waker = self.waker.clone();
        let mut context = Context::from_waker(&waker);
        if let Poll::Ready(command) = self.shared.poll_command(&mut context) {
            self.command(command);
            return Turn::Moved;
        }
        let now = self.now();
        self.held_up = self.could_deliver() && self.delivery.poll_room(&mut context).is_pending();
        if self.held_up {
            self.shared.held_up(&self.core, now);
        } else if self.read(&mut context) {
            if self.core.is_stopping() && self.busy.is_multiple_of(STOP_LOOKS_UP) {
                // A controller that never ceases to send does not keep the stream from its end.
                self.core.tick(now);
            }
            return Turn::Moved;
        } else {
            self.busy = 0;
            self.batch.shrink_to(IDLE);
            self.tell_progress();
            self.shared.update(&self.core, now);
        }
        self.news.notify(usize::MAX);
        Turn::Idle
    }

    /// Takes the next thing that there is, and if it is a message, those that came with it. `false` if there is nothing.
    fn read(&mut self, context: &mut Context<'_>) -> bool {
        let room = self.delivery.room();
        for taken in 0..BATCH {
            let Poll::Ready(happening) = self.look(context) else {
                return taken > 0;
            };
            self.handle(happening);
            self.busy = self.busy.wrapping_add(1);
            // One that has yet to come in is not waited for with others in hand.
            let more = self.link.is_open_and(|open| open.holds_more());
            let full = self.batch.len() >= room;
            if !more || full || self.core.is_stopping() || self.shared.has_command() {
                break;
            }
        }
        if self.listener.is_some() {
            let now = self.now();
            self.shared.update(&self.core, now);
        }
        true
    }

    /// Whether what comes next may need room: what there is to read, or another attempt. An attempt under way goes on, and
    /// a stream that is stopping delivers nothing more than that.
    fn could_deliver(&self) -> bool {
        let under_way = match self.link {
            Link::Open(_) => false,
            Link::None => !self.requests.is_empty(),
            Link::Attempt(..) | Link::Answered { .. } => true,
        };
        !under_way && !self.core.is_stopping()
    }

    fn slept(&mut self, patience: Option<Instant>) -> Turn {
        if self.held_up {
            // Nothing is read meanwhile, and no silence counts.
            return match self.waiting.sleep(patience) {
                true => Turn::Moved,
                false => Turn::Idle,
            };
        }
        // What was there is taken; only on an empty socket is the deadline asked for.
        let now = self.now();
        let deadline = self.core.poll_timeout(now).map(|deadline| deadline.at);
        let alarms = [deadline, self.next_address_at(), patience];
        let woken = self.waiting.sleep(alarms.into_iter().flatten().min());
        self.now = None;
        let now = self.now();
        if woken && deadline.is_none_or(|deadline| now.monotonic < deadline) {
            return Turn::Moved;
        }
        // Only if the socket is still empty when the deadline comes does it count.
        let waker = self.waker.clone();
        if let Poll::Ready(happening) = self.look(&mut Context::from_waker(&waker)) {
            self.handle(happening);
            return Turn::Moved;
        }
        let now = self.now();
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now.monotonic);
        if due(deadline) {
            self.tell_progress();
            self.core.tick(now);
            return Turn::Moved;
        }
        match due(patience) {
            true => Turn::Idle,
            false => Turn::Moved,
        }
    }

    /// For the first time or anew, with what was exchanged since the last start.
    fn start(&mut self) -> Turn {
        let Exchanged { account, trust, .. } = self.shared.begin();
        if let Some(account) = account
            && let Err(error) = self.core.exchange_account(account)
        {
            debug!(%error, "the account does not fit, the old one stays");
        }
        if let (Some(trust), Some(tls)) = (trust, &mut self.route.tls) {
            *tls = tls::client_config(&trust);
        }
        self.stage = Stage::Running;
        let now = self.now();
        self.core.start(now);
        Turn::Moved
    }

    /// The stream has come to rest.
    fn rest(&mut self) -> Turn {
        debug!(status = %self.core.status(), "the stream is at rest");
        self.stage = Stage::AtRest;
        self.link = Link::None;
        self.requests.clear();
        let (seat, delivery) = (self.seat.upgrade(), Arc::clone(&self.delivery));
        let mut finished = false;
        let again = self.shared.rest(|| {
            // Here no start comes between, after which the queue must be open again.
            delivery.finish();
            finished = true;
            Box::new(move || {
                if let Some(seat) = seat {
                    seat.begin_anew();
                }
            })
        });
        self.news.notify(usize::MAX);
        if again {
            self.wanted.store(true, Ordering::Release);
            return Turn::Moved;
        }
        if !finished {
            // Nobody is left who could start.
            self.delivery.finish();
        }
        Turn::Ended
    }

    /// Sampled once for each wake-up.
    fn now(&mut self) -> Now {
        *self.now.get_or_insert_with(|| Now {
            monotonic: Instant::now(),
            utc: SystemTime::now(),
        })
    }

    /// Looks at everything that could have news.
    fn look(&mut self, context: &mut Context<'_>) -> Poll<Happening> {
        let now = self.now().monotonic;
        for (id, attempt) in &mut self.requests {
            if let Poll::Ready(exchanged) = attempt.advance(context, &self.waiting, now) {
                let answer = Box::new(exchanged.map(|(answer, _, _)| answer));
                return Poll::Ready(Happening::Answered(*id, answer));
            }
        }
        let news = self.link.advance(context, &self.waiting, now);
        news.map(Happening::Link)
    }

    /// How far the attempt is, or that a message has begun to come: before each wait, and before each tick, since either
    /// may have changed in a wait that did not end by it.
    fn tell_progress(&mut self) {
        let now = self.now();
        match &mut self.link {
            Link::Open(open) => {
                if let Some(mid_message) = open.take_received() {
                    self.core.bytes_received(now, open.id, mid_message);
                }
            }
            Link::Attempt(id, attempt) => self.core.phase(now, *id, attempt.phase()),
            Link::None | Link::Answered { .. } => {}
        }
    }

    fn next_address_at(&self) -> Option<Instant> {
        let link = match &self.link {
            Link::Attempt(_, attempt) => attempt.wake_at(),
            _ => None,
        };
        let requests = self.requests.values().filter_map(Attempt::wake_at);
        requests.chain(link).min()
    }

    /// Whether it is on its way to an end in order.
    pub(crate) fn is_stopping(&self) -> bool {
        self.core.is_stopping()
    }

    #[cfg(test)]
    pub(crate) fn wake_ups(&self) -> u32 {
        self.waiting.wake_ups
    }

    /// Ends a wait, from any thread.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Leaves without waiting: what can be said at once is said (a close frame), everything is dropped.
    pub(crate) fn leave(&mut self) {
        if self.stage == Stage::Running {
            self.now = None;
            let now = self.now();
            self.core.stop(now);
            self.carry_out();
            self.deliver();
            if let Link::Open(open) = self.link.take() {
                open.part();
            }
        }
        self.stage = Stage::Left;
        self.link = Link::None;
        self.requests.clear();
        self.shared.gone();
        self.delivery.finish();
        self.news.notify(usize::MAX);
    }
}

impl Drop for Driver {
    /// With the last that could drive it: a handle may have asked for a start that nobody is left to carry out.
    fn drop(&mut self) {
        self.leave();
    }
}
