//! The library's parts depend on one another one way only (docs/architecture.md), and `unsafe` stays in two folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each part, and what of the library it may name. A longer path allows only what lies below it.
const MAY_USE: &[(&str, &[&str])] = &[
    ("status", &[]),
    ("error", &["status"]),
    ("json", &["error", "status"]),
    ("panics", &["error", "status"]),
    ("platform", &[]),
    ("file", &["error", "platform", "status"]),
    ("snapshot", &["error", "json", "status"]),
    ("finding", &["snapshot"]),
    ("catalogue", &["snapshot"]),
    ("sync_engine", &["snapshot"]),
    // The steps are pure: facts in, findings out.
    ("steps", &["catalogue", "change", "desired", "finding", "snapshot"]),
    ("change", &[]),
    (
        "declarations",
        &["error", "finding", "json", "snapshot", "status", "steps"],
    ),
    ("desired", &["error", "json", "status"]),
    (
        "readiness",
        &["declarations", "finding", "panics", "report", "snapshot", "steps"],
    ),
    (
        "report",
        &["change", "finding", "plan", "readiness", "snapshot", "steps", "text"],
    ),
    ("task", &["error", "finding", "json", "panics", "status"]),
    // The tenant's clients know how a session is configured and where its tokens are, and nothing of what is asked why.
    (
        "tenant",
        &[
            "error",
            "json",
            "panics",
            "session::config",
            "session::tokens",
            "status",
            "tls",
        ],
    ),
    (
        "session",
        &[
            "directory",
            "error",
            "file",
            "json",
            "snapshot",
            "status",
            "task",
            "tenant",
        ],
    ),
    (
        "gather",
        &[
            "directory",
            "error",
            "file",
            "json",
            "session",
            "snapshot",
            "status",
            "sync_engine",
            "task",
            "tenant",
            "text",
        ],
    ),
    ("tls", &["error", "file", "status"]),
    ("directory", &["error", "platform", "status", "text", "tls"]),
    ("text", &[]),
    ("lock", &["error", "platform", "status"]),
    (
        "probe",
        &[
            "directory",
            "error",
            "file",
            "gather",
            "json",
            "lock",
            "panics",
            "session",
            "snapshot",
            "status",
            "task",
        ],
    ),
    (
        "run",
        &[
            "catalogue",
            "declarations",
            "error",
            "file",
            "finding",
            "gather",
            "json",
            "probe",
            "readiness",
            "report",
            "session",
            "snapshot",
            "status",
            "steps",
            "task",
        ],
    ),
    (
        "fleet",
        &[
            "error", "file", "json", "lock", "panics", "platform", "run", "session", "status", "steps", "task",
        ],
    ),
    (
        "plan",
        &[
            "change",
            "desired",
            "directory",
            "error",
            "file",
            "gather",
            "json",
            "lock",
            "platform",
            "report",
            "session",
            "snapshot",
            "status",
            "steps",
            "task",
            "tenant",
            "text",
        ],
    ),
    (
        "notify",
        &["error", "file", "json", "session", "status", "task", "tenant", "text"],
    ),
    (
        "watch",
        &[
            "catalogue",
            "directory",
            "error",
            "gather",
            "json",
            "session",
            "snapshot",
            "status",
            "sync_engine",
            "task",
            "tenant",
            "text",
        ],
    ),
    (
        "ffi",
        &[
            "error", "finding", "fleet", "gather", "json", "notify", "panics", "plan", "run", "session", "status",
            "task", "watch",
        ],
    ),
];

/// Where `unsafe` may stand.
const UNSAFE: &[&str] = &["ffi", "platform"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The source files of every part.
fn parts() -> BTreeMap<String, Vec<PathBuf>> {
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut all = Vec::new();
    files(&source(), &mut all);
    let tests: BTreeSet<PathBuf> = all.iter().flat_map(|file| test_modules(file)).collect();
    all.retain(|file| !tests.contains(file));
    let mut parts: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in all {
        let below = file.strip_prefix(source()).unwrap();
        let part = below.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        parts.entry(part.to_string()).or_default().push(file);
    }
    parts.remove("lib");
    parts
}

/// The files of the modules that a file declares for its tests only.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap();
    let folder = match file.file_name().unwrap().to_str().unwrap() {
        "lib.rs" | "mod.rs" => file.parent().unwrap().to_path_buf(),
        _ => file.with_extension(""),
    };
    let declared = text.split("#[cfg(test)]").skip(1).filter_map(|after| {
        let name = after
            .trim_start()
            .trim_start_matches("pub(crate) ")
            .strip_prefix("mod ")?;
        name.lines().next()?.strip_suffix(';').map(str::to_string)
    });
    declared.map(|name| folder.join(format!("{name}.rs"))).collect()
}

/// A file's code without its comments and without the tests at its end.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths of this library that code names: `crate::a::b`, also out of `crate::{a::b, c}`.
fn named(code: &str) -> BTreeSet<String> {
    let path = |text: &str| {
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
        text[..end.unwrap_or(text.len())].trim_end_matches(':').to_string()
    };
    let mut found = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        match rest.strip_prefix('{') {
            None => drop(found.insert(path(rest))),
            Some(group) => {
                let (mut depth, mut first) = (0, true);
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => first = true,
                        c if first && c.is_ascii_alphabetic() => {
                            found.insert(path(&group[at..]));
                            first = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

#[test]
fn dependencies_point_one_way() {
    let parts = parts();
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(part, _)| *part).collect();
    let there: BTreeSet<&str> = parts.keys().map(String::as_str).collect();
    assert_eq!(
        there, known,
        "a part that is new or gone: say in MAY_USE what it may use"
    );
    let mut wrong = Vec::new();
    for (part, may) in MAY_USE {
        for file in &parts[*part] {
            for name in named(&code(file)) {
                let own = name.split("::").next() == Some(part);
                let allowed = may
                    .iter()
                    .any(|allowed| name == *allowed || name.starts_with(&format!("{allowed}::")));
                if !own && !allowed {
                    wrong.push(format!("{} names crate::{name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Without exceptions for what a step could ask the world: no clock, no file, no network.
#[test]
fn steps_have_no_clock_and_no_input_but_the_snapshot() {
    let parts = parts();
    let forbidden = [
        "std::fs",
        "std::net",
        "std::env",
        "std::time",
        "std::thread",
        "Timestamp::now",
        "Zoned::now",
        "SystemTime",
        "Instant",
        "reqwest",
        "tokio",
    ];
    for file in &parts["steps"] {
        let code = code(file);
        for word in forbidden {
            assert!(!code.contains(word), "{} has {word}", file.display());
        }
    }
}

#[test]
fn unsafe_stays_where_it_is_documented() {
    let mut seen = 0;
    for (part, files) in parts() {
        for file in files {
            let code = code(&file);
            let here = [
                "unsafe {",
                "unsafe fn",
                "unsafe impl",
                "unsafe extern",
                "unsafe trait",
                "unsafe(",
            ];
            let unsafe_here = here.iter().any(|form| code.contains(form));
            assert!(
                !unsafe_here || UNSAFE.contains(&part.as_str()),
                "{} has unsafe code",
                file.display()
            );
            seen += u32::from(unsafe_here);
        }
    }
    assert!(seen > 0, "the search finds nothing any more");
}

#[test]
fn the_search_sees_every_form() {
    let code = "use crate::a::b;\nuse crate::{c, d::{e, f}, g::h as i};\nlet x = crate::j::K::new();";
    let names: Vec<String> = named(code).into_iter().collect();
    assert_eq!(names, ["a::b", "c", "d", "g::h", "j::K::new"]);
}
