//! How JSON is read here: always from bytes. For every other place that it may be read from (a string, a tree, what serde
//! keeps of a tagged enum) the compiler makes another reader of each type, kilobytes each.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a document.
pub fn read<'a, T: Deserialize<'a>>(text: &'a (impl AsRef<[u8]> + ?Sized)) -> serde_json::Result<T> {
    serde_json::from_slice(text.as_ref())
}

/// Reads what is a tree already.
pub fn read_tree<T: DeserializeOwned>(tree: &Value) -> serde_json::Result<T> {
    read(&tree.to_string())
}
