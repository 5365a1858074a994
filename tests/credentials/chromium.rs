//! The browser's sign-in once in a real browser: Chromium, headless, with a profile of its own.

use crate::common::{assert_clean, config, open};
use crate::drive::{reply, sign_in};
use serde_json::json;
use sspr_lab::{Lab, LabOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A Chromium on PATH.
fn chromium() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&folders)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.is_file())
}

/// A browser that ends with its test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_person_signs_in_through_a_real_browser() {
    let Some(program) = chromium() else {
        let all = std::env::var_os("SSPR_TEST_ALL").is_some_and(|value| value == "1");
        assert!(!all, "Chromium is missing: install Debian's package chromium");
        eprintln!("not run: there is no Chromium on PATH");
        return;
    };
    let lab = Lab::start_blocking(LabOptions::scenario("cloud-only-ready")).expect("the lab starts");
    let mut config = config(&lab, 0);
    config["hostActions"] = json!(["openBrowser"]);
    config["interactive"] = json!(true);
    let session = open(&config);
    let profile = tempfile::tempdir().expect("a folder");
    let mut browser = None;
    let run = sign_in(&session, json!({"method": "browser"}), &mut |task, event| {
        if event["event"] == "hostAction" {
            assert_eq!(event["action"], "openBrowser");
            let url = event["arguments"]["url"].as_str().expect("an address");
            let child = Command::new(&program)
                .args([
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--no-first-run",
                    "--disable-sync",
                ])
                .args([
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-extensions",
                ])
                // Without it headless Chromium would leave as soon as the first page is there.
                .arg("--remote-debugging-port=0")
                .arg(format!("--user-data-dir={}", profile.path().display()))
                .arg(url)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("Chromium starts");
            browser = Some(Browser(child));
            reply(task, event, json!(true));
        }
    });
    let identity = run.good();
    assert_eq!(
        (&identity["delegated"], &identity["method"]),
        (&json!(true), &json!("browser"))
    );
    assert_clean(&lab);
}
