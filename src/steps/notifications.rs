//! Step `notifications`: is anybody told when a password is reset, and whom does a user call who cannot?

use super::policy::{Portal, Setting, Switch, Weighed, Wish, bare, both, page, short, truth, weigh};
use super::touched::{administrators as all_administrators, in_scope};
use super::{Setup, Step};
use crate::change::Change;
use crate::desired::DesiredState;
use crate::finding::{Check, Finding, Severity};
use crate::snapshot::{FactId, Snapshot};

/// The step.
pub const STEP: Step = Step {
    name: "notifications",
    title: "Notifications",
    checks: &[&USERS, &ADMINISTRATORS, &HELPDESK],
    check,
    setup: Some(SETUP),
};

const DOC: &str = "https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks";
const FACTS: &[FactId] = &[FactId::PortalResetPolicy, FactId::AuditSettings];

const USERS: Check = Check {
    id: "notifications.users",
    title: "Users are told of their reset",
    looks_at: "\"Notify users on password resets\", from the portal API, the audit log's newest change or a declaration.",
    why: "A user whose password somebody else reset learns of it by this mail only.",
    doc: DOC,
    decides: false,
    facts: FACTS,
};
const ADMINISTRATORS: Check = Check {
    id: "notifications.administrators",
    title: "Administrators are told of an administrator's reset",
    looks_at: "\"Notify all admins when other admins reset their password\", from the same sources, and whether administrators may reset.",
    why: "An administrator's account that was taken over by a reset is noticed by the other administrators.",
    doc: DOC,
    decides: false,
    facts: &[
        FactId::PortalResetPolicy,
        FactId::AuditSettings,
        FactId::AuthorizationPolicy,
    ],
};
const HELPDESK: Check = Check {
    id: "notifications.helpdesk",
    title: "The helpdesk's contact is set and usable",
    looks_at: "The custom helpdesk mail address or URL, and its form.",
    why: "A user who cannot reset sees this contact; without it the request goes to some administrator's mailbox.",
    doc: "https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr",
    decides: false,
    facts: FACTS,
};

pub(super) const TELL_USERS: Setting<Switch> = Setting {
    name: "notifying of users",
    portal: Portal::Reset(|p| p.notify_users_on_password_reset.map(Switch)),
    member: "notifyUsersOnPasswordReset",
    logged: &["NotifyUsersOfReset"],
    parse: truth,
};
pub(super) const TELL_ADMINISTRATORS: Setting<Switch> = Setting {
    name: "notifying of all administrators",
    portal: Portal::Reset(|p| p.notify_on_admin_password_reset.map(Switch)),
    member: "notifyOnAdminPasswordReset",
    logged: &["NotifyTenantAdminOfReset"],
    parse: truth,
};
pub(super) const LINK_ON: Setting<Switch> = Setting {
    name: "custom helpdesk contact",
    portal: Portal::Reset(|p| p.customize_helpdesk_link.map(Switch)),
    member: "customizeHelpdeskLink",
    logged: &["CustomizeContactAdminLink"],
    parse: truth,
};
pub(super) const LINK: Setting<String> = Setting {
    name: "helpdesk's address",
    portal: Portal::Reset(|p| p.custom_helpdesk_email_or_url.clone()),
    member: "customHelpdeskEmailOrUrl",
    logged: &["CustomContactAdminLink"],
    parse: |text| Some(bare(text).to_owned()),
};

const SETUP: Setup = Setup {
    needs: &[FactId::PortalResetPolicy, FactId::AuditSettings, FactId::UserCounts],
    plan,
};

fn plan(snapshot: &Snapshot, desired: &DesiredState) -> Vec<Change> {
    let Some(wanted) = &desired.notifications else {
        return Vec::new();
    };
    let users = Wish {
        check: &USERS,
        title: match wanted.users {
            Some(false) => "Do not tell users of their reset",
            _ => "Tell users of their reset",
        },
        label: "Notify users on password resets",
        page: page::NOTIFICATIONS,
    };
    let administrators = Wish {
        check: &ADMINISTRATORS,
        title: match wanted.administrators {
            Some(false) => "Do not tell all administrators of an administrator's reset",
            _ => "Tell all administrators of an administrator's reset",
        },
        label: "Notify all admins when other admins reset their password",
        page: page::NOTIFICATIONS,
    };
    let link = Wish {
        check: &HELPDESK,
        title: match wanted.helpdesk.as_deref() {
            Some("") => "Show users no contact of the helpdesk",
            _ => "Show users the helpdesk's contact",
        },
        label: "Custom helpdesk email or URL",
        page: page::PROPERTIES,
    };
    let link_on = Wish {
        label: "Customize helpdesk link",
        ..link
    };
    let on = wanted.helpdesk.as_ref().map(|contact| Switch(!contact.is_empty()));
    // Without one of its own, what is filled in stays unshown.
    let contact = wanted.helpdesk.clone().filter(|contact| !contact.is_empty());
    let (all, few) = (in_scope(snapshot, desired), all_administrators(snapshot));
    let tell_users = TELL_USERS.change(snapshot, wanted.users.map(Switch), users);
    let tell_administrators = TELL_ADMINISTRATORS.change(snapshot, wanted.administrators.map(Switch), administrators);
    let changes = [
        tell_users.map(|change| change.touches(all)),
        tell_administrators.map(|change| change.touches(few)),
        both(
            LINK_ON.change(snapshot, on, link_on),
            LINK.change(snapshot, contact, link),
        )
        .map(|change| change.touches(all)),
    ];
    changes.into_iter().flatten().collect()
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    vec![users(snapshot), administrators(snapshot), helpdesk(snapshot)]
}

fn users(snapshot: &Snapshot) -> Finding {
    let told = match weigh(snapshot, &TELL_USERS) {
        Ok(told) => told,
        Err(unknown) => return unknown.finding(&USERS),
    };
    let finding = if told.value.0 {
        USERS.pass(format!("users are told of their reset ({})", told.note))
    } else {
        USERS
            .warn(
                Severity::Medium,
                format!("users are not told of their reset ({})", told.note),
            )
            .reason("A user whose password somebody else reset does not notice until the next sign-in fails.")
            .fix("Set \"Notify users on password resets\" to Yes.")
            .portal(page::NOTIFICATIONS)
    };
    told.support(finding)
}

fn administrators(snapshot: &Snapshot) -> Finding {
    let rule = &snapshot.facts.authorization_policy;
    if rule.whole().and_then(|p| p.allowed_to_use_sspr) == Some(false) {
        return ADMINISTRATORS
            .not_applicable("Administrators may not reset their own password, so there is nothing to be told of.")
            .evidence(rule, "allowedToUseSSPR: false");
    }
    let told = match weigh(snapshot, &TELL_ADMINISTRATORS) {
        Ok(told) => told,
        Err(unknown) => return unknown.finding(&ADMINISTRATORS),
    };
    let finding = if told.value.0 {
        ADMINISTRATORS.pass(format!(
            "administrators are told of an administrator's reset ({})",
            told.note
        ))
    } else {
        ADMINISTRATORS
            .warn(
                Severity::Medium,
                format!(
                    "administrators are not told of an administrator's reset ({})",
                    told.note
                ),
            )
            .reason("An administrator's account that was taken over by a reset goes unnoticed.")
            .fix("Set \"Notify all admins when other admins reset their password\" to Yes.")
            .portal(page::NOTIFICATIONS)
    };
    told.support(finding)
}

fn helpdesk(snapshot: &Snapshot) -> Finding {
    let fix = "Set \"Customize helpdesk link\" to Yes, with a mail address or an https address that works without signing in.";
    let on = match weigh(snapshot, &LINK_ON) {
        Ok(on) => on,
        Err(unknown) => return unknown.finding(&HELPDESK),
    };
    if !on.value.0 {
        let finding = HELPDESK
            .warn(Severity::Low, format!("no helpdesk contact is set ({})", on.note))
            .reason("A user who cannot reset is told to contact an administrator, by a mail that few expect.")
            .fix(fix)
            .portal(page::PROPERTIES);
        return on.support(finding);
    }
    let link: Weighed<String> = match weigh(snapshot, &LINK) {
        Ok(link) => link,
        Err(unknown) => return on.support(unknown.finding(&HELPDESK)),
    };
    let contact = short(link.value.trim());
    let finding = match form(link.value.trim()) {
        Form::Good => HELPDESK.pass(format!("users are sent to {contact} for help ({})", link.note)),
        Form::Plain => HELPDESK
            .warn(Severity::Low, format!("the helpdesk's address is not https: {contact}"))
            .reason("The page can be replaced on its way, and a user in need types a password into it.")
            .fix(fix)
            .portal(page::PROPERTIES),
        Form::Bad => HELPDESK
            .fail(
                Severity::Medium,
                if contact.is_empty() {
                    "the helpdesk contact is on, but empty".to_owned()
                } else {
                    format!("the helpdesk's contact is no mail or web address: {contact}")
                },
            )
            .reason("A user who cannot reset is sent nowhere.")
            .fix(fix)
            .portal(page::PROPERTIES),
    };
    link.support(finding)
}

#[derive(Debug, PartialEq)]
enum Form {
    Good,
    Plain,
    Bad,
}

/// Whether a contact can work: a mail address, or a web address with a host.
fn form(contact: &str) -> Form {
    let mail = contact.strip_prefix("mailto:").unwrap_or(contact);
    if let Some((local, domain)) = mail.rsplit_once('@')
        && !mail.contains("://")
    {
        let plain = |text: &str| {
            !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>@,;".contains(c))
        };
        let labels = domain.split('.').all(|label| !label.is_empty());
        return if plain(local) && plain(domain) && domain.contains('.') && labels {
            Form::Good
        } else {
            Form::Bad
        };
    }
    match url::Url::parse(contact) {
        Ok(url) if url.host_str().is_some_and(|h| h.contains('.')) => match url.scheme() {
            "https" => Form::Good,
            "http" => Form::Plain,
            _ => Form::Bad,
        },
        _ => Form::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Outcome;
    use crate::snapshot::RefusalKind;
    use crate::snapshot::graph::AuthorizationPolicy;
    use crate::snapshot::portal::PasswordResetPolicy;
    use crate::steps::testing::{find, known, log, refused, snapshot};

    fn portal(told: bool, contact: Option<&str>) -> Snapshot {
        let mut s = snapshot();
        s.facts.portal_reset_policy = known(PasswordResetPolicy {
            notify_users_on_password_reset: Some(told),
            notify_on_admin_password_reset: Some(told),
            customize_helpdesk_link: Some(contact.is_some()),
            custom_helpdesk_email_or_url: Some(contact.unwrap_or_default().into()),
            ..Default::default()
        });
        s
    }

    #[test]
    fn all_set_passes() {
        let s = portal(true, Some("https://helpdesk.contoso.example/password"));
        let findings = check(&s);
        assert!(findings.iter().all(|f| f.status == Outcome::Pass), "{findings:#?}");
    }

    #[test]
    fn not_told_warns() {
        let s = portal(false, None);
        for check in STEP.checks {
            let f = find(&STEP, check, &s);
            assert_eq!(f.status, Outcome::Warn, "{}", f.id);
            assert!(f.remediation.unwrap().portal_url.is_some() && f.reason.is_some());
        }
    }

    #[test]
    fn a_contact_that_leads_nowhere_fails() {
        for bad in [
            "",
            "helpdesk",
            "call 4711",
            "ftp://x.example/",
            "a@b",
            "javascript:alert(1)",
            "https://",
            "a b@c.example",
        ] {
            let f = find(&STEP, &HELPDESK, &portal(true, Some(bad)));
            assert_eq!(f.status, Outcome::Fail, "{bad}");
        }
        let f = find(&STEP, &HELPDESK, &portal(true, Some("http://help.contoso.example")));
        assert_eq!(f.status, Outcome::Warn);
        let f = find(&STEP, &HELPDESK, &portal(true, Some("helpdesk@contoso.example")));
        assert_eq!(f.status, Outcome::Pass);
    }

    #[test]
    fn the_log_tells_too() {
        let mut s = snapshot();
        s.facts.audit_settings = log(&[
            ("NotifyTenantAdminOfReset", "\"True\"", "2026-11-02T08:00:00Z"),
            ("CustomizeContactAdminLink", "\"True\"", "2026-11-02T08:00:00Z"),
            (
                "CustomContactAdminLink",
                "\"https://help.contoso.example\"",
                "2026-11-02T08:00:00Z",
            ),
        ]);
        let f = find(&STEP, &ADMINISTRATORS, &s);
        assert_eq!(f.status, Outcome::Pass);
        assert!(f.title.ends_with("(audit log, changed 2026-11-02)"));
        assert_eq!(find(&STEP, &HELPDESK, &s).status, Outcome::Pass);
        assert_eq!(find(&STEP, &USERS, &s).status, Outcome::Skipped);
    }

    #[test]
    fn the_portal_and_the_log_disagree() {
        let mut s = portal(true, None);
        s.facts.audit_settings = log(&[("NotifyUsersOfReset", "\"False\"", "2026-11-02T08:00:00Z")]);
        let f = find(&STEP, &USERS, &s);
        assert_eq!((f.status, f.severity), (Outcome::Warn, Severity::Low));
        assert!(f.title.contains("the sources disagree"));
    }

    #[test]
    fn not_readable_with_an_app() {
        let mut s = snapshot();
        s.facts.portal_reset_policy = refused(RefusalKind::SignIn, "Only a person is served.", None);
        for check in STEP.checks {
            let f = find(&STEP, check, &s);
            assert_eq!(f.status, Outcome::Skipped);
            assert_eq!(
                f.title,
                "not readable with an app: sign in with Connect-SsprTenant -PortalApi"
            );
        }
    }

    #[test]
    fn nothing_to_tell_where_administrators_may_not_reset() {
        let mut s = portal(false, None);
        s.facts.authorization_policy = known(AuthorizationPolicy {
            allowed_to_use_sspr: Some(false),
        });
        assert_eq!(find(&STEP, &ADMINISTRATORS, &s).status, Outcome::NotApplicable);
    }
}
