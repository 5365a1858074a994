//! What a search gives.

use super::ber::{Malformed, OCTETS, SEQUENCE, SET, Values};
use std::ops::Range;

/// An entry: the bytes of its message, and where its values stand in them.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its distinguished name.
    pub dn: String,
    bytes: Vec<u8>,
    attributes: Vec<Attribute>,
    values: Vec<Range<usize>>,
}

#[derive(Clone, Debug)]
struct Attribute {
    name: Range<usize>,
    /// Its values among all.
    values: Range<usize>,
    /// Where they go on that did not come along.
    next: Option<u32>,
}

impl Entry {
    /// One that never was in a directory.
    #[cfg(test)]
    pub fn of(dn: &str, attributes: &[(&str, &[u8])]) -> Entry {
        use super::ber::value;
        let attribute = |(name, bytes): &(&str, &[u8])| {
            let values = value(SET, &[&value(OCTETS, &[bytes])]);
            value(SEQUENCE, &[&value(OCTETS, &[name.as_bytes()]), &values])
        };
        let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
        let bytes = [value(OCTETS, &[dn.as_bytes()]), value(SEQUENCE, &[&attributes])].concat();
        let mut entry = Entry::default();
        entry.read(&bytes).unwrap();
        entry
    }

    /// An attribute's values.
    pub fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        let known = self.attributes.iter().find(|known| self.is(known, name));
        let places = known.map_or(&[][..], |known| &self.values[known.values.clone()]);
        places.iter().map(|place| &self.bytes[place.clone()])
    }

    /// The value of an attribute that has one.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The same, where it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.value(name)?).ok()
    }

    /// Whether an attribute is called so; where it came in ranges, without them.
    fn is(&self, attribute: &Attribute, name: &str) -> bool {
        self.bytes[attribute.name.clone()].eq_ignore_ascii_case(name.as_bytes())
    }

    /// An attribute of which a controller gave the first values only, and the number of the next.
    pub(super) fn cut(&self) -> Option<(String, u32)> {
        self.attributes.iter().find_map(|known| {
            let name = String::from_utf8_lossy(&self.bytes[known.name.clone()]);
            Some((name.into_owned(), known.next?))
        })
    }

    /// Takes further values of an attribute; says whether there were some.
    pub(super) fn goes_on(&mut self, name: &str, more: &Entry) -> bool {
        let own = self.attributes.iter().position(|known| self.is(known, name));
        let named = more.attributes.iter().find(|other| more.is(other, name));
        let (Some(own), Some(named)) = (own, named.filter(|named| !named.values.is_empty())) else {
            return false;
        };
        // All of an attribute's values stand together: they move to the end.
        let from = self.values.len();
        self.values.extend_from_within(self.attributes[own].values.clone());
        for place in &more.values[named.values.clone()] {
            let at = self.bytes.len();
            self.bytes.extend_from_slice(&more.bytes[place.clone()]);
            self.values.push(at..self.bytes.len());
        }
        self.attributes[own].values = from..self.values.len();
        self.attributes[own].next = named.next;
        true
    }

    /// Takes the content of a SearchResultEntry (RFC 4511, 4.5.2) in the place of what it was.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.attributes.clear();
        self.values.clear();
        self.dn.clear();
        let mut parts = Values::of(bytes);
        self.dn.push_str(&String::from_utf8_lossy(parts.content(OCTETS)?));
        let mut attributes = parts.inner(SEQUENCE)?;
        while !attributes.is_empty() {
            let mut attribute = attributes.inner(SEQUENCE)?;
            let name = attribute.place(OCTETS)?;
            let mut values = attribute.inner(SET)?;
            let from = self.values.len();
            while !values.is_empty() {
                self.values.push(values.place(OCTETS)?);
            }
            self.add(name, from..self.values.len());
        }
        Ok(())
    }

    /// A controller that gives values in ranges names the attribute twice: as it is, and empty; and with the range.
    fn add(&mut self, mut name: Range<usize>, values: Range<usize>) {
        let mut next = None;
        if let Some((plain, more)) = ranged(&self.bytes[name.clone()]) {
            name.end = name.start + plain;
            next = more;
        }
        let called = &self.bytes[name.clone()];
        let same = |known: &&mut Attribute| &self.bytes[known.name.clone()] == called;
        match self.attributes.iter_mut().find(same) {
            Some(known) if known.values.is_empty() => (known.values, known.next) = (values, next),
            Some(_) => {}
            None => self.attributes.push(Attribute { name, values, next }),
        }
    }
}

/// `member;range=0-1499` as the length of `member` and 1500; `member;range=1500-*` as that and nothing more.
fn ranged(name: &[u8]) -> Option<(usize, Option<u32>)> {
    let plain = name.iter().position(|byte| *byte == b';')?;
    let range = std::str::from_utf8(&name[plain..]).ok()?.strip_prefix(";range=")?;
    let (_, last) = range.split_once('-')?;
    match last {
        "*" => Some((plain, None)),
        last => Some((plain, Some(last.parse::<u32>().ok()?.checked_add(1)?))),
    }
}
