//! Journals of actions: outside calls of their handlers, before and after. A journal goes when its action has ended.

use watcher_domain::journal::{ActionPhase, JournalAnswer, JournalCall};
use watcher_domain::{ActionId, ActionPlanId, Timestamp};

use crate::action::holds_term;
use crate::error::{Error, Result};
use crate::select::Select;
use crate::store::Tx;
use crate::value::{Place, json};

const TABLE: &str = "journal_entries";
const COLUMNS: &str = "id, phase, sequence, call, answer, term, begun_at, ended_at";

/// What the journal says to a call that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It is new, and was written down.
    New,
    /// There is a call of this number already.
    Found {
        /// The call.
        call: JournalCall,
        /// Its answer, if it came.
        answer: Option<JournalAnswer>,
    },
    /// The lease of the plan is not in this term any more; nothing was written.
    Fenced,
}

/// A call in a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Which export of the handler made it.
    pub phase: ActionPhase,
    /// Its number within the phase, from 0.
    pub sequence: u32,
    /// The call.
    pub call: JournalCall,
    /// Its answer, if it came.
    pub answer: Option<JournalAnswer>,
    /// Term of the plan's lease under which it was last written.
    pub term: i64,
    /// When it was made.
    pub begun_at: Timestamp,
    /// When its answer came.
    pub ended_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    phase: String,
    sequence: i64,
    call: String,
    answer: Option<String>,
    term: i64,
    begun_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl TryFrom<Row> for JournalEntry {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: TABLE, id: row.id };
        Ok(Self {
            phase: place.parse("phase", &row.phase)?,
            sequence: place.number("sequence", row.sequence)?,
            call: place.json("call", &row.call)?,
            answer: row.answer.map(|answer| place.json("answer", &answer)).transpose()?,
            term: row.term,
            begun_at: row.begun_at,
            ended_at: row.ended_at,
        })
    }
}

/// Writes down that a call is about to be made, under a term of the lease of the action's plan.
pub async fn begin(
    tx: &mut Tx,
    action: ActionId,
    phase: ActionPhase,
    sequence: u32,
    call: &JournalCall,
    term: i64,
    now: Timestamp,
) -> Result<Entry> {
    if !holds_term(tx, action, term).await? {
        return Ok(Entry::Fenced);
    }
    let sql = "INSERT INTO journal_entries (action_id, phase, sequence, call, term, begun_at) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (action_id, phase, sequence) DO NOTHING";
    let written = json(call)?;
    if execute!(tx, sql, action.0, phase.as_str(), i64::from(sequence), &written, term, now)? == 1 {
        return Ok(Entry::New);
    }
    let found: Option<JournalEntry> = Select::new(COLUMNS, TABLE)
        .filter("action_id = ?", action.0)
        .filter("phase = ?", phase.as_str())
        .filter("sequence = ?", i64::from(sequence))
        .first::<Row, _>(tx)
        .await?;
    // An entry that was there a moment ago can only be gone if the action was purged.
    Ok(found.map_or(Entry::Fenced, |entry| Entry::Found { call: entry.call, answer: entry.answer }))
}

/// Writes down what came of a call; `false` if the lease is not in this term any more, or the call is not there.
pub async fn finish(
    tx: &mut Tx,
    action: ActionId,
    phase: ActionPhase,
    sequence: u32,
    answer: &JournalAnswer,
    term: i64,
    now: Timestamp,
) -> Result<bool> {
    if !holds_term(tx, action, term).await? {
        return Ok(false);
    }
    let sql = "UPDATE journal_entries SET answer = $4, term = $5, ended_at = $6 \
               WHERE action_id = $1 AND phase = $2 AND sequence = $3";
    let written = json(answer)?;
    Ok(execute!(tx, sql, action.0, phase.as_str(), i64::from(sequence), &written, term, now)? == 1)
}

/// Drops the journal of an action: one that has ended is not taken up again.
pub(crate) async fn forget(tx: &mut Tx, action: ActionId) -> Result<()> {
    execute!(tx, "DELETE FROM journal_entries WHERE action_id = $1", action.0)?;
    Ok(())
}

/// Drops what a phase of an action wrote down, under a term of the lease of the action's plan: it begins anew.
pub async fn forget_phase(tx: &mut Tx, action: ActionId, phase: ActionPhase, term: i64) -> Result<()> {
    if holds_term(tx, action, term).await? {
        execute!(tx, "DELETE FROM journal_entries WHERE action_id = $1 AND phase = $2", action.0, phase.as_str())?;
    }
    Ok(())
}

/// Drops the journals of all actions of a plan.
pub async fn forget_plan(tx: &mut Tx, plan: ActionPlanId) -> Result<()> {
    let sql = "DELETE FROM journal_entries WHERE action_id IN (SELECT uuid FROM actions WHERE action_plan_id = $1)";
    execute!(tx, sql, plan.0)?;
    Ok(())
}

/// The journal of an action in the order in which calls were made.
pub async fn list(tx: &mut Tx, action: ActionId) -> Result<Vec<JournalEntry>> {
    Select::new(COLUMNS, TABLE).filter("action_id = ?", action.0).then("ORDER BY id").all::<Row, _>(tx).await
}
