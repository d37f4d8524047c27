//! Scoring engines.

use uuid::Uuid;
use watcher_domain::{PluginId, ScoringEngine, ScoringEngineId, Timestamp};

use crate::error::{Error, Result};
use crate::page::{Page, Stored, sort_keys};
use crate::reference::{Reference, Visibility};
use crate::shared::{Owner, Seen, SharedTable};
use crate::store::Tx;
use crate::table::Table;
use crate::value::StampsRow;

const ENGINES: SharedTable = SharedTable {
    table: Table {
        name: "scoring_engines",
        columns: "id, uuid, name, description, metainfo, created_at, updated_at, deleted_at",
        named: true,
    },
    seen: Seen::ByPlugin,
};
const TABLE: &Table = &ENGINES.table;

sort_keys! {
    /// What scoring engines are sorted by.
    {
        Serial = "id",
        Uuid = "uuid",
        Name = "name",
        Description = "description" null,
        Metainfo = "metainfo" null,
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
    description: Option<String>,
    metainfo: Option<String>,
    #[sqlx(flatten)]
    stamps: StampsRow,
}

impl TryFrom<Row> for Stored<ScoringEngine> {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let value = ScoringEngine {
            id: ScoringEngineId(row.uuid),
            name: row.name,
            description: row.description.unwrap_or_default(),
            metainfo: row.metainfo.unwrap_or_default(),
            stamps: row.stamps.into(),
        };
        Ok(Self { serial: row.id, value })
    }
}

/// Inserts a scoring engine that belongs to nobody.
///
/// # Errors
/// [`Error::Conflict`] if a scoring engine of this name is there that is not deleted.
pub async fn insert(tx: &mut Tx, engine: &ScoringEngine) -> Result<()> {
    insert_of(tx, engine, None).await
}

/// Inserts a scoring engine that a plugin of a project brings, or one that belongs to nobody.
///
/// # Errors
/// As [`insert`].
pub async fn insert_of(tx: &mut Tx, engine: &ScoringEngine, owner: Option<&Owner>) -> Result<()> {
    let sql = "INSERT INTO scoring_engines \
               (uuid, project_id, plugin_id, name, description, metainfo, created_at, updated_at, deleted_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let stamps = &engine.stamps;
    execute!(
        tx,
        sql,
        engine.id.0,
        owner.map(|owner| &owner.project.0),
        owner.map(|owner| owner.plugin.0),
        &engine.name,
        &engine.description,
        &engine.metainfo,
        stamps.created_at,
        stamps.updated_at,
        stamps.deleted_at,
    )
    .map_err(|error| Error::on_insert(error, "scoring engine", &engine.name))?;
    Ok(())
}

/// Writes what a scoring engine says about itself; `false` if there is none that is not deleted.
pub async fn update(tx: &mut Tx, engine: &ScoringEngine, now: Timestamp) -> Result<bool> {
    let sql =
        "UPDATE scoring_engines SET description = $2, metainfo = $3, updated_at = $4 WHERE uuid = $1 AND deleted = 0";
    Ok(execute!(tx, sql, engine.id.0, &engine.description, &engine.metainfo, now)? == 1)
}

/// The scoring engine that a caller refers to; names in any letter case.
pub async fn find(
    tx: &mut Tx,
    reference: &Reference,
    show_deleted: bool,
    visible: &Visibility,
) -> Result<Option<Stored<ScoringEngine>>> {
    ENGINES.find::<Row, _>(tx, reference, show_deleted, visible).await
}

/// A page of scoring engines.
pub async fn list(tx: &mut Tx, page: &Page<Sort>, visible: &Visibility) -> Result<Vec<Stored<ScoringEngine>>> {
    ENGINES.list::<Row, _, _>(tx, TABLE.select(), page, visible).await
}

/// The scoring engine that a plugin brings, if it is not deleted.
pub async fn of_plugin(tx: &mut Tx, plugin: PluginId) -> Result<Option<Stored<ScoringEngine>>> {
    TABLE.select().filter("plugin_id = ?", plugin.0).not_deleted(false).first::<Row, _>(tx).await
}

/// The scoring engines that belong to nobody and are not deleted, first inserted first.
pub async fn list_built_in(tx: &mut Tx) -> Result<Vec<Stored<ScoringEngine>>> {
    TABLE.select().only("project_id IS NULL").not_deleted(false).then("ORDER BY id").all::<Row, _>(tx).await
}

/// Soft-deletes a scoring engine; `false` if there is none that is not deleted.
pub async fn soft_delete(tx: &mut Tx, id: ScoringEngineId, now: Timestamp) -> Result<bool> {
    let sql =
        "UPDATE scoring_engines SET deleted = id, deleted_at = $2, updated_at = $2 WHERE uuid = $1 AND deleted = 0";
    Ok(execute!(tx, sql, id.0, now)? == 1)
}
