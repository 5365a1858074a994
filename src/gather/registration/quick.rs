//! A reader for the report's rows as the service writes them, several times faster than serde.

use super::{Methods, Row};
use std::borrow::Cow;

/// Reads a row as the service writes it: no white space, no escapes, flat values. Whatever looks
/// different is left to serde.
pub(super) fn row(text: &[u8]) -> Option<(Row<'_>, usize)> {
    let mut scan = Scan { text, at: 0 };
    let mut row = Row {
        id: Cow::Borrowed(""),
        user_principal_name: Cow::Borrowed(""),
        user_type: None,
        is_admin: None,
        is_sspr_registered: false,
        is_sspr_enabled: false,
        is_sspr_capable: false,
        is_mfa_registered: false,
        is_mfa_capable: false,
        methods_registered: Methods::new(),
        last_updated_date_time: None,
    };
    // Each member that must be there, once.
    let mut seen = 0u32;
    scan.byte(b'{')?;
    loop {
        let name = scan.string()?;
        scan.byte(b':')?;
        let mut first = |bit: u32| {
            let new = seen & bit == 0;
            seen |= bit;
            new.then_some(())
        };
        match name {
            b"id" => {
                first(1)?;
                row.id = scan.text()?;
            }
            b"userPrincipalName" => {
                first(2)?;
                row.user_principal_name = scan.text()?;
            }
            b"isSsprRegistered" => {
                first(4)?;
                row.is_sspr_registered = scan.boolean()?;
            }
            b"isSsprEnabled" => {
                first(8)?;
                row.is_sspr_enabled = scan.boolean()?;
            }
            b"isSsprCapable" => {
                first(16)?;
                row.is_sspr_capable = scan.boolean()?;
            }
            b"isMfaRegistered" => {
                first(32)?;
                row.is_mfa_registered = scan.boolean()?;
            }
            b"isMfaCapable" => {
                first(64)?;
                row.is_mfa_capable = scan.boolean()?;
            }
            b"userType" => {
                first(128)?;
                row.user_type = scan.nullable(Scan::text)?;
            }
            b"isAdmin" => {
                first(256)?;
                row.is_admin = scan.nullable(Scan::boolean)?;
            }
            b"lastUpdatedDateTime" => {
                first(512)?;
                row.last_updated_date_time = scan.nullable(Scan::text)?;
            }
            b"methodsRegistered" => {
                first(1024)?;
                scan.list(|scan| {
                    row.methods_registered.push(scan.text()?);
                    Some(())
                })?;
            }
            _ => scan.skip()?,
        }
        match scan.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    (seen & 127 == 127).then_some((row, scan.at))
}

/// A cursor over a row.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// A string without escapes, as bytes.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.byte(b'"')?;
        let rest = &self.text[self.at..];
        let end = memchr::memchr2(b'"', b'\\', rest)?;
        if rest[end] != b'"' {
            return None;
        }
        self.at += end + 1;
        Some(&rest[..end])
    }

    /// A string without escapes or control characters, as text.
    fn text(&mut self) -> Option<Cow<'a, str>> {
        let bytes = self.string()?;
        if bytes.iter().any(|b| *b < 0x20) {
            return None;
        }
        std::str::from_utf8(bytes).ok().map(Cow::Borrowed)
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.text.get(self.at)? {
            b't' => self.word(b"true").map(|()| true),
            b'f' => self.word(b"false").map(|()| false),
            _ => None,
        }
    }

    fn nullable<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.text.get(self.at) == Some(&b'n') {
            self.word(b"null").map(|()| None)
        } else {
            read(self).map(Some)
        }
    }

    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
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
    fn skip(&mut self) -> Option<()> {
        match self.text.get(self.at)? {
            b'"' => self.text().map(drop),
            b'n' => self.word(b"null"),
            b'[' => self.list(|scan| scan.text().map(drop)),
            _ => self.boolean().map(drop),
        }
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
        for value in page["value"].as_array().unwrap() {
            let text = value.to_string();
            let (read, length) = row(text.as_bytes()).expect("the documented form is read quickly");
            assert_eq!(length, text.len());
            assert_eq!(read, serde_json::from_str(&text).unwrap());
            for end in 0..text.len() {
                assert!(row(&text.as_bytes()[..end]).is_none(), "{end}");
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
            for with in [None, Some(with)] {
                if let Some(byte) = with { bytes[at] = byte }
                if let Some((read, length)) = row(&bytes) {
                    let again: Row<'_> = serde_json::from_slice(&bytes[..length]).expect("serde takes it too");
                    prop_assert_eq!(read, again);
                }
            }
        }
    }
}
