//! The handle by which a test scripts a running server and observes it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::call_fault::OnCall;
use crate::controller::Output;
use crate::event::Event;
use crate::fault::{Ending, Endpoint, OnConnect, OnPost, OnUpgrade, Times};
use crate::observation::Observation;
use crate::options::PortalOptions;
use crate::shared::Shared;

/// Scripts a running server and observes it. Cheap to clone, usable from any thread.
///
/// Each call takes effect before it returns: what it sends is queued, in the order of the calls.
///
/// ```
/// # async fn example(server: ioxsim::Server) {
/// use ioxsim::{Ending, OnUpgrade, Times};
///
/// let control = server.control();
/// control.on_upgrade(OnUpgrade::refuse_with(503, "Retry-After", "7"), Times::Next(2));
/// control.end(Ending::Reset);
/// control.wait_for(|seen| seen.upgrades == 1).await;
/// # }
/// ```
#[derive(Clone)]
pub struct Control {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// What happens in the house.
impl Control {
    /// An event happens: the house takes note of it, and every subscriber is told, after its
    /// replay.
    pub fn emit(&self, event: &Event) {
        self.shared
            .with(|controller, now| controller.emit(now, event));
    }

    /// A node, the scene or a folder is renamed; whether there is one such.
    pub fn rename(&self, address: &str, name: &str) -> bool {
        self.shared
            .with(|controller, now| controller.rename(now, address, name))
    }

    /// A node, the scene or a folder moves into a folder, or to the top (""); whether it can.
    pub fn move_into(&self, address: &str, folder: &str) -> bool {
        self.shared
            .with(|controller, now| controller.move_into(now, address, folder))
    }

    /// A node is added at the top; whether its address was free.
    pub fn add_node(&self, address: &str, name: &str) -> bool {
        self.shared
            .with(|controller, now| controller.add_node(now, address, name))
    }

    /// A node is removed; whether there was one such.
    pub fn remove_node(&self, address: &str) -> bool {
        self.shared
            .with(|controller, now| controller.remove_node(now, address))
    }

    /// Something happens in the house, as by itself: one event, or a few that belong together. In a
    /// recorded house nothing does.
    pub fn happen(&self) {
        self.shared.with(|controller, now| controller.happen(now));
    }

    /// This many events happen in the house, all at once. Of the last that belong together some may
    /// be left out, to be told by the next replay.
    pub fn flood(&self, events: usize) {
        self.shared
            .with(|controller, now| controller.flood(now, events));
    }

    /// The addresses of the nodes, in the order of the replay; none in a recorded house.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.shared.with(|controller, _| controller.nodes())
    }

    /// The last event of a node's property or command; none in a recorded house.
    #[must_use]
    pub fn last(&self, node: &str, control: &str) -> Option<Event> {
        self.shared
            .with(|controller, _| controller.last(node, control))
    }

    /// How many frames the replay has for whoever connects now.
    #[must_use]
    pub fn replay_frames(&self) -> usize {
        self.shared.with(|controller, _| controller.replay_frames())
    }
}

/// Faults on the way to a subscription.
impl Control {
    /// TCP connections fare like this; several plans follow each other.
    pub fn on_connect(&self, fault: OnConnect, times: Times) {
        self.shared.plan_on_connect(fault, times);
    }

    /// Upgrades go wrong in this way; several plans follow each other.
    pub fn on_upgrade(&self, fault: OnUpgrade, times: Times) {
        self.shared
            .with(|controller, _| controller.on_upgrade(fault, times));
    }

    /// Calls go wrong in this way; several plans follow each other.
    pub fn on_call(&self, fault: OnCall, times: Times) {
        self.shared
            .with(|controller, _| controller.on_call(fault, times));
    }

    /// Calls go well again.
    pub fn call_normally(&self) {
        self.shared.with(|controller, _| controller.call_normally());
    }

    /// Connects and upgrades go well again.
    pub fn accept_normally(&self) {
        self.shared.connect_normally();
        self.shared
            .with(|controller, _| controller.upgrade_normally());
    }

    /// From now on 400 is, or is not, the answer to upgrades without the headers of an ISY-994.
    pub fn require_isy994_headers(&self, require: bool) {
        self.shared
            .with(|controller, _| controller.require_isy994_headers(require));
    }

    /// From now on the subprotocol is, or is not, echoed in a 101.
    pub fn echo_subprotocol(&self, echo: bool) {
        self.shared
            .with(|controller, _| controller.echo_subprotocol(echo));
    }

    /// Logins, refreshes or logouts go wrong in this way; several plans follow each other.
    pub fn on_post(&self, endpoint: Endpoint, fault: OnPost, times: Times) {
        self.shared
            .with(|controller, _| controller.on_post(endpoint, fault, times));
    }

    /// Logins, refreshes and logouts go well again.
    pub fn post_normally(&self) {
        self.shared.with(|controller, _| controller.post_normally());
    }

    /// All sessions are forgotten, as after a reboot: tokens that were issued are worth nothing.
    pub fn forget_sessions(&self) {
        self.shared
            .with(|controller, _| controller.forget_sessions());
    }

    /// The portal accounts' side is like this from now on; none makes a controller that has no such
    /// accounts.
    pub fn set_portal(&self, portal: Option<PortalOptions>) {
        self.shared
            .with(|controller, _| controller.set_portal(portal));
    }

    /// Replays stop after this many frames until released.
    pub fn hold_replay(&self, after_frames: usize) {
        self.shared
            .with(|controller, _| controller.hold_replay(after_frames));
    }

    /// Replays go on.
    pub fn release_replay(&self) {
        self.shared
            .with(|controller, now| controller.release_replay(now));
    }

    /// Each replay from now on has one more text frame, before its end marks: these bytes, which
    /// need not be UTF-8. Not in a recorded house.
    pub fn add_to_replay(&self, bytes: impl Into<Vec<u8>>) {
        self.shared
            .with(|controller, _| controller.add_to_replay(bytes.into()));
    }
}

/// Faults of a subscription.
impl Control {
    /// Stops everything, as if the process were stopped: nothing is accepted, read, sent or ticked.
    pub fn freeze(&self) {
        self.shared.frozen.send_replace(true);
    }

    /// Goes on after a [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.shared.frozen.send_replace(false);
    }

    /// Ends all connections that are open now, subscribers' or not.
    pub fn end(&self, ending: Ending) {
        self.shared.ending.send_replace(ending);
        self.shared.with(|controller, _| controller.end(ending));
    }

    /// Whether heartbeats are sent when their time comes.
    pub fn heartbeats(&self, sent: bool) {
        self.shared
            .with(|controller, now| controller.heartbeats(now, sent));
    }

    /// Sends a heartbeat now that promises this, be it a number of seconds or not.
    pub fn heartbeat(&self, promise: &str) {
        self.shared
            .with(|controller, now| controller.heartbeat(now, promise));
    }

    /// Whether pings are answered.
    pub fn pongs(&self, answered: bool) {
        self.shared.with(|controller, _| controller.pongs(answered));
    }

    /// The next number of each subscriber is off by so much: 1 skips a number, -1 repeats one.
    pub fn shift_seqnum(&self, by: i64) {
        self.shared
            .with(|controller, _| controller.shift_seqnum(by));
    }

    /// Tells subscribers on `/api/events/subscribe` the status of the plug-in service, `active`
    /// say, by a frame that takes a number without carrying one.
    pub fn service_status(&self, status: &str) {
        self.shared
            .with(|controller, _| controller.service_status(status));
    }

    /// Sends a text message as it is; the controller numbers and stamps nothing in it.
    pub fn send_text(&self, text: impl Into<String>) {
        let output = Output::Text(text.into());
        self.shared.with(|controller, _| controller.send(&output));
    }

    /// Sends a text message of exactly these bytes, UTF-8 or not.
    pub fn send_text_bytes(&self, bytes: &[u8]) {
        self.shared
            .with(|controller, _| controller.send_text_bytes(bytes));
    }

    /// Sends a binary message.
    pub fn send_binary(&self, bytes: &[u8]) {
        self.shared
            .with(|controller, _| controller.send_binary(bytes));
    }

    /// Sends a text message in three fragments with a ping between each two.
    pub fn send_fragmented(&self, text: &str) {
        self.shared
            .with(|controller, _| controller.send_fragmented(text));
    }

    /// Sends a text message of this many bytes, in fragments of this many. It is made while it is
    /// sent, so that it may be longer than what memory holds.
    pub fn send_long(&self, bytes: u64, fragment: u64) {
        self.shared
            .with(|controller, _| controller.send_long(bytes, fragment));
    }

    /// Sends a text message byte by byte, with this pause after each.
    pub fn send_slowly(&self, text: &str, pause: Duration) {
        self.shared
            .with(|controller, _| controller.send_slowly(text, pause));
    }

    /// Sends bytes that need be no WebSocket frames.
    pub fn send_raw(&self, bytes: impl Into<Vec<u8>>) {
        let output = Output::Raw(bytes.into());
        self.shared.with(|controller, _| controller.send(&output));
    }
}

/// What can be seen.
impl Control {
    /// Waits until what the server saw is like this, and returns it. Put a time limit around it.
    pub async fn wait_for(&self, like_this: impl FnMut(&Observation) -> bool) -> Observation {
        let mut receiver = self.shared.observation.subscribe();
        match receiver.wait_for(like_this).await {
            Ok(seen) => seen.clone(),
            // Cannot be: the sender is our own.
            Err(_) => self.seen(),
        }
    }

    /// What the server saw so far.
    #[must_use]
    pub fn seen(&self) -> Observation {
        self.shared.observation.borrow().clone()
    }

    /// TCP connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.observation.borrow().connections
    }

    /// Upgrades answered with a 101 so far.
    #[must_use]
    pub fn upgrades(&self) -> u64 {
        self.shared.observation.borrow().upgrades
    }

    /// Subscribers now.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.shared.observation.borrow().subscribers
    }

    /// The headers of the last request.
    #[must_use]
    pub fn last_request_headers(&self) -> HeaderMap {
        self.seen().last_request_headers
    }

    /// Bytes that came as HTTP so far.
    #[must_use]
    pub fn http_bytes(&self) -> u64 {
        self.shared.observation.borrow().http_bytes
    }

    /// Close codes from clients so far.
    #[must_use]
    pub fn closes(&self) -> Vec<Option<u16>> {
        self.seen().closes.into()
    }
}
