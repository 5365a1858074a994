//! What the lab refuses, limits and breaks.

mod support;

use std::time::Instant;

use serde_json::{Value, json};
use sspr_lab::{Fault, FaultKind, Lab, LabOptions};
use support::{Bench, send};

const REPORT: &str = "/v1.0/reports/authenticationMethods/userRegistrationDetails";

#[test]
fn a_permission_that_is_removed_is_missed() {
    let bench = Bench::new("hybrid-ready");
    assert_eq!(bench.get(&bench.app_token(), "/v1.0/domains").status, 200);
    bench
        .lab
        .control("POST", "permissions/remove", &json!({"permission": "Domain.Read.All"}))
        .unwrap();
    let refused = bench.get(&bench.app_token(), "/v1.0/domains");
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "Authorization_RequestDenied")
    );
    assert!(refused.json()["error"]["innerError"]["request-id"].is_string());
    bench
        .lab
        .control("POST", "permissions/add", &json!({"permission": "Domain.Read.All"}))
        .unwrap();
    assert_eq!(bench.get(&bench.app_token(), "/v1.0/domains").status, 200);
    bench.assert_no_violations();
}

#[test]
fn delegated_only_paths_refuse_apps_and_roles_count() {
    let bench = Bench::new("hybrid-ready");
    let feature =
        "/v1.0/reports/authenticationMethods/usersRegisteredByFeature(includedUserTypes='all',includedUserRoles='all')";
    let app = bench.app_token();
    assert_eq!(bench.get(&app, feature).status, 403);
    assert_eq!(bench.get(&app, "/v1.0/directory/onPremisesSynchronization").status, 403);
    let reader = bench.graph_token("reports-reader");
    assert_eq!(bench.get(&reader, feature).status, 200);
    assert_eq!(
        bench.get(&reader, "/v1.0/directory/onPremisesSynchronization").status,
        403
    );
    assert_eq!(
        bench.get(&reader, "/v1.0/policies/authenticationMethodsPolicy").status,
        403
    );
    let user = bench.graph_token("user");
    assert_eq!(bench.get(&user, REPORT).status, 403);
    assert_eq!(
        bench.get(&user, "/v1.0/me").json()["userPrincipalName"],
        "ulla@contoso.example"
    );
    let admin = bench.graph_token("admin");
    assert_eq!(
        bench.get(&admin, "/v1.0/directory/onPremisesSynchronization").json()["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_tenant_without_premium_gets_no_report() {
    for scenario in ["no-license", "license-suspended", "business-standard-only"] {
        let bench = Bench::new(scenario);
        let refused = bench.get(&bench.app_token(), REPORT);
        assert_eq!(refused.status, 403);
        assert_eq!(refused.code(), "Authentication_RequestFromNonPremiumTenantOrB2CTenant");
        // Seven days of audit events are left.
        let events = bench.all(&bench.app_token(), "/v1.0/auditLogs/directoryAudits");
        assert!(
            !events.is_empty()
                && !events
                    .iter()
                    .any(|event| event["activityDisplayName"] == "Update SSPR Settings")
        );
    }
}

#[test]
fn the_report_budget_is_five_in_ten_seconds() {
    let bench = Bench::with(LabOptions {
        budgets: true,
        ..LabOptions::scenario("hybrid-ready")
    });
    let token = bench.app_token();
    let status: Vec<u16> = (0..6).map(|_| bench.get(&token, REPORT).status).collect();
    assert_eq!(status, [200, 200, 200, 200, 200, 429]);
    let refused = bench.get(&token, "/v1.0/auditLogs/directoryAudits");
    assert_eq!((refused.status, refused.code().as_str()), (429, "TooManyRequests"));
    let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait));
    // A batch does not help.
    let batch = bench
        .batch(&token, &json!([{"id": "1", "method": "GET", "url": &REPORT[5..]}]))
        .json();
    assert_eq!(batch["responses"][0]["status"], 429);
    assert!(batch["responses"][0]["headers"]["Retry-After"].is_string());
    // The log lets a test prove the windows.
    let arrivals: Vec<f64> = bench
        .lab
        .requests()
        .iter()
        .filter(|r| r.path == REPORT)
        .map(|r| r.at_ms)
        .collect();
    assert!(arrivals.windows(2).all(|pair| pair[0] <= pair[1]));
}

#[test]
fn conditional_access_is_one_a_second_without_retry_after() {
    let bench = Bench::with(LabOptions {
        budgets: true,
        ..LabOptions::scenario("hybrid-ready")
    });
    let token = bench.app_token();
    let path = "/v1.0/identity/conditionalAccess/policies";
    assert_eq!(bench.get(&token, path).status, 200);
    let refused = bench.get(&token, path);
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
}

#[test]
fn what_graph_refuses_is_refused_and_recorded() {
    let bench = Bench::new("hybrid-ready");
    let token = bench.app_token();
    let plan = "assignedPlans/any(x:x/servicePlanId eq 41781fb2-bc02-4b7c-bd55-b576c07bb09d and x/capabilityStatus eq 'Enabled')";
    let bad = [
        "/v1.0/organization?$select=passwordWritebackEnabled".to_owned(),
        "/v1.0/organization?$select=onPremisesLastPasswordSyncDateTime".to_owned(),
        "/v1.0/users?$count=true".to_owned(),
        format!("/v1.0/users?$filter={plan}"),
        "/v1.0/users?$filter=accountEnabled eq 'true'".to_owned(),
        "/v1.0/users?$filter=passwordPolicies eq 'x'".to_owned(),
        "/v1.0/users?$top=1000".to_owned(),
        "/v1.0/users/$count".to_owned(),
        format!("{REPORT}?$skip=100"),
        format!("{REPORT}?$filter=isAdmin eq true or isSsprEnabled eq true"),
        "/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq 'a' or activityDisplayName eq 'b'".to_owned(),
        "/v1.0/auditLogs/directoryAudits?$filter=result eq 'failure'".to_owned(),
        "/v1.0/subscribedSkus?$filter=skuPartNumber eq 'SPB'".to_owned(),
        "/v1.0/auditLogs/auditActivityTypes".to_owned(),
        "/v1.0/directory/recommendations".to_owned(),
        "/v1.0/nothing".to_owned(),
        format!("{REPORT}?$skiptoken=forged"),
    ];
    for path in &bad {
        let answer = bench.get(&token, path);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
    }
    assert_eq!(bench.lab.violations().len(), bad.len());
    let good = bench.get_eventual(
        &token,
        &format!("/v1.0/users?$count=true&$top=1&$select=id&$filter={plan}"),
    );
    assert_eq!(good.json()["@odata.count"], 236);
}

#[test]
fn tokens_are_refused_for_the_right_reasons() {
    let bench = Bench::new("hybrid-ready");
    assert_eq!(bench.get("nonsense", "/v1.0/domains").status, 401);
    let portal = bench.portal_token("admin").json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let wrong = bench.get(&portal, "/v1.0/domains");
    assert_eq!(
        (wrong.status, wrong.code().as_str()),
        (401, "InvalidAuthenticationToken")
    );
    assert!(wrong.header("www-authenticate").is_some());
    bench
        .lab
        .add_fault(Fault::new("", FaultKind::ExpiredTokens).times(1))
        .unwrap();
    let expired = bench.app_token();
    assert_eq!(bench.get(&expired, "/v1.0/domains").status, 401);
    bench.lab.clear_faults();
    let token = bench.app_token();
    bench
        .lab
        .add_fault(Fault::new("/v1.0/domains", FaultKind::RevokedToken).times(1))
        .unwrap();
    assert_eq!(
        [
            bench.get(&token, "/v1.0/domains").status,
            bench.get(&token, "/v1.0/domains").status
        ],
        [401, 200]
    );
    bench
        .lab
        .add_fault(Fault::new("/v1.0", FaultKind::ClaimsChallenge { claims: None }).times(1))
        .unwrap();
    let challenge = bench.get(&token, "/v1.0/domains");
    assert!(
        challenge
            .header("www-authenticate")
            .unwrap()
            .contains("error=\"insufficient_claims\", claims=\"")
    );
}

#[test]
fn the_portal_wants_a_person_and_the_whole_object() {
    let bench = Bench::new("selected-group");
    let app = bench.token_answer(&[
        ("grant_type", "client_credentials"),
        ("client_id", &bench.tenant.client_id),
        ("client_secret", &bench.tenant.client_secret),
        ("scope", "74658136-14ec-4630-ad9b-26e160ff0fc6/.default"),
    ]);
    let app = app.json()["access_token"].as_str().unwrap().to_owned();
    let policy = "PasswordReset/PasswordResetPolicies";
    assert_eq!(bench.portal(&app, "GET", policy, &Value::Null).status, 403);
    let own = bench.person_token(
        "admin",
        &bench.tenant.client_id,
        "74658136-14ec-4630-ad9b-26e160ff0fc6/.default",
    );
    assert_eq!(own.json()["error_codes"], json!([65_002]));
    bench.lab.reset();

    let token = bench.portal_token("admin").json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let named = bench
        .portal(
            &token,
            "GET",
            &format!("{policy}?getPasswordResetEnabledGroup=true"),
            &Value::Null,
        )
        .json();
    assert_eq!(named["passwordResetEnabledGroupName"], "SSPR users");
    let mut object = bench.portal(&token, "GET", policy, &Value::Null).json();
    assert_eq!(object["passwordResetEnabledGroupName"], "");
    assert_eq!(
        bench
            .portal(
                &token,
                "PUT",
                policy,
                &json!({"objectId": "default", "enablementType": 2})
            )
            .status,
        400
    );
    assert_eq!(bench.lab.violations().len(), 1);
    object["enablementType"] = json!(2);
    assert_eq!(bench.portal(&token, "PUT", policy, &object).status, 200);
    assert_eq!(
        bench.portal(&token, "GET", policy, &Value::Null).json()["enablementType"],
        2
    );
    let graph = bench.graph_token("admin");
    let newest = bench.get(&graph, "/v1.0/auditLogs/directoryAudits?$top=1").json();
    assert_eq!(newest["value"][0]["activityDisplayName"], "Update SSPR Settings");
    assert_eq!(
        newest["value"][0]["targetResources"][0]["modifiedProperties"][0]["newValue"],
        "\"All\""
    );
    let premises = "PasswordReset/OnPremisesPasswordResetPolicies";
    assert_eq!(
        bench
            .portal(&token, "PUT", premises, &json!({"accountUnlockEnabled": false}))
            .status,
        200
    );
    assert_eq!(
        bench.portal(&token, "GET", premises, &Value::Null).json()["accountUnlockEnabled"],
        false
    );
}

#[test]
fn a_batch_answers_each_part_in_another_order() {
    let bench = Bench::new("hybrid-ready");
    let token = bench.app_token();
    let parts: Vec<Value> = (0..20)
        .map(|n| json!({"id": n.to_string(), "method": "GET", "url": "/domains?$select=id"}))
        .collect();
    let answer = bench.batch(&token, &json!(parts)).json();
    let ids: Vec<String> = answer["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["id"].as_str().unwrap().to_owned())
        .collect();
    let mut sorted = ids.clone();
    sorted.sort_by_key(|id| id.parse::<u32>().unwrap());
    assert!(ids.len() == 20 && ids != sorted);
    assert_eq!(bench.lab.requests().iter().filter(|r| r.batch.is_some()).count(), 20);
    bench.assert_no_violations();
    assert_eq!(bench.batch(&token, &json!(vec![parts[0].clone(); 21])).status, 400);
    assert_eq!(
        bench
            .batch(
                &token,
                &json!([{"id": "1", "method": "GET", "url": "https://graph.microsoft.com/v1.0/domains"}])
            )
            .status,
        400
    );
    assert_eq!(
        bench
            .batch(
                &token,
                &json!([{"id": "1", "method": "GET", "url": "/domains", "dependsOn": ["2"]}])
            )
            .status,
        400
    );
}

#[test]
fn faults_of_the_wire_reach_the_client() {
    let bench = Bench::new("hybrid-ready");
    let token = bench.app_token();
    let get = |kind: FaultKind| {
        bench.lab.clear_faults();
        bench.lab.add_fault(Fault::new("/v1.0/domains", kind)).unwrap();
        send(
            "GET",
            &format!("{}/v1.0/domains", bench.url),
            &[("authorization", &format!("Bearer {token}"))],
            "",
        )
    };
    assert!(get(FaultKind::DropBeforeHeaders).is_err());
    assert!(get(FaultKind::DropMidBody { after: Some(10) }).is_err());
    let truncated = get(FaultKind::Truncate).unwrap();
    assert!(truncated.status == 200 && serde_json::from_str::<Value>(&truncated.text).is_err());
    assert!(truncated.header("content-length").is_none());
    assert_eq!(
        get(FaultKind::Throttle {
            retry_after: Some("2.128".into())
        })
        .unwrap()
        .header("retry-after"),
        Some("2.128")
    );
    assert_eq!(
        get(FaultKind::Status {
            status: 503,
            code: None,
            retry_after: None
        })
        .unwrap()
        .status,
        503
    );
    assert!(
        get(FaultKind::Html)
            .unwrap()
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert_eq!(
        get(FaultKind::Redirect {
            to: "https://evil.example/".into()
        })
        .unwrap()
        .status,
        307
    );
    assert!(get(FaultKind::HugeBody { bytes: 1 << 20 }).unwrap().text.len() > 1 << 20);
    let begun = Instant::now();
    assert_eq!(
        get(FaultKind::Bandwidth {
            late_ms: 50,
            bytes_per_second: 4_000
        })
        .unwrap()
        .json()["value"][0]["id"],
        "contoso.example"
    );
    assert!(begun.elapsed().as_millis() > 200);
    let begun = Instant::now();
    get(FaultKind::Drip {
        bytes: 100,
        every_ms: 10,
    })
    .unwrap()
    .json();
    assert!(begun.elapsed().as_millis() > 50);
}

#[test]
fn faults_of_the_content_reach_the_client() {
    let bench = Bench::new("hybrid-ready");
    let token = bench.app_token();
    bench
        .lab
        .add_fault(Fault::new(REPORT, FaultKind::HostileNames))
        .unwrap();
    let text = bench.get(&token, REPORT).text;
    assert!(text.contains("\\u001b[2J") && text.contains("\\ud800") && text.len() > 100_000);
    bench.lab.clear_faults();
    bench
        .lab
        .add_fault(Fault::new(
            REPORT,
            FaultKind::NextLinkHost {
                origin: "https://evil.example".into(),
            },
        ))
        .unwrap();
    assert!(
        bench.get(&token, REPORT).json()["@odata.nextLink"]
            .as_str()
            .unwrap()
            .starts_with("https://evil.example/v1.0/")
    );
    bench.lab.clear_faults();
    bench
        .lab
        .add_fault(Fault::new(REPORT, FaultKind::NextLinkLoop))
        .unwrap();
    assert!(
        bench.get(&token, REPORT).json()["@odata.nextLink"]
            .as_str()
            .unwrap()
            .ends_with(REPORT)
    );
    bench.lab.clear_faults();
    bench
        .lab
        .add_fault(Fault::new(REPORT, FaultKind::UnknownEnums))
        .unwrap();
    assert_eq!(bench.get(&token, REPORT).json()["value"][0]["userType"], "somethingNew");
}

#[test]
fn a_scenario_can_be_swapped_and_an_event_added() {
    let bench = Bench::new("hybrid-ready");
    let token = bench.app_token();
    bench.lab.control("POST", "audit", &json!({"event": {"at": "-1m", "activity": "Disable password writeback for directory", "by": "hyun@contoso.example"}})).unwrap();
    let newest = bench.get(&token, "/v1.0/auditLogs/directoryAudits?$top=1").json();
    assert_eq!(
        newest["value"][0]["activityDisplayName"],
        "Disable password writeback for directory"
    );
    bench
        .lab
        .control("POST", "scenario", &json!({"scenario": "hybrid-faulty"}))
        .unwrap();
    assert_eq!(bench.lab.tenant(0).tenant_id, bench.tenant.tenant_id);
    let branding = bench
        .get(
            &token,
            &format!("/v1.0/organization/{}/branding", bench.tenant.tenant_id),
        )
        .json();
    assert_eq!(
        branding["loginPageTextVisibilitySettings"]["hideForgotMyPassword"],
        true
    );
}

#[test]
fn two_tenants_are_apart() {
    let lab = Lab::start_blocking(LabOptions {
        scenarios: vec!["hybrid-ready".into(), "cloud-only-ready".into()],
        ..LabOptions::default()
    })
    .unwrap();
    let [first, second] = [lab.tenant(0), lab.tenant(1)];
    assert_ne!(first.tenant_id, second.tenant_id);
    assert!(
        second.domains.contains(&"contoso2.example".to_owned()),
        "{:?}",
        second.domains
    );
    assert_ne!(first.client_id, second.client_id);
}

#[test]
fn a_large_tenant_is_rendered_beforehand_and_served_packed() {
    let small = json!({"extends": "one-million-users", "about": "Sixty thousand of the million.", "populations": {
        "staff": {"count": 60_000}, "phones": {"count": 10}, "passkeys": {"count": 10}, "unregistered": {"count": 10},
        "leavers": {"count": 10}, "guests": {"count": 10}}});
    let dir = std::env::temp_dir().join("sspr-lab-large.json");
    std::fs::write(&dir, small.to_string()).unwrap();
    let bench = Bench::with(LabOptions {
        gzip: true,
        ..LabOptions::scenario(dir.to_str().unwrap())
    });
    assert!(bench.lab.ready_line()["renderedBytes"].as_u64().unwrap() > 10_000_000);
    let token = bench.app_token();
    let plain = bench.get(&token, REPORT);
    let headers = [
        ("authorization", &*format!("Bearer {token}")),
        ("accept-encoding", "gzip"),
    ];
    let packed = send("GET", &format!("{}{REPORT}", bench.url), &headers, "").unwrap();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let length: usize = packed.header("content-length").unwrap().parse().unwrap();
    assert!(length < plain.text.len() / 5, "{length}");
    assert_eq!(bench.all(&token, REPORT).len(), 60_040 + 6);
}

#[tokio::test]
async fn a_lab_starts_inside_a_runtime() {
    let lab = Lab::start(LabOptions::scenario("cloud-only-ready")).await.unwrap();
    assert!(lab.url().starts_with("http://127.0.0.1:"));
    tokio::task::spawn_blocking(move || drop(lab)).await.unwrap();
}

const SSPR_POLICY: &str = "PasswordReset/PasswordResetPolicies";
const AUTHORIZATION: &str = "/v1.0/policies/authorizationPolicy";
const METHODS: &str = "/v1.0/policies/authenticationMethodsPolicy";

fn bench_that_writes() -> (Bench, String) {
    let bench = Bench::new("hybrid-ready");
    bench.allow(
        "checker",
        &[
            "Policy.ReadWrite.Authorization",
            "Policy.ReadWrite.AuthenticationMethod",
        ],
    );
    let token = bench.app_token();
    (bench, token)
}

#[test]
fn a_person_clicks_and_the_log_of_writes_tells_what_clients_sent() {
    let (bench, token) = bench_that_writes();
    let portal = bench.portal_token("admin").json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let click = |body: Value| bench.lab.control("POST", "click", &body);
    click(json!({"object": "passwordReset", "set": {"enablementType": 1}, "upn": "pia@contoso.example"})).unwrap();
    click(json!({"object": "onPremises", "set": {"accountUnlockEnabled": false}})).unwrap();
    click(json!({"object": "authorization", "set": {"allowedToUseSSPR": false}})).unwrap();
    click(json!({"object": "authenticationMethods/Sms", "set": {"state": "disabled"}})).unwrap();
    click(
        json!({"object": "authenticationMethods", "set": {"registrationEnforcement":
        {"authenticationMethodsRegistrationCampaign": {"state": "disabled"}}}}),
    )
    .unwrap();
    assert!(click(json!({"object": "teapot", "set": {}})).is_err());
    let object = bench.portal(&portal, "GET", SSPR_POLICY, &Value::Null).json();
    assert_eq!(object["enablementType"], 1);
    let newest = bench.get(&token, "/v1.0/auditLogs/directoryAudits?$top=2").json();
    let events = newest["value"].as_array().unwrap();
    assert!(
        events
            .iter()
            .all(|event| event["activityDisplayName"] == "Update SSPR Settings")
    );
    assert!(
        events
            .iter()
            .any(|event| event["initiatedBy"]["user"]["userPrincipalName"] == "pia@contoso.example")
    );
    assert_eq!(bench.get(&token, AUTHORIZATION).json()["allowedToUseSSPR"], false);
    let methods = bench.get(&token, METHODS).json();
    let campaign = &methods["registrationEnforcement"]["authenticationMethodsRegistrationCampaign"];
    assert!(campaign["state"] == "disabled" && campaign["includeTargets"].is_array());
    let all = methods["authenticationMethodConfigurations"].as_array().unwrap();
    assert_eq!(all.iter().find(|own| own["id"] == "Sms").unwrap()["state"], "disabled");
    // Clicks and reads, sign-ins and batches of reads are no client's writes.
    bench.batch(&token, &json!([{"id": "1", "method": "GET", "url": "/domains"}]));
    assert!(bench.lab.writes().is_empty(), "{:?}", bench.lab.writes());

    // Those that were refused are told too.
    bench.portal(&portal, "PUT", SSPR_POLICY, &object);
    bench.write(&token, "PATCH", AUTHORIZATION, &json!({"allowedToUseSSPR": true}));
    bench.write(&token, "POST", "/v1.0/identity/conditionalAccess/policies", &json!({}));
    let part = json!([{"id": "1", "method": "PATCH", "url": "/policies/authorizationPolicy",
        "headers": {"Content-Type": "application/json"}, "body": {"allowedToUseSSPR": false}}]);
    bench.batch(&token, &part);
    let told = bench.lab.control("GET", "writes", &Value::Null).unwrap();
    let told: Vec<Value> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|write| json!([write["method"], write["path"], write["status"]]))
        .collect();
    assert_eq!(
        json!(told),
        json!([
            ["PUT", "/api/PasswordReset/PasswordResetPolicies", 200],
            ["PATCH", AUTHORIZATION, 204],
            ["POST", "/v1.0/identity/conditionalAccess/policies", 403],
            ["PATCH", AUTHORIZATION, 204],
        ])
    );
    let bodies: Vec<Value> = bench
        .lab
        .writes()
        .iter()
        .map(|write| serde_json::from_str(&write.body).unwrap())
        .collect();
    assert_eq!(bodies[0], object);
    assert_eq!(bodies[3], json!({"allowedToUseSSPR": false}));
}

#[test]
fn faults_meet_writes() {
    let (bench, token) = bench_that_writes();
    let write = |on: bool| bench.try_write(&token, "PATCH", AUTHORIZATION, &json!({"allowedToUseSSPR": on}));
    let read = || bench.get(&token, AUTHORIZATION).json()["allowedToUseSSPR"] == true;
    let status = |status: u16| FaultKind::Status {
        status,
        code: None,
        retry_after: None,
    };
    let throttle = FaultKind::Throttle {
        retry_after: Some("1".into()),
    };
    for (kind, expected) in [
        (status(403), (403, "Authorization_RequestDenied")),
        (status(412), (412, "UnknownError")),
        (throttle, (429, "TooManyRequests")),
        (FaultKind::RevokedToken, (401, "InvalidAuthenticationToken")),
    ] {
        let fault = Fault::new(AUTHORIZATION, kind).on("PATCH").times(1);
        bench.lab.add_fault(fault).unwrap();
        assert!(read(), "reads are left alone");
        let refused = write(false).unwrap();
        assert_eq!((refused.status, refused.code().as_str()), expected);
        assert!(read(), "{expected:?}: nothing was written");
        bench.lab.clear_faults();
    }
    // The connection breaks before the write is done, or after.
    for (kind, done) in [(FaultKind::DropBeforeHeaders, false), (FaultKind::DropAnswer, true)] {
        let fault = Fault::new(AUTHORIZATION, kind).on("PATCH").times(1);
        bench.lab.add_fault(fault).unwrap();
        assert!(write(false).is_err());
        assert_eq!(read(), !done);
        assert_eq!(bench.lab.writes().last().unwrap().status, 0);
        bench.lab.clear_faults();
    }
    assert_eq!(write(true).unwrap().status, 204);
    bench.assert_no_violations();
}

#[test]
fn another_writer_comes_between_a_read_and_a_write() {
    let (bench, _) = bench_that_writes();
    let portal = bench.portal_token("admin").json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let read = || bench.portal(&portal, "GET", SSPR_POLICY, &Value::Null).json();
    let mut wanted = read();
    let drift = |method: &str, after: bool, reconfirm: u64| {
        let fault = json!({"path": format!("/api/{SSPR_POLICY}"), "method": method, "count": 1, "kind": "drift",
            "object": "passwordReset", "set": {"registrationReconfirmIntevalInDays": reconfirm}, "after": after});
        bench.lab.control("POST", "faults", &fault).unwrap();
    };
    // Just after a read was served: the client holds the old value.
    drift("GET", true, 99);
    let held = read()["registrationReconfirmIntevalInDays"].clone();
    assert_eq!(held, wanted["registrationReconfirmIntevalInDays"]);
    assert_eq!(read()["registrationReconfirmIntevalInDays"], 99);
    // Just before a write arrives: the whole object takes the other's change away, and the log shows both.
    drift("PUT", false, 98);
    wanted["registrationReconfirmIntevalInDays"] = json!(99);
    assert_eq!(bench.portal(&portal, "PUT", SSPR_POLICY, &wanted).status, 200);
    assert_eq!(read(), wanted);
    let events = bench
        .get(&bench.app_token(), "/v1.0/auditLogs/directoryAudits?$top=3")
        .json();
    let mut changes: Vec<Value> = events["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["targetResources"][0]["modifiedProperties"][0]["newValue"].clone())
        .collect();
    changes.sort_by_key(ToString::to_string);
    assert_eq!(json!(changes), json!(["\"98\"", "\"99\"", "\"99\""]));
    bench.assert_no_violations();
    // A drift that fits nothing is noted.
    bench
        .lab
        .add_fault(Fault::new(
            "/v1.0",
            FaultKind::Drift {
                object: "teapot".into(),
                set: serde_json::Map::new(),
                after: false,
            },
        ))
        .unwrap();
    let token = bench.app_token();
    bench.get(&token, AUTHORIZATION);
    assert_eq!(bench.lab.violations().len(), 1);
}
