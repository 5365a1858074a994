//! The fuzz targets as ordinary tests: over their seeds, and over many variations of each.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// A target's seeds: texts as they come in life, so that a variation of one gets past the first byte.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder("seeds").join(target)).expect("every target has seeds");
    let seeds: Vec<_> = files
        .map(|file| fs::read(file.expect("a file").path()).expect("a seed"))
        .collect();
    assert!(!seeds.is_empty(), "{target}");
    seeds
}

/// One change of a text.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Cut(Index, usize),
    Double(Index, usize),
    Insert(Index, &'static [u8]),
}

/// What readers stumble over.
const TOKENS: &[&[u8]] = &[
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"{}",
    b"[]",
    b"\"\"",
    b"\n",
    b"\r\n",
    b"=",
    b".",
    b" ",
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"\xe2\x80\xae",
    b"9999-12-31T23:59:59Z",
    b"-0001-01-01",
    b"\"a\":1,",
];

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (at(), 1usize..64).prop_map(|(at, length)| Edit::Cut(at, length)),
        (at(), 1usize..64).prop_map(|(at, length)| Edit::Double(at, length)),
        (at(), prop::sample::select(TOKENS)).prop_map(|(at, token)| Edit::Insert(at, token)),
    ]
}

fn varied(seed: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut text = seed.to_vec();
    for edit in edits {
        let length = text.len();
        let part = |at: &Index, size: usize| {
            let from = at.index(length + 1);
            from..(from + size).min(length)
        };
        match edit {
            Edit::Set(at, byte) if length > 0 => text[at.index(length)] = *byte,
            Edit::Set(..) => {}
            Edit::Cut(at, size) => drop(text.drain(part(at, *size))),
            Edit::Double(at, size) => {
                let range = part(at, *size);
                let again = text[range.clone()].to_vec();
                text.splice(range.end..range.end, again);
            }
            Edit::Insert(at, token) => {
                let at = part(at, 0).start;
                text.splice(at..at, token.iter().copied());
            }
        }
    }
    text
}

macro_rules! targets {
    ($($name:ident)*) => {
        const TARGETS: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            let seeds = seeds(stringify!($name));
            for seed in &seeds {
                targets::$name(seed);
            }
            let usual = ProptestConfig::default();
            let config = ProptestConfig { cases: usual.cases * 64, failure_persistence: None, ..usual };
            proptest!(config, |(seed in 0..seeds.len(), edits in prop::collection::vec(edit(), 1..12))| {
                targets::$name(&varied(&seeds[seed], &edits));
            });
        })*
    };
}

targets!(page snapshot requests token_claims challenge error_documents descriptor ldap_answers security_template policy_links);

#[test]
fn every_fuzz_target_is_among_them() {
    let names = |name: &str| -> BTreeSet<String> {
        let files = fs::read_dir(folder(name)).expect("a folder");
        let path = files.map(|file| file.expect("an entry").path());
        path.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
            .collect()
    };
    let ours: BTreeSet<String> = TARGETS.iter().map(|name| name.to_string()).collect();
    assert_eq!(names("fuzz_targets"), ours);
    assert_eq!(names("seeds"), ours);
}
