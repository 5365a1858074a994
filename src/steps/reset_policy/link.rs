//! Company branding: do users see the way to reset, and does it lead there?

use super::LINK;
use crate::finding::{Finding, Severity, counted};
use crate::snapshot::Snapshot;
use crate::snapshot::graph::{Branding, LoginPageTextVisibility};
use crate::steps::policy;

const BRANDING: &str =
    "https://entra.microsoft.com/#view/Microsoft_AAD_UsersAndTenants/CompanyBrandingOverview.ReactView";

/// What one page of branding does to the way to reset.
struct Sight {
    hidden: Vec<&'static str>,
    lesser: Vec<&'static str>,
    elsewhere: Vec<String>,
}

fn sight(branding: &Branding) -> Sight {
    let visibility: &LoginPageTextVisibility =
        &branding.login_page_text_visibility_settings.clone().unwrap_or_default();
    let shown = |flag: Option<bool>, name: &'static str| (flag == Some(true)).then_some(name);
    let urls = [
        &branding.custom_account_reset_credentials_url,
        &branding.custom_cannot_access_your_account_url,
    ];
    Sight {
        hidden: [
            shown(visibility.hide_forgot_my_password, "Forgot my password"),
            shown(visibility.hide_account_reset_credentials, "self-service reset"),
        ]
        .into_iter()
        .flatten()
        .collect(),
        lesser: [
            shown(visibility.hide_reset_it_now, "Reset it now"),
            shown(visibility.hide_cannot_access_your_account, "Can't access your account?"),
        ]
        .into_iter()
        .flatten()
        .collect(),
        elsewhere: urls
            .into_iter()
            .flatten()
            .filter(|url| !url.trim().is_empty() && !leads_to_reset(url))
            .map(|url| policy::short(url))
            .collect(),
    }
}

/// Whether an address is one of Microsoft's reset pages, of any cloud.
pub fn leads_to_reset(address: &str) -> bool {
    let Ok(url) = url::Url::parse(address.trim()) else {
        return false;
    };
    let path = url.path().trim_end_matches('/').to_ascii_lowercase();
    url.scheme() == "https"
        && match url.host_str() {
            Some("aka.ms") => path == "/sspr",
            Some("passwordreset.microsoftonline.com" | "passwordreset.microsoftonline.us") => true,
            Some("passwordreset.activedirectory.windowsazure.cn") => true,
            _ => false,
        }
}

pub(super) fn check(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.branding;
    let Some(branding) = fact.value() else {
        return LINK.unreadable(snapshot);
    };
    let pages = std::iter::once(("everybody".to_owned(), branding)).chain(branding.localizations.iter().map(|page| {
        (
            format!(
                "people whose browser speaks {}",
                policy::short(page.id.as_deref().unwrap_or("another language"))
            ),
            page,
        )
    }));
    let mut worst: Option<(u8, Finding)> = None;
    for (whom, page) in pages {
        let sight = sight(page);
        let (rank, finding) = if let Some(name) = sight.hidden.first() {
            let finding = LINK
                .fail(Severity::High, format!("company branding hides \"{name}\" for {whom}"))
                .reason("They do not see the way to reset when they sign in; only who knows https://aka.ms/sspr gets there.")
                .fix("Show self-service password reset in the sign-in form of company branding.");
            (3, finding)
        } else if let Some(address) = sight.elsewhere.first() {
            let finding = LINK
                .warn(Severity::Medium, format!("company branding sends {whom} elsewhere to reset"))
                .reason(format!("The link leads to {address}, not to Microsoft's reset page. Resets there do not count here."))
                .fix("Clear the custom address in the sign-in form of company branding, unless it leads on to https://aka.ms/sspr.");
            (2, finding)
        } else if let Some(name) = sight.lesser.first() {
            let finding = LINK
                .warn(Severity::Low, format!("company branding hides \"{name}\" for {whom}"))
                .reason("One of the ways to reset is missing when they sign in.")
                .fix("Show self-service password reset in the sign-in form of company branding.");
            (1, finding)
        } else {
            continue;
        };
        if worst.as_ref().is_none_or(|(other, _)| rank > *other) {
            let told = |what: &str, all: Vec<String>| (!all.is_empty()).then(|| format!("{what}: {}", all.join(", ")));
            let hidden = [sight.hidden, sight.lesser].concat().into_iter().map(String::from);
            let seen: Vec<String> = [
                told("hidden", hidden.collect()),
                told("leads elsewhere", sight.elsewhere),
            ]
            .into_iter()
            .flatten()
            .collect();
            let seen = seen.join("; ");
            worst = Some((
                rank,
                finding.portal(BRANDING).evidence(fact, format!("for {whom}, {seen}")),
            ));
        }
    }
    match worst {
        Some((_, finding)) => finding,
        None if fact.is_partial() => LINK.skipped(
            "company branding was read only in part",
            "Some of its languages were not read.",
        ),
        None => LINK.pass("the link to reset is shown and leads to reset").evidence(
            fact,
            format!(
                "nothing hidden or redirected, {}",
                counted(branding.localizations.len() as u64, "language", "languages")
            ),
        ),
    }
}
