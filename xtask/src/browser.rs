//! A browser for the report's page, and what drives it.

use crate::{build, machine};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The browser and its driver, in a folder of their own.
pub struct Browser {
    chromium: PathBuf,
    node: PathBuf,
    /// Where the scripts run, and what they make may be put.
    pub place: PathBuf,
}

impl Browser {
    /// Makes it ready, or says what there is to install.
    pub fn ready() -> Result<std::result::Result<Self, String>> {
        let mut programs = Vec::new();
        for (program, package) in [("chromium", "chromium"), ("node", "nodejs"), ("npm", "npm")] {
            match machine::need(program, package) {
                Ok(found) => programs.push(found),
                Err(error) => return Ok(Err(format!("{package} ({error:#})"))),
            }
        }
        let place = build::target()?.join("browser");
        std::fs::create_dir_all(&place)?;
        let sources = build::root().join("xtask/browser");
        for name in ["package.json", "report.mjs", "pictures.mjs"] {
            std::fs::copy(sources.join(name), place.join(name))?;
        }
        let npm = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"];
        let mut install = Command::new(&programs[2]);
        install.args(npm).current_dir(&place);
        install.stdin(Stdio::null()).stdout(Stdio::null());
        if !install.status().is_ok_and(|status| status.success()) {
            return Ok(Err("the packages axe-core and puppeteer-core from npm".into()));
        }
        let [chromium, node, _] = <[PathBuf; 3]>::try_from(programs).unwrap_or_default();
        Ok(Ok(Browser { chromium, node, place }))
    }

    /// One of its scripts, with arguments behind the browser's.
    pub fn script(&self, name: &str, arguments: &[&Path]) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(name).arg(&self.chromium).args(arguments);
        command.current_dir(&self.place);
        command
    }
}
