//! What several tests share: where the library under test lies, and what its header declares.
#![allow(dead_code)] // each test uses a part

use std::path::{Path, PathBuf};

/// The header that the library's build made.
pub const BUILT_HEADER: &str = include_str!(concat!(env!("OUT_DIR"), "/entra_sspr.h"));

/// One declared function.
#[derive(Debug, Clone, PartialEq)]
pub struct Prototype {
    pub name: String,
    /// Its parameters' types, with single spaces.
    pub parameters: Vec<String>,
}

/// Every function that the header declares.
pub fn prototypes() -> Vec<Prototype> {
    let code: String = BUILT_HEADER
        .lines()
        .filter(|line| !line.trim_start().starts_with(['/', '*', '#']))
        .collect::<Vec<_>>()
        .join(" ");
    code.split(';')
        .filter_map(|declaration| {
            let start = declaration.find("sspr_")?;
            let (name, rest) = declaration[start..].split_once('(')?;
            let parameters = rest.rsplit_once(')')?.0;
            let parameters = parameters.split(',').map(str::trim).filter(|p| *p != "void");
            Some(Prototype {
                name: name.to_string(),
                parameters: parameters.map(type_of).collect(),
            })
        })
        .collect()
}

/// A parameter without its name.
fn type_of(parameter: &str) -> String {
    let words = parameter.split_whitespace().collect::<Vec<_>>().join(" ");
    let name_at = words.rfind([' ', '*']).map_or(0, |at| at + 1);
    words[..name_at].trim().to_string()
}

/// The functions that start a task in a session: the sign-in and the checks.
pub fn session_starters() -> Vec<String> {
    starters(&["uint64_t", "const char *", "uint64_t *", "char **"])
}

/// The functions that start a task without a session.
pub fn offline_starters() -> Vec<String> {
    starters(&["const char *", "uint64_t *", "char **"])
}

fn starters(parameters: &[&str]) -> Vec<String> {
    let found = prototypes().into_iter().filter(|p| p.parameters == parameters);
    let names = found.map(|p| p.name).filter(|name| name != "sspr_session_open");
    let names: Vec<String> = names.collect();
    assert!(!names.is_empty(), "no function has the parameters {parameters:?}");
    names
}

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the test that runs lies, and beside it the library that was built with it.
pub fn build_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    test.parent().expect("a file is in a folder").to_path_buf()
}

/// The library under test.
pub fn library() -> PathBuf {
    let name = format!(
        "{}entra_sspr{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );
    build_folder().join(name)
}
