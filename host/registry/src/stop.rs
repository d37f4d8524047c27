//! Stops what uses a deactivated version.

use serde_json::json;
use watcher_domain::plugin::{Specifics, VersionState};
use watcher_domain::{
    ActionPlanId, ActionPlanState, Audit, AuditId, AuditState, Digest, PluginId, PluginKind, Timestamp,
};
use watcher_store::plugin::{self, Handled, Plugin};
use watcher_store::{Tx, Visibility, action, action_plan, audit, strategy};

use crate::Registry;
use crate::actor::Actor;
use crate::error::Result;
use crate::lifecycle::hold;
use crate::upload::release;

/// How many audits or action plans are looked at together.
const PAGE: u32 = 100;
/// How often something may be moved by others while it is being stopped. Its state only goes on, so it ends soon.
const ATTEMPTS: usize = 4;

/// What was stopped: for whoever works on it to be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stopped {
    /// The audits, which are CANCELLED now, with the state in which each was.
    pub audits: Vec<(AuditId, AuditState)>,
    /// The action plans: the state in which each was, and the one in which it is: CANCELLED, or CANCELLING.
    pub action_plans: Vec<(ActionPlanId, ActionPlanState, ActionPlanState)>,
}

impl Registry {
    /// Stops what uses a deactivated version through this plugin, as who cancels it does, and what waits for it. An active version is left alone.
    ///
    /// This is a transaction of its own, after the one that deactivated: whoever began in between is seen here, and whoever begins later is
    /// refused. It may be done again at any time.
    pub async fn stop_users(
        &self,
        actor: &Actor,
        id: PluginId,
        version: &str,
        reason: Option<&str>,
    ) -> Result<Stopped> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        hold(&mut tx, &actor.visibility(), id, now).await?;
        let found = release(&mut tx, actor, id, version).await?;
        if found.version.state != VersionState::Deactivated {
            return Ok(Stopped::default());
        }
        let Plugin { kind, name, .. } = &found.plugin.value;
        let number = &found.version.version.description.version;
        let mut message = format!("{kind} {name} {number} was deactivated, and what used it was stopped");
        if let Some(reason) = reason {
            message.push_str(": ");
            message.push_str(reason);
        }
        let digest = found.version.version.digest;
        let mut work = Stopper {
            tx: &mut tx,
            plugin: &found.plugin.value,
            digest,
            message,
            now,
            stopped: Stopped::default(),
            own: Own::default(),
        };
        match kind {
            PluginKind::Strategy => work.audits_of_strategy().await?,
            PluginKind::Planner | PluginKind::ScoringEngine => work.audits_at_work().await?,
            PluginKind::Action => work.action_plans().await?,
        }
        let (stopped, own) = (work.stopped, work.own);
        if stopped == Stopped::default() {
            return Ok(stopped);
        }
        // How much others ran is theirs, and whether they did.
        if own.audits + own.action_plans > 0 {
            let detail = json!({
                "version": number,
                "reason": reason,
                "audits": own.audits,
                "action_plans": own.action_plans,
            });
            actor.note(&mut tx, id, "stopped", Some(digest), detail, now).await?;
        }
        tx.commit().await?;
        tracing::info!(
            plugin.id = %id,
            plugin.digest = %digest,
            "{} audits and {} action plans were stopped with version {digest} of plugin {id}",
            stopped.audits.len(),
            stopped.action_plans.len()
        );
        Ok(stopped)
    }
}

/// How many of what was stopped the plugin's own project had.
#[derive(Debug, Default)]
struct Own {
    audits: usize,
    action_plans: usize,
}

struct Stopper<'a> {
    tx: &'a mut Tx,
    plugin: &'a Plugin,
    digest: Digest,
    message: String,
    now: Timestamp,
    stopped: Stopped,
    own: Own,
}

impl Stopper<'_> {
    async fn audits_of_strategy(&mut self) -> Result<()> {
        let mut last = 0;
        loop {
            let page = plugin::audits_of_strategy(self.tx, self.plugin.id, self.digest, last, PAGE).await?;
            let Some((serial, _)) = page.last() else { return Ok(()) };
            last = *serial;
            for (_, id) in page {
                self.stop_audit(id).await?;
            }
        }
    }

    /// Nobody writes down which planner and which scoring engines an audit asks, and it may ask by several names: every one that is being worked on
    /// and could ask this one is stopped. One that waits will be refused.
    async fn audits_at_work(&mut self) -> Result<()> {
        let mut last = 0;
        loop {
            let page = plugin::audits_at_work(self.tx, last, PAGE).await?;
            let Some((serial, _)) = page.last() else { return Ok(()) };
            last = *serial;
            for (_, id) in page {
                let Some(found) = audit::get(self.tx, id).await? else { continue };
                if self.could_ask(&found).await? {
                    self.stop_audit(id).await?;
                }
            }
        }
    }

    /// Whether an audit that is being worked on could ask the plugin: its project may use it, and its strategy asks for such a one. A strategy whose row changed
    /// since the audit began may have been another version.
    async fn could_ask(&mut self, audit: &Audit) -> Result<bool> {
        if !plugin::may_use(self.tx, self.plugin.id, &Visibility::of(audit.project_id.as_ref())).await? {
            return Ok(false);
        }
        let strategy = match audit.strategy_id {
            Some(id) => strategy::get(self.tx, id).await?,
            None => None,
        };
        let Some(strategy) = strategy else { return Ok(true) };
        let changed = strategy.stamps.updated_at.unwrap_or(strategy.stamps.created_at);
        if audit.stamps.updated_at.is_none_or(|began| began <= changed) {
            return Ok(true);
        }
        let Some(version) = plugin::version(self.tx, strategy.digest).await? else { return Ok(true) };
        Ok(match (self.plugin.kind, &version.description.specifics) {
            (PluginKind::Planner, Specifics::Strategy(specifics)) => {
                let name = specifics.planner.rsplit('/').next().unwrap_or_default();
                name.eq_ignore_ascii_case(&self.plugin.name)
            }
            (PluginKind::ScoringEngine, _) => version.asks_scoring_engines(),
            _ => true,
        })
    }

    async fn action_plans(&mut self) -> Result<()> {
        let mut last = 0;
        loop {
            let page = plugin::plans_handled_by(self.tx, self.digest, last, PAGE).await?;
            let Some(Handled { serial, .. }) = page.last() else { return Ok(()) };
            last = *serial;
            for Handled { id, plugin, .. } in page {
                let Some(found) = action_plan::get(self.tx, id).await? else { continue };
                let visible = Visibility::of(found.project_id.as_ref());
                let is_through = match plugin {
                    Some(plugin) => plugin == self.plugin.id,
                    None => plugin::runs_through(self.tx, self.plugin.id, self.digest, &visible).await?,
                };
                if is_through {
                    self.stop_action_plan(id).await?;
                }
            }
        }
    }

    async fn stop_audit(&mut self, id: AuditId) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let Some(found) = audit::get(self.tx, id).await? else { return Ok(()) };
            let from = found.state;
            if !matches!(from, AuditState::Pending | AuditState::Ongoing) {
                return Ok(());
            }
            if audit::stop(self.tx, id, from, AuditState::Cancelled, &self.message, self.now).await? {
                self.own.audits += usize::from(found.project_id == self.plugin.project_id);
                self.stopped.audits.push((id, from));
                return Ok(());
            }
        }
        Ok(())
    }

    async fn stop_action_plan(&mut self, id: ActionPlanId) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let Some(found) = action_plan::get(self.tx, id).await? else { return Ok(()) };
            let from = found.state;
            let to = match from {
                ActionPlanState::Pending => ActionPlanState::Cancelled,
                ActionPlanState::Ongoing => ActionPlanState::Cancelling,
                _ => return Ok(()),
            };
            if action_plan::transition(self.tx, id, from, to, self.now).await? {
                action_plan::set_status_message(self.tx, id, &self.message, self.now).await?;
                if to == ActionPlanState::Cancelled {
                    action::cancel_pending_of_plan(self.tx, id, self.now).await?;
                }
                self.own.action_plans += usize::from(found.project_id == self.plugin.project_id);
                self.stopped.action_plans.push((id, from, to));
                return Ok(());
            }
        }
        Ok(())
    }
}
