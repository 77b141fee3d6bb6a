//! The handle with which a test scripts and observes a running server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::call_fault::OnCall;
use crate::event::Event;
use crate::fault::{Ending, Endpoint, OnConnect, OnPost, OnUpgrade, Times};
use crate::observation::Observation;
use crate::options::PortalOptions;
use crate::output::Output;
use crate::shared::Shared;

/// Scripts and observes a running server. Cheap to clone, usable from any thread.
///
/// Each method takes effect before it returns: what it sends is queued, in the order of the calls.
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

/// Events and changes in the house.
impl Control {
    /// Emits an event: the house stores it, and every subscriber receives it, after its replay.
    pub fn emit(&self, event: &Event) {
        self.shared
            .with(|controller, now| controller.emit(now, event));
    }

    /// Renames a node, the scene or a folder. Returns whether it exists.
    pub fn rename(&self, address: &str, name: &str) -> bool {
        self.shared
            .with(|controller, now| controller.rename(now, address, name))
    }

    /// Moves a node, the scene or a folder into a folder, or to the top (""). Returns whether that
    /// is possible.
    pub fn move_into(&self, address: &str, folder: &str) -> bool {
        self.shared
            .with(|controller, now| controller.move_into(now, address, folder))
    }

    /// Adds a node at the top. Returns whether its address was free.
    pub fn add_node(&self, address: &str, name: &str) -> bool {
        self.shared
            .with(|controller, now| controller.add_node(now, address, name))
    }

    /// Removes a node. Returns whether it existed.
    pub fn remove_node(&self, address: &str) -> bool {
        self.shared
            .with(|controller, now| controller.remove_node(now, address))
    }

    /// Lets the house change by itself once: one event, or a few that belong together. A recorded
    /// house does nothing.
    pub fn happen(&self) {
        self.shared.with(|controller, now| controller.happen(now));
    }

    /// Lets this many events happen in the house, all at once. If the last change has more events,
    /// the rest are not sent, but the next replay shows them.
    pub fn flood(&self, events: usize) {
        self.shared
            .with(|controller, now| controller.flood(now, events));
    }

    /// Returns the addresses of the nodes, in the order of the replay; none in a recorded house.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.shared.with(|controller, _| controller.nodes())
    }

    /// Returns the last event of a node's property or command; none in a recorded house.
    #[must_use]
    pub fn last(&self, node: &str, control: &str) -> Option<Event> {
        self.shared
            .with(|controller, _| controller.last(node, control))
    }

    /// Returns the number of frames in the replay of a subscriber that connects now.
    #[must_use]
    pub fn replay_frames(&self) -> usize {
        self.shared.with(|controller, _| controller.replay_frames())
    }
}

/// Faults before a subscription.
impl Control {
    /// Makes TCP connections fail in this way. Several plans follow each other.
    pub fn on_connect(&self, fault: OnConnect, times: Times) {
        self.shared.plan_on_connect(fault, times);
    }

    /// Makes upgrades fail in this way. Several plans follow each other.
    pub fn on_upgrade(&self, fault: OnUpgrade, times: Times) {
        self.shared
            .with(|controller, _| controller.on_upgrade(fault, times));
    }

    /// Makes REST calls fail in this way. Several plans follow each other.
    pub fn on_call(&self, fault: OnCall, times: Times) {
        self.shared
            .with(|controller, _| controller.on_call(fault, times));
    }

    /// Ends the faults of REST calls.
    pub fn call_normally(&self) {
        self.shared.with(|controller, _| controller.call_normally());
    }

    /// Ends the faults of connections and upgrades.
    pub fn accept_normally(&self) {
        self.shared.connect_normally();
        self.shared
            .with(|controller, _| controller.upgrade_normally());
    }

    /// Sets whether upgrades without the headers of an ISY-994 are answered 400.
    pub fn require_isy994_headers(&self, require: bool) {
        self.shared
            .with(|controller, _| controller.require_isy994_headers(require));
    }

    /// Sets whether a 101 echoes the subprotocol.
    pub fn echo_subprotocol(&self, echo: bool) {
        self.shared
            .with(|controller, _| controller.echo_subprotocol(echo));
    }

    /// Makes logins, refreshes or logouts fail in this way. Several plans follow each other.
    pub fn on_post(&self, endpoint: Endpoint, fault: OnPost, times: Times) {
        self.shared
            .with(|controller, _| controller.on_post(endpoint, fault, times));
    }

    /// Ends the faults of logins, refreshes and logouts.
    pub fn post_normally(&self) {
        self.shared.with(|controller, _| controller.post_normally());
    }

    /// Forgets all sessions, as after a reboot: issued tokens are no longer valid.
    pub fn forget_sessions(&self) {
        self.shared
            .with(|controller, _| controller.forget_sessions());
    }

    /// Sets the options of portal accounts. With `None`, the controller has no portal accounts.
    pub fn set_portal(&self, portal: Option<PortalOptions>) {
        self.shared
            .with(|controller, _| controller.set_portal(portal));
    }

    /// Pauses each replay after this many frames, until released.
    pub fn hold_replay(&self, after_frames: usize) {
        self.shared
            .with(|controller, _| controller.hold_replay(after_frames));
    }

    /// Resumes the replays.
    pub fn release_replay(&self) {
        self.shared
            .with(|controller, now| controller.release_replay(now));
    }

    /// Adds one more text frame to each later replay, before its end marks: these bytes, which need
    /// not be UTF-8. Has no effect in a recorded house.
    pub fn add_to_replay(&self, bytes: impl Into<Vec<u8>>) {
        self.shared
            .with(|controller, _| controller.add_to_replay(bytes.into()));
    }
}

/// Faults of a subscription.
impl Control {
    /// Stops the server, as if its process were stopped: it accepts, reads, sends and ticks
    /// nothing.
    pub fn freeze(&self) {
        self.shared.frozen.send_replace(true);
    }

    /// Resumes after a [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.shared.frozen.send_replace(false);
    }

    /// Ends all open connections, those without a subscriber too.
    pub fn end(&self, ending: Ending) {
        self.shared.ending.send_replace(ending);
        self.shared.with(|controller, _| controller.end(ending));
    }

    /// Sets whether heartbeats are sent when they are due.
    pub fn heartbeats(&self, sent: bool) {
        self.shared
            .with(|controller, now| controller.heartbeats(now, sent));
    }

    /// Sends a heartbeat now that announces this interval, be it a number of seconds or not.
    pub fn heartbeat(&self, interval: &str) {
        self.shared
            .with(|controller, now| controller.heartbeat(now, interval));
    }

    /// Sets whether pings are answered.
    pub fn pongs(&self, answered: bool) {
        self.shared.with(|controller, _| controller.pongs(answered));
    }

    /// Shifts the next sequence number of each subscriber: 1 skips a number, -1 repeats one.
    pub fn shift_seqnum(&self, by: i64) {
        self.shared
            .with(|controller, _| controller.shift_seqnum(by));
    }

    /// Sends subscribers on `/api/events/subscribe` the status of the plug-in service, such as
    /// `active`. The frame has no sequence number, but uses one up.
    pub fn service_status(&self, status: &str) {
        self.shared
            .with(|controller, _| controller.service_status(status));
    }

    /// Sends a text message as it is, without adding a sequence number or a stamp.
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

    /// Sends a text message of this many bytes, in fragments of this many. It is generated while it
    /// is sent, so that it may be larger than memory.
    pub fn send_long(&self, bytes: u64, fragment: u64) {
        self.shared
            .with(|controller, _| controller.send_long(bytes, fragment));
    }

    /// Sends a text message byte by byte, with this pause after each.
    pub fn send_slowly(&self, text: &str, pause: Duration) {
        self.shared
            .with(|controller, _| controller.send_slowly(text, pause));
    }

    /// Sends bytes, which need not be WebSocket frames.
    pub fn send_raw(&self, bytes: impl Into<Vec<u8>>) {
        let output = Output::Raw(bytes.into());
        self.shared.with(|controller, _| controller.send(&output));
    }
}

/// What the server has seen.
impl Control {
    /// Waits until the observation meets this condition, and returns it. Has no time limit of its
    /// own.
    pub async fn wait_for(&self, condition: impl FnMut(&Observation) -> bool) -> Observation {
        let mut receiver = self.shared.observation.subscribe();
        match receiver.wait_for(condition).await {
            Ok(seen) => seen.clone(),
            // Unreachable: this handle owns the sender.
            Err(_) => self.seen(),
        }
    }

    /// Returns what the server has seen so far.
    #[must_use]
    pub fn seen(&self) -> Observation {
        self.shared.observation.borrow().clone()
    }

    /// Returns the number of TCP connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.observation.borrow().connections
    }

    /// Returns the number of upgrades answered with a 101 so far.
    #[must_use]
    pub fn upgrades(&self) -> u64 {
        self.shared.observation.borrow().upgrades
    }

    /// Returns the current number of subscribers.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.shared.observation.borrow().subscribers
    }

    /// Returns the headers of the last request.
    #[must_use]
    pub fn last_request_headers(&self) -> HeaderMap {
        self.seen().last_request_headers
    }

    /// Returns the number of bytes received as HTTP so far.
    #[must_use]
    pub fn http_bytes(&self) -> u64 {
        self.shared.observation.borrow().http_bytes
    }

    /// Returns the close codes received from clients so far.
    #[must_use]
    pub fn closes(&self) -> Vec<Option<u16>> {
        self.seen().closes.into()
    }
}
