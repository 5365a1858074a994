//! Who may do what to an object, and the entry that decides it (MS-ADTS 5.1.3.3).

use super::descriptor::{Ace, Acl, Descriptor, Effect};
use super::rights::{Guid, Want};
use super::sid::{Sid, SidBuf};
use foldhash::fast::FixedState;
use std::collections::HashSet;

/// S-1-5-10, which stands for the object itself.
const SELF: &[u8] = &[1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0];

/// Who somebody is: their own SID and those of all groups that they are in.
#[derive(Clone, Debug, Default)]
pub struct Token {
    sids: HashSet<Box<[u8]>, FixedState>,
}

impl FromIterator<SidBuf> for Token {
    fn from_iter<T: IntoIterator<Item = SidBuf>>(sids: T) -> Self {
        Token {
            sids: sids.into_iter().map(|sid| sid.sid().bytes().into()).collect(),
        }
    }
}

impl Token {
    /// Whether it holds a SID.
    pub fn holds(&self, sid: Sid<'_>) -> bool {
        self.sids.contains(sid.bytes())
    }
}

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// Its security descriptor.
    pub descriptor: Descriptor<'a>,
    /// Its most specific structural class.
    pub class: Guid,
    /// Its own SID, where it has one.
    pub sid: Option<Sid<'a>>,
}

/// Whether a right is granted, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// There is no list: everything is granted to everybody.
    NoList,
    /// This entry grants it.
    Allowed(Ace<'a>),
    /// This entry denies it.
    Denied(Ace<'a>),
    /// No entry grants it.
    NotGranted,
}

impl Verdict<'_> {
    /// Whether it is granted.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Verdict::NoList | Verdict::Allowed(_))
    }

    /// For whom the entry is that decided, where one did.
    pub fn trustee(&self) -> Option<SidBuf> {
        match self {
            Verdict::Allowed(ace) | Verdict::Denied(ace) => ace.trustee().map(Sid::keep),
            Verdict::NoList | Verdict::NotGranted => None,
        }
    }
}

impl<'a> Object<'a> {
    /// Whether a token has each of these rights. The entries count in their stored order: the first that speaks of a
    /// right decides it.
    pub fn access<const N: usize>(&self, token: &Token, wants: [Want; N]) -> [Verdict<'a>; N] {
        match self.descriptor.dacl() {
            Some(dacl) => self.decide(dacl, token, wants, Ace::is_effective),
            None => [Verdict::NoList; N],
        }
    }

    /// What it hands a token down on an object of this class that stands directly in it, or farther below.
    pub fn handed_down<const N: usize>(&self, token: &Token, wants: [Want; N], directly: bool) -> [Verdict<'a>; N] {
        match self.descriptor.dacl() {
            Some(dacl) => self.decide(dacl, token, wants, |ace| ace.is_handed_to(&self.class, directly)),
            None => [Verdict::NotGranted; N],
        }
    }

    fn decide<const N: usize>(
        &self,
        dacl: Acl<'a>,
        token: &Token,
        wants: [Want; N],
        counts: impl Fn(&Ace<'a>) -> bool,
    ) -> [Verdict<'a>; N] {
        let mut verdicts = [Verdict::NotGranted; N];
        let mut open = N;
        for ace in dacl.aces_of(wants.iter().fold(0, |all, want| all | want.mask())) {
            let Some(effect) = ace.effect.filter(|_| counts(&ace)) else {
                continue;
            };
            // Whether it is about the token is the dearer question: asked last, and once.
            let mut about = None;
            for (want, verdict) in wants.iter().zip(&mut verdicts) {
                if *verdict == Verdict::NotGranted
                    && self.speaks_of(&ace, want)
                    && *about.get_or_insert_with(|| self.is_about(&ace, token))
                {
                    *verdict = match effect {
                        Effect::Allow => Verdict::Allowed(ace),
                        Effect::Deny => Verdict::Denied(ace),
                    };
                    open -= 1;
                }
            }
            if open == 0 {
                break;
            }
        }
        verdicts
    }

    fn is_about(&self, ace: &Ace<'_>, token: &Token) -> bool {
        let Some(trustee) = ace.trustee() else { return false };
        match self.sid {
            Some(own) if trustee.bytes() == SELF => token.holds(own),
            _ => token.holds(trustee),
        }
    }

    /// Whether an entry grants or denies the right: by its mask, and by the object type that it names. What it says of
    /// the class or of a property set it says of the attribute too.
    fn speaks_of(&self, ace: &Ace<'_>, want: &Want) -> bool {
        let of_object = |object: &Guid| match want {
            Want::ControlAccess(right) => object == right,
            Want::ReadProperties => false,
            Want::WriteProperty { attribute, set } => {
                object == attribute || Some(object) == set.as_ref() || *object == self.class
            }
        };
        ace.mask & want.mask() != 0 && ace.object.is_none_or(of_object)
    }
}

#[cfg(test)]
mod tests;
