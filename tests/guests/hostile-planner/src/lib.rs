//! A planner that misbehaves on purpose: the configuration's `behaviour` says how.

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Failure, PlannedAction, Planner, PlannerDescription, PlannerHost, SolutionAction};

/// The planner.
#[derive(Debug)]
pub struct Hostile;

/// Configuration of the operator.
#[derive(Debug, Deserialize)]
pub struct Configuration {
    /// What to do.
    pub behaviour: String,
}

impl Planner for Hostile {
    type Configuration = Configuration;

    fn describe() -> PlannerDescription {
        PlannerDescription::new("hostile", "0.1.0", "Hostile planner")
            .description("Misbehaves as its configuration says, to show that nothing else suffers.")
            .configuration(json!({"properties": {"behaviour": {"type": "string", "default": "circle"}}}))
    }

    fn schedule(
        _: &dyn PlannerHost,
        actions: &[SolutionAction],
        configuration: Configuration,
    ) -> Result<Vec<PlannedAction>, Failure> {
        let count = u32::try_from(actions.len()).unwrap_or(u32::MAX);
        let place = |action, parents: &[u32]| PlannedAction { action, parents: parents.to_vec() };
        Ok(match configuration.behaviour.as_str() {
            "circle" => (0..count).map(|action| place(action, &[(action + 1) % count])).collect(),
            "twice" => (0..count).map(|_| place(0, &[])).collect(),
            "forget" => Vec::new(),
            "invent" => vec![place(count, &[])],
            "many-parents" => (0..count).map(|action| place(action, &vec![0; 1_000_000])).collect(),
            other => return Err(Failure::input("unknown-behaviour", format!("there is no behaviour {other}"))),
        })
    }
}

watcher_sdk::export_planner!(Hostile);
