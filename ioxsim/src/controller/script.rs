//! Script commands: events in the house, and failures for its subscribers.

use std::time::Duration;

use ioxproto::Now;

use super::{Controller, Output};
use crate::call_fault::OnCall;
use crate::event::Event;
use crate::fault::{Ending, Endpoint, OnPost, OnUpgrade, Times};
use crate::house::House;
use crate::options::PortalOptions;
use crate::subscriber::Delivery;
use crate::websocket;

impl Controller {
    /// An event happens: the house takes note of it, and every subscriber is told, after its
    /// replay.
    pub fn emit(&mut self, now: Now, event: &Event) {
        if let Some(house) = &mut self.house {
            house.apply(event);
        }
        self.changes.happened(event, now.utc);
        self.tell(now, event, true);
    }

    /// A node, the scene or a folder is renamed; whether there is one such.
    pub fn rename(&mut self, now: Now, address: &str, name: &str) -> bool {
        self.change(now, |house| Some(vec![house.places.rename(address, name)?]))
    }

    /// A node, the scene or a folder moves into a folder, or to the top (""); whether it can.
    pub fn move_into(&mut self, now: Now, address: &str, folder: &str) -> bool {
        self.change(now, |house| {
            Some(vec![house.places.move_into(address, folder)?])
        })
    }

    /// A node is added at the top; whether its address was free.
    pub fn add_node(&mut self, now: Now, address: &str, name: &str) -> bool {
        self.change(now, |house| house.add_node(address, name))
    }

    /// A node is removed; whether there was one such.
    pub fn remove_node(&mut self, now: Now, address: &str) -> bool {
        self.change(now, |house| Some(vec![house.remove_node(address)?]))
    }

    /// Changes the house and tells of it.
    fn change(&mut self, now: Now, change: impl FnOnce(&mut House) -> Option<Vec<Event>>) -> bool {
        let events = self.house.as_mut().and_then(change);
        for event in events.iter().flatten() {
            self.emit(now, event);
        }
        events.is_some()
    }

    /// Calls go wrong in this way; several plans follow each other.
    pub fn on_call(&mut self, fault: OnCall, times: Times) {
        self.on_call.add(fault, times);
    }

    /// Calls go well again.
    pub fn call_normally(&mut self) {
        self.on_call.clear();
    }

    /// Something happens in the house, as by itself: one event, or a few that belong together. In a
    /// recorded house nothing does.
    pub fn happen(&mut self, now: Now) {
        let local = self.local(now);
        let Some(house) = &mut self.house else {
            return;
        };
        for event in house.change(&local) {
            self.changes.happened(&event, now.utc);
            self.tell(now, &event, true);
        }
    }

    /// This many events happen in the house, all at once. Of the last that belong together some may
    /// be left out, to be told by the next replay.
    pub fn flood(&mut self, now: Now, events: usize) {
        let local = self.local(now);
        let mut left = events;
        while left > 0 {
            let happened = match &mut self.house {
                Some(house) => house.change(&local),
                None => vec![Event::new("_5", "0")],
            };
            for event in happened.iter().take(left) {
                self.changes.happened(event, now.utc);
                self.tell(now, event, true);
            }
            left = left.saturating_sub(happened.len());
        }
    }

    /// Does this on every subscriber's connection, at once and whatever its replay is doing.
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

    /// Upgrades go wrong in this way; several plans follow each other.
    pub fn on_upgrade(&mut self, fault: OnUpgrade, times: Times) {
        self.on_upgrade.add(fault, times);
    }

    /// Upgrades go well again.
    pub fn upgrade_normally(&mut self) {
        self.on_upgrade.clear();
    }

    /// Logins, refreshes or logouts go wrong in this way; several plans follow each other.
    pub fn on_post(&mut self, endpoint: Endpoint, fault: OnPost, times: Times) {
        self.portal.on_post(endpoint, fault, times);
    }

    /// Logins, refreshes and logouts go well again.
    pub fn post_normally(&mut self) {
        self.portal.post_normally();
    }

    /// All sessions are forgotten, as after a reboot: tokens that were issued are worth nothing.
    pub fn forget_sessions(&mut self) {
        self.portal.forget_sessions();
    }

    /// The portal accounts' side is like this from now on; none makes a controller that has no such
    /// accounts.
    pub fn set_portal(&mut self, portal: Option<PortalOptions>) {
        self.options.portal = portal;
    }

    /// Tells subscribers on `/api/events/subscribe` the status of the plug-in service.
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

    /// From now on 400 is, or is not, the answer to upgrades without the headers of an ISY-994.
    pub fn require_isy994_headers(&mut self, require: bool) {
        self.options.require_isy994_headers = require;
    }

    /// From now on the subprotocol is, or is not, echoed in a 101.
    pub fn echo_subprotocol(&mut self, echo: bool) {
        self.options.echo_subprotocol = echo;
    }

    /// Replays stop after this many frames until released.
    pub fn hold_replay(&mut self, after_frames: usize) {
        self.replay_held_after = Some(after_frames);
    }

    /// Replays go on.
    pub fn release_replay(&mut self, now: Now) {
        self.replay_held_after = None;
        self.tick(now);
    }

    /// Each replay from now on has one more text frame, before its end marks: these bytes, which
    /// need not be UTF-8. Not in a recorded house.
    pub fn add_to_replay(&mut self, bytes: Vec<u8>) {
        self.replay_extras.push(bytes);
    }

    /// Whether heartbeats are sent when their time comes. Those missed are not made up for.
    pub fn heartbeats(&mut self, now: Now, sent: bool) {
        self.heartbeats = sent;
        let every = self.options.heartbeat_every;
        for subscriber in self.subscribers.values_mut() {
            subscriber.heartbeats_resume(now, every);
        }
    }

    /// Sends a heartbeat now that promises this, be it a number of seconds or not.
    pub fn heartbeat(&mut self, now: Now, promise: &str) {
        self.tell(now, &Event::new("_0", promise), true);
    }

    /// Whether pings are answered.
    pub fn pongs(&mut self, answered: bool) {
        self.pongs = answered;
    }

    /// The next number of each subscriber is off by so much: 1 skips a number, -1 repeats one.
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

    /// Sends a text message of this many bytes, in fragments of this many; it is made while it is
    /// sent.
    pub fn send_long(&mut self, bytes: u64, fragment: u64) {
        self.send(&Output::Long { bytes, fragment });
    }

    /// Sends a text message byte by byte.
    pub fn send_slowly(&mut self, text: &str, pause: Duration) {
        let bytes = websocket::frame(websocket::TEXT, text.as_bytes());
        self.send(&Output::Slowly { bytes, pause });
    }
}
