use super::*;
use proptest::prelude::*;

fn utf16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    [0xff, 0xfe].into_iter().chain(units).collect()
}

const DOMAIN: &str = "[Unicode]\r\nUnicode=yes\r\n[System Access]\r\nMinimumPasswordAge = 1\r\nMaximumPasswordAge = 42\r\n; Grüße\r\n[Kerberos Policy]\r\nMaxTicketAge = 10\r\n[Version]\r\nsignature=\"$CHICAGO$\"\r\nRevision=1\r\n";

#[test]
fn one_value_of_a_template_changes() {
    let new = with_minimum_password_age(Some(&utf16(DOMAIN)), 0).unwrap();
    assert_eq!(
        new,
        utf16(&DOMAIN.replace("MinimumPasswordAge = 1", "MinimumPasswordAge = 0"))
    );
    assert_eq!(with_minimum_password_age(Some(&new), 1).unwrap(), utf16(DOMAIN));
}

#[test]
fn a_missing_file_is_made_as_the_specification_tells() {
    let new = with_minimum_password_age(None, 0).unwrap();
    let text = "[Unicode]\r\nUnicode=yes\r\n[Version]\r\nsignature=\"$CHICAGO$\"\r\nRevision=1\r\n[System Access]\r\nMinimumPasswordAge = 0\r\n";
    assert_eq!(new, utf16(text));
    for empty in [&b""[..], b"\xff\xfe"] {
        assert_eq!(with_minimum_password_age(Some(empty), 0).unwrap(), new);
    }
}

#[test]
fn a_missing_setting_becomes_the_first_of_its_section_and_a_missing_section_the_last() {
    let set = |text: &str| String::from_utf8(with_minimum_password_age(Some(text.as_bytes()), 0).unwrap()).unwrap();
    assert_eq!(
        set("[System Access]\nMaximumPasswordAge = 42\n"),
        "[System Access]\nMinimumPasswordAge = 0\nMaximumPasswordAge = 42\n"
    );
    assert_eq!(
        set("[Version]\r\nRevision=1"),
        "[Version]\r\nRevision=1\r\n[System Access]\r\nMinimumPasswordAge = 0\r\n"
    );
}

#[test]
fn a_code_page_s_characters_are_kept() {
    let file = b"[Unicode]\r\nUnicode=no\r\n; Gr\xfc\xdfe\r\n[System Access]\r\nMinimumPasswordAge=3\r\n";
    let new = with_minimum_password_age(Some(file), 0).unwrap();
    assert_eq!(
        new,
        b"[Unicode]\r\nUnicode=no\r\n; Gr\xfc\xdfe\r\n[System Access]\r\nMinimumPasswordAge=0\r\n"
    );
    assert_eq!(Template::read(&new).unwrap().minimum_password_age, Some(0));
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let unread = b"[System Access]\nMinimumPasswordAge = 1 ; a day\n";
    assert!(with_minimum_password_age(Some(unread), 0).is_err());
    assert_eq!(
        with_minimum_password_age(Some(&[0xff, 0xfe, 0]), 0),
        Err(TemplateError::NotText)
    );
}

fn line() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "[System Access]",
        " [ system access ] ",
        "[Registry Values]",
        "[Unicode]",
        "[Strange",
        "MinimumPasswordAge = 1",
        "\tminimumpasswordage=30 ",
        "\u{a0}MinimumPasswordAge\u{3000}=\u{2003}5\u{a0}",
        ";MinimumPasswordAge = 4",
        "MinimumPasswordAge",
        "MaximumPasswordAge = 42",
        "MACHINE\\System\\CurrentControlSet\\Control\\Lsa\\RestrictRemoteSam=1,\"O:BA\"",
        "Unicode=yes",
        "",
    ]);
    prop_oneof![6 => known.prop_map(str::to_string), 1 => "[ -~\u{e4}\u{20ac}\r]{0,12}"]
}

proptest! {
    #[test]
    fn the_setting_has_its_value_and_all_else_is_as_it_was(
        lines in prop::collection::vec((line(), prop::sample::select(vec!["\r\n", "\n"])), 0..14),
        last in line(),
        wide in any::<bool>(),
        days in 0u16..999,
    ) {
        let text: String = lines.iter().flat_map(|(line, end)| [line.as_str(), end]).chain([last.as_str()]).collect();
        let before = if wide { utf16(&text) } else { text.into_bytes() };
        let Ok(old) = Template::read(&before) else {
            prop_assert!(with_minimum_password_age(Some(&before), days).is_err());
            return Ok(());
        };
        let new = with_minimum_password_age(Some(&before), days).unwrap();
        let expected = Template { minimum_password_age: Some(days.into()), ..old.clone() };
        prop_assert_eq!(Template::read(&new).unwrap(), expected);
        prop_assert_eq!(with_minimum_password_age(Some(&new), days).unwrap(), new.clone(), "twice is once");
        // Every line but those of the setting, its section's heading where it is new, and the head of an empty file.
        let others = |file: &[u8]| {
            let ini = Ini::read(file).unwrap();
            let bytes = ini.to_bytes();
            let text = if wide { String::from_utf16(&bytes[2..].as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect::<Vec<_>>()).unwrap() } else { String::from_utf8(bytes).unwrap() };
            let is_ours: Vec<bool> = ini.lines().map(|line| line.is(SECTION, NAME)).collect();
            let lines: Vec<String> = text.split_inclusive('\n').zip(is_ours).filter(|(_, ours)| !ours).map(|(line, _)| line.to_string()).collect();
            lines.concat()
        };
        if !before.is_empty() && before != [0xff, 0xfe] {
            let (old, new) = (others(&before), others(&new));
            let kept = new.strip_prefix(old.as_str());
            let rest = kept.map(|rest| rest.trim_start_matches(['\r', '\n']));
            prop_assert!(matches!(rest, Some("" | "[System Access]\r\n" | "[System Access]\n")), "{old:?} became {new:?}");
        }
        // And back, where the file names it once, as a number is written.
        let ini = Ini::read(&before).unwrap();
        let named: Vec<_> = ini.lines().filter(|line| line.is(SECTION, NAME)).filter_map(|line| line.setting).collect();
        if let [(_, value)] = named[..] && let Ok(former) = value.parse::<u16>() && former.to_string() == value {
            prop_assert_eq!(with_minimum_password_age(Some(&new), former).unwrap(), before.clone());
        }
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = with_minimum_password_age(Some(&bytes), 0);
    }
}
