//! The bounded queue between a driver and its one consumer.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::task::{Context, Poll, Waker};

use ioxproto::Notification;

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// What happens to notifications if the consumer does not take them in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// When the queue is full, the driver stops reading until it is half empty. No notification is
    /// lost here, and memory is bounded. The back-pressure reaches the controller, which may
    /// disconnect a subscriber that does not read. The stream reports that like any lost
    /// connection.
    #[default]
    Wait,
    /// The oldest notifications are dropped, and their count is delivered. Status changes and
    /// requests for a token are kept, up to four times the capacity of the queue. Beyond that, the
    /// oldest of them are dropped, too; the latest of each kind is always kept.
    DropOldest,
}

/// An empty queue with a larger capacity is freed, so that an idle stream does not keep the memory
/// of a replay.
const IDLE_CAPACITY: usize = 16;

/// The queue from a driver to its consumer. It uses wakers only, so it works with every runtime and
/// without one: a blocking driver supplies a waker that unparks a thread.
#[derive(Debug)]
pub struct Delivery {
    queue: Mutex<Queue>,
    capacity: usize,
    overflow: Overflow,
}

/// The notifications that wait, and the wakers of both ends.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Notification>,
    /// The number of notifications dropped since the last report.
    dropped: u64,
    /// Whether the driver has finished: no notification follows.
    finished: bool,
    /// Whether the consumer is gone.
    abandoned: bool,
    /// The waker of the consumer, if it waits for a notification.
    consumer: Option<Waker>,
    /// The waker of the driver, if it waits for room.
    producer: Option<Waker>,
}

impl Delivery {
    /// Creates a queue for this many notifications, at least one.
    pub(crate) fn new(capacity: usize, overflow: Overflow) -> Self {
        Self {
            queue: Mutex::default(),
            capacity: capacity.max(1),
            overflow,
        }
    }

    /// Delivers these notifications. It takes all of them, so the queue may exceed its capacity;
    /// the driver calls [`poll_room`](Self::poll_room) before it continues to read. Returns how
    /// many more the queue accepts, with `headroom` added to its capacity. With
    /// [`Overflow::DropOldest`], or without a consumer, the room is unlimited.
    pub(crate) fn push_all(&self, notifications: &mut Vec<Notification>, headroom: usize) -> usize {
        let mut queue = self.lock();
        if queue.abandoned {
            drop(queue);
            notifications.clear();
            return usize::MAX;
        }
        let has_new = !notifications.is_empty();
        if queue.waiting.is_empty() && notifications.len() <= self.capacity {
            // Swap the buffers instead of moving each notification.
            let batch = std::mem::take(notifications).into();
            *notifications = std::mem::replace(&mut queue.waiting, batch).into();
        }
        for notification in notifications.drain(..) {
            if self.overflow == Overflow::DropOldest
                && queue.waiting.len() >= self.capacity
                && let Some(at) = queue.find_droppable(self.capacity)
            {
                queue.waiting.remove(at);
                queue.dropped += 1;
            }
            queue.waiting.push_back(notification);
        }
        let room = self.room_in(&queue, headroom);
        let waker = queue.consumer.take_if(|_| has_new);
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        room
    }

    /// How many more notifications the queue accepts, with `headroom` added to its capacity.
    pub(crate) fn room(&self, headroom: usize) -> usize {
        self.room_in(&self.lock(), headroom)
    }

    fn room_in(&self, queue: &Queue, headroom: usize) -> usize {
        let max = self.capacity.saturating_add(headroom);
        match self.overflow {
            _ if queue.abandoned => usize::MAX,
            Overflow::Wait => max.saturating_sub(queue.waiting.len()),
            Overflow::DropOldest => usize::MAX,
        }
    }

    /// Ready when the driver may continue to read, with `headroom` added to the capacity. A waiting
    /// driver is woken once the queue is half empty.
    pub(crate) fn poll_room(&self, context: &mut Context<'_>, headroom: usize) -> Poll<()> {
        let mut queue = self.lock();
        let has_room = queue.waiting.len() < self.capacity.saturating_add(headroom);
        if has_room || queue.abandoned || self.overflow == Overflow::DropOldest {
            return Poll::Ready(());
        }
        queue.producer = Some(context.waker().clone());
        Poll::Pending
    }

    /// Takes the next notification, for the consumer; `None` once the driver has finished and the
    /// queue is empty.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Notification>> {
        let mut queue = self.lock();
        if queue.dropped > 0 {
            return Poll::Ready(Some(Notification::Dropped(std::mem::take(
                &mut queue.dropped,
            ))));
        }
        let Some(next) = queue.waiting.pop_front() else {
            if queue.finished {
                return Poll::Ready(None);
            }
            if queue.waiting.capacity() > IDLE_CAPACITY {
                queue.waiting = VecDeque::new();
            }
            queue.consumer = Some(context.waker().clone());
            return Poll::Pending;
        };
        // Waking a driver on another thread for each notification would be expensive.
        let is_half_empty = queue.waiting.len() <= self.capacity / 2;
        let waker = queue.producer.take_if(|_| is_half_empty);
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        Poll::Ready(Some(next))
    }

    /// Ends the queue: the driver delivers no more notifications.
    pub fn finish(&self) {
        let mut queue = self.lock();
        queue.finished = true;
        let waker = queue.consumer.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Reopens the queue after [`finish`](Self::finish), for a driver that starts again.
    pub fn resume(&self) {
        self.lock().finished = false;
    }

    /// Marks the consumer as gone: the queue discards all notifications and no longer blocks the
    /// driver.
    pub fn abandon(&self) {
        let mut queue = self.lock();
        queue.abandoned = true;
        let unread = std::mem::take(&mut queue.waiting);
        let waker = queue.producer.take();
        drop(queue);
        drop(unread);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code panics while it holds the lock, and the queue would remain valid if one did.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// The position of the notification to drop when the queue is full.
    fn find_droppable(&self, capacity: usize) -> Option<usize> {
        let waiting = &self.waiting;
        let oldest = waiting.iter().position(is_droppable);
        oldest.or_else(|| {
            // Bounds the memory if a stream reconnects again and again and the consumer does not
            // read.
            if waiting.len() < capacity.saturating_mul(4) {
                return None;
            }
            (0..waiting.len()).find(|at| {
                let kind = discriminant(&waiting[*at]);
                waiting
                    .range(at + 1..)
                    .any(|later| discriminant(later) == kind)
            })
        })
    }
}

/// Whether a notification may be dropped: all except status changes and requests for a token.
fn is_droppable(notification: &Notification) -> bool {
    !matches!(
        notification,
        Notification::Status(_) | Notification::TokenWanted { .. }
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    use ioxproto::{Frame, FrameReader, Status, StatusChange};

    use super::*;

    fn event(seqnum: u32) -> Notification {
        let text = format!("<Event seqnum=\"{seqnum}\"><control>ST</control></Event>");
        let Frame::Event(event) = FrameReader::new().read(&text) else {
            panic!()
        };
        Notification::Event(event)
    }

    impl Delivery {
        fn push(&self, notification: Notification) {
            self.push_all(&mut vec![notification], 0);
        }
    }

    fn status(status: Status) -> Notification {
        Notification::Status(StatusChange::new(status))
    }

    /// Takes everything in the queue, as short texts.
    fn taken(delivery: &Delivery) -> Vec<String> {
        let mut context = Context::from_waker(Waker::noop());
        let mut taken = Vec::new();
        while let Poll::Ready(Some(next)) = delivery.poll_next(&mut context) {
            taken.push(match next {
                Notification::Event(event) => event.seqnum().to_string(),
                Notification::Status(change) => change.status.to_string(),
                Notification::Dropped(count) => format!("dropped {count}"),
                other => format!("{other:?}"),
            });
        }
        taken
    }

    #[test]
    fn a_full_queue_has_no_room_until_something_is_taken_and_loses_nothing() {
        let delivery = Delivery::new(2, Overflow::Wait);
        let mut context = Context::from_waker(Waker::noop());
        for seqnum in 0..3 {
            delivery.push(event(seqnum));
        }
        assert!(delivery.poll_room(&mut context, 0).is_pending());
        assert_eq!(taken(&delivery), ["0", "1", "2"]);
        assert!(delivery.poll_room(&mut context, 0).is_ready());
    }

    #[test]
    fn drop_oldest_counts_dropped_notifications_and_keeps_status_changes() {
        let delivery = Delivery::new(3, Overflow::DropOldest);
        delivery.push(status(Status::StreamSyncing));
        for seqnum in 0..5 {
            delivery.push(event(seqnum));
        }
        delivery.push(status(Status::Connected));
        assert_eq!(
            taken(&delivery),
            ["dropped 4", "stream_syncing", "4", "connected"]
        );
        assert!(
            delivery
                .poll_room(&mut Context::from_waker(Waker::noop()), 0)
                .is_ready()
        );
    }

    #[test]
    fn unread_status_changes_are_bounded_and_the_latest_is_kept() {
        let delivery = Delivery::new(2, Overflow::DropOldest);
        delivery.push(Notification::TokenWanted { rejected: false });
        for _ in 0..1000 {
            delivery.push(status(Status::LostConnection));
            delivery.push(status(Status::StreamSyncing));
        }
        let mut expected = vec!["dropped 1993", "TokenWanted { rejected: false }"];
        expected.extend(["stream_syncing", "lost_connection"].repeat(3));
        expected.push("stream_syncing");
        assert_eq!(taken(&delivery), expected);
    }

    #[test]
    fn an_abandoned_queue_never_blocks_and_stays_empty() {
        let delivery = Delivery::new(1, Overflow::Wait);
        delivery.push(event(0));
        delivery.abandon();
        delivery.push(event(1));
        assert!(
            delivery
                .poll_room(&mut Context::from_waker(Waker::noop()), 0)
                .is_ready()
        );
        assert_eq!(taken(&delivery), [""; 0]);
    }

    #[test]
    fn a_driver_that_waits_is_woken_once_the_queue_is_half_empty() {
        struct Woken(AtomicBool);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let delivery = Delivery::new(4, Overflow::Wait);
        delivery.push_all(&mut (0..4).map(event).collect(), 0);
        let waker = Waker::from(Arc::clone(&woken));
        let waits = delivery.poll_room(&mut Context::from_waker(&waker), 0);
        assert!(waits.is_pending());
        let mut consumer = Context::from_waker(Waker::noop());
        for (taken, expected) in [(1, false), (2, true)] {
            assert!(delivery.poll_next(&mut consumer).is_ready());
            assert_eq!(woken.0.load(Ordering::Relaxed), expected, "{taken} taken");
        }
        assert_eq!(delivery.room(0), 2);
    }

    #[test]
    fn push_all_returns_the_room_left() {
        let delivery = Delivery::new(3, Overflow::Wait);
        assert_eq!(delivery.push_all(&mut vec![event(0), event(1)], 0), 1);
        assert_eq!(delivery.push_all(&mut vec![event(2), event(3)], 0), 0);
        assert_eq!(taken(&delivery), ["0", "1", "2", "3"]);
        assert_eq!(delivery.push_all(&mut Vec::new(), 0), 3);
    }

    #[test]
    fn headroom_is_added_to_the_capacity() {
        let delivery = Delivery::new(1, Overflow::Wait);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(delivery.push_all(&mut vec![event(0), event(1)], 2), 1);
        assert!(delivery.poll_room(&mut context, 2).is_ready());
        assert!(delivery.poll_room(&mut context, 1).is_pending());
        assert_eq!((delivery.room(2), delivery.room(0)), (1, 0));
    }

    #[test]
    fn a_finished_queue_that_is_resumed_delivers_again() {
        let delivery = Delivery::new(3, Overflow::Wait);
        delivery.finish();
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(
            delivery.poll_next(&mut context),
            Poll::Ready(None)
        ));
        delivery.resume();
        assert!(delivery.poll_next(&mut context).is_pending());
        delivery.push(event(7));
        assert_eq!(taken(&delivery), ["7"]);
    }

    #[test]
    fn a_finished_queue_ends_after_its_last_notification() {
        let delivery = Delivery::new(1, Overflow::Wait);
        delivery.push(event(0));
        delivery.finish();
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(
            delivery.poll_next(&mut context),
            Poll::Ready(Some(_))
        ));
        assert!(matches!(
            delivery.poll_next(&mut context),
            Poll::Ready(None)
        ));
    }
}
