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

    /// The bits of the groups of the users with these keys. All places are looked at before any answer is waited for, so
    /// that the waits for the memory overlap.
    pub fn of_all(&self, keys: &[u64], groups: &mut Vec<u64>) {
        groups.clear();
        if self.members.is_empty() {
            groups.resize(keys.len(), 0);
            return;
        }
        groups.extend(keys.iter().map(|key| {
            let bucket = (key >> self.shift) as usize;
            u64::from(self.starts[bucket]) << 32 | u64::from(self.starts[bucket + 1])
        }));
        let first = |bucket: &u64| self.members.get((bucket >> 32) as usize).map_or(0, |(key, _)| *key);
        std::hint::black_box(groups.iter().map(first).fold(0, |all, key| all ^ key));
        for (key, groups) in keys.iter().zip(groups) {
            let bucket = (*groups >> 32) as usize..*groups as u32 as usize;
            let member = self.members[bucket].iter().find(|(other, _)| other == key);
            *groups = member.map_or(0, |(_, bits)| *bits);
        }
    }

    /// The bits of one user's groups.
    pub fn of(&self, key: u64) -> u64 {
        let mut groups = Vec::new();
        self.of_all(&[key], &mut groups);
        groups[0]
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

/// Reads a GUID as Graph writes it.
pub fn guid_bytes(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let dashes = [8, 13, 18, 23].iter().fold(0, |wrong, at| wrong | (text[*at] ^ b'-'));
    let four = |at: usize| u64::from(u32::from_be_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]));
    let eight = |high: usize, low: usize| hexadecimal(four(high) << 32 | four(low));
    let (a, wrong_a) = eight(0, 4);
    let (b, wrong_b) = eight(9, 14);
    let (c, wrong_c) = eight(19, 24);
    let (d, wrong_d) = eight(28, 32);
    let value = u128::from(u64::from(a) << 32 | u64::from(b)) << 64 | u128::from(u64::from(c) << 32 | u64::from(d));
    let wrong = wrong_a | wrong_b | wrong_c | wrong_d;
    (dashes == 0 && wrong == 0).then_some(value)
}

/// The number that eight hexadecimal digits write, and 0 when they are digits. All eight are worked on at once, each in
/// its byte.
#[inline(always)]
fn hexadecimal(digits: u64) -> (u32, u64) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Letters have the bit 0x40, and stand for 9 more than their last four bits.
    let values = (digits & (EACH * 0x0f)) + (digits >> 6 & EACH) * 9;
    // Written again, in lower case, they must be what they were.
    let letters = (values + EACH * 6) >> 4 & EACH;
    let again = values + EACH * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10);
    let wrong = (values & (EACH * 0xf0)) | ((digits | letters << 5) ^ again);
    let bytes = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let pairs = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
    ((pairs | pairs >> 16) as u32, wrong)
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
    fn every_byte_in_every_place_is_a_digit_or_not() {
        let plain = b"01234567-89ab-cdef-FEDC-BA9876543210";
        for at in 0..36 {
            for byte in 0..=255 {
                let mut text = *plain;
                text[at] = byte;
                let dash = plain[at] == b'-';
                let right = if dash { byte == b'-' } else { byte.is_ascii_hexdigit() };
                let value = std::str::from_utf8(&text).ok().filter(|_| right);
                let value = value.map(|t| u128::from_str_radix(&t.replace('-', ""), 16).unwrap());
                assert_eq!(guid_bytes(&text), value, "{byte} at {at}");
            }
        }
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
