//! Strategies.

use uuid::Uuid;
use watcher_domain::{Digest, GoalId, Strategy, StrategyId, Timestamp};

use crate::error::{Error, Result};
use crate::page::{Page, Stored, sort_keys};
use crate::reference::{Reference, Visibility};
use crate::select::Select;
use crate::store::Tx;
use crate::table::{NAME_COLUMNS, NameRow, Table};
use crate::value::{Place, StampsRow, json};

const TABLE: Table = Table {
    name: "strategies",
    columns: "id, uuid, name, display_name, goal_id, parameters_spec, digest, created_at, updated_at, deleted_at",
    named: true,
};

sort_keys! {
    /// What strategies are sorted by.
    {
        Serial = "id",
        Uuid = "uuid",
        Name = "name",
        DisplayName = "display_name",
        GoalSerial = "(SELECT g.id FROM goals g WHERE g.uuid = goal_id)",
        ParametersSpec = "parameters_spec",
        CreatedAt = "created_at",
        UpdatedAt = "updated_at" null,
        DeletedAt = "deleted_at" null,
    }
}

/// Which strategies a list has.
#[derive(Debug, Clone, Default)]
pub struct StrategyFilter {
    /// Those that reach this goal.
    pub goal: Option<GoalId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    uuid: Uuid,
    name: String,
    display_name: String,
    goal_id: Uuid,
    parameters_spec: String,
    digest: Vec<u8>,
    #[sqlx(flatten)]
    stamps: StampsRow,
}

impl TryFrom<Row> for Stored<Strategy> {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: TABLE.name, id: row.id };
        let value = Strategy {
            id: StrategyId(row.uuid),
            name: row.name,
            display_name: row.display_name,
            goal_id: GoalId(row.goal_id),
            parameters_spec: place.json("parameters_spec", &row.parameters_spec)?,
            digest: place.digest("digest", &row.digest)?,
            stamps: row.stamps.into(),
        };
        Ok(Self { serial: row.id, value })
    }
}

/// Inserts a strategy that belongs to nobody.
///
/// # Errors
/// [`Error::Conflict`] if a strategy of this name is there that is not deleted; [`Error::Reference`] if its goal is not.
pub async fn insert(tx: &mut Tx, strategy: &Strategy) -> Result<()> {
    let sql = "INSERT INTO strategies \
               (uuid, name, display_name, goal_id, parameters_spec, digest, created_at, updated_at, deleted_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let spec = json(&strategy.parameters_spec)?;
    let stamps = &strategy.stamps;
    execute!(
        tx,
        sql,
        strategy.id.0,
        &strategy.name,
        &strategy.display_name,
        strategy.goal_id.0,
        &spec,
        strategy.digest.0.as_slice(),
        stamps.created_at,
        stamps.updated_at,
        stamps.deleted_at,
    )
    .map_err(|error| Error::on_insert(error, "strategy", &strategy.name))?;
    Ok(())
}

/// The strategy, soft-deleted or not.
pub async fn get(tx: &mut Tx, id: StrategyId) -> Result<Option<Stored<Strategy>>> {
    TABLE.get::<Row, _>(tx, id.0).await
}

/// The strategy that a caller refers to; names in any letter case.
pub async fn find(tx: &mut Tx, reference: &Reference, show_deleted: bool) -> Result<Option<Stored<Strategy>>> {
    TABLE.find_any_case::<Row, _>(tx, reference, show_deleted, &Visibility::All).await
}

/// A page of strategies.
pub async fn list(tx: &mut Tx, filter: &StrategyFilter, page: &Page<Sort>) -> Result<Vec<Stored<Strategy>>> {
    let select = TABLE.select().filter_some("goal_id = ?", filter.goal.map(|goal| goal.0));
    TABLE.list::<Row, _, _>(tx, select, page).await
}

/// Ids and names of all strategies; at most so many, first inserted first.
pub async fn names(tx: &mut Tx, show_deleted: bool, limit: u32) -> Result<Vec<Stored<(StrategyId, String)>>> {
    let select = Select::new(NAME_COLUMNS, TABLE.name).not_deleted(show_deleted);
    let rows = select.then(&format!("ORDER BY id LIMIT {limit}")).fetch_all::<NameRow>(tx).await?;
    Ok(rows.into_iter().map(|row| row.stored(StrategyId)).collect())
}

/// The strategies that reach a goal and are not deleted, first inserted first.
pub async fn list_for_goal(tx: &mut Tx, goal: GoalId) -> Result<Vec<Stored<Strategy>>> {
    TABLE.select().filter("goal_id = ?", goal.0).not_deleted(false).then("ORDER BY id").all::<Row, _>(tx).await
}

/// The strategies that belong to nobody and are not deleted, first inserted first.
pub async fn list_built_in(tx: &mut Tx) -> Result<Vec<Stored<Strategy>>> {
    TABLE.select().only("project_id IS NULL").not_deleted(false).then("ORDER BY id").all::<Row, _>(tx).await
}

/// Lets a strategy run another component from now on; `false` if there is none that is not deleted.
pub async fn set_digest(tx: &mut Tx, id: StrategyId, digest: Digest, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE strategies SET digest = $2, updated_at = $3 WHERE uuid = $1 AND deleted = 0";
    Ok(execute!(tx, sql, id.0, digest.0.as_slice(), now)? == 1)
}

/// Soft-deletes a strategy; `false` if there is none that is not deleted.
pub async fn soft_delete(tx: &mut Tx, id: StrategyId, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE strategies SET deleted = id, deleted_at = $2, updated_at = $2 WHERE uuid = $1 AND deleted = 0";
    Ok(execute!(tx, sql, id.0, now)? == 1)
}
