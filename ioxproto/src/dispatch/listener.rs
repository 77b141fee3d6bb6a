//! A registered listener.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Filter, ListenerPanic};
use crate::state::Change;
use crate::view::{LifecycleChange, ProgramStatus, VariableTable};
use crate::vocabulary::{SystemControl, TriggerAction};
use crate::{Event, StatusChange};

type Listener<T> = Box<dyn Fn(&T) + Send + Sync>;
type EventListener<T> = Box<dyn Fn(&T, &Event) + Send + Sync>;
type LifecycleListener = Box<dyn Fn(&LifecycleChange<'_>, &Event) + Send + Sync>;

/// A listener, by what it is called for.
pub(super) enum Callback {
    Event(Filter, Listener<Event>),
    Lifecycle(Filter, LifecycleListener),
    Program(Filter, EventListener<ProgramStatus>),
    VariableTable(Filter, EventListener<VariableTable>),
    Status(Listener<StatusChange>),
    Change(Listener<Change>),
    Panic(Listener<ListenerPanic>),
}

impl Callback {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Event(..) => "event",
            Self::Lifecycle(..) => "lifecycle",
            Self::Program(..) => "program",
            Self::VariableTable(..) => "variable_table",
            Self::Status(_) => "status",
            Self::Change(_) => "change",
            Self::Panic(_) => "panic",
        }
    }

    /// Whether the listener is called for this event, by its kind and filter. Cheap: decodes
    /// nothing.
    pub(super) fn is_selected(&self, event: &Event) -> bool {
        let trigger = |action: TriggerAction| {
            event.control() == SystemControl::Trigger.code() && event.action() == action.code()
        };
        match self {
            Self::Event(filter, _) => filter.is_match(event),
            Self::Lifecycle(filter, _) => {
                event.control() == SystemControl::NodeLifecycle.code() && filter.is_match(event)
            }
            Self::Program(filter, _) => {
                trigger(TriggerAction::ProgramStatus) && filter.is_match(event)
            }
            Self::VariableTable(filter, _) => {
                trigger(TriggerAction::VariableTable) && filter.is_match(event)
            }
            Self::Status(_) | Self::Change(_) | Self::Panic(_) => false,
        }
    }
}

/// A registered listener.
pub(super) struct Entry {
    pub(super) callback: Callback,
    active: AtomicBool,
}

impl Entry {
    pub(super) fn new(callback: Callback) -> Self {
        Self {
            callback,
            active: AtomicBool::new(true),
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Deactivates the listener. Returns whether it was active.
    pub(super) fn deactivate(&self) -> bool {
        self.active.swap(false, Ordering::AcqRel)
    }
}
