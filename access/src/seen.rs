//! Security descriptors that were seen before: a directory's users share a few.

use crate::rights::Guid;
use foldhash::fast::{FixedState, RandomState};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

/// So many bytes of descriptors are kept.
const KEPT: usize = 4 << 20;
/// By so many bytes the room for them grows.
const STEP: usize = KEPT / 8;
/// Beginnings are compared by so many bytes.
const PART: usize = 64;
/// So many descriptors of the same hash are kept.
const ALIKE: u64 = 8;

/// Descriptors, numbered as they come; each is for objects of a class.
#[derive(Default)]
pub struct Seen {
    /// By a hash of length and both ends that nobody can foresee, or the next that is free.
    known: HashMap<u64, Known, FixedState>,
    hashes: RandomState,
    /// Theirs, one behind another: what is forgotten leaves its room to those that come.
    bytes: Vec<u8>,
    /// The last that was kept whole.
    whole: Range<usize>,
    count: usize,
}

struct Known {
    class: Guid,
    /// What else tells it from one of the same bytes.
    of: u64,
    /// Its beginning, which is another's too, and its rest.
    bytes: [Range<usize>; 2],
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
                Some(known) if known.class == class && known.of == of && self.is(known, bytes) => {
                    return Sight::Known(known.number);
                }
                Some(_) => {}
                None => {
                    place = next;
                    break;
                }
            }
        }
        // One that goes leaves its room to the one in its place; one that was kept whole may be others' beginning.
        let gone = self.known.get(&place).filter(|gone| !gone.bytes[0].is_empty());
        let room = gone.map(|gone| gone.bytes[1].clone());
        let shared = self.shared(bytes);
        let (beginning, rest) = (self.whole.start..self.whole.start + shared, &bytes[shared..]);
        let bytes = match room {
            Some(room) if shared > 0 && room.len() == rest.len() => {
                self.bytes[room.clone()].copy_from_slice(rest);
                [beginning, room]
            }
            _ if shared > 0 && self.bytes.len() + rest.len() <= KEPT => [beginning, self.push(rest)],
            _ => {
                if self.bytes.len() + bytes.len() > KEPT {
                    (self.count, place) = (0, hash);
                    self.bytes.clear();
                    self.known.clear();
                }
                self.whole = self.push(bytes);
                [0..0, self.whole.clone()]
            }
        };
        let number = self.count;
        self.count += 1;
        let known = Known {
            class,
            of,
            bytes,
            number,
        };
        self.known.insert(place, known);
        Sight::New(number)
    }

    fn is(&self, known: &Known, bytes: &[u8]) -> bool {
        let [shared, rest] = &known.bytes;
        let parts = bytes.split_at_checked(shared.len());
        parts.is_some_and(|(front, back)| self.bytes[shared.clone()] == *front && self.bytes[rest.clone()] == *back)
    }

    /// So much of a descriptor's beginning is that of the last that was kept whole; 0 where it is less than half.
    fn shared(&self, bytes: &[u8]) -> usize {
        let whole = self.bytes.get(self.whole.clone()).unwrap_or_default();
        let parts = whole.chunks_exact(PART).zip(bytes.chunks_exact(PART));
        let shared = PART * parts.take_while(|(one, other)| one == other).count();
        if 2 * shared < bytes.len() { 0 } else { shared }
    }

    fn push(&mut self, bytes: &[u8]) -> Range<usize> {
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            self.bytes.reserve_exact(bytes.len().max(STEP));
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
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
        // One whole, of the others what is behind the place where they differ.
        assert_eq!(seen.bytes.len(), bytes.len() + ALIKE as usize * 512);
    }

    #[test]
    fn no_more_is_kept_than_a_bound() {
        let mut seen = Seen::default();
        let mut bytes = vec![0; KEPT / 4];
        let sights: Vec<Sight> = (0..6)
            .map(|n| {
                bytes[0] = n + 1;
                seen.look(&bytes, USER, 0)
            })
            .collect();
        let new = Sight::New;
        assert_eq!(sights, [new(0), new(1), new(2), new(3), new(0), new(1)]);
        assert!(seen.bytes.len() <= KEPT && seen.bytes.capacity() <= KEPT + STEP);
    }
}
