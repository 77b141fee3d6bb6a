//! Randomness derived from the seed of a world.

use std::time::Duration;

use fastrand::Rng;

/// Returns the random generator of one part of a world. What a part draws does not depend on what
/// the other parts draw.
pub(crate) fn generator(seed: u64, part: &str) -> Rng {
    let bytes = part.bytes().map(u64::from);
    Rng::with_seed(seed ^ bytes.fold(0, |name, byte| (name << 8) | byte))
}

pub(crate) fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(..from.len())]
}

/// Draws a duration, in seconds. Each order of magnitude is equally likely.
pub(crate) fn log_uniform(rng: &mut Rng, from: f64, to: f64) -> Duration {
    let magnitude = from.ln() + (to.ln() - from.ln()) * rng.f64();
    Duration::from_secs_f64(magnitude.exp())
}

/// Draws the pause between two random events with this mean, in seconds.
pub(crate) fn pause(rng: &mut Rng, mean: f64) -> Duration {
    Duration::from_secs_f64(0.01 + mean * -(1.0 - rng.f64()).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_draws_the_same_for_the_same_seed_and_unlike_the_other_parts() {
        let draw = |seed, part| generator(seed, part).u64(..);
        assert_eq!(draw(7, "network"), draw(7, "network"));
        assert_ne!(draw(7, "network"), draw(7, "client"));
        assert_ne!(draw(7, "network"), draw(8, "network"));
    }

    #[test]
    fn a_duration_is_within_its_bounds() {
        let mut rng = generator(1, "test");
        for _ in 0..1000 {
            let drawn = log_uniform(&mut rng, 0.05, 4000.0).as_secs_f64();
            assert!((0.0499..4000.1).contains(&drawn), "{drawn}");
        }
    }
}
