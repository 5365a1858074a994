use super::*;
use crate::finding::Severity;
use crate::readiness::{Ready, Selection, assess};
use crate::snapshot::{Refusal, RefusalKind, SignedIn};
use crate::steps::{reset_policy, security_questions};

const GOOD: &str = r#"{"schemaVersion":1,
    "declared":[{"setting":"numberOfAuthenticationMethodsRequired","value":2,"on":"2026-11-01","author":"ops@contoso.example","reason":"seen in the portal","until":"2026-12-31"}],
    "accepted":[{"finding":"reset_policy.scope","author":"ciso@contoso.example","reason":"pilot","until":"2026-12-31"}]}"#;

fn read(text: &str) -> Declarations {
    Declarations::from_json(text.as_bytes()).unwrap()
}

fn file(text: &str) -> Option<Value> {
    Some(json::read(text).unwrap())
}

fn snapshot(now: &str) -> Snapshot {
    let mut snapshot = Snapshot::new(now.parse().unwrap(), SignedIn::default());
    let refusal = Refusal {
        kind: RefusalKind::SignIn,
        message: "An app cannot read the portal's settings.".into(),
        needs: None,
        code: None,
        request_id: None,
    };
    snapshot.facts.portal_reset_policy = Fact::Unreadable { refusal };
    snapshot
}

fn policy(text: &str, now: &str) -> Fact<PasswordResetPolicy> {
    Fact::known(json::read(text).unwrap(), "portal", now.parse().unwrap())
}

#[test]
fn what_is_wrong_is_refused_by_its_path() {
    let swap = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        Declarations::from_json(GOOD.replace(from, to).as_bytes()).unwrap_err()
    };
    for (from, to, target, says) in [
        (
            "\"schemaVersion\":1",
            "\"schemaVersion\":2",
            "schemaVersion",
            "must be 1",
        ),
        ("\"declared\"", "\"stated\"", "stated", "is not known"),
        (
            "reset_policy.scope",
            "reset_policy.scopes",
            "accepted[0].finding",
            "no check",
        ),
        ("2026-12-31\"}],\n", "2026-12-32\"}],\n", "declared[0].until", "no day"),
        ("2026-12-31\"}]}", "31.12.2026\"}]}", "accepted[0].until", "no day"),
        ("2026-12-31\"}]}", "20261231\"}]}", "accepted[0].until", "no day"),
        ("2026-11-01", "2027-11-01", "declared[0].until", "is before"),
        ("\"value\":2", "\"value\":\"two\"", "declared[0].value", "no value of"),
        ("\"value\":2", "\"value\":null", "declared[0].value", "is missing"),
        ("numberOfAuth", "numberofAuth", "declared[0].setting", "is no setting"),
        (
            "\"reason\":\"pilot\"",
            "\"reason\":\" \"",
            "accepted[0].reason",
            "is missing",
        ),
        (
            "\"reason\":\"pilot\"",
            "\"reason\":\"pilot\",\"why\":1",
            "accepted[0].why",
            "is not known",
        ),
        ("\"accepted\":[", "\"accepted\":[3,", "accepted[0]", "no object"),
    ] {
        let error = swap(from, to);
        assert_eq!(error.status, Status::DeclarationInvalid);
        assert_eq!(error.target.as_deref(), Some(target), "{}", error.message);
        assert!(error.message.contains(says), "{}", error.message);
    }
    let twice = GOOD.replace("\"accepted\":[", "\"accepted\":[{\"finding\":\"reset_policy.scope\",\"author\":\"a\",\"reason\":\"b\",\"until\":\"2026-12-31\"},");
    let error = Declarations::from_json(twice.as_bytes()).unwrap_err();
    assert_eq!(error.target.as_deref(), Some("accepted[1].finding"));
    assert!(Declarations::from_json(b"[]").is_err());
    assert_eq!(read(GOOD).declared.len(), 1);
}

fn judged(snapshot: &Snapshot, declarations: Option<Value>) -> crate::readiness::Readiness {
    let mut snapshot = snapshot.clone();
    snapshot.declarations = declarations;
    assess(&snapshot, &[&reset_policy::STEP], &Selection::default())
}

fn status(snapshot: &Snapshot, id: &str) -> Finding {
    let found = (reset_policy::STEP.check)(snapshot);
    found.into_iter().find(|f| f.id == id).unwrap()
}

#[test]
fn a_declaration_counts_where_nothing_was_read_and_until_its_end() {
    let declarations = read(GOOD);
    let mut s = snapshot("2026-11-23T09:00:00Z");
    declarations.state(&mut s);
    let f = status(&s, "reset_policy.methods_required");
    assert_eq!(f.status, Outcome::Pass);
    assert!(f.title.contains("declared by ops@contoso.example"), "{}", f.title);
    assert!(
        judged(&s, file(GOOD))
            .screen
            .iter()
            .any(|l| l.contains("Declared, not read"))
    );
    // The last day counts; the next does not.
    for (now, counts) in [("2026-12-31T23:59:59Z", true), ("2027-01-01T00:00:00Z", false)] {
        let mut s = snapshot(now);
        declarations.state(&mut s);
        assert_eq!(s.facts.portal_reset_policy.value().is_some(), counts, "{now}");
        let said = judged(&s, file(GOOD)).notes.join(" ");
        assert_eq!(
            said.contains("ended on 2026-12-31 and counts no more"),
            !counts,
            "{said}"
        );
    }
}

#[test]
fn a_declaration_never_makes_right_what_was_read() {
    let now = "2026-11-23T09:00:00Z";
    let declarations = read(GOOD);
    let mut s = snapshot(now);
    s.facts.portal_reset_policy = policy(r#"{"numberOfAuthenticationMethodsRequired":1,"enablementType":2}"#, now);
    let before = status(&s, "reset_policy.methods_required");
    declarations.state(&mut s);
    assert_eq!(status(&s, "reset_policy.methods_required"), before);
    assert_ne!(before.status, Outcome::Pass);
}

#[test]
fn an_accepted_fail_stays_visible_and_counts_again_after_its_end() {
    let now = "2026-11-23T09:00:00Z";
    let mut s = snapshot(now);
    s.facts.portal_reset_policy = policy(r#"{"numberOfAuthenticationMethodsRequired":2,"enablementType":0}"#, now);
    let without = judged(&s, None);
    assert_eq!((without.ready, without.counts.fail), (Ready::No, 1));
    let with = judged(&s, file(GOOD));
    assert_eq!((with.counts.fail, with.counts.accepted), (0, 1));
    assert_ne!(with.ready, Ready::No);
    let found = with.findings.iter().find(|f| f.id == "reset_policy.scope").unwrap();
    assert_eq!((found.status, found.severity), (Outcome::Fail, Severity::High));
    let waiver = found.waiver.as_ref().unwrap();
    assert_eq!((waiver.by.as_str(), waiver.ended), ("ciso@contoso.example", false));
    assert!(with.first.is_none_or(|first| first.finding_id != "reset_policy.scope"));
    let screen = with.screen.join("\n");
    assert!(screen.contains("1 accepted"), "{screen}");
    // Ended: it is as if nobody had accepted it, and that is said.
    s.taken_at = "2027-01-01T00:00:00Z".parse().unwrap();
    let ended = judged(&s, file(GOOD));
    assert_eq!(
        (ended.ready, ended.counts.fail, ended.counts.accepted),
        (Ready::No, 1, 0)
    );
    assert!(
        ended
            .notes
            .join(" ")
            .contains("accepted by ciso@contoso.example until 2026-12-31"),
        "{:?}",
        ended.notes
    );
}

#[test]
fn a_step_whose_only_fault_is_accepted_says_so() {
    let now = "2026-11-23T09:00:00Z";
    let mut s = snapshot(now);
    s.facts.portal_reset_policy = policy(
        r#"{"securityQuestionsOptionEnabled":true,"numberOfQuestionsToRegister":3,"numberOfQuestionsToReset":3}"#,
        now,
    );
    let worst = |declarations: Option<Value>| {
        let mut s = s.clone();
        s.declarations = declarations;
        assess(&s, &[&security_questions::STEP], &Selection::default())
            .steps
            .remove(0)
    };
    assert!(!worst(None).accepted);
    let accepted: Vec<Value> = security_questions::STEP
        .checks
        .iter()
        .map(|check| serde_json::json!({"finding": check.id, "author": "a", "reason": "b", "until": "2026-12-31"}))
        .collect();
    let step = worst(Some(serde_json::json!({"schemaVersion": 1, "accepted": accepted})));
    assert!(
        step.accepted || !matches!(step.status, Outcome::Fail | Outcome::Warn),
        "{step:?}"
    );
}

/// Writes it when told to.
#[test]
fn the_published_schema_is_that_of_the_types() {
    let mut schema = serde_json::to_value(schemars::schema_for!(Declarations)).unwrap();
    schema["additionalProperties"] = false.into();
    schema["properties"]["$schema"] = serde_json::json!({"type": "string"});
    schema["properties"]["schemaVersion"] =
        serde_json::json!({"const": SCHEMA_VERSION, "description": "The form's version."});
    schema["required"] = serde_json::json!(["schemaVersion"]);
    for name in ["Declared", "Accepted"] {
        schema["$defs"][name]["additionalProperties"] = false.into();
    }
    schema["$defs"]["Declared"]["properties"]["setting"]["enum"] = settings().into();
    schema["$defs"]["Accepted"]["properties"]["finding"]["enum"] = checks().collect::<Vec<_>>().into();
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/declarations.schema.json");
    if std::env::var_os("SSPR_WRITE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(checked_in == text, "run `cargo xtask generate`");
}

/// The names are the portal's.
#[test]
fn every_setting_is_one_of_the_portal() {
    let reset = serde_json::to_value(PasswordResetPolicy::default()).unwrap();
    let on_premises = serde_json::to_value(OnPremisesResetPolicy::default()).unwrap();
    for (object, name) in SETTINGS {
        let own = match object {
            Object::Reset => &reset,
            Object::OnPremises => &on_premises,
        };
        assert!(own.get(name).is_some(), "{name}");
    }
}
