//! Security descriptors that were seen before: a directory's users share a few.

use crate::rights::Guid;
use foldhash::fast::{FixedState, RandomState};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

/// So many bytes of descriptors are kept.
const KEPT: usize = 4 << 20;
/// So many descriptors of the same hash are kept.
const ALIKE: u64 = 8;

/// Descriptors, numbered as they come; each is for objects of a class.
#[derive(Default)]
pub struct Seen {
    /// By a hash of length and both ends that nobody can foresee, or the next that is free.
    known: HashMap<u64, Known, FixedState>,
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
        let end = bytes.len();
        let word = |at: usize| {
            let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
            word.map_or(0, |word| u64::from_le_bytes(*word))
        };
        let mut hash = self.hashes.build_hasher();
        hash.write_u64(of ^ end as u64);
        for at in [0, 16, 24, 32, end.saturating_sub(16), end.saturating_sub(8)] {
            hash.write_u64(word(at));
        }
        let hash = hash.finish();
        // Who makes many that differ in the middle only does not make each be compared with all: one of them goes.
        let mut place = hash.wrapping_add(self.count as u64 % ALIKE);
        for next in (0..ALIKE).map(|step| hash.wrapping_add(step)) {
            match self.known.get(&next) {
                Some(known) if known.class == class && known.of == of && *known.bytes == *bytes => {
                    return Sight::Known(known.number);
                }
                Some(_) => {}
                None => {
                    place = next;
                    break;
                }
            }
        }
        if self.bytes + bytes.len() > KEPT {
            (self.bytes, self.count, place) = (0, 0, hash);
            self.known.clear();
        }
        let number = self.count;
        self.count += 1;
        let known = Known {
            class,
            of,
            bytes: bytes.into(),
            number,
        };
        if let Some(gone) = self.known.insert(place, known) {
            self.bytes -= gone.bytes.len();
        }
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
        assert_eq!(seen.known.len() as u64, ALIKE);
        assert_eq!(seen.bytes, seen.known.len() * bytes.len());
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
