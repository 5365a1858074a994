//! What the platform tells a process about its identity, read once at sign-in.

use std::collections::HashMap;
use std::path::PathBuf;

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
];

/// What the platform tells.
#[derive(Clone, Default)]
pub struct Environment {
    variables: HashMap<String, String>,
    /// Where Azure Arc's agent lays its keys, and its program, whose presence shows that the machine is connected.
    pub(crate) arc_tokens: PathBuf,
    pub(crate) arc_agent: PathBuf,
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
            .filter_map(|name| Some(((*name).to_string(), std::env::var(name).ok()?)))
            .collect();
        let (arc_tokens, arc_agent) = arc_places();
        Environment {
            variables,
            arc_tokens,
            arc_agent,
        }
    }

    /// Another one, for tests: production reads the process's and the documented folders.
    #[doc(hidden)]
    pub fn for_test(variables: &[(&str, &str)], arc_tokens: PathBuf) -> Self {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect();
        Environment {
            variables,
            arc_agent: arc_tokens.join("no-agent"),
            arc_tokens,
        }
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(NAMES.contains(&name));
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
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
