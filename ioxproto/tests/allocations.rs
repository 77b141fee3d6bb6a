//! In steady state a frame costs one allocation, the buffer of its event. Dispatching it to
//! listeners and updating the state cost none.
//!
//! A test binary of its own, because the counter replaces the allocator.

use allocation_counter::{AllocationInfo, measure};
use ioxproto::dispatch::{Dispatcher, Filter};
use ioxproto::state::{ControllerState, SharedState};
use ioxproto::{Event, Frame, FrameReader, Message, Notification};
use pretend::Driver;

const FRAMES: i64 = 1000;

fn document(seqnum: i64, parts: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"{seqnum}\" sid=\"uuid:1\" timestamp=\"2026-05-05T18:52:41.875777-07:00\">{parts}</Event>"
    )
}

fn enveloped(document: &str) -> String {
    format!(
        "{{\"type\":\"event\",\"data\":\"{}\"}}",
        document.replace('"', "\\\"")
    )
}

/// Numbered frames of the common kinds, raw or in JSON envelopes.
fn frames(in_envelopes: bool) -> Vec<String> {
    let kinds = [
        "<control>ST</control><action uom=\"100\" prec=\"0\">128</action><node>1A 2B 3C 1</node><eventInfo></eventInfo><fmtAct>50%</fmtAct><fmtName>Status</fmtName>",
        "<control>DON</control><action>0</action><node>1A 2B 3C 1</node><eventInfo></eventInfo>",
        "<control>_0</control><action>90</action><node></node><eventInfo></eventInfo>",
        "<control>_1</control><action>0</action><node></node><eventInfo><id>8D</id><on /><nr /><r>260506 14:30:36 </r><f>260506 14:30:36 </f><s>31</s></eventInfo>",
        "<control>_1</control><action>6</action><node></node><eventInfo><var type=\"2\" id=\"12\"><prec>0</prec><val>0</val><ts>20260506 13:23:15 </ts></var></eventInfo>",
    ];
    let document = |number: i64| document(number, kinds[number as usize % kinds.len()]);
    (0..FRAMES)
        .map(document)
        .map(|document| match in_envelopes {
            true => enveloped(&document),
            false => document,
        })
        .collect()
}

fn touch(event: &Event) -> usize {
    let parts = [event.sid(), event.timestamp(), event.control()];
    let others = [event.action(), event.node(), event.event_info()];
    parts.iter().chain(&others).map(|part| part.len()).sum()
}

fn assert_one_each(counted: AllocationInfo, frames: &[String]) {
    assert_eq!(counted.count_total, FRAMES as u64, "{counted:?}");
    assert_eq!(counted.count_current, 0, "{counted:?}");
    assert!(counted.count_max <= 1, "{counted:?}");
    // The text and the two reference counts, rounded up to a word.
    let bytes: usize = frames.iter().map(|frame| frame.len() + 24).sum();
    assert!(counted.bytes_total <= bytes as u64, "{counted:?}");
}

#[test]
fn a_frame_costs_one_allocation_to_read() {
    for in_envelopes in [false, true] {
        let frames = frames(in_envelopes);
        let mut reader = FrameReader::new();
        let mut read = |frame: &String| {
            let (Frame::Event(event), false) = reader.read_bytes(frame.as_bytes()) else {
                panic!("{frame}")
            };
            assert!(touch(&event) > 0);
        };
        frames.iter().for_each(&mut read);
        assert_one_each(measure(|| frames.iter().for_each(&mut read)), &frames);
    }
}

#[test]
fn a_frame_of_several_kib_costs_one_allocation() {
    let info = "x".repeat(20_000);
    let parts = format!(
        "<control>_7</control><action>1</action><node></node><eventInfo>{info}</eventInfo>"
    );
    let frame = enveloped(&document(1, &parts));
    let mut reader = FrameReader::new();
    let mut read = || assert!(matches!(reader.read(&frame), Frame::Event(_)));
    read();
    let counted = measure(read);
    assert_eq!(counted.count_total, 1, "{counted:?}");
}

#[test]
fn a_message_costs_the_machine_one_allocation() {
    for in_envelopes in [false, true] {
        let frames = frames(in_envelopes);
        let mut driver = Driver::connected();
        let id = driver.id();
        let mut take = |frame: &String| {
            let message = Message::Text(frame.as_bytes());
            let notification = driver.stream.message(driver.now, id, message);
            while let Some(action) = driver.stream.poll_action() {
                drop(action);
            }
            let Some(Notification::Event(event)) = notification else {
                panic!("{notification:?}")
            };
            assert!(touch(&event) > 0 && event.is_live());
            driver.now = driver.now.after(pretend::seconds(0.001));
            assert!(driver.stream.poll_timeout(driver.now).is_some());
        };
        frames.iter().for_each(&mut take);
        // The first frame's number is lower than the last one's, and the notification of the gap is
        // not part of the steady state.
        take(&frames[0]);
        let again = &frames[1..];
        let counted = measure(|| again.iter().for_each(&mut take));
        assert_eq!(counted.count_total, again.len() as u64, "{counted:?}");
        assert_eq!(counted.count_current, 0, "{counted:?}");
    }
}

#[test]
fn a_clone_of_an_event_costs_nothing() {
    let frames = frames(false);
    let Frame::Event(event) = FrameReader::new().read(&frames[0]) else {
        panic!()
    };
    let counted = measure(|| assert_eq!(touch(&event.clone()), touch(&event)));
    assert_eq!(counted.count_total, 0);
}

/// Events of properties whose values alternate between two strings of equal length.
fn changes() -> Vec<Event> {
    let mut reader = FrameReader::new();
    let mut event = |number: i64| {
        let (node, value) = (number % 10, 100 + number % 7);
        let text = document(
            number,
            &format!(
                "<control>ST</control><action uom=\"100\" prec=\"0\">{value}</action><node>1A 2B 3C {node}</node><eventInfo></eventInfo><fmtAct>{value}%</fmtAct><fmtName>Status</fmtName>"
            ),
        );
        let Frame::Event(event) = reader.read(&text) else {
            panic!("{text}")
        };
        event
    };
    (0..FRAMES).map(&mut event).collect()
}

#[test]
fn dispatching_to_listeners_allocates_nothing() {
    let dispatcher = Dispatcher::new();
    let listen = |filter| dispatcher.on_event(filter, |event| assert!(touch(event) > 0));
    let _registrations = [
        listen(Filter::new()),
        listen(Filter::new().node("1A 2B 3C 1")),
        listen(Filter::new().control("ST")),
    ];
    let events = changes();
    let tell = || {
        for event in &events {
            dispatcher.dispatch_event(event);
        }
    };
    tell();
    let counted = measure(tell);
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn updating_a_known_property_in_the_state_allocates_nothing() {
    let mut state = ControllerState::new();
    let events = changes();
    let mut update = || events.iter().for_each(|event| state.update(event));
    update();
    let counted = measure(update);
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn reporting_changes_leaks_no_memory() {
    let dispatcher = Dispatcher::new();
    dispatcher.attach(SharedState::new(ControllerState::new()));
    let _registration = dispatcher.on_change(|change| assert!(!change.to_string().is_empty()));
    let events = changes();
    let tell = || {
        for event in &events {
            dispatcher.dispatch_event(event);
        }
    };
    tell();
    let counted = measure(tell);
    assert_eq!(counted.count_current, 0, "{counted:?}");
    assert_eq!(counted.bytes_current, 0, "{counted:?}");
}
