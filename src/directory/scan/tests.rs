use super::super::descriptor::{Acl, allowing, control, flag, mask};
use super::super::password_policy::STEPS;
use super::*;

#[test]
fn a_sample_does_not_hang_on_the_order() {
    let names: Vec<String> = (0..40).map(|n| format!("CN={:02}", n * 7 % 40)).collect();
    let mut whole = Crowd::default();
    names.iter().for_each(|dn| whole.add(dn));
    let (front, back) = names.split_at(13);
    let mut parts = [Crowd::default(), Crowd::default()];
    front.iter().for_each(|dn| parts[0].add(dn));
    back.iter().rev().for_each(|dn| parts[1].add(dn));
    let [mut joined, other] = parts;
    joined.join(other);
    assert_eq!(whole, joined);
    assert_eq!((whole.count, whole.sample.len()), (40, SAMPLE));
    assert_eq!(whole.sample[0], "CN=00");
}

const CONNECTOR: &str = "S-1-5-21-1-2-3-1104";
const BELOW: u8 = flag::CONTAINER_INHERIT | flag::INHERIT_ONLY;

/// An entry that grants the connector account all that a reset needs.
fn grant(flags: u8, class: Option<Guid>) -> Vec<u8> {
    let account: SidBuf = CONNECTOR.parse().unwrap();
    let rights = mask::CONTROL_ACCESS | mask::WRITE_PROPERTY;
    allowing(flags, rights, None, class.as_ref(), account.sid())
}

fn descriptor(protected: bool, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut header = [0; 20];
    header[0] = 1;
    let protection = if protected { control::DACL_PROTECTED } else { 0 };
    header[2..4].copy_from_slice(&(control::SELF_RELATIVE | protection).to_le_bytes());
    let bytes = entries.concat();
    let list = Acl::of(entries.len() as u16, &bytes).unwrap();
    Descriptor::read(&header).unwrap().with_dacl(list)
}

/// A user, or an inetOrgPerson, on whom nothing is granted.
fn user(dn: &str, protected: bool, more: &[(&str, &[u8])]) -> Entry {
    let own = descriptor(protected, &[]);
    let attributes = [&[("nTSecurityDescriptor", own.as_slice())], more].concat();
    Entry::of(dn, &attributes)
}

/// What a scan by one account comes to.
fn scanned(containers: &[(&str, bool, &[Vec<u8>])], users: &[Entry], ages: &Policies) -> Scan {
    let tokens = [Token::from_iter([CONNECTOR.parse().unwrap()])];
    let mut known = Containers::default();
    for (dn, protected, entries) in containers {
        let own = descriptor(*protected, entries);
        known.add(&Entry::of(dn, &[("nTSecurityDescriptor", &own)]), &tokens);
    }
    let mut scanner = Scanner::new(Task {
        root: "DC=x",
        containers: &known,
        tokens: &tokens,
        ages,
        affected: None,
    });
    users.iter().for_each(|user| scanner.user(user));
    scanner.finish()
}

#[test]
fn a_cause_is_named_where_the_right_would_be_there_without_it() {
    let of_users = [grant(BELOW, Some(USER))];
    let of_all = [grant(BELOW, None)];
    let once = [grant(BELOW | flag::NO_PROPAGATE, None)];
    let administrator: &[(&str, &[u8])] = &[("adminCount", b"1")];
    let external: &[(&str, &[u8])] = &[("objectClass", b"inetOrgPerson")];
    let off = || Cause::Protected("OU=B,DC=x".into());
    let missing = || Cause::NotGranted {
        right: "Reset Password",
    };
    let nothing: &[Vec<u8>] = &[];
    let (open, closed) = (false, true);
    // What the root and OU=B hand down, whether OU=B and the user are protected, who it is, and why.
    for (number, (root, unit, unit_is, user_is, who, cause)) in [
        (&of_users[..], nothing, closed, open, &[][..], off()),
        (nothing, nothing, closed, open, &[], missing()),
        (nothing, &of_users, closed, closed, &[], Cause::ProtectedUser),
        (nothing, nothing, open, closed, &[], missing()),
        (&of_users, &of_users, open, closed, administrator, Cause::AdminSdHolder),
        (nothing, nothing, open, closed, administrator, missing()),
        // What stands one above ends there.
        (&once, nothing, closed, open, &[], missing()),
        (nothing, &once, open, closed, &[], Cause::ProtectedUser),
        // The unit's own protection hides what the user's would.
        (&of_users, nothing, closed, closed, &[], off()),
        (&of_users, &of_users, open, open, external, Cause::InetOrgPerson),
        (nothing, nothing, open, open, external, missing()),
        (&of_users, nothing, closed, open, external, missing()),
        (&of_all, nothing, closed, open, external, off()),
        (&of_all, &of_all, open, closed, external, Cause::ProtectedUser),
    ]
    .into_iter()
    .enumerate()
    {
        let containers = [("DC=x", closed, root), ("OU=B,DC=x", unit_is, unit)];
        let users = [user("CN=u,OU=B,DC=x", user_is == closed, who)];
        let found = scanned(&containers, &users, &Policies::default());
        let causes: Vec<&Cause> = found.refused[0].keys().collect();
        assert_eq!(causes, [&cause], "case {number}");
    }
}

#[test]
fn a_protected_unit_in_a_protected_unit_is_not_the_cause_where_the_outer_one_is() {
    let granted = [grant(BELOW, None)];
    let containers: [(&str, bool, &[Vec<u8>]); 3] = [
        ("DC=x", false, &granted),
        ("OU=A,DC=x", true, &[]),
        ("OU=B,OU=A,DC=x", true, &[]),
    ];
    let users = [user("CN=u,OU=B,OU=A,DC=x", false, &[])];
    let found = scanned(&containers, &users, &Policies::default());
    assert_eq!(found.refused[0][&Cause::Protected("OU=A,DC=x".into())].count, 1);
}

#[test]
fn a_denial_that_the_root_hands_down_is_told_as_the_root_s() {
    let mut entry = grant(flag::CONTAINER_INHERIT, None);
    entry[0] += 1;
    let mut inherited = entry.clone();
    inherited[1] |= flag::INHERITED;
    let own = descriptor(false, &[inherited]);
    let users = [Entry::of("CN=u,DC=x", &[("nTSecurityDescriptor", &own)])];
    let found = scanned(&[("DC=x", false, &[entry])], &users, &Policies::default());
    let Some(Cause::Denied { from, .. }) = found.refused[0].keys().next() else {
        panic!("{found:?}");
    };
    assert_eq!(from.as_deref(), Some("DC=x"));
}

#[test]
fn disabled_and_locked_out_users_are_told_apart() {
    let now = 1_000_000 * STEPS;
    let policy = |minutes: i64| Policy {
        lockout_duration: -minutes * 60 * STEPS,
        ..Policy::default()
    };
    let ages = Policies {
        domain: Some(policy(30)),
        policies: [
            ("cn=strict,dc=x".into(), policy(0)),
            ("cn=short,dc=x".into(), policy(1)),
        ]
        .into(),
        now,
    };
    let locked = |name: &str, minutes: i64, more: &[(&str, &[u8])]| {
        let since = (now - minutes * 60 * STEPS).to_string();
        let own = [&[("lockoutTime", since.as_bytes())], more].concat();
        user(&format!("CN={name},DC=x"), false, &own)
    };
    let strict: &[(&str, &[u8])] = &[(RESULTANT_POLICY, b"CN=Strict,DC=x")];
    let short: &[(&str, &[u8])] = &[(RESULTANT_POLICY, b"CN=Short,DC=x")];
    let users = [
        locked("now", 29, &[]),
        locked("over", 31, &[]),
        locked("never over", 9_000, strict),
        locked("soon over", 2, short),
        locked("disabled", 1, &[("userAccountControl", b"514")]),
        user("CN=unlocked,DC=x", false, &[("lockoutTime", b"0")]),
    ];
    let found = scanned(&[], &users, &ages);
    assert_eq!(found.locked.sample, ["CN=never over,DC=x", "CN=now,DC=x"]);
    assert_eq!((found.locked.count, found.users), (2, 5));
    assert_eq!(
        (found.disabled.count, found.disabled.sample.as_slice()),
        (1, ["CN=disabled,DC=x".to_string()].as_slice())
    );
    // Of a policy that cannot be seen it is not known when the time is over.
    assert_eq!(
        scanned(
            &[],
            &users,
            &Policies {
                now,
                ..Policies::default()
            }
        )
        .locked
        .count,
        0
    );
}

#[test]
fn whom_the_directory_stops_counts_once_by_what_comes_first() {
    let now = 1_000_000 * STEPS;
    let ages = Policies {
        domain: Some(Policy {
            minimum_age: -60 * STEPS,
            ..Policy::default()
        }),
        now,
        ..Policies::default()
    };
    let granted = [grant(BELOW, Some(USER))];
    let inherited = [grant(flag::INHERITED, None)];
    let open = descriptor(false, &inherited);
    let young = (now - STEPS).to_string();
    let old = (now - 3_600 * STEPS).to_string();
    let one = |dn: &str, own: &[u8], set: &str, more: &[(&str, &[u8])]| {
        let attributes = [&[("nTSecurityDescriptor", own), ("pwdLastSet", set.as_bytes())], more].concat();
        Entry::of(dn, &attributes)
    };
    let (refused, shut) = (descriptor(false, &[]), descriptor(true, &[]));
    let containers: [(&str, bool, &[Vec<u8>]); 3] = [
        ("DC=x", false, &granted),
        (r"OU=A\,,DC=x", false, &[]),
        ("OU=B,DC=x", true, &[]),
    ];
    let users = [
        one("CN=well,DC=x", &open, &old, &[]),
        // All at once, then always one less.
        one(r"CN=a,OU=A\,,DC=x", &refused, &young, &[]),
        one(r"CN=b,OU=A\,,DC=x", &open, &old, &[]),
        one("CN=c,OU=B,DC=x", &refused, &young, &[]),
        one("CN=d,DC=x", &shut, &old, &[("adminCount", b"1")]),
        one("CN=e,DC=x", &open, &young, &[]),
        // Of what cannot be read it is known that it is too young, or nothing.
        one("CN=f,DC=x", b"", &young, &[]),
        one("CN=g,DC=x", b"", &old, &[]),
        one("CN=h,DC=x", &refused, &young, &[("userAccountControl", b"514")]),
    ];
    let found = scanned(&containers, &users, &ages);
    let stops: Vec<(Stop, u64)> = found.stops[0].clone().into_iter().collect();
    assert_eq!(
        stops,
        [
            (Stop::ReservedName, 2),
            (Stop::AdminSdHolder, 1),
            (Stop::Inheritance, 1),
            (Stop::TooYoung, 2)
        ]
    );
    let mut twice = found.clone();
    twice.join(found);
    assert_eq!(twice.stops[0][&Stop::ReservedName], 4);
}
