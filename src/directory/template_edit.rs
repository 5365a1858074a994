//! A security template's (`GptTmpl.inf`) minimum password age, set and put back.

use super::group_policy::{Template, TemplateError};
use super::ini::Ini;

const SECTION: &str = "System Access";
const NAME: &str = "MinimumPasswordAge";
/// What stands at a template's beginning (MS-GPSB 2.2).
const HEAD: &str = "[Unicode]\r\nUnicode=yes\r\n[Version]\r\nsignature=\"$CHICAGO$\"\r\nRevision=1\r\n";

/// A template with this minimum password age, in days. All else is kept byte for byte, the encoding too.
///
/// Where the setting stands, each of its lines gets the value. Where it does not, it becomes the first line of `[System
/// Access]`; a section that is missing is put at the end. A file that is missing or empty is made as Windows writes
/// one. What `Template::read` refuses is refused. Whether Windows takes the ages together, `Template::has_sound_ages`
/// tells.
pub fn with_minimum_password_age(file: Option<&[u8]>, days: u16) -> Result<Vec<u8>, TemplateError> {
    with(file.unwrap_or_default(), &days.to_string())
}

fn with(file: &[u8], value: &str) -> Result<Vec<u8>, TemplateError> {
    Template::read(file)?;
    let mut ini = match Ini::read(file).ok_or(TemplateError::NotText)? {
        ini if ini.is_empty() => Ini::new(HEAD),
        ini => ini,
    };
    ini.set(SECTION, NAME, " = ", value);
    Ok(ini.to_bytes())
}

#[cfg(test)]
mod tests;
