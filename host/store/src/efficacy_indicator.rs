//! Efficacy indicators.

use std::collections::HashMap;

use uuid::Uuid;
use watcher_domain::{ActionPlanId, EfficacyIndicator, EfficacyIndicatorId, Timestamp};

use crate::error::{Error, Result};
use crate::select::Select;
use crate::store::Tx;

const COLUMNS: &str = "uuid, action_plan_id, name, description, unit, value";

#[derive(sqlx::FromRow)]
struct Row {
    uuid: Uuid,
    action_plan_id: Uuid,
    name: String,
    description: String,
    unit: Option<String>,
    value: f64,
}

impl TryFrom<Row> for EfficacyIndicator {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: EfficacyIndicatorId(row.uuid),
            action_plan_id: ActionPlanId(row.action_plan_id),
            name: row.name,
            description: row.description,
            unit: row.unit,
            value: row.value,
        })
    }
}

/// Inserts indicators.
///
/// # Errors
/// [`Error::Reference`] if their plan is not there; [`Error::Invalid`] if a value is not finite.
pub async fn insert_many(tx: &mut Tx, indicators: &[EfficacyIndicator], now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO efficacy_indicators (uuid, action_plan_id, name, description, unit, value, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    for row in indicators {
        execute!(tx, sql, row.id.0, row.action_plan_id.0, &row.name, &row.description, &row.unit, row.value, now)
            .map_err(|error| Error::on_insert(error, "efficacy indicator", row.id.to_string()))?;
    }
    Ok(())
}

/// The indicators of a plan in the order of its goal.
pub async fn list_of_plan(tx: &mut Tx, plan: ActionPlanId) -> Result<Vec<EfficacyIndicator>> {
    Select::new(COLUMNS, "efficacy_indicators")
        .filter("action_plan_id = ?", plan.0)
        .not_deleted(false)
        .then("ORDER BY id")
        .all::<Row, _>(tx)
        .await
}

/// The indicators of several plans, deleted or not, for a page of plans.
pub async fn list_of_plans(
    tx: &mut Tx,
    plans: &[ActionPlanId],
) -> Result<HashMap<ActionPlanId, Vec<EfficacyIndicator>>> {
    let mut found: HashMap<ActionPlanId, Vec<EfficacyIndicator>> = HashMap::new();
    for some in plans.chunks(1000) {
        let rows: Vec<EfficacyIndicator> = Select::new(COLUMNS, "efficacy_indicators")
            .among("action_plan_id", some.iter().map(|plan| plan.0))
            .then("ORDER BY id")
            .all::<Row, _>(tx)
            .await?;
        for row in rows {
            found.entry(row.action_plan_id).or_default().push(row);
        }
    }
    Ok(found)
}
