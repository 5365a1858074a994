//! What the Entra Connect servers say, which only the caller can ask: by host action.

use super::refusal::plain;
use crate::session::Session;
use crate::session::config::Cloud;
use crate::snapshot::connect::ConnectServer;
use crate::snapshot::{Fact, FactId, RefusalKind, source};
use crate::task::TaskContext;
use crate::{json, sync_engine};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// The host action.
pub const ACTION: &str = "readConnectServer";
/// So many days of events are asked for.
const DAYS: u32 = 7;
/// A busy server's event log takes its time.
const DEADLINE: Duration = Duration::from_secs(300);

/// The services that password writeback talks to, by name where names are known.
fn endpoints(cloud: Cloud) -> &'static [&'static str] {
    match cloud {
        Cloud::Public => &[
            "passwordreset.microsoftonline.com",
            "ssprdedicatedsbprodncu.servicebus.windows.net",
            "ssprdedicatedsbprodscu.servicebus.windows.net",
        ],
        Cloud::UsGovernment | Cloud::UsGovernmentDod => &["passwordreset.microsoftonline.us"],
        Cloud::China => &[
            "ssprdedicatedsbmcprodcne.servicebus.chinacloudapi.cn",
            "ssprdedicatedsbmcprodcnn.servicebus.chinacloudapi.cn",
        ],
    }
}

/// Asks for the servers, where a step wants them and the caller offers that.
pub(super) async fn gather(
    session: &Session,
    needs: &BTreeSet<FactId>,
    context: &TaskContext,
) -> Fact<Vec<ConnectServer>> {
    if !needs.contains(&FactId::ConnectServers) || !context.offers(ACTION) {
        return Fact::NotAsked;
    }
    let endpoints: Vec<Value> = endpoints(session.config.cloud)
        .iter()
        .map(|host| json!({"host": host, "port": 443}))
        .collect();
    ask(json!({"days": DAYS, "endpoints": endpoints}), context).await
}

/// What the servers say, each as it says it, with the events of so many days.
pub async fn documents(days: u32, context: &TaskContext) -> Result<Vec<Value>, String> {
    asked(json!({"days": days, "endpoints": []}), context).await
}

async fn asked(arguments: Value, context: &TaskContext) -> Result<Vec<Value>, String> {
    let answer = match context.host_action(ACTION, arguments, DEADLINE).await {
        Ok(answer) => answer,
        Err(error) => return Err(format!("The Connect server could not be read: {}.", error.message)),
    };
    let Some(documents) = answer["servers"].as_array() else {
        return Err("The caller's answer of the Connect server is not understood.".into());
    };
    let read = |document: &Value| document.as_str().and_then(|text| json::read(text).ok());
    Ok(documents
        .iter()
        .map(|document| read(document).unwrap_or_default())
        .collect())
}

async fn ask(arguments: Value, context: &TaskContext) -> Fact<Vec<ConnectServer>> {
    let refused = |message: String| Fact::Unreadable {
        refusal: plain(RefusalKind::Answer, message),
    };
    let documents = match asked(arguments, context).await {
        Ok(documents) => documents,
        Err(why) => return refused(why),
    };
    let (mut servers, mut gaps) = (Vec::new(), Vec::new());
    for document in &documents {
        match sync_engine::server(document) {
            Ok(server) => servers.push(server),
            Err(why) => gaps.push(format!("{}.", why.trim_end_matches('.'))),
        }
    }
    let path = source(FactId::ConnectServers).path;
    match (servers.is_empty(), gaps.is_empty()) {
        (true, true) => Fact::NotAsked,
        (true, false) => refused(gaps.join(" ")),
        (false, true) => Fact::known(servers, path, Timestamp::now()),
        (false, false) => Fact::Partial {
            read: servers.len() as u64,
            of: Some(documents.len() as u64),
            value: servers,
            source: path.into(),
            as_of: Timestamp::now(),
            reason: gaps.join(" "),
        },
    }
}

/// A server as it is now, without its events and relays.
pub async fn server_now(computer: &str, context: &TaskContext) -> Result<ConnectServer, String> {
    let servers = ask(json!({"days": 0, "endpoints": []}), context).await;
    let (servers, why) = match servers {
        Fact::Known { value, .. } => (value, String::new()),
        Fact::Partial { value, reason, .. } => (value, reason),
        Fact::Unreadable { refusal } => return Err(refusal.message),
        _ => (Vec::new(), String::new()),
    };
    for server in servers {
        if server.computer.eq_ignore_ascii_case(computer) {
            return Ok(server);
        }
    }
    Err(format!("it is not among the servers that were read. {why}"))
}

/// The accounts by which the servers work now, where the caller can say that: without their events and relays.
pub(super) async fn accounts_now(context: &TaskContext) -> Vec<String> {
    if !context.offers(ACTION) {
        return Vec::new();
    }
    accounts(&ask(json!({"days": 0, "endpoints": []}), context).await)
}

/// The accounts by which the servers that write back work in directories, as `DOMAIN\name`.
pub(super) fn accounts(servers: &Fact<Vec<ConnectServer>>) -> Vec<String> {
    let active = servers
        .value()
        .into_iter()
        .flatten()
        .filter(|server| !server.is_staging().unwrap_or_default());
    let mut accounts: Vec<String> = active
        .flat_map(ConnectServer::accounts)
        .map(|(domain, name)| format!("{domain}\\{name}"))
        .collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}
