//! The module in PowerShell: importing it, and binding the library.

use super::{Bench, Bound, Row, median, output};
use crate::module::from_source;
use crate::rid::Rid;
use crate::{build, machine, module, package};
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
$state = & $module { [void](Get-SsprSession); Get-SsprNativeState }
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

/// Importing the package beside importing the module from source, and beside importing as many empty functions.
pub fn import(bench: &Bench) -> Result<Vec<Row>> {
    let libraries = [(Rid::host()?, bench.library.clone())];
    let packed = package::assemble(&bench.place.join("package"), &libraries)?.folder;
    let source = bench.place.join("source/EntraSspr");
    from_source(&source, &libraries)?;
    let empty = empty_module(&packed, &bench.place.join("peer"))?;
    let script = bench.place.join("import.ps1");
    fs::write(&script, IMPORT)?;
    let measure = |module: &Path| -> Result<(f64, u64)> {
        // By its manifest: the folder of a package bears the version's name.
        let said = powershell(&script, &module.join("EntraSspr.psd1"))?;
        let fields: Vec<&str> = said.split_whitespace().collect();
        let [ms, functions, loaded] = fields[..] else {
            bail!("the import said {said:?}");
        };
        if loaded != "0" {
            bail!("the import loaded the native declarations");
        }
        Ok((ms.parse()?, functions.parse()?))
    };
    let modules = [&packed, &source, &empty];
    // Once without counting, so that the files of all are in the system's cache.
    let mut counts = Vec::new();
    for module in modules {
        counts.push(measure(module)?.1);
    }
    let count = counts[0];
    if count == 0 || counts.iter().any(|other| *other != count) {
        bail!("the package, the source and the peer have {counts:?} functions");
    }
    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..bench.runs {
        for (module, times) in modules.into_iter().zip(&mut times) {
            times.push(measure(module)?.0);
        }
    }
    let [mut packed, mut source, mut empty] = times;
    Ok(vec![
        row(
            "Import-Module of the package".into(),
            &mut packed,
            "from source".into(),
            &mut source,
            NO_SLOWER,
        ),
        row(
            "Import-Module of the package".into(),
            &mut packed,
            format!("{count} empty functions"),
            &mut empty,
            1.5,
        ),
    ])
}

/// What counts as no slower: between two medians of the same there lie up to five hundredths by chance.
const NO_SLOWER: f64 = 1.05;

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
