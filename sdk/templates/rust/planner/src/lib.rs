//! The `sample_plugin` planner: what leaves the same compute node happens one after the other, everything else at the same time.
//!
//! Here is the wiring; the order is made in [`order`].

pub mod order;

use serde::Deserialize;
use watcher_sdk::{Failure, PlannedAction, Planner, PlannerDescription, PlannerHost, SolutionAction};

/// The planner.
#[derive(Debug)]
pub struct SamplePlugin;

/// What an operator can set: nothing.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Configuration {}

/// The parameters that the order depends on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parameters {
    source_node: Option<String>,
    resource_name: Option<String>,
}

impl Planner for SamplePlugin {
    type Configuration = Configuration;

    fn describe() -> PlannerDescription {
        PlannerDescription::new("sample_plugin", env!("CARGO_PKG_VERSION"), "Sample plugin")
            .description("Runs the actions of each compute node one after the other, and the compute nodes side by side.")
    }

    fn schedule(
        _host: &dyn PlannerHost,
        actions: &[SolutionAction],
        _configuration: Configuration,
    ) -> Result<Vec<PlannedAction>, Failure> {
        let lanes: Vec<String> = actions.iter().map(lane).collect();
        Ok(order::by_lane(&lanes))
    }
}

/// The compute node that an action is about; without one, its resource.
fn lane(action: &SolutionAction) -> String {
    let parameters: Parameters = serde_json::from_str(&action.input_parameters).unwrap_or_default();
    parameters.source_node.or(parameters.resource_name).unwrap_or_else(|| action.resource_id.clone())
}

watcher_sdk::export_planner!(SamplePlugin);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use watcher_sdk::testing::FakeHost;

    fn action(action_type: &str, parameters: &serde_json::Value) -> SolutionAction {
        SolutionAction {
            action_type: action_type.to_owned(),
            resource_id: "r".to_owned(),
            input_parameters: parameters.to_string(),
        }
    }

    #[test]
    fn a_host_is_disabled_after_its_instances_left() {
        let actions = [
            action("migrate", &json!({"source_node": "host-1", "resource_name": "vm-1"})),
            action("migrate", &json!({"source_node": "host-2", "resource_name": "vm-2"})),
            action("change_nova_service_state", &json!({"resource_name": "host-1"})),
        ];
        let plan = SamplePlugin::schedule(&FakeHost::default(), &actions, Configuration {}).unwrap();
        let parents: Vec<_> = plan.into_iter().map(|place| place.parents).collect();
        assert_eq!(parents, [vec![], vec![], vec![0]]);
    }
}
