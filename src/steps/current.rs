//! What stands today, as a desired state: each member that is known. A plan that is made of it is empty.

use super::policy::{METHODS_REQUIRED, SECURITY_QUESTIONS};
use super::{
    Step, account_unlock, authentication_methods, cloud_writeback, connect_writeback, directory_permissions,
    mfa_enforcement, notifications, password_policy, registration, reset_policy, security_questions,
};
use crate::desired::DesiredState;
use crate::snapshot::Snapshot;
use serde_json::{Map, Value};

/// The sections in the document's order, each with what is known of it.
#[derive(Debug, Default)]
pub struct Sections(pub Vec<(&'static str, Map<String, Value>)>);

impl Sections {
    /// Says a member, where it is known.
    #[inline(never)]
    pub(super) fn say(&mut self, section: &'static str, member: &str, value: Value) {
        if value.is_null() {
            return;
        }
        if self.0.last().is_none_or(|(name, _)| *name != section) {
            self.0.push((section, Map::new()));
        }
        if let Some((_, members)) = self.0.last_mut() {
            members.insert(member.into(), value);
        }
    }

    /// Says that something is so, where a plan of it is empty.
    fn hold(
        &mut self,
        snapshot: &Snapshot,
        step: &Step,
        section: &'static str,
        member: &str,
        value: Value,
        with: &str,
    ) {
        let text = format!(r#"{{"schemaVersion":1,"{section}":{{{with}"{member}":{value}}}}}"#);
        let plan = step.setup.as_ref().map(|setup| setup.plan);
        if let (Ok(desired), Some(plan)) = (DesiredState::from_json(&text), plan)
            && plan(snapshot, &desired).is_empty()
        {
            self.say(section, member, value);
        }
    }
}

/// What stands today.
pub fn sections(snapshot: &Snapshot) -> Sections {
    let mut all = Sections::default();
    who(snapshot, &mut all);
    let questions = "securityQuestions";
    all.say(questions, "enabled", SECURITY_QUESTIONS.now(snapshot));
    all.say(questions, "toRegister", security_questions::TO_REGISTER.now(snapshot));
    all.say(questions, "toReset", security_questions::TO_RESET.now(snapshot));
    authentication_methods::current(snapshot, &mut all);
    registration::current(snapshot, &mut all);
    mfa_enforcement::current(snapshot, &mut all);
    let told = "notifications";
    all.say(told, "users", notifications::TELL_USERS.now(snapshot));
    all.say(told, "administrators", notifications::TELL_ADMINISTRATORS.now(snapshot));
    let helpdesk = match notifications::LINK_ON.now(snapshot) {
        Value::Bool(true) => notifications::LINK.now(snapshot),
        Value::Bool(false) => "".into(),
        unknown => unknown,
    };
    all.say(told, "helpdesk", helpdesk);
    permissions(snapshot, &mut all);
    minimum_age(snapshot, &mut all);
    let connect = connect_writeback::current(snapshot);
    all.say("connectWriteback", "enabled", connect.map_or(Value::Null, Value::from));
    let cloud = "cloudWriteback";
    all.say(cloud, "connect", cloud_writeback::CONNECT.now(snapshot));
    all.say(cloud, "cloudSync", cloud_writeback::BY_CLOUD_SYNC.now(snapshot));
    all.say("accountUnlock", "allowed", account_unlock::SWITCH.now(snapshot));
    all
}

fn who(snapshot: &Snapshot, all: &mut Sections) {
    const SECTION: &str = "resetPolicy";
    let groups = reset_policy::SELECTED.now(snapshot);
    match reset_policy::WHO.now(snapshot).as_i64() {
        Some(0) => all.say(SECTION, "enabledFor", "None".into()),
        // Without its group it would be no state that can be.
        Some(1) if groups[0].is_string() => {
            all.say(SECTION, "enabledFor", "Selected".into());
            all.say(SECTION, "group", groups[0].clone());
        }
        Some(2) => all.say(SECTION, "enabledFor", "All".into()),
        _ => {}
    }
    all.say(SECTION, "methodsRequired", METHODS_REQUIRED.now(snapshot));
    let policy = snapshot.facts.authorization_policy.whole();
    let administrators = policy.and_then(|policy| policy.allowed_to_use_sspr);
    all.say(
        SECTION,
        "administrators",
        administrators.map_or(Value::Null, Value::from),
    );
}

/// Of each kind of right, whether all of it is there.
fn permissions(snapshot: &Snapshot, all: &mut Sections) {
    let grants = snapshot.facts.directory_grants.whole();
    if !grants.into_iter().flatten().any(|grants| grants.serves) {
        return;
    }
    for (member, with) in [
        ("users", ""),
        ("inetOrgPersons", ""),
        ("changePassword", r#""users":true,"#),
        ("unexpirePassword", ""),
    ] {
        all.hold(
            snapshot,
            &directory_permissions::STEP,
            "directoryPermissions",
            member,
            true.into(),
            with,
        );
    }
}

/// The minimum password age, where it is the same everywhere.
fn minimum_age(snapshot: &Snapshot, all: &mut Sections) {
    let domains = snapshot.facts.directory_passwords.whole();
    if let Some(first) = domains.and_then(|domains| domains.first()) {
        let days = first.policy.minimum_age / (24 * 60 * 60);
        all.hold(
            snapshot,
            &password_policy::STEP,
            "passwordPolicy",
            "minimumAgeDays",
            days.into(),
            "",
        );
    }
}
