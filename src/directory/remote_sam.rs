//! RestrictRemoteSam: who may ask a machine about its accounts, as an access list in SDDL.

use super::access::Token;
use super::sid::SidBuf;

/// Abbreviations of trustees that such a list names (MS-DTYP 2.5.1.1), by the SIDs that they stand for.
const ABBREVIATIONS: &[(&str, &str)] = &[
    ("AU", "S-1-5-11"),
    ("BA", "S-1-5-32-544"),
    ("BU", "S-1-5-32-545"),
    ("LS", "S-1-5-19"),
    ("NS", "S-1-5-20"),
    ("NU", "S-1-5-2"),
    ("SY", "S-1-5-18"),
    ("WD", "S-1-1-0"),
];
/// Those of the domain, by the last part of their SIDs.
const OF_THE_DOMAIN: &[(&str, u32)] = &[("DA", 512), ("DU", 513), ("DD", 516), ("EA", 519)];

/// Whether a list lets an account ask. The first entry that speaks of it decides; None where the list is not understood.
pub fn allows(sddl: &str, token: &Token, domain: &SidBuf) -> Option<bool> {
    let (_, list) = sddl.split_once("D:")?;
    // What stands before the entries are flags; behind them may follow an auditing list.
    let list = list.split("S:(").next().unwrap_or(list);
    for entry in list.split('(').skip(1) {
        let inner = entry.split_once(')')?.0;
        let parts: Vec<&str> = inner.split(';').collect();
        let [kind, _, rights, _, _, trustee] = parts[..] else {
            return None;
        };
        let allow = match kind {
            "A" => true,
            "D" => false,
            _ => return None,
        };
        // Read control is the right that is asked for; all rights hold it too.
        let speaks = rights.contains("RC")
            || rights.contains("GA")
            || hexadecimal(rights).is_some_and(|mask| mask & 0x2_0000 != 0);
        if speaks && token.holds(trustee_sid(trustee, domain)?.sid()) {
            return Some(allow);
        }
    }
    Some(false)
}

fn hexadecimal(rights: &str) -> Option<u32> {
    u32::from_str_radix(rights.strip_prefix("0x")?, 16).ok()
}

fn trustee_sid(text: &str, domain: &SidBuf) -> Option<SidBuf> {
    if let Some((_, sid)) = ABBREVIATIONS.iter().find(|(short, _)| *short == text) {
        return sid.parse().ok();
    }
    if let Some((_, rid)) = OF_THE_DOMAIN.iter().find(|(short, _)| *short == text) {
        return format!("{domain}-{rid}").parse().ok();
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_that_speaks_of_the_account_decides() {
        let sid = |text: &str| -> SidBuf { text.parse().unwrap() };
        let token: Token = ["S-1-5-21-1-2-3-1104", "S-1-5-11", "S-1-1-0"]
            .map(sid)
            .into_iter()
            .collect();
        let allowed = |sddl: &str| allows(sddl, &token, &sid("S-1-5-21-1-2-3"));
        assert_eq!(allowed("O:BAG:BAD:(A;;RC;;;BA)"), Some(false));
        assert_eq!(
            allowed("O:BAG:BAD:(A;;RC;;;BA)(A;;RC;;;S-1-5-21-1-2-3-1104)"),
            Some(true)
        );
        assert_eq!(
            allowed("O:SYG:SYD:PAI(D;;RC;;;S-1-5-21-1-2-3-1104)(A;;RC;;;WD)"),
            Some(false)
        );
        assert_eq!(allowed("D:(A;;RC;;;DA)(A;;0x20000;;;AU)S:(AU;SA;RC;;;WD)"), Some(true));
        // What is not understood is not guessed at.
        assert_eq!(allowed("nonsense"), None);
        assert_eq!(allowed("D:(A;;RC;;;XX)"), None);
        assert_eq!(allowed("D:(A;;RC"), None);
    }
}
