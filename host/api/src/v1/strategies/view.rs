//! Strategies as clients see them.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use watcher_domain::Strategy;

use crate::link::{Base, Link};
use crate::state::Requirements;
use crate::v1::Detail;
use crate::v1::names::Names;

/// A strategy.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct StrategyView {
    uuid: Uuid,
    /// What audits name it by.
    name: String,
    display_name: String,
    links: [Link; 2],
    goal_uuid: Option<Uuid>,
    goal_name: Option<String>,
    /// JSON Schema of audit parameters. Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    parameters_spec: Option<Value>,
}

impl StrategyView {
    pub(crate) fn new(strategy: &Strategy, names: &Names, base: &Base, detail: Detail) -> Self {
        let goal = names.goal(strategy.goal_id);
        Self {
            uuid: strategy.id.0,
            name: strategy.name.clone(),
            display_name: strategy.display_name.clone(),
            links: base.item("strategies", strategy.id),
            goal_uuid: goal.map(|goal| goal.uuid),
            goal_name: goal.map(|goal| goal.name.clone()),
            parameters_spec: detail.only_full(|| strategy.parameters_spec.clone()),
        }
    }

    /// What lists sort by that the database cannot.
    pub(crate) fn goal(&self) -> (Option<Uuid>, Option<&str>) {
        (self.goal_uuid, self.goal_name.as_deref())
    }

    pub(crate) fn uuid(&self) -> Uuid {
        self.uuid
    }
}

/// A page of strategies.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct StrategyPage {
    pub(crate) strategies: Vec<StrategyView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// One thing that a strategy needs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct RequirementView {
    /// `Datasource`, `Metrics`, `CDM` or `Name`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// A text, or a list of objects with one member each.
    #[schema(value_type = Value)]
    state: Value,
    /// Whether the strategy cannot do without; an empty text where that is no question.
    #[schema(value_type = Value)]
    mandatory: Value,
    comment: &'static str,
}

/// The four rows of a strategy's state.
pub(crate) fn requirements(strategy: &Strategy, found: &Requirements) -> Vec<RequirementView> {
    let there = |there: bool| if there { "available" } else { "not available" };
    let row = |kind, state, mandatory| RequirementView { kind, state, mandatory, comment: "" };
    let pair = |name: &str, is_there| {
        let mut pair = serde_json::Map::new();
        pair.insert(name.to_owned(), there(is_there).into());
        Value::Object(pair)
    };
    let datasource = found.datasource.as_deref().unwrap_or("Datasource is not presented for this strategy");
    let metrics = found.metrics.iter().map(|(name, there)| pair(name, *there)).collect();
    let models = vec![
        pair("compute_model", found.compute_model),
        pair("storage_model", found.storage_model),
        pair("baremetal_model", found.baremetal_model),
    ];
    vec![
        row("Datasource", datasource.into(), true.into()),
        row("Metrics", Value::Array(metrics), false.into()),
        row("CDM", Value::Array(models), true.into()),
        row("Name", strategy.name.as_str().into(), "".into()),
    ]
}
