//! Signing in as whoever runs this, by Kerberos, against the child domain's controller and its KDC. (That of the parent gives no
//! tickets for services: the cross reference to a child that it does not trust is too much for it.)

use crate::Lab;
use crate::common::{events, finding, open};
use crate::wire::Server;
use entra_sspr::directory::containers::Containers;
use entra_sspr::directory::forest::{Identity, Login, RootDse};
use entra_sspr::directory::ldap::{Address, Connection, Depth, DirectoryError, Protection};
use entra_sspr::directory::scan::{self, Policies};
use entra_sspr::task::{Task, runtime};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const ROOT: &str = "DC=child,DC=example,DC=test";
const PORTS: [Protection; 3] = [Protection::Ldaps, Protection::StartTls, Protection::Sealed];

fn child() -> Lab {
    Lab::all().remove(1)
}

fn login(lab: &Lab, protection: Protection) -> Login {
    let mut login = lab.login(&lab.administrator);
    login.identity = Identity::Current;
    login.servers = vec![Address {
        host: lab.host.clone(),
        socket: Some(format!("{}:{}", lab.address, protection.port()).parse().unwrap()),
        port: None,
        protection,
    }];
    login
}

/// Kerberos for the lab's realm, in a folder of its own.
fn configure(folder: &Path, lab: &Lab) {
    let realm = lab.domain.to_uppercase();
    let text = format!(
        "[libdefaults]\ndefault_realm = {realm}\ndns_lookup_kdc = false\nrdns = false\ndns_canonicalize_hostname = false\n\
         [realms]\n{realm} = {{\nkdc = {}:88\n}}\n[domain_realm]\n.{} = {realm}\n",
        lab.address, lab.domain
    );
    std::fs::write(folder.join("krb5.conf"), text).unwrap();
}

fn with_kerberos(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("KRB5_CONFIG", folder.join("krb5.conf"));
    command.env("KRB5CCNAME", format!("FILE:{}", folder.join("tickets").display()));
    command
}

/// Gets a ticket for the administrator; says whether there is what gets one.
fn kinit(folder: &Path, lab: &Lab) -> bool {
    let user = lab.administrator.rsplit('\\').next().unwrap();
    let kinit = with_kerberos("kinit", folder)
        .arg(format!("{user}@{}", lab.domain.to_uppercase()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let Ok(mut kinit) = kinit else { return false };
    writeln!(kinit.stdin.take().unwrap(), "{}", lab.password).unwrap();
    assert!(
        kinit.wait().unwrap().success(),
        "the KDC gives the administrator a ticket"
    );
    true
}

/// Runs a test in a process of its own, which alone has the tickets.
fn inside(folder: &Path, test: &str) {
    let output = with_kerberos(std::env::current_exe().unwrap(), folder)
        .args(["--exact", &format!("kerberos::{test}"), "--ignored", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Set in that process.
const INSIDE: &str = "SSPR_TEST_INSIDE";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn whoever_runs_this_signs_in_by_kerberos() {
    let lab = child();
    if std::env::var_os(INSIDE).is_some() {
        everything_is_read(&lab).await;
        another_s_channel_is_refused(&lab).await;
        nothing_is_readable_on_the_way(&lab).await;
        nothing_can_be_changed_on_the_way(&lab).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), &lab);
    match kinit(folder.path(), &lab) {
        true => inside(folder.path(), "whoever_runs_this_signs_in_by_kerberos"),
        false => println!("skipped: there is no kinit (Debian: krb5-user)"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn whoever_has_no_ticket_is_told_so() {
    let lab = child();
    if std::env::var_os(INSIDE).is_some() {
        return no_ticket_is_told(&lab).await;
    }
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), &lab);
    inside(folder.path(), "whoever_has_no_ticket_is_told_so");
}

/// The probe over sign and seal, as whoever runs this: passwords are set, and none is sent to sign in with.
#[test]
#[ignore = "needs the directory lab"]
fn a_probe_goes_over_sign_and_seal() {
    let lab = child();
    if std::env::var_os(INSIDE).is_some() {
        return a_user_is_reset_over_sign_and_seal(&lab);
    }
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), &lab);
    match kinit(folder.path(), &lab) {
        true => inside(folder.path(), "a_probe_goes_over_sign_and_seal"),
        false => println!("skipped: there is no kinit (Debian: krb5-user)"),
    }
}

fn a_user_is_reset_over_sign_and_seal(lab: &Lab) {
    let session = open(&json!({}));
    let request = json!({"servers": [lab.host], "tls": "None", "dnsServer": lab.dns_server, "sysvol": lab.sysvol});
    let request = serde_json::from_value(request).unwrap();
    let runtime = runtime().unwrap();
    runtime.block_on(session.connect_directory(request)).unwrap();
    let own = Arc::clone(&session);
    let request = json!({"container": format!("CN=Users,{ROOT}")});
    let task = Task::start(Default::default(), move |context| async move {
        entra_sspr::run::probe(own, request, &context).await
    });
    let (events, end) = events(&task.unwrap());
    end.unwrap();
    let readiness = &events.last().unwrap()["result"];
    let status = |check: &str| finding(readiness, &format!("writeback_probe.{check}"))["status"].clone();
    for check in [
        "reset",
        "must_change",
        "minimum_age",
        "history",
        "length",
        "left_behind",
    ] {
        assert_eq!(status(check), "Pass", "{check}: {:#}", readiness["findings"]);
    }
    // An administrator proves nothing of an account's rights; and nobody signed in with the new password, which this title
    // else says.
    assert_eq!(status("account"), "Warn", "{:#}", readiness["findings"]);
    let title = &finding(readiness, "writeback_probe.reset")["title"];
    assert_eq!(title, "CHILD\\Administrator reset a user made in CN=Users");
}

/// Reads all of the domain over one connection: long answers, and many at once.
async fn read(connection: &mut Connection, base: &str) -> (usize, usize) {
    let (mut count, mut bytes) = (0, 0);
    connection
        .search(
            base,
            Depth::Subtree,
            "(objectClass=*)",
            &["nTSecurityDescriptor", "*"],
            |entry| {
                count += 1;
                bytes += entry.value("nTSecurityDescriptor").unwrap_or_default().len();
            },
        )
        .await
        .unwrap();
    (count, bytes)
}

async fn everything_is_read(lab: &Lab) {
    let mut by_password = lab.open(&lab.administrator).await;
    let schema = format!("CN=Schema,CN=Configuration,{ROOT}");
    let expected = read(&mut by_password, &schema).await;
    assert!(expected.0 > 1_000, "{expected:?}");
    for protection in PORTS {
        let login = login(lab, protection);
        let mut connection = login.open().await.unwrap();
        let root = RootDse::read(&mut connection).await.unwrap();
        assert_eq!(root.domain, ROOT, "{protection:?}");
        assert_eq!(read(&mut connection, &schema).await, expected, "{protection:?}");
        let containers = Containers::read(&mut connection, ROOT, &[]).await.unwrap();
        let task = scan::Task {
            root: ROOT,
            containers: &containers,
            tokens: &[],
            ages: &Policies::default(),
            affected: None,
        };
        let (found, end) = scan::scan(task, &login, 2).await;
        end.unwrap();
        assert!(found.users > 8, "{found:?}");
    }
}

async fn no_ticket_is_told(lab: &Lab) {
    for protection in PORTS {
        let error = login(lab, protection).open().await.unwrap_err();
        assert!(
            matches!(error, DirectoryError::NoTicket { .. }),
            "{protection:?}: {error:?}"
        );
        let told = "whoever runs this cannot sign in to dc2.child.example.test by Kerberos: ";
        assert!(error.to_string().starts_with(told), "{error}");
    }
}

/// Whoever opens TLS on the way has another channel, which the controller sees by what the sign-in is bound to.
async fn another_s_channel_is_refused(lab: &Lab) {
    let server = Server::before(lab, |_| {}).await;
    // A password does not notice.
    server.login(&lab.administrator, &lab.password).open().await.unwrap();
    let mut login = server.login("", "");
    login.identity = Identity::Current;
    let error = login.open().await.unwrap_err();
    assert!(matches!(error, DirectoryError::Refused { .. }), "{error:?}");
}

async fn nothing_is_readable_on_the_way(lab: &Lab) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let eyes = Arc::clone(&seen);
    let address = Server::between(lab, 389, move |bytes| eyes.lock().unwrap().extend_from_slice(bytes)).await;
    let mut login = login(lab, Protection::Sealed);
    login.servers[0].socket = Some(address);
    let mut connection = login.open().await.unwrap();
    let (count, _) = read(&mut connection, ROOT).await;
    assert!(count > 200, "{count}");
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 100_000, "{}", seen.len());
    for word in ["objectClass", "DC=child", "defaultNamingContext"] {
        let plain = seen
            .windows(word.len())
            .any(|some| some.eq_ignore_ascii_case(word.as_bytes()));
        assert!(!plain, "{word} is readable on the way");
    }
}

async fn nothing_can_be_changed_on_the_way(lab: &Lab) {
    let changing = Arc::new(AtomicBool::new(false));
    let hands = Arc::clone(&changing);
    let address = Server::between(lab, 389, move |bytes| {
        if hands.load(Ordering::Relaxed) {
            *bytes.last_mut().unwrap() ^= 1;
        }
    })
    .await;
    let mut login = login(lab, Protection::Sealed);
    login.servers[0].socket = Some(address);
    let mut connection = login.open().await.unwrap();
    RootDse::read(&mut connection).await.unwrap();
    changing.store(true, Ordering::Relaxed);
    let error = RootDse::read(&mut connection).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Unreachable { .. }), "{error:?}");
}
