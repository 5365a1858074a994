//! `$filter`: reading the expressions that the lab knows, and applying them.

mod parse;

use jiff::Timestamp;
use serde_json::Value;

use super::error::GraphError;
use crate::contract::{Version, contract};

pub(crate) use parse::parse;

/// A filter expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    /// `path op literal`
    Compare(String, String, Literal),
    /// `startswith(path, 'text')` and its kin
    Function(String, String, String),
    /// `path/any(x:...)`
    Any(String, String, Box<Expr>),
}

/// A literal value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Guid(String),
    Time(Timestamp),
}

/// One property that a path lets filter by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub path: &'static str,
    /// Operators and functions, separated by blanks.
    pub operators: &'static str,
    /// Operators that need the advanced query parameters.
    pub advanced: &'static str,
}

/// What a path lets filter by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub kind: &'static str,
    pub properties: &'static [Rule],
    pub or: bool,
    /// `not` with the advanced query parameters.
    pub not: bool,
}

fn bad(message: impl std::fmt::Display) -> GraphError {
    GraphError::bad_request(format!("Invalid filter clause: {message}"))
}

impl Expr {
    /// Refuses what the rules do not allow; true when the filter needs the advanced query parameters.
    pub fn check(&self, rules: &Rules) -> Result<bool, GraphError> {
        self.walk(rules, &[])
    }

    fn walk(&self, rules: &Rules, scope: &[(String, String)]) -> Result<bool, GraphError> {
        match self {
            Expr::And(left, right) => Ok(left.walk(rules, scope)? | right.walk(rules, scope)?),
            Expr::Or(left, right) if rules.or => Ok(left.walk(rules, scope)? | right.walk(rules, scope)?),
            Expr::Or(..) => Err(GraphError::unsupported_query(
                "'or' is not supported in the filter of this request.",
            )),
            Expr::Not(inner) if rules.not => inner.walk(rules, scope).map(|_| true),
            Expr::Not(_) => Err(GraphError::unsupported_query(
                "'not' is not supported in the filter of this request.",
            )),
            Expr::Compare(path, operator, literal) => {
                let path = full(path, scope);
                literal_fits(rules.kind, &path, literal)?;
                allowed(rules, &path, operator)
            }
            Expr::Function(function, path, _) => allowed(rules, &full(path, scope), function),
            Expr::Any(path, variable, inner) => {
                let path = full(path, scope);
                let mut scope = scope.to_vec();
                scope.push((variable.clone(), format!("{path}/any")));
                inner.walk(rules, &scope)
            }
        }
    }

    /// True when the filter speaks of a property that differs within a population of users.
    pub fn mentions(&self, names: &[&str]) -> bool {
        match self {
            Expr::And(left, right) | Expr::Or(left, right) => left.mentions(names) || right.mentions(names),
            Expr::Not(inner) => inner.mentions(names),
            // What differs is the value; whether there is one does not.
            Expr::Compare(_, _, Literal::Null) => false,
            Expr::Compare(path, ..) | Expr::Function(_, path, _) => names.contains(&path.as_str()),
            Expr::Any(..) => false,
        }
    }

    /// Applies the filter to an object.
    pub fn matches(&self, value: &Value) -> bool {
        self.eval(value, &[])
    }

    fn eval(&self, root: &Value, scope: &[(&str, &Value)]) -> bool {
        match self {
            Expr::And(left, right) => left.eval(root, scope) && right.eval(root, scope),
            Expr::Or(left, right) => left.eval(root, scope) || right.eval(root, scope),
            Expr::Not(inner) => !inner.eval(root, scope),
            Expr::Compare(path, operator, literal) => compare(lookup(path, root, scope), operator, literal),
            Expr::Function(function, path, text) => {
                let value = lookup(path, root, scope).as_str().unwrap_or_default().to_lowercase();
                let text = text.to_lowercase();
                match function.as_str() {
                    "startswith" => value.starts_with(&text),
                    "endswith" => value.ends_with(&text),
                    _ => value.contains(&text),
                }
            }
            Expr::Any(path, variable, inner) => {
                let items = lookup(path, root, scope)
                    .as_array()
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                items.iter().any(|item| {
                    let mut scope = scope.to_vec();
                    scope.push((variable, item));
                    inner.eval(root, &scope)
                })
            }
        }
    }
}

/// `x/servicePlanId` inside `assignedPlans/any(x:` is `assignedPlans/any/servicePlanId`.
fn full(path: &str, scope: &[(String, String)]) -> String {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match scope.iter().rev().find(|(variable, _)| variable == first) {
        Some((_, base)) if rest.is_empty() => base.clone(),
        Some((_, base)) => format!("{base}/{rest}"),
        None => path.to_owned(),
    }
}

fn allowed(rules: &Rules, path: &str, operator: &str) -> Result<bool, GraphError> {
    let has = |list: &str| list.split(' ').any(|known| known == operator);
    match rules.properties.iter().find(|rule| rule.path == path) {
        Some(rule) if has(rule.operators) => Ok(false),
        Some(rule) if has(rule.advanced) => Ok(true),
        _ => Err(GraphError::unsupported_query(format!(
            "Unsupported or invalid query filter clause specified for property '{path}' with '{operator}'."
        ))),
    }
}

/// Compares the literal with the property's published type.
fn literal_fits(kind: &str, path: &str, literal: &Literal) -> Result<(), GraphError> {
    let contract = contract();
    let mut kind = kind.to_owned();
    let mut property_kind = String::new();
    for part in path.split('/').filter(|part| *part != "any") {
        match contract.properties(&kind, Version::V1).get(part) {
            Some(property) => {
                property_kind = if property.members.is_some() {
                    "Edm.String".to_owned()
                } else {
                    property.kind.clone()
                };
                kind = property.kind.clone();
            }
            None => return Ok(()),
        }
    }
    let fits = match (property_kind.as_str(), literal) {
        (_, Literal::Null)
        | ("Edm.Boolean", Literal::Bool(_))
        | ("Edm.String", Literal::Text(_))
        | ("Edm.Guid", Literal::Guid(_))
        | ("Edm.DateTimeOffset", Literal::Time(_))
        | ("Edm.Int32" | "Edm.Int64" | "Edm.Double", Literal::Number(_)) => true,
        (other, _) => !other.starts_with("Edm."),
    };
    if fits {
        Ok(())
    } else {
        Err(bad(format!(
            "A binary operator with incompatible types was detected: '{path}' is {property_kind}."
        )))
    }
}

fn lookup<'a>(path: &str, root: &'a Value, scope: &[(&str, &'a Value)]) -> &'a Value {
    let mut parts = path.split('/').peekable();
    let first = parts.peek().copied().unwrap_or_default();
    let mut value = match scope.iter().rev().find(|(variable, _)| *variable == first) {
        Some((_, item)) => {
            parts.next();
            item
        }
        None => root,
    };
    for part in parts {
        value = &value[part];
    }
    value
}

fn compare(value: &Value, operator: &str, literal: &Literal) -> bool {
    use std::cmp::Ordering;
    let order = match literal {
        Literal::Null => value.is_null().then_some(Ordering::Equal),
        Literal::Bool(wanted) => value.as_bool().map(|value| value.cmp(wanted)),
        Literal::Number(wanted) => value.as_f64().and_then(|value| value.partial_cmp(wanted)),
        // Graph compares text without case.
        Literal::Text(wanted) | Literal::Guid(wanted) => value
            .as_str()
            .map(|value| value.to_lowercase().cmp(&wanted.to_lowercase())),
        Literal::Time(wanted) => value
            .as_str()
            .and_then(|value| value.parse::<Timestamp>().ok())
            .map(|value| value.cmp(wanted)),
    };
    match operator {
        "eq" => order == Some(Ordering::Equal),
        "ne" => order != Some(Ordering::Equal),
        "ge" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        "le" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        "gt" => order == Some(Ordering::Greater),
        _ => order == Some(Ordering::Less),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(filter: &str, value: &Value) -> bool {
        parse(filter)
            .unwrap_or_else(|e| panic!("{filter}: {}", e.message))
            .matches(value)
    }

    #[test]
    fn filters_apply() {
        let user = json!({
            "accountEnabled": true, "userType": "Member", "name": "O'Neil", "at": "2026-11-20T10:00:00Z",
            "assignedPlans": [
                {"servicePlanId": "41781fb2-bc02-4b7c-bd55-b576c07bb09d", "capabilityStatus": "Deleted"},
                {"servicePlanId": "eec0eb4f-6444-4f95-aba0-50c24d67f998", "capabilityStatus": "Enabled"}],
            "methods": ["email"],
        });
        assert!(matches("accountEnabled eq true and userType eq 'member'", &user));
        assert!(matches("name eq 'O''Neil'", &user));
        assert!(matches(
            "at ge 2026-11-20T09:00:00Z and at le 2026-11-20T10:00:00Z",
            &user
        ));
        assert!(matches("methods/any(t:t eq 'email')", &user));
        assert!(matches("startsWith(name,'o')", &user));
        assert!(!matches("not (accountEnabled eq true or name eq null)", &user));
        let plan =
            |id: &str| format!("assignedPlans/any(x:x/servicePlanId eq {id} and x/capabilityStatus eq 'Enabled')");
        assert!(!matches(&plan("41781fb2-bc02-4b7c-bd55-b576c07bb09d"), &user));
        assert!(matches(&plan("eec0eb4f-6444-4f95-aba0-50c24d67f998"), &user));
    }

    #[test]
    fn broken_filters_are_refused() {
        for text in [
            "",
            "a",
            "a eq",
            "a is b",
            "a eq 'x",
            "(a eq 1",
            "a eq 1)",
            "f(a,'b')",
            "a eq b",
            "any(x:x eq 1)",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
