//! Removes the objects that are gone from a house.

use std::collections::BTreeSet;

use ioxproto::Now;
use tracing::info;

use super::House;
use crate::discovery::Announcer;
use crate::machine::Shared;
use crate::slug::uuid_slug;
use crate::topics::Subject;

impl House {
    /// Compares a reading with what is published. Removes the objects that this reading and the one
    /// before it lack, and notes those that only this one lacks. `is_selected` selects the objects
    /// that the reading covers.
    pub(super) fn compare_reading(
        &mut self,
        shared: &mut Shared,
        now: Now,
        is_selected: impl Fn(&Subject<'_>) -> bool,
    ) {
        let mut lacking: BTreeSet<String> = BTreeSet::new();
        for topic in shared.outbox.topics_under(&self.topics.base()) {
            if let Some(subject) = self.topics.subject(&topic).filter(&is_selected)
                && !self.is_known(&subject)
            {
                lacking.insert(object(&subject));
            }
        }
        for object in self.announced(shared) {
            let subject = subject_of(&object);
            if subject
                .as_ref()
                .is_some_and(|subject| is_selected(subject) && !self.is_known(subject))
            {
                lacking.insert(object);
            }
        }
        let is_of_this_reading = |name: &String| subject_of(name).is_some_and(|s| is_selected(&s));
        let before: BTreeSet<String> = self
            .missing
            .iter()
            .filter(|name| is_of_this_reading(name))
            .cloned()
            .collect();
        self.missing.retain(|name| !before.contains(name));
        for name in lacking {
            if before.contains(&name) {
                self.remove(shared, &name);
            } else {
                self.missing.insert(name);
                self.loading.schedule_confirmation(now.monotonic);
            }
        }
    }

    /// Compares what was found on the broker with what is known. Removes the objects that are known
    /// to be gone, and schedules a reading if there are unknown ones.
    pub(super) fn compare_found(&mut self, shared: &mut Shared, now: Now) {
        let topics = shared.outbox.topics_under(&self.topics.base());
        let subjects = topics.iter().filter_map(|topic| self.topics.subject(topic));
        let mut found: BTreeSet<String> = subjects.map(|subject| object(&subject)).collect();
        found.extend(self.announced(shared));
        for name in found {
            if self.removed.contains(&name) {
                self.remove(shared, &name);
            } else if subject_of(&name).is_some_and(|subject| !self.is_known(&subject)) {
                self.loading.schedule_confirmation(now.monotonic);
            }
        }
    }

    pub(super) fn is_known(&self, subject: &Subject<'_>) -> bool {
        match subject {
            Subject::Node(node) => self.records.contains_key(*node),
            Subject::Program(id) => self.programs.contains_key(id),
            Subject::Variable(id) => self.variables.contains_key(id),
        }
    }

    /// Returns the objects that have a discovery message on the broker.
    pub(super) fn announced(&self, shared: &Shared) -> Vec<String> {
        let (Some(prefix), Some(uuid)) = (&shared.settings.prefix, &self.uuid) else {
            return Vec::new();
        };
        let base = Announcer::base(prefix, &uuid_slug(uuid));
        let topics = shared.outbox.topics_under(&base);
        let object = |topic: &str| {
            topic
                .strip_prefix(&base)?
                .strip_suffix("/config")
                .map(str::to_owned)
        };
        let objects = topics.iter().filter_map(|topic| object(topic));
        objects.filter(|object| object != "controller").collect()
    }

    /// Removes a node, scene, program or variable, and all its messages on the broker.
    pub(super) fn remove(&mut self, shared: &mut Shared, name: &str) {
        let Some(subject) = subject_of(name) else {
            return;
        };
        info!(
            controller = self.name,
            name, "no longer on the controller: removed from the broker"
        );
        match &subject {
            Subject::Node(node) => {
                if let Some(record) = self.records.remove(*node) {
                    self.state.forget_node(&record.address);
                }
                self.removed.insert((*node).to_owned());
                self.heartbeats.remove(*node);
            }
            Subject::Program(id) => {
                self.programs.remove(id);
            }
            Subject::Variable(id) => {
                self.variables.remove(id);
            }
        }
        let owner = self.owner();
        for topic in shared.outbox.topics_under(&self.topics.base()) {
            if self.topics.subject(&topic).as_ref() == Some(&subject) {
                shared.outbox.clear(owner, &topic);
            }
        }
        self.withdraw(shared, name);
    }

    /// Removes a discovery message, if there is one.
    pub(super) fn withdraw(&self, shared: &mut Shared, object: &str) {
        let (Some(prefix), Some(uuid)) = (&shared.settings.prefix, &self.uuid) else {
            return;
        };
        let topic = format!(
            "{}{object}/config",
            Announcer::base(prefix, &uuid_slug(uuid))
        );
        if shared.outbox.payload(&topic).is_some() {
            shared.outbox.clear(self.owner(), &topic);
        }
    }
}

/// Returns the name of an object, as in the topic of its discovery message.
fn object(subject: &Subject<'_>) -> String {
    match subject {
        Subject::Node(node) => (*node).to_owned(),
        Subject::Program(id) => format!("program_{id}"),
        Subject::Variable(id) => format!("variable_{}_{}", id.kind, id.number),
    }
}

fn subject_of(object: &str) -> Option<Subject<'_>> {
    if let Some(id) = object.strip_prefix("program_") {
        return Some(Subject::Program(id.parse().ok()?));
    }
    if let Some(id) = object.strip_prefix("variable_") {
        let (kind, number) = id.split_once('_')?;
        return Some(Subject::Variable(crate::topics::variable(kind, number)?));
    }
    Some(Subject::Node(object))
}
