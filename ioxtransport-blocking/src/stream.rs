//! The consumer's end.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ioxdriver::driver::Listener;
use ioxdriver::{BuildError, Options, Start};
use ioxproto::{Event, Notification};
use thiserror::Error;

use super::Handle;
use super::shared_driver::SharedDriver;

/// A stream: an iterator over what happens on it, in order.
///
/// It ends (`None`) after the stream was stopped or has failed for good; [`Handle::closed`] then
/// says why. After a [`Handle::start`] it goes on.
///
/// It begins with the first [`next`](Iterator::next), and goes on within it and the other methods
/// that wait, on the thread that calls them. Dropping it ends the stream at once, and with it the
/// waiting of [`Handle`]s on other threads, save for a stop under way: a connection is closed with
/// a close frame, without waiting for the answer, and a portal account is not logged out; the
/// outcome is then [`DriverGone`](ioxdriver::EndError::DriverGone). [`stop`](Self::stop) does both
/// in order. [`in_background`](Self::in_background) changes that: a thread drives, and the stream
/// then goes on while there are [`Handle`]s.
#[derive(Debug)]
pub struct EventStream {
    handle: Handle,
    shared_driver: Arc<SharedDriver>,
}

/// Collects what a stream needs.
pub type Builder = Options<EventStream>;

/// Nothing happened in the time that was given; the stream goes on.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[error("nothing happened on the stream in the time given")]
pub struct TimedOut;

ioxproto::debug_is_display! { TimedOut }

impl EventStream {
    /// A stream of the controller at this URL, such as `https://eisy.local:8443`.
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

    /// Starts a stream that calls this function on a thread of its own; see
    /// [`Options::start_with`].
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

    /// The next notification, if it comes within this time; `Ok(None)` at the end.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] when nothing came.
    pub fn next_timeout(&mut self, patience: Duration) -> Result<Option<Notification>, TimedOut> {
        let until = Instant::now().checked_add(patience);
        self.shared_driver
            .wait_until(until, |context| {
                self.shared_driver.delivery().poll_next(context)
            })
            .ok_or(TimedOut)
    }

    /// Waits for the next live event, past everything else; `None` at the end.
    pub fn next_live_event(&mut self) -> Option<Event> {
        self.find_map(|notification| match notification {
            Notification::Event(event) if event.is_live() => Some(event),
            _ => None,
        })
    }

    /// The next notification, if it is there; `Ok(None)` at the end. For programs with a loop of
    /// their own: call it until it says [`TimedOut`], several times a second, for only then does
    /// the stream read, answer, and keep its times.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] when there is none.
    pub fn try_next(&mut self) -> Result<Option<Notification>, TimedOut> {
        self.next_timeout(Duration::ZERO)
    }

    /// Stops and waits until it is done, 1.5 s at most. What was not taken yet, and the last
    /// changes of status, are still delivered afterwards.
    pub fn stop(&mut self) {
        self.handle.stop();
    }

    /// A handle on the stream.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Lets a thread of its own drive the stream, named `iox-stream`, so that it reads whether
    /// anybody takes or not, up to what the [`queue`](Builder::queue) holds. The thread ends with
    /// the stream; [`stop`](Self::stop) waits for it. From here on dropping the stream discards
    /// what it would have delivered, and the stream goes on as long as there are handles.
    ///
    /// # Errors
    ///
    /// What the operating system says when it gives no thread.
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
        if !self.shared_driver.in_background() {
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

    /// How often it wakes until this holds; looked at after each wake-up.
    fn wake_ups(stream: &EventStream, mut holds: impl FnMut() -> bool) -> u32 {
        let before = stream.shared_driver.wake_ups();
        let until = Instant::now().checked_add(LIMIT);
        let waited = stream.shared_driver.wait_until(until, |_| match holds() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        assert_eq!(waited, Some(()));
        stream.shared_driver.wake_ups() - before
    }

    #[test]
    fn an_idle_stream_wakes_for_deadlines_and_what_comes_alone() {
        const PINGS: u32 = 20;
        let server = server();
        server.heartbeats(false);
        let mut timing = quick();
        timing.ping_after = Duration::from_millis(100);
        let stream = start(&server, timing);
        let connected = stream.handle.wait_for(Status::Connected, LIMIT);
        assert_eq!(connected, Ok(()));
        let before = server.control().seen().pings;
        let woken = wake_ups(&stream, || {
            server.control().seen().pings >= before + u64::from(PINGS)
        });
        // The end of each silence, and the pong; once the connection is proven, and a system may
        // end a wait a moment early.
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
        // The ping right after `connected`, and what it wakes for.
        assert!(stream.handle.call(rest::nodes()).is_ok());
        assert_eq!(front.open(), 2);
        let before = stream.shared_driver.wake_ups();
        let until = Instant::now().checked_add(LISTENED);
        let waited = stream
            .shared_driver
            .wait_until(until, |_| Poll::<()>::Pending);
        assert_eq!(waited, None);
        let woken = stream.shared_driver.wake_ups() - before;
        // Its end, the pong, the end of this wait, and a system may end a wait a moment early.
        assert!((2..=5).contains(&woken), "{woken}");
        wait_for("the end of the idle connection", || front.open() == 1);
    }

    #[test]
    fn what_hangs_wakes_a_stream_for_its_limit_alone() {
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
            let woken = wake_ups(&stream, || server.connections() >= 2);
            // Connected, given up, waited, connected again, given up again.
            assert!((1..=8).contains(&woken), "{woken}");
        }
    }
}
