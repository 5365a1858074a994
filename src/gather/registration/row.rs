//! A row of the report, and what it says of its user.

use crate::gather::membership::guid;
use crate::gather::scan::Text;
use crate::json;
use crate::snapshot::people::CohortKey;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A row of the report, with what the steps ask of a user.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    pub id: Id,
    #[serde(borrow)]
    pub user_principal_name: Text<'a>,
    #[serde(borrow, default)]
    pub user_type: Option<Text<'a>>,
    #[serde(default)]
    pub is_admin: Option<bool>,
    pub is_sspr_registered: bool,
    pub is_sspr_enabled: bool,
    pub is_sspr_capable: bool,
    pub is_mfa_registered: bool,
    pub is_mfa_capable: bool,
    #[serde(borrow, default)]
    pub methods_registered: List<'a>,
    #[serde(borrow, default)]
    pub last_updated_date_time: Option<Text<'a>>,
}

/// A user's id; 0 for one that is no GUID.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Id(pub u128);

impl<'a> Deserialize<'a> for Id {
    fn deserialize<D: serde::Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(Id(guid(&text).unwrap_or_default()))
    }
}

/// A list of texts as it stands in the row: few lists are different, and what each means is looked up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct List<'a>(pub &'a [u8]);

impl Default for List<'_> {
    fn default() -> Self {
        List(b"[]")
    }
}

impl List<'_> {
    fn texts(&self) -> serde_json::Result<Vec<Cow<'_, str>>> {
        json::read(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = List(<&RawValue>::deserialize(deserializer)?.get().as_bytes());
        list.texts().map_err(serde::de::Error::custom)?;
        Ok(list)
    }
}

/// The names of methods that were seen; each is a bit by its place.
#[derive(Debug, Default)]
pub(super) struct Methods(pub Vec<String>);

/// The bit of all methods that no longer find a place.
pub(super) const OTHERS: usize = 63;

impl Methods {
    fn bits(&mut self, list: List<'_>) -> u64 {
        // It was read as a list of texts.
        let names = list.texts().unwrap_or_default();
        names.into_iter().fold(0, |bits, name| bits | 1 << self.place(&name))
    }

    /// The place of a name, found or made.
    pub fn place(&mut self, name: &str) -> usize {
        self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            if self.0.len() == OTHERS {
                return OTHERS;
            }
            self.0.push(name.into());
            self.0.len() - 1
        })
    }

    /// The same methods, as the bits of others.
    pub fn translated(&self, bits: u64, others: &mut Methods) -> u64 {
        let set = (0..=OTHERS).filter(|place| bits >> place & 1 == 1);
        set.fold(0, |bits, place| {
            bits | 1 << self.0.get(place).map_or(OTHERS, |name| others.place(name))
        })
    }
}

/// A user, as a row tells of them.
#[derive(Debug, PartialEq)]
pub(super) struct User<'a> {
    pub id: u128,
    pub name: Text<'a>,
    /// All of it that the row itself tells.
    pub cohort: CohortKey,
    pub updated: Option<Text<'a>>,
}

impl<'a> Row<'a> {
    /// What it says.
    pub fn user(self, methods: &mut Methods) -> User<'a> {
        User {
            id: self.id.0,
            cohort: CohortKey {
                guest: self.user_type.is_some_and(|kind| *kind.0 == *b"guest"),
                admin: self.is_admin == Some(true),
                sspr_enabled: self.is_sspr_enabled,
                sspr_registered: self.is_sspr_registered,
                sspr_capable: self.is_sspr_capable,
                mfa_capable: self.is_mfa_capable,
                mfa_registered: self.is_mfa_registered,
                methods: methods.bits(self.methods_registered),
                ..CohortKey::default()
            },
            name: self.user_principal_name,
            updated: self.last_updated_date_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_read_as_published() {
        crate::shapes::assert_published::<Row<'_>>(&[("userRegistrationDetails", "v1.0")], &[]);
    }

    #[test]
    fn the_last_bit_stands_for_all_methods_without_a_place() {
        let mut methods = Methods::default();
        let places: Vec<usize> = (0..70).map(|n| methods.place(&format!("m{n}"))).collect();
        assert_eq!(places[62..], [62, 63, 63, 63, 63, 63, 63, 63]);
        assert_eq!((methods.place("m5"), methods.0.len()), (5, OTHERS));
        let mut others = Methods(vec!["m2".into(), "m9".into()]);
        assert_eq!(
            methods.translated(1 << 63 | 1 << 7 | 1 << 2, &mut others),
            1 << 63 | 0b101
        );
        assert_eq!(others.0, ["m2", "m9", "m7"]);
    }
}
