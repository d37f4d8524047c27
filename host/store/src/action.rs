//! Actions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Instant;

use sqlx::AssertSqlSafe;
use uuid::Uuid;
use watcher_domain::{Action, ActionId, ActionPlanId, ActionState, AuditId, Timestamp};

use crate::error::{Error, Result};
use crate::journal;
use crate::page::{Page, Stored, sort_keys};
use crate::plan_component;
use crate::reference::{Reference, Visibility};
use crate::store::Tx;
use crate::table::Table;
use crate::value::{Place, StampsRow, json, said};

const TABLE: Table = Table {
    name: "actions",
    columns: "id, uuid, action_plan_id, \"position\", action_type, input_parameters, state, parents, status_message, \
              digest, created_at, updated_at, deleted_at",
    named: false,
};

sort_keys! {
    /// What actions are sorted by.
    {
        Serial = "id",
        Uuid = "uuid",
        ActionPlanSerial = "(SELECT p.id FROM action_plans p WHERE p.uuid = action_plan_id)",
        ActionType = "action_type",
        InputParameters = "input_parameters",
        State = "state",
        Parents = "parents",
        StatusMessage = "status_message" null,
        CreatedAt = "created_at",
        UpdatedAt = "updated_at" null,
        DeletedAt = "deleted_at" null,
    }
}

/// Which actions a list has.
#[derive(Debug, Clone, Default)]
pub struct ActionFilter {
    /// Those of this plan.
    pub action_plan: Option<ActionPlanId>,
    /// Those of the plans of this audit.
    pub audit: Option<AuditId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    uuid: Uuid,
    action_plan_id: Uuid,
    position: i64,
    action_type: String,
    input_parameters: String,
    state: String,
    parents: String,
    status_message: Option<String>,
    digest: Vec<u8>,
    #[sqlx(flatten)]
    stamps: StampsRow,
}

impl TryFrom<Row> for Stored<Action> {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: TABLE.name, id: row.id };
        let value = Action {
            id: ActionId(row.uuid),
            action_plan_id: ActionPlanId(row.action_plan_id),
            position: place.number("position", row.position)?,
            action_type: row.action_type,
            input_parameters: place.json("input_parameters", &row.input_parameters)?,
            state: place.parse("state", &row.state)?,
            parents: place.json("parents", &row.parents)?,
            status_message: row.status_message,
            digest: place.digest("digest", &row.digest)?,
            stamps: row.stamps.into(),
        };
        Ok(Self { serial: row.id, value })
    }
}

const INSERT_COLUMNS: usize = 12;
/// Rows per statement. More gain nothing measurable; 32 766 values, the least that either database takes, would be 2 730 rows.
const INSERT_ROWS: usize = 500;
/// Actions from which a plan is large: writing them takes the database a moment.
pub const LARGE_PLAN: usize = 5_000;

/// Whether a plan is large.
pub async fn has_many(tx: &mut Tx, plan: ActionPlanId) -> Result<bool> {
    let most = i64::try_from(LARGE_PLAN).unwrap_or(i64::MAX);
    let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM actions WHERE action_plan_id = $1 LIMIT $2) AS first_rows";
    Ok(scalar!(tx, i64, sql, plan.0, most)?.is_some_and(|count| count >= most))
}

/// The statement that inserts so many rows.
fn insertion(tx: &Tx, rows: usize) -> String {
    let mut sql = "INSERT INTO actions \
                   (uuid, project_id, action_plan_id, \"position\", action_type, input_parameters, state, parents, \
                   status_message, digest, created_at, updated_at) VALUES "
        .to_owned();
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { "), (" });
        for column in 1..=INSERT_COLUMNS {
            sql.push_str(if column == 1 { "" } else { ", " });
            match tx {
                Tx::Postgres(_) => {
                    let _ = write!(sql, "${}", row * INSERT_COLUMNS + column);
                }
                // SQLite takes `$1` for a name, and looks through all names of a statement for every value.
                Tx::Sqlite(_) => sql.push('?'),
            }
        }
    }
    sql.push(')');
    sql
}

/// Inserts actions, many per statement. Each belongs to the project of its plan, which needs their components from then on.
///
/// # Errors
/// [`Error::Reference`] if a plan is not there; [`Error::Conflict`] if two actions have one UUID.
pub async fn insert_many(tx: &mut Tx, actions: &[Action]) -> Result<()> {
    let mut projects: BTreeMap<ActionPlanId, Option<String>> = BTreeMap::new();
    for action in actions {
        if let std::collections::btree_map::Entry::Vacant(entry) = projects.entry(action.action_plan_id) {
            let sql = "SELECT project_id FROM action_plans WHERE uuid = $1";
            entry.insert(scalar!(tx, Option<String>, sql, action.action_plan_id.0)?.flatten());
        }
    }
    let full = insertion(tx, INSERT_ROWS);
    // A plan of a hundred thousand actions keeps a processor of the server busy for seconds. Half of the time is left to others there; where writers take
    // turns, they wait for the end of this one anyway.
    let leaves_room = actions.len() >= LARGE_PLAN && matches!(tx, Tx::Postgres(_));
    for chunk in actions.chunks(INSERT_ROWS) {
        let begin = Instant::now();
        let sql = if chunk.len() == INSERT_ROWS { full.clone() } else { insertion(tx, chunk.len()) };
        on_backend!(tx, |conn| {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for action in chunk {
                query = query
                    .bind(action.id.0)
                    .bind(projects.get(&action.action_plan_id).and_then(Option::as_deref))
                    .bind(action.action_plan_id.0)
                    .bind(i64::from(action.position))
                    .bind(&action.action_type)
                    .bind(json(&action.input_parameters)?)
                    .bind(action.state.as_str())
                    .bind(json(&action.parents)?)
                    .bind(&action.status_message)
                    .bind(action.digest.0.as_slice())
                    .bind(action.stamps.created_at)
                    .bind(action.stamps.updated_at);
            }
            query.execute(conn).await.map(|_| ())
        })
        .map_err(|error| Error::on_insert(error, "action", "of this UUID"))?;
        if leaves_room {
            tokio::time::sleep(begin.elapsed()).await;
        }
    }
    let handlers: BTreeSet<_> = actions.iter().map(|action| (action.action_plan_id, action.digest)).collect();
    plan_component::need(tx, &handlers).await
}

/// The action, soft-deleted or not.
pub async fn get(tx: &mut Tx, id: ActionId) -> Result<Option<Stored<Action>>> {
    TABLE.get::<Row, _>(tx, id.0).await
}

/// The action that a caller refers to; it has no name.
pub async fn find(
    tx: &mut Tx,
    reference: &Reference,
    show_deleted: bool,
    visible: &Visibility,
) -> Result<Option<Stored<Action>>> {
    TABLE.find::<Row, _>(tx, reference, show_deleted, visible).await
}

/// A page of actions.
pub async fn list(
    tx: &mut Tx,
    filter: &ActionFilter,
    page: &Page<Sort>,
    visible: &Visibility,
) -> Result<Vec<Stored<Action>>> {
    let select = TABLE.select().filter_some("action_plan_id = ?", filter.action_plan.map(|plan| plan.0)).filter_some(
        "action_plan_id IN (SELECT p.uuid FROM action_plans p WHERE p.audit_id = ?)",
        filter.audit.map(|audit| audit.0),
    );
    // A plan has few actions of all that there are.
    let is_short = filter.action_plan.is_some() || filter.audit.is_some();
    let select = if is_short { select.visible(visible) } else { select.visible_among_all(visible) };
    TABLE.list::<Row, _, _>(tx, select, page).await
}

/// The actions of a plan that are not deleted, by their place in it.
pub async fn list_of_plan(tx: &mut Tx, plan: ActionPlanId) -> Result<Vec<Action>> {
    let select = TABLE.select().filter("action_plan_id = ?", plan.0).not_deleted(false).then("ORDER BY \"position\"");
    let stored: Vec<Stored<Action>> = select.all::<Row, _>(tx).await?;
    Ok(stored.into_iter().map(|stored| stored.value).collect())
}

/// Moves an action from `from` to `to`; `false` if it is not in `from`. Without a status message it keeps the one it has.
pub async fn transition(
    tx: &mut Tx,
    id: ActionId,
    from: ActionState,
    to: ActionState,
    status_message: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE actions SET state = $3, status_message = COALESCE($4, status_message), updated_at = $5 \
               WHERE uuid = $1 AND state = $2 AND deleted = 0";
    if execute!(tx, sql, id.0, from.as_str(), to.as_str(), status_message.map(said), now)? == 0 {
        return Ok(false);
    }
    if to.is_ended() {
        journal::forget(tx, id).await?;
    }
    Ok(true)
}

/// The same under a term of the lease of its plan: an applier that lost the plan moves nothing.
pub async fn transition_under(
    tx: &mut Tx,
    id: ActionId,
    term: i64,
    from: ActionState,
    to: ActionState,
    status_message: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    Ok(holds_term(tx, id, term).await? && transition(tx, id, from, to, status_message, now).await?)
}

/// Whether the lease of an action's plan is still in this term, and will be until the transaction ends.
pub(crate) async fn holds_term(tx: &mut Tx, id: ActionId, term: i64) -> Result<bool> {
    let found = match tx {
        // The plan's row is held, or another applier could claim the plan before this transaction ends.
        Tx::Postgres(tx) => {
            let sql = "SELECT p.lease_term FROM actions a JOIN action_plans p ON p.uuid = a.action_plan_id \
                       WHERE a.uuid = $1 FOR SHARE OF p";
            sqlx::query_scalar::<_, i64>(sql).bind(id.0).fetch_optional(&mut **tx).await?
        }
        // There is one writer at a time.
        Tx::Sqlite(tx) => {
            let sql =
                "SELECT p.lease_term FROM actions a JOIN action_plans p ON p.uuid = a.action_plan_id WHERE a.uuid = $1";
            sqlx::query_scalar::<_, i64>(sql).bind(id.0).fetch_optional(&mut **tx).await?
        }
    };
    Ok(found == Some(term))
}

/// Cancels the PENDING actions of a plan; how many.
pub async fn cancel_pending_of_plan(tx: &mut Tx, plan: ActionPlanId, now: Timestamp) -> Result<u64> {
    let sql = "UPDATE actions SET state = 'CANCELLED', updated_at = $2 \
               WHERE action_plan_id = $1 AND state = 'PENDING' AND deleted = 0";
    Ok(execute!(tx, sql, plan.0, now)?)
}

/// Says why an action is as it is; `false` if it is not there any more.
pub async fn update_message(tx: &mut Tx, id: ActionId, message: &str, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE actions SET status_message = $2, updated_at = $3 WHERE uuid = $1 AND deleted = 0";
    Ok(execute!(tx, sql, id.0, said(message), now)? == 1)
}
