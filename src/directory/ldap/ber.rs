//! The part of BER that LDAP is written in (RFC 4511, 5.1): tags of one byte, definite lengths.

use std::ops::Range;

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const OCTETS: u8 = 0x04;
pub const ENUMERATED: u8 = 0x0a;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// What was read is not of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was answered is not LDAP")]
pub struct Malformed;

/// What a value begins with: its tag, how long this beginning is, and how long what comes behind it. None where more bytes
/// are needed to tell.
pub fn head(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, Malformed> {
    let [tag, first, rest @ ..] = bytes else {
        return Ok(None);
    };
    let long = match *first {
        short @ ..0x80 => return Ok(Some((*tag, 2, short.into()))),
        // Without an end that is known, or longer than anything is.
        0x80 | 0x85.. => return Err(Malformed),
        first => usize::from(first & 0x7f),
    };
    let Some(length) = rest.get(..long) else {
        return Ok(None);
    };
    let length = length.iter().fold(0, |length, byte| length << 8 | u32::from(*byte));
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    Ok(Some((*tag, 2 + long, length)))
}

/// Values that stand one after another, read from the first to the last. What was read is a place, not a copy.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    all: &'a [u8],
    rest: Range<usize>,
}

impl<'a> Values<'a> {
    /// Those of a place.
    pub fn at(all: &'a [u8], rest: Range<usize>) -> Self {
        Values { all, rest }
    }

    /// Those of all bytes.
    pub fn of(all: &'a [u8]) -> Self {
        Values::at(all, 0..all.len())
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value's tag, and where its content is.
    pub fn take(&mut self) -> Result<(u8, Range<usize>), Malformed> {
        let left = self.all.get(self.rest.clone()).ok_or(Malformed)?;
        let (tag, front, length) = head(left)?.ok_or(Malformed)?;
        if length > left.len() - front {
            return Err(Malformed);
        }
        let from = self.rest.start + front;
        self.rest.start = from + length;
        Ok((tag, from..from + length))
    }

    /// Where the next value's content is, which has to have this tag.
    pub fn place(&mut self, wanted: u8) -> Result<Range<usize>, Malformed> {
        match self.take()? {
            (tag, place) if tag == wanted => Ok(place),
            _ => Err(Malformed),
        }
    }

    /// The next value's content.
    pub fn content(&mut self, wanted: u8) -> Result<&'a [u8], Malformed> {
        self.place(wanted).map(|place| &self.all[place])
    }

    /// What the next value consists of.
    pub fn inner(&mut self, wanted: u8) -> Result<Values<'a>, Malformed> {
        self.place(wanted).map(|place| Values::at(self.all, place))
    }

    /// The next value, a number that is not negative.
    pub fn number(&mut self, wanted: u8) -> Result<u32, Malformed> {
        match self.content(wanted)? {
            bytes @ [first, ..] if *first < 0x80 && bytes.len() <= 4 => {
                Ok(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
            }
            _ => Err(Malformed),
        }
    }
}

impl From<Malformed> for std::io::Error {
    fn from(malformed: Malformed) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidData, malformed)
    }
}

/// A value of its parts.
pub fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // At once as large as it becomes: what grows leaves copies behind, and some of it is secret.
    let mut bytes = Vec::with_capacity(length + 10);
    bytes.push(tag);
    if length < 0x80 {
        bytes.push(length as u8);
    } else {
        let length = length.to_be_bytes();
        let short = &length[length.iter().take_while(|byte| **byte == 0).count()..];
        bytes.push(0x80 | short.len() as u8);
        bytes.extend(short);
    }
    parts.iter().for_each(|part| bytes.extend(*part));
    bytes
}

/// A number below 2^31.
pub fn number(tag: u8, number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    // The first bit is the sign's.
    let more = |at: &usize| bytes[*at] != 0 || bytes[*at + 1] & 0x80 != 0;
    value(tag, &[&bytes[(0..3).find(more).unwrap_or(3)..]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_definite_and_no_longer_than_anything_is() {
        assert_eq!(head(&[]), Ok(None));
        assert_eq!(head(&[4]), Ok(None));
        assert_eq!(head(&[4, 0x82, 1]), Ok(None));
        assert_eq!(head(&[4, 5]), Ok(Some((4, 2, 5))));
        assert_eq!(head(&[4, 0x81, 200]), Ok(Some((4, 3, 200))));
        // As Windows writes them.
        assert_eq!(head(&[0x30, 0x84, 0, 0, 0, 16]), Ok(Some((0x30, 6, 16))));
        assert_eq!(head(&[0x30, 0x80]), Err(Malformed));
        assert_eq!(head(&[0x30, 0x85]), Err(Malformed));
        assert_eq!(head(&[0x30, 0xff]), Err(Malformed));
    }

    #[test]
    fn no_value_is_longer_than_what_it_stands_in() {
        let bytes = [0x30, 5, 4, 2, b'a', b'b', 4, 9];
        let mut inner = Values::of(&bytes).inner(SEQUENCE).unwrap();
        assert_eq!(inner.content(OCTETS), Ok(&b"ab"[..]));
        assert_eq!(inner.content(OCTETS), Err(Malformed), "one byte is left of it");
        assert_eq!(Values::of(&bytes).content(SET), Err(Malformed));
        assert_eq!(Values::of(&[4, 0x84, 0xff, 0xff, 0xff, 0xff]).take(), Err(Malformed));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..4), count in 0..1u32 << 31) {
            let inner: Vec<u8> = parts.iter().flat_map(|part| value(OCTETS, &[part])).collect();
            let bytes = value(SEQUENCE, &[&inner, &number(INTEGER, count)]);
            let mut all = Values::of(&bytes);
            let mut read = all.inner(SEQUENCE).unwrap();
            for part in &parts {
                prop_assert_eq!(read.content(OCTETS), Ok(&part[..]));
            }
            prop_assert_eq!(read.number(INTEGER), Ok(count));
            prop_assert!(read.is_empty() && all.is_empty());
        }
    }
}
