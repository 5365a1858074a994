//! A reader for the report's rows as the service writes them, several times faster than serde.

use super::{Id, List, Row};
use crate::gather::membership::guid_bytes;
use crate::gather::scan::{Scan, Shape, Text};
use std::borrow::Cow;

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

/// The shape of the report's rows.
pub(super) fn shape() -> Shape {
    Shape::new(NAMES)
}

/// Reads a row as the service writes it: no white space, no escapes, flat values. Whatever looks
/// different is left to serde.
pub(super) fn row<'a>(shape: &mut Shape, text: &'a [u8]) -> Option<(Row<'a>, usize)> {
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
    let mut seen = 0u32;
    shape.object(&mut scan, |scan, place| {
        // A member that stands twice is serde's to refuse.
        if seen & 1 << place != 0 {
            return None;
        }
        seen |= 1 << place;
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
            _ => row.last_updated_date_time = scan.nullable(Scan::text)?,
        }
        Some(())
    })?;
    (seen & REQUIRED == REQUIRED).then_some((row, scan.at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_quick_reader_agrees_with_serde() {
        let page = include_str!("../../../tests/data/userRegistrationDetails.page.json");
        let page: serde_json::Value = serde_json::from_str(page).unwrap();
        let mut shape = shape();
        for value in page["value"].as_array().unwrap() {
            let text = value.to_string();
            let (read, length) = row(&mut shape, text.as_bytes()).expect("the documented form is read quickly");
            assert_eq!(length, text.len());
            assert_eq!(read, serde_json::from_str(&text).unwrap());
            for end in 0..text.len() {
                assert!(row(&mut shape, &text.as_bytes()[..end]).is_none(), "{end}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_the_quick_reader_takes_serde_takes_alike(
            name in ".{0,20}", flags in any::<[bool; 5]>(), methods in proptest::collection::vec("[a-z\"\\\\]{0,6}", 0..4),
            cut in any::<prop::sample::Index>(), with in any::<u8>(),
        ) {
            let text = serde_json::json!({
                "id": "00000000-0000-0000-0000-000000000001", "userPrincipalName": name, "userType": "guest", "isAdmin": null, "lastUpdatedDateTime": null,
                "isSsprRegistered": flags[0], "isSsprEnabled": flags[1], "isSsprCapable": flags[2], "isMfaRegistered": flags[3],
                "isMfaCapable": flags[4], "methodsRegistered": methods, "extra": {"a": [1]}
            }).to_string();
            let mut bytes = text.into_bytes();
            let at = cut.index(bytes.len());
            let mut shape = shape();
            for with in [None, Some(with)] {
                if let Some(byte) = with { bytes[at] = byte }
                if let Some((read, length)) = row(&mut shape, &bytes) {
                    let again: Row<'_> = serde_json::from_slice(&bytes[..length]).expect("serde takes it too");
                    prop_assert_eq!(read, again);
                }
            }
        }
    }
}
