//! Reads flat JSON rows as the service writes them: no white space, no escapes, short lists at the most. Whatever looks
//! different is left to serde, so that both give the same.

use std::borrow::Cow;

/// A cursor over a row.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    /// How much has been read.
    pub at: usize,
}

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of the first byte that ends or breaks a plain string: a quote, a backslash or a control character.
/// Bits above it mean nothing.
fn special(word: u64) -> u64 {
    let (quote, backslash) = (word ^ (EACH * 0x22), word ^ (EACH * 0x5c));
    let zero = |word: u64| word.wrapping_sub(EACH) & !word;
    (zero(quote) | zero(backslash) | (word.wrapping_sub(EACH * 0x20) & !word)) & HIGH
}

impl<'a> Scan<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Scan { text, at: 0 }
    }

    /// Reads an object; `member` is given each name in turn and reads the value.
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.byte(b'{')?;
        loop {
            let name = self.string()?;
            self.byte(b':')?;
            member(self, name)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// A string without escapes and control characters, as bytes that are proper UTF-8.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        self.byte(b'"')?;
        let rest = &self.text[self.at..];
        let (mut length, mut bits) = (0, 0);
        for word in rest.chunks_exact(8) {
            // A chunk of eight has eight bytes; the default is never taken.
            let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
            bits |= word;
            let found = special(word);
            if found != 0 {
                length += found.trailing_zeros() as usize / 8;
                break;
            }
            length += 8;
        }
        // The end of the text has no eight bytes.
        while let Some(byte) = rest.get(length).filter(|b| !matches!(b, b'"' | b'\\' | 0..0x20)) {
            bits |= u64::from(*byte);
            length += 1;
        }
        if *rest.get(length)? != b'"' {
            return None;
        }
        let text = &rest[..length];
        if bits & HIGH != 0 && std::str::from_utf8(text).is_err() {
            return None;
        }
        self.at += length + 1;
        Some(text)
    }

    /// A string without escapes and control characters, as text.
    pub fn text(&mut self) -> Option<Cow<'a, str>> {
        std::str::from_utf8(self.string()?).ok().map(Cow::Borrowed)
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    pub fn boolean(&mut self) -> Option<bool> {
        match self.text.get(self.at)? {
            b't' => self.word(b"true").map(|()| true),
            b'f' => self.word(b"false").map(|()| false),
            _ => None,
        }
    }

    pub fn nullable<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.text.get(self.at) == Some(&b'n') {
            self.word(b"null").map(|()| None)
        } else {
            read(self).map(Some)
        }
    }

    pub fn list(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.byte(b'[')?;
        if self.text.get(self.at) == Some(&b']') {
            self.at += 1;
            return Some(());
        }
        loop {
            item(self)?;
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// A value that nobody asks for: a text, a word or a list of texts.
    pub fn skip(&mut self) -> Option<()> {
        match self.text.get(self.at)? {
            b'"' => self.string().map(drop),
            b'n' => self.word(b"null"),
            b'[' => self.list(|scan| scan.string().map(drop)),
            _ => self.boolean().map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_string_ends_where_serde_ends_it(inside in proptest::collection::vec(prop_oneof![20 => 0x20u8..0x7f, 1 => any::<u8>()], 0..40), after in "[a-z]{0,9}") {
            let mut bytes = vec![b'"'];
            bytes.extend(&inside);
            bytes.push(b'"');
            bytes.extend(after.as_bytes());
            let mut scan = Scan::new(&bytes);
            let plain = inside.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20));
            match (scan.string(), plain) {
                (Some(read), None) => prop_assert_eq!(read, inside.as_slice()),
                (Some(read), Some(at)) => prop_assert!(inside[at] == b'"' && read == &inside[..at]),
                (None, Some(at)) => prop_assert!(inside[at] != b'"' || std::str::from_utf8(&inside[..at]).is_err()),
                (None, None) => prop_assert!(std::str::from_utf8(&inside).is_err()),
            }
        }
    }

    #[test]
    fn what_breaks_off_is_not_read() {
        for text in [&b"\"abc"[..], b"\"abcdefgh", b"\"", b""] {
            assert!(Scan::new(text).string().is_none());
        }
    }
}
