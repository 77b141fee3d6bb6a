//! The steps of a house on a connection to the broker: list what it holds, then open the commands.

use ioxproto::{Now, Status};

use super::{BrokerProgress, House};
use crate::discovery::Announcer;
use crate::machine::{Output, Shared, Step};
use crate::slug::uuid_slug;

impl House {
    /// Starts the first step on a new connection to the broker.
    pub(in crate::machine) fn begin(&mut self, shared: &mut Shared, now: Now) {
        self.progress.is_broker_connected = true;
        if self.progress.states_listed {
            self.proceed(shared, now);
        } else {
            shared.outbox.hold(self.owner());
            shared.subscribe(self.topics.all(), false, true);
            shared.mark(now, Some(self.watch), Step::States);
        }
    }

    /// Handles the loss of the connection to the broker.
    pub(in crate::machine) fn broker_lost(&mut self) {
        self.progress.is_broker_connected = false;
        self.progress.is_open = false;
        self.progress.is_listing_discovery = false;
    }

    /// Forgets what the previous broker held, so that the new one is listed.
    pub(in crate::machine) fn forget_broker(&mut self) {
        self.progress = BrokerProgress::default();
        self.missing.clear();
    }

    /// Ends a step, because its mark has come back or is overdue.
    pub(in crate::machine) fn passed(&mut self, shared: &mut Shared, now: Now, step: Step) {
        match step {
            Step::BridgeState => {}
            Step::States => {
                self.progress.states_listed = true;
                shared
                    .outputs
                    .push_back(Output::Unsubscribe(self.topics.all()));
                shared.outbox.release(self.owner());
                // The bridge was offline, so clients see the controller as unavailable: keep it so
                // until its stream is live.
                if shared.was_offline && self.status.status != Status::Connected {
                    self.go_offline(shared);
                }
                self.compare_found(shared, now);
                self.publish_sensors(shared, now);
                self.proceed(shared, now);
            }
            Step::Discovery => {
                self.progress.is_listing_discovery = false;
                self.progress.discovery_listed = true;
                if let (Some(prefix), Some(uuid)) = (&shared.settings.prefix, &self.uuid) {
                    let filter = Announcer::filter(prefix, &uuid_slug(uuid));
                    shared.outputs.push_back(Output::Unsubscribe(filter));
                }
                shared.outbox.release(self.owner());
                self.compare_found(shared, now);
                self.proceed(shared, now);
            }
            Step::Commands => self.progress.is_open = true,
        }
    }

    /// Starts the next step, if possible.
    pub(super) fn proceed(&mut self, shared: &mut Shared, now: Now) {
        if !self.progress.is_broker_connected
            || !self.progress.states_listed
            || self.progress.is_listing_discovery
        {
            return;
        }
        let Some(uuid) = &self.uuid else { return };
        match &shared.settings.prefix {
            Some(prefix) if !self.progress.discovery_listed => {
                let filter = Announcer::filter(prefix, &uuid_slug(uuid));
                self.progress.is_listing_discovery = true;
                shared.outbox.hold(self.owner());
                shared.subscribe(filter, false, true);
                shared.mark(now, Some(self.watch), Step::Discovery);
            }
            _ => self.open_commands(shared, now),
        }
    }

    pub(super) fn open_commands(&self, shared: &mut Shared, now: Now) {
        if !shared.settings.commands || self.progress.is_open {
            return;
        }
        for filter in self.topics.commands() {
            shared.subscribe(filter, true, false);
        }
        shared.mark(now, Some(self.watch), Step::Commands);
    }

    /// Unsubscribes from the controller's commands and publishes it as offline.
    pub(in crate::machine) fn end(&mut self, shared: &mut Shared) {
        if self.progress.is_broker_connected && shared.settings.commands {
            for filter in self.topics.commands() {
                shared.outputs.push_back(Output::Unsubscribe(filter));
            }
        }
        shared.outbox.release(self.owner());
        self.go_offline(shared);
    }
}
