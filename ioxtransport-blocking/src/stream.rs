//! The stream that a consumer reads.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ioxdriver::driver::Listener;
use ioxdriver::{BuildError, Options, Start};
use ioxproto::{Event, Notification};
use thiserror::Error;

use super::Handle;
use super::shared_driver::SharedDriver;

/// A stream: an iterator over its notifications, in order.
///
/// It ends (`None`) after the stream was stopped or has failed permanently; [`Handle::closed`] then
/// returns why. After a [`Handle::start`] it continues.
///
/// The stream only runs in [`next`](Iterator::next) and the other methods that wait, on the thread
/// that calls them; the first of these calls connects. Dropping it ends the stream immediately, and
/// with it the waits of [`Handle`]s on other threads, unless a stop is in progress. It then sends a
/// close frame without waiting for the answer, and does not log out a portal account; the outcome
/// is [`DriverGone`](ioxdriver::EndError::DriverGone). Use [`stop`](Self::stop) to wait for the
/// close frame and to log out.
///
/// With [`in_background`](Self::in_background), a thread runs the stream, also after this value was
/// dropped, while there are [`Handle`]s.
#[derive(Debug)]
pub struct EventStream {
    handle: Handle,
    shared_driver: Arc<SharedDriver>,
}

/// The options of a stream, and the methods that start it.
pub type Builder = Options<EventStream>;

/// No notification arrived in time; the stream continues.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[error("no notification arrived in time")]
pub struct TimedOut;

ioxproto::debug_is_display! { TimedOut }

impl EventStream {
    /// Creates options for the controller at this URL, such as `https://eisy.local:8443`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Options::new(url).retarget()
    }

    /// Starts a stream with these options.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first option that cannot be used, or what is missing.
    pub fn start(options: Options) -> Result<Self, BuildError> {
        let shared_driver = SharedDriver::new(options, None)?;
        let handle = Handle::new(Arc::clone(shared_driver.shared()));
        Ok(Self {
            handle,
            shared_driver,
        })
    }

    /// Starts a stream on a thread of its own, which calls this function with each notification;
    /// see [`Options::start_with`].
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the first option that cannot be used, or what is missing.
    pub fn start_with(
        options: Options,
        listener: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<Handle, BuildError> {
        let shared_driver = SharedDriver::new(options, Some(Listener::new(listener)))?;
        let handle = Handle::new(Arc::clone(shared_driver.shared()));
        shared_driver
            .drive_in_background()
            .map_err(BuildError::System)?;
        Ok(handle)
    }

    /// Waits for the next notification, at most this long; `Ok(None)` at the end.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] if there was none.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Notification>, TimedOut> {
        let until = Instant::now().checked_add(timeout);
        self.shared_driver
            .wait_until(until, |context| {
                self.shared_driver.delivery().poll_next(context)
            })
            .ok_or(TimedOut)
    }

    /// Waits for the next live event and drops all other notifications before it; `None` at the
    /// end.
    ///
    /// Status changes are dropped, too: at the end, [`Handle::closed`] returns the reason.
    pub fn next_live_event(&mut self) -> Option<Event> {
        self.find_map(|notification| match notification {
            Notification::Event(event) if event.is_live() => Some(event),
            _ => None,
        })
    }

    /// Returns the next notification without waiting; `Ok(None)` at the end. It is for programs
    /// with their own loop. Call it several times a second, each time until it returns
    /// [`TimedOut`]: the stream reads, answers pings and keeps its deadlines only in these calls.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] if there is none.
    pub fn try_next(&mut self) -> Result<Option<Notification>, TimedOut> {
        self.next_timeout(Duration::ZERO)
    }

    /// Stops the stream and waits until it has ended, at most 1.5 s. The remaining notifications
    /// and the last changes of status can still be taken afterwards.
    pub fn stop(&mut self) {
        self.handle.stop();
    }

    /// Returns a handle on the stream.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs the stream on a thread of its own, named `iox-stream`, so that it reads independently
    /// of the consumer until the [`queue`](Builder::queue) is full. The thread ends with the
    /// stream; [`stop`](Self::stop) waits for it. If this value is dropped, the stream continues
    /// while there are handles, and discards its notifications.
    ///
    /// # Errors
    ///
    /// The error of the operating system if it cannot start a thread.
    pub fn in_background(self) -> io::Result<Self> {
        self.shared_driver.drive_in_background()?;
        Ok(self)
    }
}

impl Iterator for EventStream {
    type Item = Notification;

    /// Waits for the next notification; `None` at the end.
    fn next(&mut self) -> Option<Notification> {
        let next = self.shared_driver.wait_until(None, |context| {
            self.shared_driver.delivery().poll_next(context)
        });
        next.flatten()
    }
}

impl Start for EventStream {
    type Handle = Handle;

    fn start(options: Options) -> Result<Self, BuildError> {
        Self::start(options)
    }

    fn start_with(
        options: Options,
        listener: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<Handle, BuildError> {
        Self::start_with(options, listener)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.shared_driver.delivery().abandon();
        if !self.shared_driver.is_in_background() {
            self.shared_driver.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use ioxconformance::{Front, LIMIT, Reply, Sim, options, quick, wait_for};
    use ioxproto::{Status, Timing, rest};
    use ioxsim::{HouseOptions, OnConnect, OnUpgrade, ServerOptions, Times};

    use super::*;

    fn server() -> Sim {
        Sim::start(ServerOptions::of(HouseOptions {
            rate_per_second: 0.0,
            ..HouseOptions::default()
        }))
    }

    fn start(server: &Sim, timing: Timing) -> EventStream {
        EventStream::start(options(server.url()).timing(timing)).unwrap()
    }

    /// Counts the wake-ups until the condition is met. Checks the condition after each wake-up.
    fn sleeps(stream: &EventStream, mut condition: impl FnMut() -> bool) -> u32 {
        let before = stream.shared_driver.sleeps();
        let until = Instant::now().checked_add(LIMIT);
        let waited = stream
            .shared_driver
            .wait_until(until, |_| match condition() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            });
        assert_eq!(waited, Some(()));
        stream.shared_driver.sleeps() - before
    }

    #[test]
    fn an_idle_stream_wakes_only_for_deadlines_and_input() {
        const PINGS: u32 = 20;
        let server = server();
        server.heartbeats(false);
        let mut timing = quick();
        timing.ping_after = Duration::from_millis(100);
        let stream = start(&server, timing);
        let connected = stream.handle.wait_for(Status::Connected, LIMIT);
        assert_eq!(connected, Ok(()));
        let before = server.control().seen().pings;
        let woken = sleeps(&stream, || {
            server.control().seen().pings >= before + u64::from(PINGS)
        });
        // Two wake-ups for each ping: the end of the silence and the pong. A few more, because the
        // connection is proven once, and the system may end a wait slightly early.
        assert!((PINGS..=2 * PINGS + 6).contains(&woken), "{woken}");
    }

    #[test]
    fn an_idle_connection_wakes_a_stream_once() {
        const LISTENED: Duration = Duration::from_millis(1500);
        let server = server();
        server.heartbeats(false);
        let url = server.url();
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        let front = Front::start(address, None).unwrap();
        front.reply("/rest/nodes", [Reply::Answer(200, "<nodes/>".to_owned())]);
        let mut timing = quick();
        timing.keep_alive = Duration::from_millis(500);
        timing.ping_after = LIMIT;
        timing.proven_after = LIMIT;
        let stream = EventStream::start(options(front.url()).timing(timing)).unwrap();
        let connected = stream.handle.wait_for(Status::Connected, LIMIT);
        assert_eq!(connected, Ok(()));
        // The call also lets the ping and the pong pass that follow `connected`.
        assert!(stream.handle.call(rest::nodes()).is_ok());
        assert_eq!(front.open(), 2);
        let before = stream.shared_driver.sleeps();
        let until = Instant::now().checked_add(LISTENED);
        let waited = stream
            .shared_driver
            .wait_until(until, |_| Poll::<()>::Pending);
        assert_eq!(waited, None);
        let woken = stream.shared_driver.sleeps() - before;
        // The end of the idle connection, the pong and the end of this wait. The system may end a
        // wait slightly early.
        assert!((2..=5).contains(&woken), "{woken}");
        wait_for("the end of the idle connection", || front.open() == 1);
    }

    #[test]
    fn a_hanging_attempt_wakes_a_stream_only_for_its_time_limit() {
        let mut timing = quick();
        timing.connect = Duration::from_millis(500);
        timing.backoff = vec![Duration::from_millis(500)];
        for upgrade in [false, true] {
            let server = server();
            match upgrade {
                true => server.on_upgrade(OnUpgrade::Mute, Times::Always),
                false => server.on_connect(OnConnect::Mute, Times::Always),
            }
            let stream = start(&server, timing.clone());
            let woken = sleeps(&stream, || server.connections() >= 2);
            // Connect, time out, wait, connect again, time out again.
            assert!((1..=8).contains(&woken), "{woken}");
        }
    }
}
