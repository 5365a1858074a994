//! Holds every type that is read from Graph against Microsoft's published types: each member must exist there.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::Value;
use std::sync::LazyLock;

static SHAPES: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../lab/contract/graph-shapes.json")).expect("the contract is JSON")
});

/// Takes the names of the members that a type reads, and nothing else.
struct Members<'a>(&'a mut Vec<&'static str>);

#[derive(Debug)]
struct Taken;

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("taken")
    }
}

impl std::error::Error for Taken {}

impl Error for Taken {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Taken
    }
}

impl<'de> Deserializer<'de> for Members<'_> {
    type Error = Taken;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Taken> {
        Err(Taken)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Taken> {
        self.0.extend(fields);
        Err(Taken)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The names that a type reads.
pub(crate) fn members<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
    let mut names = Vec::new();
    let _ = T::deserialize(Members(&mut names));
    names
}

/// Whether a published type, or one that it derives from, has a member.
fn published(name: &str, version: &str, member: &str) -> bool {
    let types = SHAPES["types"].as_array().expect("types");
    let full = format!("microsoft.graph.{name}");
    types
        .iter()
        .filter(|t| t["type"] == full.as_str() && t["version"] == version)
        .any(|t| t["properties"].get(member).is_some())
}

/// Every member that a type reads is one of the published types' (several: a type that reads all derived ones at once).
pub(crate) fn assert_published<'de, T: Deserialize<'de>>(types: &[(&str, &str)], ours: &[&str]) {
    let names = members::<T>();
    assert!(!names.is_empty(), "{} has no members", std::any::type_name::<T>());
    for name in names {
        let known = types.iter().any(|(kind, version)| published(kind, version, name));
        assert!(
            known || ours.contains(&name),
            "{}: {name} is in none of {types:?}",
            std::any::type_name::<T>()
        );
    }
}

#[test]
fn every_type_that_is_read_is_published() {
    use crate::snapshot::graph::*;
    const V1: &str = "v1.0";
    const BETA: &str = "beta";
    assert_published::<Organization>(&[("organization", V1)], &[]);
    assert_published::<PasswordSync>(&[("organization", BETA)], &[]);
    assert_published::<VerifiedDomain>(&[("verifiedDomain", V1)], &[]);
    assert_published::<Domain>(&[("domain", V1)], &[]);
    assert_published::<DomainFederation>(&[("internalDomainFederation", V1)], &["domain"]);
    assert_published::<SubscribedSku>(&[("subscribedSku", V1)], &[]);
    assert_published::<LicenseUnitsDetail>(&[("licenseUnitsDetail", V1)], &[]);
    assert_published::<ServicePlanInfo>(&[("servicePlanInfo", V1)], &[]);
    assert_published::<CompanySubscription>(&[("companySubscription", V1)], &[]);
    assert_published::<AuthenticationMethodsPolicy>(&[("authenticationMethodsPolicy", V1)], &[]);
    assert_published::<RegistrationEnforcement>(&[("registrationEnforcement", V1)], &[]);
    assert_published::<RegistrationCampaign>(&[("authenticationMethodsRegistrationCampaign", V1)], &[]);
    assert_published::<AuthenticationMethodConfiguration>(
        &[
            ("authenticationMethodConfiguration", V1),
            ("microsoftAuthenticatorAuthenticationMethodConfiguration", V1),
            ("voiceAuthenticationMethodConfiguration", V1),
            ("emailAuthenticationMethodConfiguration", V1),
            ("externalAuthenticationMethodConfiguration", V1),
        ],
        &["includeTargets", "@odata.type"],
    );
    assert_published::<MethodTarget>(
        &[
            ("authenticationMethodTarget", V1),
            ("microsoftAuthenticatorAuthenticationMethodTarget", V1),
            ("smsAuthenticationMethodTarget", V1),
            ("excludeTarget", V1),
            ("authenticationMethodsRegistrationCampaignIncludeTarget", V1),
        ],
        &[],
    );
    assert_published::<AuthorizationPolicy>(&[("authorizationPolicy", V1)], &[]);
    assert_published::<SecurityDefaults>(&[("identitySecurityDefaultsEnforcementPolicy", V1)], &[]);
    assert_published::<ConditionalAccessPolicy>(&[("conditionalAccessPolicy", V1)], &[]);
    assert_published::<ConditionSet>(&[("conditionalAccessConditionSet", V1)], &[]);
    assert_published::<ConditionApplications>(&[("conditionalAccessApplications", V1)], &[]);
    assert_published::<ConditionUsers>(&[("conditionalAccessUsers", V1)], &[]);
    assert_published::<ConditionLocations>(&[("conditionalAccessLocations", V1)], &[]);
    assert_published::<ConditionPlatforms>(&[("conditionalAccessPlatforms", V1)], &[]);
    assert_published::<AuthenticationFlows>(&[("conditionalAccessAuthenticationFlows", V1)], &[]);
    assert_published::<GrantControls>(&[("conditionalAccessGrantControls", V1)], &[]);
    assert_published::<AuthenticationStrength>(&[("authenticationStrengthPolicy", V1)], &[]);
    assert_published::<Branding>(&[("organizationalBranding", V1)], &[]);
    assert_published::<LoginPageTextVisibility>(&[("loginPageTextVisibilitySettings", V1)], &[]);
    assert_published::<SynchronizationFeatures>(&[("onPremisesDirectorySynchronizationFeature", V1)], &[]);
    assert_published::<Recommendation>(&[("recommendation", BETA)], &[]);
    assert_published::<SecureScoreControl>(&[("controlScore", V1), ("secureScore", V1)], &[]);
    assert_published::<FeatureSummary>(&[("userRegistrationFeatureSummary", V1)], &[]);
    assert_published::<FeatureCount>(&[("userRegistrationFeatureCount", V1)], &[]);
}

#[test]
fn a_member_that_nobody_published_is_found() {
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct Wrong {
        made_up: String,
    }
    let outcome = std::panic::catch_unwind(|| assert_published::<Wrong>(&[("organization", "v1.0")], &[]));
    assert!(outcome.is_err());
}
