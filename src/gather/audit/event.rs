//! An event of the directory audit log, with what is read of it.

use crate::tenant::page::Rows;
use jiff::Timestamp;
use serde::Deserialize;

/// `directoryAudit`, with what is read of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    #[serde(default)]
    pub id: Option<String>,
    pub activity_date_time: Timestamp,
    #[serde(default)]
    pub result: Option<String>,
    #[serde(default)]
    pub result_reason: Option<String>,
    #[serde(default)]
    pub initiated_by: Option<Initiator>,
    #[serde(default)]
    pub target_resources: Option<Vec<Target>>,
    #[serde(default)]
    pub additional_details: Option<Vec<Detail>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Initiator {
    #[serde(default)]
    pub user: Option<Who>,
    #[serde(default)]
    pub app: Option<Who>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Who {
    #[serde(default)]
    pub user_principal_name: Option<String>,
    #[serde(default)]
    pub display_name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Target {
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub user_principal_name: Option<String>,
    #[serde(default)]
    pub modified_properties: Option<Vec<Property>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Property {
    #[serde(default)]
    pub display_name: Option<String>,
    #[serde(default)]
    pub old_value: Option<String>,
    #[serde(default)]
    pub new_value: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Detail {
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub value: Option<String>,
}

impl Event {
    pub fn succeeded(&self) -> bool {
        self.result.as_deref() == Some("success")
    }

    pub fn by(&self) -> Option<String> {
        let initiator = self.initiated_by.as_ref()?;
        let name = |who: &Option<Who>| {
            who.as_ref()
                .and_then(|w| w.user_principal_name.clone().or_else(|| w.display_name.clone()))
        };
        name(&initiator.user).or_else(|| name(&initiator.app))
    }

    /// `None`, `Microsoft Entra Connect` or `CloudSync`; the spelling of the key was not verified, so case is not looked at.
    pub fn agent(&self) -> Option<&str> {
        let details = self.additional_details.as_ref()?;
        let detail = details.iter().find(|d| {
            d.key
                .as_deref()
                .is_some_and(|k| k.eq_ignore_ascii_case("OnPremisesAgent"))
        })?;
        detail.value.as_deref().map(|v| v.trim_matches('"').trim())
    }

    pub fn user(&self) -> Option<&Target> {
        self.target_resources.as_ref()?.first()
    }
}

/// Folds the events of an activity page by page: a month has many resets.
pub(super) struct Events<F: FnMut(&Event) + Send>(pub F);

impl<F: FnMut(&Event) + Send> Rows for Events<F> {
    type Page = Vec<Event>;

    fn page(&mut self) -> Vec<Event> {
        Vec::new()
    }

    fn take(&mut self, page: Vec<Event>) {
        page.iter().for_each(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_are_read_as_published() {
        use crate::shapes::assert_published;
        assert_published::<Event>(&[("directoryAudit", "v1.0")], &[]);
        assert_published::<Initiator>(&[("auditActivityInitiator", "v1.0")], &[]);
        assert_published::<Who>(&[("userIdentity", "v1.0"), ("appIdentity", "v1.0")], &[]);
        assert_published::<Target>(&[("targetResource", "v1.0")], &[]);
        assert_published::<Property>(&[("modifiedProperty", "v1.0")], &[]);
        assert_published::<Detail>(&[("keyValue", "v1.0")], &[]);
    }
}
