//! Gathers the facts that steps ask for, each once, as concurrently as the sources allow.

mod refusal;
mod source;

pub use source::{Source, source};

use crate::error::Result;
use crate::session::Session;
use crate::snapshot::people::UserCounts;
use crate::snapshot::{Fact, FactId, Facts, SignedIn, Snapshot};
use crate::task::TaskContext;
use crate::tenant::graph::{Ask, Graph, GraphError};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How far a run may go.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// How long reading may take.
    pub time: Option<Duration>,
    /// Read long reports whole, however long that takes.
    pub full: bool,
}

/// Gathers.
pub async fn run(
    session: &Session,
    needs: &BTreeSet<FactId>,
    _limits: &Limits,
    context: &TaskContext,
) -> Result<Snapshot> {
    let started = Instant::now();
    let state = session.state()?;
    let graph = session.graph(context)?;
    let mut snapshot = Snapshot::new(Timestamp::now(), state.identity.clone());
    context.progress("Reading the tenant", 0, None);
    singles(&graph, needs, &state.identity, &mut snapshot.facts).await;
    snapshot.duration_ms = started.elapsed().as_millis() as u64;
    Ok(snapshot)
}

/// What one request of a batch is for.
struct Single {
    fact: FactId,
    ask: Ask,
    take: fn(&mut Facts, Value, String, Timestamp) -> std::result::Result<(), GraphError>,
}

fn known<T: DeserializeOwned>(value: Value, source: String, at: Timestamp) -> std::result::Result<Fact<T>, GraphError> {
    serde_json::from_value(value)
        .map(|value| Fact::known(value, source, at))
        .map_err(|e| GraphError::Answer(format!("the answer is not of the documented form: {e}")))
}

/// The facts that are one short answer each, in batches.
async fn singles(graph: &Graph, needs: &BTreeSet<FactId>, who: &SignedIn, facts: &mut Facts) {
    let all: Vec<Single> = vec![
        Single {
            fact: FactId::Organization,
            ask: Ask::directory(
                "/v1.0/organization?$select=id,displayName,tenantType,onPremisesSyncEnabled,onPremisesLastSyncDateTime,verifiedDomains",
            ),
            take: |facts, mut value, source, at| {
                facts.organization = known(value["value"][0].take(), source, at)?;
                Ok(())
            },
        },
        Single {
            fact: FactId::SubscribedSkus,
            ask: Ask::directory("/v1.0/subscribedSkus"),
            take: |facts, mut value, source, at| {
                facts.subscribed_skus = known(value["value"].take(), source, at)?;
                Ok(())
            },
        },
        Single {
            fact: FactId::Subscriptions,
            ask: Ask::directory("/v1.0/directory/subscriptions"),
            take: |facts, mut value, source, at| {
                facts.subscriptions = known(value["value"].take(), source, at)?;
                Ok(())
            },
        },
        Single {
            fact: FactId::UserCounts,
            ask: Ask::directory(
                "/v1.0/users?$filter=accountEnabled eq true and userType eq 'Member'&$count=true&$top=1&$select=id",
            )
            .eventual(),
            take: |facts, value, source, at| {
                let count = value["@odata.count"]
                    .as_u64()
                    .ok_or_else(|| GraphError::Answer("the answer has no @odata.count".into()))?;
                facts.user_counts = Fact::known(
                    UserCounts {
                        enabled_members: count,
                        ..Default::default()
                    },
                    source,
                    at,
                );
                Ok(())
            },
        },
    ];
    let wanted: Vec<Single> = all.into_iter().filter(|s| needs.contains(&s.fact)).collect();
    let asks: Vec<Ask> = wanted.iter().map(|s| s.ask.clone()).collect();
    let answers = graph.batch(&asks).await;
    let now = Timestamp::now();
    for (single, answer) in wanted.into_iter().zip(answers) {
        let outcome = answer.and_then(|value| (single.take)(facts, value, source(single.fact).path.into(), now));
        if let Err(error) = outcome {
            facts.refuse(single.fact, refusal::refusal(single.fact, &error, who));
        }
    }
}
