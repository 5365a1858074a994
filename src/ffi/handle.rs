//! Handles: a number with a kind and a generation, so that a stale, doubled or mistaken one is an error and never a crash.

use crate::error::{Error, Result};
use crate::status::Status;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many of a kind may be open at once. (Miri, which is slow, is content with fewer.)
const MOST: usize = if cfg!(miri) { 100 } else { 65_536 };
/// Generations before a slot is retired: a handle never means another object.
const GENERATIONS: u32 = 1 << 24;

/// What a handle stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Session = 0x5e,
    Task = 0x7a,
}

/// Objects of one kind. A handle is `kind (8 bits) | generation (24) | slot + 1 (32)`.
#[derive(Debug)]
pub(super) struct Table<T> {
    kind: Kind,
    inner: Mutex<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    open: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    object: Option<Arc<T>>,
}

impl<T> Table<T> {
    pub(super) fn new(kind: Kind) -> Self {
        Table {
            kind,
            inner: Mutex::new(Inner {
                slots: Vec::new(),
                free: Vec::new(),
                open: 0,
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an object and gives out its handle. It is made only when there is room for it.
    pub(super) fn insert(&self, make: impl FnOnce() -> Result<Arc<T>>) -> Result<u64> {
        let mut inner = self.inner();
        if inner.open >= MOST {
            return Err(
                Error::new(Status::HandleLimit, format!("{MOST} {:?} handles are open", self.kind))
                    .help("Close those that are done."),
            );
        }
        let object = make()?;
        let index = match inner.free.pop() {
            Some(index) => index,
            None => {
                inner.slots.push(Slot {
                    generation: 1,
                    object: None,
                });
                (inner.slots.len() - 1) as u32
            }
        };
        let slot = &mut inner.slots[index as usize];
        slot.object = Some(object);
        let handle = (self.kind as u64) << 56 | u64::from(slot.generation) << 32 | u64::from(index + 1);
        inner.open += 1;
        Ok(handle)
    }

    fn locate(&self, inner: &Inner<T>, handle: u64) -> Result<usize> {
        let kind = (handle >> 56) as u8;
        if kind != self.kind as u8 && [Kind::Session as u8, Kind::Task as u8].contains(&kind) {
            return Err(Error::new(
                Status::HandleType,
                format!("the handle is not of a {:?}", self.kind),
            ));
        }
        let generation = (handle >> 32) as u32 & (GENERATIONS - 1);
        let index = (handle as u32).wrapping_sub(1) as usize;
        match inner.slots.get(index) {
            Some(slot) if kind == self.kind as u8 && slot.generation == generation && slot.object.is_some() => {
                Ok(index)
            }
            _ => Err(Error::new(
                Status::HandleInvalid,
                format!("there is no open {:?} of that handle", self.kind),
            )),
        }
    }

    /// The object behind a handle.
    pub(super) fn get(&self, handle: u64) -> Result<Arc<T>> {
        let inner = self.inner();
        let index = self.locate(&inner, handle)?;
        inner.slots[index]
            .object
            .clone()
            .ok_or_else(|| Error::new(Status::HandleInvalid, "the handle is closed"))
    }

    /// Closes a handle; the object lives on while something uses it.
    pub(super) fn remove(&self, handle: u64) -> Result<Arc<T>> {
        let mut inner = self.inner();
        let index = self.locate(&inner, handle)?;
        let slot = &mut inner.slots[index];
        let object = slot
            .object
            .take()
            .ok_or_else(|| Error::new(Status::HandleInvalid, "the handle is closed"))?;
        slot.generation += 1;
        if slot.generation < GENERATIONS {
            inner.free.push(index as u32);
        }
        inner.open -= 1;
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_doubled_and_mistaken_handles_are_errors() {
        let sessions = Table::new(Kind::Session);
        let tasks = Table::<u32>::new(Kind::Task);
        let a = sessions.insert(|| Ok(Arc::new(1))).unwrap();
        assert_eq!(*sessions.get(a).unwrap(), 1);
        assert_eq!(tasks.get(a).unwrap_err().status, Status::HandleType);
        sessions.remove(a).unwrap();
        assert_eq!(sessions.get(a).unwrap_err().status, Status::HandleInvalid);
        assert_eq!(sessions.remove(a).unwrap_err().status, Status::HandleInvalid);
        let b = sessions.insert(|| Ok(Arc::new(2))).unwrap();
        assert_ne!(a, b, "the slot is used again, the handle is not");
        for wrong in [0, 1, u64::MAX, b + 1, b ^ (1 << 32)] {
            assert!(sessions.get(wrong).is_err(), "{wrong:#x}");
        }
    }

    #[test]
    fn ten_thousand_handles_leave_one_slot() {
        let table = Table::new(Kind::Task);
        for i in 0..if cfg!(miri) { 100 } else { 10_000 } {
            let handle = table.insert(|| Ok(Arc::new(i))).unwrap();
            table.remove(handle).unwrap();
        }
        assert_eq!(table.inner().slots.len(), 1);
    }

    #[test]
    fn a_used_up_slot_is_retired() {
        let table = Table::new(Kind::Task);
        table.inner().slots.push(Slot {
            generation: GENERATIONS - 1,
            object: None,
        });
        table.inner().free.push(0);
        let last = table.insert(|| Ok(Arc::new(1))).unwrap();
        table.remove(last).unwrap();
        let next = table.insert(|| Ok(Arc::new(2))).unwrap();
        assert_eq!(next as u32, 2, "a new slot");
        assert!(table.get(last).is_err());
    }

    #[test]
    fn too_many_are_refused() {
        let table = Table::new(Kind::Task);
        let one = Arc::new(());
        for _ in 0..MOST {
            table.insert(|| Ok(Arc::clone(&one))).unwrap();
        }
        assert_eq!(
            table.insert(|| panic!("it is not made")).unwrap_err().status,
            Status::HandleLimit
        );
    }
}
