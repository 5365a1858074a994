//! The directory's half against real domain controllers: `cargo xtask test --only directory` starts them. What these cannot be
//! brought to do is done by a server of our own, or by one that changes on the way what they are asked.

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod doom;
mod faults;
mod forest;
#[cfg(feature = "kerberos")]
mod kerberos;
mod plan;
mod probe;
mod user;
mod watch;
mod wire;

use entra_sspr::directory::access::{Object, Token};
use entra_sspr::directory::containers::Containers;
use entra_sspr::directory::descriptor::{Acl, Descriptor, allowing, flag, mask};
use entra_sspr::directory::forest::{Identity, Login};
use entra_sspr::directory::ldap::{Address, Connection, Depth, DirectoryError, Entry, Options, Protection};
use entra_sspr::directory::rights::{
    ACCOUNT_RESTRICTIONS, CHANGE_PASSWORD, DOMAIN_DNS, Guid, INET_ORG_PERSON, RESET_PASSWORD, UNEXPIRE_PASSWORD, USER,
    WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET, Want,
};
use entra_sspr::directory::scan::{self, Cause, Policies, Scan, Stop};
use entra_sspr::directory::sid::{Sid, SidBuf};
use entra_sspr::directory::token::Member;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const ROOT: &str = "DC=example,DC=test";

/// A controller of the lab.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lab {
    domain: String,
    host: String,
    address: String,
    dns_server: String,
    sysvol: PathBuf,
    ca_file: PathBuf,
    administrator: String,
    password: String,
    process: u32,
}

impl Lab {
    /// The controllers that the environment names.
    fn all() -> Vec<Lab> {
        let text = std::env::var("SSPR_LAB_DIRECTORY").expect("the suite names the controllers");
        serde_json::from_str(&text).unwrap()
    }

    fn login(&self, user: &str) -> Login {
        Login {
            servers: vec![Address {
                host: self.host.clone(),
                socket: Some(format!("{}:636", self.address).parse().unwrap()),
                port: None,
                protection: Protection::Ldaps,
            }],
            identity: Identity::Password {
                user: user.into(),
                password: Arc::new(self.password.clone().into()),
            },
            options: Options {
                ca_file: Some(self.ca_file.clone()),
                timeout: Duration::from_secs(20),
                ..Options::default()
            },
        }
    }

    async fn open(&self, user: &str) -> Connection {
        self.login(user).open().await.unwrap()
    }
}

/// In an order that does not hang on how the domain was made.
async fn users(connection: &mut Connection, filter: &str, attributes: &[&str]) -> Vec<Entry> {
    let mut found = connection.list(ROOT, Depth::Subtree, filter, attributes).await.unwrap();
    found.sort_by(|a, b| a.dn.cmp(&b.dn));
    found
}

async fn sid_of(connection: &mut Connection, name: &str) -> SidBuf {
    let found = users(connection, &format!("(sAMAccountName={name})"), &["objectSid"]).await;
    Sid::read(found[0].value("objectSid").unwrap()).unwrap().keep()
}

/// The token that the controller makes of an account.
async fn token(connection: &mut Connection, dn: &str) -> Token {
    let member = Member::read(connection, dn).await.unwrap().unwrap();
    member.token(connection, ROOT).await.unwrap()
}

#[tokio::test]
#[ignore = "needs the directory lab"]
async fn every_descriptor_of_a_domain_is_written_as_it_was_read() {
    for (lab, root) in Lab::all().iter().zip([ROOT, "DC=child,DC=example,DC=test"]) {
        let mut connection = lab.open(&lab.administrator).await;
        let mut seen = 0;
        for base in [root.to_string(), format!("CN=Configuration,{root}")] {
            connection
                .search(
                    &base,
                    Depth::Subtree,
                    "(objectClass=*)",
                    &["nTSecurityDescriptor"],
                    |entry: &Entry| {
                        let bytes = entry.value("nTSecurityDescriptor").unwrap();
                        assert_eq!(Descriptor::read(bytes).unwrap().to_bytes(), bytes, "{}", entry.dn);
                        seen += 1;
                    },
                )
                .await
                .unwrap();
        }
        assert!(seen > 1_500, "{seen}");
    }
}

/// So many of the trustees are of everybody, or become the owner where they are inherited.
const BROAD: usize = 6;

/// Chooses entries at random, always the same for a seed.
struct Dice {
    rng: fastrand::Rng,
    trustees: Vec<SidBuf>,
}

impl Dice {
    fn any<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.rng.usize(..all.len())]
    }

    fn entry(&mut self) -> Vec<u8> {
        let wants = [RESET_PASSWORD, CHANGE_PASSWORD, WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET];
        let guids = wants.map(|right| match right.want {
            Want::ControlAccess(guid) => guid,
            Want::WriteProperty { attribute, .. } => attribute,
            Want::ReadProperties => unreachable!("it has none"),
        });
        let others = [ACCOUNT_RESTRICTIONS, USER, INET_ORG_PERSON];
        let objects: Vec<Guid> = guids.into_iter().chain(others).collect();
        let some = |dice: &mut Dice, all: &[Guid]| dice.rng.bool().then(|| dice.any(all));
        let mut object = some(self, &objects);
        let inherited = some(self, &[USER, INET_ORG_PERSON]);
        let read = 0x10;
        let masks = [
            mask::CONTROL_ACCESS,
            mask::WRITE_PROPERTY,
            mask::WRITE_PROPERTY | read,
            mask::CONTROL_ACCESS | mask::WRITE_PROPERTY,
            read,
            mask::GENERIC_ALL,
        ];
        let at = self.rng.usize(..self.trustees.len());
        // The first are the administrator's SIDs too, who goes on reading and writing.
        let mask = if at < BROAD {
            self.any(&masks[..4]) & !read
        } else {
            self.any(&masks)
        };
        let flags = [
            0,
            flag::CONTAINER_INHERIT,
            flag::CONTAINER_INHERIT | flag::INHERIT_ONLY,
            flag::CONTAINER_INHERIT | flag::NO_PROPAGATE,
            flag::OBJECT_INHERIT,
            flag::INHERIT_ONLY,
        ];
        let flags = self.any(&flags);
        let denies = self.rng.bool();
        // The controller's one laxity (Samba): where such an entry grants control access without naming a right, it lets
        // an attribute be written too.
        let rights = mask & (mask::CONTROL_ACCESS | mask::GENERIC_ALL) != 0;
        if rights && !denies && (object.is_some() || inherited.is_some()) {
            object = Some(self.any(&guids[..2]));
        }
        let mut entry = allowing(
            flags,
            mask,
            object.as_ref(),
            inherited.as_ref(),
            self.trustees[at].sid(),
        );
        // From allow to deny.
        entry[0] += u8::from(denies);
        match self.rng.usize(..5) {
            0 => self.ignored(entry),
            _ => entry,
        }
    }

    /// The same as a kind that is kept and does nothing: an audit, an alarm, a label, or a grant with a condition that cannot
    /// be read. Denials with a condition (10 and 12) are left out: Samba denies by one that it cannot read, while the
    /// specification names no such kind among those that are weighed (MS-ADTS 5.1.3). All of them Samba stores in a DACL; a
    /// SACL is neither read by us nor weighed by anybody.
    fn ignored(&mut self, mut entry: Vec<u8>) -> Vec<u8> {
        let kinds: &[u8] = match entry[0] {
            0 => &[2, 3, 9, 13, 17],
            1 => &[2, 3, 13, 17],
            5 => &[7, 8, 11, 15],
            _ => &[7, 8, 15],
        };
        entry[0] = self.any(kinds);
        if (9..=16).contains(&entry[0]) {
            let behind: [&[u8]; 3] = [b"", b"artx", b"\x01\x02\x03\x04"];
            entry.extend(self.any(&behind));
        }
        let size = entry.len() as u16;
        entry[2..4].copy_from_slice(&size.to_le_bytes());
        entry
    }

    /// A list of some entries, behind which the administrators have all rights and everybody may look.
    fn list(&mut self) -> (u16, Vec<u8>) {
        let count = self.rng.u16(0..7);
        self.list_of(count)
    }

    fn list_of(&mut self, count: u16) -> (u16, Vec<u8>) {
        let mut bytes: Vec<u8> = (0..count).flat_map(|_| self.entry()).collect();
        let [administrators, everybody] = ["S-1-5-32-544", "S-1-5-11"].map(|sid| sid.parse::<SidBuf>().unwrap());
        bytes.extend(allowing(
            flag::CONTAINER_INHERIT,
            0x000f_00ff,
            None,
            None,
            administrators.sid(),
        ));
        // List, read properties, list object, read the descriptor.
        bytes.extend(allowing(
            flag::CONTAINER_INHERIT,
            0x0002_0094,
            None,
            None,
            everybody.sid(),
        ));
        (count + 2, bytes)
    }
}

/// Whether a controller lets an attribute be written; anything but yes and "insufficient access rights" is a fault.
async fn lets(connection: &mut Connection, dn: &str, attribute: &str, value: &[u8]) -> bool {
    match connection.replace(dn, attribute, &[value]).await {
        Ok(()) => true,
        Err(DirectoryError::Refused { code: 50, .. }) => false,
        Err(error) => panic!("{dn} {attribute}: {error}"),
    }
}

/// What the controller does when the connector account really tries is what its descriptors say. A group of the domain's own
/// in which Authenticated Users are is no trustee here: Samba looks for them in the groups of BUILTIN only.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn the_controller_does_what_the_evaluation_says() {
    let lists: usize = std::env::var("SSPR_ACCESS_LISTS").map_or(400, |text| text.parse().unwrap());
    let seed: u64 = std::env::var("SSPR_ACCESS_SEED").map_or(20_261_127, |text| text.parse().unwrap());
    let lab = Lab::all().remove(0);
    let mut admin = lab.open(&lab.administrator).await;
    let connector = users(&mut admin, "(sAMAccountName=svc-trial)", &["objectSid"])
        .await
        .remove(0);
    let token = token(&mut admin, &connector.dn).await;
    let mut connection = lab.open("EXAMPLE\\svc-trial").await;
    let mut trustees = vec![sid_of(&mut admin, "Domain Users").await];
    trustees.extend(["S-1-1-0", "S-1-5-11", "S-1-5-10", "S-1-3-0"].map(|sid| sid.parse::<SidBuf>().unwrap()));
    // Pre-Windows 2000 Compatible Access, in which Authenticated Users are, who are of no domain.
    trustees.push("S-1-5-32-554".parse().unwrap());
    // Somebody of another forest.
    trustees.push("S-1-5-21-9-9-9-1105".parse().unwrap());
    for name in [
        "svc-trial",
        "svc-trial",
        "Trial Direct",
        "Trial Nested",
        "Trial Local",
        "Trial Others",
        "staff1",
    ] {
        trustees.push(sid_of(&mut admin, name).await);
    }
    let mut dice = Dice {
        rng: fastrand::Rng::with_seed(seed),
        trustees,
    };
    let people = users(
        &mut admin,
        "(&(objectCategory=person)(sAMAccountName=trial*))",
        &["objectClass"],
    )
    .await;
    let units = users(&mut admin, "(&(objectClass=organizationalUnit)(ou=Trial*))", &["ou"]).await;
    assert_eq!((people.len(), units.len()), (12, 3));
    let (mut tried, mut granted) = (0, 0);
    for round in 0..lists {
        // A list on the user, and every few rounds others on the units above.
        let dn = &people[round % people.len()].dn;
        let mut places = vec![dn];
        if round == 0 {
            // What other runs have left.
            places.extend(units.iter().chain(&people).map(|place| &place.dn));
        } else if round % 4 == 0 {
            places.push(&units[dice.rng.usize(..units.len())].dn);
        }
        for place in places {
            let now = admin.read(place, &["nTSecurityDescriptor"]).await.unwrap().unwrap();
            let now = Descriptor::read(now.value("nTSecurityDescriptor").unwrap()).unwrap();
            let (count, bytes) = if round == 0 { dice.list_of(0) } else { dice.list() };
            let mut new = now.with_dacl(Acl::of(count, &bytes).unwrap());
            // Whether it takes what its parent hands down (SE_DACL_PROTECTED).
            new[3] &= !0x10;
            new[3] |= [0, 0, 0, 0x10][dice.rng.usize(..4)];
            admin.replace(place, "nTSecurityDescriptor", &[&new]).await.unwrap();
        }
        let user = admin
            .read(dn, &["nTSecurityDescriptor", "objectClass", "objectSid"])
            .await
            .unwrap()
            .unwrap();
        let external = user.values("objectClass").any(|class| class == b"inetOrgPerson");
        let object = Object {
            descriptor: Descriptor::read(user.value("nTSecurityDescriptor").unwrap()).unwrap(),
            class: if external { INET_ORG_PERSON } else { USER },
            sid: Sid::read(user.value("objectSid").unwrap()),
        };
        let verdicts = object.access(
            &token,
            [RESET_PASSWORD.want, WRITE_LOCKOUT_TIME.want, WRITE_PWD_LAST_SET.want],
        );
        let password: Vec<u8> = format!("\"Trial-{round}-Passw0rd!\"")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let tries = [
            ("unicodePwd", password.as_slice()),
            ("lockoutTime", b"0"),
            ("pwdLastSet", b"0"),
        ];
        for ((attribute, value), verdict) in tries.into_iter().zip(verdicts) {
            let did = lets(&mut connection, dn, attribute, value).await;
            assert_eq!(
                did,
                verdict.is_allowed(),
                "round {round}: {attribute} of {dn}: {verdict:?}\n{:#?}",
                object.descriptor.dacl().unwrap().aces().collect::<Vec<_>>()
            );
            tried += 1;
            granted += usize::from(did);
        }
    }
    assert!(
        granted * 10 > tried && granted * 10 < tried * 9,
        "{granted} of {tried} were granted: too few of one kind"
    );
    println!("{tried} tries, {granted} granted, no disagreement");
}

/// Unexpire Password is weighed on the domain's root, and tried by writing -1 to a user's `pwdLastSet`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn the_root_decides_whether_a_password_may_be_unexpired() {
    let lab = Lab::all().remove(0);
    let mut admin = lab.open(&lab.administrator).await;
    let account = users(&mut admin, "(sAMAccountName=svc-trial)", &["objectSid"])
        .await
        .remove(0);
    let token = token(&mut admin, &account.dn).await;
    let mut connection = lab.open("EXAMPLE\\svc-trial").await;
    let own = Sid::read(account.value("objectSid").unwrap()).unwrap();
    // One user whose attribute the account may write, whatever the root says.
    let user = users(&mut admin, "(sAMAccountName=trial0-1)", &["nTSecurityDescriptor"])
        .await
        .remove(0);
    let now = Descriptor::read(user.value("nTSecurityDescriptor").unwrap()).unwrap();
    let grant = [allowing(0, mask::WRITE_PROPERTY, None, None, own), entries(&now)].concat();
    let count = now.dacl().unwrap().aces().count() as u16 + 1;
    let new = now.with_dacl(Acl::of(count, &grant).unwrap());
    admin.replace(&user.dn, "nTSecurityDescriptor", &[&new]).await.unwrap();

    let root = admin.read(ROOT, &["nTSecurityDescriptor"]).await.unwrap().unwrap();
    let before = root.value("nTSecurityDescriptor").unwrap().to_vec();
    let before = Descriptor::read(&before).unwrap();
    let Want::ControlAccess(unexpire) = UNEXPIRE_PASSWORD.want else {
        unreachable!()
    };
    // Without what is granted there by default.
    let rest: Vec<_> = before
        .dacl()
        .unwrap()
        .aces()
        .filter(|ace| ace.object != Some(&unexpire))
        .collect();
    let mut trustees: Vec<SidBuf> = vec![own.keep()];
    for name in ["Trial Direct", "Trial Nested", "Trial Local", "Trial Others"] {
        trustees.push(sid_of(&mut admin, name).await);
    }
    let mut rng = fastrand::Rng::with_seed(20_261_128);
    let (rounds, mut granted) = (60, 0);
    for round in 0..rounds {
        let some: Vec<Vec<u8>> = (0..rng.usize(1..5))
            .map(|_| {
                let object = match rng.usize(..4) {
                    0 => None,
                    1 => Some(USER),
                    _ => Some(unexpire),
                };
                let flags = if rng.usize(..5) == 0 { flag::INHERIT_ONLY } else { 0 };
                let trustee = &trustees[rng.usize(..trustees.len())];
                let mut entry = allowing(flags, mask::CONTROL_ACCESS, object.as_ref(), None, trustee.sid());
                entry[0] += u8::from(rng.bool());
                entry
            })
            .collect();
        let count = (some.len() + rest.len()) as u16;
        let bytes: Vec<u8> = some
            .concat()
            .into_iter()
            .chain(rest.iter().flat_map(|ace| ace.bytes.to_vec()))
            .collect();
        let new = before.with_dacl(Acl::of(count, &bytes).unwrap());
        admin.replace(ROOT, "nTSecurityDescriptor", &[&new]).await.unwrap();
        let root = admin.read(ROOT, &["nTSecurityDescriptor"]).await.unwrap().unwrap();
        let object = Object {
            descriptor: Descriptor::read(root.value("nTSecurityDescriptor").unwrap()).unwrap(),
            class: DOMAIN_DNS,
            sid: None,
        };
        let [verdict] = object.access(&token, [UNEXPIRE_PASSWORD.want]);
        assert!(lets(&mut connection, &user.dn, "pwdLastSet", b"0").await);
        let did = lets(&mut connection, &user.dn, "pwdLastSet", b"-1").await;
        assert_eq!(did, verdict.is_allowed(), "round {round}: {verdict:?}\n{some:?}");
        granted += usize::from(did);
    }
    admin
        .replace(ROOT, "nTSecurityDescriptor", &[&before.to_bytes()])
        .await
        .unwrap();
    assert!(
        granted > rounds / 8 && granted < rounds - rounds / 8,
        "{granted} of {rounds}"
    );
}

/// A list's entries, one after another.
fn entries(descriptor: &Descriptor<'_>) -> Vec<u8> {
    descriptor
        .dacl()
        .unwrap()
        .aces()
        .flat_map(|ace| ace.bytes.to_vec())
        .collect()
}

/// A controller whose process is killed in the middle of a scan: with a second one the scan goes on and comes to the same;
/// without, what was read whole comes with the reason.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn a_controller_that_is_lost_in_the_middle_is_replaced_by_another() {
    let all = Lab::all();
    let (first, copy) = (&all[0], &all[2]);
    let mut admin = first.open(&first.administrator).await;
    let containers = Containers::read(&mut admin, ROOT, &[]).await.unwrap();
    let ages = Policies::default();
    let task = scan::Task {
        root: ROOT,
        containers: &containers,
        tokens: &[],
        ages: &ages,
        affected: None,
    };
    let (undisturbed, end) = scan::scan(task, &first.login(&first.administrator), 2).await;
    end.unwrap();
    // An entry a page: slow enough to be caught in the middle.
    let slow = |servers: &[&Lab]| {
        let mut login = first.login(&first.administrator);
        login.servers = servers.iter().flat_map(|lab| lab.login("").servers).collect();
        login.options.page_size = 1;
        login
    };
    let (with, without) = (slow(&[copy, first]), slow(&[copy]));
    let killed = async {
        tokio::time::sleep(Duration::from_millis(120)).await;
        let status = std::process::Command::new("kill")
            .args(["-KILL", &copy.process.to_string()])
            .status();
        assert!(status.unwrap().success());
        std::time::Instant::now()
    };
    let timed = async |login: &Login| {
        let outcome = scan::scan(task, login, 1).await;
        (outcome, std::time::Instant::now())
    };
    let (killed, ((went_on, end), later), ((cut_off, why), _)) = tokio::join!(killed, timed(&with), timed(&without));
    assert!(later > killed, "the scan had ended before");
    end.unwrap();
    // Which connection met a descriptor first is chance.
    let but_descriptors = |scan: Scan| Scan { descriptors: 0, ..scan };
    let users = undisturbed.users;
    assert_eq!(but_descriptors(went_on), but_descriptors(undisturbed));
    assert!(
        matches!(&why, Err(DirectoryError::Unreachable { host, .. }) if *host == copy.host),
        "{why:?}"
    );
    assert!(cut_off.users < users);
}

/// Whom the connector account of the lab may not reset, and why, is what its cases say.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the directory lab"]
async fn users_who_cannot_be_reset_are_told_by_their_cause() {
    let lab = Lab::all().remove(0);
    let mut admin = lab.open(&lab.administrator).await;
    let connector = users(&mut admin, "(sAMAccountName=MSOL_16fb75d0227d)", &["objectSid"])
        .await
        .remove(0);
    let tokens = [token(&mut admin, &connector.dn).await];
    let containers = Containers::read(&mut admin, ROOT, &tokens).await.unwrap();
    let task = scan::Task {
        root: ROOT,
        containers: &containers,
        tokens: &tokens,
        ages: &Policies::default(),
        affected: None,
    };
    let login = lab.login(&lab.administrator);
    let (found, end) = scan::scan(task, &login, 2).await;
    end.unwrap();
    // In however many parts it is read, it comes to the same.
    let (one, end) = scan::scan(task, &login, 1).await;
    end.unwrap();
    assert_eq!(
        Scan { descriptors: 0, ..one },
        Scan {
            descriptors: 0,
            ..found.clone()
        }
    );
    let refused = &found.refused[0];
    let writers = sid_of(&mut admin, "Writers of Writers").await;
    let unit = |path: &str| format!("{path},OU=Staff,{ROOT}");
    let count = |cause: &Cause| refused.get(cause).map_or(0, |refused| refused.count);
    let denied = |trustee: SidBuf, right, from| Cause::Denied { trustee, right, from };
    assert_eq!(count(&Cause::Protected(unit("OU=Sales"))), 16, "{refused:#?}");
    assert_eq!(
        count(&denied(writers, "Reset Password", Some(unit("OU=Field")))),
        5,
        "{refused:#?}"
    );
    // Besides them those of the trials, as far as these have run.
    let everyone = denied("S-1-1-0".parse().unwrap(), "Write lockoutTime", None);
    let dan = format!("CN=denied.dan,OU=Staff,{ROOT}");
    assert!(refused[&everyone].sample.contains(&dan), "{refused:#?}");
    assert!(count(&Cause::InetOrgPerson) >= 3);
    assert!(count(&Cause::AdminSdHolder) >= 1);
    // Each of them is stopped once, those below a unit with a reserved name by that name.
    let of_reserved: u64 = found.reserved.values().map(|crowd| crowd.count).sum();
    let unread = count(&Cause::Unreadable);
    let of_refused = refused.values().map(|crowd| crowd.count).sum::<u64>() - unread;
    let stopped: u64 = found.stops[0].values().sum();
    assert!(
        of_reserved > 0 && found.stops[0][&Stop::ReservedName] == of_reserved,
        "{found:#?}"
    );
    assert!(
        (of_refused.max(of_reserved)..=of_refused + of_reserved).contains(&stopped),
        "{stopped} of {of_refused} and {of_reserved}"
    );
    assert!(found.users > 50 && found.disabled.count > 1, "{found:#?}");
    assert!(found.descriptors < found.users, "{found:#?}");
}
