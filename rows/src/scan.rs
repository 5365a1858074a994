//! Reads flat JSON rows as the service writes them: no white space, no escapes, lists of texts at the most. Whatever
//! looks different is left to serde, so that both give the same.

use serde::Deserialize;
use std::borrow::Cow;

/// A text of a row: UTF-8, but looked at as bytes, since few are shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Text<'a>(pub Cow<'a, [u8]>);

impl Text<'_> {
    /// The text to keep.
    pub fn keep(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Lent<'a>(#[serde(borrow)] Cow<'a, str>);
        Ok(Text(match Lent::deserialize(deserializer)?.0 {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }))
    }
}

/// A row's members, in the order of the row before: the service writes every row alike, so that a name need only be
/// compared.
#[derive(Debug)]
pub struct Shape {
    names: &'static [&'static str],
    /// Each member's name as it stands in the row, with its quotes and colon, and its place among `names`.
    members: Vec<(Vec<u8>, Option<usize>)>,
}

/// More members than a row of the service has; a longer one is read, but not remembered.
const MOST_MEMBERS: usize = 64;

impl Shape {
    /// A shape of rows of which these members are of use.
    pub fn new(names: &'static [&'static str]) -> Self {
        Shape {
            names,
            members: Vec::new(),
        }
    }

    /// Reads an object. `member` is given each member of use by its place among the names, and reads the value.
    pub fn object<'a>(
        &mut self,
        scan: &mut Scan<'a>,
        mut member: impl FnMut(&mut Scan<'a>, usize) -> Option<()>,
    ) -> Option<()> {
        scan.byte(b'{')?;
        for index in 0.. {
            let place = match self.members.get(index) {
                Some((name, place)) if starts(&scan.text[scan.at..], name) => {
                    scan.at += name.len();
                    *place
                }
                _ => self.learn(scan, index)?,
            };
            match place {
                Some(place) => member(scan, place)?,
                None => scan.skip()?,
            }
            match scan.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        Some(())
    }

    #[cold]
    fn learn(&mut self, scan: &mut Scan<'_>, index: usize) -> Option<Option<usize>> {
        let start = scan.at;
        let name = scan.string()?;
        let place = self.names.iter().position(|known| known.as_bytes() == name);
        scan.byte(b':')?;
        if index < MOST_MEMBERS {
            self.members.truncate(index);
            self.members.push((scan.text[start..scan.at].to_vec(), place));
        }
        Some(place)
    }
}

/// Whether a text starts with a name: compared by words, which costs less than a call for so few bytes.
#[inline(always)]
fn starts(text: &[u8], name: &[u8]) -> bool {
    let Some(text) = text.get(..name.len()) else {
        return false;
    };
    match (text.last_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(end), Some(wanted)) => {
            let words = text.chunks_exact(8).zip(name.chunks_exact(8));
            end == wanted && words.fold(0, |differ, (a, b)| differ | (word(a) ^ word(b))) == 0
        }
        _ => text.iter().zip(name).all(|(a, b)| a == b),
    }
}

/// Eight bytes as one number.
fn word(bytes: &[u8]) -> u64 {
    // They are eight; the default is never taken.
    u64::from_le_bytes(bytes.try_into().unwrap_or_default())
}

/// A cursor over a row.
#[derive(Clone, Copy)]
pub struct Scan<'a> {
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

    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// The byte that comes.
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// A string without escapes and control characters, as bytes that are proper UTF-8.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        self.byte(b'"')?;
        let rest = &self.text[self.at..];
        let (mut length, mut bits) = (0, 0);
        for word in rest.chunks_exact(8).map(word) {
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

    /// A string without escapes and control characters.
    pub fn text(&mut self) -> Option<Text<'a>> {
        self.string().map(|text| Text(Cow::Borrowed(text)))
    }

    /// These very bytes. Inlined, so that their number is known where they are compared.
    #[inline(always)]
    pub fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    pub fn boolean(&mut self) -> Option<bool> {
        match self.text.get(self.at)? {
            b't' => self.word(b"true").map(|()| true),
            b'f' => self.word(b"false").map(|()| false),
            _ => None,
        }
    }

    #[inline(always)]
    pub fn nullable<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.text.get(self.at) == Some(&b'n') {
            self.word(b"null").map(|()| None)
        } else {
            read(self).map(Some)
        }
    }

    /// What was read since a place.
    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.text[start..self.at]
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

    proptest! {
        #[test]
        fn words_are_compared_like_bytes(text in "[ab]{0,20}", name in "[ab]{0,20}", same in any::<bool>()) {
            let text = if same { format!("{name}{text}") } else { text };
            prop_assert_eq!(starts(text.as_bytes(), name.as_bytes()), text.starts_with(&name));
        }
    }

    #[test]
    fn members_are_found_in_any_order() {
        let mut shape = Shape::new(&["a", "b"]);
        let mut read = |text: &str| {
            let mut found = Vec::new();
            let mut scan = Scan::new(text.as_bytes());
            let whole = shape.object(&mut scan, |scan, place| {
                found.push((place, scan.boolean()?));
                Some(())
            });
            whole.map(|()| found)
        };
        for _ in 0..2 {
            assert_eq!(
                read(r#"{"a":true,"x":["y"],"b":false}"#),
                Some(vec![(0, true), (1, false)])
            );
            assert_eq!(read(r#"{"x":null,"b":true}"#), Some(vec![(1, true)]));
            assert_eq!(
                read(r#"{"b":true,"a":false,"ab":true}"#),
                Some(vec![(1, true), (0, false)])
            );
            assert_eq!(read(r#"{"a":tru"#), None);
        }
        let long: Vec<String> = (0..200).map(|n| format!(r#""m{n}":true"#)).collect();
        assert_eq!(read(&format!("{{{}}}", long.join(","))), Some(Vec::new()));
    }

    #[test]
    fn what_breaks_off_is_not_read() {
        for text in [&b"\"abc"[..], b"\"abcdefgh", b"\"", b""] {
            assert!(Scan::new(text).string().is_none());
        }
    }
}
