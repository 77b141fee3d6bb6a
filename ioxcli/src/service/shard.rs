//! Distributes controllers over several processes.
//!
//! Uses rendezvous hashing: each process computes a weight for every controller and shard, and a
//! controller belongs to the shard with the largest weight. Processes agree without communication.
//! An additional shard takes an equal part from each of the others, and no controller moves between
//! the others.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The limit for shards, because each one needs a hash for each controller.
const MAX_SHARDS: u16 = 1024;

/// The shard of one process: its number, and the number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 1.
    number: u16,
    count: u16,
}

impl Shard {
    /// Whether this process watches the controller of this name.
    pub(crate) fn owns(self, name: &str) -> bool {
        let heaviest = (1..=self.count).max_by_key(|number| weight(name, *number));
        heaviest == Some(self.number)
    }

    /// The number of the process, from 0.
    pub(crate) fn index(self) -> u16 {
        self.number - 1
    }

    /// The suffix that distinguishes this process from the others.
    pub(crate) fn suffix(self) -> String {
        format!("-{}-of-{}", self.number, self.count)
    }
}

/// Computes a weight. It must never change, because processes of different versions must agree.
fn weight(name: &str, number: u16) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(number.to_be_bytes());
    hash.update(name);
    hash.finalize().into()
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(number, count)| {
            Some(Self {
                number: number.parse().ok()?,
                count: count.parse().ok()?,
            })
        });
        numbers
            .filter(|shard| (1..=shard.count).contains(&shard.number) && shard.count <= MAX_SHARDS)
            .ok_or_else(|| {
                format!("write it as I/N, such as 1/3: I from 1 to N, N up to {MAX_SHARDS}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str, count: u16) -> u16 {
        let owners: Vec<u16> = (1..=count)
            .filter(|number| {
                Shard {
                    number: *number,
                    count,
                }
                .owns(name)
            })
            .collect();
        assert_eq!(owners.len(), 1, "{name} of {count}: {owners:?}");
        owners[0]
    }

    #[test]
    fn each_controller_has_one_owner_and_shards_are_of_similar_size() {
        let mut counts = [0; 4];
        for number in 0..4000 {
            counts[usize::from(owner(&format!("house-{number}"), 4)) - 1] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn an_additional_shard_moves_only_its_own_part() {
        let names: Vec<String> = (0..4000).map(|number| format!("house-{number}")).collect();
        let moved = names.iter().filter(|name| owner(name, 4) != owner(name, 5));
        let mut count = 0;
        for name in moved {
            assert_eq!(owner(name, 5), 5, "{name} moved between the others");
            count += 1;
        }
        assert!(
            (680..920).contains(&count),
            "{count} of 4000 moved, not a fifth"
        );
    }

    /// The expected owners. Running fleets rely on them.
    const OWNERS: [u16; 4] = [2, 2, 2, 3];

    #[test]
    fn owners_are_the_same_in_all_versions() {
        let names = ["home", "barn", "attic", "garage"];
        assert_eq!(names.map(|name| owner(name, 3)), OWNERS);
    }

    #[test]
    fn shards_are_parsed_and_invalid_ones_are_refused() {
        assert_eq!(
            "2/3".parse(),
            Ok(Shard {
                number: 2,
                count: 3
            })
        );
        for text in [
            "", "1", "0/3", "4/3", "1/0", "-1/3", "1/1025", "a/b", "1/2/3",
        ] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!("2/3".parse::<Shard>().unwrap().suffix(), "-2-of-3");
    }
}
