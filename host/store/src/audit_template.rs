//! Audit templates.

use uuid::Uuid;
use watcher_domain::{AuditTemplate, AuditTemplateId, GoalId, ProjectId, StrategyId, Timestamp};

use crate::error::{Error, Result};
use crate::page::{Page, Stored, sort_keys};
use crate::reference::{Reference, Visibility};
use crate::store::Tx;
use crate::table::Table;
use crate::value::{Place, StampsRow, json};

const TABLE: Table = Table {
    name: "audit_templates",
    columns: "id, uuid, project_id, name, description, goal_id, strategy_id, scope, default_parameters, \
              created_at, updated_at, deleted_at",
    named: true,
};

sort_keys! {
    /// What audit templates are sorted by.
    {
        Serial = "id",
        Uuid = "uuid",
        Name = "name",
        Description = "description" null,
        GoalSerial = "(SELECT g.id FROM goals g WHERE g.uuid = goal_id)",
        StrategySerial = "(SELECT s.id FROM strategies s WHERE s.uuid = strategy_id)" null,
        Scope = "scope",
        DefaultParameters = "default_parameters",
        CreatedAt = "created_at",
        UpdatedAt = "updated_at" null,
        DeletedAt = "deleted_at" null,
    }
}

/// Which audit templates a list has.
#[derive(Debug, Clone, Default)]
pub struct AuditTemplateFilter {
    /// Those with this goal.
    pub goal: Option<GoalId>,
    /// Those with this strategy.
    pub strategy: Option<StrategyId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    uuid: Uuid,
    project_id: Option<String>,
    name: String,
    description: Option<String>,
    goal_id: Uuid,
    strategy_id: Option<Uuid>,
    scope: String,
    default_parameters: String,
    #[sqlx(flatten)]
    stamps: StampsRow,
}

impl TryFrom<Row> for Stored<AuditTemplate> {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: TABLE.name, id: row.id };
        let value = AuditTemplate {
            id: AuditTemplateId(row.uuid),
            project_id: row.project_id.map(ProjectId),
            name: row.name,
            description: row.description,
            goal_id: GoalId(row.goal_id),
            strategy_id: row.strategy_id.map(StrategyId),
            scope: place.json("scope", &row.scope)?,
            default_parameters: place.json("default_parameters", &row.default_parameters)?,
            stamps: row.stamps.into(),
        };
        Ok(Self { serial: row.id, value })
    }
}

/// Inserts an audit template.
///
/// # Errors
/// [`Error::Conflict`] if its project has one of this name that is not deleted; [`Error::Reference`] if goal or strategy are not there.
pub async fn insert(tx: &mut Tx, template: &AuditTemplate) -> Result<()> {
    let sql = "INSERT INTO audit_templates \
               (uuid, project_id, name, description, goal_id, strategy_id, scope, default_parameters, created_at, \
               updated_at, deleted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let (scope, parameters) = (json(&template.scope)?, json(&template.default_parameters)?);
    let stamps = &template.stamps;
    execute!(
        tx,
        sql,
        template.id.0,
        template.project_id.as_ref().map(|project| &project.0),
        &template.name,
        &template.description,
        template.goal_id.0,
        template.strategy_id.map(|strategy| strategy.0),
        &scope,
        &parameters,
        stamps.created_at,
        stamps.updated_at,
        stamps.deleted_at,
    )
    .map_err(|error| Error::on_insert(error, "audit template", &template.name))?;
    Ok(())
}

/// The audit template, soft-deleted or not.
pub async fn get(tx: &mut Tx, id: AuditTemplateId) -> Result<Option<Stored<AuditTemplate>>> {
    TABLE.get::<Row, _>(tx, id.0).await
}

/// The audit template that a caller refers to.
pub async fn find(
    tx: &mut Tx,
    reference: &Reference,
    show_deleted: bool,
    visible: &Visibility,
) -> Result<Option<Stored<AuditTemplate>>> {
    TABLE.find::<Row, _>(tx, reference, show_deleted, visible).await
}

/// A page of audit templates.
pub async fn list(
    tx: &mut Tx,
    filter: &AuditTemplateFilter,
    page: &Page<Sort>,
    visible: &Visibility,
) -> Result<Vec<Stored<AuditTemplate>>> {
    let select = TABLE
        .select()
        .filter_some("goal_id = ?", filter.goal.map(|goal| goal.0))
        .filter_some("strategy_id = ?", filter.strategy.map(|strategy| strategy.0))
        .visible_among_all(visible);
    TABLE.list::<Row, _, _>(tx, select, page).await
}

/// Writes what a client may change of a template: all but its owner. `false` if it is not there any more, or was changed since `template`
/// was read (its `updated_at` is another).
///
/// # Errors
/// As [`insert`].
pub async fn update(tx: &mut Tx, template: &AuditTemplate, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE audit_templates SET name = $2, description = $3, goal_id = $4, strategy_id = $5, scope = $6, \
               default_parameters = $7, updated_at = $8 \
               WHERE uuid = $1 AND deleted = 0 AND updated_at IS NOT DISTINCT FROM $9";
    let (scope, parameters) = (json(&template.scope)?, json(&template.default_parameters)?);
    let rows = execute!(
        tx,
        sql,
        template.id.0,
        &template.name,
        &template.description,
        template.goal_id.0,
        template.strategy_id.map(|strategy| strategy.0),
        &scope,
        &parameters,
        now,
        template.stamps.updated_at,
    )
    .map_err(|error| Error::on_insert(error, "audit template", &template.name))?;
    Ok(rows == 1)
}

/// Soft-deletes an audit template; `false` if there is none that is not deleted.
pub async fn soft_delete(tx: &mut Tx, id: AuditTemplateId, now: Timestamp) -> Result<bool> {
    let sql =
        "UPDATE audit_templates SET deleted = id, deleted_at = $2, updated_at = $2 WHERE uuid = $1 AND deleted = 0";
    Ok(execute!(tx, sql, id.0, now)? == 1)
}

/// Soft-deletes the templates of a goal that is gone; how many.
pub async fn soft_delete_of_goal(tx: &mut Tx, goal: GoalId, now: Timestamp) -> Result<u64> {
    let sql =
        "UPDATE audit_templates SET deleted = id, deleted_at = $2, updated_at = $2 WHERE goal_id = $1 AND deleted = 0";
    Ok(execute!(tx, sql, goal.0, now)?)
}

/// Lets the templates of one goal have another; how many.
pub async fn repoint_goal(tx: &mut Tx, old: GoalId, new: GoalId, now: Timestamp) -> Result<u64> {
    let sql = "UPDATE audit_templates SET goal_id = $2, updated_at = $3 WHERE goal_id = $1 AND deleted = 0";
    Ok(execute!(tx, sql, old.0, new.0, now)?)
}

/// Lets the templates of one strategy have another, or none; how many.
pub async fn repoint_strategy(tx: &mut Tx, old: StrategyId, new: Option<StrategyId>, now: Timestamp) -> Result<u64> {
    let sql = "UPDATE audit_templates SET strategy_id = $2, updated_at = $3 WHERE strategy_id = $1 AND deleted = 0";
    Ok(execute!(tx, sql, old.0, new.map(|strategy| strategy.0), now)?)
}
