//! Goals.

use uuid::Uuid;
use watcher_domain::{Goal, GoalId, Timestamp};

use crate::error::{Error, Result};
use crate::page::{Page, Stored, sort_keys};
use crate::reference::{Reference, Visibility};
use crate::select::Select;
use crate::store::Tx;
use crate::table::{NAME_COLUMNS, NameRow, Table};
use crate::value::{Place, StampsRow, json};

const TABLE: Table = Table {
    name: "goals",
    columns: "id, uuid, name, display_name, efficacy_specification, created_at, updated_at, deleted_at",
    named: true,
};

sort_keys! {
    /// What goals are sorted by.
    {
        Serial = "id",
        Uuid = "uuid",
        Name = "name",
        DisplayName = "display_name",
        EfficacySpecification = "efficacy_specification",
        CreatedAt = "created_at",
        UpdatedAt = "updated_at" null,
        DeletedAt = "deleted_at" null,
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    uuid: Uuid,
    name: String,
    display_name: String,
    efficacy_specification: String,
    #[sqlx(flatten)]
    stamps: StampsRow,
}

impl TryFrom<Row> for Stored<Goal> {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: TABLE.name, id: row.id };
        let value = Goal {
            id: GoalId(row.uuid),
            name: row.name,
            display_name: row.display_name,
            efficacy_specification: place.json("efficacy_specification", &row.efficacy_specification)?,
            stamps: row.stamps.into(),
        };
        Ok(Self { serial: row.id, value })
    }
}

/// Inserts a goal that belongs to nobody.
///
/// # Errors
/// [`Error::Conflict`] if a goal of this name is there that is not deleted.
pub async fn insert(tx: &mut Tx, goal: &Goal) -> Result<()> {
    let sql = "INSERT INTO goals (uuid, name, display_name, efficacy_specification, created_at, updated_at, deleted_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let specification = json(&goal.efficacy_specification)?;
    let stamps = &goal.stamps;
    execute!(
        tx,
        sql,
        goal.id.0,
        &goal.name,
        &goal.display_name,
        &specification,
        stamps.created_at,
        stamps.updated_at,
        stamps.deleted_at,
    )
    .map_err(|error| Error::on_insert(error, "goal", &goal.name))?;
    Ok(())
}

/// The goal, soft-deleted or not.
pub async fn get(tx: &mut Tx, id: GoalId) -> Result<Option<Stored<Goal>>> {
    TABLE.get::<Row, _>(tx, id.0).await
}

/// The goal that a caller refers to; names in any letter case.
pub async fn find(tx: &mut Tx, reference: &Reference, show_deleted: bool) -> Result<Option<Stored<Goal>>> {
    TABLE.find_any_case::<Row, _>(tx, reference, show_deleted, &Visibility::All).await
}

/// A page of goals.
pub async fn list(tx: &mut Tx, page: &Page<Sort>) -> Result<Vec<Stored<Goal>>> {
    TABLE.list::<Row, _, _>(tx, TABLE.select(), page).await
}

/// Ids and names of goals: of these, or of all; at most so many, first inserted first.
pub async fn names(
    tx: &mut Tx,
    among: Option<&[GoalId]>,
    show_deleted: bool,
    limit: u32,
) -> Result<Vec<Stored<(GoalId, String)>>> {
    let select = Select::new(NAME_COLUMNS, TABLE.name);
    let select = match among {
        Some(ids) => select.among("uuid", ids.iter().map(|id| id.0)),
        None => select,
    };
    let rows = select.not_deleted(show_deleted).then(&format!("ORDER BY id LIMIT {limit}"));
    let rows = rows.fetch_all::<NameRow>(tx).await?;
    Ok(rows.into_iter().map(|row| row.stored(GoalId)).collect())
}

/// The goals that belong to nobody and are not deleted, first inserted first.
pub async fn list_built_in(tx: &mut Tx) -> Result<Vec<Stored<Goal>>> {
    TABLE.select().only("project_id IS NULL").not_deleted(false).then("ORDER BY id").all::<Row, _>(tx).await
}

/// Soft-deletes a goal; `false` if there is none that is not deleted.
pub async fn soft_delete(tx: &mut Tx, id: GoalId, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE goals SET deleted = id, deleted_at = $2, updated_at = $2 WHERE uuid = $1 AND deleted = 0";
    Ok(execute!(tx, sql, id.0, now)? == 1)
}
