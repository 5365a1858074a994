//! Gathers the facts that steps ask for, each once, as concurrently as the sources allow.

mod audit;
pub mod connect;
pub mod directory;
mod divisions;
mod groups;
mod people;
mod portal;
mod refusal;
mod registration;
mod singles;
pub mod user;
pub mod users;

use crate::error::Result;
use crate::json;
use crate::session::config::Budgets;
use crate::session::{Session, State};
use crate::snapshot::connect::ConnectServer;
use crate::snapshot::graph::{ConditionalAccessPolicy, DomainFederation, FeatureSummary};
use crate::snapshot::source;
use crate::snapshot::{Fact, FactId, Facts, Refusal, RefusalKind, SignedIn, Snapshot};
use crate::task::TaskContext;
use crate::tenant::error::AskError;
use crate::tenant::graph::{Ask, Graph};
use crate::tenant::portal::Portal;
use jiff::Timestamp;
use sspr_rows::membership::Membership;
use sspr_rows::registration::Known;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How far a run may go.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// How long reading long lists may take, counted from the run's start.
    pub time: Option<Duration>,
    /// Read them whole, however long that takes.
    pub full: bool,
    /// The containers of directories that are looked at beside each domain's root, for what they grant.
    pub containers: Vec<String>,
    /// Groups that the registration report is counted by, beside those that policies name: ids or names.
    pub groups: Vec<String>,
    /// Count it by department too.
    pub departments: bool,
}

/// How long that may be when nobody said.
const DEFAULT_TIME: Duration = Duration::from_secs(120);

/// Why a list was not read to its end.
enum Gap {
    /// The run's time was over.
    Time,
    /// The service refused or failed.
    Refused(AskError),
}

/// What a run reads with.
struct Gatherer {
    graph: Graph,
    portal: Option<Portal>,
    who: SignedIn,
    budgets: bool,
    /// How long reading long lists may take; None: however long.
    time: Option<Duration>,
    started: Instant,
    log: audit::Log,
    context: TaskContext,
    divisions: divisions::Divisions,
}

/// Facts whose reading is steered by others: the groups that policies name, the keys of the registration report.
fn widen(needs: &BTreeSet<FactId>) -> BTreeSet<FactId> {
    let mut all = needs.clone();
    if all.contains(&FactId::Registration) {
        all.extend([
            FactId::PolicyGroups,
            FactId::UserCounts,
            FactId::GlobalAdministrators,
            FactId::EligibleAdministrators,
        ]);
    }
    if all.contains(&FactId::PolicyGroups) {
        all.extend([
            FactId::MethodsPolicy,
            FactId::ConditionalAccess,
            FactId::PortalResetPolicy,
            FactId::AuditSettings,
        ]);
    }
    // How far the log reaches depends on it.
    if audit::requests(&all) > 0 {
        all.insert(FactId::SubscribedSkus);
    }
    if all.contains(&FactId::PolicyUsers) {
        all.insert(FactId::ConditionalAccess);
    }
    if all.contains(&FactId::Federation) {
        all.insert(FactId::Domains);
    }
    all
}

/// Gathers.
pub async fn run(
    session: &Session,
    needs: &BTreeSet<FactId>,
    limits: &Limits,
    context: &TaskContext,
) -> Result<Snapshot> {
    Ok(known(session, needs, limits, context).await?.0)
}

/// Gathers, and tells what is then known of single users.
async fn known(
    session: &Session,
    needs: &BTreeSet<FactId>,
    limits: &Limits,
    context: &TaskContext,
) -> Result<(Snapshot, Arc<Known>)> {
    let started = Instant::now();
    let state = match session.state() {
        Ok(state) => state,
        // What is on premises alone: the tenant is read elsewhere, and the two are joined.
        Err(error) => {
            let mut snapshot = Snapshot::new(Timestamp::now(), SignedIn::default());
            let (servers, directory) = Box::pin(on_premises(session, needs, limits, context)).await;
            if session.directories().is_empty() && matches!(servers, Fact::NotAsked) {
                return Err(error);
            }
            snapshot.facts.connect_servers = servers;
            if let Some(directory) = directory {
                directory.give(&mut snapshot.facts);
            }
            snapshot.duration_ms = started.elapsed().as_millis() as u64;
            return Ok((snapshot, Arc::default()));
        }
    };
    let mut gatherer = Gatherer::new(session, &state, limits, context, started).await?;
    gatherer.divisions = Box::pin(gatherer.divisions(limits)).await?;
    let mut snapshot = Snapshot::new(Timestamp::now(), state.identity);
    let widened = widen(needs);
    let (known, (servers, directory)) = tokio::join!(
        Box::pin(gatherer.gather(&widened, &mut snapshot.facts)),
        Box::pin(on_premises(session, needs, limits, context)),
    );
    snapshot.facts.connect_servers = servers;
    if let Some(directory) = directory {
        directory.give(&mut snapshot.facts);
    }
    snapshot.duration_ms = started.elapsed().as_millis() as u64;
    Ok((snapshot, known))
}

/// What is read on premises. The Connect servers come first: they say which accounts count in the directories.
async fn on_premises(
    session: &Session,
    needs: &BTreeSet<FactId>,
    limits: &Limits,
    context: &TaskContext,
) -> (Fact<Vec<ConnectServer>>, Option<directory::Gathered>) {
    let servers = connect::gather(session, needs, context).await;
    let accounts = connect::accounts(&servers);
    let directory = directory::gather(session, needs, &accounts, &limits.containers, context).await;
    (servers, directory)
}

impl Gatherer {
    /// What reads the tenant that a session is signed in to.
    async fn new(
        session: &Session,
        state: &State,
        limits: &Limits,
        context: &TaskContext,
        started: Instant,
    ) -> Result<Self> {
        // A sign-in that has ended is the run's own error, not that of every fact.
        let tokens = state.tokens.for_task(context);
        tokens.get(&crate::session::tokens::Audience::Graph).await?;
        Ok(Gatherer {
            graph: session.graph(context)?,
            portal: session.portal(context)?,
            who: state.identity.clone(),
            budgets: session.config.budgets == Budgets::Documented,
            time: (!limits.full).then(|| limits.time.unwrap_or(DEFAULT_TIME)),
            started,
            log: audit::Log::new(Timestamp::now()),
            context: context.clone(),
            divisions: divisions::Divisions::default(),
        })
    }

    fn refusal(&self, fact: FactId, error: &AskError) -> Refusal {
        let refusal = refusal::refusal(fact, error, &self.who);
        self.context.log(&format!(
            "{}: {}{}",
            fact.name(),
            refusal.message,
            refusal
                .request_id
                .as_ref()
                .map_or_else(String::new, |id| format!(" (request {id})"))
        ));
        refusal
    }

    /// Whether long lists may still be read.
    fn in_time(&self) -> bool {
        self.time.is_none_or(|time| self.started.elapsed() < time)
    }

    /// What a gap says of a fact.
    fn gap(&self, fact: FactId, gap: &Gap) -> Refusal {
        match gap {
            Gap::Refused(error) => self.refusal(fact, error),
            Gap::Time => refusal::plain(
                RefusalKind::Time,
                "The run's time was over (see -TimeBudget, -Full).".into(),
            ),
        }
    }

    /// Three waves: what stands alone; what those answers name; the report whose rows are keyed by both.
    async fn gather(&self, needs: &BTreeSet<FactId>, facts: &mut Facts) -> Arc<Known> {
        self.context.progress("Reading the tenant", 0, None);
        // Each reader fills facts of its own, so that all can run at once.
        let (mut short, mut portal) = (Facts::default(), Facts::default());
        // In boxes, as these are large: what joins them would hold and move them on the stack.
        let waves = Box::pin(async {
            let (conditional_access, (active, eligible), settings, (), ()) = tokio::join!(
                Box::pin(self.conditional_access(needs)),
                Box::pin(self.administrators(needs)),
                Box::pin(self.audit_settings(needs)),
                Box::pin(self.singles(needs, &mut short)),
                Box::pin(self.portal(needs, &mut portal)),
            );
            *facts = short;
            facts.conditional_access = conditional_access;
            facts.audit_settings = settings;
            facts.global_administrators = active;
            facts.eligible_administrators = eligible;
            facts.portal_reset_policy = portal.portal_reset_policy;
            facts.portal_on_premises = portal.portal_on_premises;
            facts.portal_sync_status = portal.portal_sync_status;
            let federation = self.federation(needs, facts);
            let membership = async {
                match needs.contains(&FactId::PolicyGroups) {
                    true => Some(Box::pin(self.groups(facts)).await),
                    false => None,
                }
            };
            let people = self.policy_users(needs, facts);
            let (federation, membership, people) = tokio::join!(federation, membership, people);
            facts.federation = federation;
            facts.policy_users = people;
            let mut members = Membership::default();
            if let Some((membership, groups)) = membership {
                members = membership;
                facts.policy_groups = groups;
            }
            let known = registration::known(members, facts);
            if needs.contains(&FactId::Registration) {
                Box::pin(self.registration(needs, &known, facts)).await;
            }
            known
        });
        let audits = Box::pin(self.audit(needs));
        let (known, (switches, resets), summary) = tokio::join!(waves, audits, self.feature_summary(needs));
        facts.audit_writeback = switches;
        facts.audit_resets = resets;
        facts.feature_summary = summary;
        self.date_audit(facts);
        known
    }

    async fn conditional_access(&self, needs: &BTreeSet<FactId>) -> Fact<Vec<ConditionalAccessPolicy>> {
        if !needs.contains(&FactId::ConditionalAccess) {
            return Fact::NotAsked;
        }
        let ask = Ask::conditional_access("/v1.0/identity/conditionalAccess/policies");
        self.fact(FactId::ConditionalAccess, self.graph.list(&ask).await)
    }

    async fn feature_summary(&self, needs: &BTreeSet<FactId>) -> Fact<FeatureSummary> {
        // The report serves people only; an app need not ask.
        if !needs.contains(&FactId::FeatureSummary) || !self.who.delegated {
            return Fact::NotAsked;
        }
        let path = "/v1.0/reports/authenticationMethods/usersRegisteredByFeature(includedUserTypes='all',includedUserRoles='all')";
        self.fact(FactId::FeatureSummary, self.graph.get(&Ask::report(path)).await)
    }

    /// The federation of every federated domain.
    async fn federation(&self, needs: &BTreeSet<FactId>, facts: &Facts) -> Fact<Vec<DomainFederation>> {
        if !needs.contains(&FactId::Federation) {
            return Fact::NotAsked;
        }
        let Some(domains) = facts.domains.value() else {
            return match facts.domains.refusal() {
                Some(refusal) => Fact::Unreadable {
                    refusal: refusal.clone(),
                },
                None => Fact::NotAsked,
            };
        };
        let federated: Vec<&str> = domains
            .iter()
            .filter(|d| d.authentication_type.eq_ignore_ascii_case("Federated"))
            .map(|d| d.id.as_str())
            .collect();
        let asks: Vec<Ask> = federated
            .iter()
            .map(|d| Ask::directory(format!("/v1.0/domains/{d}/federationConfiguration")))
            .collect();
        let mut all = Vec::new();
        for (domain, answer) in federated.iter().zip(self.graph.batch(&asks).await) {
            match answer {
                Err(error) => {
                    return Fact::Unreadable {
                        refusal: self.refusal(FactId::Federation, &error),
                    };
                }
                Ok(value) => {
                    let first = value["value"].get(0).cloned().unwrap_or_default();
                    let mut federation: DomainFederation = json::read_tree(first).unwrap_or_default();
                    federation.domain = (*domain).into();
                    all.push(federation);
                }
            }
        }
        Fact::known(all, source(FactId::Federation).path, Timestamp::now())
    }

    fn fact<T>(&self, id: FactId, outcome: std::result::Result<T, AskError>) -> Fact<T> {
        match outcome {
            Ok(value) => Fact::known(value, source(id).path, Timestamp::now()),
            Err(error) => Fact::Unreadable {
                refusal: self.refusal(id, &error),
            },
        }
    }
}
