//! Listeners: who wants to be told of what, in order, whatever one of them does.
//!
//! Rules:
//!
//! * Listeners are called in the order of their registration, across all kinds.
//! * An attached picture of the house is brought up to date before any listener runs. What changed
//!   in it is told after the notification itself, so that a scene follows its node.
//! * A listener that panics is reported and stays registered; the others are served.
//! * No lock is held while a listener runs: it may register, unregister, dispatch and look at the
//!   picture.
//! * Once unregistered, a listener is not called again; on another thread a call that has begun may
//!   still end.
//! * One registered during a dispatch is first called at the next.

mod filter;
mod listener;
mod registration;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{debug, warn};

pub use self::filter::Filter;
use self::listener::{Call, Entry};
pub use self::registration::Registration;
use crate::mirror::{Change, SharedState};
use crate::view::{LifecycleChange, ProgramStatus, VariableTable, View};
use crate::{Event, Notification, StatusChange};

/// Tells listeners what happens. Cheap to clone; the clones are one dispatcher.
///
/// A driver feeds it in its callback mode; a test feeds it frames. It has no thread of its own:
/// listeners run where [`dispatch`](Self::dispatch) is called, so they should be quick.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use ioxproto::dispatch::{Dispatcher, Filter};
/// # use ioxproto::{Frame, FrameReader};
/// # let text = "<Event><control>ST</control><action>255</action><node>42 92 8C 1</node></Event>";
/// # let Frame::Event(event) = FrameReader::new().read(text) else { panic!("not an event") };
///
/// let dispatcher = Dispatcher::new();
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let registration = dispatcher.on_event(Filter::new().node("42 92 8C 1"), {
///     let seen = Arc::clone(&seen);
///     move |event| seen.lock().unwrap().push(event.action().to_owned())
/// });
///
/// dispatcher.dispatch_event(&event);
/// drop(registration);
/// dispatcher.dispatch_event(&event);
/// assert_eq!(*seen.lock().unwrap(), ["255"]);
/// ```
#[derive(Clone, Default)]
pub struct Dispatcher {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// A dispatch takes a copy of the pointer; a registration replaces the list.
    listeners: Mutex<Arc<Vec<Arc<Entry>>>>,
    state: Mutex<Option<SharedState>>,
    panics: AtomicU64,
}

/// A listener panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerPanic {
    /// What kind of listener: `event`, `lifecycle`, `program`, `variable_table`, `status`,
    /// `change`, `panic`.
    pub listener: &'static str,
    /// What the panic said, where it said a text.
    pub message: String,
}

impl fmt::Display for ListenerPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a listener of kind {} panicked: {}",
            self.listener, self.message
        )
    }
}

impl Dispatcher {
    /// A dispatcher with no listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a picture of the house up to date from now on, before listeners run. One at a time:
    /// another replaces it.
    pub fn attach(&self, state: SharedState) {
        *lock(&self.shared.state) = Some(state);
    }

    /// The attached picture of the house.
    #[must_use]
    pub fn state(&self) -> Option<SharedState> {
        lock(&self.shared.state).clone()
    }

    /// Calls `listener` with each event that passes the filter.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_event(
        &self,
        filter: Filter,
        listener: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Registration {
        self.register(Call::Event(filter, Box::new(listener)))
    }

    /// Calls `listener` with each lifecycle event that passes the filter.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_lifecycle(
        &self,
        filter: Filter,
        listener: impl Fn(&LifecycleChange<'_>, &Event) + Send + Sync + 'static,
    ) -> Registration {
        self.register(Call::Lifecycle(filter, Box::new(listener)))
    }

    /// Calls `listener` with each program status that passes the filter. A frame that cannot be
    /// read as one is left out; a listener for events sees it.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_program(
        &self,
        filter: Filter,
        listener: impl Fn(&ProgramStatus, &Event) + Send + Sync + 'static,
    ) -> Registration {
        self.register(Call::Program(filter, Box::new(listener)))
    }

    /// Calls `listener` when a table of variables changed. A frame that cannot be read as such is
    /// left out.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_variable_table(
        &self,
        filter: Filter,
        listener: impl Fn(&VariableTable, &Event) + Send + Sync + 'static,
    ) -> Registration {
        self.register(Call::VariableTable(filter, Box::new(listener)))
    }

    /// Calls `listener` with each change of the stream's status.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_status(
        &self,
        listener: impl Fn(&StatusChange) + Send + Sync + 'static,
    ) -> Registration {
        self.register(Call::Status(Box::new(listener)))
    }

    /// Calls `listener` with each change of the attached picture of the house, after the
    /// notification that brought it: scenes too, and after an outage what changed while away.
    /// Without a picture there are none.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_change(&self, listener: impl Fn(&Change) + Send + Sync + 'static) -> Registration {
        self.register(Call::Change(Box::new(listener)))
    }

    /// Calls `listener` when another one panicked. If it panics itself, that is counted and logged.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_panic(
        &self,
        listener: impl Fn(&ListenerPanic) + Send + Sync + 'static,
    ) -> Registration {
        self.register(Call::Panic(Box::new(listener)))
    }

    /// How often a listener panicked.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.shared.panics.load(Ordering::Relaxed)
    }

    /// How many listeners are registered.
    #[must_use]
    pub fn listeners(&self) -> usize {
        lock(&self.shared.listeners).len()
    }

    /// Tells the listeners what happened. Notifications are told whole, one after the other: call
    /// it from one place.
    pub fn dispatch(&self, notification: &Notification) {
        match notification {
            Notification::Event(event) => self.dispatch_event(event),
            Notification::Status(change) => {
                let listeners = self.snapshot();
                let changes = self.update(&listeners, |state, changes| match changes {
                    Some(changes) => changes.extend(state.apply_status(change)),
                    None => drop(state.apply_status(change)),
                });
                for entry in listeners.iter() {
                    if let Call::Status(listener) = &entry.call {
                        self.call(&listeners, entry, &|| listener(change));
                    }
                }
                self.tell_changes(&listeners, &changes);
            }
            Notification::Names(_) | Notification::Drift(_) => {
                let listeners = self.snapshot();
                let changes = self.update(&listeners, |state, changes| match changes {
                    Some(changes) => changes.extend(state.apply(notification)),
                    None => drop(state.apply(notification)),
                });
                self.tell_changes(&listeners, &changes);
            }
            _ => {}
        }
    }

    /// Tells the listeners of an event, with or without a stream that it came from.
    pub fn dispatch_event(&self, event: &Event) {
        let listeners = self.snapshot();
        let changes = self.update(&listeners, |state, changes| match changes {
            Some(changes) => changes.extend(state.apply_event(event)),
            None => state.update(event),
        });
        // A payload is decoded once, and only if someone listens.
        let mut decoded: Option<Option<View<'_>>> = None;
        for entry in listeners.iter() {
            if !entry.call.takes(event) {
                continue;
            }
            if let Call::Event(_, listener) = &entry.call {
                self.call(&listeners, entry, &|| listener(event));
                continue;
            }
            let view = decoded.get_or_insert_with(|| match event.view() {
                Ok(view) => Some(view),
                Err(error) => {
                    debug!(%error, control = event.control(), "an event's payload cannot be read");
                    None
                }
            });
            let Some(view) = view else { continue };
            match (&entry.call, view) {
                (Call::Lifecycle(_, listener), View::Lifecycle(change)) => {
                    self.call(&listeners, entry, &|| listener(change, event));
                }
                (Call::Program(_, listener), View::Program(program)) => {
                    self.call(&listeners, entry, &|| listener(program, event));
                }
                (Call::VariableTable(_, listener), View::VariableTable(table)) => {
                    self.call(&listeners, entry, &|| listener(table, event));
                }
                _ => {}
            }
        }
        self.tell_changes(&listeners, &changes);
    }

    fn register(&self, call: Call) -> Registration {
        let entry = Arc::new(Entry::new(call));
        let mut listeners = lock(&self.shared.listeners);
        let mut list = Vec::with_capacity(listeners.len() + 1);
        list.extend(listeners.iter().cloned());
        list.push(Arc::clone(&entry));
        let old = std::mem::replace(&mut *listeners, Arc::new(list));
        drop(listeners);
        // The last use of a listener may run its destructor, which may come back here.
        drop(old);
        Registration::new(Arc::downgrade(&self.shared), Arc::downgrade(&entry))
    }

    fn snapshot(&self) -> Arc<Vec<Arc<Entry>>> {
        Arc::clone(&lock(&self.shared.listeners))
    }

    /// Brings the picture up to date; collects what changed if someone wants to know.
    fn update(
        &self,
        listeners: &[Arc<Entry>],
        apply: impl FnOnce(&mut crate::mirror::ControllerState, Option<&mut Vec<Change>>),
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some(state) = self.state() {
            let wanted = listeners
                .iter()
                .any(|entry| matches!(entry.call, Call::Change(_)));
            state.update(|state| apply(state, wanted.then_some(&mut changes)));
        }
        changes
    }

    fn tell_changes(&self, listeners: &[Arc<Entry>], changes: &[Change]) {
        for change in changes {
            for entry in listeners {
                if let Call::Change(listener) = &entry.call {
                    self.call(listeners, entry, &|| listener(change));
                }
            }
        }
    }

    /// Calls a listener that is still registered, and survives its panic.
    fn call(&self, listeners: &[Arc<Entry>], entry: &Entry, call: &dyn Fn()) {
        if !entry.active() {
            return;
        }
        let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else {
            return;
        };
        self.shared.panics.fetch_add(1, Ordering::Relaxed);
        let panic = ListenerPanic {
            listener: entry.call.kind(),
            message: message(payload),
        };
        warn!(
            listener = panic.listener,
            message = panic.message,
            "a listener panicked; the others are served"
        );
        if matches!(entry.call, Call::Panic(_)) {
            return;
        }
        for entry in listeners {
            if let Call::Panic(listener) = &entry.call {
                self.call(listeners, entry, &|| listener(&panic));
            }
        }
    }
}

impl Shared {
    fn remove(&self, entry: &Arc<Entry>) {
        let mut listeners = lock(&self.listeners);
        let list = listeners
            .iter()
            .filter(|other| !Arc::ptr_eq(other, entry))
            .cloned()
            .collect();
        let old = std::mem::replace(&mut *listeners, Arc::new(list));
        drop(listeners);
        drop(old);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing of the caller's runs under these locks; were something to panic, the values would be
    // whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn message(payload: Box<dyn Any + Send>) -> String {
    let message = payload
        .downcast_ref::<&'static str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned());
    // A payload's destructor is the listener's code too.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    message
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("listeners", &self.listeners())
            .field("state", &self.state().is_some())
            .field("panics", &self.panics())
            .finish()
    }
}
