//! What a library that is shipped must be like: read from its file, on whatever system built it.

use crate::build;
use crate::generate::header;
use crate::rid::Rid;
use anyhow::{Context, Result};
use object::read::elf::ElfFile64;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64};
use object::{Endianness, LittleEndian, Object, pe};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The most that a DLL may take.
const LARGEST_DLL: u64 = 6 << 20;
/// The most that another system's library may take: there the standard library comes built, with what prints backtraces.
const LARGEST: u64 = 8 << 20;

/// The most that the library of a system may take.
pub fn largest(rid: &Rid) -> u64 {
    if rid.is_windows() { LARGEST_DLL } else { LARGEST }
}

/// The newest glibc that a library may ask for: that of Debian 12's and Ubuntu 22.04's day, as docs/install.md says.
const GLIBC: (u32, u32) = (2, 34);

/// What every supported Windows has (10, Server 2016 and newer). Anything else would have to be installed first, or be shipped
/// too. The names that begin with "api-ms-win" stand for parts of the system, which resolves them itself.
const SYSTEM: &[&str] = &[
    "advapi32.dll",
    "api-ms-win-core-synch-l1-2-0.dll",
    "api-ms-win-core-winrt-error-l1-1-0.dll",
    "bcrypt.dll",
    "bcryptprimitives.dll",
    "crypt32.dll",
    "dnsapi.dll",
    "kernel32.dll",
    "ktmw32.dll",
    "msvcrt.dll",
    "ncrypt.dll",
    "ntdll.dll",
    "ole32.dll",
    "oleaut32.dll",
    "secur32.dll",
    "user32.dll",
    "userenv.dll",
    "ws2_32.dll",
];

/// What a library was made for: more is asked of one that others get.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// To be shipped.
    ToShip,
    /// The same way, but as a build while developing, which is large.
    ToTry,
    /// For this machine alone, by an ordinary build: it names this machine's folders and asks for what this machine has.
    Here,
}

/// What is amiss with a library; nothing where it is fit for what it was made for.
pub fn faults(rid: &Rid, file: &Path, made: Made) -> Result<Vec<String>> {
    let name = file.display();
    let bytes = fs::read(file).with_context(|| name.to_string())?;
    let mut faults = exports(&bytes).with_context(|| name.to_string())?;
    if made == Made::Here {
        return Ok(faults);
    }
    faults.extend(folders(&bytes)?);
    if made == Made::ToShip && bytes.len() as u64 > largest(rid) {
        faults.push(format!("it takes {} bytes, more than {}", bytes.len(), largest(rid)));
    }
    if rid.is_windows() {
        faults.extend(windows(&bytes).with_context(|| name.to_string())?);
        faults.extend(version(&bytes));
    } else if rid.name.starts_with("linux-") {
        faults.extend(glibc(&bytes, GLIBC).with_context(|| name.to_string())?);
    }
    Ok(faults)
}

/// What is amiss with what a library exports.
fn exports(bytes: &[u8]) -> Result<Vec<String>> {
    let header = header::read(&fs::read_to_string(build::root().join("include/entra_sspr.h"))?)?;
    let declared: BTreeSet<String> = header.functions.into_iter().map(|function| function.name).collect();
    let exported = exported(bytes)?;
    let mut faults = Vec::new();
    let lacks: Vec<&str> = declared.difference(&exported).map(String::as_str).collect();
    if !lacks.is_empty() {
        faults.push(format!("it does not export {}", lacks.join(", ")));
    }
    let more: Vec<&str> = exported.difference(&declared).map(String::as_str).collect();
    if !more.is_empty() {
        faults.push(format!(
            "it exports {}, which the header does not declare",
            more.join(", ")
        ));
    }
    Ok(faults)
}

/// What a library tells of the machine that built it.
fn folders(bytes: &[u8]) -> Result<Vec<String>> {
    let folders = own_folders()?.into_iter();
    let folders = folders.map(|folder| folder.to_string_lossy().into_owned());
    let named = folders.filter(|folder| memmem(bytes, folder.as_bytes()));
    Ok(named.map(|folder| format!("it names {folder}")).collect())
}

/// What is amiss when a library needs a newer glibc than this.
fn glibc(bytes: &[u8], newest: (u32, u32)) -> Result<Option<String>> {
    let file = ElfFile64::<Endianness>::parse(bytes)?;
    let (endian, sections) = (file.endian(), file.elf_section_table());
    let Some((mut files, strings)) = sections.gnu_verneed(endian, bytes)? else {
        return Ok(None);
    };
    let strings = sections.strings(endian, bytes, strings)?;
    let mut needed = (0, 0);
    while let Some((_, mut versions)) = files.next()? {
        while let Some(version) = versions.next()? {
            let name = String::from_utf8_lossy(version.name(endian, strings)?).into_owned();
            needed = needed.max(glibc_version(&name).unwrap_or((0, 0)));
        }
    }
    Ok((needed > newest).then(|| {
        format!(
            "it needs glibc {}.{}, newer than {}.{}",
            needed.0, needed.1, newest.0, newest.1
        )
    }))
}

/// The version in `GLIBC_2.34` or `GLIBC_2.2.5`.
fn glibc_version(name: &str) -> Option<(u32, u32)> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The names that a library exports.
pub fn exported(bytes: &[u8]) -> Result<BTreeSet<String>> {
    let file = object::File::parse(bytes)?;
    let mut names = BTreeSet::new();
    for export in file.exports()? {
        let export = export?;
        names.insert(match export.name().name() {
            // Apple's compilers put a line before each.
            Some(name) => String::from_utf8_lossy(name).trim_start_matches('_').to_string(),
            None => "a function without a name".into(),
        });
    }
    Ok(names)
}

/// Folders of this machine that no library may name.
fn own_folders() -> Result<Vec<PathBuf>> {
    let mut folders = vec![build::root().to_path_buf(), build::target()?];
    folders.extend(std::env::var_os("CARGO_HOME").map(PathBuf::from));
    folders.extend(std::env::home_dir().map(|home| home.join(".cargo")));
    Ok(folders)
}

fn memmem(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len().max(1)).any(|part| part == wanted)
}

/// What is amiss with the version that Windows shows.
fn version(bytes: &[u8]) -> Option<String> {
    let shown = |text: &str| {
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memmem(bytes, &wide)
    };
    let wanted = ["entra_sspr.dll", env!("CARGO_PKG_VERSION")];
    let lacks: Vec<&str> = wanted.into_iter().filter(|text| !shown(text)).collect();
    (!lacks.is_empty()).then(|| format!("its version information does not say {}", lacks.join(" and ")))
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
        if !SYSTEM.contains(&name.as_str()) {
            faults.push(format!(
                "it needs {name}, which is not on the list of what every Windows has"
            ));
        }
    }
    let sections = file.section_table();
    if let Some(late) = file.data_directories().delay_load_import_table(bytes, &sections)?
        && late.descriptors()?.next()?.is_some()
    {
        faults.push("it loads a library late, which nothing here looks at".into());
    }
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
pub mod tests {
    use super::*;
    use crate::machine;
    use std::process::Command;

    fn linked(name: &str, arguments: &[&str]) -> Option<Vec<u8>> {
        toy(name, arguments).map(|file| fs::read(file).unwrap())
    }

    /// A DLL of one function, linked with these arguments; none where MinGW is not there.
    pub fn toy(name: &str, arguments: &[&str]) -> Option<PathBuf> {
        let gcc = machine::which("x86_64-w64-mingw32-gcc")?;
        let place = build::target().unwrap().join("tmp/image-test");
        fs::create_dir_all(&place).unwrap();
        let source = place.join(format!("{name}.c"));
        let file = place.join(format!("{name}.dll"));
        let text = "unsigned long timeGetTime(void);\n__declspec(dllexport) unsigned long f(void) { return USED; }\n";
        fs::write(&source, text).unwrap();
        let status = Command::new(gcc)
            .args(["-shared", "-o"])
            .args([&file, &source])
            .args(arguments)
            .status()
            .unwrap();
        assert!(status.success());
        Some(file)
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
            "-DUSED=timeGetTime()",
            "-lwinmm",
            "-Wl,--disable-dynamicbase,--disable-nxcompat,--disable-high-entropy-va",
        ];
        let faults = windows(&linked("worse", &worse).unwrap()).unwrap();
        assert_eq!(
            faults,
            [
                "DYNAMICBASE is off",
                "NXCOMPAT is off",
                "HIGHENTROPYVA is off",
                "it needs winmm.dll, which is not on the list of what every Windows has",
                "it has no version information",
            ]
        );
        assert!(windows(b"<html>").is_err());
        let foreign = exports(&plain).unwrap().join("; ");
        assert!(
            foreign.starts_with("it does not export sspr_abi_version, "),
            "{foreign}"
        );
        assert!(
            foreign.contains("it exports f, which the header does not declare"),
            "{foreign}"
        );
        assert_eq!(
            version(&plain).unwrap(),
            format!(
                "its version information does not say entra_sspr.dll and {}",
                env!("CARGO_PKG_VERSION")
            )
        );
    }

    #[test]
    fn a_library_that_names_this_machine_s_folders_is_refused() {
        let library = build::library("dev").unwrap().file;
        let host = Rid::host().unwrap();
        let faults = faults(host, &library, Made::ToTry).unwrap();
        let named = format!("it names {}", build::root().display());
        assert!(faults.contains(&named), "a build while developing does: {faults:?}");
        assert!(!faults.iter().any(|fault| fault.contains("export")), "{faults:?}");
        assert_eq!(super::faults(host, &library, Made::Here).unwrap(), Vec::<String>::new());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_library_that_needs_a_newer_glibc_is_refused() {
        // This program needs some glibc.
        let bytes = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(glibc(&bytes, (99, 0)).unwrap(), None);
        let fault = glibc(&bytes, (1, 99)).unwrap().unwrap();
        assert!(
            fault.starts_with("it needs glibc 2.") && fault.ends_with("newer than 1.99"),
            "{fault}"
        );
        assert_eq!(glibc_version("GLIBC_2.2.5"), Some((2, 2)));
        assert!(glibc_version("GLIBC_2.34") > glibc_version("GLIBC_2.4"));
        assert_eq!(glibc_version("GLIBC_PRIVATE"), None);
    }

    #[test]
    fn what_people_read_names_the_glibc_that_is_asked_for() {
        let wanted = format!("{}.{} or newer", GLIBC.0, GLIBC.1);
        for file in ["docs/install.md", "powershell/EntraSspr/Private/Get-SsprNative.ps1"] {
            let text = fs::read_to_string(build::root().join(file)).unwrap();
            assert!(text.contains(&wanted), "{file} says {wanted}");
        }
    }

    #[test]
    fn every_name_of_the_system_s_is_compared_as_it_is_read() {
        for name in SYSTEM {
            assert_eq!(*name, name.to_ascii_lowercase());
        }
    }
}
