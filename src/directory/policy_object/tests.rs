use super::*;
use proptest::prelude::*;

const PAIR: &str = "[{827D319E-6EAC-11D2-A4EA-00C04F79F83A}{803E14A0-B4FB-11D0-A0D0-00A0C90F574B}]";
const REGISTRY: &str = "[{35378EAC-683F-11D2-A89A-00C04FBBCFA2}{D02B1F72-3407-48AE-BA88-E8213C6761F1}]";
const AUDIT: &str = "[{F3CCC681-B74C-4060-9F26-CD84525DCA2A}{0F3F3735-573D-9804-99E4-AB2A69BA5FD4}]";
const OBJECT: &str = "cn={11111111-2222-3333-4444-555555555555},cn=policies,cn=system,DC=example,DC=test";

#[test]
fn the_computer_s_half_rises_and_is_never_zero() {
    assert_eq!(raised(0), 1);
    assert_eq!(raised(0x0003_0007), 0x0003_0008);
    assert_eq!(raised(0xffff_ffff), 0xffff_0001);
}

#[test]
fn gpt_ini_keeps_what_else_stands_in_it() {
    let before = b"[General]\r\nVersion=196615\r\ndisplayName=Gr\xfc\xdfe\r\n";
    assert_eq!(version(before), Ok(Some(0x0003_0007)));
    let new = with_version(before, raised(0x0003_0007)).unwrap();
    assert_eq!(new, b"[General]\r\nVersion=196616\r\ndisplayName=Gr\xfc\xdfe\r\n");
    assert_eq!(with_version(b"", 1).unwrap(), b"[General]\r\nVersion=1\r\n");
    assert_eq!(version(b"[General]\r\nVersion=-65535\r\n"), Ok(Some(0xffff_0001)));
    assert_eq!(version(b"[Other]\r\nVersion=3\r\n"), Ok(None));
    assert_eq!(
        version(b"[General]\r\nVersion=new\r\n"),
        Err(PolicyObjectError::NoVersion)
    );
    assert_eq!(version(b"\xff\xfe\x00"), Err(PolicyObjectError::NotText));
}

#[test]
fn the_security_extension_goes_to_its_place() {
    let with = |names: &str| with_security_extension(names).unwrap();
    assert_eq!(with(""), PAIR);
    assert_eq!(with(" "), PAIR);
    assert_eq!(with(&[REGISTRY, AUDIT].concat()), [REGISTRY, PAIR, AUDIT].concat());
    assert_eq!(with(&[REGISTRY, PAIR].concat()), [REGISTRY, PAIR].concat());
    assert_eq!(with(&PAIR.to_lowercase()), PAIR.to_lowercase(), "there already");
    // Out of order stays so.
    assert_eq!(with(&[AUDIT, REGISTRY].concat()), [PAIR, AUDIT, REGISTRY].concat());
    let other = "{827d319e-6eac-11d2-a4ea-00c04f79f83a}{90000000-0000-0000-0000-000000000000}";
    assert_eq!(
        with(&format!("[{other}]")),
        "[{827d319e-6eac-11d2-a4ea-00c04f79f83a}{803E14A0-B4FB-11D0-A0D0-00A0C90F574B}{90000000-0000-0000-0000-000000000000}]"
    );
    for bad in [
        "x",
        "[]",
        "[{A}{B}]",
        "[{35378EAC-683F-11D2-A89A-00C04FBBCFA2}",
        &PAIR[1..],
    ] {
        assert_eq!(
            with_security_extension(bad),
            Err(PolicyObjectError::Extensions),
            "{bad}"
        );
    }
}

#[test]
fn an_undo_keeps_the_extensions_that_have_come_since() {
    let without = |now: &[&str], before: &str| without_security_extension(&now.concat(), before).unwrap();
    assert_eq!(without(&[REGISTRY, PAIR, AUDIT], REGISTRY), [REGISTRY, AUDIT].concat());
    assert_eq!(
        without(&[PAIR, AUDIT], PAIR),
        [PAIR, AUDIT].concat(),
        "it was there before"
    );
    assert_eq!(without(&[PAIR], ""), "");
    assert_eq!(without(&[AUDIT], ""), AUDIT);
}

#[test]
fn a_new_link_wins() {
    let other = "[LDAP://CN=a,DC=x;0]";
    assert_eq!(with_link(" ", OBJECT), format!("[LDAP://{OBJECT};0]"));
    assert_eq!(with_link(other, OBJECT), format!("{other}[LDAP://{OBJECT};0]"));
    assert_eq!(
        with_link("[LDAP://CN=a,DC=x;2]", OBJECT),
        format!("[LDAP://CN=a,DC=x;2][LDAP://{OBJECT};2]")
    );
    let disabled = "[LDAP://CN=a,DC=x;3]";
    assert_eq!(with_link(disabled, OBJECT), format!("{disabled}[LDAP://{OBJECT};0]"));
    let there = format!("[ldap://{};1]{other}", OBJECT.to_uppercase());
    assert_eq!(with_link(&there, OBJECT), there);
    assert_eq!(without_link(&there, OBJECT, &there), there);
}

fn guid() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        SECURITY_EXTENSION.to_string(),
        SECURITY_TOOL.to_lowercase(),
        "{00000000-0000-0000-0000-000000000000}".to_string(),
    ]);
    prop_oneof![1 => known, 2 => "\\{[0-9A-Fa-f]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}\\}"]
}

fn names() -> impl Strategy<Value = Vec<String>> {
    let block = prop::collection::vec(guid(), 1..4).prop_map(|guids| format!("[{}]", guids.concat()));
    prop::collection::vec(block, 0..5)
}

fn link() -> impl Strategy<Value = String> {
    ("(LDAP|ldap)", "[a-c]", 0u32..4)
        .prop_map(|(scheme, name, options)| format!("[{scheme}://cn={name},DC=x;{options}]"))
}

proptest! {
    #[test]
    fn versions_keep_the_user_s_half(old in any::<u32>(), name in "[ -~]{0,10}") {
        let new = raised(old);
        prop_assert_eq!(new >> 16, old >> 16);
        prop_assert_ne!(new & 0xffff, old & 0xffff);
        prop_assert_ne!(new & 0xffff, 0);
        let file = format!("[General]\r\nVersion={old}\r\ndisplayName={name}\r\n");
        let raised = with_version(file.as_bytes(), new).unwrap();
        prop_assert_eq!(version(&raised), Ok(Some(new)));
        prop_assert_eq!(with_version(&raised, old).unwrap(), file.into_bytes());
    }

    #[test]
    fn extensions_gain_one_pair_and_lose_it_again(before in names(), since in prop::option::of(guid())) {
        let before = before.concat();
        let new = with_security_extension(&before).unwrap();
        prop_assert_eq!(with_security_extension(&new).unwrap(), new.clone(), "twice is once");
        prop_assert_eq!(without_security_extension(&new, &before).unwrap(), before.clone());
        let all = extensions(&new).unwrap();
        let has = |all: &[Vec<&str>]| all.iter().any(|guids| guids[0].eq_ignore_ascii_case(SECURITY_EXTENSION) && guids[1..].iter().any(|tool| tool.eq_ignore_ascii_case(SECURITY_TOOL)));
        prop_assert!(has(&all));
        let is_sorted = |all: &[Vec<&str>]| all.is_sorted_by_key(|guids| guids[0].to_ascii_uppercase());
        prop_assert!(!is_sorted(&extensions(&before).unwrap()) || is_sorted(&all));
        // With another extension that came since.
        if let Some(since) = since.filter(|since| !since.eq_ignore_ascii_case(SECURITY_EXTENSION)) {
            let since = format!("[{since}]");
            let back = without_security_extension(&[new.as_str(), &since].concat(), &before).unwrap();
            if before != new {
                prop_assert!(back == [before.as_str(), &since].concat() || back == before, "{back}");
            }
        }
    }

    #[test]
    fn a_link_comes_and_goes_and_the_others_stay(before in prop::collection::vec(link(), 0..5), since in link()) {
        let before = before.concat();
        let new = with_link(&before, OBJECT);
        prop_assert!(new.starts_with(&before));
        let found = links(&new);
        let first = found.iter().find(|link| !link.disabled).unwrap();
        prop_assert_eq!(first.object.as_str(), OBJECT);
        prop_assert_eq!(with_link(&new, &OBJECT.to_uppercase()), new.clone(), "twice is once");
        prop_assert_eq!(without_link(&new, OBJECT, &before), before.clone());
        let others = [since.as_str(), &new, &since].concat();
        prop_assert_eq!(without_link(&others, OBJECT, &before), [since.as_str(), &before, &since].concat());
    }

    #[test]
    fn random_text_does_no_harm(now in "[\\[\\]{};:/A-Za-z\u{e4}\u{20ac}]{0,60}", before in "[\\[\\]{}A-F-]{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = with_security_extension(&now);
        let _ = without_security_extension(&now, &before);
        let _ = without_link(&with_link(&now, OBJECT), OBJECT, &before);
        let _ = version(&bytes);
        let _ = with_version(&bytes, 1);
    }
}
