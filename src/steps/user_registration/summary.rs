//! The registration report, counted: everybody, and by kind, method, cause, announced end, department and group.

use super::Count;
use super::reasons::Why;
use crate::snapshot::Snapshot;
use crate::snapshot::people::{CohortKey, DEPARTMENT, Registration};
use crate::steps::authentication_methods::methods::{Required, Rules, app_counts_twice};
use crate::steps::authentication_methods::retirement::{Loss, RETIREMENTS};
use crate::steps::scope::Directory;
use serde_json::{Value, json};

/// Collects the lines of a report.
struct Lines<'a> {
    report: &'a Registration,
    all: Vec<Value>,
}

impl Lines<'_> {
    fn add(&mut self, area: &str, name: &str, who: &dyn Fn(&CohortKey) -> bool) {
        let count = Count::of(self.report, who);
        self.all.push(
            json!({"area": area, "name": name, "users": count.all, "inScope": count.enabled,
            "registered": count.registered, "capable": count.able}),
        );
    }
}

/// A line for each of them, of a snapshot that has the report.
pub fn lines(snapshot: &Snapshot, report: &Registration) -> Vec<Value> {
    let mut lines = Lines {
        report,
        all: Vec::new(),
    };
    lines.add("Population", "all users", &|_| true);
    lines.add("Population", "members", &|key| !key.guest);
    lines.add("Population", "guests", &|key| key.guest);
    lines.add("Population", "administrators", &|key| key.admin || key.global_admin);
    lines.add("Population", "Global Administrators", &|key| key.global_admin);
    for name in &report.methods {
        let bit = report.method_bit(name);
        lines.add("Method", name, &|key| key.methods & bit != 0);
    }
    lines.add("Method", "none", &|key| key.methods == 0);
    let required = Required::of(snapshot);
    let twice = app_counts_twice(report, &required);
    let loss = Rules::of(snapshot).map(|rules| Loss::of(snapshot, rules, report, &required, twice));
    let why = Why::with(snapshot, report, required, twice);
    for check in Why::CHECKS {
        let counted = |key: &CohortKey| why.check(key).is_some_and(|other| other.id == check.id);
        lines.add("Cause", check.id, &counted);
    }
    if let Some(loss) = &loss {
        for end in RETIREMENTS {
            lines.add("Retirement", &end.told(), &|key| loss.drops(end, key));
        }
    }
    let directory = Directory::of(snapshot);
    for id in &report.groups {
        let Some(bit) = report.group_bit(id) else { continue };
        let (area, name) = match id.strip_prefix(DEPARTMENT) {
            Some("") => ("Department", "none"),
            Some(name) => ("Department", name),
            None => (
                "Group",
                directory
                    .group(id)
                    .and_then(|g| g.display_name.as_deref())
                    .unwrap_or(id),
            ),
        };
        lines.add(area, name, &|key| key.groups & bit != 0);
    }
    lines.all
}

/// Those who cannot reset, each once: members who are out of scope, and whoever is in scope by what is not registered.
pub fn causes(snapshot: &Snapshot, report: &Registration) -> Vec<(&'static str, u64)> {
    let required = Required::of(snapshot);
    let twice = app_counts_twice(report, &required);
    let why = Why::with(snapshot, report, required, twice);
    let out = report.count(|key| !key.guest && !key.sspr_enabled).0;
    let mut causes = vec![("Members out of scope, or without a licence", out)];
    for check in Why::CHECKS {
        let (count, _) = report.count(|key| why.check(key).is_some_and(|other| other.id == check.id));
        causes.push((check.title, count));
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::fixture::*;

    fn line(lines: &[Value], name: &str) -> [u64; 4] {
        let line = lines.iter().find(|line| line["name"] == name).expect("a line");
        ["users", "inScope", "registered", "capable"].map(|member| line[member].as_u64().unwrap())
    }

    #[test]
    fn lines_count_as_the_checks_do() {
        let mut s = empty();
        s.facts.portal_reset_policy = known(portal(2));
        s.facts.methods_policy = methods(vec![
            method("MicrosoftAuthenticator", &["all_users"]),
            method("Email", &["all_users"]),
            method("Sms", &["all_users"]),
        ]);
        let mut guest = user(2, &["email"], false);
        guest.key.guest = true;
        let mut admin = user(3, &[], false);
        admin.key.admin = true;
        let cohorts = vec![
            user(5, &["mobilePhone", "email"], true),
            user(7, &["microsoftAuthenticatorPush", "email"], true),
            guest,
            admin,
        ];
        s.facts.registration = known(report(cohorts, &["g1", "department:Sales"]));
        let mut sales = s.facts.registration.value().unwrap().clone();
        sales.cohorts[0].key.groups = 0b11;
        let lines = lines(&s, &sales);
        assert_eq!(line(&lines, "all users"), [17, 17, 12, 12]);
        assert_eq!(line(&lines, "guests"), [2, 2, 0, 0]);
        assert_eq!(line(&lines, "administrators"), [3, 3, 0, 0]);
        assert_eq!(line(&lines, "email"), [14, 14, 12, 12]);
        assert_eq!(line(&lines, "none"), [3, 3, 0, 0]);
        assert_eq!(line(&lines, "user_registration.nothing_registered")[0], 3);
        assert_eq!(line(&lines, "user_registration.one_short")[0], 2);
        assert_eq!(line(&lines, "2027-02-01: SMS by Microsoft ends, of users")[0], 5);
        assert_eq!(line(&lines, "Sales"), [5, 5, 5, 5]);
        assert_eq!(line(&lines, "g1")[0], 5);
    }
}
