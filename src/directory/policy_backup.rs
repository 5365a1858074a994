//! A backup of a group policy object that sets the minimum password age and nothing else, as a folder for `Import-GPO`.
//!
//! It has the elements, attributes and paths of what `Backup-GPO` writes, as a published backup shows them (NSA's Windows
//! Secure Host Baseline, "DoD Windows 10 STIG - Computer"). Other than there, text is escaped and not in CDATA sections, no
//! extension is named but the security templates' own, and the report for people (`gpreport.xml`) is left out.
//! **Untried**: no real `Import-GPO` has read it, for that takes Windows.
//!
//! An import erases what the object that it goes to held before (`IGPMGPO::Import`). So it must go to a new one:
//! `Import-GPO -Path <folder> -BackupId <id> -TargetName <a name that is not taken> -CreateIfNeeded`.

use super::group_policy::TemplateError;
use super::policy_object::{SECURITY_EXTENSION, SECURITY_TOOL};
use super::template_edit::with_minimum_password_age;
use uuid::Uuid;

/// A backup, and whence it comes: what its files name as the object, the domain and the controller.
#[derive(Clone, Debug)]
pub struct Backup<'a> {
    /// The backup's own GUID, which `-BackupId` names.
    pub id: Uuid,
    /// The object's display name.
    pub name: &'a str,
    /// The object's GUID.
    pub object: Uuid,
    /// The domain's DNS name.
    pub domain: &'a str,
    /// The domain's objectGUID.
    pub domain_guid: Uuid,
    /// The DNS name of a domain controller.
    pub controller: &'a str,
    /// When it was made.
    pub time: jiff::Timestamp,
}

const MANIFEST: &str = "http://www.microsoft.com/GroupPolicy/GPOOperations/Manifest";
const OPERATIONS: &str = "http://www.microsoft.com/GroupPolicy/GPOOperations";
/// The template's folders in an object and in a backup, each below the one before it.
const FOLDERS: [&str; 3] = ["microsoft", "windows nt", "SecEdit"];

/// What a new object's access list says of those who are the same in every domain. An import leaves it
/// alone.
const DESCRIPTOR: &str = "01 00 04 9c 00 00 00 00 00 00 00 00 00 00 00 00 14 00 00 00 04 00 80 00 05 00 00 00 \
05 02 28 00 00 01 00 00 01 00 00 00 8f fd ac ed b3 ff d1 11 b4 1d 00 a0 c9 68 f9 39 01 01 00 00 00 00 00 05 0b 00 00 00 \
00 02 14 00 94 00 02 00 01 01 00 00 00 00 00 05 09 00 00 00 00 02 14 00 94 00 02 00 01 01 00 00 00 00 00 05 0b 00 00 00 \
00 02 14 00 ff 00 0f 00 01 01 00 00 00 00 00 05 12 00 00 00 00 0a 14 00 ff 00 0f 00 01 01 00 00 00 00 00 03 00 00 00 00";

impl Backup<'_> {
    /// The folder's files: each one's path below it, parted by `/`, and its bytes. The minimum age is in days.
    pub fn files(&self, minimum_password_age: u16) -> Result<Vec<(String, Vec<u8>)>, TemplateError> {
        let folder = guid(self.id);
        let template = with_minimum_password_age(None, minimum_password_age)?;
        let path = FOLDERS.join("/");
        Ok(vec![
            ("manifest.xml".into(), self.manifest().into()),
            (format!("{folder}/bkupInfo.xml"), self.instance(&xmlns(MANIFEST)).into()),
            (format!("{folder}/Backup.xml"), self.scheme().into()),
            (
                format!("{folder}/DomainSysvol/GPO/Machine/{path}/GptTmpl.inf"),
                template,
            ),
        ])
    }

    /// The list of the backups in the folder.
    fn manifest(&self) -> String {
        format!(
            "<Backups{} xmlns:mfst=\"{MANIFEST}\" mfst:version=\"1.0\">{}</Backups>",
            xmlns(MANIFEST),
            self.instance("")
        )
    }

    fn instance(&self, xmlns: &str) -> String {
        let time = format!("{:.0}", self.time);
        let members = [
            ("GPOGuid", guid(self.object)),
            ("GPODomain", escaped(self.domain)),
            ("GPODomainGuid", self.domain_guid.braced().to_string()),
            ("GPODomainController", escaped(self.controller)),
            ("BackupTime", time.trim_end_matches('Z').into()),
            ("ID", guid(self.id)),
            ("Comment", String::new()),
            ("GPODisplayName", escaped(self.name)),
        ];
        format!("<BackupInst{xmlns}>{}</BackupInst>", elements(&members))
    }

    /// What the object is, and which of its files stand where in the backup.
    fn scheme(&self) -> String {
        let core = [
            ("ID", guid(self.object)),
            ("Domain", escaped(self.domain)),
            ("SecurityDescriptor", DESCRIPTOR.into()),
            ("DisplayName", escaped(self.name)),
            ("Options", "0".into()),
            ("UserVersionNumber", "0".into()),
            // Version 1, in the directory and in SYSVOL.
            ("MachineVersionNumber", "65537".into()),
            (
                "MachineExtensionGuids",
                format!("[{SECURITY_EXTENSION}{SECURITY_TOOL}]"),
            ),
            ("UserExtensionGuids", String::new()),
            ("WMIFilter", String::new()),
        ];
        let path = FOLDERS.join("\\");
        let template = self.file(
            "FSObjectFile",
            &format!("{path}\\GptTmpl.inf"),
            " bkp:ReEvaluateFunction=\"SecurityValidateSettings\"",
        );
        let folders = (1..=FOLDERS.len()).map(|depth| self.file("FSObjectDir", &FOLDERS[..depth].join("\\"), ""));
        let extensions = [
            extension(SECURITY_EXTENSION, "Security", &template),
            // What belongs to no extension by name.
            extension(
                "{F15C46CD-82A0-4C2D-A210-5D0D3182A418}",
                "Unknown Extension",
                &folders.collect::<String>(),
            ),
        ];
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><GroupPolicyBackupScheme bkp:version=\"2.0\" \
bkp:type=\"GroupPolicyBackupTemplate\" xmlns:bkp=\"{OPERATIONS}\"{}><GroupPolicyObject><SecurityGroups/><FilePaths/>\
<GroupPolicyCoreSettings>{}</GroupPolicyCoreSettings>{}</GroupPolicyObject></GroupPolicyBackupScheme>",
            xmlns(OPERATIONS),
            elements(&core),
            extensions.concat()
        )
    }

    /// A file or a folder below the object's `Machine`: where it was, and where it is in the backup.
    fn file(&self, element: &str, path: &str, more: &str) -> String {
        let (controller, domain, object) = (escaped(self.controller), escaped(self.domain), guid(self.object));
        format!(
            "<{element} bkp:Path=\"%GPO_MACH_FSPATH%\\{path}\" bkp:SourceExpandedPath=\"\\\\{controller}\\sysvol\\{domain}\
\\Policies\\{object}\\Machine\\{path}\"{more} bkp:Location=\"DomainSysvol\\GPO\\Machine\\{path}\"/>"
        )
    }
}

fn xmlns(name: &str) -> String {
    format!(" xmlns=\"{name}\"")
}

fn extension(id: &str, name: &str, files: &str) -> String {
    format!("<GroupPolicyExtension bkp:ID=\"{id}\" bkp:DescName=\"{name}\">{files}</GroupPolicyExtension>")
}

/// Elements whose content is escaped already.
fn elements(members: &[(&str, String)]) -> String {
    let one = |(name, value): &(&str, String)| match value.as_str() {
        "" => format!("<{name}/>"),
        value => format!("<{name}>{value}</{name}>"),
    };
    members.iter().map(one).collect()
}

/// As Windows writes GUIDs of objects and backups.
fn guid(id: Uuid) -> String {
    format!("{:X}", id.braced())
}

/// Text for an element or an attribute. What XML has no way to write becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push_str(&format!("&#{};", c as u32)),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
