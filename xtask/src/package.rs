//! Puts together what an administrator unpacks: the module for all systems, and its zip file.

use crate::module::put_together;
use crate::rid::{self, Rid};
use crate::sign::{self, Signer};
use crate::{build, dependencies, image};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The hash of every other file, as `sha256sum --check` reads it.
pub const HASHES: &str = "SHA256SUMS";

/// What was made.
pub struct Package {
    /// The module's folder, `EntraSspr/<version>`.
    pub folder: PathBuf,
    /// Its zip file, named as the module.
    pub zip: PathBuf,
    /// How many of its files are signed.
    signed: usize,
}

/// Makes the package for these systems, for all that this machine can build when none is named, and tells of it.
pub fn run(profile: &str, named: &[String], sign: &sign::Request) -> Result<()> {
    // First, for a certificate that is not there would be known after minutes only.
    let signer = Signer::new(sign, std::env::var(sign::PASSWORD).ok())?;
    let (wanted, all) = match named {
        [] => (rid::ALL.iter().collect(), true),
        names => (
            names.iter().map(|name| Rid::named(name)).collect::<Result<Vec<_>>>()?,
            false,
        ),
    };
    let mut toolchains = Vec::new();
    let mut missing = Vec::new();
    for rid in wanted {
        match rid.toolchain() {
            Ok(toolchain) => toolchains.push(toolchain),
            Err(needs) => missing.push(format!("{}: {needs:#}", rid.name)),
        }
    }
    if toolchains.is_empty() || !all && !missing.is_empty() {
        bail!("this machine lacks what builds for {}", missing.join("; for "));
    }
    let (mut libraries, mut faults) = (Vec::new(), Vec::new());
    for toolchain in &toolchains {
        let (rid, library) = (toolchain.rid, toolchain.build(profile)?);
        let of_rid = image::faults(rid, &library)?;
        faults.extend(of_rid.iter().map(|fault| format!("{}: {fault}", rid.name)));
        libraries.push((rid, library));
    }
    let package = assemble_signed(&build::target()?.join("package"), &libraries, signer.as_ref())?;
    for (rid, library) in &libraries {
        println!("built      {:<12} {}", rid.name, size(library)?);
    }
    for line in &missing {
        println!("not built  {line}");
    }
    match package.signed {
        0 => println!("not signed"),
        count => println!("signed     {count} files, each verified"),
    }
    println!("{}", package.folder.display());
    println!("{} {}", package.zip.display(), size(&package.zip)?);
    println!("SHA-256 {}", hash(&package.zip)?);
    let length = fs::metadata(&package.zip)?.len();
    if length > LARGEST {
        faults.push(format!("the zip file takes {length} bytes, more than {LARGEST}"));
    }
    if !faults.is_empty() {
        bail!(
            "the package was made, but is not fit to be shipped: {}",
            faults.join("; ")
        );
    }
    Ok(())
}

/// The most that the zip file may take.
const LARGEST: u64 = 12 << 20;

/// Makes the package of these libraries in a folder, without signatures.
pub fn assemble(place: &Path, libraries: &[(&Rid, PathBuf)]) -> Result<Package> {
    assemble_signed(place, libraries, None)
}

/// Makes the package of these libraries in a folder.
fn assemble_signed(place: &Path, libraries: &[(&Rid, PathBuf)], signer: Option<&Signer>) -> Result<Package> {
    let module = place.join("EntraSspr");
    let mut package = Package {
        folder: module.join(env!("CARGO_PKG_VERSION")),
        zip: place.join("EntraSspr.zip"),
        signed: 0,
    };
    fs::create_dir_all(&module)?;
    put_together(&package.folder.clone(), libraries, |folder| {
        fs::copy(build::root().join("LICENSE"), folder.join("LICENSE"))?;
        let rids: Vec<&Rid> = libraries.iter().map(|(rid, _)| *rid).collect();
        dependencies::write(folder, &rids)?;
        if let Some(signer) = signer {
            package.signed = signer.sign(folder, &files(folder)?)?;
        }
        let mut lines = String::new();
        for file in files(folder)? {
            lines.push_str(&format!("{}  {}\n", hash(&folder.join(&file))?, file));
        }
        Ok(fs::write(folder.join(HASHES), lines)?)
    })?;
    pack(
        &package.folder,
        concat!("EntraSspr/", env!("CARGO_PKG_VERSION")),
        &package.zip,
    )?;
    Ok(package)
}

/// Every file below a folder, with `/` between, sorted.
pub fn files(folder: &Path) -> Result<Vec<String>> {
    fn walk(folder: &Path, before: &str, found: &mut Vec<String>) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let name = entry.file_name().into_string();
            let Ok(name) = name else {
                bail!("{}: a name that is no text", entry.path().display())
            };
            let name = format!("{before}{name}");
            if entry.file_type()?.is_dir() {
                walk(&entry.path(), &format!("{name}/"), found)?;
            } else {
                found.push(name);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(folder, "", &mut found)?;
    found.sort();
    Ok(found)
}

/// The same files make the same bytes: in order, without times, owners and rights.
fn pack(folder: &Path, inside: &str, zip: &Path) -> Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(File::create(zip)?);
    for file in files(folder)? {
        writer.start_file(format!("{inside}/{file}"), options)?;
        writer.write_all(&fs::read(folder.join(&file))?)?;
    }
    writer.finish()?;
    Ok(())
}

/// A file's SHA-256 in hexadecimal digits.
pub fn hash(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn size(file: &Path) -> Result<String> {
    Ok(format!(
        "{:.2} MiB",
        fs::metadata(file)?.len() as f64 / f64::from(1 << 20)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_libraries_make_the_same_bytes_twice() {
        let place = build::target().unwrap().join("tmp/package-test");
        // No library that loads: how the package is put together does not depend on it.
        let library = place.join("entra_sspr.dll");
        fs::create_dir_all(&place).unwrap();
        fs::write(&library, b"MZ").unwrap();
        let libraries = [(Rid::named("win-x64").unwrap(), library)];
        let first = assemble(&place.join("out"), &libraries).unwrap();
        let once = fs::read(&first.zip).unwrap();
        let second = assemble(&place.join("out"), &libraries).unwrap();
        assert_eq!(once, fs::read(&second.zip).unwrap());

        let sums = fs::read_to_string(second.folder.join(HASHES)).unwrap();
        let listed: Vec<&str> = sums.lines().filter_map(|line| line.split("  ").nth(1)).collect();
        let there = files(&second.folder).unwrap();
        assert_eq!(there.len(), listed.len() + 1, "all but the list itself");
        for file in &there {
            assert!(file == HASHES || listed.contains(&file.as_str()), "{file} has no hash");
            assert!(file.len() + "EntraSspr/0.1.0/".len() < 140, "{file}");
            let strange = ["Tests.ps1", "Lab.ps1", "Private/", "Public/", "sspr-lab", ".pdb"];
            assert!(!strange.iter().any(|part| file.contains(part)), "{file}");
        }
        for expected in [
            "EntraSspr.psd1",
            "EntraSspr.psm1",
            "lib/win-x64/entra_sspr.dll",
            "lib/win-x64/EntraSspr.Native.dll",
        ] {
            assert!(there.iter().any(|file| file == expected), "{expected}");
        }
        let manifest = fs::read_to_string(second.folder.join("EntraSspr.psd1")).unwrap();
        let version = format!("ModuleVersion        = '{}'", env!("CARGO_PKG_VERSION"));
        assert!(manifest.contains(&version), "manifest and crate have one version");
    }
}
