use super::*;
use crate::directory::descriptor::Descriptor;
use crate::directory::group_policy::Template;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn backup<'a>(name: &'a str, domain: &'a str) -> Backup<'a> {
    Backup {
        id: Uuid::from_u128(0xac662460_6494_4818_a303_fadc513b9876),
        name,
        object: Uuid::from_u128(0xdd61b2a8_99b3_4720_9afc_c904182c49c1),
        domain,
        domain_guid: Uuid::from_u128(0x91f6a0cd_2320_46d9_826a_df41305b5a9c),
        controller: "dc.example.test",
        time: "2026-03-01T01:42:56.7Z".parse().unwrap(),
    }
}

fn files(backup: &Backup<'_>) -> BTreeMap<String, Vec<u8>> {
    backup.files(0).unwrap().into_iter().collect()
}

/// An element: its path, its attributes, its own text.
type Element = (String, Vec<(String, String)>, String);

/// Reads XML as strictly as our own needs it: one root, tags that match, quoted attributes, the five entities and numbers.
fn elements_of(xml: &[u8]) -> Vec<Element> {
    fn unescaped(text: &str) -> String {
        let mut parts = text.split('&');
        let mut out = parts.next().unwrap().to_string();
        for part in parts {
            let (entity, rest) = part.split_once(';').expect("an entity ends");
            out.push(match entity {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                number => char::from_u32(number.strip_prefix('#').unwrap().parse().unwrap()).unwrap(),
            });
            out.push_str(rest);
        }
        out
    }
    let text = std::str::from_utf8(xml).unwrap();
    let text = text
        .strip_prefix("<?xml version=\"1.0\" encoding=\"utf-8\"?>")
        .unwrap_or(text);
    let (mut found, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
    for part in text.strip_prefix('<').unwrap().split('<') {
        let (tag, content) = part.split_once('>').expect("a tag ends");
        if let Some(name) = tag.strip_prefix('/') {
            let at = open.pop().unwrap();
            assert_eq!(found[at].0.rsplit('/').next().unwrap(), name);
        } else {
            let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
            let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
            let mut attributes = Vec::new();
            while !rest.is_empty() {
                let (key, value) = rest.split_once("=\"").unwrap();
                let (value, behind) = value.split_once('"').unwrap();
                attributes.push((key.to_string(), unescaped(value)));
                rest = behind.strip_prefix(' ').unwrap_or(behind);
            }
            assert!(!open.is_empty() || found.is_empty(), "one root");
            let parent = open.last().map_or(String::new(), |at| format!("{}/", found[*at].0));
            found.push((format!("{parent}{name}"), attributes, String::new()));
            if !is_empty {
                open.push(found.len() - 1);
            }
        }
        match open.last() {
            Some(at) => found[*at].2.push_str(&unescaped(content)),
            None => assert_eq!(content, ""),
        }
    }
    assert!(open.is_empty());
    found
}

fn text<'a>(elements: &'a [Element], name: &str) -> &'a str {
    let mut found = elements
        .iter()
        .filter(|(path, ..)| path.rsplit('/').next() == Some(name));
    let (_, _, text) = found.next().unwrap();
    assert!(found.next().is_none(), "{name} stands once");
    text
}

#[test]
fn the_folder_has_the_files_of_a_backup() {
    let files = files(&backup("SSPR", "example.test"));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "manifest.xml",
            "{AC662460-6494-4818-A303-FADC513B9876}/Backup.xml",
            "{AC662460-6494-4818-A303-FADC513B9876}/DomainSysvol/GPO/Machine/microsoft/windows nt/SecEdit/GptTmpl.inf",
            "{AC662460-6494-4818-A303-FADC513B9876}/bkupInfo.xml",
        ]
    );
    let template = Template::read(&files[names[2]]).unwrap();
    assert_eq!(
        template,
        Template {
            minimum_password_age: Some(0),
            ..Default::default()
        }
    );
}

#[test]
fn the_manifest_and_the_backup_s_own_word_are_the_same() {
    let files = files(&backup("SSPR", "example.test"));
    let instance = "<GPOGuid>{DD61B2A8-99B3-4720-9AFC-C904182C49C1}</GPOGuid><GPODomain>example.test</GPODomain><GPODomainGuid>{91f6a0cd-2320-46d9-826a-df41305b5a9c}</GPODomainGuid><GPODomainController>dc.example.test</GPODomainController><BackupTime>2026-03-01T01:42:56</BackupTime><ID>{AC662460-6494-4818-A303-FADC513B9876}</ID><Comment/><GPODisplayName>SSPR</GPODisplayName></BackupInst>";
    let namespace = "http://www.microsoft.com/GroupPolicy/GPOOperations/Manifest";
    assert_eq!(
        String::from_utf8(files["manifest.xml"].clone()).unwrap(),
        format!(
            "<Backups xmlns=\"{namespace}\" xmlns:mfst=\"{namespace}\" mfst:version=\"1.0\"><BackupInst>{instance}</Backups>"
        )
    );
    assert_eq!(
        String::from_utf8(files["{AC662460-6494-4818-A303-FADC513B9876}/bkupInfo.xml"].clone()).unwrap(),
        format!("<BackupInst xmlns=\"{namespace}\">{instance}")
    );
}

/// The elements of a published backup, in their order, as far as it has to do with security templates.
#[test]
fn the_scheme_has_the_structure_of_a_published_backup() {
    let files = files(&backup("SSPR", "example.test"));
    let found = elements_of(&files["{AC662460-6494-4818-A303-FADC513B9876}/Backup.xml"]);
    let paths: Vec<String> = found
        .iter()
        .map(|(path, ..)| path.replace("GroupPolicyBackupScheme/GroupPolicyObject", "*"))
        .collect();
    assert_eq!(
        paths,
        [
            "GroupPolicyBackupScheme",
            "*",
            "*/SecurityGroups",
            "*/FilePaths",
            "*/GroupPolicyCoreSettings",
            "*/GroupPolicyCoreSettings/ID",
            "*/GroupPolicyCoreSettings/Domain",
            "*/GroupPolicyCoreSettings/SecurityDescriptor",
            "*/GroupPolicyCoreSettings/DisplayName",
            "*/GroupPolicyCoreSettings/Options",
            "*/GroupPolicyCoreSettings/UserVersionNumber",
            "*/GroupPolicyCoreSettings/MachineVersionNumber",
            "*/GroupPolicyCoreSettings/MachineExtensionGuids",
            "*/GroupPolicyCoreSettings/UserExtensionGuids",
            "*/GroupPolicyCoreSettings/WMIFilter",
            "*/GroupPolicyExtension",
            "*/GroupPolicyExtension/FSObjectFile",
            "*/GroupPolicyExtension",
            "*/GroupPolicyExtension/FSObjectDir",
            "*/GroupPolicyExtension/FSObjectDir",
            "*/GroupPolicyExtension/FSObjectDir",
        ]
    );
    assert_eq!(
        text(&found, "MachineExtensionGuids"),
        "[{827D319E-6EAC-11D2-A4EA-00C04F79F83A}{803E14A0-B4FB-11D0-A0D0-00A0C90F574B}]"
    );
    let attributes = |at: usize| -> Vec<(&str, &str)> {
        found[at]
            .1
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    };
    let operations = "http://www.microsoft.com/GroupPolicy/GPOOperations";
    assert_eq!(
        attributes(0),
        [
            ("bkp:version", "2.0"),
            ("bkp:type", "GroupPolicyBackupTemplate"),
            ("xmlns:bkp", operations),
            ("xmlns", operations),
        ]
    );
    assert_eq!(
        attributes(15),
        [
            ("bkp:ID", "{827D319E-6EAC-11D2-A4EA-00C04F79F83A}"),
            ("bkp:DescName", "Security")
        ]
    );
    assert_eq!(
        attributes(16),
        [
            (
                "bkp:Path",
                r"%GPO_MACH_FSPATH%\microsoft\windows nt\SecEdit\GptTmpl.inf"
            ),
            (
                "bkp:SourceExpandedPath",
                r"\\dc.example.test\sysvol\example.test\Policies\{DD61B2A8-99B3-4720-9AFC-C904182C49C1}\Machine\microsoft\windows nt\SecEdit\GptTmpl.inf"
            ),
            ("bkp:ReEvaluateFunction", "SecurityValidateSettings"),
            (
                "bkp:Location",
                r"DomainSysvol\GPO\Machine\microsoft\windows nt\SecEdit\GptTmpl.inf"
            ),
        ]
    );
    assert_eq!(
        attributes(19)[2],
        ("bkp:Location", r"DomainSysvol\GPO\Machine\microsoft\windows nt")
    );
}

#[test]
fn the_descriptor_is_one() {
    let bytes: Vec<u8> = DESCRIPTOR
        .split(' ')
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let read = Descriptor::read(&bytes).unwrap();
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!((read.is_protected(), read.dacl().unwrap().aces().count()), (true, 5));
    let trustees = read
        .dacl()
        .unwrap()
        .aces()
        .map(|ace| ace.trustee().unwrap().to_string());
    assert_eq!(
        trustees.collect::<Vec<_>>(),
        ["S-1-5-11", "S-1-5-9", "S-1-5-11", "S-1-5-18", "S-1-3-0"]
    );
}

proptest! {
    #[test]
    fn a_hostile_name_stays_text(name in "[ -~\u{0}-\u{1f}\u{fffd}-\u{ffff}\u{e4}\u{1f600}]{0,30}|</?GPO[A-Z&\"']{0,9}]]>", domain in "[a-z<>&\"'.]{1,12}") {
        let files = files(&backup(&name, &domain));
        let writable = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
        let shown: String = name.chars().map(|c| if writable(c) { c } else { '\u{fffd}' }).collect();
        for (path, bytes) in files.iter().filter(|(path, _)| path.ends_with(".xml")) {
            let found = elements_of(bytes);
            let member = if path.ends_with("Backup.xml") { "DisplayName" } else { "GPODisplayName" };
            prop_assert_eq!(text(&found, member), shown.as_str());
            prop_assert_eq!(text(&found, if member == "DisplayName" { "Domain" } else { "GPODomain" }), domain.as_str());
        }
    }
}
