//! How JSON is read here: always through its tree. For every other place that it may be read from (bytes, a string, what serde
//! keeps of a tagged enum) the compiler makes another reader of each type, kilobytes each.

use crate::error::{Error, Result};
use crate::status::Status;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a document.
pub fn read<T: DeserializeOwned>(text: &(impl AsRef<[u8]> + ?Sized)) -> serde_json::Result<T> {
    read_tree(serde_json::from_slice(text.as_ref())?)
}

pub use sspr_rows::tree::read as read_tree;

/// Refuses what is no request, or has a member that this one does not know. It stands for a type of the request's own where its
/// reader would be as large as the work.
pub fn strict(request: &Value, known: &[&str]) -> Result<()> {
    let members = request.as_object();
    let unknown = members.and_then(|members| members.keys().find(|name| !known.contains(&name.as_str())));
    match (members, unknown) {
        (Some(_), None) => Ok(()),
        (_, unknown) => {
            let what = unknown.map_or_else(|| "it is no object".into(), |name| format!("unknown field `{name}`"));
            let what = format!("the request is not acceptable: {what}");
            Err(Error::new(Status::ArgumentJson, what).target("request_json"))
        }
    }
}
