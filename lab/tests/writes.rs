//! What a set-up writes in the cloud: taken from whom may, kept, shown by later reads, refused when it is not well formed.

mod support;

use serde_json::{Value, json};
use sspr_lab::{Version, shape_faults};
use support::{Bench, send};

const METHODS: &str = "/v1.0/policies/authenticationMethodsPolicy";
const SMS: &str = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/Sms";
const AUTHORIZATION: &str = "/v1.0/policies/authorizationPolicy";
const DEFAULTS: &str = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy";
const ACCESS: &str = "/v1.0/identity/conditionalAccess/policies";
const SMS_TYPE: &str = "#microsoft.graph.smsAuthenticationMethodConfiguration";
const RESET: &str = "PasswordReset/PasswordResetPolicies";
const PREMISES: &str = "PasswordReset/OnPremisesPasswordResetPolicies";
const COMMAND_LINE: &str = "14d82eec-204b-4c2f-b7e8-296a70dab67e";
const WRITES: &[&str] = &[
    "Policy.ReadWrite.AuthenticationMethod",
    "Policy.ReadWrite.Authorization",
    "Policy.ReadWrite.ConditionalAccess",
];

/// A bench whose app may write, and its token.
fn writer() -> (Bench, String) {
    let bench = Bench::new("hybrid-ready");
    bench.allow("checker", WRITES);
    let token = bench.app_token();
    (bench, token)
}

fn portal_token(bench: &Bench, person: &str) -> String {
    let answer = bench.portal_token(person).json();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn policy(name: &str) -> Value {
    json!({
        "displayName": name, "state": "enabledForReportingButNotEnforced",
        "conditions": {
            "users": {"includeUsers": ["All"], "excludeUsers": ["11111111-2222-4333-8444-555555555555"]},
            "applications": {"includeApplications": ["All"]},
            "clientAppTypes": ["all"],
        },
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
    })
}

#[test]
fn a_change_of_the_methods_policy_keeps_what_it_does_not_name() {
    let (bench, token) = writer();
    let before = bench.get(&token, METHODS).json();
    let campaign = json!({"registrationEnforcement": {"authenticationMethodsRegistrationCampaign":
        {"state": "enabled", "snoozeDurationInDays": 14}}});
    let answer = bench.write(&token, "PATCH", METHODS, &campaign);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let after = bench.get(&token, METHODS).json();
    assert_eq!(answer.json(), after, "the answer is the policy as it is now");
    let was = &before["registrationEnforcement"]["authenticationMethodsRegistrationCampaign"];
    let is = &after["registrationEnforcement"]["authenticationMethodsRegistrationCampaign"];
    assert_eq!(
        (&is["state"], &is["snoozeDurationInDays"]),
        (&json!("enabled"), &json!(14))
    );
    assert_eq!(is["includeTargets"], was["includeTargets"]);
    let mut expected = before.clone();
    expected["registrationEnforcement"] = after["registrationEnforcement"].clone();
    expected["lastModifiedDateTime"] = after["lastModifiedDateTime"].clone();
    assert_eq!(after, expected);

    let migration = json!({"policyMigrationState": "migrationInProgress"});
    assert_eq!(bench.write(&token, "PATCH", METHODS, &migration).status, 200);
    assert_eq!(
        bench.get(&token, METHODS).json()["policyMigrationState"],
        "migrationInProgress"
    );
    // The campaign may be sent back whole, as it was read.
    let back = json!({"registrationEnforcement": before["registrationEnforcement"]});
    assert_eq!(bench.write(&token, "PATCH", METHODS, &back).status, 200);
    assert_eq!(
        bench.get(&token, METHODS).json()["registrationEnforcement"],
        before["registrationEnforcement"]
    );
    bench.assert_no_violations();
}

#[test]
fn a_method_wants_its_type_and_shows_in_both_reads() {
    let (bench, token) = writer();
    let off = json!({"@odata.type": SMS_TYPE, "state": "disabled"});
    let answer = bench.write(&token, "PATCH", SMS, &off);
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let one = bench.get(&token, SMS).json();
    assert_eq!(
        (&one["state"], &one["@odata.type"]),
        (&json!("disabled"), &json!(SMS_TYPE))
    );
    let policy = bench.get(&token, METHODS).json();
    let all = policy["authenticationMethodConfigurations"].as_array().unwrap();
    assert_eq!(all.iter().find(|own| own["id"] == "Sms").unwrap()["state"], "disabled");
    // A list is replaced; what a target does not say has its default.
    let group = bench.tenant.groups["All staff"].clone();
    let targets = json!({"@odata.type": SMS_TYPE, "includeTargets": [{"targetType": "group", "id": group}]});
    assert_eq!(bench.write(&token, "PATCH", SMS, &targets).status, 204);
    let one = bench.get(&token, SMS).json();
    assert_eq!(one["state"], "disabled");
    assert_eq!(
        one["includeTargets"],
        json!([{"targetType": "group", "id": group, "isRegistrationRequired": false, "isUsableForSignIn": false}])
    );
    let faults = shape_faults(
        &one,
        "microsoft.graph.smsAuthenticationMethodConfiguration",
        Version::V1,
    );
    assert!(faults.is_empty(), "{faults:?}");
    bench.assert_no_violations();

    for bad in [
        json!({"state": "enabled"}),
        json!({"@odata.type": "#microsoft.graph.emailAuthenticationMethodConfiguration", "state": "enabled"}),
        json!({"@odata.type": SMS_TYPE, "state": "perhaps"}),
        json!({"@odata.type": SMS_TYPE, "isOfficePhoneAllowed": true}),
        json!({"@odata.type": SMS_TYPE, "id": "Voice"}),
        json!({"@odata.type": SMS_TYPE, "includeTargets": [{"targetType": "group", "id": "all_users", "colour": "red"}]}),
    ] {
        assert_eq!(bench.write(&token, "PATCH", SMS, &bad).status, 400, "{bad}");
    }
    assert_eq!(bench.get(&token, SMS).json(), one, "what is refused changes nothing");
    let nothing = SMS.replace("Sms", "Pigeon");
    assert_eq!(bench.write(&token, "PATCH", &nothing, &off).status, 404);
}

#[test]
fn administrators_reset_and_security_defaults_are_switched() {
    let (bench, token) = writer();
    let off = json!({"allowedToUseSSPR": false});
    assert_eq!(bench.write(&token, "PATCH", AUTHORIZATION, &off).status, 204);
    assert_eq!(bench.get(&token, AUTHORIZATION).json()["allowedToUseSSPR"], false);
    let was = bench.get(&token, DEFAULTS).json()["isEnabled"].as_bool().unwrap();
    let other = json!({"isEnabled": !was});
    assert_eq!(bench.write(&token, "PATCH", DEFAULTS, &other).status, 204);
    assert_eq!(bench.get(&token, DEFAULTS).json()["isEnabled"], !was);
    bench.assert_no_violations();
}

#[test]
fn a_conditional_access_policy_is_made_changed_and_deleted() {
    let (bench, token) = writer();
    let before = bench.all(&token, ACCESS);
    let made = bench.write(&token, "POST", ACCESS, &policy("EntraSspr test"));
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let faults = shape_faults(&made, "microsoft.graph.conditionalAccessPolicy", Version::V1);
    assert!(faults.is_empty(), "{faults:?}");
    let own = format!("{ACCESS}/{}", made["id"].as_str().unwrap());
    let read = bench.get(&token, &own).json();
    for member in [
        "id",
        "displayName",
        "state",
        "conditions",
        "grantControls",
        "createdDateTime",
    ] {
        assert_eq!(read[member], made[member], "{member}");
    }
    let found = bench.all(&token, &format!("{ACCESS}?$filter=displayName eq 'EntraSspr test'"));
    assert_eq!(found.len(), 1);

    // One condition alone: the others stay.
    let change = json!({"state": "enabled", "conditions": {"users": {"excludeUsers": []}}});
    assert_eq!(bench.write(&token, "PATCH", &own, &change).status, 204);
    let changed = bench.get(&token, &own).json();
    assert_eq!(changed["state"], "enabled");
    assert_eq!(changed["conditions"]["users"]["includeUsers"], json!(["All"]));
    assert_eq!(changed["conditions"]["users"]["excludeUsers"], json!([]));
    assert!(changed["modifiedDateTime"].is_string());

    assert_eq!(bench.write(&token, "DELETE", &own, &Value::Null).status, 204);
    assert_eq!(bench.get(&token, &own).status, 404);
    assert_eq!(bench.all(&token, ACCESS), before);
    bench.assert_no_violations();
    assert_eq!(bench.write(&token, "DELETE", &own, &Value::Null).status, 404);
    assert_eq!(
        bench.write(&token, "PATCH", &own, &json!({"state": "enabled"})).status,
        404
    );
    bench.lab.reset();

    let without = |member: &str| {
        let mut policy = policy("bad");
        policy.as_object_mut().unwrap().remove(member);
        policy
    };
    let with = |member: &str, value: Value| {
        let mut policy = policy("bad");
        policy[member] = value;
        policy
    };
    let bad = [
        without("displayName"),
        without("state"),
        without("conditions"),
        without("grantControls"),
        with("state", json!("on")),
        with("colour", json!("red")),
        with("id", json!("11111111-2222-4333-8444-555555555555")),
        with("conditions", json!({"users": {"includeUsers": ["All"]}})),
    ];
    for bad in &bad {
        assert_eq!(bench.write(&token, "POST", ACCESS, bad).status, 400, "{bad}");
    }
    assert_eq!(bench.lab.violations().len(), bad.len());
    assert_eq!(bench.all(&token, ACCESS), before);
}

#[test]
fn a_write_needs_its_permission_and_a_person_the_role_besides() {
    let bench = Bench::new("hybrid-ready");
    let sms = json!({"@odata.type": SMS_TYPE, "state": "disabled"});
    let own = bench.all(&bench.app_token(), ACCESS)[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let own = format!("{ACCESS}/{own}");
    let all: [(&str, &str, Value, &str); 7] = [
        (
            "PATCH",
            METHODS,
            json!({"policyMigrationState": "migrationComplete"}),
            WRITES[0],
        ),
        ("PATCH", SMS, sms, WRITES[0]),
        ("PATCH", AUTHORIZATION, json!({"allowedToUseSSPR": true}), WRITES[1]),
        ("PATCH", DEFAULTS, json!({"isEnabled": false}), WRITES[2]),
        ("POST", ACCESS, policy("one more"), WRITES[2]),
        ("PATCH", &own, json!({"state": "disabled"}), WRITES[2]),
        ("DELETE", &own, Value::Null, WRITES[2]),
    ];
    let refused = |token: &str, method: &str, path: &str, body: &Value| {
        let answer = bench.write(token, method, path, body);
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
        assert_eq!(answer.code(), "Authorization_RequestDenied");
    };
    // An app with read permissions, an administrator whose client has no more, a reader whose client has.
    let (app, admin) = (bench.app_token(), bench.graph_token("admin"));
    bench.allow(COMMAND_LINE, WRITES);
    let reader = bench.graph_token("global-reader");
    for (method, path, body, _) in &all {
        for token in [&app, &admin, &reader] {
            refused(token, method, path, body);
        }
    }
    // The permission to write Conditional Access is not enough without the one to read it.
    bench.allow("checker", &[WRITES[2]]);
    bench
        .lab
        .control("POST", "permissions/remove", &json!({"permission": "Policy.Read.All"}))
        .unwrap();
    refused(&bench.app_token(), "POST", ACCESS, &policy("one more"));
    bench.assert_no_violations();

    // The role that each needs, and no other.
    let admin = bench.graph_token("admin");
    let policy_admin = bench.graph_token("policy-admin");
    for (method, path, body, permission) in &all {
        let answer = bench.write(&policy_admin, method, path, body);
        let methods = *permission == WRITES[0];
        assert_eq!(answer.status != 403, methods, "{method} {path}: {}", answer.text);
        let answer = bench.write(&admin, method, path, body);
        assert!(
            matches!(answer.status, 200 | 201 | 204),
            "{method} {path}: {}",
            answer.text
        );
    }
}

#[test]
fn a_body_that_graph_would_not_read_is_refused() {
    let (bench, token) = writer();
    let authorization = format!("Bearer {token}");
    let plain = |kind: &str, body: &str| {
        let headers = [("authorization", &*authorization), ("content-type", kind)];
        send("PATCH", &format!("{}{AUTHORIZATION}", bench.url), &headers, body).unwrap()
    };
    assert_eq!(plain("text/plain", "{\"allowedToUseSSPR\":false}").status, 415);
    assert_eq!(plain("application/json", "{\"allowedToUseSSPR\":").status, 400);
    assert_eq!(plain("application/json", "[]").status, 400);
    for (path, bad) in [
        (AUTHORIZATION, json!({"allowedToUseSSPR": "no"})),
        (AUTHORIZATION, json!({"allowedToUseSSPR": null})),
        (AUTHORIZATION, json!({"allowUsersToUseSSPR": false})),
        (DEFAULTS, json!({"isEnabled": true, "displayName": "other"})),
        (METHODS, json!({"policyMigrationState": "done"})),
        (METHODS, json!({"numberOfMethods": 2})),
        (METHODS, json!({"authenticationMethodConfigurations": []})),
        (
            METHODS,
            json!({"registrationEnforcement": {"authenticationMethodsRegistrationCampaign": {"snoozeDurationInDays": 15}}}),
        ),
        (
            METHODS,
            json!({"registrationEnforcement": {"campaign": {"state": "enabled"}}}),
        ),
    ] {
        assert_eq!(bench.write(&token, "PATCH", path, &bad).status, 400, "{bad}");
    }
    assert_eq!(bench.get(&token, AUTHORIZATION).json()["allowedToUseSSPR"], true);
    for (method, path) in [("PUT", METHODS), ("DELETE", SMS), ("POST", "/v1.0/domains")] {
        assert_eq!(bench.write(&token, method, path, &json!({})).status, 405);
    }
}

#[test]
fn a_write_in_a_batch_is_one_of_its_own() {
    let (bench, token) = writer();
    let answer = bench
        .batch(
            &token,
            &json!([
                {"id": "1", "method": "PATCH", "url": "/policies/authorizationPolicy",
                 "headers": {"Content-Type": "application/json"}, "body": {"allowedToUseSSPR": false}},
                {"id": "2", "method": "GET", "url": "/domains"},
            ]),
        )
        .json();
    let parts = answer["responses"].as_array().unwrap();
    let first = parts.iter().find(|part| part["id"] == "1").unwrap();
    assert!(first["status"] == 204 && first.get("body").is_none(), "{first}");
    assert_eq!(bench.get(&token, AUTHORIZATION).json()["allowedToUseSSPR"], false);
    bench.assert_no_violations();
}

#[test]
fn the_reset_policy_is_written_whole_and_keeps_what_nobody_knows() {
    let bench = Bench::new("hybrid-ready");
    // A member that no document knows.
    let odd = json!({"passwordReset": {"somethingNew": {"deep": [1, 2]}}});
    bench.lab.control("POST", "portal", &odd).unwrap();
    let token = portal_token(&bench, "policy-admin");
    let read = || bench.portal(&token, "GET", RESET, &Value::Null).json();
    let before = read();
    let mut wanted = before.clone();
    wanted["numberOfAuthenticationMethodsRequired"] = json!(1);
    wanted["notifyOnAdminPasswordReset"] = json!(!before["notifyOnAdminPasswordReset"].as_bool().unwrap());
    assert_eq!(bench.portal(&token, "PUT", RESET, &wanted).status, 200);
    assert_eq!(read(), wanted);
    assert_eq!(bench.portal(&token, "PUT", RESET, &before).status, 200);
    assert_eq!(read(), before);
    bench.assert_no_violations();

    let names: Vec<String> = before.as_object().unwrap().keys().cloned().collect();
    for name in &names {
        let mut partial = before.clone();
        partial.as_object_mut().unwrap().remove(name);
        assert_eq!(bench.portal(&token, "PUT", RESET, &partial).status, 400, "{name}");
    }
    for (name, value) in [
        ("objectId", json!("other")),
        ("enablementType", json!(3)),
        ("enablementType", json!("All")),
        ("numberOfAuthenticationMethodsRequired", json!(0)),
        ("registrationReconfirmIntevalInDays", json!(731)),
    ] {
        let mut bad = before.clone();
        bad[name] = value;
        assert_eq!(bench.portal(&token, "PUT", RESET, &bad).status, 400, "{name}");
    }
    assert_eq!(read(), before);
    bench.lab.reset();
    // What the tenant may choose stays, whatever is sent.
    let mut other = before.clone();
    other["emailOptionAllowed"] = json!(!before["emailOptionAllowed"].as_bool().unwrap());
    assert_eq!(bench.portal(&token, "PUT", RESET, &other).status, 200);
    assert_eq!(read(), before);
    assert_eq!(bench.lab.violations().len(), 1);
}

#[test]
fn the_two_on_premises_settings_are_written_apart() {
    let bench = Bench::new("hybrid-faulty");
    let token = portal_token(&bench, "hybrid-admin");
    let read = || bench.portal(&token, "GET", PREMISES, &Value::Null).json();
    let put = |body: Value| bench.portal(&token, "PUT", PREMISES, &body).status;
    for on in [true, false, true] {
        assert_eq!(put(json!({"passwordWriteBackSupported": on})), 200);
        assert_eq!(put(json!({"accountUnlockEnabled": !on})), 200);
        let now = read();
        assert_eq!(now["passwordWritebackSupported"], on);
        assert_eq!(now["accountUnlockEnabled"], !on);
    }
    bench.assert_no_violations();
    let before = read();
    for bad in [
        json!({"passwordWriteBackSupported": false, "accountUnlockEnabled": true}),
        json!({"accountUnlockEnabled": "yes"}),
        json!({"accountUnlockSupported": false}),
        json!({}),
    ] {
        assert_eq!(put(bad.clone()), 400, "{bad}");
    }
    assert_eq!(read(), before);
    let events = bench.all(&bench.app_token(), "/v1.0/auditLogs/directoryAudits?$top=50");
    let activities: Vec<&str> = events
        .iter()
        .take(6)
        .map(|event| event["activityDisplayName"].as_str().unwrap())
        .collect();
    let settings = activities.iter().filter(|name| **name == "Update SSPR Settings");
    assert!(settings.count() >= 2, "{activities:?}");
    assert!(
        activities.contains(&"Enable password writeback for directory"),
        "{activities:?}"
    );
}

#[test]
fn the_portal_wants_the_role_and_an_id_of_the_request() {
    let bench = Bench::new("hybrid-ready");
    let policy_admin = portal_token(&bench, "policy-admin");
    let hybrid_admin = portal_token(&bench, "hybrid-admin");
    let object = bench.portal(&policy_admin, "GET", RESET, &Value::Null).json();
    for person in ["global-reader", "user", "hybrid-admin"] {
        let token = portal_token(&bench, person);
        assert_eq!(bench.portal(&token, "PUT", RESET, &object).status, 403, "{person}");
    }
    let unlock = json!({"accountUnlockEnabled": true});
    assert_eq!(bench.portal(&policy_admin, "PUT", PREMISES, &unlock).status, 403);
    assert_eq!(bench.portal(&hybrid_admin, "PUT", PREMISES, &unlock).status, 200);
    bench.assert_no_violations();
    let url = format!("{}/api/{RESET}", bench.url);
    let authorization = format!("Bearer {policy_admin}");
    let id = "8f0dd1b6-7a2c-4b52-9a36-0d2f1b8a9c11";
    let send = |headers: &[(&str, &str)]| {
        let all = [headers, &[("authorization", &*authorization)]].concat();
        send("PUT", &url, &all, &object.to_string()).unwrap().status
    };
    assert_eq!(send(&[("content-type", "application/json")]), 400);
    assert_eq!(
        send(&[("content-type", "text/plain"), ("x-ms-client-request-id", id)]),
        415
    );
    assert_eq!(
        send(&[
            ("content-type", "application/json;charset=UTF-8"),
            ("x-ms-client-request-id", id)
        ]),
        200
    );
}
