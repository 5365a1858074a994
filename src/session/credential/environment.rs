//! What the platform tells a process about its identity, read once at sign-in.

use std::collections::HashMap;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The variables that are read.
const NAMES: &[&str] = &[
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    NO_PORTAL,
];

/// Switches the portal API off, for whoever manages the machine.
const NO_PORTAL: &str = "ENTRASSPR_DISABLE_PORTAL_API";

/// What the platform tells.
#[derive(Clone, Default)]
pub struct Environment {
    /// Some of them are secrets.
    variables: HashMap<&'static str, Zeroizing<String>>,
    /// Where Azure Arc's agent lays its keys, and its program, whose presence shows that the machine is connected.
    pub(crate) arc_tokens: PathBuf,
    pub(crate) arc_agent: PathBuf,
    machine_policy: Option<&'static str>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment {:?}", self.variables.keys())
    }
}

impl Environment {
    /// This process's.
    pub fn of_process() -> Self {
        let variables = NAMES
            .iter()
            .filter_map(|name| Some((*name, Zeroizing::new(std::env::var(name).ok()?))))
            .collect();
        let (arc_tokens, arc_agent) = arc_places();
        Environment {
            variables,
            arc_tokens,
            arc_agent,
            machine_policy: machine_policy(),
        }
    }

    /// Another one, for tests: production reads the process's and the documented folders.
    #[doc(hidden)]
    pub fn for_test(variables: &[(&str, &str)], arc_tokens: PathBuf) -> Self {
        let known = |name: &str| NAMES.iter().find(|known| **known == name).copied();
        let variables = variables
            .iter()
            .filter_map(|(name, value)| Some((known(name)?, Zeroizing::new((*value).to_string()))))
            .collect();
        Environment {
            variables,
            arc_agent: arc_tokens.join("no-agent"),
            arc_tokens,
            machine_policy: None,
        }
    }

    /// The policy that switches the portal API off, where there is one.
    pub(crate) fn portal_policy(&self) -> Option<&'static str> {
        self.machine_policy.or_else(|| {
            let set = self.get(NO_PORTAL).is_some_and(is_set);
            set.then_some("the environment variable ENTRASSPR_DISABLE_PORTAL_API")
        })
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(NAMES.contains(&name));
        self.variables
            .get(name)
            .map(|value| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// Whether a policy's value switches it on. One that is not understood does, too: a policy was meant.
fn is_set(value: &str) -> bool {
    !matches!(value.trim().to_ascii_lowercase().as_str(), "" | "0" | "false")
}

/// The machine's policy, in the registry.
#[cfg(windows)]
fn machine_policy() -> Option<&'static str> {
    const KEY: &str = r"SOFTWARE\Policies\EntraSspr";
    const NAME: &str = "DisablePortalApi";
    let key = windows_registry::LOCAL_MACHINE.open(KEY).ok()?;
    let set = match key.get_u32(NAME) {
        Ok(number) => number != 0,
        Err(_) => key.get_string(NAME).is_ok_and(|text| is_set(&text)),
    };
    set.then_some(r"the registry's policy HKLM\SOFTWARE\Policies\EntraSspr, DisablePortalApi")
}

/// The machine's policy: elsewhere than on Windows only the environment has it.
#[cfg(not(windows))]
fn machine_policy() -> Option<&'static str> {
    None
}

#[cfg(windows)]
fn arc_places() -> (PathBuf, PathBuf) {
    let under = |variable: &str, otherwise: &str, rest: &[&str]| {
        let root = std::env::var_os(variable).map_or_else(|| PathBuf::from(otherwise), PathBuf::from);
        rest.iter().fold(root, |path, part| path.join(part))
    };
    (
        under(
            "ProgramData",
            r"C:\ProgramData",
            &["AzureConnectedMachineAgent", "Tokens"],
        ),
        under(
            "ProgramFiles",
            r"C:\Program Files",
            &["AzureConnectedMachineAgent", "himds.exe"],
        ),
    )
}

#[cfg(not(windows))]
fn arc_places() -> (PathBuf, PathBuf) {
    ("/var/opt/azcmagent/tokens".into(), "/opt/azcmagent/bin/himds".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_on_unless_it_says_off() {
        for (value, on) in [
            ("1", true),
            ("true", true),
            ("TRUE", true),
            ("yes", true),
            ("0", false),
            ("False", false),
            (" ", false),
            ("", false),
        ] {
            let environment = Environment::for_test(&[(NO_PORTAL, value)], "/nowhere".into());
            assert_eq!(environment.portal_policy().is_some(), on, "{value:?}");
        }
        assert_eq!(Environment::for_test(&[], "/nowhere".into()).portal_policy(), None);
    }
}
