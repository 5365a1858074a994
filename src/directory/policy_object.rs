//! What says that a group policy object has changed, what it holds and where it is linked: its version in the directory
//! and in `GPT.INI`, its `gPCMachineExtensionNames`, a container's `gPLink`. Each changed, and changed back.
//!
//! An attribute that is absent is an empty text here, before and after.

use super::group_policy::links;
use super::ini::Ini;

/// The client-side extension that reads security templates (MS-GPSB 1.9).
pub const SECURITY_EXTENSION: &str = "{827D319E-6EAC-11D2-A4EA-00C04F79F83A}";
/// The tool that edits them, for computers.
pub const SECURITY_TOOL: &str = "{803E14A0-B4FB-11D0-A0D0-00A0C90F574B}";

/// The length of a GUID in braces.
const GUID: usize = 38;
const GENERAL: &str = "General";
const VERSION: &str = "Version";

/// Why an object's version or extensions cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyObjectError {
    /// It is no text.
    #[error("GPT.INI is not text")]
    NotText,
    /// Its version is none.
    #[error("the version in GPT.INI is no number")]
    NoVersion,
    /// It is not of the form `[{extension}{tool}...]...`.
    #[error("gPCMachineExtensionNames is malformed")]
    Extensions,
}

/// The version after a change of the computer's settings: the low half is one higher, the user's half the same (MS-GPOL
/// 3.3.4.5). Behind the last comes 1, for 0 says that there is nothing. An undo is a change too: a version never goes
/// back, or who has seen it would not look again.
pub fn raised(version: u32) -> u32 {
    let computer = (version as u16).checked_add(1).unwrap_or(1);
    version & 0xffff_0000 | u32::from(computer)
}

/// The version that a `GPT.INI` names; None where it names none. Some tools write it with a sign.
pub fn version(file: &[u8]) -> Result<Option<u32>, PolicyObjectError> {
    let ini = Ini::read(file).ok_or(PolicyObjectError::NotText)?;
    let found = ini.lines().find(|line| line.is(GENERAL, VERSION));
    let value = found
        .and_then(|line| line.setting)
        .map(|(_, value)| value.parse::<i64>());
    let value = value.transpose().map_err(|_| PolicyObjectError::NoVersion)?;
    // Both readings of the same 32 bits.
    Ok(value.map(|value| value as u32))
}

/// A `GPT.INI` that names this version, and is otherwise as it was. An empty one is made.
pub fn with_version(file: &[u8], version: u32) -> Result<Vec<u8>, PolicyObjectError> {
    let mut ini = Ini::read(file).ok_or(PolicyObjectError::NotText)?;
    ini.set(GENERAL, VERSION, "=", &version.to_string());
    Ok(ini.to_bytes())
}

/// The extensions, each before its tools.
fn extensions(names: &str) -> Result<Vec<Vec<&str>>, PolicyObjectError> {
    let extensions: Option<_> = names.trim().split_inclusive(']').map(extension).collect();
    extensions.ok_or(PolicyObjectError::Extensions)
}

fn extension(text: &str) -> Option<Vec<&str>> {
    let mut rest = text.strip_prefix('[')?.strip_suffix(']')?;
    let mut guids = Vec::new();
    while !rest.is_empty() {
        let (guid, behind) = rest.split_at_checked(GUID)?;
        guid.strip_prefix('{')?.strip_suffix('}')?;
        guids.push(guid);
        rest = behind;
    }
    (!guids.is_empty()).then_some(guids)
}

fn is_security(guids: &[&str]) -> bool {
    guids
        .first()
        .is_some_and(|guid| guid.eq_ignore_ascii_case(SECURITY_EXTENSION))
}

fn text(extensions: &[Vec<&str>]) -> String {
    extensions.iter().map(|guids| format!("[{}]", guids.concat())).collect()
}

/// Where a GUID belongs in a sorted list: before the first that is greater.
fn place<'a>(mut guids: impl Iterator<Item = &'a str>, new: &str) -> Option<usize> {
    guids.position(|guid| guid.to_ascii_uppercase().as_str() > new)
}

/// Whether `gPCMachineExtensionNames` names the extension for security templates with its tool.
pub fn names_security_extension(names: &str) -> bool {
    with_security_extension(names).is_ok_and(|with| with == names)
}

/// `gPCMachineExtensionNames` with the extension for security templates and its tool. Extensions are sorted by their
/// GUIDs, an extension's tools too, as Windows' own tools write them: the new one goes to its place, the others stay as
/// they are, even if they are out of order.
pub fn with_security_extension(names: &str) -> Result<String, PolicyObjectError> {
    let mut all = extensions(names)?;
    let has =
        |guids: &Vec<&str>| is_security(guids) && guids.iter().any(|tool| tool.eq_ignore_ascii_case(SECURITY_TOOL));
    if all.iter().any(has) {
        return Ok(names.into());
    }
    match all.iter_mut().find(|guids| is_security(guids)) {
        Some(guids) => {
            let at = place(guids[1..].iter().copied(), SECURITY_TOOL).map_or(guids.len(), |at| at + 1);
            guids.insert(at, SECURITY_TOOL);
        }
        None => {
            let at = place(all.iter().map(|guids| guids[0]), SECURITY_EXTENSION).unwrap_or(all.len());
            all.insert(at, vec![SECURITY_EXTENSION, SECURITY_TOOL]);
        }
    }
    Ok(text(&all))
}

/// Takes back what `with_security_extension` did to `before`. Where others have come or gone since, that is kept.
pub fn without_security_extension(now: &str, before: &str) -> Result<String, PolicyObjectError> {
    let made = with_security_extension(before)?;
    if now == made {
        return Ok(before.into());
    }
    let mut all = extensions(now)?;
    if made != before {
        for guids in all.iter_mut().filter(|guids| is_security(guids)) {
            guids.retain(|guid| !guid.eq_ignore_ascii_case(SECURITY_TOOL));
        }
        // It goes whole where it was not there before.
        if !extensions(before)?.iter().any(|guids| is_security(guids)) {
            all.retain(|guids| guids.len() > 1 || !is_security(guids));
        }
    }
    Ok(text(&all))
}

/// A container's `gPLink` with a link to this object that wins over all others there: the last of them, and enforced
/// where another is in force and enforced. The others are kept. An object that is linked already is not linked again,
/// however it is linked.
pub fn with_link(gp_link: &str, object: &str) -> String {
    let there = links(gp_link);
    if there.iter().any(|link| link.object.eq_ignore_ascii_case(object)) {
        return gp_link.into();
    }
    let enforced = there.iter().any(|link| link.enforced && !link.disabled);
    // Windows leaves a blank behind when the last link goes.
    let kept = if gp_link.trim().is_empty() { "" } else { gp_link };
    format!("{kept}[LDAP://{object};{}]", if enforced { 2 } else { 0 })
}

/// Takes back what `with_link` did to `before`. Where others have come or gone since, that is kept.
pub fn without_link(now: &str, object: &str, before: &str) -> String {
    let made = with_link(before, object);
    if now == made {
        return before.into();
    }
    let start = format!("[ldap://{object};").to_ascii_lowercase();
    match now.to_ascii_lowercase().rfind(&start) {
        Some(at) if made != before => {
            let end = now[at..].find(']').map_or(now.len(), |end| at + end + 1);
            [&now[..at], &now[end..]].concat()
        }
        _ => now.into(),
    }
}

#[cfg(test)]
mod tests;
