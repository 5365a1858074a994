//! Rows that are read one by one: which users each is alike.

use super::fold::Known;
use super::row::{Methods, Row};
use crate::cohort::CohortKey;
use std::sync::Arc;

/// Tells of each row the cohort that it would be counted in.
pub struct Alike {
    known: Arc<Known>,
    methods: Methods,
}

impl Alike {
    /// With the methods whose bits are to be known before a row was read, in their order.
    pub fn new(known: Arc<Known>, methods: &[String]) -> Self {
        Alike {
            known,
            methods: Methods(methods.to_vec()),
        }
    }

    /// The cohort of a row's user.
    pub fn of(&mut self, row: &str) -> serde_json::Result<CohortKey> {
        let row: Row<'_> = serde_json::from_slice(row.as_bytes())?;
        let user = row.user(&mut self.methods);
        Ok(self.known.whole_cohort(&user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::Membership;
    use crate::page::{Entries, Page, Rows};
    use crate::registration::Fold;

    const ROW: &str = r#"{"id":"00000000-0000-0000-0000-000000000007","userPrincipalName":"u7@x","userType":"guest","isAdmin":false,
        "isSsprRegistered":true,"isSsprEnabled":true,"isSsprCapable":false,"isMfaRegistered":true,"isMfaCapable":false,
        "methodsRegistered":["mobilePhone","newThing"]}"#;

    #[test]
    fn a_row_alone_and_a_row_among_others_are_of_the_same_cohort() {
        let mut membership = Membership::new(vec!["g".into(), "h".into()]);
        membership.add(1, &mut vec![crate::membership::key(7)]);
        membership.seal();
        let id = "00000000-0000-0000-0000-000000000007".to_string();
        let known = Arc::new(Known::new(membership, &[], &[id]));
        let mut fold = Fold::new(Arc::clone(&known), Box::new(|_| {}));
        let mut part = fold.page();
        Entries::feed(
            &mut part,
            &mut Page::default(),
            format!("{{\"value\":[{ROW}]}}").as_bytes(),
        )
        .unwrap();
        fold.take(part);
        let (registration, _) = fold.finish();
        let cohort = Alike::new(known, &registration.methods).of(ROW).unwrap();
        assert_eq!(cohort, registration.cohorts[0].key);
        assert!(cohort.admin && cohort.guest && cohort.groups == 2);
    }
}
