//! The soak: everything goes wrong at random for a while, then nothing does, and what is on the
//! broker is what is in the houses.
//!
//! What goes wrong: connections of controllers are dropped, refused, cut in the middle of an answer
//! and frozen; the broker is killed and started with nothing retained; bridges are killed and
//! started. Meanwhile values change, buttons are pressed, and nodes are renamed, moved, added and
//! removed.

use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::bridges::{Bridge, bridges};
use crate::broker::{Broker, Logging};
use crate::expected::{differences, expected};
use crate::houses::{FIRST_TAG, House, houses};
use crate::subscriber::{Observer, retained};
use crate::{LIMIT, allow_descriptors, setting, until};

const SHARES: usize = 3;
/// What happens in all houses together, a second.
const EVENTS: f64 = 150.0;
/// What goes wrong with connections of controllers, a second.
const FAULTS: f64 = 2.0;
/// How much more memory a bridge may take in the end than when it had published everything for the
/// first time: a quarter, and this many KiB.
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
        soak.go_wrong(Duration::from_secs(seconds)).await;
        soak.heal().await;
        soak.settle("everything is right again").await;
        soak.judge();
    });
}

struct Soak {
    rng: Rng,
    broker: Broker,
    houses: Vec<House>,
    bridges: Vec<Bridge>,
    /// The bridge that is not killed, whose memory counts from beginning to end.
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

/// When something happens next that does not happen all the time.
#[derive(Debug)]
struct Schedule {
    broker: Instant,
    bridge: Instant,
    /// Houses that are frozen, and until when.
    frozen: Vec<(Instant, usize)>,
    /// Bridges that were killed, and until when.
    dead: Vec<(Instant, usize)>,
}

impl Soak {
    async fn start(mut broker: Broker, controllers: usize, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        broker.run().await;
        let houses = houses(controllers, seed).await;
        let folder = tempfile::tempdir().unwrap();
        let mut bridges = bridges(&folder, &houses, broker.port(), SHARES);
        for bridge in &mut bridges {
            bridge.start();
        }
        Self {
            survivor: rng.usize(..SHARES),
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

    /// Waits until the broker holds what the houses hold, and nothing else.
    async fn settle(&mut self, what: &str) {
        let limit = Duration::from_secs(setting("IOX_SOAK_LIMIT", 300));
        let began = Instant::now();
        let topics = loop {
            self.look();
            // Asked for each time: what happens right after a replay waits until that is over.
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
                let logs: Vec<String> = self.bridges.iter().map(Bridge::last_words).collect();
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

    /// Takes note of the bridges' memory; fails if one has ended by itself.
    fn look(&mut self) {
        for bridge in &mut self.bridges {
            bridge.look();
        }
    }

    async fn go_wrong(&mut self, time: Duration) {
        self.look();
        for bridge in &mut self.bridges {
            bridge.warm = bridge.memory.iter().copied().max().unwrap();
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
        let (mut events, mut faults, mut looks) = (0.0, 0.0, 0.0);
        let mut last = 0.0;
        while began.elapsed() < time {
            ticks.tick().await;
            let now = began.elapsed().as_secs_f64();
            // A test that was held up does not make up for it all at once.
            let passed = (now - last).min(1.0);
            last = now;
            events += passed * EVENTS;
            faults += passed * FAULTS;
            looks += passed;
            while events >= 1.0 {
                events -= 1.0;
                self.something_happens();
            }
            while faults >= 1.0 {
                faults -= 1.0;
                self.something_breaks(&mut schedule);
            }
            if looks >= 1.0 {
                looks = 0.0;
                self.look();
            }
            self.keep(&mut schedule, span).await;
        }
    }

    fn something_happens(&mut self) {
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

    fn something_breaks(&mut self, schedule: &mut Schedule) {
        let house = self.rng.usize(..self.houses.len());
        self.counts.faults += 1;
        if let Some(frozen) = self.houses[house].break_something(&mut self.rng) {
            self.counts.freezes += 1;
            schedule.frozen.push((Instant::now() + frozen, house));
        }
    }

    /// Kills and starts what is due.
    async fn keep(&mut self, schedule: &mut Schedule, span: Duration) {
        let now = Instant::now();
        for (_, house) in schedule.frozen.extract_if(.., |(until, _)| *until <= now) {
            self.houses[house].control.thaw();
        }
        for (_, bridge) in schedule.dead.extract_if(.., |(until, _)| *until <= now) {
            self.bridges[bridge].start();
        }
        if schedule.bridge <= now {
            schedule.bridge = now + span.mul_f64(0.1 + 0.2 * self.rng.f64());
            let others = (self.survivor + 1 + self.rng.usize(..SHARES - 1)) % SHARES;
            if self.bridges[others].is_running() {
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

    /// Nothing goes wrong any more, and nothing happens any more.
    async fn heal(&mut self) {
        for house in &self.houses {
            house.heal();
        }
        if !self.broker.is_running() {
            self.broker.run().await;
        }
        for bridge in &mut self.bridges {
            if !bridge.is_running() {
                bridge.start();
            }
        }
    }

    fn judge(&mut self) {
        let witness = self.broker.witness();
        // Copied, so that the observer goes on if this fails.
        let (tags, wrong) = {
            let seen = self.observer.seen();
            (seen.tags.len(), seen.wrong.clone())
        };
        println!("{:?}", self.counts);
        println!(
            "the bridges published {} messages, {} events among them; {} of {} tagged events were observed",
            witness.published,
            witness.events,
            tags,
            self.next_tag - FIRST_TAG,
        );
        let few = |wrong: &[String]| wrong.iter().take(20).cloned().collect::<Vec<_>>();
        assert!(witness.wrong.is_empty(), "{:#?}", few(&witness.wrong));
        assert!(wrong.is_empty(), "{:#?}", few(&wrong));
        assert!(tags > 0, "no event came through");
        let subjects = self.houses.len() + self.bridges.len();
        assert_eq!(witness.publishers.len(), subjects, "{witness:?}");
        for house in &self.houses {
            let subscribers = house.control.subscribers();
            assert_eq!(subscribers, 1, "{} has so many subscribers", house.name);
        }
        assert!(self.counts.broker_kills > 0 && self.counts.bridge_kills > 0);
        for bridge in &self.bridges {
            let (memory, warm) = (&bridge.memory, bridge.warm);
            let end = memory[memory.len() - 1];
            println!(
                "{}: started {} times, runs for {:.0} s; {warm} KiB once warm, {end} KiB at the end",
                bridge.name(),
                bridge.starts,
                bridge.age().as_secs_f64(),
            );
            assert!(end <= warm + warm / 4 + GROWTH, "{memory:?}");
        }
    }
}
