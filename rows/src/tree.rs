//! Reads types from a tree of JSON: little code for each, and the place of what does not fit is named.
//!
//! What serde derives for a type is made anew for every source that it is read from, and serde's own sources try each
//! structure as a list too. Here each is read from one source in one way.

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde_json::{Error, Map, Number, Result, Value, map};

/// Reads a tree.
pub fn read<T: DeserializeOwned>(tree: Value) -> Result<T> {
    T::deserialize(Tree(tree))
}

/// A type that is read from its tree, whatever it stands in.
#[derive(Debug)]
pub struct Read<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let tree = Value::deserialize(deserializer)?;
        read(tree).map(Read).map_err(D::Error::custom)
    }
}

struct Tree(Value);

/// Says what stands there in place of what is wanted.
fn other(tree: &Value, wanted: &dyn serde::de::Expected) -> Error {
    let found = match tree {
        Value::Null => Unexpected::Unit,
        Value::Bool(own) => Unexpected::Bool(*own),
        Value::Number(own) => match (own.as_u64(), own.as_i64()) {
            (Some(own), _) => Unexpected::Unsigned(own),
            (_, Some(own)) => Unexpected::Signed(own),
            _ => Unexpected::Float(own.as_f64().unwrap_or_default()),
        },
        Value::String(own) => Unexpected::Str(own),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    Error::invalid_type(found, wanted)
}

/// Says where in a structure an error is.
fn within(place: &str, error: &Error) -> Error {
    let told = error.to_string();
    let deeper = told.strip_prefix("at ").and_then(|rest| rest.split_once(": "));
    Error::custom(match deeper {
        Some((below, what)) => format!("at {place}.{below}: {what}"),
        None => format!("at {place}: {told}"),
    })
}

fn number<'de, V: Visitor<'de>>(own: &Number, visitor: V) -> Result<V::Value> {
    match (own.as_u64(), own.as_i64()) {
        (Some(own), _) => visitor.visit_u64(own),
        (_, Some(own)) => visitor.visit_i64(own),
        _ => visitor.visit_f64(own.as_f64().unwrap_or_default()),
    }
}

macro_rules! as_number {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match &self.0 {
                Value::Number(own) => number(own, visitor),
                tree => Err(other(tree, &visitor)),
            }
        }
    )*};
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.0 {
                Value::String(own) => visitor.visit_string(own),
                tree => Err(other(&tree, &visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Tree {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(own) => visitor.visit_bool(own),
            Value::Number(own) => number(&own, visitor),
            Value::String(own) => visitor.visit_string(own),
            Value::Array(own) => visitor.visit_seq(Items(own.into_iter())),
            Value::Object(own) => visitor.visit_map(Members::new(own)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Bool(own) => visitor.visit_bool(own),
            tree => Err(other(&tree, &visitor)),
        }
    }

    as_number! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32 deserialize_f64
    }

    as_text! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            tree => Err(other(&tree, &visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Array(own) => {
                let mut items = Items(own.into_iter());
                let read = visitor.visit_seq(&mut items)?;
                match items.0.len() {
                    0 => Ok(read),
                    more => Err(Error::custom(format_args!("{more} too many"))),
                }
            }
            tree => Err(other(&tree, &visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Object(own) => visitor.visit_map(Members::new(own)),
            tree => Err(other(&tree, &visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let (name, content) = match self.0 {
            Value::String(name) => (name, None),
            Value::Object(own) if own.len() == 1 => {
                let (name, content) = own.into_iter().next().unwrap_or_default();
                (name, Some(content))
            }
            tree => return Err(other(&tree, &visitor)),
        };
        visitor.visit_enum(Variant { name, content })
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }
}

struct Items(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        self.0.next().map(|item| seed.deserialize(Tree(item))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The members of an object. The name of one is kept until its value is read, to say where an error is.
struct Members {
    rest: map::IntoIter,
    value: Value,
    name: String,
}

impl Members {
    fn new(own: Map<String, Value>) -> Self {
        Members {
            rest: own.into_iter(),
            value: Value::Null,
            name: String::new(),
        }
    }

    fn advance(&mut self) -> bool {
        let next = self.rest.next();
        let is_there = next.is_some();
        (self.name, self.value) = next.unwrap_or_default();
        is_there
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        match self.advance() {
            true => seed.deserialize(StrDeserializer::<Error>::new(&self.name)).map(Some),
            false => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let read = seed.deserialize(Tree(std::mem::take(&mut self.value)));
        read.map_err(|error| within(&self.name, &error))
    }
}

struct Variant {
    name: String,
    content: Option<Value>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content)> {
        Ok((
            seed.deserialize(StrDeserializer::<Error>::new(&self.name))?,
            Content(self.content),
        ))
    }
}

struct Content(Option<Value>);

impl<'de> VariantAccess<'de> for Content {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        match self.0 {
            None => Ok(()),
            Some(tree) => Err(other(&tree, &"nothing beside the name")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(Tree(self.0.unwrap_or_default()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        Tree(self.0.unwrap_or_default()).deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        Tree(self.0.unwrap_or_default()).deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Person {
        name: String,
        #[serde(default)]
        age: Option<u32>,
        kinds: Vec<Kind>,
        by_kind: BTreeMap<Kind, (i64, f64, bool)>,
    }

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        Plain,
        Of(String),
        With { count: u8 },
    }

    fn error(tree: Value) -> String {
        read::<Person>(tree).unwrap_err().to_string()
    }

    #[test]
    fn a_tree_is_read_as_its_text_is() {
        let tree = json!({
            "name": "Ann", "age": null, "kinds": ["plain", {"of": "x"}, {"with": {"count": 3}}], "byKind": {"plain": [-1, 0.5, true]},
        });
        let own: Person = read(tree.clone()).unwrap();
        assert_eq!(own, serde_json::from_str(&tree.to_string()).unwrap());
        assert_eq!(own.kinds, [Kind::Plain, Kind::Of("x".into()), Kind::With { count: 3 }]);
        assert_eq!(serde_json::from_str::<Read<Person>>(&tree.to_string()).unwrap().0, own);
        assert_eq!(read::<Value>(tree.clone()).unwrap(), tree);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let good = json!({"name": "Ann", "kinds": [], "byKind": {}});
        let with = |name: &str, value: Value| {
            let mut tree = good.clone();
            tree[name] = value;
            error(tree)
        };
        assert_eq!(
            with("name", json!(1)),
            "at name: invalid type: integer `1`, expected a string"
        );
        assert_eq!(
            with("age", json!(-1)),
            "at age: invalid value: integer `-1`, expected u32"
        );
        assert_eq!(
            with("byKind", json!({"plain": [1, "x", true]})),
            "at byKind.plain: invalid type: string \"x\", expected f64"
        );
        assert_eq!(
            with("byKind", json!({"plain": [1, 1.0, true, 4]})),
            "at byKind.plain: 1 too many"
        );
        assert!(with("kinds", json!(["other"])).starts_with("at kinds: unknown variant `other`"));
        assert!(with("kinds", json!([{"plain": 1}])).contains("expected nothing beside the name"));
        assert!(with("colour", json!(1)).starts_with("unknown field `colour`"));
        assert_eq!(error(json!([])), "invalid type: sequence, expected struct Person");
        assert!(error(json!({})).starts_with("missing field `name`"));
    }
}
