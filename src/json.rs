//! How JSON is read here: always through its tree. For every other place that it may be read from (bytes, a string, what serde
//! keeps of a tagged enum) the compiler makes another reader of each type, kilobytes each.

use crate::error::{Error, Result};
use crate::status::Status;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Reads a document.
pub fn read<T: DeserializeOwned>(text: &(impl AsRef<[u8]> + ?Sized)) -> serde_json::Result<T> {
    read_tree(serde_json::from_slice(text.as_ref())?)
}

pub use sspr_rows::tree::read as read_tree;

/// The first member that an object of a document has twice, by its path: which of the two is meant nobody knows. Nothing where
/// there is none, or where it is no JSON.
pub fn repeated(text: &str) -> Option<String> {
    let (mut path, mut found) = (Vec::new(), None);
    let look = Look {
        path: &mut path,
        found: &mut found,
    };
    // What is no JSON its reader tells.
    let _ = look.deserialize(&mut serde_json::Deserializer::from_str(text));
    found
}

/// Looks for a member that stands twice.
struct Look<'l> {
    /// Where it is.
    path: &'l mut Vec<String>,
    found: &'l mut Option<String>,
}

impl Look<'_> {
    fn inner(&mut self) -> Look<'_> {
        Look {
            path: self.path,
            found: self.found,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> std::result::Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            self.path.push(name.clone());
            if !names.insert(name) && self.found.is_none() {
                *self.found = Some(self.path.join("."));
            }
            map.next_value_seed(self.inner())?;
            self.path.pop();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> std::result::Result<(), A::Error> {
        while list.next_element_seed(self.inner())?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<(), E> {
        Ok(())
    }
}

/// Refuses what is no request, or has a member that this one does not know. It stands for a type of the request's own where its
/// reader would be as large as the work.
pub fn strict(request: &Value, known: &[&str]) -> Result<()> {
    let members = request.as_object();
    let unknown = members.and_then(|members| members.keys().find(|name| !known.contains(&name.as_str())));
    match (members, unknown) {
        (Some(_), None) => Ok(()),
        (_, unknown) => {
            let what = unknown.map_or_else(|| "it is no object".into(), |name| format!("unknown field `{name}`"));
            let what = format!("the request is not acceptable: {what}");
            Err(Error::new(Status::ArgumentJson, what).target("request_json"))
        }
    }
}

/// A member that says yes or no; no where it is left out. Any other value is refused: it may have been meant for yes.
pub fn flag(request: &Value, name: &str) -> Result<bool> {
    match &request[name] {
        Value::Null => Ok(false),
        Value::Bool(yes) => Ok(*yes),
        _ => {
            let what = format!("'{name}' is neither true nor false");
            Err(Error::new(Status::ArgumentInvalid, what).target(name))
        }
    }
}

/// A document without halves of surrogate pairs, which no text can hold: U+FFFD stands in their place.
pub fn mended(text: &str) -> Cow<'_, str> {
    let escape = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut kept, mut at) = (String::new(), 0, 0);
    while let Some(found) = text[at..].find('\\') {
        at += found;
        at += match escape(at) {
            Some(0xd800..=0xdbff) if matches!(escape(at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                out.push_str(&text[kept..at]);
                out.push_str("\\ufffd");
                kept = at + 6;
                6
            }
            // Whatever it is, what is escaped is no backslash of another escape.
            _ => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_a_boolean_or_left_out() {
        let request = serde_json::json!({"on": true, "off": false, "null": null, "text": "false", "number": 1});
        let read = |name: &str| flag(&request, name).map_err(|error| error.target.unwrap_or_default());
        assert_eq!((read("on"), read("off")), (Ok(true), Ok(false)));
        assert_eq!((read("null"), read("none")), (Ok(false), Ok(false)));
        for name in ["text", "number"] {
            assert_eq!(read(name), Err(name.to_string()));
        }
    }

    #[test]
    fn a_member_that_stands_twice_is_found_wherever_it_is() {
        for (text, found) in [
            (
                r#"{"a": 1, "b": {"a": [1.5, -1, true, null, "x"]}, "c": [{"a": 1}, {"a": 2}]}"#,
                None,
            ),
            (r#"{"a": 1, "b": 2, "a": 1}"#, Some("a")),
            (r#"{"a": {"b": {"c": 1, "d": 2, "c": 3, "d": 4}}}"#, Some("a.b.c")),
            (r#"{"a": [{"b": 1, "\u0062": 2}]}"#, Some("a.b")),
            (r#"[{"a": 1}, {"a": 1}]"#, None),
            (r#"{"a": 1, "a""#, Some("a")),
            ("", None),
        ] {
            assert_eq!(repeated(text).as_deref(), found, "{text}");
        }
    }

    #[test]
    fn halves_of_pairs_are_mended_and_nothing_else() {
        let read = |text: &str| read::<String>(&*mended(text)).unwrap();
        assert_eq!(read(r#""a\ud800b""#), "a\u{fffd}b");
        assert_eq!(read(r#""\ud83d\ude00""#), "\u{1f600}");
        assert_eq!(read(r#""\udc00\ud800""#), "\u{fffd}\u{fffd}");
        assert_eq!(read(r#""\\ud800 \n \u00e9""#), "\\ud800 \n \u{e9}");
        assert!(matches!(mended(r#""\\ud800 \u00e9\ud83d\ude00""#), Cow::Borrowed(_)));
        for cut in [r#""\u"#, r#""\"#, r#""\ud8"#, r#""\é"#] {
            assert_eq!(mended(cut), cut);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_mended_stays_mended_and_what_reads_reads_the_same(text in r#"[\\\\ud89abcDF0é"]{0,40}"#) {
            let text = format!("\"{}\"", text.replace('"', ""));
            let once = mended(&text).into_owned();
            proptest::prop_assert_eq!(&*mended(&once), &once);
            if let Ok(plain) = read::<String>(&text) {
                proptest::prop_assert_eq!(read::<String>(&once).unwrap(), plain);
            }
        }
    }
}
