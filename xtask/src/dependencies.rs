//! What others wrote of what is shipped: a bill of materials (CycloneDX) and the texts of its licences.

use crate::rid::Rid;
use crate::{build, machine};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use spdx::{Expression, ParseMode};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The bill of materials.
pub const BILL: &str = "sbom.cdx.json";
/// The licences' texts.
pub const NOTICES: &str = "THIRD-PARTY-NOTICES.txt";

/// Licences that ask for no more than their text; those of a file's own (MPL) ask that for the file.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// What is linked in beside the crates.
struct Runtime {
    name: &'static str,
    licence: &'static str,
    /// Whether it is in the library of a system.
    is_in: fn(&Rid) -> bool,
    text: Text,
}

/// Where a licence's text comes from.
enum Text {
    /// Published under these names.
    Published(&'static str),
    /// A file of this machine's, that came with what is linked in.
    File,
    /// It asks for none.
    None,
}

const EITHER: &str = "MIT OR Apache-2.0";

/// A crate that the standard library holds.
const fn of_std(name: &'static str, licence: &'static str) -> Runtime {
    Runtime {
        name,
        licence,
        is_in: |_| true,
        text: Text::Published(licence),
    }
}

const RUNTIMES: &[Runtime] = &[
    Runtime {
        name: "the Rust standard library",
        licence: "MIT OR Apache-2.0, and Unicode-3.0 for its tables of characters",
        is_in: |_| true,
        text: Text::Published("MIT OR Apache-2.0 AND Unicode-3.0"),
    },
    of_std("cfg-if of the Rust standard library", EITHER),
    Runtime {
        licence: "MIT AND Apache-2.0 WITH LLVM-exception AND (MIT OR Apache-2.0)",
        ..of_std("compiler_builtins of the Rust standard library", "MIT AND Apache-2.0")
    },
    of_std("hashbrown of the Rust standard library", EITHER),
    Runtime {
        is_in: |rid| !rid.is_windows(),
        ..of_std("libc of the Rust standard library", EITHER)
    },
    of_std("rustc-demangle of the Rust standard library", EITHER),
    // Where it prints backtraces: each of these offers MIT among others.
    of_std("addr2line of the Rust standard library", "MIT"),
    of_std("adler2 of the Rust standard library", "MIT"),
    of_std("gimli of the Rust standard library", "MIT"),
    of_std("memchr of the Rust standard library", "MIT"),
    of_std("miniz_oxide of the Rust standard library", "MIT"),
    of_std("object of the Rust standard library", "MIT"),
    Runtime {
        name: "the MinGW-w64 runtime, in a Windows library",
        licence: "ZPL-2.1 and others, below",
        is_in: is_mingw,
        text: Text::File,
    },
    Runtime {
        name: "the GCC runtime library, in a Windows library",
        licence: "GPL-3.0-or-later WITH GCC-exception-3.1, which asks for nothing here",
        is_in: |rid| rid.triple.ends_with("-windows-gnu"),
        text: Text::None,
    },
    Runtime {
        name: "the LLVM runtime libraries, in a Windows library for Arm",
        licence: "Apache-2.0 WITH LLVM-exception, which asks for nothing here",
        is_in: |rid| rid.triple.ends_with("-windows-gnullvm"),
        text: Text::None,
    },
];

/// What Debian says of the runtime that its compiler links in.
const MINGW: &str = "/usr/share/doc/mingw-w64-common/copyright";

fn is_mingw(rid: &Rid) -> bool {
    rid.triple.contains("-windows-gnu")
}

/// The text of the licences of MinGW's runtime.
fn of_mingw() -> Result<String> {
    if !Path::new(MINGW).exists() {
        machine::install("mingw-w64-common").context("the licences of MinGW's runtime must go with what it is in")?;
    }
    fs::read_to_string(MINGW).context(MINGW)
}

/// Whether this machine can tell what is in the library of a system.
#[cfg(test)]
pub fn can_tell(rid: &Rid) -> bool {
    !is_mingw(rid) || Path::new(MINGW).exists()
}

/// A crate that is linked into the library.
struct Package {
    name: String,
    version: String,
    licence: String,
    repository: Option<String>,
    folder: PathBuf,
    /// Of its archive.
    sha256: Option<String>,
    needs: BTreeSet<String>,
}

/// Cargo.lock, as far as it is read here.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// What `cargo metadata` tells, as far as it is read here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Described>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Described {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// Writes both into a folder, for the libraries of these systems.
pub fn write(folder: &Path, rids: &[&Rid]) -> Result<()> {
    let mut packages = BTreeMap::new();
    for rid in rids {
        linked(&metadata(rid.triple)?, &mut packages)?;
    }
    let ours = packages.remove(ROOT).context("the library is among its packages")?;
    fs::write(folder.join(BILL), format!("{:#}\n", bill(&ours, &packages)))?;
    Ok(fs::write(folder.join(NOTICES), notices(&packages, rids)?)?)
}

/// The library's own key.
const ROOT: &str = concat!("entra-sspr@", env!("CARGO_PKG_VERSION"));

fn metadata(triple: &str) -> Result<Metadata> {
    let mut command = build::cargo();
    command.args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        triple,
    ]);
    let output = command.output()?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Adds what is linked into the library: what it needs to run, and what that needs. Macros run in the compiler only.
fn linked(metadata: &Metadata, packages: &mut BTreeMap<String, Package>) -> Result<()> {
    let text = fs::read_to_string(build::root().join("Cargo.lock"))?;
    let lock: Lock = toml::from_str(&text)?;
    let described = |id: &str| metadata.packages.iter().find(|package| package.id == id);
    let is_macro = |package: &Described| {
        package
            .targets
            .iter()
            .any(|t| t.kind.iter().any(|kind| kind == "proc-macro"))
    };
    let key = |package: &Described| format!("{}@{}", package.name, package.version);
    let root = metadata
        .packages
        .iter()
        .find(|package| key(package) == ROOT)
        .context("cargo knows the library")?;
    let mut open = vec![root];
    let mut seen = BTreeSet::new();
    while let Some(package) = open.pop() {
        if !seen.insert(&package.id) {
            continue;
        }
        let node = metadata.resolve.nodes.iter().find(|node| node.id == package.id);
        let normal = node.into_iter().flat_map(|node| &node.deps);
        let normal = normal.filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        let needs: Vec<&Described> = normal
            .filter_map(|d| described(&d.pkg))
            .filter(|p| !is_macro(p))
            .collect();
        let licence = package
            .license
            .clone()
            .with_context(|| format!("{} names no licence", key(package)))?;
        let expression = Expression::parse_mode(&licence, ParseMode::LAX)
            .map_err(|error| anyhow::anyhow!("{}: {licence}: {error}", key(package)))?;
        if !expression.evaluate(|wanted| wanted.license.id().is_some_and(|id| ALLOWED.contains(&id.name))) {
            bail!(
                "{} has the licence {licence}, which is not among those allowed",
                key(package)
            );
        }
        let locked = lock
            .package
            .iter()
            .find(|l| l.name == package.name && l.version == package.version);
        let entry = packages.entry(key(package)).or_insert_with(|| Package {
            name: package.name.clone(),
            version: package.version.clone(),
            // `MIT/Apache-2.0` is how old crates write it.
            licence: licence.replace('/', " OR "),
            repository: package.repository.clone(),
            folder: package.manifest_path.parent().unwrap_or(Path::new("")).into(),
            sha256: locked.and_then(|locked| locked.checksum.clone()),
            needs: BTreeSet::new(),
        });
        entry.needs.extend(needs.iter().map(|needed| key(needed)));
        open.extend(needs);
    }
    Ok(())
}

fn purl(key: &str) -> String {
    format!("pkg:cargo/{key}")
}

/// The bill of materials: no time and no random number, so that the same packages make the same bytes.
fn bill(ours: &Package, packages: &BTreeMap<String, Package>) -> Value {
    let component = |package: &Package| {
        let mut component = json!({
            "type": "library",
            "bom-ref": purl(&format!("{}@{}", package.name, package.version)),
            "name": package.name,
            "version": package.version,
            "licenses": [{"expression": package.licence}],
            "purl": purl(&format!("{}@{}", package.name, package.version)),
        });
        if let Some(sha256) = &package.sha256 {
            component["hashes"] = json!([{"alg": "SHA-256", "content": sha256}]);
        }
        if let Some(repository) = &package.repository {
            component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
        }
        component
    };
    let dependencies = packages.values().chain([ours]).map(|package| {
        json!({
            "ref": purl(&format!("{}@{}", package.name, package.version)),
            "dependsOn": package.needs.iter().map(|key| purl(key)).collect::<Vec<_>>(),
        })
    });
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(ours)},
        "components": packages.values().map(component).collect::<Vec<_>>(),
        "dependencies": dependencies.collect::<Vec<_>>(),
    })
}

/// The licences' texts, each once, under the names of the crates that have it.
fn notices(packages: &BTreeMap<String, Package>, rids: &[&Rid]) -> Result<String> {
    let mut text = String::from(
        "EntraSspr is under the MIT licence (see LICENSE). Its native library holds the work of others, named here with\ntheir licences.\n\n",
    );
    // Those without an archive are our own.
    let packages = || packages.iter().filter(|(_, package)| package.sha256.is_some());
    for (key, package) in packages() {
        text.push_str(&format!("{} ({})\n", key.replace('@', " "), package.licence));
    }
    let runtimes = || {
        RUNTIMES
            .iter()
            .filter(|runtime| rids.iter().any(|rid| (runtime.is_in)(rid)))
    };
    for runtime in runtimes() {
        text.push_str(&format!("{} ({})\n", runtime.name, runtime.licence));
    }
    let mut bearers: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for runtime in runtimes() {
        let texts = match runtime.text {
            Text::Published(licence) => published(licence)?,
            Text::File => vec![plain(&of_mingw()?)],
            Text::None => Vec::new(),
        };
        for text in texts {
            bearers.entry(text).or_default().insert(runtime.name);
        }
    }
    for (key, package) in packages() {
        let mut texts = own_texts(&package.folder)?;
        if texts.is_empty() {
            texts = published(&package.licence)?;
        }
        for text in texts {
            bearers.entry(text).or_default().insert(key);
        }
    }
    // By the first crate that bears it, so that the order is that of the list.
    let mut bearers: Vec<(String, BTreeSet<&str>)> = bearers.into_iter().collect();
    bearers.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    for (licence, keys) in bearers {
        let keys: Vec<String> = keys.into_iter().map(|key| key.replace('@', " ")).collect();
        text.push_str(&format!("\n{}\n{}\n\n{licence}\n", "-".repeat(80), keys.join(", ")));
    }
    Ok(text)
}

/// The texts in a crate's own folder and those in it, where what it took from others lies.
fn own_texts(folder: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            texts.extend(own_texts(&entry.path())?);
        } else if is_licence(&entry.file_name().to_string_lossy()) {
            texts.push(plain(&String::from_utf8_lossy(&fs::read(entry.path())?)));
        }
    }
    texts.sort();
    texts.dedup();
    Ok(texts)
}

/// Whether a file's name says that it holds a licence, and no code about licences.
fn is_licence(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let names = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
    names.iter().any(|start| name.starts_with(start)) && !name.ends_with(".RS")
}

/// A text with plain line ends.
fn plain(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_string()
}

/// The published texts of a licence, where the crate holds none.
fn published(licence: &str) -> Result<Vec<String>> {
    let expression = Expression::parse_mode(licence, ParseMode::LAX).map_err(|error| anyhow::anyhow!("{error}"))?;
    let ids = expression.requirements().filter_map(|wanted| wanted.req.license.id());
    Ok(ids.map(|id| id.text().trim().to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages() -> BTreeMap<String, Package> {
        let mut packages = BTreeMap::new();
        linked(
            &metadata(Rid::named("linux-x64").unwrap().triple).unwrap(),
            &mut packages,
        )
        .unwrap();
        packages
    }

    #[test]
    fn the_bill_holds_what_is_linked_and_nothing_else() {
        let mut packages = packages();
        let ours = packages.remove(ROOT).unwrap();
        let names: BTreeSet<&str> = packages.values().map(|package| package.name.as_str()).collect();
        for linked in ["reqwest", "rustls", "ring", "serde_json", "tokio"] {
            assert!(names.contains(linked), "{linked}");
        }
        for not in [
            "cbindgen",
            "serde_derive",
            "proptest",
            "sspr-lab",
            "clap",
            "windows-registry",
        ] {
            assert!(!names.contains(not), "{not} is not linked");
        }
        let bill = bill(&ours, &packages);
        assert_eq!(bill["metadata"]["component"]["purl"], purl(ROOT));
        let references: BTreeSet<&str> = bill["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["bom-ref"].as_str().unwrap())
            .collect();
        for dependency in bill["dependencies"].as_array().unwrap() {
            for needed in dependency["dependsOn"].as_array().unwrap() {
                assert!(references.contains(needed.as_str().unwrap()), "{needed}");
            }
        }
        for component in bill["components"].as_array().unwrap() {
            let hash = component["hashes"][0]["content"].as_str().map(str::len);
            // Our own crate is in no archive.
            let own = ["sspr-access", "sspr-rows"]
                .iter()
                .any(|name| component["name"] == *name);
            assert!(hash == Some(64) || own, "{component}");
        }
    }

    #[test]
    fn every_crate_s_licence_is_there_with_its_text() {
        let mut packages = packages();
        packages.retain(|_, package| package.sha256.is_some());
        let text = notices(&packages, &[Rid::named("linux-x64").unwrap()]).unwrap();
        for key in packages.keys() {
            let name = key.replace('@', " ");
            assert!(text.matches(&name).count() >= 2, "{name} is named with its text");
        }
        assert!(text.contains("Permission is hereby granted") && text.contains("Apache License"));
        // In a folder of ring's own.
        assert!(text.contains("the fiat-crypto authors"));
        assert!(
            text.contains("the Rust standard library (")
                && text.contains("hashbrown of the Rust standard library (MIT OR Apache-2.0)")
        );
        assert!(
            !text.contains("MinGW") && !text.contains("GCC runtime"),
            "a library for Linux holds neither"
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_library_that_mingw_linked_brings_the_licences_of_its_runtime() {
        let windows = Rid::named("win-x64").unwrap();
        if !can_tell(windows) {
            eprintln!("not run: needs mingw-w64-common");
            return;
        }
        let text = notices(&BTreeMap::new(), &[windows]).unwrap();
        assert!(text.contains("the MinGW-w64 runtime") && text.contains("the GCC runtime library"));
        assert!(
            text.contains("the mingw-w64 project")
                && text.contains("THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS")
        );
        assert!(!text.contains("libc of"), "Windows has its own");
    }

    #[test]
    fn files_that_hold_licences_are_known_by_their_names() {
        for name in [
            "LICENSE",
            "LICENSE-MIT",
            "licence.txt",
            "COPYING.md",
            "LICENSE-other-bits",
            "UNLICENSE",
        ] {
            assert!(is_licence(name), "{name}");
        }
        for name in ["license.rs", "licensee.rs", "README.md", "Cargo.toml"] {
            assert!(!is_licence(name), "{name}");
        }
    }

    #[test]
    fn a_licence_that_asks_for_more_is_refused() {
        let refused = |licence: &str| {
            let metadata = Metadata {
                packages: vec![Described {
                    id: "a".into(),
                    name: "entra-sspr".into(),
                    version: env!("CARGO_PKG_VERSION").into(),
                    license: Some(licence.into()),
                    repository: None,
                    manifest_path: PathBuf::from("/none/Cargo.toml"),
                    targets: Vec::new(),
                }],
                resolve: Resolve { nodes: Vec::new() },
            };
            linked(&metadata, &mut BTreeMap::new()).is_err()
        };
        assert!(refused("GPL-3.0-only") && refused("MIT AND AGPL-3.0-only") && refused("something of ours"));
        assert!(!refused("GPL-3.0-only OR MIT") && !refused("MIT/Apache-2.0"));
    }
}
