//! Text from a directory is hostile: what of it could hide or turn other text, and a table's field that is none of that.

/// Control characters, and marks that turn the reading direction or end a line.
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A field of a table (CSV, RFC 4180) between quotes. What a spreadsheet would take for a formula is defused by an
/// apostrophe, and what is hostile is left out.
pub fn write_field(out: &mut Vec<u8>, text: &str) {
    let plain = text.chars().filter(|c| !is_hostile(*c));
    out.push(b'"');
    // Some spreadsheets pass over spaces, and take the wide forms for the same.
    let mut first = plain.clone().skip_while(|c| c.is_whitespace());
    if matches!(
        first.next(),
        Some('=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
    ) {
        out.push(b'\'');
    }
    for c in plain {
        if c == '"' {
            out.push(b'"');
        }
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out.push(b'"');
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text
}

/// The bytes that hexadecimal digits stand for; what is no hexadecimal number is none.
pub fn unhex(text: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map_while(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hostile_is_harmless() {
        let field = |text: &str| {
            let mut out = Vec::new();
            write_field(&mut out, text);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(field("a\"b,c\r\nd"), "\"a\"\"b,cd\"");
        for mark in ["\u{202e}", "\u{61c}", "\u{2028}"] {
            assert_eq!(field(&format!("{mark}+1")), "\"'+1\"");
        }
        for formula in ["=1", "+1", "-1", "@a", " =1", "\u{a0}=1", "\u{ff1d}1", "\u{ff20}a"] {
            assert!(field(formula).starts_with("\"'"), "{formula}");
        }
    }
}
