//! Measures parsing a frame's text to an event, compared with the lower bounds: visiting every `<`,
//! quick-xml alone, and serde_json with quick-xml.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on has failed"
)]

use std::hint::black_box;
use std::time::Duration;

use benches::{CDATA, CUT, ENTITIES, STATUS, STRAY, enveloped, node_added};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ioxproto::{Frame, FrameReader};
use quick_xml::Reader;
use quick_xml::events::Event;

/// Parses a frame and reads every field.
fn fields(reader: &mut FrameReader, text: &str) -> usize {
    match reader.read(text) {
        Frame::Event(event) => {
            let parts = [
                event.sid(),
                event.timestamp(),
                event.control(),
                event.action(),
                event.uom(),
                event.node(),
            ];
            let displayed = [event.fmt_act(), event.fmt_name(), event.event_info()];
            parts.iter().chain(&displayed).map(|part| part.len()).sum()
        }
        Frame::Ignored(_) | Frame::Malformed(_) => 0,
    }
}

/// Visits and uses every `<`, since counting alone is far cheaper.
fn visit(text: &str) {
    for at in memchr::memchr_iter(b'<', text.as_bytes()) {
        black_box(at);
    }
}

fn quick_xml_alone(text: &str) -> usize {
    let mut reader = Reader::from_str(text);
    let mut pieces = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Eof) | Err(_) => return pieces,
            Ok(piece) => {
                black_box(&piece);
                pieces += 1;
            }
        }
    }
}

fn serde_json_and_quick_xml(text: &str) -> usize {
    #[derive(serde::Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        data: std::borrow::Cow<'a, str>,
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).expect("an envelope");
    quick_xml_alone(&envelope.data)
}

fn group<'a>(criterion: &'a mut Criterion, name: &str, text: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    group
}

fn parse(criterion: &mut Criterion) {
    let mut reader = FrameReader::new();
    let (envelope, big) = (enveloped(STATUS), node_added());

    let mut raw = group(criterion, "raw", STATUS);
    raw.bench_function("event", |bencher| {
        bencher.iter(|| fields(&mut reader, black_box(STATUS)));
    });
    raw.bench_function("floor: every '<' with memchr", |bencher| {
        bencher.iter(|| visit(black_box(STATUS)));
    });
    raw.bench_function("floor: quick-xml alone", |bencher| {
        bencher.iter(|| quick_xml_alone(black_box(STATUS)));
    });
    raw.finish();

    let mut json = group(criterion, "envelope", &envelope);
    json.bench_function("event", |bencher| {
        bencher.iter(|| fields(&mut reader, black_box(&envelope)));
    });
    json.bench_function("floor: every '<' with memchr", |bencher| {
        bencher.iter(|| visit(black_box(&envelope)));
    });
    json.bench_function("floor: serde_json and quick-xml", |bencher| {
        bencher.iter(|| serde_json_and_quick_xml(black_box(&envelope)));
    });
    json.finish();

    for (name, text) in [
        ("entities", ENTITIES),
        ("cdata", CDATA),
        ("node added", &big),
        ("stray ampersand", STRAY),
        ("cut off", CUT),
    ] {
        let mut other = group(criterion, name, text);
        other.bench_function("event", |bencher| {
            bencher.iter(|| fields(&mut reader, black_box(text)));
        });
        other.bench_function("floor: quick-xml alone", |bencher| {
            bencher.iter(|| quick_xml_alone(black_box(text)));
        });
        other.finish();
    }
}

criterion_group!(benches, parse);
criterion_main!(benches);
