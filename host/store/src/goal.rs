//! Goals.

use uuid::Uuid;
use watcher_domain::{Goal, GoalId, ProjectId, Timestamp};

use crate::error::{Error, Result};
use crate::page::{Page, Stored, sort_keys};
use crate::reference::{Reference, Visibility};
use crate::select::Select;
use crate::shared::{Seen, SharedTable};
use crate::store::Tx;
use crate::table::{NAME_COLUMNS, NameRow, Table};
use crate::value::{Place, StampsRow, json};

const GOALS: SharedTable = SharedTable {
    table: Table {
        name: "goals",
        columns: "id, uuid, name, display_name, efficacy_specification, created_at, updated_at, deleted_at",
        named: true,
    },
    seen: Seen::ByStrategy,
};
const TABLE: &Table = &GOALS.table;

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
    insert_of(tx, goal, None).await
}

/// Inserts a goal of a project, or of nobody. It is seen where a strategy that reaches it is.
///
/// # Errors
/// As [`insert`].
pub async fn insert_of(tx: &mut Tx, goal: &Goal, project: Option<&ProjectId>) -> Result<()> {
    let sql = "INSERT INTO goals \
               (uuid, project_id, name, display_name, efficacy_specification, created_at, updated_at, deleted_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let specification = json(&goal.efficacy_specification)?;
    let stamps = &goal.stamps;
    execute!(
        tx,
        sql,
        goal.id.0,
        project.map(|project| &project.0),
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

/// Writes what a goal is called and measured by; `false` if there is none that is not deleted.
pub async fn update(tx: &mut Tx, goal: &Goal, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE goals SET display_name = $2, efficacy_specification = $3, updated_at = $4 WHERE uuid = $1 AND deleted = 0";
    let specification = json(&goal.efficacy_specification)?;
    Ok(execute!(tx, sql, goal.id.0, &goal.display_name, &specification, now)? == 1)
}

/// The goal, soft-deleted or not.
pub async fn get(tx: &mut Tx, id: GoalId) -> Result<Option<Stored<Goal>>> {
    TABLE.get::<Row, _>(tx, id.0).await
}

/// The goal that a caller refers to; names in any letter case.
pub async fn find(
    tx: &mut Tx,
    reference: &Reference,
    show_deleted: bool,
    visible: &Visibility,
) -> Result<Option<Stored<Goal>>> {
    GOALS.find::<Row, _>(tx, reference, show_deleted, visible).await
}

/// A page of goals.
pub async fn list(tx: &mut Tx, page: &Page<Sort>, visible: &Visibility) -> Result<Vec<Stored<Goal>>> {
    GOALS.list::<Row, _, _>(tx, TABLE.select(), page, visible).await
}

/// Ids and names of goals, whoever sees them: they are told to those who see a row that refers to them.
pub async fn names(tx: &mut Tx, among: &[GoalId], show_deleted: bool) -> Result<Vec<Stored<(GoalId, String)>>> {
    let select = Select::new(NAME_COLUMNS, TABLE.name).among("uuid", among.iter().map(|id| id.0));
    let rows = select.not_deleted(show_deleted).then("ORDER BY id").fetch_all::<NameRow>(tx).await?;
    Ok(rows.into_iter().map(|row| row.stored(GoalId)).collect())
}

/// The goals that belong to nobody and are not deleted, first inserted first.
pub async fn list_built_in(tx: &mut Tx) -> Result<Vec<Stored<Goal>>> {
    TABLE.select().only("project_id IS NULL").not_deleted(false).then("ORDER BY id").all::<Row, _>(tx).await
}

/// The goals of a project that are not deleted, first inserted first.
pub async fn list_of_project(tx: &mut Tx, project: &ProjectId) -> Result<Vec<Stored<Goal>>> {
    let select = TABLE.select().filter("project_id = ?", project.0.as_str()).not_deleted(false);
    select.then("ORDER BY id").all::<Row, _>(tx).await
}

/// Soft-deletes a goal; `false` if there is none that is not deleted.
pub async fn soft_delete(tx: &mut Tx, id: GoalId, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE goals SET deleted = id, deleted_at = $2, updated_at = $2 WHERE uuid = $1 AND deleted = 0";
    Ok(execute!(tx, sql, id.0, now)? == 1)
}
