//! What each fuzz target does with its bytes. libFuzzer drives them (`fuzz_targets/`), and so do the project's tests, over the
//! seeds and many variations of them (`tests/hostile.rs`).

use entra_sspr::directory::access::{Object, Token};
use entra_sspr::directory::descriptor::Descriptor;
use entra_sspr::directory::edit::{add, on_descendants, remove};
use entra_sspr::directory::group_policy::{Template, links};
use entra_sspr::directory::ldap::{Address, Connection, Depth, Options, Protection, Wire};
use entra_sspr::directory::policy_object::{version, with_link, with_version, without_link};
use entra_sspr::directory::rights::{CHANGE_PASSWORD, RESET_PASSWORD, USER, WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET};
use entra_sspr::directory::sid::SidBuf;
use entra_sspr::directory::template_edit::with_minimum_password_age;
use entra_sspr::readiness::{Selection, assess};
use entra_sspr::run::{LoadRequest, Request, SaveRequest, SavedRequest};
use entra_sspr::session::claims::Claims;
use entra_sspr::session::config::Config;
use entra_sspr::session::credential::Supplied;
use entra_sspr::session::credential::refusal::Refusal;
use entra_sspr::session::tokens::Audience;
use entra_sspr::snapshot::Snapshot;
use entra_sspr::steps::STEPS;
use entra_sspr::tenant::error::{claims_challenge, refused};
use entra_sspr::tenant::http::HttpError;
use entra_sspr::tenant::page::Page;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;
use serde_json::Value;
use std::str::from_utf8;
use zeroize::Zeroizing;

fn read_page(text: &[u8], cut: usize) -> Option<(Vec<Value>, Option<String>, Option<u64>)> {
    let mut page = Page::default();
    let mut rows = Vec::<Value>::new();
    for chunk in text.chunks(cut) {
        page.feed(chunk, &mut rows).ok()?;
    }
    page.finish().ok()?;
    Some((rows, page.next_link, page.count))
}

/// A page as a parser of whole documents reads it.
#[derive(Deserialize)]
struct Whole {
    value: Vec<Value>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
    #[serde(rename = "@odata.count")]
    count: Option<u64>,
}

/// The reader of pages: whatever comes, in whatever pieces, is read or refused, the same way.
pub fn page(data: &[u8]) {
    let Some((cut, text)) = data.split_first() else {
        return;
    };
    let whole = read_page(text, text.len().max(1));
    assert_eq!(
        read_page(text, usize::from(*cut).max(1)),
        whole,
        "how it was cut changes what was read"
    );
    // What is a page to another parser is the same page to this one.
    if let Ok(text) = from_utf8(text)
        && text.trim_start().starts_with('{')
        && let Ok(page) = serde_json::from_str::<Whole>(text)
    {
        assert_eq!(whole, Some((page.value, page.next_link, page.count)));
    }
}

/// Saved snapshots: read or refused; what is read is judged, shown, and written so that it reads the same again.
pub fn snapshot(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Ok(snapshot) = Snapshot::from_json(text) else {
        return;
    };
    // Each step by itself first: `assess` would catch its panic.
    for step in STEPS {
        (step.check)(&snapshot);
    }
    assess(&snapshot, STEPS, &Selection::default());
    let written = snapshot.to_json().expect("what was read can be written");
    assert_eq!(Snapshot::from_json(&written).expect("and read again"), snapshot);
}

/// What callers send: a session's configuration, and the requests.
pub fn requests(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(config) = Config::from_json(text) {
        // What was accepted can be used.
        config.login().expect("checked");
        config.graph().expect("checked");
        config.portal().expect("checked");
        config.imds().expect("checked");
        config.request_timeout();
    }
    if let Ok(request) = serde_json::from_str::<Request>(text) {
        let _ = request.steps();
    }
    let _ = serde_json::from_str::<SavedRequest>(text);
    let _ = serde_json::from_str::<SaveRequest>(text);
    let _ = serde_json::from_str::<LoadRequest>(text);
}

/// Access tokens that a caller supplies.
pub fn token_claims(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(claims) = Claims::of(text) {
        claims.permissions();
        claims.delegated();
    }
    for audience in [Audience::Graph, Audience::Portal] {
        let _ = Supplied::new(&Config::default(), audience, &Zeroizing::new(text.to_string()));
    }
}

/// The claims that a 401 asks for.
pub fn challenge(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
    claims_challenge(&headers);
}

/// Error documents of Graph and of the token endpoint.
pub fn error_documents(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(document) = serde_json::from_str::<Value>(text) {
        let _ = refused(403, &document, &Default::default()).to_string();
    }
    let answer = HttpError::Status {
        host: "login.example".into(),
        status: StatusCode::BAD_REQUEST,
        headers: Box::default(),
        body: text.into(),
    };
    let Some(refusal) = Refusal::of(&answer) else { return };
    let error = refusal.error();
    // What leaves the library is a document.
    let document: Value = serde_json::from_str(&error.to_json()).expect("an error document is JSON");
    assert!(document["code"].as_i64().is_some_and(|code| code >= 100));
}

/// Security descriptors: read or refused; what is read is weighed, and written so that it reads the same again.
pub fn descriptor(data: &[u8]) {
    let Ok(descriptor) = Descriptor::read(data) else { return };
    let written = descriptor.to_bytes();
    let again = Descriptor::read(&written).expect("what was read can be written and read again");
    assert_eq!(again.to_bytes(), written);
    let sids = ["S-1-1-0", "S-1-5-11", "S-1-5-21-1-2-3-1104"].map(|sid| sid.parse().expect("a SID"));
    let token: Token = sids.into_iter().collect();
    let wants = [RESET_PASSWORD, CHANGE_PASSWORD, WRITE_LOCKOUT_TIME, WRITE_PWD_LAST_SET].map(|right| right.want);
    let verdicts = |descriptor| {
        let object = Object {
            descriptor,
            class: USER,
            sid: None,
        };
        object.access(&token, wants).map(|verdict| verdict.is_allowed())
    };
    assert_eq!(verdicts(descriptor), verdicts(again));
    // A grant comes and goes, and the entries are those of before.
    let connector: SidBuf = "S-1-5-21-9-9-9-1105".parse().expect("a SID");
    let grant = on_descendants(&RESET_PASSWORD.want, &USER, connector.sid());
    if let Ok(granted) = add(&descriptor, &[grant]) {
        let after = Descriptor::read(&granted.descriptor).expect("what was edited can be read");
        let undone = remove(&after, &granted.aces()).expect("and edited again").descriptor;
        let undone = Descriptor::read(&undone).expect("and read");
        let aces = |descriptor: &Descriptor<'_>| -> Vec<Vec<u8>> {
            let aces = descriptor.dacl().into_iter().flat_map(|dacl| dacl.aces());
            aces.map(|ace| ace.bytes.to_vec()).collect()
        };
        assert_eq!(aces(&undone), aces(&descriptor));
    }
}

/// What a controller answers to a search of two pages.
pub fn ldap_answers(data: &[u8]) {
    let address = Address {
        host: "dc.example.test".into(),
        socket: None,
        port: None,
        protection: Protection::Ldaps,
    };
    let options = Options::default();
    let stream = tokio::io::join(std::io::Cursor::new(data.to_vec()), tokio::io::sink());
    let mut connection = Connection::over(Wire::new(Box::new(stream), options.timeout), &address, &options);
    let attributes = ["objectSid", "member"];
    let reading = connection.list("DC=x", Depth::Subtree, "(objectClass=user)", &attributes);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    if let Ok(found) = runtime.expect("a runtime").block_on(reading) {
        let length: usize = found
            .iter()
            .flat_map(|entry| attributes.iter().flat_map(|name| entry.values(name)))
            .map(<[u8]>::len)
            .sum();
        assert!(length <= data.len());
    }
}

/// Security templates of group policy, in whatever encoding.
pub fn security_template(data: &[u8]) {
    if let Ok(template) = Template::read(data) {
        let _ = template.has_sound_ages();
        let new = with_minimum_password_age(Some(data), 0).expect("what is read can be changed");
        let changed = Template {
            minimum_password_age: Some(0),
            ..template
        };
        assert_eq!(Template::read(&new), Ok(changed), "nothing but the age");
    }
    // GPT.INI is of the same form.
    if version(data).is_ok() {
        let new = with_version(data, 7).expect("what is read can be changed");
        assert_eq!(version(&new), Ok(Some(7)));
    }
}

/// The links of group policy objects.
pub fn policy_links(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let links = links(text);
    assert!(links.len() <= text.matches('[').count());
    assert!(links.is_sorted_by_key(|link| !link.enforced), "what is enforced wins");
    let object = "cn={11111111-2222-3333-4444-555555555555},cn=policies,cn=system,DC=x";
    assert_eq!(without_link(&with_link(text, object), object, text), text);
}
