//! The memory of a stream: the machine, and the events that wait for a consumer.

use allocation_counter::measure;
use pretend::Driver;

/// A frame of typical length.
fn frame(seqnum: i64) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Event seqnum=\"{seqnum}\" sid=\"uuid:7\" \
         timestamp=\"2026-05-05T18:52:41.875777-07:00\"><control>ST</control><action uom=\"100\" prec=\"0\">255</action>\
         <node>42 92 8C {seqnum}</node><eventInfo></eventInfo><fmtAct>On</fmtAct><fmtName>Status</fmtName></Event>"
    )
}

/// The bytes that a stream holds after a replay of this many frames, with up to `untaken` events
/// not taken yet.
fn held(replayed: i64, untaken: usize, live: bool) -> i64 {
    let mut kept = None;
    let measured = measure(|| {
        let mut driver = Driver::syncing();
        driver.notifications = Vec::new();
        for seqnum in 0..replayed {
            driver.text(&frame(seqnum));
            if driver.notifications.len() > untaken {
                driver.notifications.clear();
            }
        }
        if live {
            driver.pass(1.0);
        }
        if untaken == 0 {
            driver.notifications = Vec::new();
            driver.done = Vec::new();
        }
        kept = Some(driver);
    });
    drop(kept);
    measured.bytes_current
}

#[test]
fn a_stream_holds_little_memory_in_every_state() {
    let replaying = held(400, 0, false);
    let idle = held(400, 0, true);
    let stuck = held(1024, 1024, true);
    println!("in a replay {replaying} bytes, idle {idle}, with 1024 events untaken {stuck}");
    assert!(replaying < 8 * 1024, "in a replay: {replaying} bytes");
    assert!(idle < 8 * 1024, "idle: {idle} bytes");
    assert!(
        stuck < 1024 * 1024,
        "with 1024 events untaken: {stuck} bytes"
    );
}
