//! Security descriptors that were seen before: a directory's users share a few.

use crate::rights::Guid;
use foldhash::fast::{FixedState, RandomState};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

/// So many bytes of descriptors are kept.
const KEPT: usize = 4 << 20;
/// So many bytes of either end of a descriptor are hashed.
const HASHED: usize = 32;
/// So many descriptors of the same hash are kept.
const ALIKE: usize = 8;

/// Descriptors, numbered as they come; each is for objects of a class.
#[derive(Default)]
pub struct Seen {
    /// By a hash of length and both ends that nobody can foresee.
    known: HashMap<u64, Vec<Known>, FixedState>,
    hashes: RandomState,
    bytes: usize,
    count: usize,
}

struct Known {
    class: Guid,
    /// What else tells it from one of the same bytes.
    of: u64,
    bytes: Box<[u8]>,
    number: usize,
}

/// What is known of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It was seen, and has this number.
    Known(usize),
    /// It was not, and has this number: 0 again when what was kept before became too much.
    New(usize),
}

impl Seen {
    /// Looks for a descriptor, and keeps it.
    pub fn look(&mut self, bytes: &[u8], class: Guid, of: u64) -> Sight {
        // Descriptors of one domain differ at their ends, if at all: the owner and the first entries, or the last.
        let end = bytes.len().min(HASHED);
        let mut hash = self.hashes.build_hasher();
        hash.write_u64(of ^ bytes.len() as u64);
        hash.write(&bytes[..end]);
        hash.write(&bytes[bytes.len() - end..]);
        let hash = hash.finish();
        if let Some(alike) = self.known.get(&hash) {
            let same = |known: &&Known| *known.bytes == *bytes && known.class == class && known.of == of;
            if let Some(known) = alike.iter().find(same) {
                return Sight::Known(known.number);
            }
        }
        if self.bytes + bytes.len() > KEPT {
            (self.bytes, self.count) = (0, 0);
            self.known.clear();
        }
        let number = self.count;
        self.count += 1;
        let alike = self.known.entry(hash).or_default();
        // Who makes many that differ in the middle only does not make each be compared with all.
        if alike.len() == ALIKE {
            self.bytes -= alike.swap_remove(0).bytes.len();
        }
        alike.push(Known {
            class,
            of,
            bytes: bytes.into(),
            number,
        });
        self.bytes += bytes.len();
        Sight::New(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::{INET_ORG_PERSON, USER};

    #[test]
    fn the_same_has_the_same_number() {
        let mut seen = Seen::default();
        assert_eq!(seen.look(b"one", USER, 0), Sight::New(0));
        assert_eq!(seen.look(b"two", USER, 0), Sight::New(1));
        assert_eq!(seen.look(b"one", INET_ORG_PERSON, 0), Sight::New(2));
        assert_eq!(seen.look(b"one", USER, 1), Sight::New(3));
        assert_eq!(seen.look(b"one", USER, 0), Sight::Known(0));
        assert_eq!(seen.look(b"one", USER, 1), Sight::Known(3));
        assert_eq!(seen.look(b"", USER, 0), Sight::New(4));
    }

    #[test]
    fn what_differs_in_the_middle_only_is_told_apart() {
        let mut seen = Seen::default();
        let mut bytes = [0; 1024];
        for n in 0..100u8 {
            bytes[512] = n;
            assert_eq!(seen.look(&bytes, USER, 0), Sight::New(n.into()));
            assert_eq!(seen.look(&bytes, USER, 0), Sight::Known(n.into()));
        }
        assert_eq!(seen.known.values().map(Vec::len).max(), Some(ALIKE));
        assert_eq!(seen.bytes, ALIKE * bytes.len());
    }

    #[test]
    fn no_more_is_kept_than_a_bound() {
        let mut seen = Seen::default();
        let mut bytes = vec![0; KEPT / 4];
        let sights: Vec<Sight> = (0..6)
            .map(|n| {
                bytes[0] = n;
                seen.look(&bytes, USER, 0)
            })
            .collect();
        let new = Sight::New;
        assert_eq!(sights, [new(0), new(1), new(2), new(3), new(0), new(1)]);
        assert!(seen.bytes <= KEPT);
    }
}
