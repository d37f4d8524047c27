//! One run of one audit: claim, observe, decide, plan, record.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use watcher_bus::{Event, Work};
use watcher_cluster::ClusterDataModel;
use watcher_domain::efficacy::EfficacyIndicator;
use watcher_domain::failure::wait_before_retry;
use watcher_domain::plugin::PluginVersion;
use watcher_domain::ports::{Fault, GuardError, Scoring};
use watcher_domain::recording::Recording;
use watcher_domain::{
    ActionPlan, ActionPlanId, ActionPlanState, Audit, AuditId, AuditState, AuditType, Digest, EfficacyIndicatorId,
    PlannedAction, PluginKind, ProjectId, RunLimits, Shares, SnapshotId, Stamps, Strategy, Timestamp,
};
use watcher_fair::{aside, chore};
use watcher_store::{
    Lease, Reference, Visibility, action, action_plan, audit, efficacy_indicator, goal, plugin, recording, snapshot,
    strategy,
};

use crate::Engine;
use crate::decision::{self, Decision, DecisionInput, Resolved, complete_parameters};
use crate::error::AuditError;
use crate::lease;
use crate::recorder::MemoryRecorder;
use crate::rows::{actions, bytes_of, compress};
use crate::schedule;
use crate::upkeep::SNAPSHOT_USED;

/// How a run went, for whoever shares out the next ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ran {
    /// Whether the audit runs again by itself.
    pub is_continuous: bool,
    /// Whether the run failed, and a plugin was to blame.
    pub failed_by_plugin: bool,
    /// What it stored.
    pub stored: Stored,
}

/// What a run stored, about: its plan and what its strategy saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Bytes.
    pub bytes: u64,
    /// Bytes that runs of its project may store within an hour.
    pub per_hour: u64,
}

/// How often an audit is begun again after the process that ran it went away: it may be the audit that ends them.
const MOST_LOST: u64 = 5;

/// An audit that this engine may work on, under a term of its lease.
struct Claimed {
    audit: Audit,
    term: i64,
    /// How often it was begun since a run came to an end, and the process that ran it went away.
    lost: u64,
}

/// What the audit looks at.
struct Observed {
    snapshot_id: SnapshotId,
    model: Arc<ClusterDataModel>,
    /// The model, compressed for storage, with its digest.
    stored: JoinHandle<Result<(Digest, Vec<u8>), std::io::Error>>,
    as_of: Timestamp,
}

/// A decision with what it takes to carry it out.
struct Planned {
    input: DecisionInput,
    strategy: Strategy,
    decision: Decision,
    planner: Resolved,
    plan: Vec<PlannedAction>,
    handlers: HashMap<String, Digest>,
    recorder: Arc<MemoryRecorder>,
}

/// What a run recorded.
struct Recommended {
    plan: ActionPlanId,
    state: ActionPlanState,
    /// Plans of earlier runs that it replaces.
    replaced: Vec<ActionPlanId>,
    stored: Stored,
}

impl Engine {
    /// Runs an audit, if it is due and nobody else takes it first. Errors end up in the audit's row. When `interrupt` is cancelled the run
    /// is dropped, and the audit given back: somebody stopped it, or this process ends.
    #[tracing::instrument(name = "audit.run", skip_all, fields(audit.id = %id))]
    pub async fn run_audit(&self, id: AuditId, interrupt: &CancellationToken) -> Result<Ran, watcher_store::Error> {
        let Some(claimed) = self.claim(id).await? else { return Ok(Ran::default()) };
        let ran = Ran { is_continuous: claimed.audit.audit_type == AuditType::Continuous, ..Ran::default() };
        let work = AssertUnwindSafe(Box::pin(self.recommend(&claimed))).catch_unwind();
        let work = work.map(|ended| {
            ended.unwrap_or_else(|panic| Err(AuditError::Crashed(watcher_domain::Panic::new(panic.as_ref()))))
        });
        let run = lease::hold(self.options.lease, work, || self.renew(&claimed));
        let Some(ended) = interrupt.run_until_cancelled(Box::pin(run)).await else {
            self.give_back(&claimed).await?;
            return Ok(ran);
        };
        match ended {
            Some(Ok(recommended)) => {
                let plan = recommended.plan;
                tracing::info!(audit.id = %id, action_plan.id = %plan, "audit {id} recommends action plan {plan}");
                self.announce(&claimed.audit, &recommended);
                Ok(Ran { stored: recommended.stored, ..ran })
            }
            Some(Err(AuditError::Lost)) | None => {
                tracing::info!(audit.id = %id, "audit {id} was stopped while it ran");
                Ok(ran)
            }
            Some(Err(error)) => {
                self.fail(&claimed, &error).await?;
                Ok(Ran { failed_by_plugin: error.fault() == Fault::Guest, ..ran })
            }
        }
    }

    /// Gives a claim up, unless it was taken away already.
    async fn give_back(&self, claimed: &Claimed) -> Result<(), watcher_store::Error> {
        let audit = &claimed.audit;
        let mut tx = self.store.begin().await?;
        if audit::release(&mut tx, audit.id, claimed.term, self.clock.now()).await? {
            tx.commit().await?;
            tracing::info!(audit.id = %audit.id, "audit {} was given back unfinished", audit.id);
            if audit.audit_type != AuditType::Continuous {
                self.audit_event(audit.id, Some(AuditState::Ongoing), AuditState::Pending);
            }
        }
        Ok(())
    }

    async fn recommend(&self, claimed: &Claimed) -> Result<Recommended, AuditError> {
        let audit = &claimed.audit;
        if claimed.lost >= MOST_LOST {
            return Err(AuditError::NeverEnds(claimed.lost));
        }
        let mut tries = 1;
        loop {
            let error = match self.recommend_once(claimed).await {
                Err(error) if error.is_retryable() && tries <= self.options.retries => error,
                Err(error) if tries > 1 => return Err(AuditError::Retried { tries, source: Box::new(error) }),
                ended => return ended,
            };
            let wait = wait_before_retry(self.options.retry_wait, tries);
            tracing::info!(
                audit.id = %audit.id,
                error = &error as &dyn std::error::Error,
                "audit {} is tried again in {wait:?}", audit.id
            );
            tokio::time::sleep(wait).await;
            tries += 1;
        }
    }

    async fn recommend_once(&self, claimed: &Claimed) -> Result<Recommended, AuditError> {
        let observed = self.observe(&claimed.audit).await?;
        let planned = self.decide_and_plan(&claimed.audit, &observed).await?;
        self.record(claimed, observed, planned).await
    }

    /// Takes the audit if it is due, unless an action plan of its project is being applied and the audit does not insist.
    async fn claim(&self, id: AuditId) -> Result<Option<Claimed>, watcher_store::Error> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let Some(found) = audit::get(&mut tx, id).await? else { return Ok(None) };
        let lease = self.new_lease(now);
        let Some(term) = audit::claim(&mut tx, id, &lease, now).await? else { return Ok(None) };
        if !found.force && action_plan::any_ongoing(&mut tx, &visible_to(&found)).await? {
            drop(tx);
            self.leave_out(&found).await?;
            return Ok(None);
        }
        let lost = audit::lost_runs(&mut tx, id).await?;
        tx.commit().await?;
        if found.state != AuditState::Ongoing {
            self.audit_event(id, Some(found.state), AuditState::Ongoing);
        }
        let audit = Audit { state: AuditState::Ongoing, hostname: Some(lease.hostname), ..found.value };
        Ok(Some(Claimed { audit, term, lost }))
    }

    /// Does not run an audit because an action plan is being applied: a ONESHOT one is cancelled, an EVENT one waits for its next trigger, a
    /// CONTINUOUS one for its next time.
    async fn leave_out(&self, audit: &Audit) -> Result<(), watcher_store::Error> {
        let (id, now) = (audit.id, self.clock.now());
        let mut tx = self.store.begin().await?;
        match audit.audit_type {
            AuditType::Oneshot => {
                let message = "an action plan is being applied; create the audit with force to run it all the same";
                if audit::stop(&mut tx, id, AuditState::Pending, AuditState::Cancelled, message, now).await? {
                    tx.commit().await?;
                    self.audit_event(id, Some(AuditState::Pending), AuditState::Cancelled);
                }
                return Ok(());
            }
            AuditType::Event => {
                let message = "the last trigger had no effect: an action plan was being applied";
                audit::drop_trigger(&mut tx, id, message, now).await?;
            }
            AuditType::Continuous => {
                let (planned, next) = (audit.next_run_time, schedule::after_run(audit, now));
                let message = "the last run was left out: an action plan was being applied";
                watcher_store::schedule::postpone(&mut tx, id, planned, next, message, now).await?;
            }
        }
        tx.commit().await?;
        tracing::info!(audit.id = %id, "audit {id} does not run now: an action plan is being applied");
        Ok(())
    }

    /// The project whose audit it is.
    pub(crate) async fn owner_of(&self, id: AuditId) -> Result<Option<ProjectId>, watcher_store::Error> {
        let mut tx = self.store.read().await?;
        Ok(audit::get(&mut tx, id).await?.and_then(|audit| audit.value.project_id))
    }

    fn new_lease(&self, now: Timestamp) -> Lease {
        Lease { owner: self.worker, hostname: self.options.hostname.clone(), until: now + self.options.lease, term: 0 }
    }

    async fn renew(&self, claimed: &Claimed) -> Result<bool, watcher_store::Error> {
        let mut tx = self.store.begin().await?;
        let until = self.clock.now() + self.options.lease;
        let held = audit::renew(&mut tx, claimed.audit.id, claimed.term, until).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// Collects the cluster and cuts it to the audit's scope.
    async fn observe(&self, audit: &Audit) -> Result<Observed, AuditError> {
        let snapshot = self.collector.collect(&audit.scope).await.map_err(AuditError::Observe)?;
        let scope = audit.scope.clone();
        let model = aside(move || scope.apply(snapshot.model)).await.map_err(AuditError::Scope)?;
        let model = Arc::new(model);
        let stored = Arc::clone(&model);
        Ok(Observed {
            snapshot_id: SnapshotId(self.ids.uuid()),
            stored: chore(move || compress(&stored)),
            model,
            as_of: snapshot.as_of,
        })
    }

    /// Runs the strategy, then the planner it prefers, and finds a handler for every type of action.
    async fn decide_and_plan(&self, audit: &Audit, observed: &Observed) -> Result<Planned, AuditError> {
        let (row, strategy) = self.find_strategy(audit).await?;
        let limits = self.limits_of(audit).await?;
        let scoring =
            if strategy.asks_scoring_engines() { Some(self.find_scoring_engines(audit, &limits).await?) } else { None };
        let (parameters, strategy) = {
            let given = audit.parameters.clone();
            aside(move || (complete_parameters(&strategy, given), strategy)).await
        };
        let input = DecisionInput {
            parameters: parameters?,
            strategy,
            model: Arc::clone(&observed.model),
            datasource: Arc::clone(&self.datasource),
            scoring,
            time: observed.as_of,
            seed: self.ids.seed(),
            limits: limits.decision,
            account: limits.account(audit.project_id.clone()),
        };
        let recorder = Arc::new(MemoryRecorder::default());
        let decision = decision::decide(self.strategies.as_ref(), &input, Arc::clone(&recorder)).await?;
        let handlers = self.find_handlers(audit, &row.name, &decision).await?;
        let planner = self.find_planner(audit, &input.strategy.strategy()?.planner).await?;
        let plan = decision::plan(self.planners.as_ref(), &planner, &input, &decision.actions).await?;
        Ok(Planned { input, strategy: row, decision, planner, plan, handlers, recorder })
    }

    /// What plugins may use that run for the audit's project.
    async fn limits_of(&self, audit: &Audit) -> Result<RunLimits, watcher_store::Error> {
        let limits = self.options.limits;
        let Some(project) = &audit.project_id else { return Ok(limits) };
        let mut tx = self.store.read().await?;
        Ok(limits.with(&plugin::limits(&mut tx, project).await?))
    }

    /// The audit's strategy, or else the first one that reaches its goal.
    async fn find_strategy(&self, audit: &Audit) -> Result<(Strategy, Resolved), AuditError> {
        let mut tx = self.store.read().await?;
        let visible = visible_to(audit);
        let row = match audit.strategy_id {
            Some(id) => {
                let named = strategy::get(&mut tx, id).await?;
                let usable = strategy::find(&mut tx, &Reference::Uuid(id.0), true, &visible).await?;
                if let (Some(named), None) = (named, &usable) {
                    return Err(AuditError::Refused { kind: "strategy", name: named.value.name });
                }
                usable
            }
            None => strategy::list_for_goal(&mut tx, audit.goal_id, &visible).await?.into_iter().next(),
        };
        let Some(row) = row else {
            let goal = goal::get(&mut tx, audit.goal_id).await?.map_or_else(String::new, |goal| goal.value.name);
            return Err(AuditError::NoStrategy { goal });
        };
        let Some(version) = plugin::runnable(&mut tx, row.digest, &visible).await? else {
            return Err(AuditError::Refused { kind: "strategy", name: row.name.clone() });
        };
        drop(tx);
        self.let_run(audit, "strategy", &version).await?;
        Ok((row.value, self.resolve(version)))
    }

    /// Refuses an uploaded version that the guard does not let run.
    async fn let_run(&self, audit: &Audit, kind: &'static str, version: &PluginVersion) -> Result<(), AuditError> {
        if version.project_id.is_none() {
            return Ok(());
        }
        let name = || version.description.name.clone();
        let asked = self.guard.may_run(audit.project_id.as_ref(), version.digest).await;
        asked.map_err(|source| AuditError::Guarded { kind, name: name(), source })
    }

    async fn find_planner(&self, audit: &Audit, name: &str) -> Result<Resolved, AuditError> {
        let mut tx = self.store.read().await?;
        let version = plugin::latest(&mut tx, PluginKind::Planner, name, &visible_to(audit)).await?;
        let version = version.ok_or_else(|| AuditError::NoPlugin { kind: "planner", name: name.to_owned() })?;
        drop(tx);
        self.let_run(audit, "planner", &version).await?;
        Ok(self.resolve(version))
    }

    async fn find_scoring_engines(&self, audit: &Audit, limits: &RunLimits) -> Result<Scoring, AuditError> {
        let mut tx = self.store.read().await?;
        let versions = plugin::all_latest(&mut tx, PluginKind::ScoringEngine, &visible_to(audit)).await?;
        drop(tx);
        let mut allowed = Vec::with_capacity(versions.len());
        for version in versions {
            match self.let_run(audit, "scoring engine", &version).await {
                Ok(()) => allowed.push(version),
                // There is no such engine for this audit; the strategy is told so if it asks.
                Err(AuditError::Guarded { source: GuardError::Refused(reason), name, .. }) => {
                    tracing::warn!(audit.id = %audit.id, "scoring engine {name} is left out: {reason}");
                }
                Err(error) => return Err(error),
            }
        }
        let resolved: Vec<Resolved> = allowed.into_iter().map(|version| self.resolve(version)).collect();
        let engines = aside(move || {
            let engines = resolved.iter().filter_map(|engine| engine.scoring_engine().transpose());
            engines.collect::<Result<Vec<_>, _>>()
        });
        Ok(Scoring {
            engines: engines.await?.into(),
            runner: Arc::clone(&self.scoring),
            limits: limits.scoring,
            account: limits.account(audit.project_id.clone()),
        })
    }

    async fn find_handlers(
        &self,
        audit: &Audit,
        strategy: &str,
        decision: &Decision,
    ) -> Result<HashMap<String, Digest>, AuditError> {
        let actions = Arc::clone(&decision.actions);
        let action_types = aside(move || {
            let mut seen = HashSet::new();
            let first = actions.iter().filter(|action| seen.insert(action.action_type.as_str()));
            first.map(|action| action.action_type.clone()).collect::<Vec<_>>()
        });
        let action_types = action_types.await;
        let mut tx = self.store.read().await?;
        let mut handlers = HashMap::with_capacity(action_types.len());
        for action_type in action_types {
            let version = plugin::latest(&mut tx, PluginKind::Action, &action_type, &visible_to(audit)).await?;
            let version = version.ok_or_else(|| AuditError::UnknownActionType {
                strategy: strategy.to_owned(),
                action_type: action_type.clone(),
            })?;
            self.let_run(audit, "action handler", &version).await?;
            handlers.insert(action_type, version.digest);
        }
        Ok(handlers)
    }

    fn resolve(&self, version: PluginVersion) -> Resolved {
        Resolved {
            digest: version.digest,
            configuration: version
                .configured_as()
                .and_then(|name| self.options.configuration.get(&(version.kind, name.to_owned())).cloned())
                .unwrap_or_default(),
            description: version.description,
            imports: version.imports,
        }
    }

    /// Writes plan, actions, indicators, snapshot and recording, and ends the audit: all or nothing.
    async fn record(&self, claimed: &Claimed, observed: Observed, planned: Planned) -> Result<Recommended, AuditError> {
        let audit = &claimed.audit;
        let (snapshot_digest, snapshot_bytes) = ended(observed.stored.await).map_err(watcher_store::Error::Io)?;
        let now = self.clock.now();
        let plan_id = ActionPlanId(self.ids.uuid());
        let indicators = self.indicators(plan_id, &planned.decision);
        let ids = Arc::clone(&self.ids);
        let (plan, decided, handlers) = (planned.plan, planned.decision.actions, planned.handlers);
        let rows = aside(move || {
            let rows = actions(plan_id, plan, decided, &handlers, ids.as_ref(), now);
            let bytes = rows.iter().map(bytes_of).sum::<u64>();
            (rows, bytes)
        });
        let (actions, bytes) = rows.await;
        // The database is everybody's: it is not kept busy by many plans that each take seconds.
        let _place = if actions.len() < action::LARGE_PLAN { None } else { self.large_plans.acquire().await.ok() };
        let snapshot_id = self.snapshot(observed.snapshot_id, snapshot_digest, &snapshot_bytes).await?;
        let new_bytes = if snapshot_id == observed.snapshot_id { snapshot_bytes.len() as u64 } else { 0 };
        let recorded = Recording {
            strategy_digest: planned.input.strategy.digest,
            planner_digest: Some(planned.planner.digest),
            parameters: planned.input.parameters,
            configuration: planned.input.strategy.configuration,
            scope: audit.scope.clone(),
            snapshot_id,
            seed: planned.input.seed,
            time: planned.input.time,
            seen: planned.recorder.take(),
        };
        let recorded = recording::Packed::new(recorded, new_bytes).await?;
        let Shares { stored_bytes_per_hour: per_hour, active_plans: most, .. } = planned.input.account.shares;
        let stored = Stored { bytes: recorded.bytes().saturating_add(bytes), per_hour };
        let mut tx = self.store.begin().await?;
        let (state, status_message) = match (actions.is_empty(), &audit.project_id) {
            (true, _) => (ActionPlanState::Succeeded, None),
            (false, _) if !audit.auto_trigger => (ActionPlanState::Recommended, None),
            (false, Some(project)) if action_plan::active(&mut tx, project, most).await? >= most => {
                let why = format!(
                    "not started by itself: the project has {most} action plans that wait or run already, which is its limit"
                );
                (ActionPlanState::Recommended, Some(why))
            }
            (false, _) => (ActionPlanState::Pending, None),
        };
        let plan = ActionPlan {
            id: plan_id,
            project_id: audit.project_id.clone(),
            audit_id: audit.id,
            strategy_id: planned.strategy.id,
            state,
            global_efficacy: planned.decision.global_efficacy.clone(),
            hostname: None,
            status_message,
            strategy_digest: planned.input.strategy.digest,
            planner_digest: planned.planner.digest,
            snapshot_id: Some(snapshot_id),
            stamps: Stamps::new(now),
        };
        let replaced = match audit.audit_type {
            AuditType::Continuous => {
                let message = format!("a newer run of the audit recommends action plan {plan_id}");
                action_plan::cancel_recommended_of_audit(&mut tx, audit.id, &message, now).await?
            }
            AuditType::Oneshot | AuditType::Event => Vec::new(),
        };
        action_plan::insert(&mut tx, &plan).await?;
        action::insert_many(&mut tx, &actions).await?;
        efficacy_indicator::insert_many(&mut tx, &indicators, now).await?;
        recording::insert(&mut tx, audit.id, Some(plan_id), &recorded, now).await?;
        let ended = match audit.audit_type {
            AuditType::Continuous => {
                let next = schedule::after_run(audit, now);
                watcher_store::schedule::end_run(&mut tx, audit.id, claimed.term, next, now).await?
            }
            AuditType::Oneshot | AuditType::Event => {
                audit::finish(&mut tx, audit.id, claimed.term, AuditState::Succeeded, None, now).await?
            }
        };
        if !ended {
            return Err(AuditError::Lost);
        }
        tx.commit().await?;
        // Giving back what a large plan and cluster took is work, too.
        drop(chore(move || drop((actions, planned.input.model, observed.model))));
        Ok(Recommended { plan: plan_id, state, replaced, stored })
    }

    /// Keeps a snapshot in a transaction of its own: another project's audit that looked at the same cluster does not wait until a plan is written.
    async fn snapshot(&self, id: SnapshotId, digest: Digest, content: &[u8]) -> Result<SnapshotId, AuditError> {
        let mut tx = self.store.read().await?;
        let now = self.clock.now();
        if let Some(kept) = snapshot::find(&mut tx, digest, now - SNAPSHOT_USED).await? {
            return Ok(kept);
        }
        drop(tx);
        let mut tx = self.store.begin().await?;
        let kept = snapshot::insert(&mut tx, id, digest, content, now).await?;
        tx.commit().await?;
        Ok(kept)
    }

    fn indicators(&self, action_plan_id: ActionPlanId, decision: &Decision) -> Vec<EfficacyIndicator> {
        let row = |(spec, value): &(watcher_domain::IndicatorSpec, f64)| EfficacyIndicator {
            id: EfficacyIndicatorId(self.ids.uuid()),
            action_plan_id,
            name: spec.name.clone(),
            description: spec.description.clone(),
            unit: spec.unit.clone(),
            value: *value,
        };
        decision.indicators.iter().map(row).collect()
    }

    fn announce(&self, audit: &Audit, recommended: &Recommended) {
        if audit.audit_type != AuditType::Continuous {
            self.audit_event(audit.id, Some(AuditState::Ongoing), AuditState::Succeeded);
        }
        for &action_plan_id in &recommended.replaced {
            let (old, state) = (Some(ActionPlanState::Recommended), ActionPlanState::Cancelled);
            self.bus.publish(Event::ActionPlan { action_plan_id, old, state });
        }
        let (action_plan_id, state) = (recommended.plan, recommended.state);
        self.bus.publish(Event::ActionPlan { action_plan_id, old: None, state });
        if state == ActionPlanState::Pending {
            self.bus.publish(Work::RunActionPlan { action_plan_id });
        }
    }

    /// The one place where an audit becomes FAILED.
    async fn fail(&self, claimed: &Claimed, error: &AuditError) -> Result<(), watcher_store::Error> {
        let id = claimed.audit.id;
        tracing::error!(
            audit.id = %id,
            blame = ?error.fault(),
            error = error as &dyn std::error::Error,
            "audit {id} failed"
        );
        let mut tx = self.store.begin().await?;
        let message = error.to_string();
        if audit::finish(&mut tx, id, claimed.term, AuditState::Failed, Some(&message), self.clock.now()).await? {
            tx.commit().await?;
            self.audit_event(id, Some(AuditState::Ongoing), AuditState::Failed);
        }
        Ok(())
    }

    pub(crate) fn audit_event(&self, audit_id: AuditId, old: Option<AuditState>, state: AuditState) {
        self.bus.publish(Event::Audit { audit_id, old, state });
    }
}

/// What work gave that was done aside. Its panic goes on here.
fn ended<T>(work: Result<T, JoinError>) -> T {
    work.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
}

/// What an audit may run: what its project may.
fn visible_to(audit: &Audit) -> Visibility {
    Visibility::of(audit.project_id.as_ref())
}
