//! A plan, as people read it: what is added, changed and taken away, before and after.

use super::screen::{clean, hang};
use crate::change::{Change, Kind, Write};
use crate::finding::counted;
use crate::plan::Plan;
use serde_json::Value;

/// The plan's lines.
pub fn lines(plan: &Plan) -> Vec<String> {
    let mut lines = vec![
        format!("{}   plan {}", clean(&plan.tenant_name), plan.id),
        String::new(),
    ];
    for change in &plan.changes {
        lines.extend(of(change));
    }
    if !plan.changes.is_empty() {
        lines.push(String::new());
    }
    for unread in &plan.unread {
        lines.extend(hang(".... ", &clean(unread), 5));
    }
    lines.extend(hang("", &verdict(plan), 0));
    lines
}

fn of(change: &Change) -> Vec<String> {
    // Of rights each is there or not.
    let rights = matches!(change.write, Some(Write::Descriptor { .. } | Write::AppRole { .. }));
    let all = |there: bool| {
        rights
            && change
                .after
                .as_object()
                .is_some_and(|after| after.values().all(|state| *state == Value::Bool(there)))
    };
    let sign = match (change.before.is_null(), change.after.is_null()) {
        (true, _) if change.write.is_some() => '+',
        (_, true) => '-',
        _ if all(true) => '+',
        _ if all(false) => '-',
        _ => '~',
    };
    let kind = match change.kind {
        Kind::Manual => "by hand  ",
        _ => "",
    };
    let mut lines = hang(&format!("{sign} "), &clean(&format!("{kind}{}", change.title)), 4);
    let users = change
        .users_affected
        .map_or(String::new(), |users| format!(", {}", counted(users, "user", "users")));
    lines.extend(hang(
        "    ",
        &clean(&format!("{} ({}){users}", change.id, change.target)),
        6,
    ));
    match (&change.before, &change.after) {
        (before, Value::Object(after)) if !before.is_null() || change.write.is_none() => {
            for (name, value) in after {
                let was = match &before[name] {
                    Value::Null => "?".into(),
                    known => known.to_string(),
                };
                lines.extend(hang("    ", &clean(&format!("{name}: {was} -> {value}")), 6));
            }
        }
        (_, after) => lines.extend(hang("    ", &clean(&after.to_string()), 6)),
    }
    if let Some(risk) = &change.risk {
        lines.extend(hang("    ! ", &clean(risk), 6));
    }
    if change.write.is_none() {
        for click in &change.by_hand {
            lines.extend(hang("    > ", &clean(click), 6));
        }
        if let Some(url) = &change.portal_url {
            lines.push(format!("      {url}"));
        }
    }
    lines
}

fn verdict(plan: &Plan) -> String {
    let count = plan.counts();
    match plan.changes.len() {
        0 if plan.unread.is_empty() => "Nothing differs from the desired state.".into(),
        _ => format!(
            "{} to change, {} by hand, {} to undo by hand.",
            count.change, count.by_hand, count.undo_by_hand
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn rights_are_added_and_taken_away() {
        let sign = |before: Value, after: Value| {
            let write = Write::Descriptor {
                domain: "x".into(),
                object: "DC=x".into(),
                entries: BTreeMap::new(),
            };
            let change = Change::of("directory_permissions.granted", Kind::Directory, "Rights");
            of(&change.writes("DC=x", write, before, after))[0].chars().next()
        };
        let (there, gone) = (json!({"a": true, "b": true}), json!({"a": false, "b": false}));
        assert_eq!(sign(gone.clone(), there.clone()), Some('+'));
        assert_eq!(sign(there, gone), Some('-'));
        assert_eq!(
            sign(json!({"a": false, "b": true}), json!({"a": true, "b": false})),
            Some('~')
        );
    }
}
