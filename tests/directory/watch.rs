//! A pilot's reset on its way: a real controller has it, the lab's tenant tells of it.

use super::common::{app, open, watch_reset};
use super::forest::{connect, connect_before};
use super::wire::{Cut, Server};
use super::{DirectoryError, Lab, ROOT, Sid};
use entra_sspr::session::Session;
use entra_sspr::task::runtime;
use jiff::Timestamp;
use serde_json::{Value, json};
use sspr_lab::{Lab as TenantLab, LabOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub const CHILD: &str = "DC=child,DC=example,DC=test";
const PASSWORD: &str = "Pilot-Passw0rd-0!";

/// A user of a domain, there while the test is.
pub struct Pilot {
    pub lab: Lab,
    dn: String,
    pub sid: String,
}

impl Pilot {
    /// One of the child domain.
    pub fn new(name: &str) -> Pilot {
        Pilot::of(Lab::all().remove(1), CHILD, name)
    }

    fn of(lab: Lab, root: &str, name: &str) -> Pilot {
        let mut pilot = Pilot {
            dn: format!("CN={name},CN=Users,{root}"),
            lab,
            sid: String::new(),
        };
        let dn = pilot.dn.clone();
        pilot.does(async |admin| {
            let _ = admin.delete(&dn).await;
            let attributes: &[(&str, &[&str])] = &[("objectClass", &["user"]), ("sAMAccountName", &[name])];
            admin.add(&dn, attributes).await.unwrap();
        });
        pilot.set_password(PASSWORD);
        let sid = pilot.does(async |admin| {
            admin.replace(&dn, "userAccountControl", &[b"512"]).await.unwrap();
            let entry = admin.read(&dn, &["objectSid"]).await.unwrap().unwrap();
            Sid::read(entry.value("objectSid").unwrap()).unwrap().to_string()
        });
        pilot.sid = sid;
        pilot
    }

    /// What the administrator does.
    pub fn does<T>(&self, work: impl AsyncFnOnce(&mut super::Connection) -> T) -> T {
        entra_sspr::task::runtime().unwrap().block_on(async {
            let mut admin = self.lab.open(&self.lab.administrator).await;
            work(&mut admin).await
        })
    }

    fn set(&self, attribute: &str, value: &[u8]) {
        self.does(async |admin| admin.replace(&self.dn, attribute, &[value]).await.unwrap());
    }

    fn set_password(&self, password: &str) {
        let quoted: Vec<u8> = format!("\"{password}\"")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        self.set("unicodePwd", &quoted);
    }

    /// When the controller says that the password was set.
    fn password_set(&self) -> Timestamp {
        let text = self.does(async |admin| {
            let entry = admin.read(&self.dn, &["pwdLastSet"]).await.unwrap().unwrap();
            entry.text("pwdLastSet").unwrap().to_string()
        });
        let hundreds = text.parse::<i128>().unwrap() - 116_444_736_000_000_000;
        Timestamp::from_nanosecond(hundreds * 100).unwrap()
    }

    /// The tenant in which this user is synchronised.
    fn tenant(&self, folder: &std::path::Path) -> TenantLab {
        let scenario = json!({
            "extends": "hybrid-ready",
            "people": {"pilot": {
                "name": "Pat Pilot", "alias": "pat", "onPremises": "synced",
                "user": {"onPremisesSecurityIdentifier": self.sid},
            }},
        });
        let file = folder.join("pilot.json");
        std::fs::write(&file, scenario.to_string()).unwrap();
        TenantLab::start_blocking(LabOptions::scenario(file.to_str().unwrap())).expect("the lab starts")
    }

    fn connected(&self, session: &Arc<Session>) {
        connect(session, &self.lab, &self.lab.dns_server, &["child1"]);
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        let dn = self.dn.clone();
        self.does(async |admin| {
            let _ = admin.delete(&dn).await;
        });
    }
}

fn happens(tenant: &TenantLab, activity: &str, details: Value) {
    let event = json!({"at": "+0s", "activity": activity, "target": "pat@contoso.example", "details": details});
    tenant.control("POST", "audit", &json!({"event": event})).unwrap();
}

fn leg<'a>(result: &'a Value, name: &str) -> &'a Value {
    let legs = result["legs"].as_array().unwrap();
    legs.iter().find(|leg| leg["leg"] == name).unwrap()
}

/// Watches, and does something when the user may begin.
fn watched(session: &Arc<Session>, request: Value, begin: impl FnOnce()) -> Value {
    let mut begin = Some(begin);
    watch_reset(session, request, |event| {
        if event["leg"]["leg"] == "Start" {
            begin.take().unwrap()();
        }
        None
    })
    .unwrap()
}

#[test]
#[ignore = "needs the directory lab"]
fn a_pilot_s_reset_is_seen_on_the_controller_and_in_the_tenant() {
    let pilot = Pilot::new("pilot.pat");
    let folder = tempfile::tempdir().unwrap();
    let tenant = pilot.tenant(folder.path());
    let session = app(&tenant, 0);
    pilot.connected(&session);
    let request = json!({"user": "pat@contoso.example", "timeoutSeconds": 40, "pollSeconds": 1});
    let agent = json!({"OnPremisesAgent": "Microsoft Entra Connect"});
    // The directory first, the log late; and the log first, the directory late.
    for is_log_first in [false, true] {
        let result = std::thread::scope(|scope| {
            watched(&session, request.clone(), || {
                scope.spawn(|| {
                    if is_log_first {
                        happens(&tenant, "Reset password (self-service)", agent.clone());
                        std::thread::sleep(Duration::from_secs(4));
                        pilot.set_password("Pilot-Passw0rd-2!");
                    } else {
                        pilot.set_password("Pilot-Passw0rd-1!");
                        std::thread::sleep(Duration::from_secs(4));
                        happens(&tenant, "Reset password (self-service)", agent.clone());
                    }
                });
            })
        });
        assert_eq!(result["verdict"], "Worked", "{result:#}");
        let directory = leg(&result, "Directory");
        assert_eq!(
            (&directory["status"], &directory["source"]),
            (&json!("Came"), &json!(pilot.lab.host))
        );
        let at: Timestamp = directory["at"].as_str().unwrap().parse().unwrap();
        assert_eq!(at, pilot.password_set());
        let after = |name: &str| leg(&result, name)["afterSeconds"].as_f64().unwrap();
        let (first, last) = if is_log_first {
            ("Cloud", "Directory")
        } else {
            ("Directory", "Cloud")
        };
        // The log writes whole seconds.
        assert!(after(first) == 0.0 && (2.5..=6.5).contains(&after(last)), "{result:#}");
        assert_eq!(leg(&result, "Agent")["detail"], "Microsoft Entra Connect");
    }
    // The log's record, and nothing in the directory.
    let request = json!({"user": "pat@contoso.example", "timeoutSeconds": 6, "pollSeconds": 1});
    let lost = watched(&session, request, || {
        happens(&tenant, "Reset password (self-service)", json!({}))
    });
    assert_eq!(
        (&lost["verdict"], &leg(&lost, "Directory")["status"]),
        (&json!("Incomplete"), &json!("Missing"))
    );
}

#[test]
#[ignore = "needs the directory lab"]
fn a_controller_that_is_gone_for_a_while_is_told_once_and_hides_nothing() {
    let pilot = Pilot::of(Lab::all().remove(0), ROOT, "pilot.rio");
    let folder = tempfile::tempdir().unwrap();
    let tenant = pilot.tenant(folder.path());
    let session = app(&tenant, 0);
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let before = Server::before(&pilot.lab, move |asked| {
        asked.cut = is_gone.load(Ordering::Relaxed).then_some(Cut::After)
    });
    let server = runtime().unwrap().block_on(before);
    connect_before(&session, &pilot.lab, &server, &[]);
    let request = json!({"user": "pat@contoso.example", "timeoutSeconds": 40, "pollSeconds": 1});
    let mut told = Vec::new();
    let result = watch_reset(&session, request, |event| {
        let leg = &event["leg"];
        if leg["leg"] == "Start" {
            gone.store(true, Ordering::Relaxed);
        } else if !leg.is_null() {
            told.push((leg["leg"].clone(), leg["status"].clone(), leg["detail"].to_string()));
        }
        if leg["leg"] == "Directory" && leg["status"] == "Awaited" {
            happens(&tenant, "Reset password (self-service)", json!({}));
        }
        if leg["leg"] == "Cloud" {
            // The log is read while the controller is gone.
            pilot.set_password("Pilot-Passw0rd-4!");
            std::thread::sleep(Duration::from_secs(5));
            gone.store(false, Ordering::Relaxed);
        }
        None
    })
    .unwrap();
    assert_eq!(result["verdict"], "Worked", "{result:#}");
    let of = |status: &str| {
        told.iter()
            .filter(|(leg, is, _)| leg == "Directory" && is == status)
            .count()
    };
    assert_eq!((of("Awaited"), of("Came")), (1, 1), "{told:?}");
    assert!(told[0].2.contains("not read: "), "{told:?}");
    let at: Timestamp = leg(&result, "Directory")["at"].as_str().unwrap().parse().unwrap();
    assert_eq!(at, pilot.password_set());
}

#[test]
#[ignore = "needs the directory lab"]
fn a_reset_that_must_be_changed_at_once_and_an_unlock_are_seen_without_a_tenant() {
    let pilot = Pilot::new("pilot.quin");
    let session = open(&json!({}));
    pilot.connected(&session);
    let request =
        |action: &str| json!({"user": "pilot.quin", "action": action, "timeoutSeconds": 20, "pollSeconds": 1});
    // What a reset without the right to unexpire leaves.
    let marked = watched(&session, request("Reset"), || {
        pilot.set("pwdLastSet", b"0");
    });
    assert_eq!(marked["verdict"], "Failed", "{marked:#}");
    assert!(leg(&marked, "Directory")["fix"].as_str().unwrap().contains("Unexpire"));
    pilot.set_password("Pilot-Passw0rd-3!");

    let threshold = |count: &str| {
        pilot.does(async |admin| {
            admin
                .replace(CHILD, "lockoutThreshold", &[count.as_bytes()])
                .await
                .unwrap()
        });
    };
    threshold("3");
    let account = format!("CHILD\\{}", "pilot.quin");
    let unlocked = watched(&session, request("Unlock"), || {
        // It is locked while it is watched already.
        entra_sspr::task::runtime().unwrap().block_on(async {
            let login = pilot.lab.login(&account);
            for _ in 0..4 {
                let mut connection = super::Connection::open(&login.servers[0], &login.options)
                    .await
                    .unwrap();
                let refused = connection.bind(&account, "wrong").await.unwrap_err();
                assert!(matches!(refused, DirectoryError::Refused { code: 49, .. }), "{refused}");
            }
        });
        let locked = pilot.does(async |admin| {
            let entry = admin.read(&pilot.dn, &["lockoutTime"]).await.unwrap().unwrap();
            entry.text("lockoutTime").unwrap_or_default().to_string()
        });
        assert!(locked.len() > 1, "the controller locked it: {locked}");
        let dn = pilot.dn.clone();
        let lab = Lab::all().remove(1);
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(3));
            entra_sspr::task::runtime().unwrap().block_on(async {
                let mut admin = lab.open(&lab.administrator).await;
                admin.replace(&dn, "lockoutTime", &[b"0"]).await.unwrap();
            });
        });
    });
    threshold("0");
    assert_eq!(unlocked["verdict"], "Worked", "{unlocked:#}");
    assert_eq!(leg(&unlocked, "Directory")["detail"], "lockoutTime is cleared");
    assert_eq!(leg(&unlocked, "Cloud")["status"], "NotWatched");
    // Who is moved or removed meanwhile need not change a password.
    let dn = pilot.dn.clone();
    let removed = watched(
        &session,
        json!({"user": "pilot.quin", "timeoutSeconds": 4, "pollSeconds": 1}),
        || pilot.does(async |admin| admin.delete(&dn).await.unwrap()),
    );
    assert_eq!(
        (&removed["verdict"], &leg(&removed, "Directory")["status"]),
        (&json!("Missing"), &json!("Missing")),
        "{removed:#}"
    );
    // Nobody is nobody.
    let nobody = watch_reset(&session, json!({"user": "no.body"}), |_| None).unwrap_err();
    assert_eq!(nobody.status.name(), "Directory.NotFound", "{nobody:?}");
    assert!(
        nobody.detail.iter().any(|line| line.contains("in no domain")),
        "{nobody:?}"
    );
}
