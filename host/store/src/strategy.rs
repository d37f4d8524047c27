//! Strategies.

use uuid::Uuid;
use watcher_domain::{Digest, GoalId, PluginId, Strategy, StrategyId, Timestamp};

use crate::error::{Error, Result};
use crate::page::{Page, Stored, sort_keys};
use crate::reference::{Reference, Visibility};
use crate::select::Select;
use crate::shared::{Owner, Seen, SharedTable};
use crate::store::Tx;
use crate::table::{NAME_COLUMNS, NameRow, Table};
use crate::value::{Place, StampsRow, json};

const STRATEGIES: SharedTable = SharedTable {
    table: Table {
        name: "strategies",
        columns: "id, uuid, name, display_name, goal_id, parameters_spec, digest, created_at, updated_at, deleted_at",
        named: true,
    },
    seen: Seen::ByPlugin,
};
const TABLE: &Table = &STRATEGIES.table;

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
    insert_of(tx, strategy, None).await
}

/// Inserts a strategy that a plugin of a project brings, or one that belongs to nobody.
///
/// # Errors
/// As [`insert`].
pub async fn insert_of(tx: &mut Tx, strategy: &Strategy, owner: Option<&Owner>) -> Result<()> {
    let sql = "INSERT INTO strategies (uuid, project_id, plugin_id, name, display_name, goal_id, parameters_spec, digest, \
               created_at, updated_at, deleted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let spec = json(&strategy.parameters_spec)?;
    let stamps = &strategy.stamps;
    execute!(
        tx,
        sql,
        strategy.id.0,
        owner.map(|owner| &owner.project.0),
        owner.map(|owner| owner.plugin.0),
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

/// Writes what a strategy is called, its goal, its parameters and the component it runs; `false` if there is none that is not deleted.
pub async fn update(tx: &mut Tx, strategy: &Strategy, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE strategies SET display_name = $2, goal_id = $3, parameters_spec = $4, digest = $5, updated_at = $6 \
               WHERE uuid = $1 AND deleted = 0";
    let spec = json(&strategy.parameters_spec)?;
    let (goal, digest) = (strategy.goal_id.0, strategy.digest.0.as_slice());
    Ok(execute!(tx, sql, strategy.id.0, &strategy.display_name, goal, &spec, digest, now)? == 1)
}

/// The strategy, soft-deleted or not.
pub async fn get(tx: &mut Tx, id: StrategyId) -> Result<Option<Stored<Strategy>>> {
    TABLE.get::<Row, _>(tx, id.0).await
}

/// The strategy that a caller refers to; names in any letter case.
pub async fn find(
    tx: &mut Tx,
    reference: &Reference,
    show_deleted: bool,
    visible: &Visibility,
) -> Result<Option<Stored<Strategy>>> {
    STRATEGIES.find::<Row, _>(tx, reference, show_deleted, visible).await
}

/// A page of strategies.
pub async fn list(
    tx: &mut Tx,
    filter: &StrategyFilter,
    page: &Page<Sort>,
    visible: &Visibility,
) -> Result<Vec<Stored<Strategy>>> {
    let select = TABLE.select().filter_some("goal_id = ?", filter.goal.map(|goal| goal.0));
    STRATEGIES.list::<Row, _, _>(tx, select, page, visible).await
}

/// Ids and names of strategies, whoever sees them: they are told to those who see a row that refers to them.
pub async fn names(tx: &mut Tx, among: &[StrategyId], show_deleted: bool) -> Result<Vec<Stored<(StrategyId, String)>>> {
    let select = Select::new(NAME_COLUMNS, TABLE.name).among("uuid", among.iter().map(|id| id.0));
    let rows = select.not_deleted(show_deleted).then("ORDER BY id").fetch_all::<NameRow>(tx).await?;
    Ok(rows.into_iter().map(|row| row.stored(StrategyId)).collect())
}

/// The strategies that reach a goal, are not deleted and seen, first inserted first.
pub async fn list_for_goal(tx: &mut Tx, goal: GoalId, visible: &Visibility) -> Result<Vec<Stored<Strategy>>> {
    let select = TABLE.select().filter("goal_id = ?", goal.0).not_deleted(false);
    STRATEGIES.visible(select, visible).then("ORDER BY id").all::<Row, _>(tx).await
}

/// The strategy that a plugin brings, if it is not deleted.
pub async fn of_plugin(tx: &mut Tx, plugin: PluginId) -> Result<Option<Stored<Strategy>>> {
    TABLE.select().filter("plugin_id = ?", plugin.0).not_deleted(false).first::<Row, _>(tx).await
}

/// Lets the strategies of projects that reach one goal reach another; how many.
pub async fn repoint_goal(tx: &mut Tx, old: GoalId, new: GoalId, now: Timestamp) -> Result<u64> {
    let sql = "UPDATE strategies SET goal_id = $2, updated_at = $3 \
               WHERE goal_id = $1 AND project_id IS NOT NULL AND deleted = 0";
    Ok(execute!(tx, sql, old.0, new.0, now)?)
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
