//! Which versions of Entra Connect are supported: a table that is data, with the day on which it was checked.

use jiff::civil::Date;
use std::str::FromStr;

/// The table. Its lines: `checked DATE`, `floor VERSION`, `ends VERSION DATE`, `current VERSION`, `withdrawn VERSION`.
const TABLE: &str = include_str!("versions.txt");

/// A version, to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u32; 4]);

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = [0; 4];
        let mut given = text.trim().split('.');
        for (at, part) in parts.iter_mut().enumerate() {
            match given.next() {
                Some(text) => *part = text.parse().map_err(|_| ())?,
                // `2.6` alone names no version.
                None if at < 3 => return Err(()),
                None => {}
            }
        }
        match given.next() {
            None => Ok(Version(parts)),
            Some(_) => Err(()),
        }
    }
}

/// What the table says of a version.
#[derive(Debug, PartialEq, Eq)]
pub enum Support {
    /// Older than the oldest that still works.
    Stopped,
    /// Microsoft took it back.
    Withdrawn,
    /// Supported until that day.
    Until(Date),
    /// The newest that the table knows, or newer.
    Current,
    /// Between two versions of the table, which does not name it.
    Unlisted,
}

/// The day on which the table was checked.
pub fn checked() -> Option<Date> {
    lines("checked").next()?.parse().ok()
}

fn lines(kind: &str) -> impl Iterator<Item = &'static str> {
    let of = move |line: &'static str| Some(line.strip_prefix(kind)?.strip_prefix(' ')?.trim());
    TABLE.lines().filter_map(of)
}

/// What the table says of a version.
pub fn support(version: Version) -> Support {
    let is = |text: &str| text.parse() == Ok(version);
    if lines("withdrawn").any(is) {
        return Support::Withdrawn;
    }
    let ends = lines("ends").filter_map(|line| {
        let (version, date) = line.split_once(' ')?;
        Some((version.parse::<Version>().ok()?, date.trim().parse::<Date>().ok()?))
    });
    if let Some((_, date)) = ends.into_iter().find(|(known, _)| *known == version) {
        return Support::Until(date);
    }
    let bound = |kind: &str| lines(kind).find_map(|text| text.parse::<Version>().ok());
    if bound("floor").is_some_and(|floor| version < floor) {
        return Support::Stopped;
    }
    match bound("current").is_some_and(|current| version >= current) {
        true => Support::Current,
        false => Support::Unlisted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whole() {
        assert!(checked().is_some());
        for line in TABLE
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let (kind, rest) = line.split_once(' ').unwrap();
            let mut words = rest.split_whitespace();
            match kind {
                "checked" => assert!(words.next().unwrap().parse::<Date>().is_ok()),
                "floor" | "current" | "withdrawn" => {
                    assert!(words.next().unwrap().parse::<Version>().is_ok(), "{line}")
                }
                "ends" => {
                    assert!(words.next().unwrap().parse::<Version>().is_ok(), "{line}");
                    assert!(words.next().unwrap().parse::<Date>().is_ok(), "{line}");
                }
                _ => panic!("{line}"),
            }
            assert_eq!(words.next(), None, "{line}");
        }
    }

    #[test]
    fn versions_are_judged_by_the_table() {
        let of = |text: &str| support(text.parse().unwrap());
        assert_eq!(of("1.6.16.0"), Support::Stopped);
        assert_eq!(of("2.5.78.0"), Support::Stopped);
        assert_eq!(of("2.5.79.0"), Support::Until("2026-10-23".parse().unwrap()));
        assert_eq!(of("2.6.79.0"), Support::Withdrawn);
        assert_eq!(of("2.6.92.0"), Support::Current);
        assert_eq!(of("3.0.0.0"), Support::Current);
        assert_eq!(of("2.6.50.0"), Support::Unlisted);
        for odd in ["", "2", "2.6", "2.6.x.0", "2.6.3.0.1", "-1.2.3.4"] {
            assert!(odd.parse::<Version>().is_err(), "{odd}");
        }
        assert!("2.6.3".parse::<Version>().unwrap() < "2.10.0.0".parse().unwrap());
    }
}
