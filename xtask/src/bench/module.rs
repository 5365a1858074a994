//! The module in PowerShell: importing it, and binding the library.

use super::{Bench, Bound, Row, median, output};
use crate::{build, machine, module};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints the milliseconds of an import, how many functions came, and whether the declarations were loaded.
const IMPORT: &str = r#"param([string] $Path)
$watch = [System.Diagnostics.Stopwatch]::StartNew()
Import-Module -Name $Path
$watch.Stop()
$loaded = @([System.AppDomain]::CurrentDomain.GetAssemblies() | Where-Object { $_.GetName().Name -eq 'EntraSspr.Native' }).Count
$functions = (Get-Module -Name EntraSspr).ExportedFunctions.Count
'{0} {1} {2}' -f $watch.Elapsed.TotalMilliseconds.ToString([cultureinfo]::InvariantCulture), $functions, $loaded
"#;

/// Prints the milliseconds of the module's own binding: its looks at the files, the load, the first call.
const BIND: &str = r#"param([string] $Path)
Import-Module -Name $Path
$module = Get-Module -Name EntraSspr
$watch = [System.Diagnostics.Stopwatch]::StartNew()
$state = & $module { Get-SsprNativeState }
$watch.Stop()
if ($null -ne $state.Problem) { throw $state.Problem.message }
$watch.Elapsed.TotalMilliseconds.ToString([cultureinfo]::InvariantCulture)
"#;

const PEER_C: &str = "#include <stdint.h>\nuint32_t sspr_abi_version(void) { return 1; }\n";
const PEER_CS: &str = concat!(
    r#"using System.Runtime.InteropServices;
[assembly: System.Reflection.AssemblyVersion(""#,
    env!("CARGO_PKG_VERSION"),
    r#"")]
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.AssemblyDirectory | DllImportSearchPath.System32)]
namespace EntraSspr
{
    public static class Native
    {
        public const uint AbiVersion = 1;

        [DllImport("entra_sspr", CallingConvention = CallingConvention.Cdecl)]
        public static extern uint sspr_abi_version();
    }
}
"#
);

/// Importing the module beside importing one of as many empty functions.
pub fn import(bench: &Bench) -> Result<Vec<Row>> {
    let ours = module::assemble(&bench.profile)?;
    let peer = empty_module(&ours, &bench.place.join("peer"))?;
    let script = bench.place.join("import.ps1");
    fs::write(&script, IMPORT)?;
    let measure = |module: &Path| -> Result<(f64, u64)> {
        let said = powershell(&script, module)?;
        let fields: Vec<&str> = said.split_whitespace().collect();
        let [ms, functions, loaded] = fields[..] else {
            bail!("the import said {said:?}");
        };
        if loaded != "0" {
            bail!("the import loaded the native declarations");
        }
        Ok((ms.parse()?, functions.parse()?))
    };
    // Once without counting, so that both sides' files are in the system's cache.
    let (_, count) = measure(&ours)?;
    let (_, others) = measure(&peer)?;
    if count != others || count == 0 {
        bail!("the module has {count} functions and the peer {others}");
    }
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        mine.push(measure(&ours)?.0);
        theirs.push(measure(&peer)?.0);
    }
    Ok(vec![row(
        "Import-Module".into(),
        &mut mine,
        format!("{count} empty functions"),
        &mut theirs,
        2.0,
    )])
}

/// Binding the library beside binding one with a single function in its place, by the same module.
pub fn bind(bench: &Bench) -> Result<Vec<Row>> {
    let ours = module::assemble(&bench.profile)?;
    let peer = one_function(&ours, &bench.place.join("one-function"))?;
    let script = bench.place.join("bind.ps1");
    fs::write(&script, BIND)?;
    let measure = |module: &Path| -> Result<f64> { Ok(powershell(&script, module)?.trim().parse()?) };
    measure(&ours)?;
    measure(&peer)?;
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        mine.push(measure(&ours)?);
        theirs.push(measure(&peer)?);
    }
    Ok(vec![row(
        "binding and first native call".into(),
        &mut mine,
        "one function".into(),
        &mut theirs,
        3.0,
    )])
}

fn row(figure: String, ours: &mut [f64], peer: String, theirs: &mut [f64], limit: f64) -> Row {
    let (ours, theirs) = (median(ours), median(theirs));
    Row {
        figure,
        ours: format!("{ours:.1} ms"),
        peer: format!("{peer} {theirs:.1} ms"),
        value: ours / theirs,
        bound: Bound::AtMost(limit),
    }
}

/// Runs a script in a PowerShell of its own.
fn powershell(script: &Path, argument: &Path) -> Result<String> {
    let program = machine::powershell().with_context(|| format!("needs {}", machine::GET_POWERSHELL))?;
    output(machine::start(&program).arg("-File").arg(script).arg(argument))
}

/// A module with the same manifest, types and formats, whose functions do nothing.
fn empty_module(ours: &Path, place: &Path) -> Result<PathBuf> {
    let folder = place.join("EntraSspr");
    fs::create_dir_all(&folder)?;
    for name in ["EntraSspr.psd1", "EntraSspr.types.ps1xml", "EntraSspr.format.ps1xml"] {
        fs::copy(ours.join(name), folder.join(name))?;
    }
    let mut text = String::new();
    // The assembled module holds all its code in one file; the sources have a file for each function.
    for entry in fs::read_dir(build::root().join("powershell/EntraSspr/Public"))? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .context("a file has a name")?
            .to_string_lossy()
            .into_owned();
        text.push_str(&format!("function {name} {{ }}\n"));
    }
    fs::write(folder.join("EntraSspr.psm1"), text)?;
    Ok(folder)
}

/// The same module over a C library of one function, and its declaration.
fn one_function(ours: &Path, place: &Path) -> Result<PathBuf> {
    let folder = place.join("EntraSspr");
    module::copy(ours, &folder)?;
    let (c, cs) = (place.join("peer.c"), place.join("Peer.cs"));
    fs::write(&c, PEER_C)?;
    fs::write(&cs, PEER_CS)?;
    let cc = machine::need("cc", "gcc").context("a C compiler is needed")?;
    for entry in fs::read_dir(folder.join("lib"))? {
        let lib = entry?.path();
        for file in fs::read_dir(&lib)? {
            let file = file?.path();
            if file.file_name().is_some_and(|name| name == "EntraSspr.Native.dll") {
                module::compile(&cs, &file)?;
            } else {
                let mut command = Command::new(&cc);
                command.args(["-shared", "-fPIC", "-O2", "-o"]);
                output(command.arg(&file).arg(&c))?;
            }
        }
    }
    Ok(folder)
}
