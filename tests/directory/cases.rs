//! The cases of the lab's data files, each held against what the controller does.

use crate::{Lab, ROOT, lets, token, users};
use entra_sspr::directory::access::{Object, Token};
use entra_sspr::directory::connector;
use entra_sspr::directory::containers::Containers;
use entra_sspr::directory::descriptor::Descriptor;
use entra_sspr::directory::ldap::{Connection, Depth, Entry};
use entra_sspr::directory::names::Names;
use entra_sspr::directory::password_policy::{self, now};
use entra_sspr::directory::rights::{INET_ORG_PERSON, RESET_PASSWORD, USER, WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET};
use entra_sspr::directory::scan::{self, Policies, Task};
use entra_sspr::directory::sid::Sid;
use entra_sspr::directory::token::Member;

const CHILD: &str = "DC=child,DC=example,DC=test";

/// Whether an account may reset a user, write its lockoutTime and its pwdLastSet, by our evaluation; and whether the
/// controller lets it.
async fn both(admin: &mut Connection, token: &Token, own: &mut Connection, dn: &str) -> ([bool; 3], [bool; 3]) {
    let attributes = ["nTSecurityDescriptor", "objectClass", "objectSid"];
    let user = admin.read(dn, &attributes).await.unwrap().unwrap();
    let external = user.values("objectClass").any(|class| class == b"inetOrgPerson");
    let object = Object {
        descriptor: Descriptor::read(user.value("nTSecurityDescriptor").unwrap()).unwrap(),
        class: if external { INET_ORG_PERSON } else { USER },
        sid: Sid::read(user.value("objectSid").unwrap()),
    };
    let wants = [RESET_PASSWORD, WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET].map(|right| right.want);
    let says = object.access(token, wants).map(|verdict| verdict.is_allowed());
    let password: Vec<u8> = "\"Case-Passw0rd-7!\""
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let does = [
        lets(own, dn, "unicodePwd", &password).await,
        lets(own, dn, "lockoutTime", b"0").await,
        lets(own, dn, "pwdLastSet", b"0").await,
    ];
    (says, does)
}

/// Express's grants, which name no attribute; and entries that deny, wherever they may stand.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn the_cases_come_to_what_the_controller_does() {
    let cases = [
        ("svc-express", "express1", [true, true, true]),
        // The right to reset is handed to the class user alone.
        ("svc-express", "expressx", [false, true, true]),
        ("svc-express", "staff1", [false, false, false]),
        // From the unit directly above only.
        ("svc-cases", "deny-above", [true, false, true]),
        ("svc-cases", "deny-farther", [true, true, true]),
        ("svc-cases", "deny-account", [false, true, true]),
        ("svc-cases", "deny-group", [true, false, true]),
        // Behind an entry that grants, against the order that is usual.
        ("svc-cases", "deny-behind", [true, true, true]),
        ("svc-cases", "deny-handed-on", [true, true, true]),
        ("svc-cases", "deny-set", [true, true, false]),
        ("svc-cases", "deny-all", [false, false, false]),
        ("svc-cases", "deny-other", [true, true, true]),
        ("svc-cases", "deny-stranger", [true, true, true]),
    ];
    let lab = Lab::all().remove(0);
    let mut admin = lab.open(&lab.administrator).await;
    for (account, name, expected) in cases {
        let mut found = users(&mut admin, &format!("(sAMAccountName={account})"), &["cn"]).await;
        let token = token(&mut admin, &found.remove(0).dn).await;
        let mut own = lab.open(&format!("EXAMPLE\\{account}")).await;
        let user = users(&mut admin, &format!("(sAMAccountName={name})"), &["cn"])
            .await
            .remove(0);
        let (says, does) = both(&mut admin, &token, &mut own, &user.dn).await;
        assert_eq!((says, does), (expected, expected), "{account} {name}");
    }
}

async fn of_child(connection: &mut Connection, name: &str) -> Entry {
    let filter = format!("(sAMAccountName={name})");
    let found = connection.list(CHILD, Depth::Subtree, &filter, &["objectSid"]).await;
    found.unwrap().remove(0)
}

async fn child() -> (Lab, Connection) {
    let lab = Lab::all().remove(1);
    let admin = lab.open(&lab.administrator).await;
    (lab, admin)
}

/// An account of Connect's that somebody has renamed, with Express's grants on the domain.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn a_renamed_account_is_found_by_its_description() {
    let (lab, mut admin) = child().await;
    let found = connector::find(&mut admin, CHILD, &[], &[]).await.unwrap();
    let renamed = found.iter().find(|account| account.name() == "sync.renamed").unwrap();
    assert_eq!(renamed.installation().unwrap().computer, "SYNC2");
    let member = Member::read(&mut admin, renamed.dn()).await.unwrap().unwrap();
    let token = member.token(&mut admin, CHILD).await.unwrap();
    let mut own = lab.open("CHILD\\sync.renamed").await;
    let user = of_child(&mut admin, "child1").await;
    assert_eq!(
        both(&mut admin, &token, &mut own, &user.dn).await,
        ([true; 3], [true; 3])
    );
}

/// The groups that every domain has are called otherwise in a domain that was set up in another language.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn groups_of_another_language_are_known_by_their_numbers() {
    let (lab, mut admin) = child().await;
    let account = of_child(&mut admin, "verwalter").await;
    let member = Member::read(&mut admin, &account.dn).await.unwrap().unwrap();
    let privileged = connector::privileged(&member.groups);
    let mut names = Names::default();
    names.learn(&mut admin, "CHILD", privileged.clone()).await;
    let mut named: Vec<String> = privileged.iter().map(|sid| names.get(sid)).collect();
    named.sort_unstable();
    assert_eq!(named, ["Administratoren", "CHILD\\Dom\u{e4}nen-Admins"]);
    // And are what they were to the controller.
    let token = member.token(&mut admin, CHILD).await.unwrap();
    let mut own = lab.open("CHILD\\verwalter").await;
    let user = of_child(&mut admin, "child2").await;
    assert_eq!(
        both(&mut admin, &token, &mut own, &user.dn).await,
        ([true; 3], [true; 3])
    );
}

/// A policy of the user's own counts before one of a group, whatever their precedence.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn a_policy_of_a_user_s_own_wins_over_one_of_a_group() {
    let (lab, mut admin) = child().await;
    let fine = password_policy::fine_grained(&mut admin, CHILD).await.unwrap().unwrap();
    let named: Vec<&str> = fine.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(named, ["Of a group", "Of a user"], "by precedence");
    let containers = Containers::read(&mut admin, CHILD, &[]).await.unwrap();
    let ages = Policies {
        domain: None,
        policies: fine.iter().map(|fine| (fine.dn.to_lowercase(), fine.policy)).collect(),
        now: now(),
    };
    let task = Task {
        root: CHILD,
        containers: &containers,
        tokens: &[],
        ages: &ages,
        affected: None,
    };
    let (found, end) = scan::scan(task, &lab.login(&lab.administrator), 1).await;
    end.unwrap();
    let users = |at: usize| found.ages.get(&fine[at].dn.to_lowercase()).map_or(0, |ages| ages.users);
    assert_eq!((users(0), users(1)), (0, 1));
    // Which the controller works out.
    let dora = of_child(&mut admin, "direct.dora").await;
    let dora = admin.read(&dora.dn, &["msDS-ResultantPSO"]).await.unwrap().unwrap();
    assert_eq!(dora.text("msDS-ResultantPSO"), Some(fine[1].dn.as_str()));
}

/// Links as Active Directory keeps them. (Samba applies no group policy to the domain: what wins is the published order.)
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn an_enforced_link_wins_and_a_blocked_unit_is_seen() {
    let lab = Lab::all().remove(0);
    let mut admin = lab.open(&lab.administrator).await;
    let (links, blocks) = password_policy::links_of(&mut admin, &format!("OU=Blocked,{ROOT}"))
        .await
        .unwrap();
    assert!(blocks);
    let mut won = Vec::new();
    for link in links {
        let enforced = link.enforced;
        let object = password_policy::linked(&mut admin, link).await.unwrap().unwrap();
        won.push((object.name, enforced));
    }
    let expected = [
        ("Enforced there", true),
        ("Of one unit too", false),
        ("Of one unit", false),
    ];
    assert_eq!(won, expected.map(|(name, enforced)| (name.to_string(), enforced)));
    let (_, blocks) = password_policy::links_of(&mut admin, &format!("OU=Staff,{ROOT}"))
        .await
        .unwrap();
    assert!(!blocks);
}
