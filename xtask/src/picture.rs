//! Draws the readiness screen of the lab's faulty tenant, as it really prints, for the README, and takes pictures of the page
//! that is written of it.

use crate::browser::Browser;
use crate::{build, demo, report};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fmt::Write as _;
use std::process::Command;

const LINE: usize = 20;
const LETTER: f64 = 8.43;
const MARGIN: usize = 20;
const BAR: usize = 34;

/// So large a picture may be.
const LARGEST: u64 = 150 << 10;

/// Writes docs/screen.svg and docs/pictures.
pub fn run(profile: &str, scenario: &str) -> Result<()> {
    let readiness = demo::readiness(profile, scenario)?;
    let mut lines = vec!["PS> Test-SsprReadiness".to_string(), String::new()];
    lines.extend(demo::lines(&readiness)?);
    let file = build::root().join("docs/screen.svg");
    std::fs::write(&file, svg(&lines)).with_context(|| file.display().to_string())?;
    println!("{}", file.display());
    page(profile, &readiness)
}

/// Takes the pictures of the page of an answer.
fn page(profile: &str, readiness: &Value) -> Result<()> {
    let browser = match Browser::ready()? {
        Ok(browser) => browser,
        Err(install) => bail!("the pictures of the page need {install}"),
    };
    let (answer, page) = (browser.place.join("picture.json"), browser.place.join("picture.html"));
    std::fs::write(&answer, readiness.to_string())?;
    let written = Command::new(report::writer(profile)?)
        .arg(&answer)
        .arg(&page)
        .status()?;
    ensure!(written.success(), "the page could not be written");
    let folder = build::root().join("docs/pictures");
    std::fs::create_dir_all(&folder)?;
    let taken = browser.script("pictures.mjs", &[&page, &folder]).status()?;
    ensure!(taken.success(), "the pictures could not be taken");
    for picture in std::fs::read_dir(&folder)? {
        let picture = picture?;
        let size = picture.metadata()?.len();
        println!("{} ({size} B)", picture.path().display());
        ensure!(
            size <= LARGEST,
            "{} is larger than {LARGEST} B",
            picture.path().display()
        );
    }
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The colour of a line's first word.
fn colour(line: &str) -> Option<&'static str> {
    match line.get(..4)? {
        "FAIL" | "ERR " => Some("#ff7b72"),
        "WARN" => Some("#e3b341"),
        "pass" => Some("#7ee787"),
        "...." | "n/a " => Some("#8b949e"),
        _ => None,
    }
}

fn svg(lines: &[String]) -> String {
    let columns = lines.iter().map(|l| l.chars().count()).max().unwrap_or(80).max(80);
    let width = (columns as f64 * LETTER).ceil() as usize + 2 * MARGIN;
    let height = BAR + lines.len() * LINE + 2 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"Consolas, Menlo, 'DejaVu Sans Mono', monospace\" font-size=\"14\">\n\
         <title>The readiness screen</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    for (i, fill) in ["#ff5f57", "#febc2e", "#28c840"].iter().enumerate() {
        let _ = writeln!(
            out,
            "<circle cx=\"{}\" cy=\"18\" r=\"6\" fill=\"{fill}\"/>",
            20 + 20 * i
        );
    }
    for (i, line) in lines.iter().enumerate() {
        let y = BAR + MARGIN + LINE * i;
        let text = match colour(line) {
            Some(fill) => {
                format!(
                    "<tspan fill=\"{fill}\" font-weight=\"bold\">{}</tspan>{}",
                    escape(&line[..4]),
                    escape(&line[4..])
                )
            }
            None => escape(line),
        };
        let _ = writeln!(
            out,
            "<text x=\"{MARGIN}\" y=\"{y}\" fill=\"#e6edf3\" xml:space=\"preserve\">{text}</text>"
        );
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_words_are_coloured() {
        let picture = svg(&["FAIL  a <b> & c".into(), "plain".into()]);
        assert!(picture.contains("#ff7b72") && picture.contains("a &lt;b&gt; &amp; c"));
    }
}
