//! What a notification is sent to: a webhook that takes everything, and Azure's blobs as far as a state is kept in one.

use serde_json::json;

use crate::core::Core;
use crate::http::{Call, Notes, pairs};
use crate::login::{Resource, unix_now};
use crate::record::lock;
use crate::reply::Reply;

/// `POST /hook/...`: taken, as a workflow takes it. `/hook/moved?to=...` redirects, body and all.
pub(crate) fn hook(call: &Call, notes: &mut Notes) -> Reply {
    notes.role = "hook";
    let to = pairs(&call.query).into_iter().find(|(name, _)| name == "to");
    match to {
        Some((_, to)) if call.path == "/hook/moved" => Reply::new(307).header("location", &to),
        _ if call.method != "POST" => Reply::new(405),
        _ => Reply::new(202),
    }
}

/// `/blob/{container}/{blob}`: Get Blob and Put Blob, with the preconditions that replace one only as it was read.
pub(crate) fn blob(core: &Core, call: &Call, notes: &mut Notes) -> Reply {
    notes.role = "blob";
    let refused = |status, code: &str| {
        let text = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code></Error>");
        Reply::bytes(status, "application/xml", text.into()).header("x-ms-error-code", code)
    };
    if call.header("x-ms-version").is_none_or(|version| version < "2017-11-09") {
        notes.violation("a token needs x-ms-version 2017-11-09 or newer");
        return refused(400, "InvalidHeaderValue");
    }
    // A signature counts by its presence: what it signs is not looked at.
    let signed = pairs(&call.query)
        .iter()
        .any(|(name, value)| name == "sig" && !value.is_empty());
    if !signed {
        let access = call.bearer().and_then(|token| core.desk.access(token));
        match access {
            Some(access) if access.resource == Resource::Storage && access.expires > unix_now() => {}
            Some(_) => return refused(401, "InvalidAuthenticationInfo"),
            None => return refused(404, "ResourceNotFound"),
        }
    }
    let mut blobs = lock(&core.blobs);
    let there = blobs.get(&call.path).cloned();
    let tag = |serial: u64| format!("\"0x8D{serial:013X}\"");
    match call.method.as_str() {
        "GET" => match there {
            None => refused(404, "BlobNotFound"),
            Some((serial, bytes)) => Reply::bytes(200, "application/octet-stream", bytes).header("etag", &tag(serial)),
        },
        "PUT" => {
            if call.header("x-ms-blob-type") != Some("BlockBlob") {
                return refused(400, "MissingRequiredHeader");
            }
            let own = there.as_ref().map(|(serial, _)| tag(*serial));
            if call.header("if-none-match") == Some("*") && own.is_some() {
                return refused(409, "BlobAlreadyExists");
            }
            if call
                .header("if-match")
                .is_some_and(|wanted| own.as_deref() != Some(wanted))
            {
                return refused(412, "ConditionNotMet");
            }
            let serial = there.map_or(0, |(serial, _)| serial) + 1;
            blobs.insert(call.path.clone(), (serial, call.body.clone()));
            Reply::json(201, &json!({})).header("etag", &tag(serial))
        }
        _ => refused(405, "UnsupportedHttpVerb"),
    }
}
