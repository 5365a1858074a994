use super::*;
use crate::finding::{Finding, Outcome};
use crate::readiness::{Selection, assess};
use crate::snapshot::Snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashSet;

#[test]
fn every_check_belongs_to_its_step_and_is_unique() {
    let mut seen = HashSet::new();
    for step in STEPS {
        assert!(!step.checks.is_empty(), "{} has no check", step.name);
        for check in step.checks {
            assert_eq!(check.step(), step.name, "{}", check.id);
            assert!(seen.insert(check.id), "{} stands twice", check.id);
            assert!(check.doc.starts_with("https://learn.microsoft.com/"), "{}", check.id);
            assert!(!check.why.is_empty() && !check.looks_at.is_empty(), "{}", check.id);
        }
    }
}

/// A hybrid tenant with something in every fact that the steps read.
pub(crate) fn full() -> Value {
    let known =
        |value: Value| json!({"state": "known", "value": value, "source": "test", "asOf": "2026-11-23T08:55:00Z"});
    let change = |value: &str| json!({"value": value, "before": "x", "at": "2026-11-02T08:00:00Z", "by": "admin@contoso.example"});
    let cohort = |key: Value, count: u64| json!({"key": key, "count": count, "sample": ["a@contoso.example"]});
    let mut document = json!({
        "schemaVersion": 1, "libraryVersion": "0", "takenAt": "2026-11-23T09:00:00Z", "durationMs": 1,
        "signedIn": {"tenantId": "t", "delegated": true, "portalApi": true},
        "facts": {
            "organization": known(json!({"id": "t", "onPremisesSyncEnabled": true,
                "onPremisesLastSyncDateTime": "2026-11-23T08:41:00Z",
                "verifiedDomains": [{"name": "contoso.example", "isDefault": true}]})),
            "passwordSync": known(json!({"onPremisesLastPasswordSyncDateTime": "2026-11-23T08:43:00Z"})),
            "domains": known(json!([{"id": "contoso.example", "authenticationType": "Managed"}, {"id": "f.example", "authenticationType": "Federated"}])),
            "federation": known(json!([{"domain": "f.example", "passwordResetUri": "https://aka.ms/sspr"}])),
            "subscribedSkus": known(json!([{"skuId": "s", "skuPartNumber": "EMS", "capabilityStatus": "Enabled",
                "prepaidUnits": {"enabled": 1000}, "servicePlans": [{"servicePlanId": crate::snapshot::graph::P1, "provisioningStatus": "Success"}]}])),
            "subscriptions": known(json!([{"skuId": "s", "nextLifecycleDateTime": "2027-11-23T09:00:00Z"}])),
            "userCounts": known(json!({"enabledMembers": 1000, "syncedMembers": 900})),
            "authorizationPolicy": known(json!({"allowedToUseSSPR": true})),
            "branding": known(json!({"id": "0", "customAccountResetCredentialsUrl": "https://aka.ms/sspr",
                "loginPageTextVisibilitySettings": {"hideForgotMyPassword": false},
                "localizations": [{"id": "fr-FR", "customCannotAccessYourAccountUrl": ""}]})),
            "policyGroups": known(json!({"22222222-2222-2222-2222-222222222222":
                {"id": "22222222-2222-2222-2222-222222222222", "displayName": "SSPR", "exists": true, "users": 900}})),
            "registration": known(json!({"rows": 1000, "methods": ["email", "securityQuestion"], "groups": [],
                "cohorts": [cohort(json!({"ssprEnabled": true, "methods": 3}), 900), cohort(json!({"admin": true, "ssprEnabled": true, "methods": 1}), 100)]})),
            "featureSummary": known(json!({"totalUserCount": 1000, "userRegistrationFeatureCounts": [{"feature": "ssprEnabled", "userCount": 1000}]})),
            "globalAdministrators": known(json!(["11111111-1111-1111-1111-111111111111"])),
            "securityDefaults": known(json!({"isEnabled": false})),
            "conditionalAccess": known(json!([
                {"id": "a", "displayName": "MFA for all", "state": "enabled", "conditions": {"clientAppTypes": ["all"],
                    "applications": {"includeApplications": ["All"]},
                    "users": {"includeUsers": ["All"], "excludeGroups": ["22222222-2222-2222-2222-222222222222"], "excludeUsers": ["u"]}},
                    "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}},
                {"id": "b", "displayName": "Protect registration", "state": "enabled", "conditions": {"clientAppTypes": ["all"],
                    "applications": {"includeUserActions": ["urn:user:registersecurityinfo"]}, "users": {"includeUsers": ["All"]},
                    "locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}},
                    "grantControls": {"operator": "AND", "builtInControls": ["compliantDevice"],
                        "authenticationStrength": {"id": "s", "displayName": "Strong", "allowedCombinations": ["fido2"], "requirementsSatisfied": "mfa"}}}])),
            "methodsPolicy": known(json!({"policyMigrationState": "migrationInProgress",
                "registrationEnforcement": {"authenticationMethodsRegistrationCampaign": {"state": "default", "snoozeDurationInDays": 1,
                    "includeTargets": [{"id": "all_users", "targetType": "group", "targetedAuthenticationMethod": "microsoftAuthenticator"}],
                    "excludeTargets": [{"id": "22222222-2222-2222-2222-222222222222", "targetType": "group"}]}},
                "authenticationMethodConfigurations": [
                    {"id": "MicrosoftAuthenticator", "state": "enabled", "isSoftwareOathEnabled": true,
                        "includeTargets": [{"id": "all_users", "targetType": "group", "authenticationMode": "any"}]},
                    {"id": "Sms", "state": "enabled", "includeTargets": [
                        {"id": "22222222-2222-2222-2222-222222222222", "targetType": "group", "isUsableForSignIn": true}]},
                    {"id": "Email", "state": "enabled", "allowExternalIdToUseEmailOtp": "default",
                        "includeTargets": [{"id": "all_users", "targetType": "group"}],
                        "excludeTargets": [{"id": "22222222-2222-2222-2222-222222222222", "targetType": "group"}]},
                    {"id": "TemporaryAccessPass", "state": "enabled", "includeTargets": [{"id": "all_users", "targetType": "group"}]}]})),
            "portalResetPolicy": known(json!({"enablementType": 1, "numberOfAuthenticationMethodsRequired": 2,
                "securityQuestionsOptionEnabled": true, "numberOfQuestionsToRegister": 5, "numberOfQuestionsToReset": 3,
                "registrationRequiredOnSignIn": true, "customizeHelpdeskLink": true,
                "customHelpdeskEmailOrUrl": "https://help.contoso.example", "notifyUsersOnPasswordReset": true,
                "notifyOnAdminPasswordReset": true, "passwordResetEnabledGroupIds": ["22222222-2222-2222-2222-222222222222"],
                "securityQuestions": [{"questionText": "a"}, {"questionText": "b"}, {"questionText": "c"}, {"questionText": "d"}, {"questionText": "first pet"}]})),
            "portalOnPremises": known(json!({"passwordWritebackSupported": true, "enablementForTenant": true,
                "accountUnlockEnabled": true, "cloudProvisioningEnablementForTenant": false})),
            "portalSyncStatus": known(json!({"numberOfHoursFromLastSync": 0, "dirSyncEnabled": true})),
            "auditSettings": known(json!({"from": "2026-10-24T00:00:00Z", "watermark": "2026-11-23T08:30:00Z", "activity": "Update SSPR Settings",
                "settings": {"EnablementForUsers": change("\"Selected\""), "NumberOfRequiredContactMethodsForUsers": change("\"2\""),
                    "EnableAccountUnlock": change("\"True\""), "NotifyUsersOfReset": change("\"True\""),
                    "NumberOfSecurityQuestionsToVerify": change("3"), "CustomContactAdminLink": change("\"https://help.contoso.example\"")}})),
            "auditWriteback": known(json!({"switched": {"enabled": true, "at": "2026-11-02T08:00:00Z", "by": "admin@contoso.example"},
                "from": "2026-10-24T00:00:00Z", "watermark": "2026-11-23T08:30:00Z"})),
            "auditResets": known(json!({"from": "2026-10-24T00:00:00Z", "selfServiceResets": 40, "adminResets": 3, "unlocks": 4,
                "lastByAgent": {"Microsoft Entra Connect": "2026-11-20T08:00:00Z", "CloudSync": "2026-11-19T08:00:00Z", "None": "2026-11-21T08:00:00Z"},
                "lastUnlock": "2026-11-20T10:00:00Z", "lostResets": 2, "lostSample": ["a@contoso.example"], "unknownOrigin": 1})),
            "synchronization": known(json!({"passwordSyncEnabled": true})),
            "cloudManagedUsers": known(json!(7)),
            "recommendation": known(json!({"status": "active", "currentScore": 0.5, "maxScore": 1.0, "lastCheckedDateTime": "2026-11-22T00:00:00Z"})),
            "secureScore": known(json!({"score": 0.5, "createdDateTime": "2026-11-22T00:00:00Z"})),
        }
    });
    let facts = &mut document["facts"];
    facts["licensedMembers"] = known(json!({"byPlan": 1000, "withStandard": 1000}));
    facts["policyUsers"] =
        known(json!({"u": {"id": "u", "userPrincipalName": "glass@contoso.example", "exists": true}}));
    facts["forests"] = known(json!([{"name": "contoso.example", "level": 7, "domains": [
        {"name": "contoso.example", "dn": "DC=contoso,DC=example", "netbiosName": "CONTOSO", "controller": "dc1.contoso.example", "policyHints": true},
        {"name": "child.contoso.example", "dn": "DC=child,DC=contoso,DC=example", "netbiosName": "CHILD", "unread": "no answer"}]}]));
    facts["connectors"] = known(json!([
        {"name": "CONTOSO\\MSOL_16fb75d0227d", "sid": "S-1-5-21-1-2-3-1104", "domain": "contoso.example", "kind": "connect", "enabled": true,
            "installation": {"id": "16fb75d0227d4957868d5c4ae0688943", "computer": "SYNC1", "tenant": "contoso.example"},
            "lastSignIn": "2026-11-20T08:00:00Z", "passwordSet": "2020-01-01T00:00:00Z", "passwordExpires": "2027-01-01T00:00:00Z",
            "privilegedGroups": ["CONTOSO\\Domain Admins"]},
        {"name": "CONTOSO\\MSOL_aaaaaaaaaaaa", "kind": "connect", "enabled": false}]));
    let crowd = |cause: Value, count: u64| json!({"cause": cause, "count": count, "sample": ["CN=a,OU=Sales,DC=contoso,DC=example"]});
    let decision = |allowed: bool| json!({"allowed": allowed, "by": "allowed to Authenticated Users (explicit)"});
    facts["directoryAccess"] = known(
        json!([{"domain": "contoso.example", "connector": "CONTOSO\\MSOL_16fb75d0227d", "unexpire": decision(false),
        "reads": [{"object": "CN=Builtin,DC=contoso,DC=example", "decision": decision(false)}], "ownObject": ["Reset Password"],
        "adminSdHolder": [{"right": "Reset Password", "decision": decision(true)}],
        "users": 1000, "disabled": 5, "inetOrgPersons": 3, "descriptors": 12,
        "refused": [
            crowd(json!({"kind": "inheritance", "container": "OU=Sales,DC=contoso,DC=example"}), 412),
            crowd(json!({"kind": "denied", "right": "Reset Password", "trustee": "CONTOSO\\Writers", "container": "OU=Field,DC=contoso,DC=example"}), 7),
            crowd(json!({"kind": "adminSdHolder"}), 4), crowd(json!({"kind": "inetOrgPerson"}), 3),
            crowd(json!({"kind": "notGranted", "right": "Write pwdLastSet"}), 2), crowd(json!({"kind": "unreadable"}), 1)],
        "changeDenied": [crowd(json!({"kind": "denied", "right": "Change Password", "trustee": "Everyone", "container": null}), 2)],
        "reservedNames": [crowd(json!({"kind": "reservedName", "container": "OU=a\\,b,DC=contoso,DC=example"}), 2)],
        "stops": {"reservedName": 2, "inheritance": 411, "denied": 7, "adminSdHolder": 4, "inetOrgPerson": 3, "notGranted": 2, "tooYoung": 9}}]),
    );
    facts["directoryPasswords"] = known(
        json!([{"domain": "contoso.example", "users": 990, "young": 12, "youngSample": ["CN=a,DC=contoso,DC=example"],
        "policy": {"minimumAge": 86_400, "maximumAge": 3_628_800, "minimumLength": 7, "history": 24, "complexity": true, "lockoutThreshold": 10},
        "fineGrained": [{"name": "Strict", "dn": "CN=Strict,DC=contoso,DC=example", "precedence": 10, "policy": {"minimumAge": 432_000}, "appliesTo": ["CN=g"], "users": 10, "young": 1, "youngSample": ["CN=b"]}],
        "links": [{"name": "Default Domain Policy", "dn": "CN={31}", "order": 1, "enabled": true, "computerSettings": true, "minimumAgeDays": 0, "version": 3, "fileVersion": 4},
            {"name": "Other", "order": 2, "enabled": true, "unsound": true, "unread": null}]}]),
    );
    facts["connectServers"] = known(
        json!([{"computer": "SYNC1", "readAt": "2026-11-23T08:58:00Z", "version": "2.4.18.0", "service": "Running",
        "connectors": [{"name": "contoso.example", "kind": "AD", "account": "MSOL_16fb75d0227d", "accountDomain": "CONTOSO",
            "partitions": [{"dn": "DC=contoso,DC=example", "included": ["DC=contoso,DC=example"], "excluded": ["OU=Old,DC=contoso,DC=example"]}]}],
        "settings": [{"of": "passwordReset", "name": "Enabled", "value": true}, {"of": "scheduler", "name": "SyncCycleEnabled", "value": false},
            {"of": "HKLM:\\A", "name": "Enabled", "value": null}, {"of": "parameters", "name": "sign", "value": "1"}],
        "rules": [{"name": "In from AD - User AccountEnabled", "precedence": 100, "disabled": false, "passwordSync": true, "scoped": false},
            {"name": "No hashes", "precedence": 90, "disabled": false, "passwordSync": false, "scoped": true}],
        "remoteSam": "O:BAG:BAD:(A;;RC;;;BA)", "domainController": true, "relays": [{"host": "r1", "connected": false, "error": "timed out"}],
        "events": [{"provider": "PasswordResetService", "id": 31019, "line": "", "count": 9, "first": "2026-11-20T08:00:00Z", "last": "2026-11-23T08:57:00Z"},
            {"provider": "ADSync", "id": 6329, "line": "hr=8023062C", "count": 2, "first": null, "last": "2026-11-23T07:00:00Z"},
            {"provider": "PasswordResetService", "id": 31003, "line": "", "count": 2, "first": null, "last": "2026-11-23T07:00:00Z"}],
        "eventsSince": "2026-11-16T08:58:00Z", "unread": {"globalSettings": "Access is denied"}}]),
    );
    facts["smartLockout"] = known(json!({"threshold": 5, "seconds": 120}));
    let trial = |attempt: &str, ended: &str, code: Value| json!({"attempt": attempt, "ended": ended, "code": code, "reason": "as it was said"});
    facts["writebackProbes"] = known(
        json!([{"domain": "contoso.example", "controller": "dc1.contoso.example", "account": "CONTOSO\\MSOL_16fb75d0227d",
        "place": "OU=Sales,DC=contoso,DC=example", "policy": {"minimumAge": 86_400, "minimumLength": 7, "history": 24},
        "fineGrained": "CN=Strict,DC=contoso,DC=example", "privilegedGroups": ["CONTOSO\\Domain Admins"],
        "removed": ["CN=sspr-1,DC=contoso,DC=example"], "left": ["CN=sspr-2,DC=contoso,DC=example: no answer"],
        "trials": [trial("reset", "done", json!(null)), trial("signIn", "done", json!(null)), trial("mustChange", "done", json!(null)),
            trial("unexpire", "refused", json!(50)), trial("unlock", "refused", json!(50)), trial("tooYoung", "refused", json!(53)),
            trial("fromHistory", "done", json!(null)), trial("tooShort", "notTried", json!(null)), trial("protected", "refused", json!(50))]}]),
    );
    facts["eligibleAdministrators"] = known(json!(["33333333-3333-3333-3333-333333333333"]));
    document
}

/// All places of a document.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    let mut deeper = |key: &str, value: &Value| {
        let place = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        into.push(place.clone());
        places(value, &place, into);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| deeper(key, value)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(i, value)| deeper(&i.to_string(), value)),
        _ => {}
    }
}

/// Another value of the same kind, or none.
fn another(old: &Value, dice: u64) -> Value {
    const TEXTS: &[&str] = &[
        "",
        "None",
        "\"All\"",
        "[\"1\"]",
        "0",
        "9223372036854775807",
        "-1",
        "2026-11-23T08:59:59Z",
        "9999-12-30T22:00:00.999999999Z",
        "-009999-01-02T01:59:59Z",
        "a\u{202e}b\u{1b}[31m\u{0}",
        "h\u{e9}lp@x",
        "https://[",
        "mailto:@",
        "\u{1f600}\u{1f600}",
        "Federated",
    ];
    const NUMBERS: &[i64] = &[0, 1, 2, 3, 5, 63, 64, 100_000, i64::MAX, -1, i64::MIN];
    let pick = |n: usize| usize::try_from(dice / 8).unwrap_or(0) % n;
    match (dice % 8, old) {
        (0, _) => Value::Null,
        (1, Value::Object(map)) if map.contains_key("state") => {
            let mut partial = old.clone();
            partial["state"] = "partial".into();
            partial["read"] = 1.into();
            partial["reason"] = if dice.is_multiple_of(16) { "" } else { "late" }.into();
            partial
        }
        (2, Value::Object(map)) if map.contains_key("state") => {
            let mut declared = old.clone();
            declared["state"] = "declared".into();
            declared["by"] = "ops".into();
            declared["at"] = "2026-11-10T00:00:00Z".into();
            declared["until"] = if dice.is_multiple_of(16) {
                "2026-11-20T00:00:00Z"
            } else {
                "2027-01-01T00:00:00Z"
            }
            .into();
            declared
        }
        (3, Value::Object(map)) if map.contains_key("state") => json!({"state": "notAsked"}),
        (_, Value::Object(map)) if map.contains_key("state") => {
            let kinds = [
                "permission",
                "role",
                "license",
                "signIn",
                "notOffered",
                "unreachable",
                "time",
            ];
            json!({"state": "unreadable", "refusal": {"kind": kinds[pick(kinds.len())], "message": "No.", "needs": (dice.is_multiple_of(3)).then_some("x")}})
        }
        (1, Value::Array(_)) => json!([]),
        (_, Value::Array(list)) => list.iter().chain(list).cloned().collect(),
        (1, Value::Object(_)) => json!({}),
        (_, Value::Bool(old)) => json!(!old),
        (_, Value::Number(_)) if dice.is_multiple_of(7) => json!(u64::MAX),
        (_, Value::Number(old)) if old.is_f64() => json!(0.0),
        (_, Value::Number(_)) => json!(NUMBERS[pick(NUMBERS.len())]),
        (_, Value::String(_)) => json!(TEXTS[pick(TEXTS.len())]),
        (_, old) => old.clone(),
    }
}

/// A snapshot that was changed in some places; a change that makes it unreadable is left out.
fn mutated(changes: &[(usize, u64)]) -> Snapshot {
    let mut document = full();
    for (place, dice) in changes {
        let mut all = Vec::new();
        places(&document, "", &mut all);
        let mut tried = document.clone();
        if let Some(spot) = tried.pointer_mut(&all[place % all.len()]) {
            *spot = another(spot, *dice);
        }
        if serde_json::from_value::<Snapshot>(tried.clone()).is_ok() {
            document = tried;
        }
    }
    serde_json::from_value(document).unwrap()
}

/// What every finding must be, whatever the snapshot.
pub(super) fn sound(snapshot: &Snapshot) -> Vec<Finding> {
    let mut all = Vec::new();
    for step in STEPS {
        let findings = (step.check)(snapshot);
        let mut seen = HashSet::new();
        for finding in &findings {
            let id = &finding.id;
            assert!(
                step.checks.iter().any(|c| c.id == id),
                "{id} is not a check of {}",
                step.name
            );
            assert!(seen.insert(id.clone()), "{id} stands twice");
            assert!(!finding.title.is_empty(), "{id} has no title");
            if matches!(
                finding.status,
                Outcome::Skipped | Outcome::NotApplicable | Outcome::Error
            ) {
                assert!(
                    finding.reason.as_ref().is_some_and(|r| !r.is_empty()),
                    "{id} has no reason"
                );
            }
            if finding.status == Outcome::Fail {
                assert!(finding.remediation.is_some(), "{id} says nothing to do");
                assert!(!finding.evidence.is_empty(), "{id} rests on nothing");
            }
            if let Some(affected) = &finding.affected {
                assert!(
                    affected.of.is_none_or(|of| affected.count <= of),
                    "{id} has more than all: {affected:?}"
                );
            }
        }
        for check in step.checks {
            assert!(seen.contains(check.id), "{} was not judged", check.id);
        }
        assert!(!findings.is_empty(), "{} says nothing", step.name);
        all.extend(findings);
    }
    all
}

#[test]
fn the_full_snapshot_reaches_every_check() {
    let snapshot = mutated(&[]);
    let seen: HashSet<String> = sound(&snapshot).into_iter().map(|f| f.id).collect();
    for check in STEPS.iter().flat_map(|s| s.checks) {
        assert!(seen.contains(check.id), "{} was not judged", check.id);
    }
}

#[test]
fn what_is_to_do_names_the_page_that_explains_it() {
    let mut snapshot = mutated(&[]);
    snapshot.taken_at = "2026-12-23T09:00:00Z".parse().unwrap();
    let readiness = assess(&snapshot, STEPS, &Selection::default());
    let mut some = false;
    for remediation in readiness.findings.iter().filter_map(|f| f.remediation.as_ref()) {
        some = true;
        assert!(
            remediation
                .doc_url
                .as_ref()
                .is_some_and(|u| u.starts_with("https://learn.microsoft.com/"))
        );
    }
    assert!(some);
}

#[test]
fn half_of_every_source_proves_nothing_right() {
    let mut document = full();
    for fact in document["facts"].as_object_mut().unwrap().values_mut() {
        *fact = another(fact, 1);
        assert_eq!(fact["state"], "partial");
    }
    let snapshot: Snapshot = serde_json::from_value(document).unwrap();
    for finding in sound(&snapshot) {
        assert_ne!(finding.status, Outcome::Pass, "{}: {}", finding.id, finding.title);
    }
}

#[test]
fn nothing_read_is_nothing_known() {
    let snapshot = testing::snapshot();
    for finding in sound(&snapshot) {
        // What nobody tried is not unread: a run does not try it.
        let expected = match finding.step.as_str() {
            "writeback_probe" => Outcome::NotApplicable,
            _ => Outcome::Skipped,
        };
        assert_eq!(finding.status, expected, "{}: {}", finding.id, finding.title);
    }
}

/// The values of the policy, which reports, the recommendation and Secure Score show only in part.
const POLICY: &[&str] = &[
    "reset_policy.scope",
    "reset_policy.methods_required",
    "security_questions.enabled",
    "notifications.users",
    "notifications.administrators",
    "notifications.helpdesk",
    "cloud_writeback.enabled",
    "account_unlock.allowed",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_step_panics_and_every_finding_is_sound(changes in prop::collection::vec((any::<usize>(), any::<u64>()), 0..16)) {
        let snapshot = mutated(&changes);
        sound(&snapshot);
        let readiness = assess(&snapshot, STEPS, &Selection::default());
        prop_assert!(readiness.findings.iter().all(|f| f.status != Outcome::Error));
    }

    #[test]
    fn reports_alone_earn_no_pass(changes in prop::collection::vec((any::<usize>(), any::<u64>()), 0..16)) {
        let mut snapshot = mutated(&changes);
        let facts = &mut snapshot.facts;
        (facts.portal_reset_policy, facts.portal_on_premises) = Default::default();
        (facts.audit_settings, facts.audit_writeback) = Default::default();
        for finding in sound(&snapshot) {
            prop_assert!(!POLICY.contains(&finding.id.as_str()) || finding.status != Outcome::Pass, "{}", finding.title);
        }
    }
}
