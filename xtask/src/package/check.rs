//! Whether a package is what it should be: its folder, its manifest, its hashes, its zip file.

use super::{HASHES, INSIDE, Package, files, hash};
use crate::rid::Rid;
use crate::{dependencies, module};
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use zip::ZipArchive;

/// Azure Automation takes no path of so many characters.
const TOO_LONG: usize = 140;

/// What is amiss with a package, whose zip file may take so many bytes; nothing where it is fit to be shipped.
pub fn faults(package: &Package, largest: Option<u64>) -> Result<Vec<String>> {
    let there = files(&package.folder)?;
    let mut faults = folder(&there);
    faults.extend(hashes(&package.folder, &there)?);
    if there.iter().any(|file| file == MANIFEST) && there.iter().any(|file| file == SCRIPT) {
        faults.extend(manifest(&package.folder, &there)?);
    }
    faults.extend(zip(package, &there)?);
    let length = fs::metadata(&package.zip)?.len();
    if let Some(largest) = largest.filter(|largest| length > *largest) {
        faults.push(format!("the zip file takes {length} bytes, more than {largest}"));
    }
    Ok(faults)
}

const MANIFEST: &str = "EntraSspr.psd1";
const SCRIPT: &str = "EntraSspr.psm1";

/// Whether a file may be in a package.
fn may_ship(file: &str) -> bool {
    let parts: Vec<&str> = file.split('/').collect();
    match parts[..] {
        ["LICENSE" | HASHES | dependencies::BILL | dependencies::NOTICES | module::HIDDEN] => true,
        ["lib", rid, name] => Rid::named(rid).is_ok_and(|rid| name == module::ASSEMBLY || name == rid.library()),
        // Their text is in the two script files.
        ["Private" | "Public", _] => false,
        _ => module::belongs(file),
    }
}

/// What is amiss with the names of its files.
fn folder(there: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in there {
        if !may_ship(file) {
            faults.push(format!("{file} does not belong into it"));
        }
        if INSIDE.len() + 1 + file.len() >= TOO_LONG {
            faults.push(format!("the path {file} has {TOO_LONG} characters or more"));
        }
    }
    let mut wanted: BTreeSet<String> = [
        MANIFEST,
        SCRIPT,
        module::HIDDEN,
        "EntraSspr.format.ps1xml",
        "EntraSspr.types.ps1xml",
        "en-US/about_EntraSspr.help.txt",
        "runbooks/EntraSspr-Readiness.ps1",
        "runbooks/EntraSspr-SelfTest.ps1",
        "LICENSE",
        HASHES,
        dependencies::BILL,
        dependencies::NOTICES,
    ]
    .map(String::from)
    .into();
    let rids: BTreeSet<&str> = there
        .iter()
        .filter_map(|file| file.strip_prefix("lib/")?.split('/').next())
        .collect();
    if rids.is_empty() {
        faults.push("it has no library".into());
    }
    for rid in rids.into_iter().filter_map(|name| Rid::named(name).ok()) {
        wanted.insert(format!("lib/{}/{}", rid.name, rid.library()));
        wanted.insert(format!("lib/{}/{}", rid.name, module::ASSEMBLY));
    }
    let lacks = wanted.iter().filter(|file| !there.contains(file));
    faults.extend(lacks.map(|file| format!("{file} is missing")));
    faults
}

/// What is amiss with the list of hashes.
fn hashes(folder: &Path, there: &[String]) -> Result<Vec<String>> {
    let Ok(text) = fs::read_to_string(folder.join(HASHES)) else {
        return Ok(Vec::new());
    };
    let listed: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(hash, file)| (file, hash))
        .collect();
    let mut faults = Vec::new();
    if listed.len() != text.lines().count() {
        faults.push(format!("{HASHES} names a file twice, or holds a line that is none"));
    }
    for file in there.iter().filter(|file| *file != HASHES) {
        match listed.get(file.as_str()) {
            None => faults.push(format!("{file} has no hash")),
            Some(listed) if *listed != hash(&folder.join(file))? => {
                faults.push(format!("{file} is another file than its hash is of"));
            }
            Some(_) => {}
        }
    }
    let gone = listed.keys().filter(|file| !there.iter().any(|other| other == *file));
    faults.extend(gone.map(|file| format!("{HASHES} names {file}, which is not there")));
    Ok(faults)
}

/// What is amiss with the manifest, and with what the module's script makes of it.
fn manifest(folder: &Path, there: &[String]) -> Result<Vec<String>> {
    let text = fs::read_to_string(folder.join(MANIFEST))?;
    let script = fs::read_to_string(folder.join(SCRIPT))?;
    let keys = keys(&text);
    let texts = |key: &str| keys.get(key).map(|value| quoted(value)).unwrap_or_default();
    let mut faults = Vec::new();
    for (key, wanted) in [
        ("RootModule", SCRIPT),
        ("ModuleVersion", env!("CARGO_PKG_VERSION")),
        ("PowerShellVersion", "5.1"),
    ] {
        if texts(key) != [wanted] {
            faults.push(format!("{key} in the manifest is not {wanted}"));
        }
    }
    for key in ["GUID", "Author", "Copyright", "Description"] {
        if texts(key).first().is_none_or(|text| text.is_empty()) {
            faults.push(format!("the manifest has no {key}"));
        }
    }
    if texts("CompatiblePSEditions") != ["Desktop", "Core"] {
        faults.push("the manifest does not name both editions".into());
    }
    // What is not said is searched for by PowerShell, and exported all.
    for key in ["CmdletsToExport", "VariablesToExport", "AliasesToExport"] {
        if keys.get(key).is_none_or(|value| value != "@()") {
            faults.push(format!("{key} in the manifest is not empty"));
        }
    }
    for key in [
        "RequiredModules",
        "RequiredAssemblies",
        "NestedModules",
        "ScriptsToProcess",
    ] {
        if keys.contains_key(key) {
            faults.push(format!("the manifest has {key}"));
        }
    }
    for key in ["TypesToProcess", "FormatsToProcess"] {
        let named = texts(key);
        if named.is_empty() {
            faults.push(format!("the manifest has no {key}"));
        }
        let gone = named.iter().filter(|file| !there.iter().any(|other| other == *file));
        faults.extend(gone.map(|file| format!("{key} names {file}, which is not there")));
    }
    let exported: BTreeSet<&str> = texts("FunctionsToExport").into_iter().collect();
    let public = files(&module::sources().join("Public"))?;
    let public = public.iter().filter(|file| module::belongs(&format!("Public/{file}")));
    let public: BTreeSet<&str> = public.filter_map(|file| file.strip_suffix(".ps1")).collect();
    let differ = exported.symmetric_difference(&public);
    faults.extend(differ.map(|name| format!("{name} is exported or a file in Public, and not both")));
    for name in &exported {
        if !script
            .lines()
            .any(|line| line.trim_end() == format!("function {name} {{"))
        {
            faults.push(format!("{SCRIPT} has no function {name}"));
        }
    }
    Ok(faults)
}

/// The manifest's own keys, each with the text of its value.
fn keys(text: &str) -> BTreeMap<&str, String> {
    let mut keys: BTreeMap<&str, String> = BTreeMap::new();
    let mut last = None;
    for line in text.lines().skip(1).take_while(|line| !line.starts_with('}')) {
        let own = line
            .strip_prefix("    ")
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
        if let Some((key, value)) = own.and_then(|own| own.split_once('=')) {
            last = Some(key.trim());
            keys.insert(key.trim(), value.trim().into());
        } else if let Some(value) = last.and_then(|key| keys.get_mut(key)) {
            value.push_str(line.trim());
            value.push('\n');
        }
    }
    keys
}

/// The texts between single quotes.
fn quoted(value: &str) -> Vec<&str> {
    value.split('\'').skip(1).step_by(2).collect()
}

/// What is amiss with the zip file: it holds the folder's files, under the module's name, and no others.
fn zip(package: &Package, there: &[String]) -> Result<Vec<String>> {
    let name = package.zip.display();
    let mut faults = Vec::new();
    if package.zip.file_name().is_none_or(|name| name != "EntraSspr.zip") {
        faults.push(format!("{name} is not named as the module"));
    }
    let mut archive = ZipArchive::new(File::open(&package.zip)?).with_context(|| name.to_string())?;
    let mut held = BTreeSet::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let path = entry.name()?.to_string();
        let file = path.strip_prefix(INSIDE).and_then(|rest| rest.strip_prefix('/'));
        let Some(file) = file.filter(|file| there.iter().any(|other| other == file)) else {
            faults.push(format!("the zip file holds {path}, which the folder does not"));
            continue;
        };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        let inside: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if inside != hash(&package.folder.join(file))? {
            faults.push(format!("{file} is another one in the zip file"));
        }
        held.insert(file.to_string());
    }
    let lacks = there.iter().filter(|file| !held.contains(*file));
    faults.extend(lacks.map(|file| format!("the zip file lacks {file}")));
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{assemble, pack, tests::libraries};

    #[test]
    fn what_is_amiss_with_a_package_is_named() {
        let place = crate::build::target().unwrap().join("tmp/package-check");
        let package = assemble(&place.join("out"), &libraries(&place)).unwrap();
        assert_eq!(faults(&package, Some(12 << 20)).unwrap(), Vec::<String>::new());
        let fault = faults(&package, Some(10)).unwrap().join("; ");
        assert!(
            fault.starts_with("the zip file takes ") && fault.ends_with("more than 10"),
            "{fault}"
        );

        let write = |file: &str, text: &str| {
            let file = package.folder.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("tests/Lab.ps1", "");
        write("LICENSE", "changed");
        fs::remove_file(package.folder.join("runbooks/EntraSspr-SelfTest.ps1")).unwrap();
        let manifest = fs::read_to_string(package.folder.join(MANIFEST)).unwrap();
        let changed = manifest
            .replace("'Get-SsprCheck'", "'Get-SsprLab'")
            .replace("PowerShellVersion    = '5.1'", "PowerShellVersion    = '7.0'")
            .replace("AliasesToExport      = @()\n", "");
        write(MANIFEST, &changed);
        let found = faults(&package, None).unwrap();
        for expected in [
            "tests/Lab.ps1 does not belong into it",
            "tests/Lab.ps1 has no hash",
            "LICENSE is another file than its hash is of",
            "LICENSE is another one in the zip file",
            "the zip file lacks tests/Lab.ps1",
            "runbooks/EntraSspr-SelfTest.ps1 is missing",
            "SHA256SUMS names runbooks/EntraSspr-SelfTest.ps1, which is not there",
            "the zip file holds EntraSspr/0.1.0/runbooks/EntraSspr-SelfTest.ps1, which the folder does not",
            "PowerShellVersion in the manifest is not 5.1",
            "AliasesToExport in the manifest is not empty",
            "Get-SsprLab is exported or a file in Public, and not both",
            "Get-SsprCheck is exported or a file in Public, and not both",
            "EntraSspr.psm1 has no function Get-SsprLab",
        ] {
            let expected = expected.replace("0.1.0", env!("CARGO_PKG_VERSION"));
            assert!(found.contains(&expected), "{expected}: {found:#?}");
        }
        // A zip of what is there now holds the same.
        pack(&package.folder, &package.zip).unwrap();
        let found = faults(&package, None).unwrap();
        assert!(!found.iter().any(|fault| fault.contains("zip")), "{found:#?}");
    }

    #[test]
    fn what_may_be_in_a_package_is_a_list() {
        for file in [
            "EntraSspr.psm1",
            "runbooks/EntraSspr-SelfTest.ps1",
            "lib/osx-arm64/libentra_sspr.dylib",
        ] {
            assert!(may_ship(file), "{file}");
        }
        for file in [
            "lib/win-x64/entra_sspr.pdb",
            "lib/win-x64/libentra_sspr.so",
            "lib/beos-x64/libentra_sspr.so",
            "Public/Get-SsprCheck.ps1",
            "sspr-lab",
            "Lab.ps1",
        ] {
            assert!(!may_ship(file), "{file}");
        }
    }
}
