//! Users of the registration report as a table (CSV, RFC 4180).

use crate::text::write_field;
use serde_json::Value;

/// The table's columns.
pub const HEAD: &[u8] = b"userPrincipalName,displayName,id,userType,administrator,inScope,registered,capable,methods,cause,losesOn,loses,asOf\r\n";

/// Users as rows.
pub fn rows(users: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for user in users {
        let columns = HEAD.strip_suffix(b"\r\n").unwrap_or(HEAD).split(|byte| *byte == b',');
        for (at, column) in columns.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            let text = match &user[&*String::from_utf8_lossy(column)] {
                Value::String(text) => text.clone(),
                Value::Bool(yes) => yes.to_string(),
                Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
                _ => String::new(),
            };
            write_field(&mut out, &text);
        }
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_column_is_a_member_and_formulas_are_defused() {
        let user = json!({"userPrincipalName": "=cmd|' /C calc'!A0", "displayName": "A \"B\"", "id": "1", "userType": "member",
            "administrator": false, "inScope": true, "registered": true, "capable": true, "methods": ["email", "mobilePhone"],
            "cause": null, "losesOn": "2027-02-01", "loses": "SMS by Microsoft ends", "asOf": "2026-11-26T00:00:00Z"});
        let text = String::from_utf8(rows(&[user])).unwrap();
        assert_eq!(
            text,
            "\"'=cmd|' /C calc'!A0\",\"A \"\"B\"\"\",\"1\",\"member\",\"false\",\"true\",\"true\",\"true\",\"email; mobilePhone\",\"\",\"2027-02-01\",\"SMS by Microsoft ends\",\"2026-11-26T00:00:00Z\"\r\n"
        );
    }
}
