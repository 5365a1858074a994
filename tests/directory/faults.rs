//! What goes wrong between the library and a controller.

use crate::wire::{Answer, Asked, Server, done, entry, page, reference, referral};
use crate::{Lab, ROOT, sid_of, token, users};
use entra_sspr::directory::access::Token;
use entra_sspr::directory::containers::Containers;
use entra_sspr::directory::descriptor::{Acl, Descriptor, allowing, mask};
use entra_sspr::directory::forest::Login;
use entra_sspr::directory::ldap::{Connection, Depth, DirectoryError};
use entra_sspr::directory::scan::{self, Cause, Policies, Scan, USERS};
use entra_sspr::directory::sid::{Sid, SidBuf};
use entra_sspr::directory::token::Member;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What a scan without accounts comes to.
async fn scanned(login: &Login, containers: &Containers, tokens: &[Token]) -> (Scan, Result<(), DirectoryError>) {
    let task = scan::Task {
        root: ROOT,
        containers,
        tokens,
        ages: &Policies::default(),
        affected: None,
    };
    scan::scan(task, login, 1).await
}

fn anybody(n: usize) -> String {
    format!("CN=u{n:04},{ROOT}")
}

/// Some users of a server of our own.
fn some(from: usize, count: usize) -> Vec<Answer> {
    let control = |_| ("userAccountControl", vec![b"512".to_vec()]);
    let one = |n| entry(&anybody(n), &[control(n)]);
    (from..from + count).map(one).collect()
}

/// A server of our own, signed in to.
async fn server(answers: impl Fn(&Asked) -> Vec<Answer> + Send + Sync + 'static) -> (Server, Connection) {
    let server = Server::start(answers).await;
    let connection = server.login("x", "x").open().await.unwrap();
    (server, connection)
}

#[tokio::test]
#[ignore = "needs the directory lab"]
async fn a_sign_in_that_is_refused_is_told_by_its_reason() {
    let lab = Lab::all().remove(0);
    for (user, why) in [
        ("EXAMPLE\\expired.eve", "the account has expired"),
        ("EXAMPLE\\stale.sam", "the account's password has expired"),
        ("EXAMPLE\\fresh.fran", "the account's password must be changed first"),
        ("EXAMPLE\\disabled.dee", "the account is disabled"),
        ("EXAMPLE\\nobody", "the user or the password is wrong"),
    ] {
        let error = lab.login(user).open().await.unwrap_err();
        assert_eq!(error.sign_in_refusal(), Some(why), "{user}: {error}");
        let told = entra_sspr::session::directory::error(&error);
        assert_eq!(told.message, format!("the directory refused the sign-in: {why}"));
    }
}

/// A real controller is asked for a further page with a cookie that it does not know.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn a_part_whose_cookie_is_refused_is_begun_anew() {
    let lab = Lab::all().remove(0);
    let mut admin = lab.open(&lab.administrator).await;
    let containers = Containers::read(&mut admin, ROOT, &[]).await.unwrap();
    let (undisturbed, end) = scanned(&lab.login(&lab.administrator), &containers, &[]).await;
    end.unwrap();
    // The third further page, once; then each one.
    for (once, tries) in [(true, 2), (false, 3)] {
        let first = Arc::new(Mutex::new(HashMap::<Vec<u8>, usize>::new()));
        let (seen, begun) = (AtomicUsize::new(0), Arc::clone(&first));
        let server = Server::before(&lab, move |asked| {
            let is_scan = asked.has("userAccountControl");
            let mut kept = asked.clone();
            if is_scan && kept.spoil_cookie() {
                let n = seen.fetch_add(1, Ordering::Relaxed);
                if n == 2 || n > 2 && !once {
                    *asked = kept;
                }
            } else if is_scan {
                *begun.lock().unwrap().entry(asked.what().to_vec()).or_default() += 1;
            }
        })
        .await;
        let mut login = server.login(&lab.administrator, &lab.password);
        login.options.page_size = 10;
        let (found, end) = scanned(&login, &containers, &[]).await;
        let most = first.lock().unwrap().values().copied().max();
        assert_eq!(most, Some(tries), "so often it is begun");
        if once {
            end.unwrap();
            assert_eq!(
                found.users, undisturbed.users,
                "nobody is counted twice, and none is left out"
            );
            assert_eq!(found.disabled, undisturbed.disabled);
        } else {
            let error = end.unwrap_err();
            assert!(matches!(error, DirectoryError::BrokenOff { .. }), "{error:?}");
            assert!(error.to_string().contains("between two pages"), "{error}");
            assert!(found.users < undisturbed.users, "what was read of a part is not kept");
        }
    }
}

/// The same from a server that refuses as Active Directory does: with its own code for it.
#[tokio::test]
async fn a_list_whose_cookie_is_refused_is_begun_anew() {
    for (refusals, code) in [(1, 12), (2, 53), (2, 1), (3, 12)] {
        let count = AtomicUsize::new(0);
        let (_server, mut connection) = server(move |asked| match asked.has("cookie-1") {
            false => [some(0, 3), vec![page("cookie-1")]].concat(),
            true if count.fetch_add(1, Ordering::Relaxed) < refusals => {
                vec![done(
                    code,
                    "00000057: LdapErr: DSID-0C090A2F, comment: Error processing control\0",
                )]
            }
            true => [some(3, 2), vec![page("")]].concat(),
        })
        .await;
        let found = connection
            .list(ROOT, Depth::Subtree, USERS, &["userAccountControl"])
            .await;
        if refusals < 3 {
            let names: Vec<String> = found.unwrap().into_iter().map(|entry| entry.dn).collect();
            assert_eq!(names, (0..5).map(anybody).collect::<Vec<_>>());
        } else {
            let error = found.unwrap_err().to_string();
            assert!(
                error.ends_with("with result 12: 00000057: LdapErr: DSID-0C090A2F, comment: Error processing control"),
                "{error}"
            );
        }
    }
}

/// A refusal of the whole request is no page that was forgotten.
#[tokio::test]
async fn a_list_that_is_refused_at_once_is_not_begun_anew() {
    let count = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&count);
    let (_server, mut connection) = server(move |_| {
        asked.fetch_add(1, Ordering::Relaxed);
        vec![done(53, "no")]
    })
    .await;
    let error = connection.list(ROOT, Depth::Subtree, USERS, &[]).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Refused { code: 53, .. }), "{error:?}");
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_list_that_is_cut_at_the_controller_s_limit_is_not_the_whole() {
    let containers = Containers::default();
    let (server, mut connection) = server(|_| [some(0, 3), vec![done(4, "")]].concat()).await;
    let error = connection.list(ROOT, Depth::Subtree, USERS, &[]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the domain controller refused with result 4 (that is more than it gives out)"
    );
    let (found, end) = scanned(&server.login("x", "x"), &containers, &[]).await;
    assert!(matches!(end, Err(DirectoryError::Refused { code: 4, .. })), "{end:?}");
    assert_eq!(found.users, 0, "what was read of a part is not kept");
}

/// Wherever a controller refers to, nobody goes there.
#[tokio::test]
async fn a_referral_is_told_and_not_followed() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("ldap://{}/DC=elsewhere,DC=test", elsewhere.local_addr().unwrap());
    let (to, further) = (url.clone(), url.clone());
    let (_server, mut connection) = server(move |asked| match asked.has("elsewhere") {
        true => vec![referral(&to)],
        false => [some(0, 2), vec![reference(&further)], some(2, 1), vec![page("")]].concat(),
    })
    .await;
    let found = connection.list(ROOT, Depth::Subtree, USERS, &[]).await.unwrap();
    assert_eq!(found.len(), 3, "what stands here comes all the same");
    assert_eq!(connection.references().iter().collect::<Vec<_>>(), [&url]);
    let error = connection.read("DC=elsewhere,DC=test", &["cn"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the domain controller dc9.example.test referred to {url}, which is not followed")
    );
    let status = entra_sspr::session::directory::error(&error).status;
    assert_eq!(status, entra_sspr::status::Status::DirectoryRefused);
    assert!(elsewhere.accept().is_err(), "nobody came");
}

/// A real controller refers to the forest's other naming contexts. (For what is of none, Samba says that it is not there.)
#[tokio::test]
#[ignore = "needs the directory lab"]
async fn a_controller_s_own_references_are_kept() {
    let lab = Lab::all().remove(0);
    let mut connection = lab.open(&lab.administrator).await;
    users(&mut connection, USERS, &["cn"]).await;
    let references = connection.references();
    let configuration = "ldaps://example.test/CN=Configuration,DC=example,DC=test";
    assert!(references.contains(configuration), "{references:?}");
}

/// Who may not read a descriptor cannot say who is refused.
#[tokio::test]
#[ignore = "needs the directory lab"]
async fn a_descriptor_that_may_not_be_read_is_no_verdict() {
    let lab = Lab::all().remove(0);
    let mut admin = lab.open(&lab.administrator).await;
    let hidden = users(&mut admin, "(sAMAccountName=hidden.hank)", &["nTSecurityDescriptor"]).await;
    assert!(hidden[0].value("nTSecurityDescriptor").is_some());
    let account = users(&mut admin, "(sAMAccountName=MSOL_16fb75d0227d)", &["objectSid"]).await;
    let connector = token(&mut admin, &account[0].dn).await;
    let tokens = [connector];
    let containers = Containers::read(&mut admin, ROOT, &tokens).await.unwrap();
    // The reader is denied to read its permissions.
    let (found, end) = scanned(&lab.login("EXAMPLE\\svc-trial"), &containers, &tokens).await;
    end.unwrap();
    let unread = &found.refused[0][&Cause::Unreadable];
    assert_eq!(
        (unread.count, unread.sample.as_slice()),
        (1, [hidden[0].dn.clone()].as_slice())
    );
}

/// The longest value that the schema allows for a descriptor.
const LONGEST: usize = 132_096;

/// A descriptor whose two lists are as long as lists can be, with room behind them; its last entry grants an account
/// everything.
fn longest(account: Sid<'_>) -> Vec<u8> {
    let list = |last: &[u8]| {
        let everyone: SidBuf = "S-1-1-0".parse().unwrap();
        let entry = allowing(0, mask::READ_PROPERTY, None, None, everyone.sid());
        let count = (0xfffc - 8 - last.len()) / entry.len();
        let entries = [entry.repeat(count), last.to_vec()].concat();
        let (size, count) = (entries.len() as u16 + 8, count as u16 + u16::from(!last.is_empty()));
        [
            &[4, 0][..],
            &size.to_le_bytes(),
            &count.to_le_bytes(),
            &[0, 0],
            &entries,
        ]
        .concat()
    };
    let owner: SidBuf = "S-1-5-32-544".parse().unwrap();
    let owner = owner.sid().bytes();
    let (audited, granted) = (list(&[]), list(&allowing(0, mask::GENERIC_ALL, None, None, account)));
    // Both lists are present, and the parts stand behind the header.
    let mut bytes = vec![1, 0, 0x14, 0x80];
    let lists = 20 + 2 * owner.len();
    for at in [20, 20 + owner.len(), lists, lists + audited.len()] {
        bytes.extend(u32::try_from(at).unwrap().to_le_bytes());
    }
    [bytes, owner.to_vec(), owner.to_vec(), audited, granted].concat()
}

/// No controller gives the audited list to whoever has no right to it, so it comes from a server of our own.
#[tokio::test]
async fn the_longest_descriptor_is_read() {
    let account: SidBuf = "S-1-5-21-1-2-3-1104".parse().unwrap();
    let parts = longest(account.sid());
    let mut given = parts.clone();
    assert!(given.len() > 131_000, "{}", given.len());
    given.resize(LONGEST, 0);
    let sent = given.clone();
    let (server, mut connection) = server(move |_| {
        let attributes = [
            ("nTSecurityDescriptor", vec![sent.clone()]),
            ("userAccountControl", vec![b"512".to_vec()]),
        ];
        vec![entry(&anybody(0), &attributes), page("")]
    })
    .await;
    let read = connection.read(&anybody(0), &["nTSecurityDescriptor"]).await.unwrap();
    let read = read.unwrap();
    let bytes = read.value("nTSecurityDescriptor").unwrap();
    assert_eq!(bytes, given);
    assert_eq!(Descriptor::read(bytes).unwrap().to_bytes(), parts);
    for (token, refused) in [(account, 0), ("S-1-5-21-1-2-3-1105".parse().unwrap(), 1)] {
        let token: Token = [token].into_iter().collect();
        let (found, end) = scanned(&server.login("x", "x"), &Containers::default(), &[token]).await;
        end.unwrap();
        assert_eq!((found.users, found.refused[0].len()), (1, refused));
    }
}

/// The longest list that a real controller keeps: one of 64 KB.
#[tokio::test]
#[ignore = "needs the directory lab"]
async fn the_longest_list_of_a_real_controller_is_read() {
    let lab = Lab::all().remove(0);
    let mut admin = lab.open(&lab.administrator).await;
    let user = users(&mut admin, "(sAMAccountName=heavy.hal)", &["nTSecurityDescriptor"])
        .await
        .remove(0);
    let before = user.value("nTSecurityDescriptor").unwrap();
    let now = Descriptor::read(before).unwrap();
    let others = sid_of(&mut admin, "Trial Others").await;
    let entries: Vec<u8> = now.dacl().unwrap().aces().flat_map(|ace| ace.bytes.to_vec()).collect();
    let one = allowing(0, mask::READ_PROPERTY, None, None, others.sid());
    let more = (0xfffc - 8 - entries.len()) / one.len();
    let count = now.dacl().unwrap().aces().count() + more;
    let entries = [one.repeat(more), entries].concat();
    let new = now.with_dacl(Acl::of(count.try_into().unwrap(), &entries).unwrap());
    admin.replace(&user.dn, "nTSecurityDescriptor", &[&new]).await.unwrap();
    let read = admin.read(&user.dn, &["nTSecurityDescriptor"]).await.unwrap().unwrap();
    let bytes = read.value("nTSecurityDescriptor").unwrap();
    assert!(bytes.len() > 0xff00, "{}", bytes.len());
    assert_eq!(Descriptor::read(bytes).unwrap().to_bytes(), bytes);
    let back = now.to_bytes();
    admin.replace(&user.dn, "nTSecurityDescriptor", &[&back]).await.unwrap();
}

/// An account in 1,000 groups, which are all in one of 1,600 members.
#[tokio::test]
#[ignore = "needs the directory lab"]
async fn an_account_in_a_thousand_groups_is_in_each_of_them() {
    let lab = Lab::all().remove(0);
    let mut admin = lab.open(&lab.administrator).await;
    let account = users(&mut admin, "(sAMAccountName=many.mo)", &["objectSid"])
        .await
        .remove(0);
    let member = Member::read(&mut admin, &account.dn).await.unwrap().unwrap();
    // The thousand, the one that they are in, Domain Users, Users.
    assert!(member.groups.len() >= 1_002, "{}", member.groups.len());
    let token = member.token(&mut admin, ROOT).await.unwrap();
    for name in ["Many 1", "Many 1000", "Large", "Domain Users", "many.mo"] {
        assert!(token.holds(sid_of(&mut admin, name).await.sid()), "{name}");
    }
    assert!(!token.holds(sid_of(&mut admin, "More 1").await.sid()));
}

/// Ranges of values, asked for by name: the controller gives some, and the rest is read too.
#[tokio::test]
#[ignore = "needs the directory lab"]
async fn a_group_of_many_members_is_read_whole() {
    let lab = Lab::all().remove(0);
    let mut admin = lab.open(&lab.administrator).await;
    let group = users(&mut admin, "(sAMAccountName=Large)", &["cn"]).await.remove(0);
    for asked in ["member", "member;range=0-999", "member;range=0-1498"] {
        let read = admin.read(&group.dn, &[asked]).await.unwrap().unwrap();
        let mut members: Vec<&[u8]> = read.values("member").collect();
        assert_eq!(members.len(), 1_600, "{asked}");
        members.sort_unstable();
        members.dedup();
        assert_eq!(members.len(), 1_600, "{asked}");
        let listed = users(&mut admin, "(sAMAccountName=Large)", &[asked]).await.remove(0);
        assert_eq!(listed.values("member").len(), 1_600, "{asked}");
    }
}

/// The same as Active Directory gives them, which names the attribute twice and never more than 1,500 values at once.
#[tokio::test]
async fn values_that_come_in_ranges_are_read_to_their_end() {
    let values = |from: usize, to: usize| (from..to).map(|n| format!("CN=m{n}").into_bytes()).collect::<Vec<_>>();
    let (server, mut connection) = server(move |asked| {
        let ranges: &[(&str, Vec<Vec<u8>>)] = match () {
            () if asked.has("member;range=1500-*") => {
                &[("member", vec![]), ("member;range=1500-2999", values(1500, 3000))]
            }
            () if asked.has("member;range=3000-*") => &[("member;range=3000-*", values(3000, 3200))],
            () if asked.has("stuck;range=1500-*") => &[("stuck", vec![])],
            () => &[
                ("member", vec![]),
                ("member;range=0-1499", values(0, 1500)),
                ("cn", vec![b"Large".to_vec()]),
            ],
        };
        let mut all = vec![entry("CN=Large", ranges)];
        if asked.has("stuck") && !asked.has("range") {
            all = vec![entry("CN=Large", &[("stuck;range=0-1499", values(0, 1500))])];
        }
        [all, vec![page("")]].concat()
    })
    .await;
    let read = connection.read("CN=Large", &["member", "cn"]).await.unwrap().unwrap();
    assert!(read.values("member").eq(values(0, 3200)));
    assert_eq!(read.text("cn"), Some("Large"));
    let listed = connection
        .list("DC=x", Depth::Subtree, "(cn=Large)", &["member"])
        .await
        .unwrap();
    assert_eq!(listed[0].values("member").len(), 3200);
    let error = connection.read("CN=Large", &["stuck"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the domain controller dc9.example.test gave only some of the values of stuck"
    );
    drop(server);
}
