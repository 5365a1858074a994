//! What Microsoft has announced to end, and who can no longer reset from that day.

use super::methods::{
    Methods, PHONE, QUESTIONS, Registered, Required, Rules, app_counts_twice, gates, required_of_administrators,
};
use super::{Population, populations};
use crate::finding::{Check, Finding, Severity, counted, number};
use crate::snapshot::people::{CohortKey, Registration};
use crate::snapshot::{FactId, Snapshot};
use crate::steps::policy::{SECURITY_QUESTIONS, weigh};
use crate::steps::scope::listed;
use jiff::civil::{Date, date};
use jiff::tz::Offset;

const PHONE_DOC: &str = "https://learn.microsoft.com/entra/identity/authentication/concept-sms-voice-retirement-faq";
const QUESTIONS_DOC: &str =
    "https://learn.microsoft.com/entra/identity/authentication/concept-authentication-security-questions";

const FACTS: &[FactId] = &[
    FactId::MethodsPolicy,
    FactId::Registration,
    FactId::PolicyGroups,
    FactId::GlobalAdministrators,
    FactId::EligibleAdministrators,
    FactId::PortalResetPolicy,
    FactId::AuditSettings,
    FactId::Organization,
];

/// SMS and voice by Microsoft, for members.
pub const PHONE_MEMBERS: Check = Check {
    id: "authentication_methods.phone_retirement",
    title: "Resets after SMS and voice by Microsoft end",
    looks_at: "The registered methods of every user who can reset today, without SMS and voice, against the required number.",
    why: "On 2027-02-01 Microsoft stops sending codes by SMS and voice; who relies on them can no longer reset.",
    doc: PHONE_DOC,
    decides: false,
    facts: FACTS,
};
/// SMS and voice by Microsoft, for Global Administrators and external users.
pub const PHONE_LATER: Check = Check {
    id: "authentication_methods.phone_retirement_later",
    title: "The same for Global Administrators and external users",
    looks_at: "The registered methods of Global Administrators and guests who can reset today, without SMS and voice.",
    why: "For them Microsoft's SMS and voice end on 2027-07-01.",
    doc: PHONE_DOC,
    decides: false,
    facts: FACTS,
};
/// Security questions.
pub const QUESTIONS_END: Check = Check {
    id: "authentication_methods.questions_retirement",
    title: "Resets after security questions end",
    looks_at: "The registered methods of every user who can reset today, without security questions.",
    why: "In March 2027 security questions no longer reset a password.",
    doc: QUESTIONS_DOC,
    decides: false,
    facts: FACTS,
};

/// One announced end.
#[derive(Debug)]
pub struct Retirement {
    /// The check that reports it.
    pub check: &'static Check,
    /// The first day on which it may have ended.
    from: Date,
    /// The first day on which it surely has: the same, but where only a month was published.
    by: Date,
    /// The day as people read it.
    on: &'static str,
    /// What happens.
    what: &'static str,
    /// What ends.
    methods: Methods,
    /// For whom.
    whom: fn(&CohortKey) -> bool,
    /// For whom, in words.
    people: (&'static str, &'static str),
    /// Announced for the public cloud alone.
    public_cloud: bool,
}

/// Microsoft keeps SMS and voice longer for Global Administrators and external users. The report tells guests, not
/// whether a guest's account is of this tenant; such guests lose them with the members.
fn later(key: &CohortKey) -> bool {
    key.global_admin || key.guest
}

/// Microsoft published no day in March 2027; from this day on security questions have surely ended.
pub const QUESTIONS_GONE: Date = date(2027, 4, 1);

/// Every announced end, the earliest first.
pub const RETIREMENTS: &[Retirement] = &[
    Retirement {
        check: &PHONE_MEMBERS,
        from: date(2027, 2, 1),
        by: date(2027, 2, 1),
        on: "on 2027-02-01",
        what: "SMS by Microsoft ends",
        methods: PHONE,
        whom: |key| !later(key),
        people: ("user", "users"),
        public_cloud: true,
    },
    Retirement {
        check: &QUESTIONS_END,
        from: date(2027, 3, 1),
        by: QUESTIONS_GONE,
        on: "in March 2027",
        what: "security questions end",
        methods: QUESTIONS,
        whom: |_| true,
        people: ("user", "users"),
        public_cloud: false,
    },
    Retirement {
        check: &PHONE_LATER,
        from: date(2027, 7, 1),
        by: date(2027, 7, 1),
        on: "on 2027-07-01",
        what: "SMS by Microsoft ends",
        methods: PHONE,
        whom: later,
        people: ("Global Administrator or guest", "Global Administrators and guests"),
        public_cloud: true,
    },
];

impl Retirement {
    /// What ends when, in words.
    pub fn told(&self) -> String {
        let on = self.on.trim_start_matches("on ").trim_start_matches("in ");
        format!("{on}: {}, of {}", self.what, self.people.1)
    }

    /// The first day on which it may have ended, and what ends.
    pub fn first(&self) -> (Date, &'static str) {
        (self.from, self.what)
    }
}

fn applies(retirement: &Retirement, snapshot: &Snapshot) -> bool {
    let cloud = &snapshot.signed_in.cloud;
    !retirement.public_cloud || cloud.is_empty() || cloud.eq_ignore_ascii_case("Public")
}

fn today(snapshot: &Snapshot) -> Date {
    Offset::UTC.to_datetime(snapshot.taken_at).date()
}

/// What has ended for somebody before a day.
fn ended(snapshot: &Snapshot, key: &CohortKey, before: Date) -> Methods {
    RETIREMENTS
        .iter()
        .filter(|r| applies(r, snapshot) && r.from < before && (r.whom)(key))
        .fold(Methods::default(), |all, r| all.or(r.methods))
}

/// What has ended for somebody by the snapshot's day, or may have.
pub fn ended_today(snapshot: &Snapshot, key: &CohortKey) -> Methods {
    today(snapshot)
        .tomorrow()
        .map_or_else(|_| Methods::default(), |day| ended(snapshot, key, day))
}

/// Who drops below the required number.
struct Drop {
    count: u64,
    /// Who can reset today.
    of: u64,
    sample: Vec<String>,
    /// Of those who can reset, how many have registered what ends.
    concerned: u64,
}

/// Tells who drops below the required number at an end.
pub struct Loss<'a> {
    rules: Rules<'a>,
    registered: Registered,
    required: u64,
    administrators: u64,
    twice: bool,
    snapshot: &'a Snapshot,
}

impl<'a> Loss<'a> {
    /// By the rules of a tenant, for the users of a report; `twice` where the app counts for two methods.
    pub fn of(
        snapshot: &'a Snapshot,
        rules: Rules<'a>,
        report: &Registration,
        required: &Required,
        twice: bool,
    ) -> Self {
        Loss {
            rules,
            registered: Registered::of(report),
            required: required.count,
            administrators: required_of_administrators(snapshot),
            twice,
            snapshot,
        }
    }

    /// Whether the users of a cohort can reset today, and the end is for them.
    fn concerns(retirement: &Retirement, key: &CohortKey) -> bool {
        key.sspr_enabled && key.sspr_capable && (retirement.whom)(key)
    }

    /// Whether they drop at the end.
    fn falls(&self, retirement: &Retirement, key: &CohortKey) -> bool {
        let need = if key.admin || key.global_admin {
            self.administrators
        } else {
            self.required
        };
        let have = self.rules.usable(key, self.registered.methods(key));
        let before = have.without(ended(self.snapshot, key, retirement.from));
        let after = before.without(retirement.methods);
        let count = |methods| gates(methods, need, self.twice);
        // Who fell at an earlier end is counted there. Who is below already, says our count though the service calls
        // him able, is counted where the end takes something from him.
        let fell = count(before) < need && count(before) < count(have);
        !fell && count(after) < need && count(after) < count(before)
    }

    /// Whether the users of a cohort can reset today, and no longer from an end on.
    pub fn drops(&self, retirement: &Retirement, key: &CohortKey) -> bool {
        applies(retirement, self.snapshot) && Loss::concerns(retirement, key) && self.falls(retirement, key)
    }

    /// The first end of this kind.
    pub fn end_of(&self, key: &CohortKey) -> Option<&'static Retirement> {
        RETIREMENTS.iter().find(|retirement| self.drops(retirement, key))
    }
}

fn drops(
    retirement: &Retirement,
    rules: &Rules<'_>,
    report: &Registration,
    required: &Required,
    snapshot: &Snapshot,
) -> Drop {
    let loss = Loss::of(snapshot, *rules, report, required, app_counts_twice(report, required));
    let concerns = |key: &CohortKey| Loss::concerns(retirement, key);
    let meets = |key: &CohortKey| loss.registered.methods(key).meets(retirement.methods);
    let (concerned, _) = report.count(|key| concerns(key) && meets(key));
    let (of, _) = report.count(concerns);
    let (count, sample) = report.count(|key| concerns(key) && loss.falls(retirement, key));
    Drop {
        count,
        of,
        sample,
        concerned,
    }
}

/// The populations whose policy leaves too few methods after an end, and did not before.
fn short(retirement: &Retirement, all: &[Population], required: &Required) -> Vec<String> {
    all.iter()
        .filter(|p| p.in_scope && p.users != Some(0))
        .filter(|p| {
            let need = p.required.unwrap_or(required.count);
            let before = gates(p.offered.possible, need, false);
            let after = gates(p.offered.possible.without(retirement.methods), need, false);
            after < need && after < before
        })
        .map(|p| p.name.clone())
        .collect()
}

/// One finding for every announced end.
pub fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    RETIREMENTS.iter().map(|r| finding(r, snapshot)).collect()
}

fn finding(retirement: &Retirement, snapshot: &Snapshot) -> Finding {
    let check = retirement.check;
    if !applies(retirement, snapshot) {
        return check.not_applicable("Announced for the public cloud only; this cloud has no date.");
    }
    let Some(rules) = Rules::of(snapshot) else {
        return check.unreadable(snapshot);
    };
    let required = Required::of(snapshot);
    let (fact, policy) = (&snapshot.facts.registration, &snapshot.facts.methods_policy);
    let past = retirement.by <= today(snapshot);
    let falls = |many: bool| match (required.count, past, many) {
        (1, true, _) => "lost their only method",
        (1, false, true) => "lose their only method",
        (1, false, false) => "loses the only method",
        (_, true, _) => "dropped below two methods",
        (_, false, true) => "drop below two methods",
        (_, false, false) => "drops below two methods",
    };
    let end = format!("{}, when {}", retirement.on, retirement.what);
    let advice = |finding: Finding| {
        let text = if retirement.methods == PHONE {
            "Have these users register Microsoft Authenticator and a second method that stays, such as an email address. Only a telephony provider of your own keeps SMS alive."
        } else {
            "Have these users register Microsoft Authenticator and an email address in place of the questions."
        };
        finding.fix(text).portal(super::PORTAL)
    };
    if let Some(report) = fact.value() {
        let drop = drops(retirement, &rules, report, &required, snapshot);
        if drop.count > 0 {
            let (one, many) = retirement.people;
            let least = if fact.is_partial() { "at least " } else { "" };
            let title = format!(
                "{least}{} {} {end}{}",
                counted(drop.count, one, many),
                falls(drop.count != 1),
                required.proviso()
            );
            let severity =
                if retirement.check.id == QUESTIONS_END.id || u128::from(drop.count) * 100 < u128::from(drop.of) {
                    Severity::Medium
                } else {
                    Severity::High
                };
            let found = check
                .warn(severity, title)
                .evidence(
                    fact,
                    format!(
                        "{}{} can reset today; {} of them have registered what ends, {} have too little left",
                        if fact.is_partial() { "read in part: " } else { "" },
                        counted(drop.of, one, many),
                        number(drop.concerned),
                        number(drop.count)
                    ),
                )
                .reason("From that day the reset page turns them away and they call the helpdesk. Microsoft Authenticator counts as one method, with its notification and its code.")
                .affects(drop.count, (!fact.is_partial()).then_some(drop.of), past, drop.sample);
            return advice(required.support(found));
        }
    }
    let all = populations(snapshot, &rules);
    let short = short(retirement, &all, &required);
    // The administrators' own rule is not the tenant's to change, and the report tells of each of them.
    let concerned: Vec<&Population> = all
        .iter()
        .filter(|p| {
            p.required.is_none() && p.in_scope && p.users != Some(0) && p.offered.possible.meets(retirement.methods)
        })
        .collect();
    if !short.is_empty() && retirement.check.id != PHONE_LATER.id {
        let title = format!(
            "the policy leaves too few methods {end}, for {}{}",
            listed(&short),
            required.proviso()
        );
        let found = check
            .warn(Severity::Medium, title)
            .evidence(policy, super::described(&all, &required))
            .reason("Users of this group can then not register enough methods to reset.");
        return advice(found).fix("Enable Microsoft Authenticator and email for them, so that enough methods stay.");
    }
    if check.id == PHONE_LATER.id
        && fact.value().is_some()
        && let Some(refusal) = snapshot.facts.refusal(FactId::GlobalAdministrators)
    {
        let needs = refusal.needs.as_deref().unwrap_or(&refusal.message);
        return check
            .skipped(
                format!("Global Administrators cannot be told apart: needs {needs}"),
                format!(
                    "{} They are counted with the users whom SMS leaves first.",
                    refusal.message
                ),
            )
            .evidence(fact, "no guest in it drops");
    }
    if let Some(report) = fact.whole() {
        let drop = drops(retirement, &rules, report, &required, snapshot);
        let title = match drop.concerned {
            0 => format!("nobody relies on what ends {}", retirement.on),
            n => format!(
                "{} {} enough methods {}",
                counted(n, retirement.people.0, retirement.people.1),
                if n == 1 { "keeps" } else { "keep" },
                retirement.on
            ),
        };
        // Where the number was assumed: who keeps two keeps one that is not the app's notification.
        return check
            .pass(title)
            .evidence(fact, format!("{} can reset today", number(drop.of)));
    }
    if concerned.is_empty() && retirement.check.id == QUESTIONS_END.id {
        let mut found = check
            .pass("security questions are not in use")
            .evidence(policy, super::described(&all, &required));
        if let Ok(off) = weigh(snapshot, &SECURITY_QUESTIONS) {
            found.evidence.extend_from_slice(off.evidence());
        }
        return found;
    }
    match fact.partial_reason() {
        Some(reason) => check
            .skipped(
                "the registration report was read in part; nobody in it drops",
                format!("{reason} What was read shows nobody who drops, but that proves nothing of the others."),
            )
            .evidence(
                fact,
                format!("{} users read", number(fact.value().map_or(0, |r| r.rows))),
            ),
        None => check.unreadable(snapshot),
    }
}
