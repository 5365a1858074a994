//! The C programs of tests/c are compiled against the checked-in header and the library just built, and run.
#![cfg(unix)]

mod support;

use sspr_lab::{Lab, LabOptions};
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

/// Lets a program load the library that it was linked with: cargo names other folders first, with older ones.
fn own_library(command: &mut Command) -> &mut Command {
    command
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("DYLD_FALLBACK_LIBRARY_PATH")
}

/// Runs smoke; the library may print nothing, whatever happens in it.
fn smoke(command: &mut Command, rounds: u32, folder: &Path) -> Output {
    own_library(command);
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

/// Runs a program under valgrind; an error or a leak fails.
fn under_valgrind(folder: &Path, run: impl FnOnce(&mut Command) -> Output) -> Output {
    let log = folder.join("valgrind.log");
    let mut command = Command::new("valgrind");
    own_library(&mut command)
        // "Possibly lost" is what is known by a pointer into its middle, as Rust's own threads and counted pointers are:
        // they live as long as the process, so that only what nothing points to any more is a leak.
        .args([
            "--error-exitcode=99",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect",
        ])
        .args(["--show-leak-kinds=definite,indirect", "--num-callers=60"])
        .arg(format!("--log-file={}", log.display()));
    let output = run(&mut command);
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}\n{said}", output.status);
    output
}

#[test]
fn valgrind_finds_nothing() {
    if !(have("cc") && have("valgrind")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = compile("cc", "c11", "smoke", folder.path());
    under_valgrind(folder.path(), |command| {
        command.arg(program).args(["20".as_ref(), folder.path().as_os_str()]);
        if cfg!(debug_assertions) {
            command.env("SSPR_TEST_FAULTS", "1");
        }
        command.output().unwrap()
    });
}

/// The guide's program against a tenant: it signs in, checks, and shows the one screen.
#[test]
fn the_example_shows_a_tenants_screen() {
    if !(have("cc") && have("valgrind")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = compile("cc", "c99", "check", folder.path());
    let lab = Lab::start_blocking(LabOptions::scenario("hybrid-faulty")).unwrap();
    let tenant = lab.tenant(0);
    let environment = |command: &mut Command| {
        command
            .env("SSPR_TENANT", &tenant.tenant_id)
            .env("SSPR_CLIENT_ID", &tenant.client_id)
            .env("SSPR_CLIENT_SECRET", &tenant.client_secret)
            .env("SSPR_LOGIN", lab.url())
            .env("SSPR_GRAPH", lab.url());
    };
    let mut command = Command::new(&program);
    environment(own_library(&mut command));
    let output = command.output().unwrap();
    let (screen, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(errors, "");
    assert!(screen.contains("License") && screen.lines().count() > 2, "{screen}");
    assert!(!screen.contains("\\u") && !screen.contains("\\\""), "{screen}");

    under_valgrind(folder.path(), |command| {
        environment(command.arg(&program));
        command.output().unwrap()
    });
}

fn check(program: &Path) -> Command {
    let mut command = Command::new(program);
    own_library(&mut command)
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
