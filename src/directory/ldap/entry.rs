//! What a search gives.

use ldap3::ResultEntry;
use ldap3::asn1::{PL, StructureTag};

/// An entry, with the values as bytes.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its distinguished name.
    pub dn: String,
    attributes: Vec<Attribute>,
}

#[derive(Clone, Debug)]
struct Attribute {
    name: String,
    values: Vec<Vec<u8>>,
    /// Where the values go on that did not come along.
    next: Option<u32>,
}

impl Entry {
    /// One that never was in a directory.
    #[cfg(test)]
    pub fn of(dn: &str, attributes: &[(&str, &[u8])]) -> Entry {
        let mut entry = Entry {
            dn: dn.into(),
            ..Entry::default()
        };
        for (name, value) in attributes {
            entry.add((*name).into(), vec![value.to_vec()]);
        }
        entry
    }

    /// An attribute's values.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self
            .attributes
            .iter()
            .find(|known| known.name.eq_ignore_ascii_case(name));
        found.map_or(&[], |known| &known.values)
    }

    /// The value of an attribute that has one.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.values(name).first().map(Vec::as_slice)
    }

    /// The same, where it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.value(name)?).ok()
    }

    /// An attribute of which a controller gave the first values only, and the number of the next.
    pub(super) fn cut(&self) -> Option<(String, u32)> {
        let cut = |known: &Attribute| Some((known.name.clone(), known.next?));
        self.attributes.iter().find_map(cut)
    }

    /// Takes further values of an attribute; says whether there were some.
    pub(super) fn goes_on(&mut self, name: &str, more: Entry) -> bool {
        let own = self.attributes.iter_mut().find(|known| known.name == name);
        let mut named = more.attributes.into_iter();
        let more = named.find(|other| other.name.eq_ignore_ascii_case(name) && !other.values.is_empty());
        let (Some(own), Some(more)) = (own, more) else {
            return false;
        };
        own.values.extend(more.values);
        own.next = more.next;
        true
    }

    /// A controller that gives values in ranges names the attribute twice: as it is, and empty; and with the range.
    fn add(&mut self, name: String, values: Vec<Vec<u8>>) {
        let (name, next) = match ranged(&name) {
            Some((plain, next)) => (plain.to_string(), next),
            None => (name, None),
        };
        match self.attributes.iter_mut().find(|known| known.name == name) {
            Some(known) if known.values.is_empty() => (known.values, known.next) = (values, next),
            Some(_) => {}
            None => self.attributes.push(Attribute { name, values, next }),
        }
    }
}

/// `member;range=0-1499` as `member` and 1500; `member;range=1500-*` as `member` and nothing more.
fn ranged(name: &str) -> Option<(&str, Option<u32>)> {
    let (plain, range) = name.split_once(";range=")?;
    let (_, last) = range.split_once('-')?;
    match last {
        "*" => Some((plain, None)),
        last => Some((plain, Some(last.parse::<u32>().ok()?.checked_add(1)?))),
    }
}

/// The bytes of a SearchResultEntry (RFC 4511, 4.5.2) are moved, not copied; what is not of its form is left out.
impl From<ResultEntry> for Entry {
    fn from(entry: ResultEntry) -> Self {
        let text = |tag: Option<StructureTag>| {
            let bytes = tag.and_then(StructureTag::expect_primitive).unwrap_or_default();
            String::from_utf8(bytes).unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned())
        };
        let inner = |tag: Option<StructureTag>| match tag.map(|tag| tag.payload) {
            Some(PL::C(tags)) => tags.into_iter(),
            _ => Vec::new().into_iter(),
        };
        let mut parts = inner(Some(entry.0));
        let mut read = Entry {
            dn: text(parts.next()),
            ..Entry::default()
        };
        for tag in inner(parts.next()) {
            let mut parts = inner(Some(tag));
            let name = text(parts.next());
            let values = inner(parts.next()).filter_map(StructureTag::expect_primitive);
            read.add(name, values.collect());
        }
        read
    }
}
