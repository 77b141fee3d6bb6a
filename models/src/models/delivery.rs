//! The queue between a driver and its consumer.

use std::future::poll_fn;
use std::sync::Arc;

use ioxproto::{Frame, FrameReader, Notification};
use shuttle::future::block_on;
use shuttle::thread;

use crate::driver::{Delivery, Overflow};

fn event(seqnum: i64) -> Notification {
    let text = format!("<Event seqnum=\"{seqnum}\"><control>ST</control></Event>");
    match FrameReader::new().read(&text) {
        Frame::Event(event) => Notification::Event(event),
        other => panic!("{other:?}"),
    }
}

fn next(delivery: &Delivery) -> Option<Notification> {
    block_on(poll_fn(|context| delivery.poll_next(context)))
}

/// Takes all events up to the end. Returns their sequence numbers.
fn take_all(delivery: &Delivery) -> Vec<i64> {
    let mut numbers = Vec::new();
    while let Some(next) = next(delivery) {
        match next {
            Notification::Event(event) => numbers.push(event.seqnum()),
            other => panic!("{other:?}"),
        }
    }
    numbers
}

/// Delivers these events as a driver does: waits for room, then pushes an event.
fn deliver(delivery: &Delivery, numbers: impl Iterator<Item = i64>) {
    for seqnum in numbers {
        block_on(poll_fn(|context| delivery.poll_room(context, 0)));
        delivery.push_all(&mut vec![event(seqnum)], 0);
    }
    delivery.finish();
}

pub fn no_wake_up_is_lost_between_a_push_and_a_poll() {
    let delivery = Arc::new(Delivery::new(8, Overflow::Wait));
    let driver = Arc::clone(&delivery);
    let driver = thread::spawn(move || deliver(&driver, 0..4));
    assert_eq!(take_all(&delivery), [0, 1, 2, 3]);
    driver.join().unwrap();
}

pub fn a_full_queue_stops_the_driver_until_there_is_room() {
    const CAPACITY: usize = 2;
    let delivery = Arc::new(Delivery::new(CAPACITY, Overflow::Wait));
    let driver = Arc::clone(&delivery);
    let driver = thread::spawn(move || {
        for seqnum in 0..6 {
            block_on(poll_fn(|context| driver.poll_room(context, 0)));
            // Nothing else fills the queue, so the room is still there.
            assert!(
                driver.room(0) > 0,
                "the queue is full, but the driver did not have to wait"
            );
            driver.push_all(&mut vec![event(seqnum)], 0);
        }
        driver.finish();
    });
    assert_eq!(take_all(&delivery), [0, 1, 2, 3, 4, 5]);
    driver.join().unwrap();
}

pub fn a_driver_with_a_full_queue_continues_when_the_consumer_leaves() {
    let delivery = Arc::new(Delivery::new(1, Overflow::Wait));
    let driver = Arc::clone(&delivery);
    let driver = thread::spawn(move || deliver(&driver, 0..3));
    assert!(next(&delivery).is_some());
    delivery.abandon();
    driver.join().unwrap();
}

pub fn the_end_wakes_a_consumer_that_waits() {
    let delivery = Arc::new(Delivery::new(1, Overflow::Wait));
    let driver = Arc::clone(&delivery);
    let driver = thread::spawn(move || driver.finish());
    assert_eq!(take_all(&delivery), [0; 0]);
    driver.join().unwrap();
}

pub fn every_pushed_event_is_taken_or_counted_as_dropped() {
    let delivery = Arc::new(Delivery::new(2, Overflow::DropOldest));
    let driver = Arc::clone(&delivery);
    let driver = thread::spawn(move || deliver(&driver, 0..6));
    let (mut events, mut dropped) = (0, 0);
    while let Some(next) = next(&delivery) {
        match next {
            Notification::Event(_) => events += 1,
            Notification::Dropped(count) => dropped += count,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(events + dropped, 6);
    driver.join().unwrap();
}
