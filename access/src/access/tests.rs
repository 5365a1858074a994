use super::*;
use crate::descriptor::{allowing, control, flag, mask};
use crate::rights::{
    ACCOUNT_RESTRICTIONS, CHANGE_PASSWORD, INET_ORG_PERSON, RESET_PASSWORD, USER, WRITE_LOCKOUT_TIME,
    WRITE_PWD_LAST_SET,
};

const CONNECTOR: &str = "S-1-5-21-1-2-3-1104";
const GROUP: &str = "S-1-5-21-1-2-3-1200";
const OTHER: &str = "S-1-5-21-1-2-3-1300";
const WANTS: [Want; 3] = [RESET_PASSWORD.want, WRITE_LOCKOUT_TIME.want, WRITE_PWD_LAST_SET.want];

fn sid(text: &str) -> SidBuf {
    text.parse().unwrap()
}

fn token() -> Token {
    [CONNECTOR, GROUP, "S-1-1-0", "S-1-5-11"].map(sid).into_iter().collect()
}

fn guid(want: Want) -> Guid {
    match want {
        Want::ControlAccess(right) => right,
        Want::WriteProperty { attribute, .. } => attribute,
        Want::ReadProperties => unreachable!("it has none"),
    }
}

fn allow(flags: u8, mask: u32, object: Option<Guid>, who: &str) -> Vec<u8> {
    allowing(flags, mask, object.as_ref(), None, sid(who).sid())
}

/// The entry that denies what another grants.
fn deny(mut entry: Vec<u8>) -> Vec<u8> {
    entry[0] += 1;
    entry
}

fn bytes(control: u16, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0];
    bytes[2..4].copy_from_slice(&(control | control::SELF_RELATIVE).to_le_bytes());
    let entries_bytes = entries.concat();
    bytes.extend([4, 0]);
    bytes.extend((entries_bytes.len() as u16 + 8).to_le_bytes());
    bytes.extend((entries.len() as u16).to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(entries_bytes);
    bytes
}

/// Whether the connector may reset, write lockoutTime and write pwdLastSet.
fn may_on(class: Guid, own: &str, entries: &[Vec<u8>]) -> [bool; 3] {
    let bytes = bytes(control::DACL_PRESENT, entries);
    let own = sid(own);
    let object = Object {
        descriptor: Descriptor::read(&bytes).unwrap(),
        class,
        sid: Some(own.sid()),
    };
    object.access(&token(), WANTS).map(|verdict| verdict.is_allowed())
}

fn may(entries: &[Vec<u8>]) -> [bool; 3] {
    may_on(USER, OTHER, entries)
}

const CR: u32 = mask::CONTROL_ACCESS;
const WP: u32 = mask::WRITE_PROPERTY;

#[test]
fn no_list_grants_everything_and_an_empty_one_nothing() {
    let bytes = bytes(0, &[]);
    let object = Object {
        descriptor: Descriptor::read(&bytes).unwrap(),
        class: USER,
        sid: None,
    };
    assert_eq!(object.access(&token(), WANTS), [Verdict::NoList; 3]);
    assert_eq!(may(&[]), [false; 3]);
}

#[test]
fn a_right_is_granted_by_its_guid_or_by_all_rights() {
    assert_eq!(
        may(&[allow(0, CR, Some(guid(RESET_PASSWORD.want)), CONNECTOR)]),
        [true, false, false]
    );
    assert_eq!(
        may(&[allow(0, CR, Some(guid(CHANGE_PASSWORD.want)), CONNECTOR)]),
        [false; 3]
    );
    assert_eq!(may(&[allow(0, CR, None, CONNECTOR)]), [true, false, false]);
    assert_eq!(may(&[allow(0, CR | WP, None, GROUP)]), [true; 3]);
    assert_eq!(may(&[allow(0, mask::GENERIC_ALL, None, "S-1-1-0")]), [true; 3]);
    assert_eq!(
        may(&[allow(0, mask::GENERIC_WRITE, None, CONNECTOR)]),
        [false, true, true]
    );
    assert_eq!(may(&[allow(0, CR | WP, None, OTHER)]), [false; 3]);
}

#[test]
fn a_property_is_granted_by_itself_its_set_or_the_class() {
    assert_eq!(
        may(&[allow(0, WP, Some(guid(WRITE_LOCKOUT_TIME.want)), CONNECTOR)]),
        [false, true, false]
    );
    assert_eq!(
        may(&[allow(0, WP, Some(ACCOUNT_RESTRICTIONS), CONNECTOR)]),
        [false, false, true]
    );
    assert_eq!(may(&[allow(0, WP, Some(USER), CONNECTOR)]), [false, true, true]);
    let class = [allow(0, WP, Some(USER), CONNECTOR)];
    assert_eq!(may_on(INET_ORG_PERSON, OTHER, &class), [false; 3], "of another class");
}

#[test]
fn the_first_entry_that_speaks_decides() {
    let (reset, all) = (
        allow(0, CR, Some(guid(RESET_PASSWORD.want)), CONNECTOR),
        allow(0, CR, None, GROUP),
    );
    assert_eq!(may(&[deny(all.clone()), reset.clone()]), [false, false, false]);
    assert_eq!(
        may(&[reset, deny(all)]),
        [true, false, false],
        "an explicit allow before an inherited deny"
    );
    let set = deny(allow(0, WP, Some(ACCOUNT_RESTRICTIONS), "S-1-5-11"));
    assert_eq!(may(&[set, allow(0, WP, None, CONNECTOR)]), [false, true, false]);
}

#[test]
fn an_entry_for_children_says_nothing_of_the_object() {
    let entry = |flags| [allow(flags, CR | WP, None, CONNECTOR)];
    assert_eq!(may(&entry(flag::CONTAINER_INHERIT | flag::INHERIT_ONLY)), [false; 3]);
    assert_eq!(may(&entry(flag::INHERITED | flag::INHERIT_ONLY)), [false; 3]);
    assert_eq!(may(&entry(flag::CONTAINER_INHERIT | flag::INHERITED)), [true; 3]);
}

#[test]
fn the_object_itself_is_meant_by_self() {
    let entry = [allow(0, CR | WP, None, "S-1-5-10")];
    assert_eq!(may_on(USER, CONNECTOR, &entry), [true; 3]);
    assert_eq!(may_on(USER, OTHER, &entry), [false; 3]);
}

#[test]
fn the_entry_that_decided_is_told() {
    let denied = deny(allow(flag::INHERITED, CR, None, GROUP));
    let bytes = bytes(control::DACL_PRESENT, &[allow(0, WP, None, OTHER), denied.clone()]);
    let object = Object {
        descriptor: Descriptor::read(&bytes).unwrap(),
        class: USER,
        sid: None,
    };
    let [verdict] = object.access(&token(), [RESET_PASSWORD.want]);
    let Verdict::Denied(ace) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(ace.bytes, denied);
    assert_eq!(
        (ace.trustee().unwrap().to_string(), ace.is_inherited()),
        (GROUP.to_string(), true)
    );
}

#[test]
fn a_container_hands_down_what_is_for_the_class_and_goes_on() {
    let handed = |class: Guid, directly: bool, entries: &[Vec<u8>]| {
        let bytes = bytes(control::DACL_PRESENT, entries);
        let container = Object {
            descriptor: Descriptor::read(&bytes).unwrap(),
            class,
            sid: None,
        };
        let verdicts = container.handed_down(&token(), WANTS, directly);
        verdicts.map(|verdict| verdict.is_allowed())
    };
    let below = flag::CONTAINER_INHERIT | flag::INHERIT_ONLY;
    let users = [allowing(below, CR | WP, None, Some(&USER), sid(CONNECTOR).sid())];
    assert_eq!(handed(USER, true, &users), [true; 3]);
    assert_eq!(handed(USER, false, &users), [true; 3]);
    assert_eq!(handed(INET_ORG_PERSON, true, &users), [false; 3]);
    assert_eq!(
        handed(USER, true, &[allow(0, CR | WP, None, CONNECTOR)]),
        [false; 3],
        "stays"
    );
    let once = [allow(below | flag::NO_PROPAGATE, CR, None, GROUP)];
    assert_eq!(handed(INET_ORG_PERSON, true, &once), [true, false, false]);
    assert_eq!(handed(INET_ORG_PERSON, false, &once), [false; 3]);
    // In their order, as everywhere.
    let denied = [deny(allow(below, CR, None, GROUP)), users[0].clone()];
    assert_eq!(handed(USER, false, &denied), [false, true, true]);
    let none = bytes(0, &[]);
    let container = Object {
        descriptor: Descriptor::read(&none).unwrap(),
        class: USER,
        sid: None,
    };
    assert_eq!(container.handed_down(&token(), WANTS, true), [Verdict::NotGranted; 3]);
}
