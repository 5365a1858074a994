//! Puts the PowerShell module together: its files, the native library and the compiled declarations.

mod join;

pub use join::HIDDEN;

use crate::package::files;
use crate::rid::Rid;
use crate::{build, machine};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the library for this machine and puts the module together, in the folder that `Import-Module` takes.
pub fn assemble(profile: &str) -> Result<PathBuf> {
    let library = build::library(profile)?.file;
    let folder = build::target()?.join("module/EntraSspr");
    put_together(&folder, &[(Rid::host()?, library)], |_| Ok(()))?;
    Ok(folder)
}

/// Puts the module's files, the libraries and the declarations that bind them into a folder, whole or not at all;
/// `finish` adds to it before it is in place.
pub fn put_together(
    folder: &Path,
    libraries: &[(&Rid, PathBuf)],
    finish: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    lay_out(folder, libraries, |made| {
        join::join(made)?;
        finish(made)
    })
}

/// The same with every file as it stands in the sources.
pub fn from_source(folder: &Path, libraries: &[(&Rid, PathBuf)]) -> Result<()> {
    lay_out(folder, libraries, |_| Ok(()))
}

fn lay_out(folder: &Path, libraries: &[(&Rid, PathBuf)], finish: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let made = beside(folder, ".new");
    remove(&made)?;
    copy_sources(&sources(), &made)?;
    for (rid, library) in libraries {
        let native = made.join("lib").join(rid.name);
        fs::create_dir_all(&native)?;
        fs::copy(
            library,
            native.join(library.file_name().context("the library has a name")?),
        )?;
        fs::copy(declarations()?, native.join(ASSEMBLY))?;
    }
    finish(&made)?;
    put_in_place(&made, folder)
}

/// The module's files as they stand in the repository.
pub fn sources() -> PathBuf {
    build::root().join("powershell/EntraSspr")
}

/// The assembly that binds the library.
pub const ASSEMBLY: &str = "EntraSspr.Native.dll";

/// Whether a file of the sources belongs to the module; what editors, merges and tests leave beside those does not.
pub fn belongs(file: &str) -> bool {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let is_script = || {
        let stem = name.strip_suffix(".ps1").unwrap_or_default();
        stem.starts_with(|c: char| c.is_ascii_alphabetic())
            && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    match folder {
        "" => matches!(
            name,
            "EntraSspr.psd1" | "EntraSspr.psm1" | "EntraSspr.format.ps1xml" | "EntraSspr.types.ps1xml"
        ),
        "en-US" => name == "about_EntraSspr.help.txt",
        "Private" | "Public" | "runbooks" => is_script(),
        _ => false,
    }
}

/// Copies those of the files that belong to the module.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    for file in files(from)?.iter().filter(|file| belongs(file)) {
        let target = to.join(file);
        fs::create_dir_all(target.parent().unwrap_or(to))?;
        fs::copy(from.join(file), target)?;
    }
    Ok(())
}

/// A path beside another one, named after it.
pub fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Puts what was made in the place of the old folder, which stays where that cannot be. A process that has the old library
/// loaded keeps its file: folders are swapped, not files overwritten.
fn put_in_place(made: &Path, folder: &Path) -> Result<()> {
    let in_use = "the module is in use: close the PowerShell that imported it";
    let old = beside(folder, ".old");
    remove(&old).context(in_use)?;
    let had = folder.exists();
    if had {
        fs::rename(folder, &old).context(in_use)?;
    }
    if let Err(error) = fs::rename(made, folder) {
        if had {
            fs::rename(&old, folder).with_context(|| format!("the old one is {} now", old.display()))?;
        }
        return Err(error).with_context(|| format!("{} could not be put in place", folder.display()));
    }
    remove(&old)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// There is nothing that compiles C#.
#[derive(Debug)]
pub struct NoCompiler;

impl std::fmt::Display for NoCompiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a C# compiler: mcs (Debian's mono-mcs), Windows's csc, or the .NET SDK")
    }
}

/// The compiled declarations: those that lie there, when they are newer than their source.
fn declarations() -> Result<PathBuf> {
    let source = build::root().join("powershell/native/EntraSspr.Native.cs");
    let place = build::target()?.join("module");
    let assembly = place.join(ASSEMBLY);
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    if let (Ok(made), Ok(written)) = (changed(&assembly), changed(&source))
        && made > written
    {
        return Ok(assembly);
    }
    // Under its own name, for compilers name the assembly after its file; then in place at once, so that a compiler that
    // is stopped leaves nothing that looks like an assembly, and none that others read changes under them.
    let aside = place.join(format!("made-by-{}", std::process::id()));
    fs::create_dir_all(&aside)?;
    compile(&source, &aside.join(ASSEMBLY))?;
    fs::rename(aside.join(ASSEMBLY), &assembly)?;
    remove(&aside)?;
    Ok(assembly)
}

/// Compiles with `mcs`, Windows's own `csc`, or `dotnet`; the assembly refers to mscorlib 4.0 alone. The same source makes the
/// same bytes, but by Windows's own `csc`, which does not know how and writes a time and a random number into them.
pub fn compile(source: &Path, assembly: &Path) -> Result<()> {
    let framework = std::env::var_os("windir")
        .map(|windows| PathBuf::from(windows).join("Microsoft.NET/Framework64/v4.0.30319/csc.exe"))
        .filter(|csc| csc.is_file());
    let same: &[&str] = &["-deterministic+"];
    let (compiler, same) = match (machine::which("mcs"), framework, machine::which("dotnet")) {
        (Some(mcs), _, _) => (mcs, same),
        (None, Some(csc), _) => (csc, &[][..]),
        (None, None, Some(dotnet)) => return compile_with_dotnet(&dotnet, source, assembly),
        (None, None, None) => (machine::need("mcs", "mono-mcs").context(NoCompiler)?, same),
    };
    let mut out = std::ffi::OsString::from("-out:");
    out.push(assembly);
    let status = Command::new(&compiler)
        .args(["-nologo", "-target:library", "-optimize+", "-warnaserror+"])
        .args(same)
        .arg(out)
        .arg(source)
        .status()
        .with_context(|| compiler.display().to_string())?;
    if !status.success() {
        bail!("{} could not compile {}", compiler.display(), source.display());
    }
    Ok(())
}

/// The SDK brings a compiler but no mscorlib 4.0: it fetches the reference assemblies of .NET Framework itself.
fn compile_with_dotnet(dotnet: &Path, source: &Path, assembly: &Path) -> Result<()> {
    let project = assembly.with_file_name("dotnet");
    fs::create_dir_all(&project)?;
    let file = project.join("EntraSspr.Native.csproj");
    let text = format!(
        r#"<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <TargetFramework>net462</TargetFramework>
    <EnableDefaultItems>false</EnableDefaultItems>
    <GenerateAssemblyInfo>false</GenerateAssemblyInfo>
    <DisableImplicitFrameworkReferences>true</DisableImplicitFrameworkReferences>
    <Deterministic>true</Deterministic>
    <DebugType>none</DebugType>
  </PropertyGroup>
  <ItemGroup><Compile Include="{}" /></ItemGroup>
</Project>
"#,
        source.display()
    );
    fs::write(&file, text)?;
    let status = Command::new(dotnet)
        .args(["build", "--nologo", "--configuration", "Release", "--output"])
        .arg(project.join("out"))
        .arg(&file)
        .status()?;
    if !status.success() {
        bail!("dotnet could not compile {}", source.display());
    }
    fs::copy(project.join("out/EntraSspr.Native.dll"), assembly)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> PathBuf {
        let place = build::target().unwrap().join("tmp").join(name);
        remove(&place).unwrap();
        fs::create_dir_all(&place).unwrap();
        place
    }

    #[test]
    fn what_lies_beside_the_module_s_files_stays_behind() {
        let place = place("module-strays");
        copy(&sources(), &place.join("sources")).unwrap();
        for stray in [
            "Public/Get-SsprCheck.ps1~",
            "Public/Get-SsprCheck.ps1.orig",
            "Public/Get-SsprCheck copy.ps1",
            "Private/.Get-SsprNative.ps1.swp",
            "Private/._Get-SsprNative.ps1",
            "Private/Get-SsprNative.Tests.ps1",
            "runbooks/notes.txt",
            "en-US/Thumbs.db",
            "EntraSspr.psm1.bak",
            "Try.ps1",
            "lib/win-x64/entra_sspr.dll",
        ] {
            let file = place.join("sources").join(stray);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "left here").unwrap();
        }
        copy_sources(&place.join("sources"), &place.join("copy")).unwrap();
        let copied = files(&place.join("copy")).unwrap();
        for file in &copied {
            assert_ne!(fs::read(place.join("copy").join(file)).unwrap(), b"left here", "{file}");
        }
        // All that the repository holds belongs to it.
        let whole: Vec<String> = files(&sources()).unwrap();
        let whole: Vec<String> = whole.into_iter().filter(|file| belongs(file)).collect();
        assert_eq!(copied, whole);
        assert!(copied.len() > 30, "{copied:?}");
    }

    #[test]
    fn the_old_module_stays_until_the_new_one_is_whole() {
        let place = place("module-swap");
        let folder = place.join("EntraSspr");
        put_together(&folder, &[], |made| Ok(fs::write(made.join("which"), "first")?)).unwrap();
        let which = || fs::read_to_string(folder.join("which")).unwrap();
        assert!(put_together(&folder, &[], |_| bail!("no")).is_err());
        assert_eq!(which(), "first");
        // Nothing to put there: the old one comes back.
        assert!(put_in_place(&place.join("not made"), &folder).is_err());
        assert_eq!(which(), "first");
        put_together(&folder, &[], |made| Ok(fs::write(made.join("which"), "second")?)).unwrap();
        assert_eq!(which(), "second");
        let left: Vec<_> = fs::read_dir(&place)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["EntraSspr"]);
    }

    #[test]
    fn the_same_declarations_make_the_same_bytes() {
        let place = place("module-declarations");
        let source = build::root().join("powershell/native/EntraSspr.Native.cs");
        let mut made = Vec::new();
        for which in ["first", "second"] {
            let assembly = place.join(which).join(ASSEMBLY);
            fs::create_dir_all(assembly.parent().unwrap()).unwrap();
            match compile(&source, &assembly) {
                Err(error) if error.is::<NoCompiler>() => return eprintln!("not run: needs {NoCompiler}"),
                other => other.unwrap(),
            }
            made.push(fs::read(assembly).unwrap());
        }
        // Windows's own compiler makes no same bytes twice.
        assert!(cfg!(windows) || made[0] == made[1]);
    }
}
