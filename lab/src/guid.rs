//! Ids that look random and are the same in every run.

use ring::digest;

/// A GUID that follows from what it names, such as `guid(&["contoso", "group", "SSPR-Users"])`.
pub(crate) fn guid(parts: &[&str]) -> String {
    text(guid_bits(u64_of(parts), 0))
}

/// A 64-bit number that follows from `parts`.
pub(crate) fn u64_of(parts: &[&str]) -> u64 {
    let hash = digest::digest(&digest::SHA256, parts.join("\u{1f}").as_bytes());
    hash.as_ref()
        .iter()
        .take(8)
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// The `number`th GUID of a row that starts at `seed`; quick enough for a million of them.
pub(crate) fn guid_bits(seed: u64, number: u64) -> u128 {
    let high = mix(seed ^ mix(number));
    let low = mix(high ^ number);
    let bits = (u128::from(high) << 64) | u128::from(low);
    (bits & !(0xf000_u128 << 64) & !(0xc000_u128 << 48)) | (0x4000_u128 << 64) | (0x8000_u128 << 48)
}

/// The usual spelling of a GUID.
pub(crate) fn text(bits: u128) -> String {
    let mut out = [0u8; 36];
    write_text(bits, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes the usual spelling of a GUID without allocating.
pub(crate) fn write_text(bits: u128, out: &mut [u8; 36]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut at = 0;
    for nibble in 0..32 {
        if matches!(nibble, 8 | 12 | 16 | 20) {
            out[at] = b'-';
            at += 1;
        }
        out[at] = HEX[((bits >> (124 - nibble * 4)) & 0xf) as usize];
        at += 1;
    }
}

/// The bits of a GUID in its usual spelling.
pub(crate) fn parse(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut bits = 0u128;
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        bits = (bits << 4) | u128::from((*byte as char).to_digit(16)?);
    }
    Some(bits)
}

/// One step of the splitmix64 generator.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_and_parsing_agree() {
        let bits = guid_bits(7, 9);
        let text = text(bits);
        assert_eq!(parse(&text), Some(bits));
        assert_eq!(&text[14..15], "4");
        assert!("89ab".contains(&text[19..20]));
    }

    #[test]
    fn the_same_name_gives_the_same_id() {
        assert_eq!(guid(&["a", "b"]), guid(&["a", "b"]));
        assert_ne!(guid(&["a", "b"]), guid(&["ab"]));
    }
}
