//! From an error to the reason why a fact is not readable: who refused, and what would open the way.

use crate::error::Error;
use crate::session::claims::describe;
use crate::snapshot::{FactId, Refusal, RefusalKind, SignedIn, Source, source};
use crate::status::Status;
use crate::tenant::error::AskError;
use crate::tenant::http::HttpError;

/// What an error says of a fact.
pub fn refusal(fact: FactId, error: &AskError, signed_in: &SignedIn) -> Refusal {
    let source = source(fact);
    match error {
        AskError::Refused {
            status,
            code,
            message,
            request_id,
            claims,
        } => {
            let (kind, text, needs) = refused(source, *status, code, message, claims.as_deref(), signed_in);
            Refusal {
                kind,
                message: text,
                needs,
                code: Some(code.clone()),
                request_id: request_id.clone(),
            }
        }
        AskError::Http(error) => Refusal {
            request_id: error.request_id(),
            ..plain(
                match error {
                    HttpError::Throttled { .. } => RefusalKind::Throttled,
                    _ => RefusalKind::Unreachable,
                },
                format!("{error}."),
            )
        },
        AskError::Answer(text) | AskError::Broken(text) => plain(RefusalKind::Answer, format!("{text}.")),
        AskError::ForeignLink(_) => plain(RefusalKind::Answer, format!("{error}; it was not followed.")),
        AskError::Token(error) => token(error),
    }
}

fn plain(kind: RefusalKind, message: String) -> Refusal {
    Refusal {
        kind,
        message,
        needs: None,
        code: None,
        request_id: None,
    }
}

/// A sign-in that came to nothing in the middle of a run.
fn token(error: &Error) -> Refusal {
    let kind = match error.status {
        Status::SignInConditionalAccess => RefusalKind::ConditionalAccess,
        Status::ServiceUnreachable | Status::ServiceTls => RefusalKind::Unreachable,
        Status::ServiceThrottled => RefusalKind::Throttled,
        _ => RefusalKind::SignIn,
    };
    Refusal {
        kind,
        message: format!("{error}."),
        needs: None,
        code: Some(error.status.name().into()),
        request_id: error.request_id.clone(),
    }
}

fn refused(
    source: &Source,
    status: u16,
    code: &str,
    message: &str,
    claims: Option<&str>,
    who: &SignedIn,
) -> (RefusalKind, String, Option<String>) {
    let lower = code.to_ascii_lowercase();
    if let Some(claims) = claims {
        let asked = describe(claims).join(" and ");
        return (
            RefusalKind::ConditionalAccess,
            format!("Conditional Access asks for {asked}."),
            None,
        );
    }
    if status == 429 || lower == "toomanyrequests" {
        return (
            RefusalKind::Throttled,
            "The service asks to wait longer than this run may take.".into(),
            None,
        );
    }
    if lower.contains("nonpremiumtenant") || lower.contains("premiumlicense") {
        return (
            RefusalKind::License,
            "The report is served to tenants with Microsoft Entra ID P1 or P2 only.".into(),
            Some("Microsoft Entra ID P1".into()),
        );
    }
    if status == 404 || status == 501 {
        return (
            RefusalKind::NotOffered,
            "This cloud or tenant does not offer it.".into(),
            None,
        );
    }
    if !matches!(status, 401 | 403) {
        let kind = if status >= 500 {
            RefusalKind::Unreachable
        } else {
            RefusalKind::Answer
        };
        return (
            kind,
            format!("The service answered {status}: {}", message.trim_end_matches('.')) + ".",
            None,
        );
    }
    if source.delegated_only && !who.delegated {
        return (
            RefusalKind::SignIn,
            "Only a signed-in person is served, not an app.".into(),
            Some("a person's sign-in".into()),
        );
    }
    let least = source.permissions.first().copied().unwrap_or_default();
    let holds = who
        .permissions
        .iter()
        .any(|held| source.permissions.iter().any(|p| p.eq_ignore_ascii_case(held)));
    if !holds && !least.is_empty() {
        let whom = if who.delegated { "The sign-in" } else { "The app" };
        return (
            RefusalKind::Permission,
            format!("{whom} lacks the permission {least}."),
            Some(least.into()),
        );
    }
    if who.delegated && !source.roles.is_empty() {
        let roles = source.roles.join(" or ");
        return (
            RefusalKind::Role,
            format!("The signed-in person needs the role {roles}."),
            Some(format!("the role {roles}")),
        );
    }
    (
        RefusalKind::Permission,
        format!("The service refused it ({code}), although the permission is there."),
        None,
    )
}
