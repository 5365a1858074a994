//! The text files of group policy (`GptTmpl.inf`, `GPT.INI`): read in whatever encoding, and changed one setting at a
//! time, every other byte kept.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf16Le,
    Utf16Be,
    Utf8,
    /// Some code page: only its ASCII half is looked at.
    Ansi,
}

/// A file's text, and how it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ini {
    encoding: Encoding,
    /// Whether the byte order mark stands before it.
    marked: bool,
    text: String,
}

/// A line of a file.
pub(super) struct Line<'a> {
    /// The section that it stands in, or that it begins.
    pub section: &'a str,
    /// Name and value, where it is a setting.
    pub setting: Option<(&'a str, &'a str)>,
    is_heading: bool,
    /// All of it, its end too.
    whole: Range<usize>,
    value: Range<usize>,
}

impl Line<'_> {
    /// Whether it is this setting.
    pub fn is(&self, section: &str, name: &str) -> bool {
        let named = self.setting.is_some_and(|(own, _)| own.eq_ignore_ascii_case(name));
        named && self.section.eq_ignore_ascii_case(section)
    }
}

impl Ini {
    /// A text that is written as Windows writes it: UTF-16 with its mark.
    pub fn new(text: &str) -> Self {
        Ini {
            encoding: Encoding::Utf16Le,
            marked: true,
            text: text.into(),
        }
    }

    /// Reads a file; None where it is no text.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        use Encoding::{Ansi, Utf8, Utf16Be, Utf16Le};
        let (encoding, marked, rest) = match bytes {
            [0xff, 0xfe, rest @ ..] => (Utf16Le, true, rest),
            [0xfe, 0xff, rest @ ..] => (Utf16Be, true, rest),
            // Some tools leave the mark out: a template begins with `[`.
            [b'[', 0, ..] => (Utf16Le, false, bytes),
            [0xef, 0xbb, 0xbf, rest @ ..] => (Utf8, true, rest),
            _ if std::str::from_utf8(bytes).is_ok() => (Utf8, false, bytes),
            _ => (Ansi, false, bytes),
        };
        let text = match encoding {
            Utf8 => String::from_utf8(rest.into()).ok()?,
            Ansi if rest.contains(&0) => return None,
            Ansi => rest.iter().copied().map(char::from).collect(),
            Utf16Le | Utf16Be => {
                let (pairs, odd) = rest.as_chunks::<2>();
                let unit = match encoding {
                    Utf16Le => u16::from_le_bytes,
                    _ => u16::from_be_bytes,
                };
                let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
                String::from_utf16(&units).ok().filter(|_| odd.is_empty())?
            }
        };
        Some(Ini { encoding, marked, text })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mark = if self.marked { "\u{feff}" } else { "" };
        let units = || mark.encode_utf16().chain(self.text.encode_utf16());
        match self.encoding {
            Encoding::Utf16Le => units().flat_map(u16::to_le_bytes).collect(),
            Encoding::Utf16Be => units().flat_map(u16::to_be_bytes).collect(),
            Encoding::Utf8 => [mark, &self.text].concat().into(),
            // Each was one byte, and what is added is ASCII.
            Encoding::Ansi => self.text.chars().map(|c| c as u8).collect(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Its lines.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let (mut section, mut end) = ("", 0);
        self.text.split_inclusive('\n').map(move |whole| {
            let (start, line) = (end, whole.trim());
            end += whole.len();
            let heading = line.strip_prefix('[');
            if let Some(name) = heading {
                section = name.trim_end_matches(']').trim();
            }
            let equals = whole.find('=').filter(|_| heading.is_none() && !line.starts_with(';'));
            let setting = equals.map(|at| (whole[..at].trim(), whole[at + 1..].trim()));
            let value = equals.map_or(start..start, |at| {
                let rest = &whole[at + 1..];
                let (blank, value) = (rest.len() - rest.trim_start().len(), rest.trim());
                let from = start + at + 1 + if value.is_empty() { 0 } else { blank };
                from..from + value.len()
            });
            Line {
                section,
                setting,
                is_heading: heading.is_some(),
                whole: start..end,
                value,
            }
        })
    }

    /// Whether it has a section.
    fn has(&self, section: &str) -> bool {
        self.heading(section).is_some()
    }

    fn heading(&self, section: &str) -> Option<Range<usize>> {
        let mut lines = self.lines();
        let heading = lines.find(|line| line.is_heading && line.section.eq_ignore_ascii_case(section));
        heading.map(|line| line.whole)
    }

    /// Gives a setting a value wherever it stands; where it does not, puts it first in its section, which is put last
    /// where it is missing. `equals` is the sign of a new line.
    pub fn set(&mut self, section: &str, name: &str, equals: &str, value: &str) {
        let found: Vec<_> = self
            .lines()
            .filter(|line| line.is(section, name))
            .map(|line| line.value)
            .collect();
        for range in found.iter().rev() {
            self.text.replace_range(range.clone(), value);
        }
        if !found.is_empty() {
            return;
        }
        let end = match self.text.find('\n') {
            Some(at) if !self.text[..at].ends_with('\r') => "\n",
            _ => "\r\n",
        };
        let mut new = [name, equals, value, end].concat();
        let at = self.heading(section).map_or(self.text.len(), |heading| heading.end);
        if !self.has(section) {
            new.insert_str(0, &["[", section, "]", end].concat());
        }
        if at > 0 && !self.text[..at].ends_with('\n') {
            new.insert_str(0, end);
        }
        self.text.insert_str(at, &new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(text: &str) -> String {
        let mut ini = Ini::read(text.as_bytes()).unwrap();
        ini.set("General", "Version", "=", "7");
        String::from_utf8(ini.to_bytes()).unwrap()
    }

    #[test]
    fn only_the_value_changes() {
        assert_eq!(
            set("; a\r\n[general ]\r\n\tversion =  12 \r\nx=1\n"),
            "; a\r\n[general ]\r\n\tversion =  7 \r\nx=1\n"
        );
        assert_eq!(set("[General]\nVersion=\n"), "[General]\nVersion=7\n");
        assert_eq!(set("[General]\nVersion"), "[General]\nVersion=7\nVersion", "no setting");
        assert_eq!(
            set("[Other]\r\nVersion=1\r\n;Version=2\r\n[General]"),
            "[Other]\r\nVersion=1\r\n;Version=2\r\n[General]\r\nVersion=7\r\n"
        );
        assert_eq!(set(""), "[General]\r\nVersion=7\r\n");
        assert_eq!(set("x"), "x\r\n[General]\r\nVersion=7\r\n");
        // Which of two counts is for who reads it: both are set.
        assert_eq!(
            set("[General]\nVersion=1\n[x]\n[General]\nVersion=2"),
            "[General]\nVersion=7\n[x]\n[General]\nVersion=7"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "[\\[\\];=a-z \r\n\u{e4}\u{1f600}]{0,40}".prop_map(String::into_bytes),
            ],
            mark in prop::sample::select(vec![&[][..], &[0xff, 0xfe], &[0xfe, 0xff], &[0xef, 0xbb, 0xbf]]),
        ) {
            let bytes = [mark, &bytes].concat();
            if let Some(ini) = Ini::read(&bytes) {
                prop_assert_eq!(ini.to_bytes(), bytes);
                let lines: Vec<Range<usize>> = ini.lines().map(|line| line.whole).collect();
                prop_assert_eq!(lines.iter().map(|range| &ini.text[range.clone()]).collect::<String>(), ini.text.clone());
                for line in ini.lines() {
                    prop_assert_eq!(line.setting.map_or("", |(_, value)| value), &ini.text[line.value.clone()]);
                }
            }
        }
    }
}
