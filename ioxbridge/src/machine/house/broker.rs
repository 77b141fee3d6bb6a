//! A house and the broker: listing what is there, then opening the commands.

use ioxproto::{Now, Status};

use super::{House, Sync};
use crate::discovery::Place;
use crate::machine::{Output, Shared, Step};
use crate::slug::uuid_slug;

impl House {
    /// The broker is there.
    pub(in crate::machine) fn begin(&mut self, shared: &mut Shared, now: Now) {
        self.sync.is_connected = true;
        if self.sync.states_listed {
            self.proceed(shared, now);
        } else {
            shared.outbox.hold(self.owner());
            shared.subscribe(self.topics.all(), false, true);
            shared.mark(now, Some(self.watch), Step::States);
        }
    }

    /// The broker is away.
    pub(in crate::machine) fn broker_lost(&mut self) {
        self.sync.is_connected = false;
        self.sync.is_open = false;
        self.sync.is_listing_discovery = false;
    }

    /// Another broker takes the place of the one so far: what it holds is listed again.
    pub(in crate::machine) fn forget_broker(&mut self) {
        self.sync = Sync::default();
        self.missing.clear();
    }

    /// A mark came back.
    pub(in crate::machine) fn passed(&mut self, shared: &mut Shared, now: Now, step: Step) {
        match step {
            Step::BridgeState => {}
            Step::States => {
                self.sync.states_listed = true;
                shared
                    .outputs
                    .push_back(Output::Unsubscribe(self.topics.all()));
                shared.outbox.release(self.owner());
                // Nobody sees the controller as available at the moment: let it stay so until it
                // is.
                if shared.was_offline && self.status.status != Status::Connected {
                    self.go_offline(shared);
                }
                self.compare_found(shared, now);
                self.begin_sensing(shared, now);
                self.proceed(shared, now);
            }
            Step::Discovery => {
                self.sync.is_listing_discovery = false;
                self.sync.discovery_listed = true;
                if let (Some(prefix), Some(uuid)) = (&shared.settings.prefix, &self.uuid) {
                    let filter = Place::filter(prefix, &uuid_slug(uuid));
                    shared.outputs.push_back(Output::Unsubscribe(filter));
                }
                shared.outbox.release(self.owner());
                self.compare_found(shared, now);
                self.proceed(shared, now);
            }
            Step::Commands => self.sync.is_open = true,
        }
    }

    /// Goes on with the next step that is possible.
    pub(super) fn proceed(&mut self, shared: &mut Shared, now: Now) {
        if !self.sync.is_connected || !self.sync.states_listed || self.sync.is_listing_discovery {
            return;
        }
        let Some(uuid) = &self.uuid else { return };
        match &shared.settings.prefix {
            Some(prefix) if !self.sync.discovery_listed => {
                let filter = Place::filter(prefix, &uuid_slug(uuid));
                self.sync.is_listing_discovery = true;
                shared.outbox.hold(self.owner());
                shared.subscribe(filter, false, true);
                shared.mark(now, Some(self.watch), Step::Discovery);
            }
            _ => self.open_commands(shared, now),
        }
    }

    pub(super) fn open_commands(&self, shared: &mut Shared, now: Now) {
        if !shared.settings.commands || self.sync.is_open {
            return;
        }
        for filter in self.topics.commands() {
            shared.subscribe(filter, true, false);
        }
        shared.mark(now, Some(self.watch), Step::Commands);
    }

    /// The bridge leaves the controller.
    pub(in crate::machine) fn end(&mut self, shared: &mut Shared) {
        if self.sync.is_connected && shared.settings.commands {
            for filter in self.topics.commands() {
                shared.outputs.push_back(Output::Unsubscribe(filter));
            }
        }
        shared.outbox.release(self.owner());
        self.go_offline(shared);
    }
}
