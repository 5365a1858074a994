//! Listeners and connections: from bytes to a call, and from a reply to bytes, with the faults of the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::core::Core;
use crate::fault::{FaultKind, kind_name, play};
use crate::http::{Call, Notes};
use crate::record::RequestRecord;
use crate::reply::Reply;
use crate::wire::{self, LabBody};
use crate::{control, graph, identity, login, portal, receiver};

/// One listener.
pub(crate) struct Endpoint {
    pub name: &'static str,
    pub origin: String,
    pub listener: TcpListener,
    pub tls: Option<Arc<ServerConfig>>,
}

static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// Accepts connections until told to stop.
pub(crate) async fn accept(core: Arc<Core>, endpoint: Endpoint, mut stop: watch::Receiver<bool>) {
    let endpoint = Arc::new(endpoint);
    loop {
        let accepted = tokio::select! {
            accepted = endpoint.listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        tokio::spawn(connection(core.clone(), endpoint.clone(), stream, stop.clone()));
    }
}

async fn connection(core: Arc<Core>, endpoint: Arc<Endpoint>, stream: TcpStream, stop: watch::Receiver<bool>) {
    let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed) + 1;
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match &endpoint.tls {
        None => talk(core, endpoint.clone(), TokioIo::new(stream), number, stop).await,
        Some(config) => {
            // A handshake that fails is the client's business: it saw a certificate that it does not trust.
            if let Ok(stream) = TlsAcceptor::from(config.clone()).accept(stream).await {
                talk(core, endpoint.clone(), TokioIo::new(stream), number, stop).await;
            }
        }
    }
}

async fn talk<S>(core: Arc<Core>, endpoint: Arc<Endpoint>, stream: S, number: u64, mut stop: watch::Receiver<bool>)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = service_fn(|request| handle(core.clone(), endpoint.clone(), number, request));
    let builder = Builder::new(TokioExecutor::new());
    let serving = builder.serve_connection(stream, service);
    tokio::select! {
        // An error here is a client that went away or a fault that was asked for.
        _ = serving => {}
        _ = stop.changed() => {}
    }
}

/// The answer could not be sent because a fault closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("the lab was told to drop the connection")]
struct Dropped;

async fn handle(
    core: Arc<Core>,
    endpoint: Arc<Endpoint>,
    connection: u64,
    request: Request<Incoming>,
) -> Result<Response<LabBody>, Dropped> {
    let (parts, body) = request.into_parts();
    let protocol = format!("{:?}", parts.version);
    let method = parts.method.to_string();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let control = path.starts_with("/_lab/");
    let body = Limited::new(body, 8 << 20)
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();

    let path_and_query = if query.is_empty() {
        path.clone()
    } else {
        format!("{path}?{query}")
    };
    let faults = if control {
        Vec::new()
    } else {
        let tenant = tenant_of(&core, &parts.headers, &path);
        core.faults.pick(tenant.as_deref(), &method, &path, &path_and_query)
    };
    let mut call = Call {
        number: 0,
        method,
        path,
        query,
        headers: parts.headers,
        body,
        origin: origin(
            &endpoint,
            parts.uri.authority().map(hyper::http::uri::Authority::as_str),
        ),
        faults,
    };
    if let Some(host) = call.header("host") {
        call.origin = format!("{}://{host}", if endpoint.tls.is_some() { "https" } else { "http" });
    }
    if !control {
        call.number = core.log.arrive(record(&endpoint, &call, connection, protocol));
    }
    delay(&core, &call).await?;
    let mut notes = Notes::default();
    let reply = play(&core, &call, &mut notes, |notes| dispatch(&core, &call, notes));
    let dropped = call.faults.contains(&FaultKind::DropAnswer);
    let silent = dropped || call.faults.contains(&FaultKind::Withhold);
    if !control {
        for message in std::mem::take(&mut notes.violations) {
            core.log.violation(call.number, call.address(), message);
        }
        core.log.answered(call.number, |record| {
            record.status = if silent { 0 } else { reply.status };
            record.bytes = reply.length();
            record.role = notes.role.to_owned();
            record.tenant_id = notes.tenant_id;
            record.app_id = notes.app_id;
        });
    }
    if dropped {
        return Err(Dropped);
    }
    if call.faults.contains(&FaultKind::Withhold) {
        std::future::pending::<()>().await;
    }
    Ok(wire::response(&core, &call, reply))
}

/// The tenant of a request's token, or the one that a sign-in's path names.
fn tenant_of(core: &Core, headers: &hyper::HeaderMap, path: &str) -> Option<String> {
    let value = headers.get("authorization").and_then(|value| value.to_str().ok());
    let access = value.and_then(|value| core.desk.access(value.strip_prefix("Bearer ")?));
    let first = || path.split('/').nth(1).map(str::to_owned);
    access.map(|access| access.tenant.clone()).or_else(first)
}

fn origin(endpoint: &Endpoint, authority: Option<&str>) -> String {
    let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
    authority.map_or_else(
        || endpoint.origin.clone(),
        |authority| format!("{scheme}://{authority}"),
    )
}

fn record(endpoint: &Endpoint, call: &Call, connection: u64, protocol: String) -> RequestRecord {
    let shown = |name: &str, value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == "authorization" {
            text.split(' ').next().unwrap_or_default().to_owned()
        } else {
            text
        }
    };
    let text = String::from_utf8_lossy(&call.body[..call.body.len().min(64 << 10)]).into_owned();
    RequestRecord {
        connection,
        listener: endpoint.name.to_owned(),
        protocol,
        method: call.method.clone(),
        path: call.path.clone(),
        query: call.query.clone(),
        headers: call
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), shown(name.as_str(), value)))
            .collect(),
        body: text,
        faults: call.faults.iter().map(kind_name).collect(),
        ..RequestRecord::default()
    }
}

/// Which role answers a path.
fn dispatch(core: &Core, call: &Call, notes: &mut Notes) -> Reply {
    let first = call.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match first {
        "_lab" => control::answer(core, call, notes),
        "v1.0" | "beta" => graph::answer(core, call, notes, false),
        "api" => portal::answer(core, call, notes),
        "hook" => receiver::hook(call, notes),
        "blob" => receiver::blob(core, call, notes),
        "msi" | "metadata" | "arc" => identity::answer(core, call, notes),
        _ => login::answer(core, call, notes).unwrap_or_else(|| {
            notes.role = "unknown";
            notes.violation("no service of Microsoft's has this path");
            Reply::json(404, &serde_json::json!({"error": "the lab has no such path"}))
        }),
    }
}

/// The faults that come before an answer.
async fn delay(core: &Core, call: &Call) -> Result<(), Dropped> {
    if core.options.latency_ms > 0 && !call.path.starts_with("/_lab/") {
        tokio::time::sleep(Duration::from_millis(core.options.latency_ms)).await;
    }
    for fault in &call.faults {
        match fault {
            FaultKind::Latency { ms } | FaultKind::Bandwidth { late_ms: ms, .. } => {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
            }
            FaultKind::Never => std::future::pending::<()>().await,
            FaultKind::DropBeforeHeaders => return Err(Dropped),
            _ => {}
        }
    }
    Ok(())
}
