//! Many reconnects: each one succeeds, and the use of resources does not grow. `IOX_RECONNECTS`
//! sets the number.

use std::env;
use std::time::Duration;

use ioxsim::{Ending, Event, HouseOptions, OnUpgrade, ServerOptions, Times, Tls};

use crate::resources::{resident_kib, resources_in_use, wait_for_no_more_than};
use crate::{Bench, Sim, Watched, quick};

const DEFAULT_RECONNECTS: usize = 10;

/// How much the memory in use may grow with each reconnect, in KiB. A leaked connection would take
/// much more.
const GROWTH_PER_RECONNECT: u64 = 2;
/// How much the allocator and the system may add at any time, in KiB.
const SLACK: u64 = 1024;

/// How a connection is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// The controller ends it.
    Ended(Ending),
    /// The controller ends it and refuses the next attempt.
    EndedAndRefused,
    /// The controller is killed and restarts on the same port.
    Killed,
}

/// The losses, in a cycle.
const LOSSES: [Loss; 6] = [
    Loss::Ended(Ending::Close(1001)),
    Loss::Ended(Ending::Reset),
    Loss::EndedAndRefused,
    Loss::Ended(Ending::Fin),
    Loss::Killed,
    Loss::Ended(Ending::MidFrame),
];

pub fn each_reconnect_succeeds_and_resource_use_stays_constant(bench: &Bench) {
    bench.alone(|| {
        let reconnects =
            env::var("IOX_RECONNECTS").map_or(DEFAULT_RECONNECTS, |count| count.parse().unwrap());
        let mut controller = Controller::start(bench);
        let mut timing = quick();
        timing.drain_quiet = Duration::from_millis(60);
        timing.drain_quiet_after_mark = Duration::from_millis(30);
        // The wait does not grow, although few connections last long enough to prove stable.
        timing.backoff = vec![Duration::from_millis(10)];
        let options = bench.options(controller.sim()).timing(timing);
        let mut watched = bench.start(options);
        watched.connected();
        // Each loss once first: the runtime, the allocator and the TLS library keep what they
        // allocate for the first one.
        for loss in LOSSES {
            controller.reconnects(&mut watched, loss);
        }
        let before = resources_in_use();
        let memory = resident_kib();
        for loss in LOSSES.into_iter().cycle().take(reconnects) {
            controller.reconnects(&mut watched, loss);
        }
        wait_for_no_more_than(&before, &format!("after {reconnects} reconnects"));
        let grown = resident_kib().saturating_sub(memory);
        let allowed = SLACK + GROWTH_PER_RECONNECT * reconnects as u64;
        println!("{reconnects} reconnects: {memory} KiB, and {grown} KiB more at the end");
        assert!(
            grown <= allowed,
            "{grown} KiB more after {reconnects} reconnects"
        );
        watched.stop();
    });
}

/// A controller that can be killed and restarted.
struct Controller {
    options: ServerOptions,
    /// `None` only while it is killed.
    sim: Option<Sim>,
}

impl Controller {
    fn start(bench: &Bench) -> Self {
        let mut options = ServerOptions::of(HouseOptions {
            nodes: 12,
            rate_per_second: 0.0,
            seed: 5,
            ..HouseOptions::default()
        });
        options.tls = bench.has_tls().then(|| Tls::self_signed().unwrap());
        let sim = Sim::start(options.clone());
        options.bind = sim.server().address();
        Self {
            options,
            sim: Some(sim),
        }
    }

    fn sim(&self) -> &Sim {
        self.sim.as_ref().unwrap()
    }

    /// Loses the connection and waits until the stream has reconnected. The replay must be complete
    /// and not live, and the next event must be live.
    fn reconnects(&mut self, watched: &mut Watched, loss: Loss) {
        watched.forget();
        match loss {
            Loss::Ended(ending) => self.sim().end(ending),
            Loss::EndedAndRefused => {
                self.sim()
                    .on_upgrade(OnUpgrade::refuse(503), Times::Next(1));
                self.sim().end(Ending::Fin);
            }
            Loss::Killed => {
                if let Some(sim) = self.sim.take() {
                    sim.kill();
                }
                watched.lost();
                self.sim = Some(Sim::start(self.options.clone()));
            }
        }
        watched.connected();
        let replayed = watched.events();
        assert_eq!(replayed.len(), self.sim().replay_frames(), "{loss:?}");
        assert!(replayed.iter().all(|event| !event.is_live()), "{loss:?}");
        self.sim().emit(&Event::new("ST", "endures").node("n1"));
        assert!(watched.event("ST", "endures").is_live(), "{loss:?}");
    }
}
