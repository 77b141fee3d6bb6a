//! The memory of the state of a house, measured by a counting allocator.

use allocation_counter::measure;
use ioxproto::dispatch::{Dispatcher, Filter};
use ioxproto::names::{Names, NamesRead};
use ioxproto::rest::{Nodes, Programs};
use ioxproto::state::{ControllerState, SharedState};
use ioxproto::{Event, Frame, FrameReader, Notification};

fn property(node: usize, control: usize, raw: u32) -> Event {
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Event seqnum="16" sid="uuid:1" timestamp="2026-05-05T18:52:41.875777-07:00"><control>GV{control}</control><action uom="17" prec="1">{raw}</action><node>n{node:03}_84dd4c2c24c3b7</node><eventInfo></eventInfo><fmtAct>{raw} degrees</fmtAct><fmtName>Temperature {control}</fmtName></Event>"#
    );
    match FrameReader::new().read(&text) {
        Frame::Event(event) => event.with_live(true),
        other => panic!("{other:?}"),
    }
}

/// A state of this many nodes with this many properties each, and the bytes that it holds.
fn house(nodes: usize, properties: usize) -> (i64, ControllerState) {
    let mut state = ControllerState::new();
    let info = measure(|| {
        for node in 0..nodes {
            for control in 0..properties {
                state.update(&property(node, control, 725));
            }
        }
    });
    assert_eq!(state.entries(), nodes * (properties + 1));
    (info.bytes_current, state)
}

#[test]
fn ten_thousand_nodes_with_five_properties_fit_in_20_megabytes() {
    let (bytes, state) = house(10_000, 5);
    println!("10,000 nodes x 5 properties: {bytes} bytes");
    assert!(bytes < 20_000_000, "{bytes} bytes");
    let copied = measure(|| std::mem::forget(state.clone())).bytes_current;
    assert!(copied < 20_000_000, "a snapshot: {copied} bytes");
}

#[test]
fn a_house_of_300_properties_fits_in_100_kibibytes() {
    for (nodes, properties) in [(60, 5), (300, 1), (1, 300)] {
        let (bytes, _state) = house(nodes, properties);
        println!("{nodes} nodes x {properties} properties: {bytes} bytes");
        assert!(bytes < 100 * 1024, "{nodes} nodes: {bytes} bytes");
    }
}

#[test]
fn a_house_of_5000_nodes_and_1000_programs_with_names_fits_in_20_mebibytes() {
    let read = || {
        let mut names = Names::default();
        let mut answer =
            String::from("<nodes><folder><address>31337</address><name>Hall</name></folder>");
        for node in 0..5000 {
            answer += &format!(
                r#"<node flag="128" nodeDefId="DimmerLampSwitch_ADV"><address>n{node:03}_84dd4c2c24c3b7</address><name>Ceiling lamp number {node}</name><parent type="3">31337</parent><type>1.32.69.0</type><enabled>true</enabled><pnode>n{node:03}_84dd4c2c24c3b7</pnode></node>"#
            );
        }
        for scene in 0..500 {
            answer +=
                &format!(r#"<group><address>{scene}</address><name>Scene {scene}</name><members>"#);
            for member in 0..10 {
                let node = scene * 10 + member;
                answer += &format!(r#"<link type="0">n{node:03}_84dd4c2c24c3b7</link>"#);
            }
            answer += "</members></group>";
        }
        names.take_nodes(&Nodes::parse(format!("{answer}</nodes>").as_bytes()).unwrap());
        let mut answer = String::from("<programs>");
        for program in 1..=1000 {
            answer += &format!(
                r#"<program id="{program:04X}" folder="false"><name>Program number {program}</name></program>"#
            );
        }
        names.take_programs(&Programs::parse(format!("{answer}</programs>").as_bytes()).unwrap());
        Notification::Names(NamesRead::new(std::sync::Arc::new(names)))
    };
    let mut state = ControllerState::new();
    let info = measure(|| {
        for node in 0..5000 {
            for control in 0..5 {
                state.update(&property(node, control, 725));
            }
        }
        state.apply(&read());
    });
    println!(
        "5,000 nodes with 5 properties, 1,000 programs, named: {} bytes",
        info.bytes_current
    );
    assert_eq!(
        (
            state.names().entries().count(),
            state.names().programs().count()
        ),
        (5501, 1000)
    );
    assert!(
        info.bytes_current < 20 * 1024 * 1024,
        "{} bytes",
        info.bytes_current
    );
    // A second reading replaces the first.
    let again = measure(|| drop(state.apply(&read()))).bytes_current;
    assert!(again < 100_000, "{again} bytes more");
}

#[test]
fn updating_a_known_property_allocates_nothing() {
    let (_, mut state) = house(10, 3);
    let events = [
        property(3, 1, 726),
        property(3, 1, 725),
        property(3, 1, 725),
    ];
    for event in &events {
        let info = measure(|| state.update(event));
        assert_eq!(info.count_total, 0, "{event:?}");
    }
    // A longer value reallocates only its own text.
    let longer = property(3, 1, 1_234_567_890);
    let info = measure(|| state.update(&longer));
    assert!(info.count_total <= 1 && info.bytes_current < 64, "{info:?}");
}

#[test]
fn no_value_keeps_its_message_in_memory() {
    let mut state = ControllerState::new();
    let info = measure(|| {
        let padding = "x".repeat(1_000_000);
        let text = format!(
            "<Event><control>ST</control><action>1</action><node>n</node><eventInfo>{padding}</eventInfo></Event>"
        );
        let Frame::Event(event) = FrameReader::new().read(&text) else {
            panic!("not an event")
        };
        state.update(&event);
        drop(state.apply_event(&event));
    });
    assert!(
        info.bytes_current < 4096,
        "{} bytes stay",
        info.bytes_current
    );
}

#[test]
fn a_value_that_was_long_once_does_not_keep_its_memory() {
    let mut state = ControllerState::new();
    state.update(&property(1, 1, 1));
    let text = |raw: &str| {
        let text = format!(
            "<Event><control>GV1</control><action>{raw}</action><node>n001_84dd4c2c24c3b7</node></Event>"
        );
        match FrameReader::new().read(&text) {
            Frame::Event(event) => event.with_live(true),
            other => panic!("{other:?}"),
        }
    };
    let (long, short) = (text(&"9".repeat(3000)), text("1"));
    let info = measure(|| {
        state.update(&long);
        state.update(&short);
    });
    assert!(
        info.bytes_current < 256,
        "{} bytes stay",
        info.bytes_current
    );
}

#[test]
fn a_dispatch_allocates_nothing() {
    let (_, state) = house(10, 3);
    let dispatcher = Dispatcher::new();
    dispatcher.attach(SharedState::new(state));
    for _ in 0..3 {
        dispatcher
            .on_event(Filter::new().live_only(), |_| {})
            .detach();
        dispatcher.on_lifecycle(Filter::new(), |_, _| {}).detach();
        dispatcher.on_program(Filter::new(), |_, _| {}).detach();
        dispatcher.on_status(|_| {}).detach();
    }
    let events = [property(3, 1, 726), property(3, 1, 725)];
    for event in &events {
        let info = measure(|| dispatcher.dispatch_event(event));
        assert_eq!(info.count_total, 0, "{event:?}");
    }
}
