//! Who is in which policy group, by the keys of their ids.

/// Who is in which policy group. A million rows are looked up in it, so a user is the key of its id and the keys are sorted
/// and found by their first bits; two users share a key once in 2^64 pairs.
#[derive(Debug, Default)]
pub struct Membership {
    /// Group ids, in the order of their bits.
    pub groups: Vec<String>,
    /// Keys, each with the bits of the user's groups.
    members: Vec<(u64, u64)>,
    /// Where the keys with the same first bits begin; one more than there are such beginnings.
    starts: Vec<u32>,
    /// How far a key is shifted to leave those bits.
    shift: u32,
}

/// Spreads ids evenly, the same way in every run.
pub fn key(id: u128) -> u64 {
    ((id >> 64) as u64 ^ id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Membership {
    /// Nobody in these groups yet.
    pub fn new(groups: Vec<String>) -> Self {
        Membership {
            groups,
            ..Default::default()
        }
    }

    /// The bits of the groups of the user with this key.
    pub fn of(&self, key: u64) -> u64 {
        if self.members.is_empty() {
            return 0;
        }
        let bucket = (key >> self.shift) as usize;
        let bucket = self.starts[bucket] as usize..self.starts[bucket + 1] as usize;
        let member = self.members[bucket].iter().find(|(other, _)| *other == key);
        member.map_or(0, |(_, bits)| *bits)
    }

    /// Adds users to the group of a bit, and empties their list.
    pub fn add(&mut self, bit: usize, users: &mut Vec<u64>) {
        let bit = 1u64 << bit;
        users.sort_unstable();
        users.dedup();
        let known = self.members.len();
        let mut at = 0;
        // Those who are new go to the front of the list, the others get the bit where they stand.
        users.retain(|user| {
            while at < known && self.members[at].0 < *user {
                at += 1;
            }
            let found = at < known && self.members[at].0 == *user;
            if found {
                self.members[at].1 |= bit;
            }
            !found
        });
        // No room beyond what is needed: the list is long.
        self.members.reserve_exact(users.len());
        self.members.extend(users.drain(..).map(|user| (user, bit)));
        // Two sorted runs: the stable sort merges them.
        self.members.sort_by_key(|(user, _)| *user);
    }

    /// Leaves a group out that was not read whole; those behind it move up by a bit.
    pub fn forget(&mut self, bit: usize) {
        self.groups.remove(bit);
        let below = (1u64 << bit) - 1;
        for (_, bits) in &mut self.members {
            *bits = *bits & below | (*bits >> 1) & !below;
        }
        self.members.retain(|(_, bits)| *bits != 0);
    }

    /// Makes the index, about two keys to a beginning.
    pub fn seal(&mut self) {
        self.members.shrink_to_fit();
        let bits = self.members.len().max(2).ilog2();
        self.shift = u64::BITS - bits;
        self.starts = Vec::with_capacity((1 << bits) + 1);
        for (index, (key, _)) in (0..).zip(&self.members) {
            let bucket = (key >> self.shift) as usize;
            while self.starts.len() <= bucket {
                self.starts.push(index);
            }
        }
        self.starts.resize((1 << bits) + 1, self.members.len() as u32);
    }
}

/// Reads a GUID as Graph writes it: 32 digits and four dashes.
pub fn guid(text: &str) -> Option<u128> {
    guid_bytes(text.as_bytes())
}

/// The value of each hexadecimal digit; 255 for anything else.
const DIGITS: [u8; 256] = {
    let mut digits = [255; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Reads a GUID as Graph writes it.
pub fn guid_bytes(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let mut wrong = [8, 13, 18, 23].iter().fold(0, |wrong, at| wrong | (text[*at] ^ b'-'));
    // Four independent runs of digits, so that none waits for the one before.
    let mut eight = |digits: [usize; 8]| {
        let mut value = 0;
        for at in digits {
            let digit = DIGITS[usize::from(text[at])];
            wrong |= digit & 0xf0;
            value = value << 4 | u32::from(digit & 15);
        }
        u128::from(value)
    };
    let value = eight([0, 1, 2, 3, 4, 5, 6, 7]) << 96
        | eight([9, 10, 11, 12, 14, 15, 16, 17]) << 64
        | eight([19, 20, 21, 22, 24, 25, 26, 27]) << 32
        | eight([28, 29, 30, 31, 32, 33, 34, 35]);
    (wrong == 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn guids_are_read_and_nonsense_is_not() {
        assert_eq!(guid("00000000-0000-0000-0000-0000000000Ff"), Some(255));
        assert_eq!(guid("all_users"), None);
        assert_eq!(guid("1234"), None);
    }

    #[test]
    fn a_user_has_the_bits_of_all_groups() {
        let mut membership = Membership::default();
        membership.add(0, &mut vec![3, 1, 3]);
        membership.add(1, &mut vec![2, 3]);
        membership.seal();
        assert_eq!([1, 2, 3, 4].map(|u| membership.of(u)), [1, 2, 3, 0]);
        let mut nobody = Membership::default();
        nobody.add(0, &mut Vec::new());
        nobody.seal();
        assert_eq!(nobody.of(1), 0);
    }

    #[test]
    fn a_group_that_was_read_in_part_is_left_out() {
        let mut membership = Membership::new(["a", "b", "c"].map(String::from).into());
        membership.add(0, &mut vec![1, 2]);
        membership.add(1, &mut vec![2, 3]);
        membership.add(2, &mut vec![1, 3]);
        membership.forget(1);
        membership.seal();
        assert_eq!(membership.groups, ["a", "c"]);
        assert_eq!([1, 2, 3].map(|u| membership.of(u)), [3, 1, 2]);
    }

    proptest! {
        #[test]
        fn everybody_is_found_and_nobody_else(
            groups in proptest::collection::vec(proptest::collection::vec(any::<u64>(), 0..200), 1..5), others in proptest::collection::vec(any::<u64>(), 0..50),
        ) {
            let mut membership = Membership::default();
            for (n, users) in groups.iter().enumerate() {
                membership.add(n, &mut users.clone());
            }
            membership.seal();
            for user in groups.iter().flatten().chain(&others).chain(&[0, u64::MAX]) {
                let bits = (0..).zip(&groups).filter(|(_, users)| users.contains(user)).map(|(n, _): (u32, _)| 1 << n).sum::<u64>();
                prop_assert_eq!(membership.of(*user), bits);
            }
        }
    }
}
