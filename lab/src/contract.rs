//! Microsoft's published types, as far as the lab answers them: which members a type has, of which type, and who may read a path.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::{Map, Value};

static TEXT: &str = include_str!("../contract/graph-shapes.json");

/// The version part of a Graph address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// `/v1.0`
    V1,
    /// `/beta`
    Beta,
}

impl Version {
    /// The path segment.
    pub fn segment(self) -> &'static str {
        match self {
            Version::V1 => "v1.0",
            Version::Beta => "beta",
        }
    }
}

/// One member of a type.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Property {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default = "yes")]
    pub nullable: bool,
    #[serde(default)]
    pub collection: bool,
    #[serde(default, rename = "enum")]
    pub members: Option<Vec<String>>,
    #[serde(default)]
    pub navigation: bool,
}

#[derive(Debug, Deserialize)]
struct TypeInfo {
    #[serde(rename = "type")]
    name: String,
    version: String,
    #[serde(default)]
    base: Option<String>,
    #[serde(default)]
    open: bool,
    #[serde(default)]
    from: Option<String>,
    properties: BTreeMap<String, Property>,
}

#[derive(Debug, Deserialize)]
struct PathInfo {
    path: String,
    version: String,
    read: Readers,
    listed: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Readers {
    #[serde(rename = "Application")]
    application: Vec<String>,
    #[serde(rename = "DelegatedWork")]
    delegated: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    types: Vec<TypeInfo>,
    paths: Vec<PathInfo>,
}

/// The whole contract.
pub(crate) struct Contract {
    types: HashMap<(String, Version), TypeInfo>,
    paths: HashMap<(String, Version), PathInfo>,
}

fn yes() -> bool {
    true
}

fn version(text: &str) -> Version {
    if text == "beta" { Version::Beta } else { Version::V1 }
}

/// The contract that the crate carries.
pub(crate) fn contract() -> &'static Contract {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    CONTRACT.get_or_init(|| {
        // A test loads it; the file is part of the crate.
        let document: Document = serde_json::from_str(TEXT).unwrap_or(Document {
            types: Vec::new(),
            paths: Vec::new(),
        });
        Contract {
            types: document
                .types
                .into_iter()
                .map(|t| ((t.name.clone(), version(&t.version)), t))
                .collect(),
            paths: document
                .paths
                .into_iter()
                .map(|p| ((p.path.clone(), version(&p.version)), p))
                .collect(),
        }
    })
}

impl Contract {
    fn info(&self, name: &str, version: Version) -> Option<&TypeInfo> {
        self.types.get(&(name.to_owned(), version)).or_else(|| {
            self.types.get(&(
                name.to_owned(),
                if version == Version::V1 {
                    Version::Beta
                } else {
                    Version::V1
                },
            ))
        })
    }

    /// All members of a type, with those of its bases. Empty for a type that the contract does not hold.
    pub fn properties(&self, name: &str, version: Version) -> BTreeMap<&str, &Property> {
        let mut all = BTreeMap::new();
        let mut next = self.info(name, version);
        while let Some(info) = next {
            for (name, property) in &info.properties {
                all.entry(name.as_str()).or_insert(property);
            }
            next = info.base.as_deref().and_then(|base| self.info(base, version));
        }
        all
    }

    /// The permissions that may read a path: (application, delegated). None when the contract lists none.
    pub fn readers(&self, path: &str, version: Version) -> Option<(&[String], &[String])> {
        let info = self
            .paths
            .get(&(path.to_owned(), version))
            .or_else(|| self.paths.get(&(path.to_owned(), Version::V1)))
            .filter(|info| info.listed)?;
        Some((&info.read.application, &info.read.delegated))
    }

    /// Adds the members that the service sends as null or as an empty list.
    pub fn complete(&self, value: &mut Value, name: &str, version: Version) {
        let Some(object) = value.as_object_mut() else { return };
        let name = concrete(object, name).to_owned();
        for (member, property) in self.properties(&name, version) {
            if let Some(present) = object.get_mut(member) {
                match present {
                    Value::Array(items) => {
                        items
                            .iter_mut()
                            .for_each(|item| self.complete(item, &property.kind, version));
                    }
                    other => self.complete(other, &property.kind, version),
                }
                continue;
            }
            if property.navigation
                || property.kind == "Edm.Stream"
                || self.info(&name, version).is_some_and(|t| t.from.is_some())
            {
                continue;
            }
            if property.collection {
                object.insert(member.to_owned(), Value::Array(Vec::new()));
            } else if property.nullable {
                object.insert(member.to_owned(), Value::Null);
            }
        }
    }

    /// What is wrong with `value` as an instance of the type `name`: unknown members, wrong types, nulls, unknown enum members.
    pub fn faults(&self, value: &Value, name: &str, version: Version, at: &str) -> Vec<String> {
        let Some(object) = value.as_object() else {
            return vec![format!("{at}: not an object")];
        };
        let name = concrete(object, name);
        let Some(info) = self.info(name, version) else {
            return Vec::new();
        };
        let known = self.properties(name, version);
        let mut faults = Vec::new();
        for (member, value) in object {
            let at = format!("{at}.{member}");
            if member.contains('@') {
                continue;
            }
            match known.get(member.as_str()) {
                None if info.open => {}
                None => faults.push(format!("{at}: {name} has no such member")),
                Some(property) => self.property_faults(value, property, version, &at, &mut faults),
            }
        }
        faults
    }

    fn property_faults(
        &self,
        value: &Value,
        property: &Property,
        version: Version,
        at: &str,
        faults: &mut Vec<String>,
    ) {
        if property.collection {
            match value {
                Value::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        self.item_faults(item, property, version, &format!("{at}[{index}]"), faults);
                    }
                }
                Value::Null if property.nullable => {}
                _ => faults.push(format!("{at}: not a list")),
            }
        } else {
            self.item_faults(value, property, version, at, faults);
        }
    }

    fn item_faults(&self, value: &Value, property: &Property, version: Version, at: &str, faults: &mut Vec<String>) {
        if value.is_null() {
            if !property.nullable {
                faults.push(format!("{at}: null is not allowed"));
            }
            return;
        }
        if let Some(members) = &property.members {
            match value.as_str() {
                Some(text) if text.split(',').all(|part| members.iter().any(|member| member == part)) => {}
                _ => faults.push(format!("{at}: {value} is not a member of {}", property.kind)),
            }
            return;
        }
        let fits = match property.kind.as_str() {
            "Edm.String" | "Edm.Duration" => value.is_string(),
            "Edm.Boolean" => value.is_boolean(),
            "Edm.Int32" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "Edm.Int64" => value.is_i64() || value.is_u64(),
            "Edm.Double" => value.is_number(),
            "Edm.Guid" => value.as_str().is_some_and(|text| crate::guid::parse(text).is_some()),
            "Edm.DateTimeOffset" => value
                .as_str()
                .is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
            kind if kind.starts_with("Edm.") => true,
            kind => {
                if value.is_object() {
                    faults.extend(self.faults(value, kind, version, at));
                    true
                } else {
                    // An enum that the contract names without its members.
                    self.info(kind, version).is_none()
                }
            }
        };
        if !fits {
            faults.push(format!("{at}: {value} is not {}", property.kind));
        }
    }
}

/// What is wrong with an answer of Graph as an instance of a published type (such as `microsoft.graph.user`); empty when it fits.
pub fn shape_faults(value: &Value, name: &str, version: Version) -> Vec<String> {
    contract().faults(value, name, version, name.rsplit('.').next().unwrap_or(name))
}

fn concrete<'a>(object: &'a Map<String, Value>, name: &'a str) -> &'a str {
    object
        .get("@odata.type")
        .and_then(Value::as_str)
        .map_or(name, |text| text.trim_start_matches('#'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_contract_is_read_and_finds_faults() {
        let contract = contract();
        assert!(contract.types.len() > 100);
        let row = json!({"id": "x", "isMfaCapable": null, "userType": "alien", "nonsense": 1});
        let faults = contract.faults(&row, "microsoft.graph.userRegistrationDetails", Version::V1, "row");
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn readers_come_from_the_published_table() {
        let (application, delegated) = contract()
            .readers("/reports/authenticationMethods/usersRegisteredByFeature", Version::V1)
            .unwrap();
        assert!(application.is_empty());
        assert_eq!(delegated, ["AuditLog.Read.All"]);
    }
}
