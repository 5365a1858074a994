//! A reader for the report's rows as the service writes them, several times faster than serde.

use super::fold::MOST_COHORTS;
use super::row::{Id, List, Methods, Row, User};
use crate::cohort::CohortKey;
use crate::membership::guid_bytes;
use crate::scan::{Scan, Shape, Text};
use foldhash::fast::FixedState;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::collections::HashMap;

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
pub struct Reader {
    /// The methods' names so far.
    pub methods: Methods,
    shape: Shape,
    /// By the text of the middle; as few as there are cohorts.
    middles: HashMap<Vec<u8>, CohortKey, FixedState>,
    last: Finder<'static>,
}

/// A row in its usual order, taken apart.
struct Parts<'a> {
    id: u128,
    name: &'a [u8],
    /// What stands between the user's own values and the row's own last one.
    middle: &'a [u8],
    /// Where the middle begins.
    at: usize,
}

impl Reader {
    pub fn new() -> Self {
        Reader {
            methods: Methods::default(),
            shape: Shape::new(NAMES),
            middles: HashMap::default(),
            last: Finder::new(LAST),
        }
    }

    /// Reads a row as the service writes it: no white space, no escapes, flat values; returns its length with it.
    /// Whatever looks different is left to serde.
    pub fn user<'a>(&mut self, text: &'a [u8]) -> Option<(User<'a>, usize)> {
        let parts = self.take_apart(text);
        if let Some(parts) = &parts
            && let Some(&cohort) = self.middles.get(parts.middle)
        {
            return parts.user(text, cohort);
        }
        let (row, length, ends) = self.whole(text)?;
        let user = row.user(&mut self.methods);
        if let Some(Parts { middle, at, .. }) = parts
            && ends == at + middle.len()
            && self.middles.len() < MOST_COHORTS
        {
            self.middles.insert(middle.to_vec(), user.cohort);
        }
        Some((user, length))
    }

    fn take_apart<'a>(&self, text: &'a [u8]) -> Option<Parts<'a>> {
        let mut scan = Scan::new(text);
        scan.word(OWN[0])?;
        let id = guid_bytes(scan.string()?)?;
        scan.word(b",")?;
        scan.word(OWN[1])?;
        let name = scan.string()?;
        scan.word(b",")?;
        scan.word(OWN[2])?;
        scan.nullable(Scan::string)?;
        scan.word(b",")?;
        let rest = &text[scan.at..];
        let middle = &rest[..self.last.find(&rest[..rest.len().min(MIDDLE)])?];
        Some(Parts {
            id,
            name,
            middle,
            at: scan.at,
        })
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

impl<'a> Parts<'a> {
    /// The user of the row, whose middle is known to mean this cohort, and the row's length.
    fn user(&self, text: &'a [u8], cohort: CohortKey) -> Option<(User<'a>, usize)> {
        let mut scan = Scan::new(text);
        scan.at = self.at + self.middle.len() + LAST.len();
        let updated = scan.nullable(Scan::text)?;
        scan.word(b"}")?;
        let user = User {
            id: self.id,
            name: Text(Cow::Borrowed(self.name)),
            cohort,
            updated,
        };
        Some((user, scan.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As serde reads it.
    fn slowly<'a>(text: &'a [u8], methods: &mut Methods) -> Option<User<'a>> {
        let row: Row<'a> = serde_json::from_slice(text).ok()?;
        Some(row.user(methods))
    }

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
                    .user(text.as_bytes())
                    .expect("the documented form is read quickly");
                assert_eq!(length, text.len());
                assert_eq!(read, slowly(text.as_bytes(), &mut reader.methods).unwrap());
                for end in 0..text.len() {
                    assert!(reader.user(&text.as_bytes()[..end]).is_none(), "{end}");
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
            let serde = slowly(text.as_bytes(), &mut reader.methods);
            let read = reader.user(text.as_bytes());
            assert!(read.is_none() || read.map(|(user, _)| user) == serde, "{tail}");
        }
        assert_eq!(reader.middles.len(), 1);
        // What follows the usual end may change what the row says: it earns no place.
        let late = ordered("bob@x", [true; 5], &[], r#"null,"extra":null"#);
        assert!(Reader::new().user(late.as_bytes()).is_some());
        let mut fresh = Reader::new();
        fresh.user(late.as_bytes()).unwrap();
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
                if let Some((read, length)) = reader.user(&bytes) {
                    let again = slowly(&bytes[..length], &mut reader.methods).expect("serde takes it too");
                    prop_assert_eq!(read, again);
                }
            }
        }
    }
}
