//! What is said of a setting that no source tells: why, and what would open the way.

use super::{Unread, date};
use crate::finding::{Check, Evidence, Finding, refused};
use crate::snapshot::{FactId, Facts, Refusal, RefusalKind, Snapshot};
use jiff::Timestamp;

/// Why no source says it.
#[derive(Clone, Debug)]
pub struct Unknown {
    title: String,
    reason: String,
    evidence: Vec<Evidence>,
    portal_api: bool,
}

impl Unknown {
    /// Why, for the reason of a check that rests on it in part.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The check that could not be decided.
    pub fn finding(&self, check: &Check) -> Finding {
        let mut finding = check.skipped(&self.title, &self.reason);
        finding.evidence = self.evidence.clone();
        if self.portal_api {
            finding = finding
                .fix("Sign in as a person who may read the setting, with the portal API; what is read can be attested for runs of an app (Export-SsprSnapshot -Attest).")
                .command("Connect-SsprTenant -PortalApi");
        }
        finding
    }
}

/// Why nobody says it, and what would open the way.
pub fn unknown(snapshot: &Snapshot, portal: FactId, name: &str, log: FactId, unread: Option<Unread>) -> Unknown {
    let facts = &snapshot.facts;
    let (portal_refusal, log_refusal) = (facts.refusal(portal), facts.refusal(log));
    let asked = facts.has(portal) || facts.has(log) || portal_refusal.is_some() || log_refusal.is_some();
    let (title, portal_api) = match &unread {
        Some(unread) if unread.attested => ("not readable: what was attested of it does not count now".into(), true),
        _ => portal_title(snapshot, portal, portal_refusal, asked, unread.is_some()),
    };
    let mut reasons = vec![format!("No source that was read tells the {name}.")];
    reasons.extend(
        [portal_refusal, log_refusal]
            .into_iter()
            .flatten()
            .map(|r| r.message.clone()),
    );
    if let Some(unread) = unread {
        reasons.push(unread.text);
    } else if facts.has(log) {
        reasons.push(format!(
            "The audit log{} holds no change of it.",
            since(facts, log).map_or(String::new(), |from| format!(" (since {})", date(from)))
        ));
    }
    Unknown {
        title,
        reason: reasons.join(" "),
        evidence: refused(snapshot, &[portal, log]),
        portal_api,
    }
}

/// The title, and whether signing in to the portal API would help.
fn portal_title(
    snapshot: &Snapshot,
    fact: FactId,
    refusal: Option<&Refusal>,
    asked: bool,
    unread: bool,
) -> (String, bool) {
    if !asked {
        return ("not read in this run".into(), false);
    }
    if snapshot.facts.has(fact) {
        let title = match unread {
            true => "not known: a later change in the audit log is not understood",
            false => "not known: the portal's answer does not name it",
        };
        return (title.into(), false);
    }
    let public = matches!(snapshot.signed_in.cloud.as_str(), "" | "Public");
    match refusal {
        Some(r) if r.kind == RefusalKind::NotOffered || !public => {
            ("not readable: this cloud has no portal API".into(), false)
        }
        Some(r) if snapshot.signed_in.portal_api && r.kind != RefusalKind::SignIn => match &r.needs {
            Some(needs) => (format!("not readable: needs {needs}"), false),
            None => (format!("not readable: {}", r.message), false),
        },
        _ if snapshot.signed_in.delegated => (
            "not readable without the portal API: sign in with Connect-SsprTenant -PortalApi".into(),
            true,
        ),
        _ => (
            "not readable with an app: sign in with Connect-SsprTenant -PortalApi".into(),
            true,
        ),
    }
}

fn since(facts: &Facts, log: FactId) -> Option<Timestamp> {
    match log {
        FactId::AuditWriteback => facts.audit_writeback.value()?.from,
        FactId::AuditResets => facts.audit_resets.value()?.from,
        _ => facts.audit_settings.value()?.from,
    }
}
