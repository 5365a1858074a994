//! How JSON is read here: always through its tree. For every other place that it may be read from (bytes, a string, what serde
//! keeps of a tagged enum) the compiler makes another reader of each type, kilobytes each.

use crate::error::{Error, Result};
use crate::status::Status;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;

/// Reads a document.
pub fn read<T: DeserializeOwned>(text: &(impl AsRef<[u8]> + ?Sized)) -> serde_json::Result<T> {
    read_tree(serde_json::from_slice(text.as_ref())?)
}

pub use sspr_rows::tree::read as read_tree;

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
