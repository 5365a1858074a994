//! The journal: a line of JSON before and after each change, on the disk before work goes on. From it a plan that was cut off
//! is resumed, and what was done is taken back.

use super::Plan;
use crate::error::{Error, Result};
use crate::file::{self, Lines};
use crate::json;
use crate::status::Status;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// It is about to be written.
    Begun,
    /// It is there.
    Done,
    /// It was not written, or is not there.
    Failed,
    /// It was refused, and certainly not written.
    Refused,
    /// It is about to be taken back.
    UndoBegun,
    /// It was taken back.
    Undone,
}

/// One line.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<Mark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Value>,
}

impl Line {
    fn of(id: &str, mark: Mark) -> Line {
        Line {
            at: Timestamp::now(),
            id: Some(id.into()),
            mark: Some(mark),
            ..Line::default()
        }
    }
}

/// What a journal knows of a change.
#[derive(Debug, Default)]
pub struct Known {
    /// How far it has come.
    pub mark: Option<Mark>,
    /// What was kept of how it was before it was made, beyond the plan's own words.
    pub made: Option<Value>,
    /// The same before it was taken back.
    pub undone: Option<Value>,
}

impl Known {
    /// Whether it is here that it was made, or may have been.
    pub fn is_ours(&self) -> bool {
        !matches!(self.mark, None | Some(Mark::Undone | Mark::Refused))
    }

    /// Whether it may have been cut off in the middle.
    pub fn is_open(&self) -> bool {
        self.is_ours() && self.mark != Some(Mark::Done)
    }

    fn take(&mut self, mark: Mark, kept: Option<Value>) {
        // What is begun once more may be half done: how it was before the first time counts.
        match mark {
            Mark::Begun if !self.is_open() || self.made.is_none() => self.made = kept,
            Mark::UndoBegun if self.mark == Some(Mark::Done) || self.undone.is_none() => self.undone = kept,
            _ => {}
        }
        self.mark = Some(mark);
    }
}

/// A journal that is written.
#[derive(Debug)]
pub struct Journal(Lines);

impl Journal {
    /// Begins one. There must be no file of that name.
    pub fn begin(path: &Path, plan: &Plan, account: Option<&str>) -> Result<Self> {
        let text = plan.to_value()?.to_string();
        let mut journal = Journal(Lines::begin(path, false)?);
        journal.line(Line {
            at: Timestamp::now(),
            plan: Some(text),
            account: account.map(Into::into),
            ..Line::default()
        })?;
        Ok(journal)
    }

    /// The plan of one, which is left as it is: until what the plan writes to is locked, another run may be writing it.
    pub fn plan(path: &Path) -> Result<Plan> {
        read(path).map(|(_, plan, _)| plan)
    }

    /// Reads one, and goes on with it. A last line that a crash cut off counts for nothing, and goes.
    pub fn open(path: &Path) -> Result<(Self, BTreeMap<String, Known>)> {
        let (bytes, _, known) = read(path)?;
        Ok((Journal(Lines::go_on(path, Lines::whole(&bytes))?), known))
    }

    /// Marks a change.
    pub fn mark(&mut self, id: &str, mark: Mark, message: Option<&str>) -> Result<()> {
        let message = message.map(Into::into);
        self.line(Line {
            message,
            ..Line::of(id, mark)
        })
    }

    /// Marks one that begins, with what is to be known of how it was.
    pub fn begun(&mut self, id: &str, mark: Mark, kept: Option<Value>) -> Result<()> {
        self.line(Line {
            kept,
            ..Line::of(id, mark)
        })
    }

    fn line(&mut self, line: Line) -> Result<()> {
        let text = serde_json::to_string(&line).map_err(|e| Error::new(Status::Internal, "a line").caused_by(&e))?;
        self.0.append(&text)
    }
}

/// The bytes of a journal, and what they tell.
fn read(path: &Path) -> Result<(Vec<u8>, Plan, BTreeMap<String, Known>)> {
    let name = path.display().to_string();
    let damaged = || Error::new(Status::PlanInvalid, format!("{name} is not a journal")).target(name.clone());
    let bytes = file::read(path)?;
    let whole = Lines::whole(&bytes);
    if whole.is_empty() && (bytes.is_empty() || bytes.starts_with(b"{\"at\":\"")) {
        let what = "was cut off in its first line, which comes before any change: nothing was changed";
        return Err(Error::new(Status::PlanInvalid, format!("the journal {name} {what}"))
            .target(name.clone())
            .help("Remove the file, and apply the plan again."));
    }
    let (mut plan, mut known) = (None, BTreeMap::<String, Known>::new());
    for text in whole.split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
        let line: Line = json::read(text).map_err(|e| damaged().caused_by(&e))?;
        if let Some(text) = line.plan {
            plan = Some(Plan::from_json(&text)?);
        }
        if let (Some(id), Some(mark)) = (line.id, line.mark) {
            known.entry(id).or_default().take(mark, line.kept);
        }
    }
    let plan = plan.ok_or_else(damaged)?;
    Ok((bytes, plan, known))
}
