//! The C programs of tests/c are compiled against the checked-in header and the library just built, and run.
#![cfg(unix)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const STRICT: &[&str] = &["-Wall", "-Wextra", "-Werror", "-pedantic", "-g"];

/// Whether a tool is here. Where everything must be tested, it has to be.
fn have(tool: &str) -> bool {
    let here = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !here {
        let text = format!("not tested: {tool} is not installed");
        assert!(std::env::var_os("SSPR_TEST_ALL").is_none(), "{text}");
        eprintln!("{text}");
    }
    here
}

/// The table of functions that smoke.c goes through, from the header.
fn write_starters(folder: &Path) {
    let list = |name: &str, functions: Vec<String>| {
        let entries: String = functions.iter().map(|f| format!(" X({f})")).collect();
        format!("#define {name}(X){entries}\n")
    };
    let text =
        list("SESSION_STARTERS", support::session_starters()) + &list("OFFLINE_STARTERS", support::offline_starters());
    std::fs::write(folder.join("starters.h"), text).unwrap();
}

fn compile(compiler: &str, standard: &str, program: &str, folder: &Path) -> PathBuf {
    write_starters(folder);
    let language = if standard.starts_with("c++") { "c++" } else { "c" };
    let out = folder.join(format!("{program}-{standard}"));
    let libraries = support::build_folder();
    let output = Command::new(compiler)
        .arg(format!("-std={standard}"))
        .args(STRICT)
        .args(["-x", language])
        .arg(support::root().join(format!("tests/c/{program}.c")))
        .arg("-I")
        .arg(support::root().join("include"))
        .arg("-I")
        .arg(folder)
        .args(["-x", "none", "-L"])
        .arg(&libraries)
        .arg("-lentra_sspr")
        .arg(format!("-Wl,-rpath,{}", libraries.display()))
        .arg("-o")
        .arg(&out)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{compiler} -std={standard} {program}.c:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    out
}

/// Runs smoke; the library may print nothing, whatever happens in it.
fn smoke(command: &mut Command, rounds: u32, folder: &Path) -> Output {
    if cfg!(debug_assertions) {
        command.env("SSPR_TEST_FAULTS", "1");
    }
    let output = command.arg(rounds.to_string()).arg(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "smoke: {}\n{text}", output.status);
    assert_eq!(text, "", "the library printed");
    output
}

#[test]
fn the_c_interface_holds_in_every_c() {
    if !(have("cc") && have("g++")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (compiler, standard) in [("cc", "c99"), ("cc", "c11"), ("cc", "c17"), ("g++", "c++17")] {
        let program = compile(compiler, standard, "smoke", folder.path());
        smoke(&mut Command::new(program), 20, folder.path());
    }
}

#[test]
fn ten_thousand_sessions_and_tasks_leave_nothing() {
    if !have("cc") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = compile("cc", "c11", "smoke", folder.path());
    let output = smoke(&mut Command::new(program), 10_000, folder.path());
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn valgrind_finds_nothing() {
    if !(have("cc") && have("valgrind")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = compile("cc", "c11", "smoke", folder.path());
    let log = folder.path().join("valgrind.log");
    let mut command = Command::new("valgrind");
    command
        .args([
            "--error-exitcode=99",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,possible",
        ])
        .args([
            "--show-leak-kinds=definite,possible",
            "--num-callers=40",
            "--gen-suppressions=all",
        ])
        .arg(format!(
            "--suppressions={}",
            support::root().join("tests/c/valgrind.supp").display()
        ))
        .arg(format!("--log-file={}", log.display()))
        .arg(program)
        .args(["20".as_ref(), folder.path().as_os_str()]);
    if cfg!(debug_assertions) {
        command.env("SSPR_TEST_FAULTS", "1");
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
        std::fs::read_to_string(log).unwrap_or_default()
    );
}

fn check(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("SSPR_TENANT", "contoso.example")
        .env("SSPR_CLIENT_ID", "11111111-1111-1111-1111-111111111111")
        .env("SSPR_CLIENT_SECRET", "canary-of-a-secret");
    command
}

/// The guide's program, where the service cannot be reached: it says so, and tells no secret.
#[test]
fn the_example_tells_what_failed() {
    if !(have("cc") && have("g++")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    compile("g++", "c++17", "check", folder.path());
    let program = compile("cc", "c99", "check", folder.path());
    let output = Command::new(&program).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SSPR_TENANT"));

    let started = Instant::now();
    let output = check(&program)
        .env("SSPR_LOGIN", "http://example.com")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("sspr_session_open: status 100"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(60));
}
