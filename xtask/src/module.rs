//! Puts the PowerShell module together: its files, the native library and the compiled declarations.

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
        join(made)?;
        finish(made)
    })
}

/// The same with every file as it stands in the sources.
pub fn from_source(folder: &Path, libraries: &[(&Rid, PathBuf)]) -> Result<()> {
    lay_out(folder, libraries, |_| Ok(()))
}

fn lay_out(folder: &Path, libraries: &[(&Rid, PathBuf)], finish: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let root = build::root();
    let mut made = folder.as_os_str().to_owned();
    made.push(".new");
    let made = PathBuf::from(made);
    remove(&made)?;
    copy(&root.join("powershell/EntraSspr"), &made)?;
    let place = build::target()?.join("module");
    let declarations = declarations(&place, &root.join("powershell/native/EntraSspr.Native.cs"))?;
    for (rid, library) in libraries {
        let native = made.join("lib").join(rid.name);
        fs::create_dir_all(&native)?;
        fs::copy(
            library,
            native.join(library.file_name().context("the library has a name")?),
        )?;
        fs::copy(&declarations, native.join("EntraSspr.Native.dll"))?;
    }
    finish(&made)?;
    // A process that has the old library loaded keeps its file: folders are swapped, not files overwritten.
    remove(folder).context("the module is in use: close the PowerShell that imported it")?;
    Ok(fs::rename(&made, folder)?)
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

/// Puts the text of the module's files into its one script file.
fn join(module: &Path) -> Result<()> {
    let file = module.join("EntraSspr.psm1");
    let script = fs::read_to_string(&file)?;
    let (before, rest) = script
        .split_once("#region Files\n")
        .context("EntraSspr.psm1 has no region Files")?;
    let (_, after) = rest
        .split_once("#endregion\n")
        .context("EntraSspr.psm1: the region has no end")?;
    let mut text = before.to_string();
    for folder in ["Private", "Public"] {
        let folder = module.join(folder);
        let mut files = fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        files.sort();
        for file in files {
            text.push_str(&fs::read_to_string(&file)?);
            text.push('\n');
        }
        fs::remove_dir_all(&folder)?;
    }
    text.push_str(after);
    Ok(fs::write(&file, text)?)
}

/// Compiles the declarations, unless what lies there is newer than the source.
fn declarations(place: &Path, source: &Path) -> Result<PathBuf> {
    let assembly = place.join("EntraSspr.Native.dll");
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    if let (Ok(made), Ok(written)) = (changed(&assembly), changed(source))
        && made > written
    {
        return Ok(assembly);
    }
    fs::create_dir_all(place)?;
    compile(source, &assembly)?;
    Ok(assembly)
}

/// Compiles with `mcs`, Windows's own `csc`, or `dotnet`; the assembly refers to mscorlib 4.0 alone.
pub fn compile(source: &Path, assembly: &Path) -> Result<()> {
    let framework = std::env::var_os("windir")
        .map(|windows| PathBuf::from(windows).join("Microsoft.NET/Framework64/v4.0.30319/csc.exe"))
        .filter(|csc| csc.is_file());
    let compiler = machine::which("mcs").or(framework);
    let compiler = match (compiler, machine::which("dotnet")) {
        (Some(compiler), _) => compiler,
        (None, Some(dotnet)) => return compile_with_dotnet(&dotnet, source, assembly),
        (None, None) => machine::need("mcs", "mono-mcs").context(NoCompiler)?,
    };
    let mut out = std::ffi::OsString::from("-out:");
    out.push(assembly);
    let status = Command::new(&compiler)
        .args(["-nologo", "-target:library", "-optimize+", "-warnaserror+"])
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
