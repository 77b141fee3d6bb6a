//! Keeps the names of the house: replaces them when they are read, and updates them from live
//! events.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::{Out, report};
use super::{Change, ChangeKind, ControllerState, Occasion};
use crate::names::{Names, NamesPart};
use crate::view::LifecycleChange;

impl ControllerState {
    /// The names of nodes, scenes, folders, programs and variables, which can be looked up by
    /// address and by name. Empty until they are read or seeded.
    #[must_use]
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// Applies names that were read. Returns what changed since the previous reading.
    ///
    /// Each part that was read replaces the known names of that part. The answer that lists the
    /// nodes also replaces the scenes with their members, and removes the state of nodes that it no
    /// longer contains.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use ioxproto::state::ControllerState;
    /// use ioxproto::names::Names;
    /// use ioxproto::rest::Nodes;
    ///
    /// let named = |name: &str| {
    ///     let answer = format!("<nodes><node><address>n001_porch</address><name>{name}</name></node></nodes>");
    ///     let mut names = Names::default();
    ///     names.take_nodes(&Nodes::parse(answer.as_bytes())?);
    ///     Ok::<_, ioxproto::rest::AnswerError>(Arc::new(names))
    /// };
    /// let mut state = ControllerState::new();
    /// assert!(state.apply_names(&named("Porch")?).is_empty());
    /// let changes = state.apply_names(&named("Front porch")?);
    /// assert_eq!(
    ///     changes[0].to_string(),
    ///     "node n001_porch: renamed from Porch to Front porch (found by reading)"
    /// );
    /// # Ok::<(), ioxproto::rest::AnswerError>(())
    /// ```
    pub fn apply_names(&mut self, read: &Arc<Names>) -> Vec<Change> {
        let changes = read.changes_since(&self.names).into_iter();
        let occasion = Occasion::Reading;
        let mut changes: Vec<Change> = changes
            .map(ChangeKind::Name)
            .map(|kind| Change { occasion, kind })
            .collect();
        let before = Arc::clone(&self.names);
        if self.names.is_covered_by(read) {
            self.names = Arc::clone(read);
        } else {
            Arc::make_mut(&mut self.names).take_parts(read);
        }
        if read.has(NamesPart::Nodes) {
            let gone = before
                .entries()
                .filter(|entry| read.node(&entry.address).is_none());
            for entry in gone {
                self.forget_node(&entry.address);
            }
            self.replace_scenes(read);
            self.replace_comm_errors(read, &mut Some(&mut changes));
        }
        changes
    }

    fn replace_scenes(&mut self, read: &Names) {
        let known: BTreeSet<&str> = read.scenes().map(|(scene, _)| scene).collect();
        let gone: Vec<String> = self
            .scenes()
            .filter(|scene| !known.contains(scene))
            .map(str::to_owned)
            .collect();
        for scene in gone {
            self.forget_scene(&scene);
        }
        for (scene, members) in read.scenes() {
            if self.grows || self.scenes.is_known(scene) {
                self.seed_scene(scene, members.iter().map(|member| &*member.address));
            }
        }
    }

    fn replace_comm_errors(&mut self, read: &Names, out: &mut Out<'_>) {
        let in_error = read.entries().filter(|entry| entry.is_in_error);
        let errors: BTreeSet<Arc<str>> = in_error
            .map(|entry| entry.address.as_str().into())
            .collect();
        let before = std::mem::replace(&mut self.comm_errors, errors);
        for node in before.symmetric_difference(&self.comm_errors) {
            let kind = ChangeKind::CommError {
                node: Arc::clone(node),
                has_error: self.comm_errors.contains(node),
            };
            report(out, Occasion::Reading, kind);
        }
    }

    /// Updates the names from a live lifecycle event.
    pub(super) fn follow_names(&mut self, change: &LifecycleChange<'_>, out: &mut Out<'_>) {
        if !self.names.has(NamesPart::Nodes) {
            return;
        }
        // Copies the names only if another owner still holds them.
        let followed = Arc::make_mut(&mut self.names).follow(change);
        for change in followed.changes {
            report(out, Occasion::Live, ChangeKind::Name(change));
        }
    }

    /// Records that a node does not answer the controller, or answers again.
    pub(super) fn set_comm_error(&mut self, node: &str, has_error: bool, out: &mut Out<'_>) {
        let changed = match has_error {
            true if self.comm_errors.len() >= self.limits.entries => {
                self.left_out += 1;
                false
            }
            true => self.comm_errors.insert(node.into()),
            false => self.comm_errors.remove(node),
        };
        if changed {
            let node = node.into();
            report(
                out,
                Occasion::Live,
                ChangeKind::CommError { node, has_error },
            );
        }
    }
}
