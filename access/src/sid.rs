//! Security identifiers (SIDs; MS-DTYP 2.4.2): on the wire, and as text.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A SID has no more parts behind its authority.
const MOST_PARTS: usize = 15;
/// Revision, number of parts, and the six bytes of the authority.
const HEAD: usize = 8;

/// A SID where it lies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sid<'a>(&'a [u8]);

impl<'a> Sid<'a> {
    /// The SID at the beginning of these bytes.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let &[1, parts, ..] = bytes else { return None };
        let parts = usize::from(parts);
        (parts <= MOST_PARTS).then(|| bytes.get(..HEAD + 4 * parts).map(Sid))?
    }

    /// As it stands on the wire.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// As a filter's value.
    pub fn escaped(self) -> String {
        self.0.iter().map(|byte| format!("\\{byte:02x}")).collect()
    }

    /// The SID of the domain that made it, and its number there (RID); None for one without parts.
    pub fn split(self) -> Option<(SidBuf, u32)> {
        let (front, last) = self.0.split_last_chunk::<4>()?;
        let mut domain = front.to_vec();
        *domain.get_mut(1)? = self.0[1].checked_sub(1)?;
        Some((SidBuf(domain.into()), u32::from_le_bytes(*last)))
    }

    /// The same, to keep.
    pub fn keep(self) -> SidBuf {
        SidBuf(self.0.into())
    }
}

/// `S-1-5-21-1-2-3-1104`; an authority of 2^32 or more is written in hexadecimal digits, as Windows does.
impl fmt::Display for Sid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, parts) = self.0.split_at(HEAD);
        let authority = head[2..].iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        match u32::try_from(authority) {
            Ok(authority) => write!(f, "S-1-{authority}")?,
            Err(_) => write!(f, "S-1-0x{authority:012X}")?,
        }
        for part in parts.chunks_exact(4) {
            write!(f, "-{}", u32::from_le_bytes([part[0], part[1], part[2], part[3]]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Sid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A SID of its own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SidBuf(Box<[u8]>);

impl SidBuf {
    /// To look at.
    pub fn sid(&self) -> Sid<'_> {
        Sid(&self.0)
    }
}

/// What is no SID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a SID")]
pub struct NoSid(String);

impl FromStr for SidBuf {
    type Err = NoSid;

    fn from_str(text: &str) -> Result<Self, NoSid> {
        let read = || -> Option<SidBuf> {
            let mut parts = text.strip_prefix("S-1-").or(text.strip_prefix("s-1-"))?.split('-');
            let authority = parts.next()?;
            let authority = match authority.strip_prefix("0x").or(authority.strip_prefix("0X")) {
                Some(digits) => u64::from_str_radix(digits, 16).ok()?,
                None => authority.parse().ok()?,
            };
            let mut bytes = vec![1, 0];
            bytes.extend_from_slice(authority.to_be_bytes().strip_prefix(&[0, 0])?);
            for part in parts {
                bytes.extend_from_slice(&part.parse::<u32>().ok()?.to_le_bytes());
                bytes[1] += 1;
                if usize::from(bytes[1]) > MOST_PARTS {
                    return None;
                }
            }
            Some(SidBuf(bytes.into()))
        };
        read().ok_or_else(|| NoSid(text.into()))
    }
}

impl TryFrom<String> for SidBuf {
    type Error = NoSid;

    fn try_from(text: String) -> Result<Self, NoSid> {
        text.parse()
    }
}

impl From<SidBuf> for String {
    fn from(sid: SidBuf) -> String {
        sid.to_string()
    }
}

impl fmt::Display for SidBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.sid(), f)
    }
}

impl fmt::Debug for SidBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_forms_are_read_and_written() {
        let bytes = [
            1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0x50, 4, 0, 0,
        ];
        let sid = Sid::read(&bytes).unwrap();
        assert_eq!(sid.to_string(), "S-1-5-21-1-2-3-1104");
        assert_eq!(
            sid.split().map(|(domain, rid)| (domain.to_string(), rid)),
            Some(("S-1-5-21-1-2-3".into(), 1104))
        );
        let authority: SidBuf = "S-1-0x123456789ABC-7".parse().unwrap();
        assert_eq!(
            authority.sid().bytes(),
            [1, 1, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 7, 0, 0, 0]
        );
        assert_eq!(authority.to_string(), "S-1-0x123456789ABC-7");
        let none: SidBuf = "S-1-5".parse().unwrap();
        assert!(none.sid().split().is_none());
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "S-1-",
            "S-1-x",
            "S-2-5-1",
            "S-1-5--1",
            "S-1-5-4294967296",
            "S-1-281474976710656",
            "S-1-5-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1",
        ] {
            assert_eq!(text.parse::<SidBuf>(), Err(NoSid(text.into())));
        }
        for bytes in [
            &[][..],
            &[1],
            &[1, 1, 0, 0, 0, 0, 0, 5],
            &[2, 0, 0, 0, 0, 0, 0, 5],
            &[1, 16, 0, 0, 0, 0, 0, 5],
        ] {
            assert!(Sid::read(bytes).is_none());
        }
    }

    proptest! {
        #[test]
        fn text_and_bytes_say_the_same(authority in 0u64..1 << 48, parts in proptest::collection::vec(any::<u32>(), 0..=15)) {
            let mut text = match u32::try_from(authority) { Ok(a) => format!("S-1-{a}"), Err(_) => format!("S-1-0x{authority:012X}") };
            parts.iter().for_each(|part| text.push_str(&format!("-{part}")));
            let sid: SidBuf = text.parse().unwrap();
            prop_assert_eq!(sid.to_string(), text);
            prop_assert_eq!(Sid::read(sid.sid().bytes()), Some(sid.sid()));
        }
    }
}
