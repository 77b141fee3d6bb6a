//! The bounded queue between a driver and its one consumer.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::task::{Context, Poll, Waker};

use ioxproto::Notification;

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// What becomes of notifications that the consumer does not take in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// A full queue stops the reading until it is half empty: nothing is lost here, memory is
    /// bounded. The controller feels it, and may drop a subscriber that does not read; that is then
    /// reported like any loss.
    #[default]
    Wait,
    /// The oldest are dropped, and their count is delivered. Status changes and questions for a
    /// token are kept, up to four times what the queue holds; beyond that the oldest of them go
    /// too, and the latest of each kind stays.
    DropOldest,
}

/// An empty queue that had room for more than this gives it back, so that an idle stream does not
/// keep what a replay took.
const IDLE: usize = 16;

/// The queue. Wakers make it fit every runtime, and none: a blocking driver brings one that unparks
/// a thread.
#[derive(Debug)]
pub struct Delivery {
    queue: Mutex<Queue>,
    capacity: usize,
    overflow: Overflow,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Notification>,
    dropped: u64,
    finished: bool,
    abandoned: bool,
    consumer: Option<Waker>,
    producer: Option<Waker>,
}

impl Delivery {
    /// A queue for this many notifications; at least one.
    pub(crate) fn new(capacity: usize, overflow: Overflow) -> Self {
        Self {
            queue: Mutex::default(),
            capacity: capacity.max(1),
            overflow,
        }
    }

    /// Delivers these. All of them are taken, so that the queue may hold a few more than its
    /// capacity: the driver asks [`poll_room`](Self::poll_room) before it reads on. Says how many
    /// more there is room for now, with this many `beyond` the capacity; with
    /// [`Overflow::DropOldest`], or without a consumer, there is always room.
    pub(crate) fn push_all(&self, notifications: &mut Vec<Notification>, beyond: usize) -> usize {
        let mut queue = self.lock();
        if queue.abandoned {
            drop(queue);
            notifications.clear();
            return usize::MAX;
        }
        let news = !notifications.is_empty();
        if queue.waiting.is_empty() && notifications.len() <= self.capacity {
            // All change hands at once, and the storage of the empty queue is the next batch's.
            let batch = std::mem::take(notifications).into();
            *notifications = std::mem::replace(&mut queue.waiting, batch).into();
        }
        for notification in notifications.drain(..) {
            if self.overflow == Overflow::DropOldest
                && queue.waiting.len() >= self.capacity
                && let Some(at) = queue.dispensable(self.capacity)
            {
                queue.waiting.remove(at);
                queue.dropped += 1;
            }
            queue.waiting.push_back(notification);
        }
        let room = self.room_in(&queue, beyond);
        let waker = queue.consumer.take_if(|_| news);
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        room
    }

    /// How many more there is room for now, with this many `beyond` the capacity.
    pub(crate) fn room(&self, beyond: usize) -> usize {
        self.room_in(&self.lock(), beyond)
    }

    fn room_in(&self, queue: &Queue, beyond: usize) -> usize {
        let most = self.capacity.saturating_add(beyond);
        match self.overflow {
            _ if queue.abandoned => usize::MAX,
            Overflow::Wait => most.saturating_sub(queue.waiting.len()),
            Overflow::DropOldest => usize::MAX,
        }
    }

    /// Ready when the driver may read on, with this many `beyond` the capacity; one that waits is
    /// woken once the queue is half empty.
    pub(crate) fn poll_room(&self, context: &mut Context<'_>, beyond: usize) -> Poll<()> {
        let mut queue = self.lock();
        let room = queue.waiting.len() < self.capacity.saturating_add(beyond);
        if room || queue.abandoned || self.overflow == Overflow::DropOldest {
            return Poll::Ready(());
        }
        queue.producer = Some(context.waker().clone());
        Poll::Pending
    }

    /// The consumer takes the next notification; `None` once the driver has finished and all are
    /// taken.
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
            if queue.waiting.capacity() > IDLE {
                queue.waiting = VecDeque::new();
            }
            queue.consumer = Some(context.waker().clone());
            return Poll::Pending;
        };
        // Not for each that is taken, where driver and consumer are on different threads.
        let room = queue.waiting.len() <= self.capacity / 2;
        let waker = queue.producer.take_if(|_| room);
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        Poll::Ready(Some(next))
    }

    /// The driver has nothing more to deliver.
    pub fn finish(&self) {
        let mut queue = self.lock();
        queue.finished = true;
        let waker = queue.consumer.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Opens the queue again after [`finish`](Self::finish), for a driver that starts again.
    pub fn resume(&self) {
        self.lock().finished = false;
    }

    /// The consumer is gone: what is delivered from now on is discarded, and blocks nobody.
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
        // Nothing panics while the lock is held; were it to, the queue would still be sound.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// What goes first where there is no room.
    fn dispensable(&self, capacity: usize) -> Option<usize> {
        let waiting = &self.waiting;
        let oldest = waiting.iter().position(may_be_dropped);
        oldest.or_else(|| {
            // A consumer that never takes does not make a stream that flaps fill the memory.
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

/// Status changes, and questions that wait for an answer, always get through.
fn may_be_dropped(notification: &Notification) -> bool {
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

    /// Takes everything that is there, as short texts.
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
    fn the_oldest_are_dropped_on_request_and_counted_and_status_changes_never() {
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
    fn status_changes_that_nobody_takes_are_bounded_and_the_latest_stays() {
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
    fn an_abandoned_queue_blocks_nobody_and_keeps_nothing() {
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
    fn a_batch_says_how_much_room_is_left() {
        let delivery = Delivery::new(3, Overflow::Wait);
        assert_eq!(delivery.push_all(&mut vec![event(0), event(1)], 0), 1);
        assert_eq!(delivery.push_all(&mut vec![event(2), event(3)], 0), 0);
        assert_eq!(taken(&delivery), ["0", "1", "2", "3"]);
        assert_eq!(delivery.push_all(&mut Vec::new(), 0), 3);
    }

    #[test]
    fn there_is_room_beyond_the_capacity_for_who_asks() {
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
    fn a_finished_queue_ends_after_what_it_holds() {
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
