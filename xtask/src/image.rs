//! What a library that is shipped must be like: read from its file, on whatever system built it.

use crate::rid::Rid;
use anyhow::{Context, Result};
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64};
use object::{LittleEndian, pe};
use std::fs;
use std::path::Path;

/// The most that a library may take.
const LARGEST: u64 = 6 << 20;

/// What every supported Windows has. Anything else would have to be installed first, or be shipped too.
const SYSTEM: &[&str] = &[
    "advapi32.dll",
    "bcrypt.dll",
    "bcryptprimitives.dll",
    "crypt32.dll",
    "kernel32.dll",
    "ktmw32.dll",
    "msvcrt.dll",
    "ntdll.dll",
    "oleaut32.dll",
    "secur32.dll",
    "user32.dll",
    "userenv.dll",
    "ws2_32.dll",
];

/// Why a library is not fit to be shipped; nothing where it is.
pub fn faults(rid: &Rid, file: &Path) -> Result<Vec<String>> {
    let name = file.display();
    let bytes = fs::read(file).with_context(|| name.to_string())?;
    let mut faults = Vec::new();
    if bytes.len() as u64 > LARGEST {
        faults.push(format!("it takes {} bytes, more than {LARGEST}", bytes.len()));
    }
    if rid.name.starts_with("win-") {
        faults.extend(windows(&bytes).with_context(|| name.to_string())?);
    }
    Ok(faults)
}

/// What is amiss with a DLL.
fn windows(bytes: &[u8]) -> Result<Vec<String>> {
    let file = PeFile64::parse(bytes)?;
    let mut faults = Vec::new();
    let wanted = [
        (pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE, "DYNAMICBASE"),
        (pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT, "NXCOMPAT"),
        (pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA, "HIGHENTROPYVA"),
    ];
    let found = file.nt_headers().optional_header().dll_characteristics();
    for (flag, name) in wanted {
        if found & flag != flag {
            faults.push(format!("{name} is off"));
        }
    }
    let imports = file.import_table()?.context("it imports nothing")?;
    let mut descriptors = imports.descriptors()?;
    while let Some(descriptor) = descriptors.next()? {
        let name = imports.name(descriptor.name.get(LittleEndian))?;
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        // Names for parts of the system that every version resolves itself.
        if !SYSTEM.contains(&name.as_str()) && !name.starts_with("api-ms-win-") {
            faults.push(format!(
                "it needs {name}, which is not on the list of what every Windows has"
            ));
        }
    }
    let sections = file.section_table();
    let version = match file.data_directories().resource_directory(bytes, &sections)? {
        None => false,
        Some(directory) => {
            let mut entries = directory.root()?.entries.iter();
            entries.any(|entry| entry.name_or_id().id() == Some(pe::RT_VERSION))
        }
    };
    if !version {
        faults.push("it has no version information".into());
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{build, machine};
    use std::process::Command;

    /// A DLL of one function, linked with these arguments; none where MinGW is not there.
    fn linked(name: &str, arguments: &[&str]) -> Option<Vec<u8>> {
        let gcc = machine::which("x86_64-w64-mingw32-gcc")?;
        let place = build::target().unwrap().join("tmp/image-test");
        fs::create_dir_all(&place).unwrap();
        let source = place.join(format!("{name}.c"));
        let file = place.join(format!("{name}.dll"));
        let text =
            "unsigned long IcmpCreateFile(void);\n__declspec(dllexport) unsigned long f(void) { return USED; }\n";
        fs::write(&source, text).unwrap();
        let status = Command::new(gcc)
            .args(["-shared", "-o"])
            .args([&file, &source])
            .args(arguments)
            .status()
            .unwrap();
        assert!(status.success());
        Some(fs::read(file).unwrap())
    }

    #[test]
    fn what_is_amiss_with_a_dll_is_named() {
        let plain = ["-DUSED=1", "-Wl,--dynamicbase,--nxcompat,--high-entropy-va"];
        let Some(plain) = linked("plain", &plain) else {
            eprintln!("not run: needs x86_64-w64-mingw32-gcc");
            return;
        };
        assert_eq!(windows(&plain).unwrap(), ["it has no version information"]);
        let worse = [
            "-DUSED=IcmpCreateFile()",
            "-liphlpapi",
            "-Wl,--disable-dynamicbase,--disable-nxcompat,--disable-high-entropy-va",
        ];
        let faults = windows(&linked("worse", &worse).unwrap()).unwrap();
        assert_eq!(
            faults,
            [
                "DYNAMICBASE is off",
                "NXCOMPAT is off",
                "HIGHENTROPYVA is off",
                "it needs iphlpapi.dll, which is not on the list of what every Windows has",
                "it has no version information",
            ]
        );
        assert!(windows(b"<html>").is_err());
    }
}
