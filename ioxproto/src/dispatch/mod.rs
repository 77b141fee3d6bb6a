//! Dispatch: calls listeners with events, changes of the status and changes of the state.
//!
//! Rules:
//!
//! * Listeners are called in the order of their registration, across all kinds.
//! * An attached state is updated before any listener runs. Listeners for changes are called after
//!   the other listeners of the notification, so that the change of a scene is reported after the
//!   event of its node.
//! * If a listener panics, this is reported, the listener stays registered, and the other listeners
//!   are called.
//! * No lock is held while a listener runs: it may register, unregister, dispatch and read the
//!   state.
//! * A listener is not called again after it is unregistered. If it is running on another thread at
//!   that moment, it runs to its end.
//! * A listener registered during a dispatch is first called in the next dispatch.

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
use self::listener::{Callback, Entry};
pub use self::registration::Registration;
use crate::state::{Change, SharedState};
use crate::view::{LifecycleChange, ProgramStatus, VariableTable, View};
use crate::{Event, Notification, StatusChange};

/// Calls listeners with notifications. Cheap to clone; all clones share the listeners.
///
/// A driver calls it in callback mode, and a test may call it with its own events. It has no
/// thread: listeners run in the thread that calls [`dispatch`](Self::dispatch), so they should be
/// quick.
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

/// The state that a dispatcher shares with its clones and registrations.
#[derive(Default)]
struct Shared {
    /// A dispatch clones the pointer; a registration replaces the list.
    listeners: Mutex<Arc<Vec<Arc<Entry>>>>,
    state: Mutex<Option<SharedState>>,
    panics: AtomicU64,
}

/// Reports that a listener panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerPanic {
    /// The kind of listener: `event`, `lifecycle`, `program`, `variable_table`, `status`, `change`
    /// or `panic`.
    pub listener: &'static str,
    /// The panic message, or `no text` if the payload is not a string.
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
    /// Creates a dispatcher without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Attaches a state, which is updated before listeners run. Replaces the one attached before.
    pub fn attach(&self, state: SharedState) {
        *lock(&self.shared.state) = Some(state);
    }

    /// The attached state.
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
        self.register(Callback::Event(filter, Box::new(listener)))
    }

    /// Calls `listener` with each lifecycle event that passes the filter.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_lifecycle(
        &self,
        filter: Filter,
        listener: impl Fn(&LifecycleChange<'_>, &Event) + Send + Sync + 'static,
    ) -> Registration {
        self.register(Callback::Lifecycle(filter, Box::new(listener)))
    }

    /// Calls `listener` with each program status that passes the filter. Skips events whose payload
    /// cannot be read; listeners for events receive them.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_program(
        &self,
        filter: Filter,
        listener: impl Fn(&ProgramStatus, &Event) + Send + Sync + 'static,
    ) -> Registration {
        self.register(Callback::Program(filter, Box::new(listener)))
    }

    /// Calls `listener` when a variable table has changed. Skips events whose payload cannot be
    /// read.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_variable_table(
        &self,
        filter: Filter,
        listener: impl Fn(&VariableTable, &Event) + Send + Sync + 'static,
    ) -> Registration {
        self.register(Callback::VariableTable(filter, Box::new(listener)))
    }

    /// Calls `listener` with each change of the stream's status.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_status(
        &self,
        listener: impl Fn(&StatusChange) + Send + Sync + 'static,
    ) -> Registration {
        self.register(Callback::Status(Box::new(listener)))
    }

    /// Calls `listener` with each change of the attached state, after the notification that caused
    /// it. This includes scenes and, after an outage, what changed while the stream was away.
    /// Without an attached state it is never called.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_change(&self, listener: impl Fn(&Change) + Send + Sync + 'static) -> Registration {
        self.register(Callback::Change(Box::new(listener)))
    }

    /// Calls `listener` when another listener has panicked. If `listener` panics itself, that is
    /// only counted and logged.
    #[must_use = "dropping the registration unregisters the listener"]
    pub fn on_panic(
        &self,
        listener: impl Fn(&ListenerPanic) + Send + Sync + 'static,
    ) -> Registration {
        self.register(Callback::Panic(Box::new(listener)))
    }

    /// The number of panics of listeners.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.shared.panics.load(Ordering::Relaxed)
    }

    /// The number of registered listeners.
    #[must_use]
    pub fn listeners(&self) -> usize {
        lock(&self.shared.listeners).len()
    }

    /// Calls the listeners for a notification. Call it from one place only, so that notifications
    /// are dispatched one after the other.
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
                    if let Callback::Status(listener) = &entry.callback {
                        self.call(&listeners, entry, &|| listener(change));
                    }
                }
                self.report_changes(&listeners, &changes);
            }
            Notification::Names(_) | Notification::Drift(_) => {
                let listeners = self.snapshot();
                let changes = self.update(&listeners, |state, changes| match changes {
                    Some(changes) => changes.extend(state.apply(notification)),
                    None => drop(state.apply(notification)),
                });
                self.report_changes(&listeners, &changes);
            }
            _ => {}
        }
    }

    /// Calls the listeners for an event. The event need not come from a stream.
    pub fn dispatch_event(&self, event: &Event) {
        let listeners = self.snapshot();
        let changes = self.update(&listeners, |state, changes| match changes {
            Some(changes) => changes.extend(state.apply_event(event)),
            None => state.update(event),
        });
        // Decode the payload at most once, and only if a listener needs it.
        let mut decoded: Option<Option<View<'_>>> = None;
        for entry in listeners.iter() {
            if !entry.callback.is_selected(event) {
                continue;
            }
            if let Callback::Event(_, listener) = &entry.callback {
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
            match (&entry.callback, view) {
                (Callback::Lifecycle(_, listener), View::Lifecycle(change)) => {
                    self.call(&listeners, entry, &|| listener(change, event));
                }
                (Callback::Program(_, listener), View::Program(program)) => {
                    self.call(&listeners, entry, &|| listener(program, event));
                }
                (Callback::VariableTable(_, listener), View::VariableTable(table)) => {
                    self.call(&listeners, entry, &|| listener(table, event));
                }
                _ => {}
            }
        }
        self.report_changes(&listeners, &changes);
    }

    fn register(&self, callback: Callback) -> Registration {
        let entry = Arc::new(Entry::new(callback));
        let mut listeners = lock(&self.shared.listeners);
        let mut list = Vec::with_capacity(listeners.len() + 1);
        list.extend(listeners.iter().cloned());
        list.push(Arc::clone(&entry));
        let old = std::mem::replace(&mut *listeners, Arc::new(list));
        drop(listeners);
        // Dropping the last reference to a listener runs its destructor, which may call the
        // dispatcher.
        drop(old);
        Registration::new(Arc::downgrade(&self.shared), Arc::downgrade(&entry))
    }

    fn snapshot(&self) -> Arc<Vec<Arc<Entry>>> {
        Arc::clone(&lock(&self.shared.listeners))
    }

    /// Updates the state. Collects the changes if there is a listener for them.
    fn update(
        &self,
        listeners: &[Arc<Entry>],
        apply: impl FnOnce(&mut crate::state::ControllerState, Option<&mut Vec<Change>>),
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some(state) = self.state() {
            let has_listener = listeners
                .iter()
                .any(|entry| matches!(entry.callback, Callback::Change(_)));
            state.update(|state| apply(state, has_listener.then_some(&mut changes)));
        }
        changes
    }

    fn report_changes(&self, listeners: &[Arc<Entry>], changes: &[Change]) {
        for change in changes {
            for entry in listeners {
                if let Callback::Change(listener) = &entry.callback {
                    self.call(listeners, entry, &|| listener(change));
                }
            }
        }
    }

    /// Calls a listener that is still registered, and catches its panic.
    fn call(&self, listeners: &[Arc<Entry>], entry: &Entry, run: &dyn Fn()) {
        if !entry.is_active() {
            return;
        }
        let Err(payload) = catch_unwind(AssertUnwindSafe(run)) else {
            return;
        };
        self.shared.panics.fetch_add(1, Ordering::Relaxed);
        let panic = ListenerPanic {
            listener: entry.callback.kind(),
            message: message(payload),
        };
        warn!(
            listener = panic.listener,
            message = panic.message,
            "a listener panicked; the other listeners are still called"
        );
        if matches!(entry.callback, Callback::Panic(_)) {
            return;
        }
        for entry in listeners {
            if let Callback::Panic(listener) = &entry.callback {
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
    // No code of the caller runs under these locks, and a panic would leave the values consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn message(payload: Box<dyn Any + Send>) -> String {
    let message = payload
        .downcast_ref::<&'static str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned());
    // The destructor of a panic's payload is the listener's code and may panic, too.
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
