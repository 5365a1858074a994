//! Reads our own header: its prototypes and its status codes. Anything that it does not know is an error.

use anyhow::{Context, Result, bail};

/// What the header declares.
#[derive(Debug, PartialEq)]
pub struct Header {
    /// The version of the interface.
    pub abi_version: u32,
    /// The functions, in order.
    pub functions: Vec<Function>,
    /// The status codes, in order.
    pub statuses: Vec<(String, i32)>,
}

/// A prototype.
#[derive(Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it returns.
    pub returns: Type,
    /// Its parameters.
    pub parameters: Vec<(String, Type)>,
}

/// The few types of the interface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Type {
    /// `void`.
    Nothing,
    /// `int32_t`, a status.
    Status,
    /// `uint32_t`.
    UInt32,
    /// `uint64_t`, a handle.
    Handle,
    /// `const char *`: the caller's text, or a static one.
    Text,
    /// `char *`: a text of ours.
    OwnText,
    /// `const uint8_t *`.
    Bytes,
    /// `uint64_t *`.
    OutHandle,
    /// `char **`.
    OutText,
}

impl Type {
    fn of(text: &str) -> Result<Self> {
        let normal: String = text
            .replace('*', " * ")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        Ok(match normal.as_str() {
            "void" => Type::Nothing,
            "int32_t" => Type::Status,
            "uint32_t" => Type::UInt32,
            "uint64_t" => Type::Handle,
            "const char *" => Type::Text,
            "char *" => Type::OwnText,
            "const uint8_t *" => Type::Bytes,
            "uint64_t *" => Type::OutHandle,
            "char * *" => Type::OutText,
            other => bail!("the C interface has no type '{other}'"),
        })
    }
}

/// Reads the header's text.
pub fn read(text: &str) -> Result<Header> {
    let code = without_comments(text);
    let statuses = statuses(&code)?;
    let mut functions = Vec::new();
    for declaration in code.split(';') {
        let declaration = declaration.split('}').next_back().unwrap_or_default();
        let declaration: Vec<&str> = declaration
            .lines()
            .filter(|line| !line.trim_start().starts_with('#') && !line.contains('{'))
            .flat_map(str::split_whitespace)
            .collect();
        let declaration = declaration.join(" ");
        if let Some((head, rest)) = declaration.split_once('(') {
            functions.push(prototype(head, rest).with_context(|| declaration.clone())?);
        }
    }
    if functions.is_empty() {
        bail!("the header declares no function");
    }
    let abi_version = code
        .lines()
        .find_map(|line| line.strip_prefix("#define SSPR_ABI_VERSION "))
        .context("the header has no SSPR_ABI_VERSION")?;
    Ok(Header {
        abi_version: abi_version.trim().parse()?,
        functions,
        statuses,
    })
}

fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        code.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn statuses(code: &str) -> Result<Vec<(String, i32)>> {
    let (_, rest) = code.split_once("enum sspr_status {").context("no enum sspr_status")?;
    let (body, _) = rest.split_once('}').context("the enum has no end")?;
    body.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let (name, value) = entry.split_once('=').with_context(|| entry.to_string())?;
            Ok((name.trim().to_string(), value.trim().parse()?))
        })
        .collect()
}

fn prototype(head: &str, rest: &str) -> Result<Function> {
    let (returns, name) = named(head)?;
    let list = rest.strip_suffix(')').context("no closing bracket")?;
    let parameters = list
        .split(',')
        .map(str::trim)
        .filter(|parameter| !parameter.is_empty() && *parameter != "void")
        .map(|parameter| named(parameter).map(|(kind, name)| (name, kind)))
        .collect::<Result<_>>()?;
    Ok(Function {
        name,
        returns,
        parameters,
    })
}

/// Splits `const char *name`.
fn named(text: &str) -> Result<(Type, String)> {
    let text = text.trim();
    let start = text
        .rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .map_or(0, |at| at + 1);
    Ok((Type::of(&text[..start])?, text[start..].to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prototypes_and_codes_are_read_and_new_types_are_refused() {
        let text = "/* a(b); */\n#include <stdint.h>\n#define SSPR_ABI_VERSION 3\nenum sspr_status {\n // Ok: fine, really\n A = 0,\n B = 7,\n};\n\
                    #ifdef __cplusplus\nextern \"C\" {\n#endif\n// says (things);\nint32_t f(uint64_t s,\n const char *j, uint64_t *o, char **e);\n\
                    uint32_t g(void);\n#ifdef __cplusplus\n}\n#endif\n";
        let header = read(text).unwrap();
        assert_eq!(header.statuses, [("A".to_string(), 0), ("B".to_string(), 7)]);
        assert_eq!(header.abi_version, 3);
        assert_eq!(header.functions.len(), 2);
        assert_eq!(header.functions[0].name, "f");
        let kinds: Vec<Type> = header.functions[0].parameters.iter().map(|(_, kind)| *kind).collect();
        assert_eq!(kinds, [Type::Handle, Type::Text, Type::OutHandle, Type::OutText]);
        assert_eq!(header.functions[1].returns, Type::UInt32);
        assert!(read(&text.replace("uint64_t s", "size_t s")).is_err());
    }
}
