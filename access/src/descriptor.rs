//! Security descriptors in their self-relative form (MS-DTYP 2.4.6), read where they lie and written byte for byte.

use super::rights::Guid;
use super::sid::Sid;
use std::fmt;
use uuid::Uuid;

/// Bits of a descriptor's control word.
pub mod control {
    /// There is a DACL, even if it is NULL.
    pub const DACL_PRESENT: u16 = 0x0004;
    /// The DACL does not take the parent's entries.
    pub const DACL_PROTECTED: u16 = 0x1000;
    /// The parts stand behind the header.
    pub const SELF_RELATIVE: u16 = 0x8000;
}

/// Bits of an entry's flags.
pub mod flag {
    /// Children that are no containers take it.
    pub const OBJECT_INHERIT: u8 = 0x01;
    /// Children that are containers take it: in the directory every object is one.
    pub const CONTAINER_INHERIT: u8 = 0x02;
    /// Children do not hand it on.
    pub const NO_PROPAGATE: u8 = 0x04;
    /// It says nothing of the object that it stands on.
    pub const INHERIT_ONLY: u8 = 0x08;
    /// It came from a parent.
    pub const INHERITED: u8 = 0x10;
}

/// Bits of an entry's access mask.
pub mod mask {
    /// Read a property.
    pub const READ_PROPERTY: u32 = 0x10;
    /// Write a property.
    pub const WRITE_PROPERTY: u32 = 0x20;
    /// Use a control access right.
    pub const CONTROL_ACCESS: u32 = 0x100;
    /// GENERIC_ALL, which the directory writes as all of its rights.
    pub const GENERIC_ALL: u32 = 0x1000_0000;
    /// GENERIC_READ, which the directory writes as READ_PROPERTY with others.
    pub const GENERIC_READ: u32 = 0x8000_0000;
    /// GENERIC_WRITE, which the directory writes as WRITE_PROPERTY with others.
    pub const GENERIC_WRITE: u32 = 0x4000_0000;
}

/// Why bytes are no security descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// It ends before one of its parts does.
    #[error("the security descriptor is cut off")]
    Truncated,
    /// Not revision 1 in its self-relative form.
    #[error("the security descriptor has an unknown form")]
    Form,
    /// A SID in it is none.
    #[error("a SID in the security descriptor is malformed")]
    Sid,
    /// An access control list or an entry contradicts itself.
    #[error("an access control list in the security descriptor is malformed")]
    List,
}

type Result<T> = std::result::Result<T, DescriptorError>;

const HEADER: usize = 20;
const LIST_HEADER: usize = 8;
const ENTRY_HEADER: usize = 4;

/// A descriptor, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor<'a> {
    /// The control word.
    pub control: u16,
    /// The byte that a resource manager may use.
    resource_manager: u8,
    /// The owner.
    pub owner: Option<Sid<'a>>,
    /// The primary group.
    pub group: Option<Sid<'a>>,
    /// The list for auditing.
    pub sacl: Option<Acl<'a>>,
    /// The list that stands in it; what counts is told by `dacl`.
    written_dacl: Option<Acl<'a>>,
    /// The parts in the order in which they stand.
    order: [Part; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Owner,
    Group,
    Sacl,
    Dacl,
}

impl<'a> Descriptor<'a> {
    /// Reads a descriptor whole: every list, every entry.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let header = bytes.first_chunk::<HEADER>().ok_or(DescriptorError::Truncated)?;
        let control = u16::from_le_bytes([header[2], header[3]]);
        if header[0] != 1 || control & control::SELF_RELATIVE == 0 {
            return Err(DescriptorError::Form);
        }
        let offset =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize;
        let part = |at: usize| match offset(at) {
            0 => Ok(None),
            offset if offset < HEADER => Err(DescriptorError::Form),
            offset => bytes.get(offset..).map(Some).ok_or(DescriptorError::Truncated),
        };
        let sid = |at| {
            part(at)?
                .map(|bytes| Sid::read(bytes).ok_or(DescriptorError::Sid))
                .transpose()
        };
        let list = |at| part(at)?.map(Acl::read).transpose();
        let mut order = [(4, Part::Owner), (8, Part::Group), (12, Part::Sacl), (16, Part::Dacl)];
        order.sort_by_key(|(at, _)| offset(*at));
        Ok(Descriptor {
            control,
            resource_manager: header[1],
            owner: sid(4)?,
            group: sid(8)?,
            sacl: list(12)?,
            written_dacl: list(16)?,
            order: order.map(|(_, part)| part),
        })
    }

    /// The list that decides who may do what; None where there is none, and everything is granted.
    pub fn dacl(&self) -> Option<Acl<'a>> {
        self.written_dacl.filter(|_| self.control & control::DACL_PRESENT != 0)
    }

    /// Whether it keeps the parent's entries out.
    pub fn is_protected(&self) -> bool {
        self.control & control::DACL_PROTECTED != 0
    }

    /// The same with another list of entries, as its bytes.
    pub fn with_dacl(&self, dacl: Acl<'_>) -> Vec<u8> {
        let control = self.control | control::DACL_PRESENT;
        Descriptor {
            control,
            written_dacl: Some(dacl),
            ..*self
        }
        .to_bytes()
    }

    /// Its bytes: those that it was read from, where its parts follow one another.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[0] = 1;
        bytes[1] = self.resource_manager;
        bytes[2..4].copy_from_slice(&self.control.to_le_bytes());
        for part in self.order {
            let (at, start) = (part as usize * 4 + 4, bytes.len() as u32);
            let written = match part {
                Part::Owner => self.owner.map(|sid| bytes.extend_from_slice(sid.bytes())),
                Part::Group => self.group.map(|sid| bytes.extend_from_slice(sid.bytes())),
                Part::Sacl => self.sacl.map(|list| list.write(&mut bytes)),
                Part::Dacl => self.written_dacl.map(|list| list.write(&mut bytes)),
            };
            if written.is_some() {
                bytes[at..at + 4].copy_from_slice(&start.to_le_bytes());
            }
        }
        bytes
    }
}

/// An access control list, whose entries were all looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acl<'a> {
    revision: u8,
    /// The bytes that are reserved.
    reserved: [u8; 3],
    /// How many entries.
    count: u16,
    /// The entries, and what room the list has behind them.
    bytes: &'a [u8],
}

impl<'a> Acl<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let header = bytes.first_chunk::<LIST_HEADER>().ok_or(DescriptorError::Truncated)?;
        let size = usize::from(u16::from_le_bytes([header[2], header[3]]));
        if size < LIST_HEADER {
            return Err(DescriptorError::List);
        }
        let list = Acl {
            revision: header[0],
            reserved: [header[1], header[6], header[7]],
            count: u16::from_le_bytes([header[4], header[5]]),
            bytes: bytes.get(LIST_HEADER..size).ok_or(DescriptorError::Truncated)?,
        };
        let mut rest = list.bytes;
        for _ in 0..list.count {
            rest = &rest[Ace::read(rest)?.bytes.len()..];
        }
        Ok(list)
    }

    /// A list of these entries, one after another.
    pub fn of(count: u16, entries: &'a [u8]) -> Result<Self> {
        let size = u16::try_from(entries.len() + LIST_HEADER).map_err(|_| DescriptorError::List)?;
        // Revision 4: entries may name object types.
        let mut header = [4, 0, 0, 0, 0, 0, 0, 0];
        header[2..4].copy_from_slice(&size.to_le_bytes());
        header[4..6].copy_from_slice(&count.to_le_bytes());
        let mut whole = header.to_vec();
        whole.extend_from_slice(entries);
        Acl::read(&whole)?;
        Ok(Acl {
            revision: 4,
            reserved: [0; 3],
            count,
            bytes: entries,
        })
    }

    /// The entries, in the order in which they count.
    pub fn aces(self) -> impl Iterator<Item = Ace<'a>> {
        let mut rest = self.bytes;
        (0..self.count).map_while(move |_| {
            let ace = Ace::read(rest).ok()?;
            rest = rest.get(ace.bytes.len()..)?;
            Some(ace)
        })
    }

    /// Those that grant or deny some of what a mask holds: most others need not be taken apart.
    pub(crate) fn aces_of(self, mask: u32) -> impl Iterator<Item = Ace<'a>> {
        let mut rest = self.bytes;
        (0..self.count).filter_map(move |_| {
            let size = u16::from_le_bytes([*rest.get(2)?, *rest.get(3)?]);
            let (entry, behind) = rest.split_at_checked(size.into())?;
            rest = behind;
            // Of the other kinds the same place holds something else.
            let own = entry.get(ENTRY_HEADER..)?.first_chunk()?;
            if !matches!(entry[0], 0 | 1 | 5 | 6) || u32::from_le_bytes(*own) & mask == 0 {
                return None;
            }
            Ace::read(entry).ok()
        })
    }

    /// The same with other entries, whose bytes these are; None where they are too long for a list. The room behind the
    /// entries is kept. The revision is at least this one.
    pub(crate) fn with_entries(self, revision: u8, count: usize, bytes: &'a mut Vec<u8>) -> Option<Self> {
        let used: usize = self.aces().map(|ace| ace.bytes.len()).sum();
        bytes.extend_from_slice(&self.bytes[used..]);
        u16::try_from(bytes.len() + LIST_HEADER).ok()?;
        Some(Acl {
            revision: self.revision.max(revision),
            count: u16::try_from(count).ok()?,
            bytes,
            ..self
        })
    }

    fn write(self, bytes: &mut Vec<u8>) {
        // It was read from as many bytes, or made of no more.
        let size = (self.bytes.len() + LIST_HEADER) as u16;
        bytes.extend_from_slice(&[self.revision, self.reserved[0]]);
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&self.reserved[1..]);
        bytes.extend_from_slice(self.bytes);
    }
}

/// An entry of an access control list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ace<'a> {
    /// All of it.
    pub bytes: &'a [u8],
    /// What it does, where it is of a kind that grants or denies.
    pub effect: Option<Effect>,
    /// `flag`.
    pub flags: u8,
    /// What it grants or denies; 0 for a kind that does neither.
    pub mask: u32,
    /// The property, property set or control access right that it is for; None for all.
    pub object: Option<&'a Guid>,
    /// The class of those who take it from a parent; None for all.
    pub inherited_object: Option<&'a Guid>,
    /// Whom it is for.
    trustee: &'a [u8],
}

/// What an entry does. One with a condition does neither: the directory does not weigh it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Grants.
    Allow,
    /// Denies.
    Deny,
}

impl<'a> Ace<'a> {
    /// Reads the entry at the beginning. One of a kind that neither grants nor denies is kept as it is.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let &[kind, flags, low, high, ..] = bytes else {
            return Err(DescriptorError::List);
        };
        let size = usize::from(u16::from_le_bytes([low, high]));
        let bytes = bytes.get(..size).ok_or(DescriptorError::List)?;
        let mut rest = bytes.get(ENTRY_HEADER..).ok_or(DescriptorError::List)?;
        let (effect, for_object) = match kind {
            0 => (Effect::Allow, false),
            1 => (Effect::Deny, false),
            5 => (Effect::Allow, true),
            6 => (Effect::Deny, true),
            _ => {
                return Ok(Ace {
                    bytes,
                    effect: None,
                    flags,
                    mask: 0,
                    object: None,
                    inherited_object: None,
                    trustee: &[],
                });
            }
        };
        let mut number = || {
            let (number, behind) = rest.split_first_chunk::<4>().ok_or(DescriptorError::List)?;
            rest = behind;
            Ok(u32::from_le_bytes(*number))
        };
        let mask = number()?;
        let present = if for_object { number()? } else { 0 };
        let mut guid = |bit: u32| {
            if present & bit == 0 {
                return Ok(None);
            }
            let (guid, behind) = rest.split_first_chunk::<16>().ok_or(DescriptorError::List)?;
            rest = behind;
            Ok(Some(guid))
        };
        let (object, inherited_object) = (guid(1)?, guid(2)?);
        let trustee = Sid::read(rest).ok_or(DescriptorError::Sid)?.bytes();
        Ok(Ace {
            bytes,
            effect: Some(effect),
            flags,
            mask,
            object,
            inherited_object,
            trustee,
        })
    }

    /// Whom it is for; None for a kind that neither grants nor denies.
    pub fn trustee(&self) -> Option<Sid<'a>> {
        Sid::read(self.trustee)
    }

    /// Whether it is of a kind that may name object types, which a list of revision 2 does not hold.
    pub(crate) fn is_for_object(&self) -> bool {
        matches!(self.bytes.first(), Some(5..=8 | 11 | 12 | 15 | 16))
    }

    /// Whether it came from a parent.
    pub fn is_inherited(&self) -> bool {
        self.flags & flag::INHERITED != 0
    }

    /// Whether it says something of the object that it stands on.
    pub fn is_effective(&self) -> bool {
        self.flags & flag::INHERIT_ONLY == 0
    }

    /// Whether an object of a class takes it that stands directly in the one that it stands on, or farther below.
    pub fn is_handed_to(&self, class: &Guid, directly: bool) -> bool {
        self.flags & flag::CONTAINER_INHERIT != 0
            && (directly || self.flags & flag::NO_PROPAGATE == 0)
            && self.inherited_object.is_none_or(|heir| heir == class)
    }
}

/// In the manner of SDDL, with mask and flags as numbers.
impl fmt::Debug for Ace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guid = |guid: Option<&Guid>| guid.map_or_else(String::new, |guid| Uuid::from_bytes_le(*guid).to_string());
        let effect = self.effect.map_or_else(String::new, |effect| format!("{effect:?}"));
        let (object, inherited) = (guid(self.object), guid(self.inherited_object));
        write!(
            f,
            "({effect};{:#04x};{:#x};{object};{inherited};",
            self.flags, self.mask
        )?;
        match self.trustee() {
            Some(trustee) => write!(f, "{trustee})"),
            None => write!(f, "{:02x?})", self.bytes),
        }
    }
}

/// The bytes of an entry that grants a right to a trustee.
pub fn allowing(
    flags: u8,
    mask: u32,
    object: Option<&Guid>,
    inherited_object: Option<&Guid>,
    trustee: Sid<'_>,
) -> Vec<u8> {
    let guids = [object, inherited_object];
    let present = u32::from(object.is_some()) | u32::from(inherited_object.is_some()) << 1;
    let mut bytes = vec![if present == 0 { 0 } else { 5 }, flags, 0, 0];
    bytes.extend_from_slice(&mask.to_le_bytes());
    if present != 0 {
        bytes.extend_from_slice(&present.to_le_bytes());
        guids
            .into_iter()
            .flatten()
            .for_each(|guid| bytes.extend_from_slice(guid));
    }
    bytes.extend_from_slice(trustee.bytes());
    // Two GUIDs and the longest SID are far below 2^16.
    let size = bytes.len() as u16;
    bytes[2..4].copy_from_slice(&size.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests;
