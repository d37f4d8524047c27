//! Removes for good what was soft-deleted long enough ago: children first, in transactions of bounded size, so that nobody waits long for it.
//!
//! Nothing is removed that a row refers to which stays. It can be ended at any time and done again.

use uuid::Uuid;
use watcher_domain::Timestamp;

use crate::error::Result;
use crate::reference::Reference;
use crate::select::Select;
use crate::store::{Store, Tx};

/// Plans, audits or templates that are looked at together.
const PAGE: usize = 100;
/// Rows that one transaction removes.
const ROWS: u64 = 1000;
/// Recordings that one transaction removes: each may have megabytes.
const RECORDINGS: u64 = 20;

/// What is to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// What was soft-deleted then or before.
    pub before: Timestamp,
    /// Only what is for these goals, if there are any.
    pub goals: Option<Vec<Uuid>>,
    /// Also action plans that have ended and are not deleted themselves, but whose audits are.
    pub orphans: bool,
    /// Most rows to remove, recordings aside.
    pub most: Option<u64>,
}

/// How many rows were removed, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purged {
    /// Audit templates.
    pub audit_templates: u64,
    /// Audits.
    pub audits: u64,
    /// Action plans.
    pub action_plans: u64,
    /// Actions; their journals go with them.
    pub actions: u64,
    /// Efficacy indicators.
    pub efficacy_indicators: u64,
    /// Recordings of what audits saw.
    pub recordings: u64,
}

/// The goals that somebody refers to, deleted or not, whosever they are.
pub async fn goals(tx: &mut Tx, reference: &Reference) -> Result<Vec<Uuid>> {
    let select = Select::new("uuid", "goals");
    let select = match reference {
        Reference::Serial(serial) => select.filter("id = ?", *serial),
        Reference::Uuid(uuid) => select.filter("uuid = ?", *uuid),
        Reference::Name(name) => select.filter("LOWER(name) = LOWER(?)", name.as_str()),
    };
    let rows = select.then("ORDER BY id").fetch_all::<(Uuid,)>(tx).await?;
    Ok(rows.into_iter().map(|(uuid,)| uuid).collect())
}

/// Removes what is to be removed; how much.
pub async fn run(store: &Store, purge: &Purge) -> Result<Purged> {
    let left = purge.most.unwrap_or(u64::MAX);
    let mut work = Work { store, purge, left, counts_only: false, done: Purged::default() };
    work.everything().await?;
    Ok(work.done)
}

/// Counts what [`run`] would remove if it could remove any number.
pub async fn count(store: &Store, purge: &Purge) -> Result<Purged> {
    let mut work = Work { store, purge, left: u64::MAX, counts_only: true, done: Purged::default() };
    work.everything().await?;
    Ok(work.done)
}

/// Condition for plans `p` of audits `a` that go.
const fn plan_goes(orphans: bool) -> &'static str {
    if orphans {
        "(p.deleted <> 0 AND p.deleted_at <= ? OR p.deleted = 0 AND a.deleted <> 0 AND a.deleted_at <= ? \
          AND p.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'SUPERSEDED'))"
    } else {
        "(p.deleted <> 0 AND p.deleted_at <= ?)"
    }
}

/// The same for audits whose plans all go.
const fn plans_go(orphans: bool) -> &'static str {
    if orphans {
        "NOT EXISTS (SELECT 1 FROM action_plans p WHERE p.audit_id = a.uuid AND NOT (p.deleted <> 0 AND p.deleted_at <= ? \
          OR p.deleted = 0 AND p.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'SUPERSEDED')))"
    } else {
        "NOT EXISTS (SELECT 1 FROM action_plans p WHERE p.audit_id = a.uuid AND NOT (p.deleted <> 0 AND p.deleted_at <= ?))"
    }
}

const NO_PLANS: &str = "NOT EXISTS (SELECT 1 FROM action_plans p WHERE p.audit_id = a.uuid)";
const DELETED: &str = "a.deleted <> 0 AND a.deleted_at <= ?";

struct Work<'a> {
    store: &'a Store,
    purge: &'a Purge,
    /// Rows that may still be removed.
    left: u64,
    counts_only: bool,
    done: Purged,
}

impl Work<'_> {
    async fn everything(&mut self) -> Result<()> {
        self.plans().await?;
        self.audits().await?;
        self.templates().await
    }

    async fn plans(&mut self) -> Result<()> {
        let mut last = 0;
        while self.left > 0 {
            let select = Select::new("p.id", "action_plans p JOIN audits a ON a.uuid = p.audit_id");
            let select = select.filter(plan_goes(self.purge.orphans), self.purge.before);
            let Some(page) = self.page(select, "p.id", &mut last).await? else { break };
            let of_plans = format!("action_plan_id IN (SELECT p.uuid FROM action_plans p WHERE p.id IN ({page}))");
            self.done.actions += self.remove_counted("actions", &of_plans).await?;
            self.done.efficacy_indicators += self.remove_counted("efficacy_indicators", &of_plans).await?;
            if self.left == 0 {
                break;
            }
            self.done.recordings += self.remove("recordings", &of_plans, RECORDINGS, u64::MAX).await?;
            self.done.action_plans += self.remove_counted("action_plans", &format!("id IN ({page})")).await?;
        }
        Ok(())
    }

    async fn audits(&mut self) -> Result<()> {
        let mut last = 0;
        while self.left > 0 {
            let select = Select::new("a.id", "audits a").filter(DELETED, self.purge.before);
            let select = if self.counts_only {
                select.filter(plans_go(self.purge.orphans), self.purge.before)
            } else {
                select.only(NO_PLANS)
            };
            let Some(page) = self.page(select, "a.id", &mut last).await? else { break };
            // Those of plans were counted with them, or are gone.
            let of_audits =
                format!("action_plan_id IS NULL AND audit_id IN (SELECT a.uuid FROM audits a WHERE a.id IN ({page}))");
            self.done.recordings += self.remove("recordings", &of_audits, RECORDINGS, u64::MAX).await?;
            self.done.audits += self.remove_counted("audits", &format!("id IN ({page})")).await?;
        }
        Ok(())
    }

    async fn templates(&mut self) -> Result<()> {
        let mut last = 0;
        while self.left > 0 {
            let select = Select::new("a.id", "audit_templates a").filter(DELETED, self.purge.before);
            let Some(page) = self.page(select, "a.id", &mut last).await? else { break };
            self.done.audit_templates += self.remove_counted("audit_templates", &format!("id IN ({page})")).await?;
        }
        Ok(())
    }

    /// The next serial numbers of what is selected, as a list in SQL; none if there are no more.
    async fn page(&self, select: Select, id: &str, last: &mut i64) -> Result<Option<String>> {
        let select = match &self.purge.goals {
            Some(goals) => select.among("a.goal_id", goals.iter().copied()),
            None => select,
        };
        let select = select.only(&format!("{id} > {last}")).then(&format!("ORDER BY {id} LIMIT {PAGE}"));
        let mut tx = self.store.read().await?;
        let page = select.fetch_all::<(i64,)>(&mut tx).await?;
        let Some((newest,)) = page.last() else { return Ok(None) };
        *last = *newest;
        Ok(Some(numbers(&page)))
    }

    async fn remove_counted(&mut self, table: &'static str, condition: &str) -> Result<u64> {
        let removed = self.remove(table, condition, ROWS, self.left).await?;
        self.left -= removed;
        Ok(removed)
    }

    /// Removes rows, at most `most`, in transactions of `at_once` each; how many.
    async fn remove(&self, table: &'static str, condition: &str, at_once: u64, most: u64) -> Result<u64> {
        if self.counts_only {
            let mut tx = self.store.read().await?;
            let count = Select::new("count(*)", table).only(condition).fetch_all::<(i64,)>(&mut tx).await?;
            return Ok(count.first().and_then(|(count,)| u64::try_from(*count).ok()).unwrap_or_default());
        }
        let mut removed = 0;
        while removed < most {
            let limit = at_once.min(most - removed);
            let mut tx = self.store.begin().await?;
            let select = Select::new("id", table).only(condition).then(&format!("ORDER BY id LIMIT {limit}"));
            let rows = select.fetch_all::<(i64,)>(&mut tx).await?;
            if rows.is_empty() {
                break;
            }
            let rows_list = numbers(&rows);
            // What is left of them where a process died.
            let with_them = match table {
                "actions" => Some("journal_entries WHERE action_id IN (SELECT x.uuid FROM actions x"),
                "action_plans" => Some("plan_components WHERE action_plan_id IN (SELECT x.uuid FROM action_plans x"),
                _ => None,
            };
            if let Some(with_them) = with_them {
                let sql = format!("DELETE FROM {with_them} WHERE x.id IN ({rows_list}))");
                execute!(&mut tx, sqlx::AssertSqlSafe(sql))?;
            }
            let sql = format!("DELETE FROM {table} WHERE id IN ({rows_list})");
            execute!(&mut tx, sqlx::AssertSqlSafe(sql))?;
            tx.commit().await?;
            removed += rows.len() as u64;
            if (rows.len() as u64) < limit {
                break;
            }
        }
        Ok(removed)
    }
}

fn numbers(rows: &[(i64,)]) -> String {
    rows.iter().map(|(number,)| number.to_string()).collect::<Vec<_>>().join(", ")
}
