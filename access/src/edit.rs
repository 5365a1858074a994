//! Entries put into a descriptor's DACL and taken out again. All else of it, and every other entry, stays as it is.

use crate::descriptor::{Ace, Acl, Descriptor, Effect, allowing, flag, mask};
use crate::rights::{Guid, Want};
use crate::sid::Sid;

/// Why a list was not edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The DACL is absent or NULL: everything is granted to everybody, and a first entry would take all of that away.
    #[error("there is no access control list: everything is granted to everybody")]
    NoList,
    /// What is to be added is no entry, more than one, or one that only a parent gives.
    #[error("what is to be added is no explicit access control entry")]
    Entry,
    /// A list's length has 16 bits.
    #[error("the access control list would be longer than 64 KiB")]
    TooLong,
}

/// A descriptor after an edit, and what the undo needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The descriptor, of which only the DACL is another.
    pub descriptor: Vec<u8>,
    /// The entries that were added, each with its place in the new list; or removed, each with its place in the old
    /// one. In the order of the places.
    pub changed: Vec<(usize, Vec<u8>)>,
}

impl Edited {
    /// The entries that were added or removed.
    pub fn aces(&self) -> Vec<Vec<u8>> {
        self.changed.iter().map(|(_, ace)| ace.clone()).collect()
    }
}

/// The entry that grants a right on the objects of a class below the one that it stands on, and nothing on that one
/// (container-inherit, inherit-only).
pub fn on_descendants(want: &Want, class: &Guid, trustee: Sid<'_>) -> Vec<u8> {
    let (mask, object) = asked(want);
    let flags = flag::CONTAINER_INHERIT | flag::INHERIT_ONLY;
    allowing(flags, mask, object, Some(class), trustee)
}

/// The entry that grants a right on the object that it stands on, and on no other: Unexpire Password on a domain's
/// root.
pub fn on_object(want: &Want, trustee: Sid<'_>) -> Vec<u8> {
    let (mask, object) = asked(want);
    allowing(0, mask, object, None, trustee)
}

fn asked(want: &Want) -> (u32, Option<&Guid>) {
    match want {
        Want::ControlAccess(right) => (mask::CONTROL_ACCESS, Some(right)),
        Want::WriteProperty { attribute, .. } => (mask::WRITE_PROPERTY, Some(attribute)),
        Want::ReadProperties => (mask::READ_PROPERTY, None),
    }
}

/// Adds explicit entries where the canonical order has them: a denying one behind the denying ones at the list's
/// beginning, any other behind all explicit ones that stand before the first inherited one. What is there already, byte
/// for byte, is not added again.
///
/// A list that is out of order stays so: nothing is moved. A new grant then stands before the first inherited entry,
/// which is behind the last explicit deny unless that one stands behind an inherited entry.
///
/// The list's revision becomes 4 where an entry comes in that names object types, and is kept otherwise; an undo leaves
/// it.
pub fn add(descriptor: &Descriptor<'_>, entries: &[Vec<u8>]) -> Result<Edited, EditError> {
    let dacl = descriptor.dacl().ok_or(EditError::NoList)?;
    let mut list: Vec<Ace<'_>> = dacl.aces().collect();
    let (mut changed, mut revision) = (Vec::new(), 0);
    // What denies goes first: no place is then moved by what comes after.
    for denying in [true, false] {
        for bytes in entries {
            let ace = explicit(bytes)?;
            if is_deny(&ace) != denying || list.contains(&ace) {
                continue;
            }
            if ace.is_for_object() {
                revision = 4;
            }
            let behind = |other: &Ace<'_>| other.is_inherited() || denying && !is_deny(other);
            let at = list.iter().position(behind).unwrap_or(list.len());
            list.insert(at, ace);
            changed.push((at, bytes.clone()));
        }
    }
    edited(descriptor, dacl, revision, &list, changed)
}

/// Removes these entries, byte for byte the same, each as often as it is given, the first of several. What is not there
/// is passed over.
pub fn remove(descriptor: &Descriptor<'_>, entries: &[Vec<u8>]) -> Result<Edited, EditError> {
    let dacl = descriptor.dacl().ok_or(EditError::NoList)?;
    let mut open: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    let (mut list, mut changed) = (Vec::new(), Vec::new());
    for (at, ace) in dacl.aces().enumerate() {
        match open.iter().position(|bytes| *bytes == ace.bytes) {
            Some(found) => {
                open.swap_remove(found);
                changed.push((at, ace.bytes.to_vec()));
            }
            None => list.push(ace),
        }
    }
    edited(descriptor, dacl, 0, &list, changed)
}

/// Puts removed entries back at their places, as `remove` gave them. The list is the one of before where nobody else
/// has changed it; in one that has become shorter, what has no place goes to its end.
pub fn put_back(descriptor: &Descriptor<'_>, removed: &[(usize, Vec<u8>)]) -> Result<Edited, EditError> {
    let dacl = descriptor.dacl().ok_or(EditError::NoList)?;
    let mut list: Vec<Ace<'_>> = dacl.aces().collect();
    let mut changed = Vec::new();
    for (at, bytes) in removed {
        let ace = whole(bytes)?;
        let at = list.len().min(*at);
        list.insert(at, ace);
        changed.push((at, bytes.clone()));
    }
    edited(descriptor, dacl, 0, &list, changed)
}

fn is_deny(ace: &Ace<'_>) -> bool {
    ace.effect == Some(Effect::Deny)
}

fn whole(bytes: &[u8]) -> Result<Ace<'_>, EditError> {
    let ace = Ace::read(bytes).ok().filter(|ace| ace.bytes.len() == bytes.len());
    ace.ok_or(EditError::Entry)
}

fn explicit(bytes: &[u8]) -> Result<Ace<'_>, EditError> {
    let ace = whole(bytes)?;
    if ace.is_inherited() {
        Err(EditError::Entry)
    } else {
        Ok(ace)
    }
}

/// The descriptor with these entries for those of its list, whose revision is at least this one.
fn edited(
    descriptor: &Descriptor<'_>,
    old: Acl<'_>,
    revision: u8,
    entries: &[Ace<'_>],
    changed: Vec<(usize, Vec<u8>)>,
) -> Result<Edited, EditError> {
    let mut bytes = Vec::new();
    entries.iter().for_each(|ace| bytes.extend_from_slice(ace.bytes));
    let dacl = old.with_entries(revision, entries.len(), &mut bytes);
    let dacl = dacl.ok_or(EditError::TooLong)?;
    Ok(Edited {
        descriptor: descriptor.with_dacl(dacl),
        changed,
    })
}

#[cfg(test)]
mod tests;
