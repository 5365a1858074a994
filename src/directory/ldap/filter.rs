//! Filters (RFC 4515): read and put into bytes by the crate ldap3.

use bytes::BytesMut;
use ldap3::asn1::ASNTag;

/// A text as a filter holds it.
pub fn escape(text: &str) -> String {
    ldap3::ldap_escape(text).into_owned()
}

/// A filter as it is sent; None where its text is not one.
pub(super) fn encoded(text: &str) -> Option<Vec<u8>> {
    let filter = ldap3::parse_filter(text).ok()?;
    let mut bytes = BytesMut::new();
    ldap3::asn1::write::encode_into(&mut bytes, filter.into_structure()).ok()?;
    Some(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::ber::{OCTETS, value};
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
            "", "(", "()", "(a)", "(a=1", "(a=1)x", r"(a=\)", r"(a=\zz)", r"(a=\2)", "(&(a=1)", "(=1)",
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
