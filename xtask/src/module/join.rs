//! The module's many script files as two: what an import reads, and what the first call of a function reads.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// The script with what the exported functions do, and with all functions that are not exported.
pub const HIDDEN: &str = "EntraSspr.Private.ps1";

/// What the module's script begins with.
const STRICT: &str = "Set-StrictMode -Version 3.0\n";

/// Reads the second script, which puts an empty function in the place of this one.
const READ: &str = "Read-SsprCode";

/// Puts the text of the module's files into two: what users see of the functions (help and parameters) into the script that
/// an import reads, and the rest into one that is read when the first of them is called: reading it all is most of what an
/// import would cost.
pub fn join(module: &Path) -> Result<()> {
    let file = module.join("EntraSspr.psm1");
    let script = fs::read_to_string(&file)?;
    let (before, rest) = script
        .split_once("#region Files\n")
        .context("EntraSspr.psm1 has no region Files")?;
    // Strict mode finds mistakes while the sources are worked on and tested; here it would cost every import milliseconds.
    let before = before.replace(STRICT, "");
    let (_, after) = rest
        .split_once("#endregion\n")
        .context("EntraSspr.psm1: the region has no end")?;
    let mut hidden = String::new();
    for (_, text) in taken(&module.join("Private"))? {
        hidden.push_str(&in_module(&text));
    }
    let mut shown = format!(
        "# What the functions do stands in a file that the first of them to be called reads.\n\
         function {READ} {{ . ([System.IO.Path]::Combine($PSScriptRoot, '{HIDDEN}')) }}\n\n"
    );
    for (name, text) in taken(&module.join("Public"))? {
        let function = Function::read(&name, &text).with_context(|| format!("Public/{name}.ps1"))?;
        shown.push_str(&function.shown());
        hidden.push_str(&function.hidden());
    }
    let unknown = hidden
        .lines()
        .filter_map(|line| line.strip_prefix("function script:")?.split(' ').next())
        .find(|name| !name.contains('.') && names(&shown, name));
    if let Some(name) = unknown {
        bail!("parameters or help in Public name {name}, which is not there before a function was called");
    }
    // Last, so that a reading that was interrupted is done again.
    hidden.push_str(&format!("function script:{READ} {{ }}\n"));
    fs::write(module.join(HIDDEN), hidden)?;
    Ok(fs::write(&file, format!("{before}{shown}{after}"))?)
}

/// The texts of a folder's files, by name; the folder is then no more.
fn taken(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().context("a file has a name")?.to_string_lossy();
        files.push((name.into_owned(), fs::read_to_string(&path)?));
    }
    files.sort();
    fs::remove_dir_all(folder)?;
    Ok(files)
}

/// Functions that come into the module's own scope, wherever their text is read from.
fn in_module(text: &str) -> String {
    let mut made = String::new();
    for line in text.lines() {
        match line.strip_prefix("function ") {
            Some(rest) => made.push_str(&format!("function script:{rest}\n")),
            None => made.push_str(&format!("{line}\n")),
        }
    }
    made.push('\n');
    made
}

/// Whether a text names a function.
fn names(text: &str, function: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.match_indices(function)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + function.len()..].starts_with(part))
}

/// An exported function, taken apart.
struct Function<'a> {
    name: &'a str,
    /// From its first line to the end of its parameters.
    head: Vec<&'a str>,
    /// What it does, by `begin`, `process` and `end`.
    blocks: Vec<(&'a str, String)>,
    /// Whether these are written out: without, all of it is the end.
    written: bool,
    /// What else stands in the file.
    rest: String,
}

impl<'a> Function<'a> {
    /// Reads one that is written as all are: four spaces for each level, `param` and each block at the first of them. What is
    /// written otherwise is an error, for it would be taken apart in the wrong place.
    fn read(name: &'a str, text: &'a str) -> Result<Self> {
        let lines: Vec<&str> = text.lines().collect();
        if lines.first() != Some(&format!("function {name} {{").as_str()) {
            bail!("it does not begin with the function");
        }
        let end = lines.iter().position(|line| *line == "}");
        let end = end.context("the function has no end at the margin")?;
        let indented = |lines: &[&str], by: &str| lines.iter().all(|line| line.is_empty() || line.starts_with(by));
        if !indented(&lines[1..end], "    ") {
            bail!("a line of the function stands at the margin");
        }
        let help = lines[..end].iter().position(|line| *line == "    #>").unwrap_or(0);
        let is_param = |line: &&str| line.starts_with("    param(");
        let param = lines[help..end].iter().position(is_param).context("it has no param")? + help;
        if !lines[help..param]
            .iter()
            .any(|line| line.starts_with("    [CmdletBinding("))
        {
            bail!("it has no CmdletBinding");
        }
        let closed = match lines[param] {
            "    param(" => lines[param..end].iter().position(|line| *line == "    )"),
            _ => lines[param].ends_with(')').then_some(0),
        };
        let begun = param + closed.context("param has no end")? + 1;
        let mut function = Function {
            name,
            head: lines[..begun].to_vec(),
            blocks: Vec::new(),
            written: true,
            rest: in_module(&lines[end + 1..].join("\n")),
        };
        let mut body = &lines[begun..end];
        while let [line, after @ ..] = body {
            let kind = line.trim_start().split(' ').next().unwrap_or_default();
            body = match (kind, *line) {
                ("", _) => after,
                ("begin" | "process" | "end", _) => function.block(kind, line, after, indented)?,
                ("dynamicparam" | "clean", _) => bail!("{kind} is not provided for"),
                _ if function.blocks.is_empty() => {
                    function.written = false;
                    function.blocks.push(("end", body.join("\n")));
                    &[]
                }
                _ => bail!("{line:?} stands between the blocks"),
            };
        }
        for (_, text) in &mut function.blocks {
            *text = from_outside(text)?;
        }
        Ok(function)
    }

    /// Takes a block, and gives the lines after it.
    fn block<'b>(
        &mut self,
        kind: &'a str,
        first: &'a str,
        after: &'b [&'a str],
        indented: impl Fn(&[&str], &str) -> bool,
    ) -> Result<&'b [&'a str]> {
        let rest = first.strip_prefix("    ").and_then(|line| line.strip_prefix(kind));
        let rest = rest.and_then(|line| line.strip_prefix(" {"));
        let rest = rest.with_context(|| format!("{first:?} begins no block"))?;
        if let Some(line) = rest.strip_suffix('}') {
            self.blocks.push((kind, format!("       {line}")));
            return Ok(after);
        }
        let end = after.iter().position(|line| *line == "    }");
        let end = end.with_context(|| format!("{kind} has no end"))?;
        if !rest.is_empty() || !indented(&after[..end], "        ") {
            bail!("{kind}: a line stands too far to the left");
        }
        self.blocks.push((kind, after[..end].join("\n")));
        Ok(&after[end + 1..])
    }

    /// What an import reads: each block calls, in this function's own scope, what it does.
    fn shown(&self) -> String {
        let mut text = self.head.join("\n") + "\n";
        for (kind, _) in &self.blocks {
            let call = format!(". {READ}; . {}.{kind}", self.name);
            text.push_str(&match self.written {
                true => format!("    {kind} {{ {call} }}\n"),
                false => format!("    {call}\n"),
            });
        }
        text + "}\n\n"
    }

    fn hidden(&self) -> String {
        let name = self.name;
        let functions = self
            .blocks
            .iter()
            .map(|(kind, text)| format!("function script:{name}.{kind} {{\n{text}\n}}\n\n"));
        functions.chain([self.rest.clone()]).collect()
    }
}

/// A block's text as it stands in a function of its own, which has other values for some of PowerShell's own variables.
fn from_outside(text: &str) -> Result<String> {
    let text = text.replace("$PSBoundParameters", "$PSCmdlet.MyInvocation.BoundParameters");
    let small = text.to_lowercase();
    for variable in ["$args", "$input", "$myinvocation", "psboundparameters"] {
        if names(&small, variable) {
            bail!("{variable} is another one in the package: use $PSCmdlet.MyInvocation or a variable of its own");
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(body: &str) -> String {
        format!(
            "function Get-Some {{\n    <#\n    .SYNOPSIS\n    param(\n    #>\n    [CmdletBinding()]\n    param(\n        [int] $Of\n    )\n{body}}}\n"
        )
    }

    fn read(body: &str) -> (String, String) {
        let text = function(body);
        let function = Function::read("Get-Some", &text).unwrap();
        (function.shown(), function.hidden())
    }

    #[test]
    fn what_a_function_does_is_called_in_its_own_scope() {
        let (shown, hidden) = read(
            "\n    begin {\n        $a = 1\n    }\n    process { $a }\n    end {\n        if ($a) {\n            return\n        }\n    }\n",
        );
        assert!(
            shown.ends_with(
                "        [int] $Of\n    )\n    begin { . Read-SsprCode; . Get-Some.begin }\n    \
                 process { . Read-SsprCode; . Get-Some.process }\n    end { . Read-SsprCode; . Get-Some.end }\n}\n\n"
            ),
            "{shown}"
        );
        assert_eq!(
            hidden.trim_end(),
            "function script:Get-Some.begin {\n        $a = 1\n}\n\nfunction script:Get-Some.process {\n        $a \n}\n\n\
             function script:Get-Some.end {\n        if ($a) {\n            return\n        }\n}"
        );
        let (shown, hidden) = read("\n    # All of it.\n    if ($PSBoundParameters.ContainsKey('Of')) { $Of }\n");
        assert!(
            shown.ends_with("    )\n    . Read-SsprCode; . Get-Some.end\n}\n\n"),
            "{shown}"
        );
        assert!(
            hidden.contains("if ($PSCmdlet.MyInvocation.BoundParameters.ContainsKey('Of')) { $Of }\n}"),
            "{hidden}"
        );
        let text = format!("{}\nfunction Get-Other {{\n    1\n}}\n", function("    2\n"));
        let hidden = Function::read("Get-Some", &text).unwrap().hidden();
        assert!(hidden.contains("\nfunction script:Get-Other {\n    1\n}\n"), "{hidden}");
    }

    #[test]
    fn what_is_written_otherwise_is_not_guessed_at() {
        for body in [
            "    begin {\n        1\n    }\n    2\n",
            "    begin {\n        1\n",
            "    begin {\n    1\n    }\n",
            "    begin\n    {\n        1\n    }\n",
            "    process { if ($Of) {\n        1 }\n    }\n",
            "    dynamicparam {\n        1\n    }\n",
            "    $text = @'\nat the margin\n'@\n",
            "    $args[0]\n",
            "    Get-Other @PSBoundParameters\n",
            "    $MyInvocation.MyCommand\n",
        ] {
            assert!(Function::read("Get-Some", &function(body)).is_err(), "{body}");
        }
        read("    $PSCmdlet.MyInvocation.Line; $InputObject\n");
        let text = function("    1\n");
        assert!(Function::read("Get-Other", &text).is_err());
        assert!(Function::read("Get-Some", &text.replace("    [CmdletBinding()]\n", "")).is_err());
    }

    #[test]
    fn a_function_is_named_by_its_whole_name() {
        assert!(names("{ Get-Some | x }", "Get-Some"));
        assert!(!names("Get-SomeMore, Other-Get-Some", "Get-Some"));
    }
}
