//! Measures the cost of a frame, as ratios to the lower bounds in the same run.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on has failed"
)]

use std::hint::black_box;

use benches::ratio::{Contender, is_test, side_by_side};
use benches::{STATUS, enveloped};
use ioxproto::{Frame, FrameReader};
use quick_xml::Reader;
use quick_xml::events::Event as Piece;

/// Visits and uses every `<`, since counting alone is far cheaper.
fn visit(text: &str) {
    for at in memchr::memchr_iter(b'<', text.as_bytes()) {
        black_box(at);
    }
}

fn quick_xml_alone(text: &str) {
    let mut reader = Reader::from_str(text);
    while let Ok(piece) = reader.read_event() {
        if matches!(black_box(piece), Piece::Eof) {
            break;
        }
    }
}

/// Parses a frame's bytes as a driver passes them, and reads every field.
fn event(reader: &mut FrameReader, text: &str) {
    let (Frame::Event(event), false) = reader.read_bytes(text.as_bytes()) else {
        return;
    };
    black_box((event.seqnum(), event.prec()));
    black_box([event.sid(), event.timestamp(), event.control()]);
    black_box([event.action(), event.uom(), event.node()]);
    black_box([event.fmt_act(), event.fmt_name(), event.event_info()]);
}

fn main() {
    let (rounds, batch) = if is_test() { (3, 10) } else { (2001, 500) };
    let envelope = enveloped(STATUS);
    for (layout, text, within) in [("raw", STATUS, 2.5), ("envelope", &envelope, 3.0)] {
        let document = STATUS;
        let (mut reader, mut general) = (FrameReader::new(), FrameReader::general());
        let text = black_box(text);
        assert!(
            matches!(reader.read(text), Frame::Event(_)),
            "the {layout} frame is an event"
        );
        let mut contenders = [
            Contender::new("floor: every '<' with memchr", || visit(text)),
            Contender::new("quick-xml alone, on the document", || {
                quick_xml_alone(document);
            }),
            Contender::new("event, general path", || event(&mut general, text)),
            Contender::new("event", || event(&mut reader, text)),
        ];
        let times = side_by_side(&mut contenders, rounds, batch);
        let floor = times.first().expect("the floor").as_secs_f64();
        println!("{layout}, {} bytes", text.len());
        for (contender, time) in contenders.iter().zip(&times) {
            println!(
                "  {:<34} {:>6} ns  {:>6.2} x floor",
                contender.name,
                time.as_nanos(),
                time.as_secs_f64() / floor
            );
        }
        let (quick_xml, event) = (times[1].as_secs_f64(), times[3].as_secs_f64());
        println!(
            "  targets: event at most {within} x floor: {:.2}",
            event / floor
        );
        println!(
            "           quick-xml at least 2 x event:  {:.2}",
            quick_xml / event
        );
    }
}
