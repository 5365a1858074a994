use super::*;
use crate::rights::{RESET_PASSWORD, UNEXPIRE_PASSWORD, USER, WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET, Want};
use crate::sid::SidBuf;
use proptest::prelude::*;

const CONNECTOR: &str = "S-1-5-21-1-2-3-1104";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sid(text: &str) -> SidBuf {
    text.parse().unwrap()
}

fn object(want: Want) -> Guid {
    match want {
        Want::ControlAccess(right) => right,
        Want::WriteProperty { attribute, .. } => attribute,
        Want::ReadProperties => unreachable!("it has none"),
    }
}

/// A descriptor whose list has these entries.
fn descriptor(control: u16, entries: &[Vec<u8>]) -> Vec<u8> {
    let owner = sid("S-1-5-32-544");
    let bytes = entries.concat();
    Descriptor {
        control: control | control::SELF_RELATIVE,
        resource_manager: 0,
        owner: Some(owner.sid()),
        group: None,
        sacl: None,
        written_dacl: Some(Acl::of(entries.len() as u16, &bytes).unwrap()),
        order: [Part::Owner, Part::Group, Part::Sacl, Part::Dacl],
    }
    .to_bytes()
}

#[test]
fn the_rights_of_writeback_are_written_as_computed_from_the_specification() {
    use flag::{CONTAINER_INHERIT as CI, INHERIT_ONLY as IO};
    let connector = sid(CONNECTOR);
    let descendants = |mask, want| {
        hex(&allowing(
            CI | IO,
            mask,
            Some(&object(want)),
            Some(&USER),
            connector.sid(),
        ))
    };
    let sid = "01050000000000051500000001000000020000000300000050040000";
    let user = "ba7a96bfe60dd011a28500aa003049e2";
    assert_eq!(
        descendants(mask::CONTROL_ACCESS, RESET_PASSWORD.want),
        format!("050a48000001000003000000709529006d24d011a76800aa006e0529{user}{sid}")
    );
    assert_eq!(
        descendants(mask::WRITE_PROPERTY, WRITE_LOCKOUT_TIME.want),
        format!("050a48002000000003000000bf0e6328d541d111a9c10000f80367c1{user}{sid}")
    );
    assert_eq!(
        descendants(mask::WRITE_PROPERTY, WRITE_PWD_LAST_SET.want),
        format!("050a480020000000030000000a7a96bfe60dd011a28500aa003049e2{user}{sid}")
    );
    let unexpire = |flags| {
        hex(&allowing(
            flags,
            mask::CONTROL_ACCESS,
            Some(&object(UNEXPIRE_PASSWORD.want)),
            None,
            connector.sid(),
        ))
    };
    for (flags, text) in [(CI, "0502"), (0, "0500")] {
        assert_eq!(
            unexpire(flags),
            format!("{text}380000010000010000007ddcc2ccada67a4a8846c04e3cc53501{sid}")
        );
    }
}

#[test]
fn a_descriptor_is_read_as_it_was_written() {
    let connector = sid(CONNECTOR);
    let reset = object(RESET_PASSWORD.want);
    let bytes = descriptor(
        control::DACL_PRESENT | control::DACL_PROTECTED,
        &[
            allowing(
                flag::INHERITED,
                mask::CONTROL_ACCESS,
                Some(&reset),
                Some(&USER),
                connector.sid(),
            ),
            // An entry for auditing, and one of a kind that nobody knows.
            vec![2, 0, 12, 0, 1, 2, 3, 4, 5, 6, 7, 8],
            vec![0x77, 0, 4, 0],
        ],
    );
    let read = Descriptor::read(&bytes).unwrap();
    assert!(read.is_protected());
    assert_eq!(read.owner.unwrap().to_string(), "S-1-5-32-544");
    let aces: Vec<Ace<'_>> = read.dacl().unwrap().aces().collect();
    assert_eq!(aces.len(), 3);
    assert_eq!(aces[0].effect, Some(Effect::Allow));
    assert_eq!((aces[0].object, aces[0].inherited_object), (Some(&reset), Some(&USER)));
    assert!(aces[0].is_inherited() && aces[0].is_effective());
    assert_eq!(aces[0].trustee().unwrap().to_string(), CONNECTOR);
    assert_eq!((aces[2].effect, aces[2].bytes), (None, &[0x77, 0, 4, 0][..]));
    assert_eq!(read.to_bytes(), bytes);
}

#[test]
fn a_list_that_is_not_present_does_not_count() {
    let bytes = descriptor(0, &[]);
    assert_eq!(Descriptor::read(&bytes).unwrap().dacl(), None);
    let bytes = descriptor(control::DACL_PRESENT, &[]);
    assert_eq!(Descriptor::read(&bytes).unwrap().dacl().unwrap().aces().count(), 0);
}

#[test]
fn parts_in_another_order_and_room_behind_the_entries_are_kept() {
    // Windows writes the lists first. The list has four bytes of room.
    let mut bytes = vec![1, 0, 4, 0x84, 40, 0, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0];
    bytes.extend([2, 0, 20, 0, 1, 0, 0, 0]);
    bytes.extend([0x77, 0, 8, 0, 1, 2, 3, 4, 9, 9, 9, 9]);
    for rid in [18u8, 19] {
        bytes.extend([1, 1, 0, 0, 0, 0, 0, 5, rid, 0, 0, 0]);
    }
    let read = Descriptor::read(&bytes).unwrap();
    assert_eq!(
        (read.owner.unwrap().to_string(), read.group.unwrap().to_string()),
        ("S-1-5-18".into(), "S-1-5-19".into())
    );
    assert_eq!(read.to_bytes(), bytes);
}

#[test]
fn another_list_takes_the_place_of_the_old_one() {
    let old = descriptor(control::DACL_PRESENT, &[vec![0x77, 0, 4, 0]]);
    let entry = allowing(0, mask::CONTROL_ACCESS, None, None, sid(CONNECTOR).sid());
    let new = Descriptor::read(&old).unwrap().with_dacl(Acl::of(1, &entry).unwrap());
    let read = Descriptor::read(&new).unwrap();
    assert_eq!(
        read.dacl()
            .unwrap()
            .aces()
            .map(|ace| ace.bytes.to_vec())
            .collect::<Vec<_>>(),
        [entry]
    );
    assert_eq!(read.owner, Descriptor::read(&old).unwrap().owner);
    assert!(Acl::of(2, &[0, 0, 4, 0]).is_err(), "fewer entries than it says");
}

#[test]
fn whatever_is_cut_off_is_told() {
    let bytes = descriptor(
        control::DACL_PRESENT,
        &[allowing(
            0,
            mask::CONTROL_ACCESS,
            Some(&USER),
            None,
            sid(CONNECTOR).sid(),
        )],
    );
    for end in 0..bytes.len() {
        assert!(Descriptor::read(&bytes[..end]).is_err(), "{end}");
    }
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(mut bytes in proptest::collection::vec(any::<u8>(), 20..200), valid in any::<bool>()) {
        if valid {
            bytes[0] = 1;
            bytes[3] |= 0x80;
            for at in [4, 8, 12, 16] {
                bytes[at + 1..at + 4].fill(0);
            }
        }
        if let Ok(read) = Descriptor::read(&bytes) {
            let written = read.to_bytes();
            let again = Descriptor::read(&written).unwrap();
            prop_assert_eq!((again.control, again.owner, again.group, again.dacl()), (read.control, read.owner, read.group, read.dacl()));
        }
    }
}
