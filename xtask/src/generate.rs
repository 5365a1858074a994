//! Writes the files that follow from the library's source: the header, the C# declarations, and the failure catalogue.

mod csharp;
pub mod header;

use crate::build;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// The header, as checked in.
const HEADER: &str = "include/entra_sspr.h";
/// The declarations, as checked in.
const DECLARATIONS: &str = "powershell/native/EntraSspr.Native.cs";

/// Writes all.
pub fn run() -> Result<()> {
    let library = build::library("dev")?;
    let header = fs::read_to_string(&library.header).with_context(|| library.header.display().to_string())?;
    write(HEADER, &header)?;
    write(DECLARATIONS, &csharp::declarations(&header::read(&header)?)?)?;
    // The test that compares the catalogue's page with its table writes it when told to.
    let mut test = build::cargo();
    test.args([
        "test",
        "--quiet",
        "--lib",
        "--",
        "catalogue::",
        "desired::",
        "declarations::",
    ])
    .env("SSPR_WRITE", "1");
    ensure!(
        test.current_dir(build::root()).status()?.success(),
        "the catalogue could not be written"
    );
    Ok(())
}

fn write(name: &str, text: &str) -> Result<()> {
    let path = build::root().join(name);
    if fs::read_to_string(&path).is_ok_and(|old| old == text) {
        println!("{name} is up to date");
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    fs::write(&path, text)?;
    println!("{name} written");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image;
    use std::collections::BTreeSet;

    fn checked_in(name: &str) -> String {
        fs::read_to_string(build::root().join(name)).unwrap()
    }

    // Builds the library, so that one test stands for all that follows from its source.
    #[test]
    fn what_is_checked_in_is_what_the_source_says() {
        let library = build::library("dev").unwrap();
        let made = fs::read_to_string(&library.header).unwrap();
        assert_eq!(made, checked_in(HEADER), "run `cargo xtask generate`");
        let header = header::read(&made).unwrap();
        let declarations = csharp::declarations(&header).unwrap();
        assert_eq!(declarations, checked_in(DECLARATIONS), "run `cargo xtask generate`");

        let bytes = fs::read(&library.file).unwrap();
        let exported = image::exported(&bytes).unwrap();
        let declared: BTreeSet<String> = header.functions.iter().map(|f| f.name.clone()).collect();
        assert_eq!(exported, declared, "exported symbols against the header's prototypes");
    }
}
