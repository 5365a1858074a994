//! A forest of which not all can be read: what can is judged, what cannot is named.

use crate::Lab;
use crate::common::{check, finding, open};
use crate::wire::Server;
use entra_sspr::session::Session;
use serde_json::{Value, json};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, ResourceRecord};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;

const STEPS: [&str; 2] = ["service_account", "directory_permissions"];

/// Connects a session to a domain of the lab.
pub fn connect(session: &Arc<Session>, lab: &Lab, dns_server: &str, connectors: &[&str]) -> Value {
    connect_by(session, lab, &lab.administrator, dns_server, connectors)
}

/// The same as another account.
pub fn connect_as(session: &Arc<Session>, lab: &Lab, user: &str, connectors: &[&str]) -> Value {
    connect_by(session, lab, user, &lab.dns_server, connectors)
}

/// The same through a server that stands before a controller.
pub fn connect_before(session: &Arc<Session>, lab: &Lab, server: &Server, connectors: &[&str]) -> Value {
    connect_at(session, lab, server.address.port(), &server.ca_file(), connectors)
}

/// The same by that server's port and by what signed its certificate.
pub fn connect_at(session: &Arc<Session>, lab: &Lab, port: u16, ca_file: &Path, connectors: &[&str]) -> Value {
    session
        .set_secret("directoryPassword", lab.password.as_bytes())
        .expect("a secret");
    let request = json!({
        "servers": [format!("{}:{port}", lab.host)], "user": lab.administrator, "caFile": ca_file,
        "dnsServer": lab.dns_server, "timeoutSeconds": 5, "sysvol": lab.sysvol, "connectors": connectors,
    });
    let request = serde_json::from_value(request).expect("the request is good");
    let runtime = entra_sspr::task::runtime().expect("a runtime");
    let connected = runtime.block_on(session.connect_directory(request));
    connected.expect("the server passes it on")
}

fn connect_by(session: &Arc<Session>, lab: &Lab, user: &str, dns_server: &str, connectors: &[&str]) -> Value {
    session
        .set_secret("directoryPassword", lab.password.as_bytes())
        .expect("a secret");
    // Each controller has made its own.
    let authorities: String = Lab::all()
        .iter()
        .map(|lab| fs::read_to_string(&lab.ca_file).unwrap())
        .collect();
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    fs::write(ca_file.path(), authorities).unwrap();
    let (_, ca_file) = ca_file.keep().unwrap();
    let request = json!({
        "domain": lab.domain, "user": user, "caFile": ca_file, "dnsServer": dns_server,
        "timeoutSeconds": 5, "sysvol": lab.sysvol, "connectors": connectors,
    });
    let request = serde_json::from_value(request).expect("the request is good");
    let runtime = entra_sspr::task::runtime().expect("a runtime");
    runtime
        .block_on(session.connect_directory(request))
        .expect("the controller lets the administrator in")
}

fn judged(session: &Arc<Session>) -> Value {
    check(session, json!({"steps": STEPS}))
}

/// What was read of the parent is judged as ever.
fn parent_is_judged(readiness: &Value) {
    let title = |id: &str| finding(readiness, id)["title"].as_str().unwrap_or_default().to_string();
    assert!(title("service_account.found").contains("EXAMPLE\\MSOL_16fb75d0227d"));
    assert!(title("directory_permissions.inheritance").contains("refused: inheritance is off on OU=Sales,OU=Staff"));
    // Of the child nobody knows.
    assert_eq!(
        finding(readiness, "directory_permissions.unexpire")["status"],
        "Skipped"
    );
}

/// The lab's DNS server, but for one host, which is where nothing listens.
fn dns_without(host: &'static str, server: SocketAddr) -> SocketAddr {
    let runtime = entra_sspr::task::runtime().expect("a runtime");
    let socket = runtime.block_on(UdpSocket::bind("127.0.0.1:0")).unwrap();
    let address = socket.local_addr().unwrap();
    runtime.spawn(async move {
        let mut bytes = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            let asked = Packet::parse(&bytes[..length]).unwrap();
            let name = asked.questions[0].qname.clone();
            let answer = if name.to_string().eq_ignore_ascii_case(host) {
                let mut packet = Packet::new_reply(asked.id());
                let nowhere = A::from(Ipv4Addr::new(127, 0, 0, 99));
                packet
                    .answers
                    .push(ResourceRecord::new(name, CLASS::IN, 60, RData::A(nowhere)));
                packet.build_bytes_vec().unwrap()
            } else {
                let onward = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                onward.send_to(&bytes[..length], server).await.unwrap();
                let mut answer = vec![0; 4096];
                let length = onward.recv(&mut answer).await.unwrap();
                answer[..length].to_vec()
            };
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

#[test]
#[ignore = "needs the directory lab"]
fn a_child_whose_controller_is_down_is_named_and_the_rest_is_judged() {
    let lab = Lab::all().remove(0);
    let dns = dns_without("dc2.child.example.test", lab.dns_server.parse().unwrap());
    let session = open(&json!({}));
    connect(&session, &lab, &dns.to_string(), &[]);
    let readiness = judged(&session);
    parent_is_judged(&readiness);
    let coverage = finding(&readiness, "service_account.coverage");
    assert_eq!(coverage["title"], "child.example.test could not be read");
    let reason = coverage["reason"].as_str().unwrap();
    assert!(
        reason.contains("dc2.child.example.test could not be reached"),
        "{reason}"
    );
}

/// All processes that a process has started, and it.
fn family(process: u32) -> Vec<u32> {
    let below = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let below = below.split_whitespace().filter_map(|pid| pid.parse().ok());
    below.flat_map(family).chain([process]).collect()
}

/// A controller that takes connections and says nothing, until this is dropped.
struct Silent(Vec<u32>);

impl Silent {
    fn signal(&self, name: &str) {
        for process in &self.0 {
            let status = std::process::Command::new("kill")
                .args([name, &process.to_string()])
                .status();
            // One that served a connection may have ended.
            status.expect("there is a kill");
        }
    }

    fn new(lab: &Lab) -> Silent {
        let silent = Silent(family(lab.process));
        assert!(silent.0.len() > 2, "a controller is several processes");
        silent.signal("-STOP");
        silent
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

#[test]
#[ignore = "needs the directory lab"]
fn a_child_whose_controller_falls_silent_is_named_and_the_rest_is_judged() {
    let all = Lab::all();
    let session = open(&json!({}));
    for lab in &all[..2] {
        connect(&session, lab, &lab.dns_server, &[]);
    }
    let whole = judged(&session);
    assert_eq!(finding(&whole, "service_account.coverage")["title"], "2 domains read");
    let readiness = {
        let _silent = Silent::new(&all[1]);
        judged(&session)
    };
    parent_is_judged(&readiness);
    let coverage = finding(&readiness, "service_account.coverage");
    assert_eq!(coverage["title"], "child.example.test could not be read");
    // It is as before when the controller is.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        finding(&judged(&session), "service_account.coverage")["title"],
        "2 domains read"
    );
}

/// The lab's domains do not trust each other: the child knows no account of the parent.
#[test]
#[ignore = "needs the directory lab"]
fn a_child_that_refuses_the_sign_in_is_named_with_what_to_do() {
    let lab = Lab::all().remove(0);
    let session = open(&json!({}));
    connect(&session, &lab, &lab.dns_server, &[]);
    let readiness = judged(&session);
    parent_is_judged(&readiness);
    let coverage = finding(&readiness, "service_account.coverage");
    assert_eq!(coverage["title"], "child.example.test could not be read");
    let reason = coverage["reason"].as_str().unwrap();
    assert!(
        reason.contains("child.example.test: the directory refused the sign-in of EXAMPLE\\Administrator"),
        "{reason}"
    );
    let command = coverage["remediation"]["command"].as_str().unwrap();
    assert_eq!(
        command,
        "Connect-SsprDirectory -Domain child.example.test -Credential (Get-Credential)"
    );
    let unexpire = finding(&readiness, "directory_permissions.unexpire")["reason"]
        .as_str()
        .unwrap()
        .to_string();
    assert!(
        unexpire.contains("child.example.test: the directory refused the sign-in") && unexpire.contains(command),
        "{unexpire}"
    );
}

/// The connector account of the child has rights on AdminSDHolder, that of the parent has none.
#[test]
#[ignore = "needs the directory lab"]
fn what_adminsdholder_grants_is_told_of_each_account() {
    let all = Lab::all();
    let session = open(&json!({}));
    for lab in &all[..2] {
        connect(&session, lab, &lab.dns_server, &[]);
    }
    let readiness = judged(&session);
    let administrators = finding(&readiness, "directory_permissions.administrators");
    assert_eq!(
        (&administrators["status"], &administrators["severity"]),
        (&json!("Warn"), &json!("Low"))
    );
    assert_eq!(
        administrators["title"],
        "CHILD\\MSOL_cccccccccccc may reset administrators of child.example.test: AdminSDHolder grants it Reset Password"
    );
    let seen: Vec<&str> = administrators["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|evidence| evidence["seen"].as_str())
        .collect();
    for told in [
        "example.test: AdminSDHolder itself does not grant EXAMPLE\\MSOL_16fb75d0227d Reset Password (no entry grants it), Write lockoutTime (no entry grants it), Write pwdLastSet (no entry grants it)",
        "child.example.test: AdminSDHolder itself grants CHILD\\MSOL_cccccccccccc Reset Password (allowed to CHILD\\MSOL_cccccccccccc (explicit)), Write lockoutTime (allowed to CHILD\\MSOL_cccccccccccc (explicit)), and does not grant Write pwdLastSet (no entry grants it)",
    ] {
        assert!(seen.contains(&told), "{seen:#?}");
    }
    // Who is protected cannot be reset all the same.
    assert!(administrators["affected"]["count"].as_u64() > Some(0));
}

/// Without TLS there is Kerberos or nothing.
#[test]
fn a_password_is_sent_over_tls_only() {
    let session = open(&json!({}));
    session
        .set_secret("directoryPassword", b"canary-7f3a")
        .expect("a secret");
    let request = json!({"servers": ["127.0.0.1:1"], "user": "X\\u", "tls": "None"});
    let request = serde_json::from_value(request).expect("the request is good");
    let runtime = entra_sspr::task::runtime().expect("a runtime");
    let error = runtime.block_on(session.connect_directory(request)).unwrap_err();
    assert_eq!(error.status, entra_sspr::status::Status::ArgumentInvalid);
    assert_eq!(error.message, "a password is sent over TLS only");
}
