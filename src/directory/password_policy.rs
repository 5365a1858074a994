//! What a domain asks of passwords: its own policy, fine-grained ones, and the group policy objects that set it.

use super::group_policy::{Link, links};
use super::ldap::{Connection, Depth, DirectoryError, Entry};
use super::policy_object;

/// The directory counts time in steps of 100 ns.
pub const STEPS: i64 = 10_000_000;
/// Steps between 1601 and 1970.
const UNIX: i64 = 116_444_736_000_000_000;

/// The present in the directory's steps.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second() * STEPS + UNIX
}

/// A moment of the directory; None for "never" in its forms.
pub fn moment(steps: i64) -> Option<jiff::Timestamp> {
    let since = steps.checked_sub(UNIX)?;
    let nanoseconds = i32::try_from(since % STEPS * 100).ok()?;
    (steps > 0 && steps != i64::MAX).then(|| jiff::Timestamp::new(since / STEPS, nanoseconds).ok())?
}

/// A policy's numbers as the directory keeps them; times are negative steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// How old a password must be before it may be replaced.
    pub minimum_age: i64,
    /// After how long it must be replaced.
    pub maximum_age: i64,
    /// How long it must be.
    pub minimum_length: u32,
    /// How many earlier ones it must differ from.
    pub history: u32,
    /// Whether it must hold several kinds of characters.
    pub complexity: bool,
    /// After so many wrong ones the account is locked.
    pub lockout_threshold: u32,
    /// How long.
    pub lockout_duration: i64,
    /// How long a wrong one counts.
    pub lockout_window: i64,
}

impl Policy {
    /// Until when somebody is locked out who was at a moment, in steps since 1601.
    pub fn locked_until(&self, since: i64) -> i64 {
        match self.lockout_duration {
            // Until somebody unlocks it.
            0 | i64::MIN => i64::MAX,
            duration => since.saturating_sub(duration),
        }
    }
}

/// A fine-grained policy (PSO).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FineGrained {
    /// Its distinguished name.
    pub dn: String,
    /// Its name.
    pub name: String,
    /// The lower wins.
    pub precedence: u32,
    /// What it asks for.
    pub policy: Policy,
    /// The users and groups that it is linked to.
    pub applies_to: Vec<String>,
}

/// A group policy object that is linked to the domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedObject {
    /// The link.
    pub link: Link,
    /// Its name for a person.
    pub name: String,
    /// Where its files are.
    pub files: String,
    /// Whether its computer settings are in force.
    pub computer_settings: bool,
    /// Whether it names the extension that reads security templates.
    pub security_extension: bool,
    /// Whether a WMI filter decides whom it is for.
    pub wmi_filter: bool,
    /// Its security descriptor, where that can be read.
    pub descriptor: Option<Vec<u8>>,
    /// The computer settings' version.
    pub version: Option<u32>,
}

fn number<T: std::str::FromStr + Default>(entry: &Entry, name: &str) -> T {
    entry.text(name).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// A domain's own policy and its `gPLink`; None where the root cannot be seen.
pub async fn domain(connection: &mut Connection, root: &str) -> Result<Option<(Policy, Vec<Link>)>, DirectoryError> {
    let attributes = [
        "minPwdAge",
        "maxPwdAge",
        "minPwdLength",
        "pwdHistoryLength",
        "pwdProperties",
        "lockoutThreshold",
        "lockoutDuration",
        "lockOutObservationWindow",
        "gPLink",
    ];
    let Some(entry) = connection.read(root, &attributes).await? else {
        return Ok(None);
    };
    let complexity: u32 = number(&entry, "pwdProperties");
    let policy = Policy {
        minimum_age: number(&entry, "minPwdAge"),
        maximum_age: number(&entry, "maxPwdAge"),
        minimum_length: number(&entry, "minPwdLength"),
        history: number(&entry, "pwdHistoryLength"),
        complexity: complexity & 1 != 0,
        lockout_threshold: number(&entry, "lockoutThreshold"),
        lockout_duration: number(&entry, "lockoutDuration"),
        lockout_window: number(&entry, "lockOutObservationWindow"),
    };
    let read = entry.text("minPwdAge").is_some();
    Ok(read.then(|| (policy, links(entry.text("gPLink").unwrap_or_default()))))
}

/// The fine-grained policies, the one that wins first; None where they cannot be seen.
pub async fn fine_grained(connection: &mut Connection, root: &str) -> Result<Option<Vec<FineGrained>>, DirectoryError> {
    let place = format!("CN=Password Settings Container,CN=System,{root}");
    // Who may not look into it sees that it is there, and nothing of it: its list would be empty.
    let container = connection.read(&place, &["objectClass"]).await?;
    if container.is_none_or(|entry| entry.text("objectClass").is_none()) {
        return Ok(None);
    }
    let attributes = [
        "cn",
        "msDS-PasswordSettingsPrecedence",
        "msDS-MinimumPasswordAge",
        "msDS-MaximumPasswordAge",
        "msDS-MinimumPasswordLength",
        "msDS-PasswordHistoryLength",
        "msDS-PasswordComplexityEnabled",
        "msDS-LockoutThreshold",
        "msDS-LockoutDuration",
        "msDS-LockoutObservationWindow",
        "msDS-PSOAppliesTo",
    ];
    let filter = "(objectClass=msDS-PasswordSettings)";
    let found = connection.list(&place, Depth::Children, filter, &attributes).await?;
    let policy = |entry: &Entry| FineGrained {
        dn: entry.dn.clone(),
        name: entry.text("cn").unwrap_or_default().into(),
        precedence: number(entry, "msDS-PasswordSettingsPrecedence"),
        policy: Policy {
            minimum_age: number(entry, "msDS-MinimumPasswordAge"),
            maximum_age: number(entry, "msDS-MaximumPasswordAge"),
            minimum_length: number(entry, "msDS-MinimumPasswordLength"),
            history: number(entry, "msDS-PasswordHistoryLength"),
            complexity: entry.text("msDS-PasswordComplexityEnabled") == Some("TRUE"),
            lockout_threshold: number(entry, "msDS-LockoutThreshold"),
            lockout_duration: number(entry, "msDS-LockoutDuration"),
            lockout_window: number(entry, "msDS-LockoutObservationWindow"),
        },
        applies_to: entry
            .values("msDS-PSOAppliesTo")
            .map(|dn| String::from_utf8_lossy(dn).into_owned())
            .collect(),
    };
    let mut policies: Vec<FineGrained> = found.iter().map(policy).collect();
    policies.sort_by(|a, b| (a.precedence, &a.dn).cmp(&(b.precedence, &b.dn)));
    Ok(Some(policies))
}

/// What is linked to a unit.
pub async fn links_of(connection: &mut Connection, dn: &str) -> Result<(Vec<Link>, bool), DirectoryError> {
    let entry = connection.read(dn, &["gPLink", "gPOptions"]).await?.unwrap_or_default();
    // Bit 1: links from above that are not enforced end here.
    let options: u32 = number(&entry, "gPOptions");
    Ok((links(entry.text("gPLink").unwrap_or_default()), options & 1 != 0))
}

/// What the directory says of a linked group policy object; None where it cannot be seen.
pub async fn linked(connection: &mut Connection, link: Link) -> Result<Option<LinkedObject>, DirectoryError> {
    let attributes = [
        "displayName",
        "gPCFileSysPath",
        "versionNumber",
        "flags",
        "gPCMachineExtensionNames",
        "gPCWQLFilter",
        "nTSecurityDescriptor",
    ];
    let Some(entry) = connection.read(&link.object, &attributes).await? else {
        return Ok(None);
    };
    // Bit 2: the computer settings are off.
    let flags: u32 = number(&entry, "flags");
    // The low half: the computer settings.
    let version = entry.text("versionNumber").and_then(|text| text.parse::<i64>().ok());
    Ok(Some(LinkedObject {
        name: entry.text("displayName").unwrap_or_default().into(),
        files: entry.text("gPCFileSysPath").unwrap_or_default().into(),
        computer_settings: flags & 2 == 0,
        security_extension: policy_object::names_security_extension(
            entry.text("gPCMachineExtensionNames").unwrap_or_default(),
        ),
        wmi_filter: entry
            .text("gPCWQLFilter")
            .is_some_and(|filter| !filter.trim().is_empty()),
        descriptor: entry.value("nTSecurityDescriptor").map(Into::into),
        version: version.map(|version| (version & 0xffff) as u32),
        link,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        let some = "2026-11-27T00:00:00Z".parse().ok();
        assert_eq!(
            moment(134_402_112_000_000_000).map(|m| m.to_string()),
            some.map(|m: jiff::Timestamp| m.to_string())
        );
        assert_eq!(moment(0), None);
        assert_eq!(moment(i64::MAX), None);
    }
}
