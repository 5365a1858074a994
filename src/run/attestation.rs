//! The attestation's file: read, checked, carried on by what a run read of the log, written back.

use crate::error::{Error, Result};
use crate::file;
use crate::json;
use crate::session::Session;
use crate::snapshot::attestation::Attestation;
use crate::snapshot::{Fact, FactId, Snapshot, source};
use crate::status::Status;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The version of the file's form.
const SCHEMA_VERSION: u32 = 1;
/// The member that holds the key's word for all others.
const MAC: &str = "hmac";
/// The session's secret that is the key.
const SECRET: &str = "attestationKey";
/// What is shorter can be guessed.
const LEAST_KEY: usize = 32;
/// The key's word is for this form only.
const CONTEXT: &[u8] = b"EntraSspr attestation 1\n";

/// What vouches for an attestation.
pub struct Key(Option<hmac::Key>);

impl Key {
    /// The session's key, which is then gone there; none where it has none.
    pub fn take(session: &Session) -> Result<Key> {
        let key: Option<Zeroizing<Vec<u8>>> = session.take_secret(SECRET);
        match key {
            Some(key) if key.len() < LEAST_KEY => {
                let what = format!("the key of an attestation has {LEAST_KEY} characters or more");
                Err(Error::new(Status::ArgumentInvalid, what)
                    .target(SECRET)
                    .help("Make one at random and keep it where the job keeps its secrets."))
            }
            key => Ok(Key(key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key)))),
        }
    }

    fn signed(document: &Value) -> Vec<u8> {
        let mut bytes = CONTEXT.to_vec();
        bytes.extend(document.to_string().into_bytes());
        bytes
    }

    /// Reads a file's text, and whether it says what it said when it was written.
    fn open(&self, text: &[u8], path: &Path) -> Result<Attestation> {
        let refused = |why: &str, help: &str| {
            let name = path.display();
            Error::new(Status::AttestationInvalid, format!("{name} {why}"))
                .target(name.to_string())
                .help(help)
        };
        let damaged = || {
            let help = "Give the file that Export-SsprSnapshot -Attest wrote, or write a new one.";
            refused("is not an attestation, or is damaged", help)
        };
        let mut document: Value = json::read(text).map_err(|e| damaged().caused_by(&e))?;
        if document["schemaVersion"] != SCHEMA_VERSION || !document["tenantId"].is_string() {
            return Err(damaged());
        }
        let mac = document.as_object_mut().and_then(|members| members.remove(MAC));
        let mac = mac
            .as_ref()
            .and_then(Value::as_str)
            .map(|mac| STANDARD.decode(mac).unwrap_or_default());
        match (&self.0, mac) {
            (Some(key), Some(mac)) => {
                hmac::verify(key, &Key::signed(&document), &mac).map_err(|_| {
                    let why = "was changed since it was written, or written with another key";
                    refused(why, "Give the key that it was written with. If it was changed, attest the settings anew with Export-SsprSnapshot -Attest.")
                })?;
            }
            (None, None) => {}
            (Some(_), None) => {
                let why = "was written without a key, so that the key proves nothing of it";
                return Err(refused(
                    why,
                    "Attest the settings anew with this key, or leave the key out to trust the file as far as its access rights are.",
                ));
            }
            (None, Some(_)) => {
                let why = "was written with a key, and is not taken without it";
                return Err(refused(why, "Give the key with -AttestationKey."));
            }
        }
        let mut attestation: Attestation = json::read_tree(document).map_err(|e| damaged().caused_by(&e))?;
        attestation.keyed = self.0.is_some();
        Ok(attestation)
    }

    /// The file's text.
    fn close(&self, attestation: &Attestation) -> Result<String> {
        let failed =
            |e: serde_json::Error| Error::new(Status::Internal, "the attestation cannot be written").caused_by(&e);
        let mut document = serde_json::to_value(attestation).map_err(failed)?;
        document["schemaVersion"] = SCHEMA_VERSION.into();
        if let Some(key) = &self.0 {
            let mac = hmac::sign(key, &Key::signed(&document));
            document[MAC] = STANDARD.encode(mac.as_ref()).into();
        }
        serde_json::to_string_pretty(&document).map_err(failed)
    }
}

/// A run's attestation: its file and what that says.
pub struct Attested {
    path: PathBuf,
    key: Key,
    before: Attestation,
}

impl Attested {
    /// Reads the file.
    pub fn read(path: &Path, session: &Session) -> Result<Attested> {
        let key = Key::take(session)?;
        let before = key.open(&file::read(path)?, path)?;
        Ok(Attested {
            path: path.into(),
            key,
            before,
        })
    }

    /// The groups whose members a run is to read for it.
    pub fn reset_groups(&self) -> Vec<String> {
        self.before.reset_groups()
    }

    /// Carries it on by what a run read, gives that to its facts, and writes it back; what came of that is for the result.
    pub fn give(self, snapshot: &mut Snapshot) -> Result<Value> {
        let Attested { path, key, before } = self;
        let (own, run) = (&before.tenant_id, &snapshot.signed_in.tenant_id);
        if !own.eq_ignore_ascii_case(run) {
            let what = format!("{} is of another tenant: {own}", path.display());
            return Err(Error::new(Status::AttestationInvalid, what)
                .target(path.display().to_string())
                .help("Give the attestation of the tenant that is checked."));
        }
        let from = source(FactId::Attestation).path;
        let carried = before.carried(&snapshot.facts.audit_settings);
        let (attestation, written) = match carried {
            Ok(attestation) => {
                let written = write_back(&path, &key, &attestation);
                snapshot.facts.attestation = Fact::known(attestation.clone(), from, attestation.watermark);
                (attestation, written.map_err(|error| error.message))
            }
            Err(why) => {
                snapshot.facts.attestation = Fact::Partial {
                    as_of: before.watermark,
                    value: before.clone(),
                    source: from.into(),
                    read: 0,
                    of: None,
                    reason: why.into(),
                };
                (before, Err(why.into()))
            }
        };
        let mut told = told(&path, &attestation);
        told["written"] = written.is_ok().into();
        told["reason"] = written.err().into();
        Ok(told)
    }
}

/// Another run may have written in the meantime: what goes farther stays. Each is true, so that nothing is lost but a while.
fn write_back(path: &Path, key: &Key, attestation: &Attestation) -> Result<()> {
    let there = file::read(path).and_then(|text| key.open(&text, path));
    if there.is_ok_and(|there| there.beyond(attestation)) {
        return Ok(());
    }
    file::write(path, key.close(attestation)?.as_bytes(), true, attestation.shared)
}

fn told(path: &Path, attestation: &Attestation) -> Value {
    json!({
        "path": path, "by": attestation.by, "at": attestation.at, "since": attestation.since, "watermark": attestation.watermark,
        "keyed": attestation.keyed,
    })
}

/// Writes what a snapshot attests to a file.
pub fn write(session: &Session, request: &Value) -> Result<Value> {
    json::strict(request, &["snapshot", "path", "overwrite", "shared"])?;
    let key = Key::take(session)?;
    let missing = |name: &str| Error::new(Status::ArgumentInvalid, format!("'{name}' is missing")).target(name);
    let text = request["snapshot"].as_str().ok_or_else(|| missing("snapshot"))?;
    let path = Path::new(request["path"].as_str().ok_or_else(|| missing("path"))?);
    let overwrite = json::flag(request, "overwrite")?;
    let snapshot = Snapshot::from_json(text)?;
    let earlier = match overwrite && path.exists() {
        true => Some(key.open(&file::read(path)?, path)?),
        false => None,
    };
    // One that was shared stays so.
    let shared = json::flag(request, "shared")? || earlier.as_ref().is_some_and(|earlier| earlier.shared);
    let own = &snapshot.signed_in.tenant_id;
    if earlier
        .as_ref()
        .is_some_and(|earlier| !earlier.tenant_id.eq_ignore_ascii_case(own))
    {
        let what = format!("{} is the attestation of another tenant", path.display());
        return Err(Error::new(Status::AttestationInvalid, what).target(path.display().to_string()));
    }
    let mut attestation = Attestation::of(&snapshot, earlier).map_err(|why| {
        Error::new(Status::ArgumentInvalid, format!("the snapshot attests nothing: {why}"))
            .target("snapshot")
            .help("Sign in with Connect-SsprTenant -PortalApi as a person who may read the reset policy and the audit log, and check at least the step reset_policy.")
    })?;
    attestation.keyed = key.0.is_some();
    attestation.shared = shared;
    let text = key.close(&attestation)?;
    file::write(path, text.as_bytes(), overwrite, attestation.shared)?;
    let mut told = told(path, &attestation);
    told["changes"] = attestation.changes.keys().cloned().collect();
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key(Some(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())))
    }

    #[test]
    fn a_forged_attestation_is_refused() {
        let attestation = Attestation {
            tenant_id: "contoso".into(),
            by: "admin".into(),
            keyed: true,
            ..Attestation::default()
        };
        let (own, none, path) = (key("one"), Key(None), Path::new("a.json"));
        let text = own.close(&attestation).unwrap();
        assert_eq!(own.open(text.as_bytes(), path).unwrap(), attestation);
        let says = |key: &Key, text: &str| key.open(text.as_bytes(), path).unwrap_err();
        assert!(
            says(&own, &text.replace("admin", "other"))
                .message
                .contains("was changed")
        );
        assert!(says(&key("two"), &text).message.contains("another key"));
        assert!(says(&none, &text).message.contains("not taken without it"));
        let plain = none.close(&attestation).unwrap();
        assert!(says(&own, &plain).message.contains("without a key"));
        // Nobody makes himself vouched for by a key.
        assert!(!none.open(plain.as_bytes(), path).unwrap().keyed);
        let cut: String = text.lines().filter(|line| !line.contains(MAC)).collect();
        assert!(own.open(cut.as_bytes(), path).is_err());
        for (name, text) in [
            ("nothing", ""),
            ("no object", "[]"),
            ("a snapshot", r#"{"schemaVersion":2}"#),
        ] {
            assert_eq!(says(&none, text).status, Status::AttestationInvalid, "{name}");
        }
    }
}
