//! Puts together what an administrator unpacks: the module for all systems, and its zip file.

mod check;

pub use check::faults;

use crate::module::{beside, put_together};
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

/// The module's folder in the zip file.
const INSIDE: &str = concat!("EntraSspr/", env!("CARGO_PKG_VERSION"));

/// Where a package's folder is, in the folder that it is made in.
pub fn folder(place: &Path) -> PathBuf {
    place.join(INSIDE)
}

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
        let of_rid = image::faults(rid, &library, image::Made::ToShip)?;
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
    faults.extend(check::faults(&package, Some(LARGEST))?);
    if !faults.is_empty() {
        bail!(
            "the package was made, but is not fit to be shipped: {}",
            faults.join("; ")
        );
    }
    Ok(())
}

/// The most that the zip file may take.
pub const LARGEST: u64 = 12 << 20;

/// Makes the package of these libraries in a folder, without signatures.
pub fn assemble(place: &Path, libraries: &[(&Rid, PathBuf)]) -> Result<Package> {
    assemble_signed(place, libraries, None)
}

/// Makes the package of these libraries in a folder.
pub fn assemble_signed(place: &Path, libraries: &[(&Rid, PathBuf)], signer: Option<&Signer>) -> Result<Package> {
    let mut package = Package {
        folder: folder(place),
        zip: place.join("EntraSspr.zip"),
        signed: 0,
    };
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
    pack(&package.folder, &package.zip)?;
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
fn pack(folder: &Path, zip: &Path) -> Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    // The old one stays until this one is whole.
    let made = beside(zip, ".new");
    let mut writer = ZipWriter::new(File::create(&made)?);
    for file in files(folder)? {
        writer.start_file(format!("{INSIDE}/{file}"), options)?;
        writer.write_all(&fs::read(folder.join(&file))?)?;
    }
    writer.finish()?;
    Ok(fs::rename(&made, zip)?)
}

/// A file's SHA-256 in hexadecimal digits.
pub fn hash(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A file's size, for people.
pub fn size(file: &Path) -> Result<String> {
    Ok(format!(
        "{:.2} MiB",
        fs::metadata(file)?.len() as f64 / f64::from(1 << 20)
    ))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Libraries that nobody could load, for this machine and for Windows where what they hold can be told here: how a
    /// package is put together does not depend on what they are.
    pub fn libraries(place: &Path) -> Vec<(&'static Rid, PathBuf)> {
        let mut rids = vec![Rid::host().unwrap()];
        let windows = Rid::named("win-x64").unwrap();
        if windows.name != rids[0].name && dependencies::can_tell(windows) {
            rids.push(windows);
        }
        let mut libraries = Vec::new();
        for rid in rids {
            let library = place.join(rid.name).join(rid.library());
            fs::create_dir_all(library.parent().unwrap()).unwrap();
            fs::write(&library, b"MZ").unwrap();
            libraries.push((rid, library));
        }
        libraries
    }

    #[test]
    fn the_same_libraries_make_the_same_bytes_twice() {
        let place = build::target().unwrap().join("tmp/package-test");
        let libraries = libraries(&place);
        let first = assemble(&place.join("out"), &libraries).unwrap();
        let once = fs::read(&first.zip).unwrap();
        let second = assemble(&place.join("out"), &libraries).unwrap();
        assert_eq!(once, fs::read(&second.zip).unwrap());
        assert_eq!(faults(&second, None).unwrap(), Vec::<String>::new());
        let mut left: Vec<_> = fs::read_dir(place.join("out"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["EntraSspr", "EntraSspr.zip"]);
    }
}
