//! Filters (RFC 4515), as far as this library asks with them: and, or, not, equal, present, and parts of text.

use super::ber::{OCTETS, SEQUENCE, value};

/// A text as a filter holds it.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '(' | ')' | '*' | '\\' | '\0' => escaped.push_str(&format!("\\{:02x}", u32::from(character))),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A filter as it is sent; None where its text is not one.
pub(super) fn encoded(text: &str) -> Option<Vec<u8>> {
    match filter(text)? {
        (bytes, "") => Some(bytes),
        _ => None,
    }
}

/// The filter that a text begins with, and the rest.
fn filter(text: &str) -> Option<(Vec<u8>, &str)> {
    let inner = text.strip_prefix('(')?;
    let tag = match inner.bytes().next()? {
        b'&' => 0xa0,
        b'|' => 0xa1,
        b'!' => 0xa2,
        _ => {
            let (item, rest) = inner.split_once(')')?;
            return Some((matching(item)?, rest));
        }
    };
    let (mut parts, mut rest) = (Vec::new(), &inner[1..]);
    while rest.starts_with('(') {
        let (part, behind) = filter(rest)?;
        parts.extend(part);
        rest = behind;
    }
    Some((value(tag, &[&parts]), rest.strip_prefix(')')?))
}

fn matching(item: &str) -> Option<Vec<u8>> {
    let (attribute, text) = item.split_once('=')?;
    let known = |c: char| c.is_ascii_alphanumeric() || "-.;".contains(c);
    if attribute.is_empty() || !attribute.chars().all(known) {
        return None;
    }
    if text == "*" {
        return Some(value(0x87, &[attribute.as_bytes()]));
    }
    let attribute = value(OCTETS, &[attribute.as_bytes()]);
    let parts: Vec<Vec<u8>> = text.split('*').map(unescaped).collect::<Option<_>>()?;
    let last = parts.len() - 1;
    if last == 0 {
        return Some(value(0xa3, &[&attribute, &value(OCTETS, &[&parts[0]])]));
    }
    let place = |at| match at {
        0 => 0x80,
        at if at == last => 0x82,
        _ => 0x81,
    };
    let some = parts.iter().enumerate().filter(|(_, part)| !part.is_empty());
    let some: Vec<u8> = some.flat_map(|(at, part)| value(place(at), &[part])).collect();
    Some(value(0xa4, &[&attribute, &value(SEQUENCE, &[&some])]))
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('\\');
    bytes.extend(parts.next()?.bytes());
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend(rest.bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_sent_as_the_standard_says() {
        assert_eq!(encoded("(objectClass=*)").unwrap(), b"\x87\x0bobjectClass");
        assert_eq!(encoded(r"(cn=a\2a\29)").unwrap(), b"\xa3\x09\x04\x02cn\x04\x03a*)");
        assert_eq!(encoded("(cn=)").unwrap(), b"\xa3\x06\x04\x02cn\x04\x00");
        assert_eq!(
            encoded("(cn=a*b*c)").unwrap(),
            b"\xa4\x0f\x04\x02cn\x30\x09\x80\x01a\x81\x01b\x82\x01c"
        );
        assert_eq!(encoded("(cn=*b*)").unwrap(), b"\xa4\x09\x04\x02cn\x30\x03\x81\x01b");
        assert_eq!(
            encoded("(&(a=1)(!(|(b=*)(c=2))))").unwrap(),
            b"\xa0\x17\xa3\x06\x04\x01a\x04\x011\xa2\x0d\xa1\x0b\x87\x01b\xa3\x06\x04\x01c\x04\x012"
        );
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in [
            "", "(", "()", "(a)", "(a=1", "a=1", "(a=1)x", r"(a=\)", r"(a=\zz)", r"(a=\2)", "(&(a=1)", "(a>=1)", "(=1)",
        ] {
            assert_eq!(encoded(text), None, "{text}");
        }
    }

    #[test]
    fn no_text_breaks_out() {
        for text in ["a)(b=*", r"\", "*", "\0", "(", "a=b", "\u{e9}"] {
            let sent = encoded(&format!("(cn={})", escape(text))).unwrap();
            assert_eq!(
                sent,
                value(0xa3, &[&value(OCTETS, &[b"cn"]), &value(OCTETS, &[text.as_bytes()])])
            );
        }
    }
}
