use super::*;
use crate::descriptor::control;
use crate::rights::{
    CHANGE_PASSWORD, DOMAIN_DNS, INET_ORG_PERSON, RESET_PASSWORD, Right, UNEXPIRE_PASSWORD, USER, WRITE_LOCKOUT_TIME,
    WRITE_PWD_LAST_SET,
};
use crate::sid::SidBuf;
use proptest::prelude::*;

const CONNECTOR: &str = "S-1-5-21-1-2-3-1104";
const SID: &str = "01050000000000051500000001000000020000000300000050040000";

fn sid(text: &str) -> SidBuf {
    text.parse().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A descriptor as bytes: owner, group, a list for auditing, and the list of these entries with `room` bytes behind them.
fn descriptor(control: u16, revision: u8, entries: &[Vec<u8>], room: usize) -> Vec<u8> {
    let list = |revision: u8, entries: &[Vec<u8>], room: usize| {
        let body = [entries.concat(), vec![0xee; room]].concat();
        let (size, count) = ((body.len() + 8) as u16, entries.len() as u16);
        let head = [&[revision, 0][..], &size.to_le_bytes(), &count.to_le_bytes(), &[0, 0]].concat();
        [head, body].concat()
    };
    let (owner, group) = (sid("S-1-5-32-544"), sid("S-1-5-18"));
    let audit = vec![
        2, 0x40, 24, 0, 0xff, 1, 15, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let parts = [
        owner.sid().bytes().to_vec(),
        group.sid().bytes().to_vec(),
        list(2, &[audit], 0),
        list(revision, entries, room),
    ];
    let mut bytes = vec![1, 0];
    bytes.extend((control | control::SELF_RELATIVE).to_le_bytes());
    let mut at = 20u32;
    for part in &parts {
        bytes.extend(at.to_le_bytes());
        at += part.len() as u32;
    }
    [bytes, parts.concat()].concat()
}

fn aces(bytes: &[u8]) -> Vec<Vec<u8>> {
    let read = Descriptor::read(bytes).unwrap();
    read.dacl().unwrap().aces().map(|ace| ace.bytes.to_vec()).collect()
}

fn revision(bytes: &[u8]) -> u8 {
    bytes[u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize]
}

fn simple(kind: u8, flags: u8, rid: u8) -> Vec<u8> {
    let mut ace = vec![kind, flags, 20, 0, 0x94, 0, 2, 0];
    ace.extend([1, 1, 0, 0, 0, 0, 0, 5, rid, 0, 0, 0]);
    ace
}

const ALLOW: u8 = 0;
const DENY: u8 = 1;

#[test]
fn the_entries_of_writeback_are_those_that_the_specification_makes() {
    let connector = sid(CONNECTOR);
    let user = "ba7a96bfe60dd011a28500aa003049e2";
    let below = |right: Right| hex(&on_descendants(&right.want, &USER, connector.sid()));
    assert_eq!(
        below(RESET_PASSWORD),
        format!("050a48000001000003000000709529006d24d011a76800aa006e0529{user}{SID}")
    );
    assert_eq!(
        below(WRITE_LOCKOUT_TIME),
        format!("050a48002000000003000000bf0e6328d541d111a9c10000f80367c1{user}{SID}")
    );
    assert_eq!(
        below(WRITE_PWD_LAST_SET),
        format!("050a480020000000030000000a7a96bfe60dd011a28500aa003049e2{user}{SID}")
    );
    assert_eq!(
        hex(&on_object(&UNEXPIRE_PASSWORD.want, connector.sid())),
        format!("0500380000010000010000007ddcc2ccada67a4a8846c04e3cc53501{SID}")
    );
}

#[test]
fn what_is_granted_is_in_force_and_what_is_taken_back_is_not() {
    use crate::access::{Object, Token};
    let connector = sid(CONNECTOR);
    let token: Token = [connector.clone()].into_iter().collect();
    let before = descriptor(control::DACL_PRESENT, 2, &[simple(ALLOW, 0, 11)], 0);
    let granted = |bytes: &[u8]| {
        let object = Object {
            descriptor: Descriptor::read(bytes).unwrap(),
            class: DOMAIN_DNS,
            sid: None,
        };
        object.access(&token, [UNEXPIRE_PASSWORD.want])[0].is_allowed()
    };
    let ace = on_object(&UNEXPIRE_PASSWORD.want, connector.sid());
    let with = add(&Descriptor::read(&before).unwrap(), &[ace]).unwrap();
    assert!(!granted(&before) && granted(&with.descriptor));
    let without = remove(&Descriptor::read(&with.descriptor).unwrap(), &with.aces()).unwrap();
    assert!(!granted(&without.descriptor));
}

#[test]
fn an_entry_goes_behind_what_is_explicit_and_before_what_is_inherited() {
    let inherited = [simple(DENY, 0x10, 1), simple(ALLOW, 0x12, 2)];
    let list = [
        &[simple(DENY, 0, 3), simple(ALLOW, 0, 4), vec![0x77, 2, 8, 0, 1, 2, 3, 4]][..],
        &inherited,
    ]
    .concat();
    let before = descriptor(control::DACL_PRESENT | control::DACL_PROTECTED | 0x0400, 4, &list, 0);
    let new = on_descendants(&RESET_PASSWORD.want, &INET_ORG_PERSON, sid(CONNECTOR).sid());
    let deny = simple(DENY, 0, 9);
    let edited = add(&Descriptor::read(&before).unwrap(), &[new.clone(), deny.clone()]).unwrap();
    let expected = [
        &[
            list[0].clone(),
            deny.clone(),
            list[1].clone(),
            list[2].clone(),
            new.clone(),
        ][..],
        &inherited,
    ]
    .concat();
    assert_eq!(aces(&edited.descriptor), expected);
    assert_eq!(edited.changed, [(1, deny), (4, new)]);
    let (old, now) = (
        Descriptor::read(&before).unwrap(),
        Descriptor::read(&edited.descriptor).unwrap(),
    );
    assert_eq!(
        (now.control, now.owner, now.group, now.sacl),
        (old.control, old.owner, old.group, old.sacl)
    );
}

#[test]
fn a_list_out_of_order_keeps_its_order() {
    // A deny behind what is inherited: there is no place that is behind the one and before the other.
    let list = [
        simple(ALLOW, 0, 1),
        simple(DENY, 0, 2),
        simple(ALLOW, 0x10, 3),
        simple(DENY, 0, 4),
        simple(ALLOW, 0, 5),
    ];
    let before = descriptor(control::DACL_PRESENT, 4, &list, 0);
    let new = simple(ALLOW, 0, 9);
    let edited = add(&Descriptor::read(&before).unwrap(), std::slice::from_ref(&new)).unwrap();
    let expected = [&list[..2], &[new], &list[2..]].concat();
    assert_eq!(aces(&edited.descriptor), expected);
}

#[test]
fn an_entry_that_is_there_is_not_added_again() {
    let new = simple(ALLOW, 0, 9);
    let before = descriptor(control::DACL_PRESENT, 2, std::slice::from_ref(&new), 0);
    let edited = add(&Descriptor::read(&before).unwrap(), &[new.clone(), new]).unwrap();
    assert_eq!((edited.descriptor, edited.changed), (before, vec![]));
}

#[test]
fn the_list_s_revision_rises_with_an_entry_for_an_object_only() {
    let before = descriptor(control::DACL_PRESENT, 2, &[], 0);
    let read = Descriptor::read(&before).unwrap();
    assert_eq!(revision(&add(&read, &[simple(ALLOW, 0, 9)]).unwrap().descriptor), 2);
    let ace = on_object(&UNEXPIRE_PASSWORD.want, sid(CONNECTOR).sid());
    assert_eq!(revision(&add(&read, &[ace]).unwrap().descriptor), 4);
}

#[test]
fn without_a_list_nothing_is_added_or_removed() {
    let ace = simple(ALLOW, 0, 9);
    let absent = descriptor(0, 2, std::slice::from_ref(&ace), 0);
    let mut null = descriptor(control::DACL_PRESENT, 2, &[], 0);
    null[16..20].fill(0);
    for bytes in [absent, null] {
        let read = Descriptor::read(&bytes).unwrap();
        assert_eq!(add(&read, std::slice::from_ref(&ace)), Err(EditError::NoList));
        assert_eq!(remove(&read, std::slice::from_ref(&ace)), Err(EditError::NoList));
        assert_eq!(put_back(&read, &[(0, ace.clone())]), Err(EditError::NoList));
    }
}

#[test]
fn a_list_that_would_be_too_long_is_told() {
    let filler: Vec<Vec<u8>> = (0..3275).map(|_| simple(ALLOW, 0, 1)).collect();
    let before = descriptor(control::DACL_PRESENT, 4, &filler, 0);
    let read = Descriptor::read(&before).unwrap();
    assert!(add(&read, &[simple(ALLOW, 0, 2)]).is_ok(), "65,528 bytes");
    let two = [simple(ALLOW, 0, 2), simple(ALLOW, 0, 3)];
    assert_eq!(add(&read, &two), Err(EditError::TooLong));
    assert_eq!(
        EditError::TooLong.to_string(),
        "the access control list would be longer than 64 KiB"
    );
}

#[test]
fn what_is_no_explicit_entry_is_refused() {
    let before = descriptor(control::DACL_PRESENT, 4, &[], 0);
    let read = Descriptor::read(&before).unwrap();
    let two = [simple(ALLOW, 0, 1), simple(ALLOW, 0, 2)].concat();
    for bad in [vec![], vec![0, 0, 20, 0, 1], two, simple(ALLOW, 0x10, 1)] {
        assert_eq!(add(&read, std::slice::from_ref(&bad)), Err(EditError::Entry), "{bad:?}");
    }
}

#[test]
fn an_entry_is_removed_once_and_only_if_it_is_the_same() {
    let list = [
        simple(ALLOW, 0, 1),
        simple(ALLOW, 2, 1),
        simple(ALLOW, 0, 1),
        simple(ALLOW, 0x10, 1),
    ];
    let before = descriptor(control::DACL_PRESENT, 2, &list, 0);
    let read = Descriptor::read(&before).unwrap();
    let once = remove(&read, &[simple(ALLOW, 0, 1), simple(ALLOW, 0, 7)]).unwrap();
    assert_eq!(once.changed, [(0, simple(ALLOW, 0, 1))]);
    assert_eq!(aces(&once.descriptor), list[1..]);
    let twice = remove(&read, &[simple(ALLOW, 0, 1), simple(ALLOW, 0, 1)]).unwrap();
    assert_eq!(aces(&twice.descriptor), [list[1].clone(), list[3].clone()]);
}

fn entry() -> impl Strategy<Value = Vec<u8>> {
    let known = (
        prop::sample::select(vec![0u8, 1, 5, 6]),
        prop::sample::select(vec![0u8, 2, 10, 16, 18, 26]),
        0u8..6,
        any::<bool>(),
    );
    let known = known.prop_map(|(kind, flags, rid, narrow)| {
        let mut ace = match kind {
            0 | 1 => return simple(kind, flags, rid),
            _ if narrow => on_descendants(&CHANGE_PASSWORD.want, &USER, sid("S-1-5-11").sid()),
            _ => on_object(&WRITE_LOCKOUT_TIME.want, sid(CONNECTOR).sid()),
        };
        (ace[0], ace[1]) = (kind, flags);
        ace
    });
    let unknown =
        (7u8..0x80, any::<u8>(), prop::collection::vec(any::<u8>(), 0..4)).prop_map(|(kind, flags, words)| {
            let words: Vec<u8> = words.iter().flat_map(|word| [*word, 1, 2, 3]).collect();
            [&[kind, flags, (words.len() + 4) as u8, 0][..], &words].concat()
        });
    prop_oneof![4 => known, 1 => unknown]
}

proptest! {
    #[test]
    fn only_what_is_given_changes_and_undo_gives_back_what_was(
        list in prop::collection::vec(entry(), 0..12),
        given in prop::collection::vec(entry(), 0..5),
        revision in prop::sample::select(vec![2u8, 4]),
        control in prop::sample::select(vec![0u16, 0x1000, 0x0400, 0x1410]),
        room in prop::sample::select(vec![0usize, 4, 12]),
    ) {
        let given: Vec<Vec<u8>> = given.into_iter().map(|mut ace| { ace[1] &= !0x10; ace }).collect();
        let before = descriptor(control | control::DACL_PRESENT, revision, &list, room);
        let read = Descriptor::read(&before).unwrap();
        let edited = add(&read, &given).unwrap();
        let now = aces(&edited.descriptor);
        // All that was there is there, in its order; all that was given is there.
        let kept = now.iter().enumerate().filter(|(at, _)| !edited.changed.iter().any(|(new, _)| new == at));
        prop_assert_eq!(kept.map(|(_, ace)| ace.clone()).collect::<Vec<_>>(), list.clone());
        prop_assert!(given.iter().all(|ace| now.contains(ace)));
        prop_assert!(edited.changed.iter().all(|(at, ace)| now[*at] == *ace));
        // Everything else of the descriptor is as it was.
        let after = Descriptor::read(&edited.descriptor).unwrap();
        prop_assert_eq!((after.control, after.owner, after.group, after.sacl), (read.control, read.owner, read.group, read.sacl));
        // No new grant stands behind an inherited entry, none before a deny that stood before all of those.
        let inherited = now.iter().position(|ace| ace[1] & 0x10 != 0).unwrap_or(now.len());
        let deny = now[..inherited].iter().rposition(|ace| matches!(ace[0], 1 | 6));
        for (at, ace) in &edited.changed {
            prop_assert!(*at < inherited);
            if !matches!(ace[0], 1 | 6) {
                prop_assert!(deny.is_none_or(|deny| deny < *at));
            }
        }
        // Twice is once.
        let again = add(&after, &given).unwrap();
        prop_assert_eq!((&again.descriptor, again.changed.len()), (&edited.descriptor, 0));
        // Undo, either way round.
        let undone = remove(&after, &edited.aces()).unwrap();
        prop_assert_eq!(aces(&undone.descriptor), list.clone());
        if revision == 4 {
            prop_assert_eq!(&undone.descriptor, &before);
        }
        let removed = remove(&read, &given).unwrap();
        let rest = Descriptor::read(&removed.descriptor).unwrap();
        let back = put_back(&rest, &removed.changed).unwrap();
        prop_assert_eq!(back.descriptor, before);
    }

    #[test]
    fn an_undo_leaves_what_others_added(
        list in prop::collection::vec(entry(), 0..8),
        others in prop::collection::vec((any::<prop::sample::Index>(), entry()), 0..4),
    ) {
        let before = descriptor(control::DACL_PRESENT, 4, &list, 0);
        let ours = on_descendants(&RESET_PASSWORD.want, &USER, sid("S-1-5-21-9-9-9-9").sid());
        let edited = add(&Descriptor::read(&before).unwrap(), &[ours]).unwrap();
        let mut now = aces(&edited.descriptor);
        let mut without = list;
        for (at, ace) in others {
            let at = at.index(without.len() + 1);
            without.insert(at, ace.clone());
            let ours = now.iter().position(|ace| *ace == edited.changed[0].1).unwrap();
            now.insert(at + usize::from(at > ours), ace);
        }
        let changed = descriptor(control::DACL_PRESENT, 4, &now, 0);
        let undone = remove(&Descriptor::read(&changed).unwrap(), &edited.aces()).unwrap();
        prop_assert_eq!(aces(&undone.descriptor), without);
    }
}
