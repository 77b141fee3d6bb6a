//! The script: events in the house, and faults for its clients.

use std::time::Duration;

use ioxproto::Now;

use super::Controller;
use crate::call_fault::OnCall;
use crate::event::Event;
use crate::fault::{Ending, Endpoint, OnPost, OnUpgrade, Times};
use crate::house::House;
use crate::options::PortalOptions;
use crate::output::Output;
use crate::subscriber::Delivery;
use crate::websocket;

impl Controller {
    /// Emits an event: the house stores it, and every subscriber receives it, after its replay.
    pub fn emit(&mut self, now: Now, event: &Event) {
        if let Some(house) = &mut self.house {
            house.apply(event);
        }
        self.changes.record(event, now.utc);
        self.broadcast(now, event, true);
    }

    /// Renames a node, the scene or a folder. Returns whether it exists.
    pub fn rename(&mut self, now: Now, address: &str, name: &str) -> bool {
        self.change(now, |house| Some(vec![house.places.rename(address, name)?]))
    }

    /// Moves a node, the scene or a folder into a folder, or to the top (""). Returns whether that
    /// is possible.
    pub fn move_into(&mut self, now: Now, address: &str, folder: &str) -> bool {
        self.change(now, |house| {
            Some(vec![house.places.move_into(address, folder)?])
        })
    }

    /// Adds a node at the top. Returns whether its address was free.
    pub fn add_node(&mut self, now: Now, address: &str, name: &str) -> bool {
        self.change(now, |house| house.add_node(address, name))
    }

    /// Removes a node. Returns whether it existed.
    pub fn remove_node(&mut self, now: Now, address: &str) -> bool {
        self.change(now, |house| Some(vec![house.remove_node(address)?]))
    }

    /// Changes the house and emits the events of the change.
    fn change(&mut self, now: Now, change: impl FnOnce(&mut House) -> Option<Vec<Event>>) -> bool {
        let events = self.house.as_mut().and_then(change);
        for event in events.iter().flatten() {
            self.emit(now, event);
        }
        events.is_some()
    }

    /// Makes REST calls fail in this way. Several plans follow each other.
    pub fn on_call(&mut self, fault: OnCall, times: Times) {
        self.on_call.add(fault, times);
    }

    /// Ends the faults of REST calls.
    pub fn call_normally(&mut self) {
        self.on_call.clear();
    }

    /// Lets the house change by itself once: one event, or a few that belong together. A recorded
    /// house does nothing.
    pub fn happen(&mut self, now: Now) {
        let local = self.local(now);
        let Some(house) = &mut self.house else {
            return;
        };
        for event in house.change(&local) {
            self.changes.record(&event, now.utc);
            self.broadcast(now, &event, true);
        }
    }

    /// Lets this many events happen in the house, all at once. If the last change has more events,
    /// the rest are not sent, but the next replay shows them.
    pub fn flood(&mut self, now: Now, events: usize) {
        let local = self.local(now);
        let mut left = events;
        while left > 0 {
            let happened = match &mut self.house {
                Some(house) => house.change(&local),
                None => vec![Event::new("_5", "0")],
            };
            for event in happened.iter().take(left) {
                self.changes.record(event, now.utc);
                self.broadcast(now, event, true);
            }
            left = left.saturating_sub(happened.len());
        }
    }

    /// Performs an output on every subscriber's connection, immediately, even during the replay.
    pub fn send(&mut self, output: &Output) {
        if let Output::End(ending) = output {
            return self.end(*ending);
        }
        for id in self.subscribers.keys().chain(self.waiting.keys()) {
            self.outputs.push_back((*id, output.clone()));
        }
    }

    /// Ends every subscriber's connection.
    pub fn end(&mut self, ending: Ending) {
        let ids = self.subscribers.keys().chain(self.waiting.keys());
        for id in ids.copied().collect::<Vec<_>>() {
            self.end_one(id, ending);
        }
    }

    /// Makes upgrades fail in this way. Several plans follow each other.
    pub fn on_upgrade(&mut self, fault: OnUpgrade, times: Times) {
        self.on_upgrade.add(fault, times);
    }

    /// Ends the faults of upgrades.
    pub fn upgrade_normally(&mut self) {
        self.on_upgrade.clear();
    }

    /// Makes logins, refreshes or logouts fail in this way. Several plans follow each other.
    pub fn on_post(&mut self, endpoint: Endpoint, fault: OnPost, times: Times) {
        self.portal.on_post(endpoint, fault, times);
    }

    /// Ends the faults of logins, refreshes and logouts.
    pub fn post_normally(&mut self) {
        self.portal.post_normally();
    }

    /// Forgets all sessions, as after a reboot: issued tokens are no longer valid.
    pub fn forget_sessions(&mut self) {
        self.portal.forget_sessions();
    }

    /// Sets the options of portal accounts. With `None`, the controller has no portal accounts.
    pub fn set_portal(&mut self, portal: Option<PortalOptions>) {
        self.options.portal = portal;
    }

    /// Sends subscribers on `/api/events/subscribe` the status of the plug-in service.
    pub fn service_status(&mut self, status: &str) {
        for (id, subscriber) in &mut self.subscribers {
            let mut delivery = Delivery {
                id: *id,
                options: &self.options,
                outputs: &mut self.outputs,
            };
            subscriber.service_status(status, &mut delivery);
        }
    }

    /// Sets whether upgrades without the headers of an ISY-994 are answered 400.
    pub fn require_isy994_headers(&mut self, require: bool) {
        self.options.require_isy994_headers = require;
    }

    /// Sets whether a 101 echoes the subprotocol.
    pub fn echo_subprotocol(&mut self, echo: bool) {
        self.options.echo_subprotocol = echo;
    }

    /// Pauses each replay after this many frames, until released.
    pub fn hold_replay(&mut self, after_frames: usize) {
        self.replay_held_after = Some(after_frames);
    }

    /// Resumes the replays.
    pub fn release_replay(&mut self, now: Now) {
        self.replay_held_after = None;
        self.tick(now);
    }

    /// Adds one more text frame to each later replay, before its end marks: these bytes, which need
    /// not be UTF-8. Has no effect in a recorded house.
    pub fn add_to_replay(&mut self, bytes: Vec<u8>) {
        self.replay_extras.push(bytes);
    }

    /// Sets whether heartbeats are sent when they are due. Missed heartbeats are not sent later.
    pub fn heartbeats(&mut self, now: Now, sent: bool) {
        self.heartbeats = sent;
        let every = self.options.heartbeat_every;
        for subscriber in self.subscribers.values_mut() {
            subscriber.reschedule_heartbeats(now, every);
        }
    }

    /// Sends a heartbeat now that announces this interval, be it a number of seconds or not.
    pub fn heartbeat(&mut self, now: Now, interval: &str) {
        self.broadcast(now, &Event::new("_0", interval), true);
    }

    /// Sets whether pings are answered.
    pub fn pongs(&mut self, answered: bool) {
        self.pongs = answered;
    }

    /// Shifts the next sequence number of each subscriber: 1 skips a number, -1 repeats one.
    pub fn shift_seqnum(&mut self, by: i64) {
        for subscriber in self.subscribers.values_mut() {
            subscriber.shift_seqnum(by);
        }
    }

    /// Sends a text message of exactly these bytes, UTF-8 or not.
    pub fn send_text_bytes(&mut self, bytes: &[u8]) {
        self.send(&Output::Raw(websocket::frame(websocket::TEXT, bytes)));
    }

    /// Sends a binary message.
    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.send(&Output::Raw(websocket::frame(websocket::BINARY, bytes)));
    }

    /// Sends a text message in three fragments with a ping between each two.
    pub fn send_fragmented(&mut self, text: &str) {
        let (first, rest) = text.as_bytes().split_at(text.len() / 3);
        let (second, third) = rest.split_at(rest.len() / 2);
        let frames = websocket::fragmented(&[first, second, third]);
        self.send(&Output::Raw(frames));
    }

    /// Sends a text message of this many bytes, in fragments of this many. It is generated while it
    /// is sent.
    pub fn send_long(&mut self, bytes: u64, fragment: u64) {
        self.send(&Output::Long { bytes, fragment });
    }

    /// Sends a text message byte by byte, with this pause after each.
    pub fn send_slowly(&mut self, text: &str, pause: Duration) {
        let bytes = websocket::frame(websocket::TEXT, text.as_bytes());
        self.send(&Output::Slowly { bytes, pause });
    }
}
