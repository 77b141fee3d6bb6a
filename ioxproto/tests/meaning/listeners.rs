//! The dispatcher: order, registrations, panics, filters, and listeners that call it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ioxproto::dispatch::{Dispatcher, Filter, Registration};
use ioxproto::state::{ControllerState, Occasion, SharedState};
use ioxproto::view::VariableType;
use ioxproto::{Notification, Status, StatusChange};

use super::{live, property, system};

/// The entries of the listeners, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, text: impl Into<String>) {
        self.lock().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock())
    }
}

fn named(dispatcher: &Dispatcher, log: &Log, name: &'static str) -> Registration {
    let log = log.clone();
    dispatcher.on_event(Filter::new(), move |_| log.add(name))
}

#[test]
fn five_kinds_of_listener_receive_their_own_events() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let events = log.clone();
    let lifecycle = log.clone();
    let program = log.clone();
    let table = log.clone();
    let status = log.clone();
    let _registrations = [
        dispatcher.on_event(Filter::new(), move |event| events.add(event.describe())),
        dispatcher.on_lifecycle(Filter::new(), move |change, _| {
            lifecycle.add(change.to_string());
        }),
        dispatcher.on_program(Filter::new(), move |status, _| {
            program.add(status.to_string());
        }),
        dispatcher.on_variable_table(Filter::new(), move |changed, _| {
            assert_eq!(changed.kind, VariableType::State);
            table.add(changed.to_string());
        }),
        dispatcher.on_status(move |change| status.add(change.status.as_str())),
    ];
    let events = [
        live("n", "ST", "1"),
        system("_3", "ND", "n009_harmonyctrl", ""),
        system("_1", "0", "", "<id>8D</id><s>22</s>"),
        system("_1", "9", "", r#"<var type="2" id="0"/>"#),
        system("_1", "6", "", r#"<var type="2" id="1"><val>1</val></var>"#),
    ];
    for event in events {
        dispatcher.dispatch(&Notification::Event(event));
    }
    dispatcher.dispatch(&Notification::Status(StatusChange::new(Status::Connected)));
    dispatcher.dispatch(&Notification::Dropped(3));
    assert_eq!(
        log.take(),
        [
            "ST = 1",
            "node_lifecycle = node_added",
            "node n009_harmonyctrl added",
            "trigger = program_status",
            "program 008D then running, true",
            "trigger = variable_table",
            "table of state variables changed",
            "trigger = variable_value",
            "connected",
        ]
    );
}

#[test]
fn an_event_with_an_invalid_payload_still_reaches_event_listeners() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let program = log.clone();
    let _programs = dispatcher.on_program(Filter::new(), move |_, _| program.add("program"));
    let _events = named(&dispatcher, &log, "event");
    dispatcher.dispatch_event(&system("_1", "0", "", "<id>nonsense</id>"));
    assert_eq!(log.take(), ["event"]);
    // A lifecycle listener is called even if the payload is broken.
    let verbs = log.clone();
    let _lifecycle = dispatcher.on_lifecycle(Filter::new(), move |change, _| {
        verbs.add(change.verb.label());
    });
    dispatcher.dispatch_event(&system("_3", "NN", "n", "<nothing/>"));
    assert_eq!(log.take(), ["event", "node_renamed"]);
}

#[test]
fn listeners_are_called_in_the_order_of_registration() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let first = named(&dispatcher, &log, "1");
    let lifecycle = log.clone();
    let _second = dispatcher.on_lifecycle(Filter::new(), move |_, _| lifecycle.add("2"));
    let _third = named(&dispatcher, &log, "3");
    dispatcher.dispatch_event(&system("_3", "NR", "n", ""));
    assert_eq!(log.take(), ["1", "2", "3"]);
    drop(first);
    let _again = named(&dispatcher, &log, "1");
    dispatcher.dispatch_event(&system("_3", "NR", "n", ""));
    assert_eq!(log.take(), ["2", "3", "1"]);
}

#[test]
fn unregistering_twice_or_late_is_harmless() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let registration = named(&dispatcher, &log, "x");
    assert!(registration.is_registered());
    registration.unregister();
    registration.unregister();
    assert!(!registration.is_registered());
    drop(registration);
    assert_eq!(dispatcher.listeners(), 0);
    dispatcher.dispatch_event(&live("n", "ST", "1"));
    assert!(log.take().is_empty());
    let orphan = named(&dispatcher, &log, "y");
    drop(dispatcher);
    assert!(!orphan.is_registered());
    orphan.unregister();
}

#[test]
fn a_detached_listener_stays_as_long_as_the_dispatcher() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    named(&dispatcher, &log, "x").detach();
    dispatcher.clone().dispatch_event(&live("n", "ST", "1"));
    assert_eq!((log.take().len(), dispatcher.listeners()), (1, 1));
    // The listener is dropped with the dispatcher: nothing else holds its closure.
    let held = Arc::clone(&log.0);
    drop((dispatcher, log));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_listener_may_unregister_itself_and_others_while_it_runs() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let slot: Arc<Mutex<Vec<Registration>>> = Arc::default();
    let mine = Arc::clone(&slot);
    let writer = log.clone();
    let own = dispatcher.on_event(Filter::new(), move |_| {
        writer.add("once");
        mine.lock().unwrap().clear();
    });
    let other = named(&dispatcher, &log, "never");
    slot.lock().unwrap().extend([own, other]);
    dispatcher.dispatch_event(&live("n", "ST", "1"));
    dispatcher.dispatch_event(&live("n", "ST", "2"));
    assert_eq!(log.take(), ["once"]);
    assert_eq!(dispatcher.listeners(), 0);
}

#[test]
fn a_listener_registered_during_a_dispatch_is_called_from_the_next_one_on() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let (inner, writer) = (dispatcher.clone(), log.clone());
    let count = AtomicUsize::new(0);
    let registration = dispatcher.on_event(Filter::new(), move |_| {
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            named(&inner, &writer, "new").detach();
        }
    });
    dispatcher.dispatch_event(&live("n", "ST", "1"));
    assert!(log.take().is_empty());
    dispatcher.dispatch_event(&live("n", "ST", "2"));
    assert_eq!(log.take(), ["new"]);
    // The closure holds the dispatcher, which holds the closure: break the cycle.
    registration.unregister();
}

#[test]
fn a_listener_may_dispatch_while_it_runs() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    dispatcher.attach(SharedState::new(ControllerState::new()));
    let (inner, writer) = (dispatcher.clone(), log.clone());
    let registration = dispatcher.on_event(Filter::new().node("a"), move |event| {
        writer.add(format!("a {}", event.action()));
        inner.dispatch_event(&live("b", "ST", "7"));
        writer.add("back");
    });
    let writer = log.clone();
    let _b = dispatcher.on_event(Filter::new().node("b"), move |event| {
        writer.add(format!("b {}", event.action()));
    });
    dispatcher.dispatch_event(&live("a", "ST", "1"));
    assert_eq!(log.take(), ["a 1", "b 7", "back"]);
    registration.unregister();
}

#[test]
fn a_panicking_listener_is_reported_and_the_others_are_called() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let _bad = dispatcher.on_event(Filter::new(), |event| panic!("no {}", event.action()));
    let _worse = dispatcher.on_event(Filter::new(), |_| std::panic::panic_any(7));
    let _good = named(&dispatcher, &log, "served");
    let writer = log.clone();
    let _hook = dispatcher.on_panic(move |panic| writer.add(panic.to_string()));
    let _bad_hook = dispatcher.on_panic(|_| panic!("the hook too"));
    dispatcher.dispatch_event(&live("n", "ST", "1"));
    dispatcher.dispatch_event(&live("n", "ST", "2"));
    assert_eq!(
        log.take(),
        [
            "a listener of kind event panicked: no 1",
            "a listener of kind event panicked: no text",
            "served",
            "a listener of kind event panicked: no 2",
            "a listener of kind event panicked: no text",
            "served",
        ]
    );
    assert_eq!(dispatcher.panics(), 8);
}

#[test]
fn filters_select_by_node_control_and_liveness() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let filters = [
        ("all", Filter::new()),
        ("node", Filter::new().node("a")),
        ("control", Filter::new().control("ST")),
        ("live", Filter::new().live_only()),
        ("every", Filter::new().node("a").control("ST").live_only()),
    ];
    for (name, filter) in filters {
        let log = log.clone();
        dispatcher.on_event(filter, move |_| log.add(name)).detach();
    }
    let cases: [(_, &[&str]); 4] = [
        (
            live("a", "ST", "1"),
            &["all", "node", "control", "live", "every"],
        ),
        (property("a", "ST", "1"), &["all", "node", "control"]),
        (live("b", "ST", "1"), &["all", "control", "live"]),
        (live("a", "DON", "1"), &["all", "node", "live"]),
    ];
    for (event, expected) in cases {
        dispatcher.dispatch_event(&event);
        assert_eq!(log.take(), expected);
    }
}

#[test]
fn the_state_is_up_to_date_before_any_listener_runs() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let state = SharedState::new(ControllerState::new());
    state.update(|state| state.seed_scene("s", ["n"]));
    dispatcher.attach(state.clone());
    let writer = log.clone();
    let _changes = dispatcher.on_change(move |change| writer.add(change.to_string()));
    let writer = log.clone();
    let _events = dispatcher.on_event(Filter::new(), move |event| {
        let raw = state.read(|state| state.property("n", "ST").map(|now| now.raw().to_owned()));
        assert_eq!(raw.as_deref(), Some(event.action()));
        writer.add("event");
    });
    dispatcher.dispatch_event(&live("n", "ST", "1"));
    // The change of the scene follows that of the node.
    assert_eq!(
        log.take(),
        ["event", "n ST: 1", "scene s: member n changed"]
    );
    dispatcher.dispatch_event(&live("n", "ST", "2"));
    assert_eq!(
        log.take(),
        ["event", "n ST: 1 -> 2", "scene s: member n changed"]
    );
    dispatcher.dispatch_event(&live("n", "ST", "2"));
    assert_eq!(log.take(), ["event"]);
}

#[test]
fn changes_while_away_are_reported_after_connected() {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let mut seeded = ControllerState::new();
    seeded.apply_event(&live("door", "ST", "0"));
    dispatcher.attach(SharedState::new(seeded));
    let writer = log.clone();
    let _status = dispatcher.on_status(move |change| writer.add(change.status.as_str()));
    let writer = log.clone();
    let _changes = dispatcher.on_change(move |change| {
        assert_ne!(change.occasion, Occasion::Live);
        writer.add(change.to_string());
    });
    let status = |status| dispatcher.dispatch(&Notification::Status(StatusChange::new(status)));
    status(Status::LostConnection);
    status(Status::StreamSyncing);
    dispatcher.dispatch_event(&property("door", "ST", "100"));
    status(Status::Connected);
    assert_eq!(
        log.take(),
        [
            "lost_connection",
            "stream_syncing",
            "door ST: 0 -> 100 (replay)",
            "connected",
            "door ST: 0 -> 100 (while away)",
        ]
    );
}

#[test]
fn the_dispatcher_may_be_used_from_several_threads() {
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let dispatcher = Dispatcher::new();
    shared(&dispatcher);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let _listener = dispatcher.on_event(Filter::new(), move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let short = dispatcher.on_event(Filter::new(), |_| {});
                    dispatcher.dispatch_event(&live("n", "ST", "1"));
                    short.unregister();
                }
            });
        }
    });
    assert_eq!(count.load(Ordering::Relaxed), 400);
    assert_eq!(dispatcher.listeners(), 1);
}

#[test]
fn a_filter_accepts_several_nodes_and_controls() {
    let filter = Filter::new().node("a").node("b").controls(["ST", "OL"]);
    let takes = |node: &str, control: &str| filter.is_match(&live(node, control, "1"));
    assert!(takes("a", "ST") && takes("b", "OL") && takes("a", "OL"));
    assert!(!takes("c", "ST") && !takes("a", "RR"));
    let nobody: [&str; 0] = [];
    let all = Filter::new().nodes(nobody).controls(nobody);
    assert!(all.is_match(&property("c", "RR", "1")));
    assert!(!all.live_only().is_match(&property("c", "RR", "1")));
}
