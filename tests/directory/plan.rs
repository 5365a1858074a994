//! Set-up against a real domain controller: what is planned, applied and undone, and what the controller then lets the
//! connector account do.

use crate::common::{apply_plan, create_plan, open, undo_plan};
use crate::forest::{connect, connect_as};
use crate::{Lab, ROOT, lets};
use entra_sspr::error::Result;
use entra_sspr::session::Session;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn create(session: &Arc<Session>, permissions: Value) -> Value {
    let desired = json!({"schemaVersion": 1, "directoryPermissions": permissions});
    planned(session, desired, "directory_permissions", false)
}

fn planned(session: &Arc<Session>, desired: Value, step: &str, sysvol: bool) -> Value {
    let request = json!({"desired": desired.to_string(), "steps": [step], "allowSysvolWrite": sysvol});
    create_plan(session, request).unwrap()
}

fn apply(session: &Arc<Session>, plan: &Value, journal: &Path) -> Result<Value> {
    apply_plan(
        session,
        json!({"plan": plan["plan"], "journal": journal, "allowSysvolWrite": true}),
    )
}

fn resume(session: &Arc<Session>, journal: &Path) -> Result<Value> {
    apply_plan(session, json!({"resume": true, "journal": journal}))
}

fn undo(session: &Arc<Session>, journal: &Path, force: &[&str]) -> Result<Value> {
    undo_plan(
        session,
        json!({"journal": journal, "force": force, "allowSysvolWrite": true}),
    )
}

fn outcomes(result: &Value) -> Vec<&str> {
    let changes = result["changes"].as_array().unwrap().iter();
    changes.map(|change| change["outcome"].as_str().unwrap()).collect()
}

/// What the lab's administrator and its trial account see of a user and of the unit above.
struct Scene {
    lab: Lab,
    user: String,
    unit: String,
    trial: u32,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            lab: Lab::all().remove(0),
            user: format!("CN=many.mo,OU=Service,{ROOT}"),
            unit: format!("OU=Service,{ROOT}"),
            trial: 0,
        }
    }

    /// The unit's descriptor.
    fn list(&self) -> Vec<u8> {
        entra_sspr::task::runtime().unwrap().block_on(async {
            let mut admin = self.lab.open(&self.lab.administrator).await;
            let entry = admin
                .read(&self.unit, &["nTSecurityDescriptor"])
                .await
                .unwrap()
                .unwrap();
            entry.value("nTSecurityDescriptor").unwrap().to_vec()
        })
    }

    /// Whether the controller lets the account reset the user.
    fn resets(&mut self) -> bool {
        self.trial += 1;
        let password: Vec<u8> = format!("\"Plan-{}-Passw0rd!\"", self.trial)
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        entra_sspr::task::runtime().unwrap().block_on(async {
            let mut connection = self.lab.open("EXAMPLE\\svc-trial").await;
            lets(&mut connection, &self.user, "unicodePwd", &password).await
        })
    }
}

/// One at a time: both are about the same unit, and one plan of a directory is applied at a time.
static TURN: Mutex<()> = Mutex::new(());

#[test]
#[ignore = "needs the directory lab"]
fn what_is_granted_lets_a_reset_through_and_is_taken_back_byte_for_byte() {
    let _turn = TURN.lock();
    let mut scene = Scene::new();
    let session = open(&json!({}));
    let all = Lab::all();
    connect(&session, &all[0], &all[0].dns_server, &["svc-trial"]);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("plan.jsonl");
    let wanted = json!({"users": true, "changePassword": true, "containers": [scene.unit]});

    let before = scene.list();
    assert!(!scene.resets(), "before");
    let made = create(&session, wanted.clone());
    assert_eq!(
        made["counts"],
        json!({"change": 1, "byHand": 0, "undoByHand": 0}),
        "{made}"
    );
    let rights: Vec<&String> = made["changes"][0]["after"].as_object().unwrap().keys().collect();
    assert_eq!(
        rights,
        [
            "Change Password on user objects for EXAMPLE\\svc-trial",
            "Reset Password on user objects for EXAMPLE\\svc-trial",
            "Write lockoutTime on user objects for EXAMPLE\\svc-trial",
            "Write pwdLastSet on user objects for EXAMPLE\\svc-trial",
        ]
    );
    // A plan changes nothing.
    assert!(scene.list() == before);

    let done = apply(&session, &made, &journal).unwrap();
    assert_eq!(outcomes(&done), ["done"], "{done}");
    assert_eq!(done["complete"], true);
    assert!(scene.resets(), "after");
    // The same can be taken away by what is wanted, entry by entry.
    let away = create(&session, json!({"users": false, "containers": [scene.unit]}));
    let rights: Vec<&Value> = away["changes"][0]["after"].as_object().unwrap().values().collect();
    assert_eq!(
        rights,
        [&json!(false); 3],
        "all but Change Password, of which nothing is said: {away}"
    );
    // Once more there is nothing to do; the same plan finds it there.
    assert_eq!(create(&session, wanted.clone())["changes"], json!([]));
    let again = apply(&session, &made, &folder.path().join("again.jsonl")).unwrap();
    assert_eq!(outcomes(&again), ["already"]);
    // What was there already is not that journal's to take back.
    let nothing = undo(&session, &folder.path().join("again.jsonl"), &[]).unwrap();
    assert_eq!(outcomes(&nothing), [""; 0]);
    // A journal is not written over.
    assert!(apply(&session, &made, &journal).is_err());

    let undone = undo(&session, &journal, &[]).unwrap();
    assert_eq!(outcomes(&undone), ["undone"], "{undone}");
    assert!(scene.list() == before, "the descriptor of before, byte for byte");
    assert!(!scene.resets(), "after the undo");
    assert_eq!(outcomes(&undo(&session, &journal, &[]).unwrap()), [""; 0]);
}

/// What a crash leaves behind: the plan, and a change that was begun; whether it was written nobody knows.
#[test]
#[ignore = "needs the directory lab"]
fn what_a_crash_left_is_looked_at_before_it_is_resumed() {
    let _turn = TURN.lock();
    let scene = Scene::new();
    let session = open(&json!({}));
    let all = Lab::all();
    connect(&session, &all[0], &all[0].dns_server, &["svc-trial"]);
    let folder = tempfile::tempdir().unwrap();
    let wanted = json!({"inetOrgPersons": true, "containers": [scene.unit]});
    let before = scene.list();
    let made = create(&session, wanted.clone());
    let id = made["changes"][0]["id"].as_str().unwrap().to_string();
    let journal = folder.path().join("plan.jsonl");
    let done = apply(&session, &made, &journal).unwrap();
    assert_eq!(outcomes(&done), ["done"]);
    let lines = std::fs::read_to_string(&journal).unwrap();
    let begun: Vec<&str> = lines.lines().take(2).collect();
    assert!(begun[1].contains("\"begun\""), "{lines}");
    // Cut off after the write, in the middle of a line; and before it.
    let cut = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{}\n{}\n{{\"at\":\"20", begun[0], begun[1])).unwrap();
        path
    };
    let written = cut("written.jsonl");
    let resumed = resume(&session, &written).unwrap();
    assert_eq!(outcomes(&resumed), ["already"], "it was there");
    assert_eq!(outcomes(&undo(&session, &written, &[]).unwrap()), ["undone"]);
    assert!(scene.list() == before);
    let open = cut("open.jsonl");
    assert_eq!(
        outcomes(&resume(&session, &open).unwrap()),
        ["done"],
        "it was not there"
    );

    // Somebody takes one of the entries away: nothing is undone unless it is named.
    let admin = |edit: fn(&Value) -> Value| {
        let change = &made["changes"][0];
        let mut request = made.clone();
        request["changes"] = json!([edit(change)]);
        request
    };
    let one = admin(|change| {
        // A plan that takes the first entry back alone.
        let mut change = change.clone();
        let name = change["after"].as_object().unwrap().keys().next().unwrap().clone();
        change["before"] = json!({ &name: true });
        change["after"] = json!({ &name: false });
        change["write"]["entries"] = json!({ &name: change["write"]["entries"][&name] });
        change
    });
    let mut text = one.clone();
    for view in ["plan", "counts", "screen"] {
        text.as_object_mut().unwrap().remove(view);
    }
    let other = json!({"plan": text.to_string()});
    assert_eq!(
        outcomes(&apply(&session, &other, &folder.path().join("other.jsonl")).unwrap()),
        ["done"]
    );
    let drifted = undo(&session, &open, &[]).unwrap();
    assert_eq!(outcomes(&drifted), ["drifted"]);
    assert_eq!(drifted["changes"][0]["error"]["name"], "Plan.Drift");
    assert_eq!(outcomes(&undo(&session, &open, &[&id]).unwrap()), ["undone"]);
    assert!(scene.list() == before);
}

/// What the files of a policy object hold, but for the line that names the version, and what the directory says of it.
fn policy_files(lab: &Lab, object: &str) -> (Vec<u8>, String, String, u32) {
    let guid = object.trim_start_matches("CN=").split(',').next().unwrap();
    let folder = lab.sysvol.join("example.test/Policies").join(guid);
    let template = std::fs::read(folder.join("MACHINE/Microsoft/Windows NT/SecEdit/GptTmpl.inf")).unwrap_or_default();
    let ini = std::fs::read_to_string(folder.join("GPT.INI")).unwrap();
    let (version, other): (Vec<&str>, Vec<&str>) = ini.lines().partition(|line| line.starts_with("Version="));
    let version = version[0].trim_start_matches("Version=").parse().unwrap();
    let (extensions, told) = entra_sspr::task::runtime().unwrap().block_on(async {
        let mut admin = lab.open(&lab.administrator).await;
        let attributes = ["gPCMachineExtensionNames", "versionNumber"];
        let entry = admin.read(object, &attributes).await.unwrap().unwrap();
        let text = |name| entry.text(name).unwrap_or_default().to_string();
        (text(attributes[0]), text(attributes[1]))
    });
    assert_eq!(
        told,
        format!("{version}"),
        "the directory and SYSVOL name the same version"
    );
    (template, other.join("\n"), extensions, version)
}

/// The minimum age, in the files of the object that wins; and by hand where it is not asked for, or not allowed.
#[test]
#[ignore = "needs the directory lab"]
fn the_minimum_age_is_set_where_it_wins_and_set_back() {
    let _turn = TURN.lock();
    let lab = Lab::all().remove(0);
    let session = open(&json!({}));
    connect(&session, &lab, &lab.dns_server, &[]);
    let folder = tempfile::tempdir().unwrap();
    let desired =
        |method: Value| json!({"schemaVersion": 1, "passwordPolicy": {"minimumAgeDays": 3, "method": method}});
    let own = |plan: &Value| {
        let changes = plan["changes"].as_array().unwrap().iter();
        let own = changes
            .clone()
            .find(|change| change["id"] == "password_policy.minimum_age:example.test");
        own.cloned().unwrap_or_default()
    };
    for (method, allowed) in [(Value::Null, true), (json!("manual"), true), (json!("sysvol"), false)] {
        let made = planned(&session, desired(method), "password_policy", allowed);
        assert_eq!(own(&made)["kind"], "Manual", "{made}");
        assert!(
            own(&made)["byHand"][2].as_str().unwrap().contains("to 3 days"),
            "{made}"
        );
    }
    let made = planned(&session, desired(json!("sysvol")), "password_policy", true);
    let change = own(&made);
    assert_eq!(change["kind"], "Sysvol", "{made}");
    let object = change["write"]["object"].as_str().unwrap();
    let before = policy_files(&lab, object);
    let journal = folder.path().join("plan.jsonl");
    let done = apply(&session, &made, &journal).unwrap();
    assert!(outcomes(&done).contains(&"done"), "{done}");
    let after = policy_files(&lab, object);
    assert!(after.0 != before.0 && after.3 == before.3 + 1);
    assert_eq!((&after.1, after.2.is_empty()), (&before.1, false));
    let again = planned(&session, desired(json!("sysvol")), "password_policy", true);
    // The controller itself takes it at its next refresh, which this one never does.
    assert_eq!(own(&again), Value::Null, "{again}");

    let undone = undo(&session, &journal, &[]).unwrap();
    assert_eq!(outcomes(&undone), ["undone"], "{undone}");
    let back = policy_files(&lab, object);
    assert!(back.0 == before.0, "the template of before, byte for byte");
    assert_eq!((back.1, back.2, back.3), (before.1, before.2, before.3 + 2));
}

/// A container of the child is looked for there, and not at the parent's controller, which would refer to it.
#[test]
#[ignore = "needs the directory lab"]
fn a_container_is_looked_for_in_its_own_domain() {
    let session = open(&json!({}));
    let all = Lab::all();
    connect(&session, &all[0], &all[0].dns_server, &[]);
    connect(&session, &all[1], &all[1].dns_server, &[]);
    let unit = "OU=People,DC=child,DC=example,DC=test";
    let made = create(&session, json!({"inetOrgPersons": true, "containers": [unit]}));
    assert_eq!(made["unread"], Value::Null, "{made:#}");
    // Its account has every right there.
    assert_eq!(made["changes"], json!([]), "{made:#}");
    let none = create(
        &session,
        json!({"users": true, "containers": ["OU=None,DC=example,DC=test"]}),
    );
    assert!(
        none["unread"][0]
            .as_str()
            .unwrap()
            .starts_with("OU=None,DC=example,DC=test was not found"),
        "{none:#}"
    );
}

/// What the sign-in may not do is told by name before anything is changed, and before there is a journal.
#[test]
#[ignore = "needs the directory lab"]
fn who_may_not_write_to_the_directory_is_told_before_anything_is_changed() {
    let _turn = TURN.lock();
    let scene = Scene::new();
    let session = open(&json!({}));
    connect_as(&session, &scene.lab, "EXAMPLE\\svc-trial", &["svc-trial"]);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("plan.jsonl");
    let before = scene.list();
    let made = create(&session, json!({"users": true, "containers": [scene.unit]}));
    assert_eq!(made["counts"]["change"], 1, "the plan is whole: {made:#}");
    let refused = apply(&session, &made, &journal).unwrap_err();
    assert_eq!(refused.status.name(), "Plan.Permission", "{refused:?}");
    assert!(
        refused.message.contains(&format!("(write DACL) of {}", scene.unit)),
        "{refused:?}"
    );
    let desired = json!({"schemaVersion": 1, "passwordPolicy": {"minimumAgeDays": 4, "method": "sysvol"}});
    let made = planned(&session, desired, "password_policy", true);
    let refused = apply(&session, &made, &journal).unwrap_err();
    assert!(
        refused
            .message
            .contains("the right to edit the group policy object CN={"),
        "{refused:?}"
    );
    assert!(scene.list() == before && !journal.exists());
}

/// A domain where no object sets the minimum age gets one, linked to its root; and is rid of it again.
#[test]
#[ignore = "needs the directory lab"]
fn an_object_is_made_where_none_sets_the_minimum_age() {
    let _turn = TURN.lock();
    let child = Lab::all().remove(1);
    let session = open(&json!({}));
    connect(&session, &child, &child.dns_server, &[]);
    let folder = tempfile::tempdir().unwrap();
    let desired = json!({"schemaVersion": 1, "passwordPolicy": {"minimumAgeDays": 0, "method": "sysvol"}});
    let made = planned(&session, desired.clone(), "password_policy", true);
    let changes = made["changes"].as_array().unwrap();
    let change = changes
        .iter()
        .find(|change| change["id"] == "password_policy.minimum_age:child.example.test");
    let change = change.unwrap_or_else(|| panic!("{made:#}"));
    assert_eq!(
        (&change["kind"], &change["before"]),
        (&json!("Sysvol"), &Value::Null),
        "{change:#}"
    );
    let object = change["write"]["object"].as_str().unwrap();
    let guid = object.trim_start_matches("CN=").split(',').next().unwrap();
    let files = child.sysvol.join("child.example.test/Policies").join(guid);
    let root = "DC=child,DC=example,DC=test";
    let links = || {
        entra_sspr::task::runtime().unwrap().block_on(async {
            let mut admin = child.open(&child.administrator).await;
            let entry = admin.read(root, &["gPLink"]).await.unwrap().unwrap();
            let object = admin.read(object, &["displayName"]).await.unwrap();
            (
                entry.text("gPLink").unwrap_or_default().to_string(),
                object.and_then(|object| object.text("displayName").map(str::to_string)),
            )
        })
    };
    let before = links();
    let journal = folder.path().join("plan.jsonl");
    let done = apply(&session, &made, &journal).unwrap();
    assert_eq!(outcomes(&done), ["done"], "{done:#}");
    let (linked, name) = links();
    assert_eq!(linked, format!("{}[LDAP://{object};0]", before.0));
    assert_eq!(name.as_deref(), Some("SSPR minimum password age"));
    let template = std::fs::read(files.join("MACHINE/Microsoft/Windows NT/SecEdit/GptTmpl.inf")).unwrap();
    assert!(template.starts_with(&[0xff, 0xfe]));
    let again = planned(&session, desired, "password_policy", true);
    assert_eq!(again["changes"], json!([]), "{again:#}");

    // Cut off in the middle of the undo: the link is gone, the rest is there.
    entra_sspr::task::runtime().unwrap().block_on(async {
        let mut admin = child.open(&child.administrator).await;
        admin.replace(root, "gPLink", &[before.0.as_bytes()]).await.unwrap();
    });
    let id = change["id"].as_str().unwrap();
    let mut lines = std::fs::read_to_string(&journal).unwrap();
    lines.push_str(&format!(
        "{{\"at\":\"2026-11-28T10:00:00Z\",\"id\":\"{id}\",\"mark\":\"undoBegun\"}}\n"
    ));
    std::fs::write(&journal, lines).unwrap();
    let undone = undo(&session, &journal, &[]).unwrap();
    assert_eq!(outcomes(&undone), ["undone"], "{undone:#}");
    assert_eq!(links(), (before.0, None));
    assert!(!files.exists());
}

/// Beside a plan that leaves the minimum age to a person stands what `Import-GPO` reads, and the commands.
#[test]
#[ignore = "needs the directory lab"]
fn a_backup_to_import_is_written_beside_the_plan() {
    let lab = Lab::all().remove(0);
    let session = open(&json!({}));
    connect(&session, &lab, &lab.dns_server, &[]);
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("it's here");
    let desired = json!({"schemaVersion": 1, "passwordPolicy": {"minimumAgeDays": 4}}).to_string();
    let request = json!({"desired": desired, "steps": ["password_policy"], "policyBackup": backup});
    let made = create_plan(&session, request.clone()).unwrap();
    let changes = made["changes"].as_array().unwrap().iter();
    let change = changes
        .clone()
        .find(|change| change["id"] == "password_policy.minimum_age:example.test");
    let clicks = change.unwrap()["byHand"].as_array().unwrap();
    let told = clicks[clicks.len() - 2].as_str().unwrap();
    let id = told.split(" -BackupId ").nth(1).unwrap().split(' ').next().unwrap();
    let path = backup.join("example.test").display().to_string().replace('\'', "''");
    assert_eq!(
        told,
        format!(
            "Or import it: Import-GPO -Path '{path}' -BackupId {id} -TargetName 'SSPR minimum password age' -CreateIfNeeded -Domain example.test"
        )
    );
    assert!(
        clicks[clicks.len() - 1]
            .as_str()
            .unwrap()
            .contains("-Target 'DC=example,DC=test' -LinkEnabled Yes -Order 1")
    );
    let files = backup.join("example.test");
    let manifest = std::fs::read_to_string(files.join("manifest.xml")).unwrap();
    assert!(
        manifest.contains("<GPODomainController>dc1.example.test<") && !manifest.contains("{00000000-0000"),
        "{manifest}"
    );
    assert!(files.join(format!("{{{}}}/Backup.xml", id.to_uppercase())).exists());
    // Nothing is written over.
    let again = create_plan(&session, request).unwrap_err();
    assert_eq!(again.status.name(), "File.Write", "{again:?}");
}

/// Administrators and containers that were shut off, where they are asked for by name, with what it means; and rights that
/// stand where they are of no use.
#[test]
#[ignore = "needs the directory lab"]
fn what_is_protected_is_granted_by_name_alone_and_what_is_useless_taken_away() {
    let _turn = TURN.lock();
    let lab = Lab::all().remove(0);
    let session = open(&json!({}));
    connect(&session, &lab, &lab.dns_server, &["svc-trial", "MSOL_aaaaaaaaaaaa"]);
    let folder = tempfile::tempdir().unwrap();
    let named = [
        format!("CN=AdminSDHolder,CN=System,{ROOT}"),
        format!("OU=Sales,OU=Staff,{ROOT}"),
    ];
    let wanted = json!({"users": true, "containers": named, "cleanOwnObject": true});
    let made = create(&session, wanted.clone());
    let of = |target: &str| {
        let mut changes = made["changes"].as_array().unwrap().iter();
        changes
            .find(|change| change["target"] == target)
            .unwrap_or_else(|| panic!("{target}: {made:#}"))
    };
    assert!(of(&named[0])["risk"].as_str().unwrap().contains("take over the domain"));
    let rights: Vec<&String> = of(&named[0])["after"].as_object().unwrap().keys().collect();
    assert!(
        rights.iter().all(|right| right.contains(" on protected objects for ")),
        "{rights:?}"
    );
    assert!(of(&named[1])["risk"].as_str().unwrap().contains("somebody shut it off"));
    let own = made["changes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|change| change["target"].as_str().unwrap().starts_with("CN=MSOL_aaaaaaaaaaaa,"));
    let own = own.unwrap_or_else(|| panic!("{made:#}"));
    assert_eq!(
        own["after"],
        json!({"Reset Password for EXAMPLE\\MSOL_aaaaaaaaaaaa": false})
    );
    let journal = folder.path().join("plan.jsonl");
    let done = apply(&session, &made, &journal).unwrap();
    assert_eq!(done["complete"], true, "{done:#}");
    assert_eq!(create(&session, wanted)["changes"], json!([]));
    let undone = undo(&session, &journal, &[]).unwrap();
    assert!(
        outcomes(&undone).iter().all(|outcome| *outcome == "undone"),
        "{undone:#}"
    );
    // The root alone is meant where no container is named.
    let root = create(&session, json!({"users": true}));
    let targets: Vec<&Value> = root["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["target"])
        .collect();
    assert!(targets.iter().all(|target| **target == ROOT), "{targets:?}");
}
