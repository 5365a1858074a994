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

/// A refusal that nothing more is known of.
pub(super) fn plain(kind: RefusalKind, message: String) -> Refusal {
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
    if lower == "invalidauthenticationtoken" {
        return (
            RefusalKind::SignIn,
            "The service no longer accepts the sign-in's token.".into(),
            Some("a new sign-in".into()),
        );
    }
    forbidden(source, code, &lower, who)
}

/// Who refused: the code where it says so, else what the token lacks.
fn forbidden(source: &Source, code: &str, lower: &str, who: &SignedIn) -> (RefusalKind, String, Option<String>) {
    let whom = if who.delegated { "The sign-in" } else { "The app" };
    let holds = |held: &String| source.permissions.iter().any(|p| p.eq_ignore_ascii_case(held));
    let by_role = lower.contains("userrole");
    let by_permission = lower.contains("permissionmissing");
    match source.permissions.first() {
        Some(least) if !by_role && (by_permission || !who.permissions.iter().any(holds)) => (
            RefusalKind::Permission,
            format!("{whom} lacks the permission {least}."),
            Some((*least).into()),
        ),
        _ if who.delegated => {
            let (roles, such) = match source.roles {
                [] => ("Global Reader".into(), "a role that may read this, such as"),
                roles => (roles.join(" or "), "the role"),
            };
            (
                RefusalKind::Role,
                format!("The signed-in person needs {such} {roles}."),
                Some(format!("the role {roles}")),
            )
        }
        _ if source.delegated_only => (
            RefusalKind::SignIn,
            "Only a signed-in person is served, not an app.".into(),
            Some("a person's sign-in".into()),
        ),
        _ => (
            RefusalKind::Permission,
            format!("The service refused it ({code}), although the permission is there."),
            None,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: &str = "Authorization_RequestDenied";

    fn told(fact: FactId, status: u16, code: &str, delegated: bool, permissions: &[&str]) -> Refusal {
        let who = SignedIn {
            delegated,
            permissions: permissions.iter().map(|p| (*p).into()).collect(),
            ..Default::default()
        };
        let error = AskError::Refused {
            status,
            code: code.into(),
            message: "no".into(),
            request_id: None,
            claims: None,
        };
        refusal(fact, &error, &who)
    }

    fn kind(fact: FactId, code: &str, delegated: bool, permissions: &[&str]) -> (RefusalKind, Option<String>) {
        let refusal = told(fact, 403, code, delegated, permissions);
        (refusal.kind, refusal.needs)
    }

    fn needs(kind: RefusalKind, what: &str) -> (RefusalKind, Option<String>) {
        (kind, Some(what.into()))
    }

    #[test]
    fn what_the_token_lacks_is_named() {
        for delegated in [false, true] {
            assert_eq!(
                kind(FactId::UserCounts, DENIED, delegated, &["Policy.Read.All"]),
                needs(RefusalKind::Permission, "User.Read.All")
            );
        }
    }

    #[test]
    fn a_person_who_holds_the_permission_lacks_a_role() {
        assert_eq!(
            kind(FactId::MethodsPolicy, DENIED, true, &["policy.read.all"]),
            needs(
                RefusalKind::Role,
                "the role Global Reader or Authentication Policy Administrator"
            )
        );
        for fact in [FactId::ConditionalAccess, FactId::SecurityDefaults] {
            let refusal = told(fact, 403, DENIED, true, &["Policy.Read.All"]);
            assert_eq!(refusal.kind, RefusalKind::Role);
            assert_eq!(
                refusal.message,
                "The signed-in person needs a role that may read this, such as Global Reader."
            );
        }
    }

    #[test]
    fn the_code_tells_more_than_the_token() {
        // The token was read as lacking it, or as holding it; the service knows better.
        let role = kind(
            FactId::Registration,
            "Authentication_RequestFromUnsupportedUserRole",
            true,
            &[],
        );
        assert_eq!(role.0, RefusalKind::Role);
        assert!(role.1.unwrap().starts_with("the role Reports Reader or "));
        assert_eq!(
            kind(
                FactId::Registration,
                "Authentication_MSGraphPermissionMissing",
                true,
                &["AuditLog.Read.All"]
            ),
            needs(RefusalKind::Permission, "AuditLog.Read.All")
        );
    }

    #[test]
    fn an_app_is_told_the_permission_first_then_that_only_a_person_is_served() {
        assert_eq!(
            kind(FactId::Synchronization, DENIED, false, &[]),
            needs(RefusalKind::Permission, "OnPremDirectorySynchronization.Read.All")
        );
        assert_eq!(
            kind(
                FactId::Synchronization,
                DENIED,
                false,
                &["OnPremDirectorySynchronization.Read.All"]
            ),
            needs(RefusalKind::SignIn, "a person's sign-in")
        );
        assert_eq!(
            kind(FactId::UserCounts, DENIED, false, &["User.Read.All"]),
            (RefusalKind::Permission, None)
        );
    }

    #[test]
    fn a_token_that_is_refused_is_no_missing_role() {
        let refusal = told(
            FactId::UserCounts,
            401,
            "InvalidAuthenticationToken",
            true,
            &["User.Read.All"],
        );
        assert_eq!(refusal.kind, RefusalKind::SignIn);
    }

    #[test]
    fn a_missing_licence_and_a_missing_offer_are_told_apart() {
        assert_eq!(
            kind(
                FactId::Registration,
                "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
                false,
                &["AuditLog.Read.All"]
            ),
            needs(RefusalKind::License, "Microsoft Entra ID P1")
        );
        assert_eq!(
            told(FactId::Recommendation, 404, "ResourceNotFound", false, &[]).kind,
            RefusalKind::NotOffered
        );
    }
}
