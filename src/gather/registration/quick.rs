//! A reader for the report's rows as the service writes them, several times faster than serde.

use super::{Id, List, MOST_COHORTS, Row};
use crate::gather::membership::guid_bytes;
use crate::gather::scan::{Scan, Shape, Text};
use foldhash::fast::FixedState;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// The members of use; those that must be there come first.
const NAMES: &[&str] = &[
    "id",
    "userPrincipalName",
    "isSsprRegistered",
    "isSsprEnabled",
    "isSsprCapable",
    "isMfaRegistered",
    "isMfaCapable",
    "userType",
    "isAdmin",
    "methodsRegistered",
    "lastUpdatedDateTime",
];
const REQUIRED: u32 = 0b111_1111;
/// The members whose values are a user's own, as the service writes them first: the rest of a row is alike for many users.
const OWN: [&[u8]; 3] = [b"{\"id\":", b"\"userPrincipalName\":", b"\"userDisplayName\":"];
/// The member whose value is the row's own, as the service writes it last.
const LAST: &[u8] = b"\"lastUpdatedDateTime\":";
/// Where `LAST` is looked for: rows are shorter.
const MIDDLE: usize = 1024;

/// Reads rows, and remembers what the middles of rows mean.
pub(super) struct Reader {
    shape: Shape,
    /// By the text of the middle; as few as there are cohorts.
    middles: HashMap<Vec<u8>, Middle, FixedState>,
    last: Finder<'static>,
}

/// A row in its usual order, taken apart.
#[derive(Clone, Copy)]
struct Parts<'a> {
    id: Id,
    name: &'a [u8],
    middle: &'a [u8],
    /// Behind the user's own values.
    scan: Scan<'a>,
}

/// What stands between a user's own values and the row's own last one.
#[derive(Clone, Debug)]
struct Middle {
    flags: [bool; 5],
    is_admin: Option<bool>,
    /// Where the texts stand in it.
    user_type: Option<Range<usize>>,
    methods: Option<Range<usize>>,
}

impl Reader {
    pub fn new() -> Self {
        Reader {
            shape: Shape::new(NAMES),
            middles: HashMap::default(),
            last: Finder::new(LAST),
        }
    }

    /// Reads a row as the service writes it: no white space, no escapes, flat values. Whatever looks
    /// different is left to serde.
    pub fn row<'a>(&mut self, text: &'a [u8]) -> Option<(Row<'a>, usize)> {
        let parts = self.take_apart(text);
        if let Some(parts) = parts
            && let Some(known) = self.middles.get(parts.middle)
        {
            return known.row(parts);
        }
        let (row, length, ends) = self.whole(text)?;
        if let Some(Parts { middle, scan, .. }) = parts
            && ends == scan.at + middle.len()
            && self.middles.len() < MOST_COHORTS
            && let Some(known) = Middle::of(&row, middle)
        {
            self.middles.insert(middle.to_vec(), known);
        }
        Some((row, length))
    }

    fn take_apart<'a>(&self, text: &'a [u8]) -> Option<Parts<'a>> {
        let mut scan = Scan::new(text);
        scan.word(OWN[0])?;
        let id = Id(guid_bytes(scan.string()?)?);
        scan.word(b",")?;
        scan.word(OWN[1])?;
        let name = scan.string()?;
        scan.word(b",")?;
        scan.word(OWN[2])?;
        scan.nullable(Scan::string)?;
        scan.word(b",")?;
        let rest = &text[scan.at..];
        let middle = &rest[..self.last.find(&rest[..rest.len().min(MIDDLE)])?];
        Some(Parts { id, name, middle, scan })
    }

    /// Reads a row member by member; hands back its length and where `LAST` begins, which then ends the row: 0 where
    /// something of use follows it.
    fn whole<'a>(&mut self, text: &'a [u8]) -> Option<(Row<'a>, usize, usize)> {
        let mut scan = Scan::new(text);
        let mut row = Row {
            id: Id(0),
            user_principal_name: Text(Cow::Borrowed(b"")),
            user_type: None,
            is_admin: None,
            is_sspr_registered: false,
            is_sspr_enabled: false,
            is_sspr_capable: false,
            is_mfa_registered: false,
            is_mfa_capable: false,
            methods_registered: List::default(),
            last_updated_date_time: None,
        };
        let (mut seen, mut ends) = (0u32, 0);
        self.shape.object(&mut scan, |scan, place| {
            // A member that stands twice is serde's to refuse.
            if seen & 1 << place != 0 {
                return None;
            }
            seen |= 1 << place;
            ends = 0;
            match place {
                0 => row.id = Id(guid_bytes(scan.string()?)?),
                1 => row.user_principal_name = scan.text()?,
                2 => row.is_sspr_registered = scan.boolean()?,
                3 => row.is_sspr_enabled = scan.boolean()?,
                4 => row.is_sspr_capable = scan.boolean()?,
                5 => row.is_mfa_registered = scan.boolean()?,
                6 => row.is_mfa_capable = scan.boolean()?,
                7 => row.user_type = scan.nullable(Scan::text)?,
                8 => row.is_admin = scan.nullable(Scan::boolean)?,
                9 => {
                    let start = scan.at;
                    scan.list(|scan| scan.string().map(drop))?;
                    row.methods_registered = List(scan.since(start));
                }
                _ => {
                    ends = scan.at - LAST.len();
                    row.last_updated_date_time = scan.nullable(Scan::text)?;
                    // Only where it is the last member can the next row be taken apart before it.
                    if scan.peek() != Some(b'}') {
                        ends = 0;
                    }
                }
            }
            Some(())
        })?;
        (seen & REQUIRED == REQUIRED).then_some((row, scan.at, ends))
    }
}

impl Middle {
    /// What the middle of a row meant.
    fn of(row: &Row<'_>, middle: &[u8]) -> Option<Self> {
        let place = |part: &[u8]| {
            let start = (part.as_ptr() as usize).checked_sub(middle.as_ptr() as usize)?;
            (start + part.len() <= middle.len()).then_some(start..start + part.len())
        };
        let user_type = match &row.user_type {
            Some(kind) => Some(place(&kind.0)?),
            None => None,
        };
        Some(Middle {
            flags: [
                row.is_sspr_registered,
                row.is_sspr_enabled,
                row.is_sspr_capable,
                row.is_mfa_registered,
                row.is_mfa_capable,
            ],
            is_admin: row.is_admin,
            user_type,
            methods: place(row.methods_registered.0),
        })
    }

    /// The row with this middle, and its length.
    fn row<'a>(&self, parts: Parts<'a>) -> Option<(Row<'a>, usize)> {
        let Parts {
            id,
            name,
            middle,
            mut scan,
        } = parts;
        scan.at += middle.len();
        scan.word(LAST)?;
        let last_updated_date_time = scan.nullable(Scan::text)?;
        scan.word(b"}")?;
        let [registered, enabled, capable, mfa_registered, mfa_capable] = self.flags;
        let row = Row {
            id,
            user_principal_name: Text(Cow::Borrowed(name)),
            user_type: self.user_type.clone().map(|at| Text(Cow::Borrowed(&middle[at]))),
            is_admin: self.is_admin,
            is_sspr_registered: registered,
            is_sspr_enabled: enabled,
            is_sspr_capable: capable,
            is_mfa_registered: mfa_registered,
            is_mfa_capable: mfa_capable,
            methods_registered: self.methods.clone().map_or_else(List::default, |at| List(&middle[at])),
            last_updated_date_time,
        };
        Some((row, scan.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_quick_reader_agrees_with_serde() {
        let page = include_str!("../../../tests/data/userRegistrationDetails.page.json");
        let page: serde_json::Value = serde_json::from_str(page).unwrap();
        let mut reader = Reader::new();
        // The second time, the middles are known.
        for _ in 0..2 {
            for value in page["value"].as_array().unwrap() {
                let text = value.to_string();
                let (read, length) = reader
                    .row(text.as_bytes())
                    .expect("the documented form is read quickly");
                assert_eq!(length, text.len());
                assert_eq!(read, serde_json::from_str(&text).unwrap());
                for end in 0..text.len() {
                    assert!(reader.row(&text.as_bytes()[..end]).is_none(), "{end}");
                }
            }
        }
    }

    /// A row in the service's order; serde_json would sort its members.
    fn ordered(name: &str, flags: [bool; 5], methods: &[String], tail: &str) -> String {
        let [a, b, c, d, e] = flags;
        let (name, methods) = (serde_json::json!(name), serde_json::json!(methods));
        format!(
            r#"{{"id":"00000000-0000-0000-0000-000000000001","userPrincipalName":{name},"userDisplayName":{name},"userType":"guest","isAdmin":false,"isSsprRegistered":{a},"isSsprEnabled":{b},"isSsprCapable":{c},"isMfaRegistered":{d},"isMfaCapable":{e},"methodsRegistered":{methods},"lastUpdatedDateTime":{tail}}}"#
        )
    }

    #[test]
    fn rows_with_a_middle_that_is_known_are_read_alike() {
        let mut reader = Reader::new();
        let email = ["email".to_string()];
        for tail in [
            r#""2026-11-01T00:00:00Z""#,
            "null",
            r#""2026-11-02T00:00:00Z","isSsprEnabled":false"#,
            r#"null,"extra":true"#,
            "7",
        ] {
            let text = ordered("ann@x", [true; 5], &email, tail);
            let serde = serde_json::from_str::<Row<'_>>(&text).ok();
            let read = reader.row(text.as_bytes());
            assert!(read.is_none() || read.map(|(row, _)| row) == serde, "{tail}");
        }
        assert_eq!(reader.middles.len(), 1);
        // What follows the usual end may change what the row says: it earns no place.
        let late = ordered("bob@x", [true; 5], &[], r#"null,"extra":null"#);
        assert!(Reader::new().row(late.as_bytes()).is_some());
        let mut fresh = Reader::new();
        fresh.row(late.as_bytes()).unwrap();
        assert_eq!(fresh.middles.len(), 0);
    }

    proptest! {
        #[test]
        fn whatever_the_quick_reader_takes_serde_takes_alike(
            name in ".{0,20}", flags in any::<[bool; 5]>(), methods in proptest::collection::vec("[a-z\"\\\\]{0,6}", 0..4),
            cut in any::<prop::sample::Index>(), with in any::<u8>(), in_order in any::<bool>(),
        ) {
            let text = if in_order {
                ordered(&name, flags, &methods, r#""2026-11-01T00:00:00Z""#)
            } else {
                serde_json::json!({
                    "id": "00000000-0000-0000-0000-000000000001", "userPrincipalName": name, "userType": "guest", "isAdmin": null,
                    "lastUpdatedDateTime": null, "isSsprRegistered": flags[0], "isSsprEnabled": flags[1], "isSsprCapable": flags[2],
                    "isMfaRegistered": flags[3], "isMfaCapable": flags[4], "methodsRegistered": methods, "extra": {"a": [1]}
                }).to_string()
            };
            let mut bytes = text.into_bytes();
            let at = cut.index(bytes.len());
            let mut reader = Reader::new();
            for with in [None, None, Some(with)] {
                if let Some(byte) = with { bytes[at] = byte }
                if let Some((read, length)) = reader.row(&bytes) {
                    let again: Row<'_> = serde_json::from_slice(&bytes[..length]).expect("serde takes it too");
                    prop_assert_eq!(read, again);
                }
            }
        }
    }
}
