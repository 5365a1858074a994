//! Group policy as far as it decides a domain's passwords: which objects are linked in what order, and what their
//! security templates say.

use super::ini::Ini;

/// A link in an object's `gPLink`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The distinguished name of the group policy object.
    pub object: String,
    /// Not in force.
    pub disabled: bool,
    /// In force whatever stands below ("no override").
    pub enforced: bool,
}

/// The links of a `gPLink`, the one that wins first: what stands last in the text goes before, and what is enforced goes
/// before what is not.
pub fn links(text: &str) -> Vec<Link> {
    let link = |part: &str| {
        let (path, options) = part.strip_prefix('[')?.split_once(']')?.0.rsplit_once(';')?;
        let options: u32 = options.trim().parse().ok()?;
        let scheme = path.get(..7)?;
        scheme.eq_ignore_ascii_case("LDAP://").then(|| Link {
            object: path[7..].into(),
            disabled: options & 1 != 0,
            enforced: options & 2 != 0,
        })
    };
    let starts = text.match_indices('[').map(|(at, _)| &text[at..]);
    let mut links: Vec<Link> = starts.filter_map(link).collect();
    links.reverse();
    // Stable: the order among the enforced is that of their links.
    links.sort_by_key(|link| !link.enforced);
    links
}

/// What a security template (`GptTmpl.inf`) says under `[System Access]`; None for what it leaves alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// `MinimumPasswordAge`, in days.
    pub minimum_password_age: Option<i64>,
    /// `MaximumPasswordAge`, in days; -1 is never.
    pub maximum_password_age: Option<i64>,
    /// `PasswordHistorySize`.
    pub password_history_size: Option<i64>,
    /// `MinimumPasswordLength`.
    pub minimum_password_length: Option<i64>,
    /// `PasswordComplexity`.
    pub password_complexity: Option<i64>,
    /// `LockoutBadCount`.
    pub lockout_bad_count: Option<i64>,
    /// The access list of RestrictRemoteSam, from `[Registry Values]`.
    pub restrict_remote_sam: Option<String>,
}

/// The registry's name of RestrictRemoteSam in a template.
const REMOTE_SAM: &str = r"MACHINE\System\CurrentControlSet\Control\Lsa\RestrictRemoteSam";

/// Why a template cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Neither UTF-16 nor UTF-8 nor of a code page.
    #[error("the security template is not text")]
    NotText,
    /// A setting's value is no number.
    #[error("the security template's {name} is '{value}', which is no number")]
    NoNumber {
        /// The setting.
        name: String,
        /// What stands there.
        value: String,
    },
}

impl Template {
    /// Reads a template: UTF-16 with its mark, as Windows writes it, UTF-8, or of some code page. A setting that stands
    /// twice counts as it stands last.
    pub fn read(bytes: &[u8]) -> Result<Self, TemplateError> {
        let file = Ini::read(bytes).ok_or(TemplateError::NotText)?;
        let mut template = Template::default();
        for line in file.lines() {
            let passwords = line.section.eq_ignore_ascii_case("System Access");
            if !(passwords || line.section.eq_ignore_ascii_case("Registry Values")) {
                continue;
            }
            let Some((name, value)) = line.setting else {
                continue;
            };
            if !passwords {
                // The kind of the value, 1 for a text, and the value.
                if name.eq_ignore_ascii_case(REMOTE_SAM)
                    && let Some((_, text)) = value.split_once(',')
                {
                    template.restrict_remote_sam = Some(text.trim().trim_matches('"').into());
                }
                continue;
            }
            let setting = match name.to_ascii_lowercase().as_str() {
                "minimumpasswordage" => &mut template.minimum_password_age,
                "maximumpasswordage" => &mut template.maximum_password_age,
                "passwordhistorysize" => &mut template.password_history_size,
                "minimumpasswordlength" => &mut template.minimum_password_length,
                "passwordcomplexity" => &mut template.password_complexity,
                "lockoutbadcount" => &mut template.lockout_bad_count,
                _ => continue,
            };
            let number = value.parse().map_err(|_| TemplateError::NoNumber {
                name: name.into(),
                value: value.chars().take(40).collect(),
            })?;
            *setting = Some(number);
        }
        Ok(template)
    }

    /// Whether Windows takes the ages: 0 to 999 days, below the maximum unless that is never (-1).
    pub fn has_sound_ages(&self) -> bool {
        let minimum = self.minimum_password_age.unwrap_or(0);
        let maximum = self.maximum_password_age;
        (0..=999).contains(&minimum)
            && maximum.is_none_or(|maximum| maximum == -1 || (1..=999).contains(&maximum) && minimum < maximum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEFAULT: &str = "cn={31B2F340-016D-11D2-945F-00C04FB984F9},cn=policies,cn=system,DC=example,DC=test";

    #[test]
    fn the_last_link_wins_and_an_enforced_one_before_it() {
        let text = format!("[LDAP://CN=a,DC=x;2][LDAP://CN=b,DC=x;1][ldap://{DEFAULT};0]");
        let found = links(&text);
        let names: Vec<&str> = found.iter().map(|link| link.object.as_str()).collect();
        assert_eq!(names, ["CN=a,DC=x", DEFAULT, "CN=b,DC=x"]);
        assert_eq!(
            (found[0].enforced, found[2].disabled, found[1].disabled),
            (true, true, false)
        );
        assert_eq!(links(" "), []);
        assert_eq!(links("[LDAP://CN=a;x][nonsense][LDAP://CN=b;0]").len(), 1);
    }

    #[test]
    fn a_template_is_read_in_every_form_that_windows_and_others_write() {
        let text = "[Unicode]\r\nUnicode=yes\r\n[System Access]\r\nMinimumPasswordAge = 1\r\nMaximumPasswordAge = 42\r\n; a word\r\nPasswordComplexity = 1\r\n[Version]\r\nsignature=\"$CHICAGO$\"\r\nMinimumPasswordAge = 7\r\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let forms = [
            [&[0xff, 0xfe][..], &little].concat(),
            [&[0xfe, 0xff][..], &big].concat(),
            little,
            [&[0xef, 0xbb, 0xbf][..], text.as_bytes()].concat(),
            text.as_bytes().to_vec(),
        ];
        for form in forms {
            let read = Template::read(&form).unwrap();
            assert_eq!(read.minimum_password_age, Some(1));
            assert_eq!(read.maximum_password_age, Some(42));
            assert_eq!((read.password_complexity, read.password_history_size), (Some(1), None));
            assert!(read.has_sound_ages());
        }
    }

    #[test]
    fn the_list_of_restrict_remote_sam_is_read() {
        let text = "[Registry Values]\r\nMACHINE\\System\\CurrentControlSet\\Control\\Lsa\\RestrictRemoteSam=1,\"O:BAG:BAD:(A;;RC;;;BA)\"\r\nMACHINE\\Other=4,1\r\n";
        let read = Template::read(text.as_bytes()).unwrap();
        assert_eq!(read.restrict_remote_sam.as_deref(), Some("O:BAG:BAD:(A;;RC;;;BA)"));
    }

    #[test]
    fn what_is_no_template_is_told() {
        assert_eq!(Template::read(&[0xff, 0xfe, 0]), Err(TemplateError::NotText));
        assert_eq!(Template::read(&[0xff, 0xff, 0]), Err(TemplateError::NotText));
        let error = Template::read(b"[System Access]\nMinimumPasswordAge = soon").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the security template's MinimumPasswordAge is 'soon', which is no number"
        );
    }

    #[test]
    fn ages_that_windows_drops_are_not_sound() {
        let ages = |minimum, maximum| Template {
            minimum_password_age: minimum,
            maximum_password_age: maximum,
            ..Default::default()
        };
        assert!(ages(Some(5), Some(-1)).has_sound_ages() && ages(None, None).has_sound_ages());
        for (minimum, maximum) in [
            (Some(42), Some(42)),
            (Some(1000), None),
            (Some(-1), None),
            (Some(0), Some(0)),
        ] {
            assert!(!ages(minimum, maximum).has_sound_ages(), "{minimum:?} {maximum:?}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[\\];:/A-Za-z0-9=,]{0,60}") {
            let _ = Template::read(&bytes);
            let _ = links(&text);
        }
    }
}
