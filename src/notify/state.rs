//! What was told last, kept between runs: in a file, or in a blob of Azure's, which is replaced only where it is as it was read.

use super::{failed, header, secret_url};
use crate::error::{Error, Result};
use crate::file;
use crate::json::{self, strict};
use crate::session::Session;
use crate::session::config::is_loopback;
use crate::session::tokens::Audience;
use crate::status::Status;
use crate::task::{TaskContext, blocking};
use crate::tenant::http::HttpError;
use crate::text::hex;
use reqwest::header::{AUTHORIZATION, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, Request, Response, Url};
use ring::digest;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The version of the form that this library writes and reads.
const SCHEMA_VERSION: u64 = 1;
/// What tells a state from other documents.
const KIND: &str = "entraSsprState";
/// No state is longer.
const MOST: usize = 4 * 1024 * 1024;
/// A version of the Blob service that takes tokens.
const BLOB_VERSION: HeaderValue = HeaderValue::from_static("2021-08-06");
/// Where Azure keeps blobs, in its clouds: a token goes nowhere else.
const BLOB_HOSTS: [&str; 3] = [
    ".blob.core.windows.net",
    ".blob.core.usgovcloudapi.net",
    ".blob.core.chinacloudapi.cn",
];

/// Where it is kept.
enum Place {
    File(PathBuf),
    Blob(Url),
}

/// Reads it, and says whether it is this tenant's. None is no error.
pub async fn read(session: &Session, request: Value, context: &TaskContext) -> Result<Value> {
    let place = Place::of(session, &request)?;
    strict(&request, &["path", "tenantId"])?;
    let Some((text, tag)) = place.read(session, context).await? else {
        return Ok(json!({ "state": null, "tag": null }));
    };
    let state = checked(&text, request["tenantId"].as_str().unwrap_or_default(), &place.name())?;
    Ok(json!({ "state": state, "tag": tag }))
}

/// Writes it where it still is as it was read.
pub async fn write(session: &Session, request: Value, context: &TaskContext) -> Result<Value> {
    let place = Place::of(session, &request)?;
    strict(&request, &["path", "tag", "state"])?;
    let mut state = request["state"].clone();
    if !state.is_object() {
        return Err(Error::new(Status::ArgumentInvalid, "'state' is missing").target("state"));
    }
    state["schemaVersion"] = SCHEMA_VERSION.into();
    state["kind"] = KIND.into();
    let tag = request["tag"].as_str().map(Into::into);
    place.write(session, state.to_string(), tag, context).await?;
    Ok(json!({}))
}

/// A state that this tenant may go on with; any other is left as it is.
fn checked(text: &[u8], tenant: &str, name: &str) -> Result<Value> {
    let refuse = |why: String, help: &str| {
        Error::new(Status::StateInvalid, format!("{name} {why}"))
            .target(name)
            .help(help)
    };
    const ANEW: &str = "Look at what it is. To begin anew, move it away, or name another place.";
    let state: Value = json::read(text).unwrap_or_default();
    if state["kind"] != KIND || !state["findings"].is_array() && state["schemaVersion"] == SCHEMA_VERSION {
        return Err(refuse(
            "holds no state, or is damaged; it was left as it is".into(),
            ANEW,
        ));
    }
    if state["schemaVersion"] != SCHEMA_VERSION {
        let why = "was written by another version of this module; it was left as it is";
        return Err(refuse(
            why.into(),
            "Use the newest version in every job that shares the state.",
        ));
    }
    let own = state["tenantId"].as_str().unwrap_or_default();
    if !own.eq_ignore_ascii_case(tenant) {
        let own: String = own
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .take(40)
            .collect();
        let why = format!("is the state of the tenant {own}, not of {tenant}; it was left as it is");
        return Err(refuse(why, "Each tenant has a state of its own: name another place."));
    }
    Ok(state)
}

impl Place {
    /// A path in the request, else the blob whose address is the secret "stateUrl".
    fn of(session: &Session, request: &Value) -> Result<Self> {
        let blob = session.take_text("stateUrl")?;
        match (request["path"].as_str(), blob) {
            (Some(path), None) if !path.is_empty() => Ok(Place::File(path.into())),
            (None, Some(blob)) => Ok(Place::Blob(secret_url("stateUrl", &blob)?)),
            _ => {
                let why = "name the state's place: either 'path' or the secret \"stateUrl\"";
                Err(Error::new(Status::ArgumentInvalid, why).target("path"))
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Place::File(path) => path.display().to_string(),
            // The account; the rest of the address may open it.
            Place::Blob(url) => format!("the blob at {}", url.host_str().unwrap_or_default()),
        }
    }

    /// What is there, and what it is known by.
    async fn read(&self, session: &Session, context: &TaskContext) -> Result<Option<(Vec<u8>, String)>> {
        match self {
            Place::File(path) => {
                let path = path.clone();
                blocking(move || read_file(&path)).await
            }
            Place::Blob(url) => {
                let request = Request::new(Method::GET, url.clone());
                let mut answer = match self.ask(session, request, context).await {
                    Ok(answer) => answer,
                    Err(HttpError::Status { status, headers, .. }) if status.as_u16() == 404 => {
                        // A container that is not there has to be made first.
                        let code = headers.get("x-ms-error-code").and_then(|code| code.to_str().ok());
                        return match code {
                            None | Some("BlobNotFound") => Ok(None),
                            Some(_) => Err(Error::new(
                                Status::ServiceFailed,
                                format!("{}: its container is not there", self.name()),
                            )
                            .help("Make the container, then run again.")),
                        };
                    }
                    Err(error) => return Err(self.failed(error)),
                };
                let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
                let tag = tag.map(Into::into).ok_or_else(|| {
                    Error::new(Status::ServiceAnswer, format!("{} came without an ETag", self.name()))
                })?;
                let reading = session.http.until(context.ends()).reading(&answer);
                let whole = async {
                    let mut bytes = Vec::new();
                    while let Some(chunk) = answer.chunk().await.map_err(|e| reading.broke(e))? {
                        bytes.extend_from_slice(&chunk);
                        if bytes.len() > MOST {
                            break;
                        }
                    }
                    Ok::<_, HttpError>(bytes)
                };
                let bytes = reading.whole(whole).await.map_err(|error| self.failed(error))?;
                match bytes.len() > MOST {
                    true => Err(Error::new(
                        Status::StateInvalid,
                        format!("{} is longer than any state", self.name()),
                    )),
                    false => Ok(Some((bytes, tag))),
                }
            }
        }
    }

    async fn write(&self, session: &Session, text: String, tag: Option<String>, context: &TaskContext) -> Result<()> {
        match self {
            Place::File(path) => {
                let (path, name) = (path.clone(), self.name());
                blocking(move || {
                    let there = read_file(&path)?.map(|(_, tag)| tag);
                    if there != tag {
                        return Err(changed(&name));
                    }
                    file::write_private(&path, text.as_bytes(), tag.is_some())
                })
                .await
            }
            Place::Blob(url) => {
                let mut request = Request::new(Method::PUT, url.clone());
                let headers = request.headers_mut();
                let kind = HeaderValue::from_static("BlockBlob");
                headers.insert(HeaderName::from_static("x-ms-blob-type"), kind);
                headers.insert(
                    reqwest::header::CONTENT_TYPE,
                    HeaderValue::from_static("application/json"),
                );
                match tag {
                    Some(tag) => headers.insert(IF_MATCH, header(&tag)?),
                    None => headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*")),
                };
                *request.body_mut() = Some(text.into());
                match self.ask(session, request, context).await {
                    Ok(_) => Ok(()),
                    Err(HttpError::Status { status, .. }) if matches!(status.as_u16(), 409 | 412) => {
                        Err(changed(&self.name()))
                    }
                    Err(error) => Err(self.failed(error)),
                }
            }
        }
    }

    /// Asks the Blob service: with what the address holds, else with the session's token for storage.
    async fn ask(
        &self,
        session: &Session,
        mut request: Request,
        context: &TaskContext,
    ) -> std::result::Result<Response, HttpError> {
        let unusable = |error: Error| HttpError::Unusable(Box::new(error));
        let url = request.url();
        let is_signed = url.query_pairs().any(|(name, _)| name == "sig");
        if !is_signed {
            let host = url.host_str().unwrap_or_default();
            if !BLOB_HOSTS.iter().any(|own| host.ends_with(own)) && !is_loopback(url) {
                let why =
                    "the address of the state has no signature, and is no blob of Azure's: no token is sent there";
                return Err(unusable(Error::new(Status::ArgumentInvalid, why).target("stateUrl")));
            }
            let tokens = session.state().map_err(unusable)?.tokens.for_task(context);
            let token = tokens.get(&Audience::Storage).await.map_err(unusable)?;
            let bearer = Zeroizing::new(format!("Bearer {}", token.secret()));
            let mut bearer = header(&bearer).map_err(unusable)?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        request
            .headers_mut()
            .insert(HeaderName::from_static("x-ms-version"), BLOB_VERSION);
        session.http.until(context.ends()).send(request, || async {}).await
    }

    fn failed(&self, error: HttpError) -> Error {
        let is_refused = error.status() == Status::ServiceRefused;
        let own = failed(error, &self.name());
        match is_refused {
            true => own.help("The identity needs the role Storage Blob Data Contributor on the container; a signed address needs read, create and write, and may have ended."),
            false => own,
        }
    }
}

fn changed(name: &str) -> Error {
    Error::new(
        Status::StateChanged,
        format!("{name} was written by another run meanwhile"),
    )
    .target(name)
}

fn read_file(path: &Path) -> Result<Option<(Vec<u8>, String)>> {
    match path.try_exists() {
        Ok(false) => Ok(None),
        // An error is told by reading.
        _ => {
            let bytes = file::read(path)?;
            let tag = hex(digest::digest(&digest::SHA256, &bytes).as_ref());
            Ok(Some((bytes, tag)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "aaaaaaaa-0000-4000-8000-000000000001";

    fn state() -> Value {
        json!({"schemaVersion": 1, "kind": KIND, "tenantId": TENANT, "findings": []})
    }

    #[test]
    fn only_a_state_of_this_tenant_and_version_is_gone_on_with() {
        let check = |state: &str| checked(state.as_bytes(), TENANT, "s.json");
        check(&state().to_string()).unwrap();
        let why = |state: &str| {
            let error = check(state).unwrap_err();
            assert_eq!(error.status, Status::StateInvalid);
            assert!(error.message.contains("left as it is") && error.help.is_some());
            error.message
        };
        let whole = state().to_string();
        for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
            assert!(why(&whole[..cut]).contains("damaged"));
        }
        for other in ["[]", "{}", "null", "\u{feff}x", r#"{"schemaVersion":1}"#] {
            assert!(why(other).contains("damaged"), "{other}");
        }
        let mut newer = state();
        newer["schemaVersion"] = 2.into();
        newer.as_object_mut().unwrap().remove("findings");
        assert!(why(&newer.to_string()).contains("another version"));
        let mut other = state();
        other["tenantId"] = "bbbb\u{1b}[31m".into();
        let told = why(&other.to_string());
        assert!(
            told.contains("tenant bbbb31m") || told.contains("tenant bbbb"),
            "{told}"
        );
        assert!(!told.contains('\u{1b}'));
    }
}
