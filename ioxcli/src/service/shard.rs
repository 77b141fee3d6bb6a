//! Which of several processes watches which controller.
//!
//! Each process weighs every controller for every share, and a controller belongs to the share that
//! weighs most (rendezvous hashing). So processes agree without talking, and one share more takes
//! an even part from each of the others, and moves nothing between them.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// More processes than anybody runs; each is weighed for each controller.
const MAX_SHARES: u16 = 1024;

/// The share of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 1.
    share: u16,
    shares: u16,
}

impl Shard {
    /// Whether this process watches the controller of this name.
    pub(crate) fn owns(self, name: &str) -> bool {
        let heaviest = (1..=self.shares).max_by_key(|share| weight(name, *share));
        heaviest == Some(self.share)
    }

    /// The number of the process, from 0.
    pub(crate) fn index(self) -> u16 {
        self.share - 1
    }

    /// What names this process among the others.
    pub(crate) fn suffix(self) -> String {
        format!("-{}-of-{}", self.share, self.shares)
    }
}

/// The same on every machine and in every version: processes of two versions must agree.
fn weight(name: &str, share: u16) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(share.to_be_bytes());
    hash.update(name);
    hash.finalize().into()
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.share, self.shares)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(share, shares)| {
            Some(Self {
                share: share.parse().ok()?,
                shares: shares.parse().ok()?,
            })
        });
        numbers
            .filter(|shard| (1..=shard.shares).contains(&shard.share) && shard.shares <= MAX_SHARES)
            .ok_or_else(|| {
                format!("write it as I/N, such as 1/3: I from 1 to N, N up to {MAX_SHARES}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str, shares: u16) -> u16 {
        let owners: Vec<u16> = (1..=shares)
            .filter(|share| {
                Shard {
                    share: *share,
                    shares,
                }
                .owns(name)
            })
            .collect();
        assert_eq!(owners.len(), 1, "{name} of {shares}: {owners:?}");
        owners[0]
    }

    #[test]
    fn each_controller_has_one_owner_and_shares_are_even() {
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
    fn one_share_more_moves_its_own_part_alone() {
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

    /// Worked out once; a running fleet relies on it.
    const OWNERS: [u16; 4] = [2, 2, 2, 3];

    #[test]
    fn an_owner_never_changes_with_the_version() {
        let names = ["home", "barn", "attic", "garage"];
        assert_eq!(names.map(|name| owner(name, 3)), OWNERS);
    }

    #[test]
    fn shares_are_read_and_nonsense_is_refused() {
        assert_eq!(
            "2/3".parse(),
            Ok(Shard {
                share: 2,
                shares: 3
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
