//! The controller without sockets: its house, its subscribers, and what it sends each of them, and
//! when.

mod script;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use http::{HeaderMap, Request};
use ioxproto::Now;
use tracing::{debug, trace};

use crate::answer::{AfterAnswer, Answer};
use crate::call_fault::OnCall;
use crate::event::Event;
use crate::fault::{Ending, OnUpgrade, Plan};
use crate::house::House;
use crate::local_time::LocalTime;
use crate::observation::PortalSeen;
use crate::options::{ControllerOptions, HouseSource};
use crate::output::{Output, SubscriberId};
use crate::portal::Portal;
use crate::replay::{self, Changes};
use crate::subscriber::{Delivery, Item, Script, Subscriber};
use crate::upgrade;

/// If the house lags behind by more than this, it skips the time instead of catching up.
const MAX_LAG: Duration = Duration::from_secs(1);

/// The highest rate of events per second.
const MAX_RATE: f64 = 100_000.0;

/// A controller as a state machine: methods take the time as an argument, and outputs are polled.
///
/// It reads no clock and uses no randomness of its own: the same options, calls and times give the
/// same outputs. After each call, poll [`poll_output`](Self::poll_output) until it is empty, and
/// call [`tick`](Self::tick) at the time of [`poll_timeout`](Self::poll_timeout).
///
/// ```
/// use std::time::{Instant, SystemTime};
/// use ioxproto::Now;
/// use ioxsim::{Controller, ControllerOptions, Output};
///
/// let mut now = Now { monotonic: Instant::now(), utc: SystemTime::now() };
/// let mut controller = Controller::new(ControllerOptions::default(), now);
/// let request = b"GET /rest/subscribe HTTP/1.1\r\nHost: eisy\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\
///     Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// let (request, _) = ioxsim::parse_request(request).unwrap().unwrap();
/// let answer = controller.upgrade(now, &request);
/// assert_eq!(answer.status, Some(101));
///
/// let mut frames = Vec::new();
/// while frames.len() < controller.replay_frames() {
///     while let Some((_, Output::Text(text))) = controller.poll_output() {
///         frames.push(text);
///     }
///     let due = controller.poll_timeout().unwrap();
///     now = now.after(due - now.monotonic);
///     controller.tick(now);
/// }
/// assert!(frames.last().unwrap().contains("<control>_22</control>"));
/// ```
#[derive(Debug)]
pub struct Controller {
    options: ControllerOptions,
    house: Option<House>,
    changes: Changes,
    portal: Portal,
    /// Connections on `/api/events/subscribe` that are accepted but have not shown a valid token.
    /// `false` if a token was refused and the connection is ignored.
    waiting: BTreeMap<SubscriberId, bool>,
    /// When the house next changes by itself.
    next_change: Option<Instant>,
    subscribers: BTreeMap<SubscriberId, Subscriber>,
    last_id: u64,
    outputs: VecDeque<(SubscriberId, Output)>,
    on_upgrade: Plan<OnUpgrade>,
    pub(crate) on_call: Plan<OnCall>,
    replay_held_after: Option<usize>,
    replay_extras: Vec<Vec<u8>>,
    heartbeats: bool,
    pongs: bool,
    rng: Rng,
}

impl Controller {
    /// Creates a controller that was just switched on.
    #[must_use]
    pub fn new(options: ControllerOptions, now: Now) -> Self {
        let local = LocalTime::new(now.utc, options.utc_offset_minutes);
        let house = match &options.house {
            HouseSource::Synthetic(house) => Some(House::new(house, &local)),
            HouseSource::Recorded(_) => None,
        };
        let mut controller = Self {
            rng: Rng::with_seed(options.seed),
            changes: Changes::new(now.utc, options.seed),
            portal: Portal::new(options.seed),
            waiting: BTreeMap::new(),
            options,
            house,
            next_change: None,
            subscribers: BTreeMap::new(),
            last_id: 0,
            outputs: VecDeque::new(),
            on_upgrade: Plan::default(),
            on_call: Plan::default(),
            replay_held_after: None,
            replay_extras: Vec::new(),
            heartbeats: true,
            pongs: true,
        };
        controller.next_change = controller
            .interval(1)
            .map(|interval| now.monotonic + interval);
        controller
    }

    // Input from connections.

    /// Answers a request without a body: a read or command, or an upgrade. An accepted upgrade
    /// makes the connection a subscriber.
    pub fn upgrade(&mut self, now: Now, request: &Request<()>) -> Answer {
        if let Some(answer) = self.rest(now, request) {
            return answer;
        }
        let fault = self.on_upgrade.take();
        if let Some(fault) = &fault {
            debug!(?fault, "the upgrade fails as planned");
        }
        match &fault {
            Some(OnUpgrade::Refuse { status, headers }) => {
                let headers = headers.iter().map(|(name, value)| (&**name, &**value));
                return Answer::refusal(*status, headers);
            }
            Some(OnUpgrade::Raw(bytes)) => {
                return Answer::raw(bytes.clone(), AfterAnswer::End(Ending::Close(1000)));
            }
            Some(OnUpgrade::Mute) => return Answer::raw(Vec::new(), AfterAnswer::Mute),
            Some(OnUpgrade::End(ending)) => {
                return Answer::raw(Vec::new(), AfterAnswer::End(*ending));
            }
            Some(OnUpgrade::WrongAcceptKey | OnUpgrade::AcceptThenEnd(_)) | None => {}
        }
        let refusal = upgrade::check_upgrade(&self.options, &mut self.portal, now.utc, request);
        if let Some(refusal) = refusal {
            debug!(status = refusal.status, "request refused");
            return refusal;
        }
        if self.subscribers() >= self.options.max_subscribers {
            debug!("request refused: too many subscribers");
            return Answer::refusal(503, []);
        }
        let accept_key = match fault {
            Some(OnUpgrade::WrongAcceptKey) => "bm90IHRoZSBrZXkgeW91IHdhbnQ=".to_owned(),
            _ => upgrade::accept_key(request),
        };
        let protocol = upgrade::subprotocol(request).filter(|_| self.options.echo_subprotocol);
        self.last_id += 1;
        let id = SubscriberId(self.last_id);
        if upgrade::wants_token(&self.options, request) {
            self.waiting.insert(id, true);
        } else {
            self.subscribe(now, id, false);
        }
        if let Some(OnUpgrade::AcceptThenEnd(ending)) = fault {
            self.end_one(id, ending);
        } else {
            self.tick(now);
        }
        Answer::accepted(id, &accept_key, protocol)
    }

    /// Answers a request with a body: a login, a refresh, a logout, a change of the house. Anything
    /// else is answered 404.
    pub fn post(&mut self, now: Now, request: &Request<Vec<u8>>) -> Answer {
        if let Some(answer) = self.rest_with_body(now, request) {
            return answer;
        }
        let Some(portal) = &self.options.portal else {
            return Answer::refusal(404, []);
        };
        self.portal
            .post(portal, &self.options.prefix, now.utc, request)
            .unwrap_or_else(|| Answer::refusal(404, []))
    }

    /// Handles a text message. On `/api/events/subscribe` the first one must show a token. All
    /// others are ignored.
    pub fn text(&mut self, now: Now, id: SubscriberId, text: &str) {
        let (Some(true), Some(portal)) = (self.waiting.get(&id), &self.options.portal) else {
            return debug!(subscriber = %id, bytes = text.len(), "text from the client ignored");
        };
        if self.portal.first_frame(portal, now.utc, text) {
            self.waiting.remove(&id);
            self.subscribe(now, id, true);
            return self.tick(now);
        }
        debug!(subscriber = %id, then = ?portal.refused_first_frame, "the first frame is refused");
        match portal.refused_first_frame {
            AfterAnswer::End(ending) => self.end_one(id, ending),
            AfterAnswer::Mute => {
                self.waiting.insert(id, false);
            }
        }
    }

    /// Handles a ping.
    pub fn ping(&mut self, _now: Now, id: SubscriberId, payload: &[u8]) {
        if self.pongs && (self.subscribers.contains_key(&id) || self.waiting.contains_key(&id)) {
            self.outputs.push_back((id, Output::Pong(payload.to_vec())));
        }
    }

    /// Removes a subscriber that has sent a close frame or whose connection has ended.
    pub fn closed(&mut self, _now: Now, id: SubscriberId) {
        if self.remove_subscriber(id) {
            debug!(subscriber = %id, "subscriber gone");
        }
    }

    /// Does what is due. May be called at any time.
    pub fn tick(&mut self, now: Now) {
        let Self {
            options,
            subscribers,
            outputs,
            replay_held_after,
            heartbeats,
            ..
        } = self;
        let mut ended = Vec::new();
        for (id, subscriber) in subscribers.iter_mut() {
            let mut delivery = Delivery {
                id: *id,
                options,
                outputs,
            };
            if !subscriber.tick(now, &mut delivery, *replay_held_after, *heartbeats) {
                ended.push(*id);
            }
        }
        for id in ended {
            self.end_one(id, Ending::Close(1000));
        }
        self.change_house(now);
    }

    /// Returns when to [`tick`](Self::tick) next; `None` if nothing is due at any time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.subscribers
            .values()
            .filter_map(|subscriber| subscriber.due(self.replay_held_after, self.heartbeats))
            .chain(self.next_change)
            .min()
    }

    /// Returns the next output, in order.
    pub fn poll_output(&mut self) -> Option<(SubscriberId, Output)> {
        self.outputs.pop_front()
    }

    // Accessors.

    /// Returns the options, with later changes by the script.
    #[must_use]
    pub fn options(&self) -> &ControllerOptions {
        &self.options
    }

    /// Returns the number of subscribers, including those that have not shown a token yet.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.subscribers.len() + self.waiting.len()
    }

    /// Returns what was seen of portal accounts.
    #[must_use]
    pub fn portal_seen(&self) -> &PortalSeen {
        &self.portal.seen
    }

    /// Returns the addresses of the nodes, in the order of the replay; none in a recorded house.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        let addresses = self.house.iter().flat_map(House::addresses);
        addresses.map(str::to_owned).collect()
    }

    /// Returns the last event of a node's property or command; none in a recorded house.
    #[must_use]
    pub fn last(&self, node: &str, control: &str) -> Option<Event> {
        self.house.as_ref()?.last(node, control).cloned()
    }

    /// Returns the number of frames in the replay of a subscriber that connects to
    /// `/rest/subscribe` now.
    #[must_use]
    pub fn replay_frames(&self) -> usize {
        match &self.options.house {
            HouseSource::Recorded(recording) => recording.replay_frames(),
            HouseSource::Synthetic(_) => self.replay(false).len(),
        }
    }

    // Internals.

    fn subscribe(&mut self, now: Now, id: SubscriberId, enveloped: bool) {
        let script = match &self.options.house {
            HouseSource::Recorded(recording) => Script::recorded(now, recording.clone()),
            HouseSource::Synthetic(_) => Script::house(now, self.replay(enveloped)),
        };
        let (from, to) = self.options.first_heartbeat;
        let first = from + to.saturating_sub(from).mul_f64(self.rng.f64());
        let subscriber = Subscriber::new(id, now, first, script, enveloped);
        self.subscribers.insert(id, subscriber);
        debug!(subscriber = %id, "subscriber accepted");
    }

    /// Removes a subscriber. Returns whether it existed.
    fn remove_subscriber(&mut self, id: SubscriberId) -> bool {
        let waited = self.waiting.remove(&id).is_some();
        self.subscribers.remove(&id).is_some() || waited
    }

    fn replay(&self, enveloped: bool) -> Vec<Item> {
        let (house, extras) = (self.house.as_ref(), &self.replay_extras);
        replay::replay(&self.options, house, &self.changes, extras, enveloped)
    }

    /// Makes the changes of the house that are due.
    fn change_house(&mut self, now: Now) {
        let local = self.local(now);
        while let Some(due) = self.next_change.filter(|due| *due <= now.monotonic) {
            let Some(house) = &mut self.house else {
                return;
            };
            let events = house.change(&local);
            for event in &events {
                self.changes.record(event, now.utc);
                self.broadcast(now, event, false);
            }
            let behind = now.monotonic - due > MAX_LAG;
            let from = if behind { now.monotonic } else { due };
            self.next_change = self.interval(events.len()).map(|interval| from + interval);
        }
    }

    /// Returns the time that this many events take at the house's rate.
    fn interval(&mut self, events: usize) -> Option<Duration> {
        let HouseSource::Synthetic(options) = &self.options.house else {
            return None;
        };
        let rate = options.rate_per_second;
        if rate.is_nan() || rate <= 0.0 {
            return None;
        }
        let seconds = events as f64 / rate.min(MAX_RATE) * self.house.as_mut()?.unevenness();
        Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|interval| *interval < Duration::from_secs(1 << 30))
    }

    fn broadcast(&mut self, now: Now, event: &Event, at_once: bool) {
        trace!(control = event.control(), node = event.address(), "event");
        for (id, subscriber) in &mut self.subscribers {
            let mut delivery = Delivery {
                id: *id,
                options: &self.options,
                outputs: &mut self.outputs,
            };
            subscriber.deliver(now, event, at_once, &mut delivery);
        }
    }

    fn end_one(&mut self, id: SubscriberId, ending: Ending) {
        if self.remove_subscriber(id) {
            debug!(subscriber = %id, ?ending, "the controller ends the connection");
            self.outputs.push_back((id, Output::End(ending)));
        }
    }

    pub(crate) fn house_mut(&mut self) -> Option<&mut House> {
        self.house.as_mut()
    }

    /// Whether a request shows a valid token or a local account.
    pub(crate) fn is_authorized(&mut self, utc: SystemTime, headers: &HeaderMap) -> bool {
        let bearer = self.options.portal.as_ref();
        let bearer = bearer.and_then(|_| self.portal.upgrade(utc, headers));
        bearer.unwrap_or_else(|| upgrade::authorized(&self.options.accounts, headers))
    }

    pub(crate) fn local(&self, now: Now) -> LocalTime {
        LocalTime::new(now.utc, self.options.utc_offset_minutes)
    }
}
