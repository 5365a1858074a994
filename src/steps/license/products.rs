//! What the tenant's products give: reset, writeback, nothing; and what keeps them from it.

use crate::finding::counted;
use crate::snapshot::graph::{BUSINESS_STANDARD, P1, P2, SubscribedSku};

/// The part numbers of Office 365 E1 to E5, with Teams or without, begin with these. They carry no `AAD_*` plan, and Microsoft's page says
/// "Business Standard or higher" without naming them.
const OFFICE_E: &[&str] = &[
    "STANDARDPACK",
    "STANDARDWOFFPACK",
    "ENTERPRISEPACK",
    "ENTERPRISEWITHSCAL",
    "ENTERPRISEPREMIUM",
    "DEVELOPERPACK",
    "OFFICE_365_",
    "O365_W/O_TEAMS_",
];

/// `AAD_BASIC`, `AAD_BASIC_EDU` and `AAD_EDU`: what they entitle to today is nowhere said.
pub const BASIC: &[&str] = &[
    "c4da7f8a-5ee2-4c99-a7e1-87d2df57f6fe",
    "1d0f309f-fdf9-4b2a-9ae7-9c48b91f1426",
    "3a3976ce-de18-4a87-a78e-5e9245e252df",
];

/// The one status in which a plan counts.
const PROVISIONED: &str = "Success";

/// What a product gives, by its service plans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grant {
    /// Reset and writeback, by this plan.
    Full(&'static str),
    /// Reset of cloud-only users, no writeback.
    CloudOnly,
    /// No writeback, and Microsoft does not say whether cloud-only users may reset.
    Unclear,
    /// Nothing.
    None,
}

/// A product that has to do with reset.
pub struct Product<'a> {
    /// As Graph tells it.
    pub sku: &'a SubscribedSku,
    /// What it gives.
    pub grant: Grant,
    /// Why it gives nothing today.
    pub lacks: Option<String>,
}

impl<'a> Product<'a> {
    /// Judges a product.
    pub fn of(sku: &'a SubscribedSku) -> Self {
        let (grant, plan) = grant(sku);
        Product {
            sku,
            grant,
            lacks: lacks(sku, plan),
        }
    }

    /// Its part number.
    pub fn name(&self) -> &'a str {
        self.sku.sku_part_number.as_deref().unwrap_or("an unnamed product")
    }

    /// With what entitles, where that is a plan.
    pub fn title(&self) -> String {
        match self.grant {
            Grant::Full(plan) => format!("{} (Entra ID {plan})", self.name()),
            _ => self.name().into(),
        }
    }

    /// For the evidence.
    pub fn seen(&self) -> String {
        let state = self.sku.capability_status.as_deref().unwrap_or("state not stated");
        let seats = counted(seats(self.sku), "seat", "seats");
        match &self.lacks {
            Some(lacks) => format!("{}: {state}, {seats} in force; {lacks}", self.title()),
            None => format!("{}: {state}, {seats} in force", self.title()),
        }
    }
}

/// The products that have to do with reset.
pub fn products(skus: &[SubscribedSku]) -> Vec<Product<'_>> {
    let all = skus.iter().map(Product::of);
    all.filter(|p| p.grant != Grant::None).collect()
}

/// What a product gives, and the state of the plan by which it does.
fn grant(sku: &SubscribedSku) -> (Grant, Option<&str>) {
    let state = |plan: &str| {
        let mut plans = sku.service_plans.iter();
        let found = plans.find(|p| {
            p.service_plan_id
                .as_deref()
                .is_some_and(|id| id.eq_ignore_ascii_case(plan))
        });
        found.map(|p| p.provisioning_status.as_deref().unwrap_or("of no stated status"))
    };
    let full = [("P2", P2), ("P1", P1)].map(|(name, id)| (name, state(id)));
    let on = full.iter().find(|(_, state)| *state == Some(PROVISIONED));
    if let Some((name, state)) = on.or_else(|| full.iter().find(|(_, state)| state.is_some())) {
        return (Grant::Full(name), *state);
    }
    let id = sku.sku_id.as_deref().unwrap_or_default();
    if id.eq_ignore_ascii_case(BUSINESS_STANDARD) {
        return (Grant::CloudOnly, None);
    }
    let part = sku.sku_part_number.as_deref().unwrap_or_default().to_ascii_uppercase();
    if OFFICE_E.iter().any(|office| part.starts_with(office)) {
        return (Grant::Unclear, None);
    }
    match BASIC.iter().find_map(|plan| state(plan)) {
        Some(state) => (Grant::Unclear, Some(state)),
        None => (Grant::None, None),
    }
}

/// Why a product gives nothing today.
fn lacks(sku: &SubscribedSku, plan: Option<&str>) -> Option<String> {
    match sku.capability_status.as_deref() {
        Some("Enabled" | "Warning") => {}
        Some("LockedOut") => return Some("it is locked out".into()),
        Some(state) => return Some(format!("it is {}", state.to_lowercase())),
        None => return Some("its state is not stated".into()),
    }
    if seats(sku) == 0 {
        return Some("it has no seats in force".into());
    }
    plan.filter(|state| *state != PROVISIONED)
        .map(|state| format!("its plan is {state}"))
}

/// Seats in force: paid for, or in the grace period.
pub fn seats(sku: &SubscribedSku) -> u64 {
    let units = sku.prepaid_units.clone().unwrap_or_default();
    u64::try_from(units.enabled.unwrap_or(0).saturating_add(units.warning.unwrap_or(0))).unwrap_or(0)
}
