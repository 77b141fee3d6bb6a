//! Signals. The first Ctrl-C or SIGTERM requests a clean stop, the second ends the program at once.
//! SIGUSR1 writes the state; SIGHUP reloads the configuration of a bridge.

use std::io;
use std::process;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Whether a signal asked for a stop. Clones are equal.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Installs the signal handlers for the rest of the program's life.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let mut signals = Signals::new()?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            signals.next().await;
            sender.send_replace(true);
            signals.next().await;
            process::exit(1);
        });
        Ok(Self(receiver))
    }

    /// Waits for the first signal.
    pub(crate) async fn requested(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            // The task above lives as long as the runtime does.
            std::future::pending::<()>().await;
        }
    }
}

/// Requests to reload the configuration: SIGHUP.
#[derive(Debug)]
pub(crate) struct Reload {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Reload {
    /// Installs the handler for SIGHUP.
    pub(crate) fn on_signal() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let signal = signal(SignalKind::hangup())?;
            Ok(Self { signal })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Completes each time the signal arrives.
    pub(crate) async fn requested(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Suspension of the program (SIGTSTP), and its continuation (SIGCONT).
#[derive(Debug)]
pub(crate) struct Continue {
    #[cfg(unix)]
    suspend: tokio::signal::unix::Signal,
    #[cfg(unix)]
    resume: tokio::signal::unix::Signal,
}

impl Continue {
    /// Installs the handlers for SIGTSTP and SIGCONT.
    pub(crate) fn on_signals() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use rustix::process::Signal;
            use tokio::signal::unix::{SignalKind, signal};
            let of = |one: Signal| signal(SignalKind::from_raw(one.as_raw()));
            Ok(Self {
                suspend: of(Signal::TSTP)?,
                resume: of(Signal::CONT)?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Completes each time one of them arrives: `true` for SIGCONT.
    pub(crate) async fn changed(&mut self) -> bool {
        #[cfg(unix)]
        tokio::select! {
            Some(()) = self.suspend.recv() => return false,
            Some(()) = self.resume.recv() => return true,
            else => {}
        }
        std::future::pending().await
    }
}

/// Requests to write the state: SIGUSR1, and a regular interval.
#[derive(Debug)]
pub(crate) struct Save {
    every: Option<Interval>,
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Save {
    /// Installs the handler for SIGUSR1 if the state is `wanted`.
    pub(crate) fn on(wanted: bool, every: Option<Duration>) -> io::Result<Self> {
        let every = every.map(|every| {
            let mut interval = interval_at(Instant::now() + every, every);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let signal = wanted.then(|| signal(SignalKind::user_defined1()));
            let signal = signal.transpose()?;
            Ok(Self { every, signal })
        }
        #[cfg(not(unix))]
        {
            let _ = wanted;
            Ok(Self { every })
        }
    }

    /// Completes each time the state must be written.
    pub(crate) async fn due(&mut self) {
        let every = async {
            match &mut self.every {
                Some(interval) => _ = interval.tick().await,
                None => std::future::pending().await,
            }
        };
        let signal = async {
            #[cfg(unix)]
            if let Some(signal) = &mut self.signal {
                signal.recv().await;
                return;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = every => {}
            () = signal => {}
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    close: tokio::signal::windows::CtrlBreak,
}

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c};
        Ok(Self {
            interrupt: ctrl_c()?,
            close: ctrl_break()?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.close.recv() => {}
        }
    }
}
