//! The members of a group, as keys of their ids.

use crate::membership::{guid_bytes, key};
use crate::page::{Entries, Page, PageError};
use crate::scan::{Scan, Shape, Text};
use serde::Deserialize;

/// The keys of a page's members.
#[derive(Debug)]
pub struct PageKeys {
    shape: Shape,
    /// What they are.
    pub keys: Vec<u64>,
}

impl Default for PageKeys {
    fn default() -> Self {
        PageKeys {
            shape: Shape::new(&["id"]),
            keys: Vec::new(),
        }
    }
}

/// A member of a group.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Member<'a> {
    /// The user's id.
    #[serde(borrow)]
    pub id: Text<'a>,
}

/// Reads a member as the service writes it.
fn member<'a>(shape: &mut Shape, text: &'a [u8]) -> Option<(Member<'a>, usize)> {
    let mut scan = Scan::new(text);
    let mut id = None;
    shape.object(&mut scan, |scan, _| id.replace(scan.text()?).is_none().then_some(()))?;
    id.map(|id| (Member { id }, scan.at))
}

impl Entries for PageKeys {
    type Entry<'a> = Member<'a>;

    fn quick(&mut self, text: &[u8]) -> Option<usize> {
        let (member, length) = member(&mut self.shape, text)?;
        self.entry(member);
        Some(length)
    }

    fn entry(&mut self, member: Member<'_>) {
        self.keys.extend(guid_bytes(&member.id.0).map(key));
    }

    #[inline(never)]
    fn feed(&mut self, page: &mut Page, chunk: &[u8]) -> Result<(), PageError> {
        page.feed(chunk, self)
    }

    fn discard(&mut self) {
        self.keys.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_member_is_read_as_serde_reads_it(id in ".{0,20}", name in ".{0,20}", at in any::<prop::sample::Index>(), with in any::<u8>()) {
            let mut bytes = serde_json::json!({"@odata.type": "#microsoft.graph.user", "id": id, "displayName": name}).to_string().into_bytes();
            let at = at.index(bytes.len());
            let mut shape = Shape::new(&["id"]);
            for with in [None, Some(with)] {
                if let Some(byte) = with { bytes[at] = byte }
                if let Some((read, length)) = member(&mut shape, &bytes) {
                    let again: Member<'_> = serde_json::from_slice(&bytes[..length]).expect("serde takes it too");
                    prop_assert_eq!(read, again);
                }
            }
        }
    }

    #[test]
    fn the_usual_member_is_read_quickly() {
        for text in [
            r##"{"@odata.type":"#microsoft.graph.user","id":"00000000-0000-0000-0000-000000000001"}"##,
            r#"{"id":"x"}"#,
        ] {
            assert_eq!(
                member(&mut Shape::new(&["id"]), text.as_bytes()).map(|(_, length)| length),
                Some(text.len())
            );
        }
    }
}
