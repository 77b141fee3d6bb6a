//! The soak test: injects random faults for a while, removes them, and checks that the broker then
//! has exactly the state of the houses.
//!
//! The faults: connections of controllers are dropped, refused, cut in the middle of an answer and
//! frozen; the broker is killed and restarted without retained messages; bridges are killed and
//! restarted. Meanwhile values change, buttons are pressed, and nodes are renamed, moved, added and
//! removed.

use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::bridges::{Bridge, create_bridges};
use crate::broker::{Broker, Logging};
use crate::expected::{differences, expected};
use crate::houses::{FIRST_TAG, House, houses};
use crate::subscriber::{Observer, retained};
use crate::{LIMIT, allow_descriptors, setting, until};

const SHARDS: usize = 3;
/// Events per second, in all houses together.
const EVENTS: f64 = 150.0;
/// Faults of controller connections per second.
const FAULTS: f64 = 2.0;
/// The allowed growth of a bridge's memory after everything has been published for the first time:
/// a quarter, plus this many KiB.
const GROWTH: u64 = 4096;

#[test]
#[ignore = "takes minutes: cargo test -p ioxcli --test fleet soak -- --ignored --nocapture"]
fn soak() {
    let seconds: u64 = setting("IOX_SOAK_SECONDS", 60);
    let controllers: usize = setting("IOX_SOAK_CONTROLLERS", 300);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed: u64 = setting("IOX_SOAK_SEED", now.unwrap().as_secs());
    println!(
        "soak: IOX_SOAK_SEED={seed} IOX_SOAK_SECONDS={seconds} IOX_SOAK_CONTROLLERS={controllers}"
    );
    let Some(broker) = Broker::new(Logging::On) else {
        return;
    };
    allow_descriptors(1000 + 8 * controllers as u64);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut soak = Soak::start(broker, controllers, seed).await;
        soak.settle("everything is published").await;
        soak.run_with_faults(Duration::from_secs(seconds)).await;
        soak.heal().await;
        soak.settle("everything is right again").await;
        soak.check();
    });
}

struct Soak {
    rng: Rng,
    broker: Broker,
    houses: Vec<House>,
    bridges: Vec<Bridge>,
    /// The bridge that is never killed, so that its memory is measured over the whole test.
    survivor: usize,
    observer: Observer,
    _folder: tempfile::TempDir,
    next_tag: u64,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    events: u64,
    structures: u64,
    faults: u64,
    freezes: u64,
    broker_kills: u64,
    bridge_kills: u64,
}

/// When the rare faults occur next, and when they end.
#[derive(Debug)]
struct Schedule {
    broker: Instant,
    bridge: Instant,
    /// The frozen houses, and when they are released.
    frozen: Vec<(Instant, usize)>,
    /// The killed bridges, and when they are restarted.
    dead: Vec<(Instant, usize)>,
}

impl Soak {
    async fn start(mut broker: Broker, controllers: usize, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        broker.run().await;
        let houses = houses(controllers, seed).await;
        let folder = tempfile::tempdir().unwrap();
        let mut bridges = create_bridges(&folder, &houses, broker.port(), SHARDS);
        for bridge in &mut bridges {
            bridge.start();
        }
        Self {
            survivor: rng.usize(..SHARDS),
            rng,
            observer: Observer::start(broker.port()),
            broker,
            houses,
            bridges,
            _folder: folder,
            next_tag: FIRST_TAG,
            counts: Counts::default(),
        }
    }

    /// Waits until the broker has exactly the state of the houses.
    async fn settle(&mut self, what: &str) {
        let limit = Duration::from_secs(setting("IOX_SOAK_LIMIT", 300));
        let began = Instant::now();
        let topics = loop {
            self.sample();
            // Read the state each time, because changes right after a replay may still be pending.
            let expected = expected(&self.houses, &self.bridges).await;
            let found = retained(self.broker.port()).await;
            let differences = match &found {
                Ok(found) => differences(&expected, found),
                Err(error) => vec![error.clone()],
            };
            if differences.is_empty() {
                break expected.len();
            }
            if began.elapsed() > limit {
                let shown: Vec<&String> = differences.iter().take(30).collect();
                let logs: Vec<String> = self.bridges.iter().map(Bridge::log_tail).collect();
                panic!(
                    "{} differences after {limit:?}: {shown:#?}\n{}",
                    differences.len(),
                    logs.join("\n\n")
                );
            }
            sleep(Duration::from_secs(1)).await;
        };
        println!(
            "{what}: {topics} topics after {:.1} s",
            began.elapsed().as_secs_f64()
        );
    }

    /// Records the memory of the bridges. Panics if one has ended by itself.
    fn sample(&mut self) {
        for bridge in &mut self.bridges {
            bridge.sample();
        }
    }

    async fn run_with_faults(&mut self, time: Duration) {
        self.sample();
        for bridge in &mut self.bridges {
            bridge.memory_after_publishing = bridge.memory.iter().copied().max().unwrap();
        }
        let observer = &self.observer;
        until("the observer is connected", LIMIT, async || {
            observer.seen().is_connected
        })
        .await;
        let began = Instant::now();
        let span = time.min(Duration::from_secs(120));
        let mut schedule = Schedule {
            broker: began + span.mul_f64(0.2 + 0.2 * self.rng.f64()),
            bridge: began + span.mul_f64(0.1 + 0.1 * self.rng.f64()),
            frozen: Vec::new(),
            dead: Vec::new(),
        };
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (mut events, mut faults, mut samples) = (0.0, 0.0, 0.0);
        let mut last = 0.0;
        while began.elapsed() < time {
            ticks.tick().await;
            let now = began.elapsed().as_secs_f64();
            // After a delay, do not inject all missed events at once.
            let passed = (now - last).min(1.0);
            last = now;
            events += passed * EVENTS;
            faults += passed * FAULTS;
            samples += passed;
            while events >= 1.0 {
                events -= 1.0;
                self.cause_event();
            }
            while faults >= 1.0 {
                faults -= 1.0;
                self.cause_fault(&mut schedule);
            }
            if samples >= 1.0 {
                samples = 0.0;
                self.sample();
            }
            self.apply_schedule(&mut schedule, span).await;
        }
    }

    fn cause_event(&mut self) {
        let house = self.rng.usize(..self.houses.len());
        let house = &mut self.houses[house];
        self.counts.events += 1;
        match self.rng.u8(..100) {
            0..30 => {
                house.press(self.next_tag);
                self.next_tag += 1;
            }
            30..32 => {
                self.counts.structures += 1;
                house.change_structure(&mut self.rng);
            }
            _ => house.control.happen(),
        }
    }

    fn cause_fault(&mut self, schedule: &mut Schedule) {
        let house = self.rng.usize(..self.houses.len());
        self.counts.faults += 1;
        if let Some(frozen) = self.houses[house].inject_fault(&mut self.rng) {
            self.counts.freezes += 1;
            schedule.frozen.push((Instant::now() + frozen, house));
        }
    }

    /// Ends and begins the faults that are due.
    async fn apply_schedule(&mut self, schedule: &mut Schedule, span: Duration) {
        let now = Instant::now();
        for (_, house) in schedule.frozen.extract_if(.., |(until, _)| *until <= now) {
            self.houses[house].control.thaw();
        }
        for (_, bridge) in schedule.dead.extract_if(.., |(until, _)| *until <= now) {
            self.bridges[bridge].start();
        }
        if schedule.bridge <= now {
            schedule.bridge = now + span.mul_f64(0.1 + 0.2 * self.rng.f64());
            let others = (self.survivor + 1 + self.rng.usize(..SHARDS - 1)) % SHARDS;
            if self.bridges[others].has_process() {
                self.counts.bridge_kills += 1;
                self.bridges[others].kill();
                let until = now + Duration::from_secs_f64(4.0 * self.rng.f64());
                schedule.dead.push((until, others));
            }
        }
        if schedule.broker <= now {
            if self.broker.is_running() {
                self.counts.broker_kills += 1;
                self.broker.kill();
                let share = self.rng.f64();
                schedule.broker = now + Duration::from_secs_f64(8.0 * share * share);
            } else {
                self.broker.run().await;
                schedule.broker = now + span.mul_f64(0.25 + 0.25 * self.rng.f64());
            }
        }
    }

    /// Ends all faults and all events.
    async fn heal(&mut self) {
        for house in &self.houses {
            house.heal();
        }
        if !self.broker.is_running() {
            self.broker.run().await;
        }
        for bridge in &mut self.bridges {
            if !bridge.has_process() {
                bridge.start();
            }
        }
    }

    fn check(&mut self) {
        let record = self.broker.record();
        // Copy, so that the lock is released if an assertion fails.
        let (tags, errors) = {
            let seen = self.observer.seen();
            (seen.tags.len(), seen.errors.clone())
        };
        println!("{:?}", self.counts);
        println!(
            "the bridges published {} messages, {} events among them; {} of {} tagged events were observed",
            record.published,
            record.events,
            tags,
            self.next_tag - FIRST_TAG,
        );
        let few = |errors: &[String]| errors.iter().take(20).cloned().collect::<Vec<_>>();
        assert!(record.errors.is_empty(), "{:#?}", few(&record.errors));
        assert!(errors.is_empty(), "{:#?}", few(&errors));
        assert!(tags > 0, "no event came through");
        let subjects = self.houses.len() + self.bridges.len();
        assert_eq!(record.publishers.len(), subjects, "{record:?}");
        for house in &self.houses {
            let subscribers = house.control.subscribers();
            assert_eq!(subscribers, 1, "subscribers of {}", house.name);
        }
        assert!(self.counts.broker_kills > 0 && self.counts.bridge_kills > 0);
        for bridge in &self.bridges {
            let (memory, baseline) = (&bridge.memory, bridge.memory_after_publishing);
            let end = memory[memory.len() - 1];
            println!(
                "{}: started {} times, runs for {:.0} s; {baseline} KiB after publishing, {end} KiB at the end",
                bridge.name(),
                bridge.starts,
                bridge.age().as_secs_f64(),
            );
            assert!(end <= baseline + baseline / 4 + GROWTH, "{memory:?}");
        }
    }
}
