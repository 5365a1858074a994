//! JSON rows of many users that differ in id and number only: rendered from a template, without building a value for each.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::directory::User;
use crate::guid;

/// Stands for the user's id inside a template value.
pub(crate) const ID: char = '\u{e000}';
/// Stands for the user's number within its population.
pub(crate) const NUMBER: char = '\u{e001}';
/// Stands for the user's immutable id (base64 of the id's bytes).
pub(crate) const IMMUTABLE: char = '\u{e002}';

#[derive(Debug, Clone)]
enum Piece {
    Text(Vec<u8>),
    Id,
    Number,
    Immutable,
}

/// A row with holes.
#[derive(Debug, Clone)]
pub(crate) struct Template(Vec<Piece>);

/// Members that the service writes first, in this order, and last; the others stand between them.
const FIRST: &[&str] = &["id", "userPrincipalName", "userDisplayName", "userType"];
const LAST: &str = "lastUpdatedDateTime";

/// A value's text with its members in the service's order, where the value's own is that of the alphabet.
fn text_of(value: &Value) -> String {
    let Value::Object(members) = value else {
        return value.to_string();
    };
    let place = |name: &str| match FIRST.iter().position(|first| *first == name) {
        Some(place) => place,
        None => FIRST.len() + usize::from(name == LAST),
    };
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| place(name));
    let members: Vec<String> = members
        .into_iter()
        .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
        .collect();
    format!("{{{}}}", members.join(","))
}

impl Template {
    pub fn new(value: &Value) -> Self {
        let mut pieces = Vec::new();
        let mut text = String::new();
        for c in text_of(value).chars() {
            let hole = match c {
                ID => Piece::Id,
                NUMBER => Piece::Number,
                IMMUTABLE => Piece::Immutable,
                other => {
                    text.push(other);
                    continue;
                }
            };
            pieces.push(Piece::Text(std::mem::take(&mut text).into_bytes()));
            pieces.push(hole);
        }
        pieces.push(Piece::Text(text.into_bytes()));
        Template(pieces)
    }

    pub fn render(&self, user: &User, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Id => {
                    let mut id = [0u8; 36];
                    guid::write_text(user.id, &mut id);
                    out.extend_from_slice(&id);
                }
                Piece::Number => out.extend_from_slice(user.number.to_string().as_bytes()),
                Piece::Immutable => out.extend_from_slice(BASE64_STANDARD.encode(user.id.to_be_bytes()).as_bytes()),
            }
        }
    }

    /// The row as a value.
    pub fn value(&self, user: &User) -> Value {
        let mut out = Vec::new();
        self.render(user, &mut out);
        serde_json::from_slice(&out).unwrap_or(Value::Null)
    }

    /// The row as text, without the quotes of a JSON string.
    pub fn string(&self, user: &User) -> String {
        match self.value(user) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}
