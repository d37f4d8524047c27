//! The order of actions, and what each waits for.

use std::collections::HashMap;

use serde::Deserialize;
use watcher_sdk::{Failure, PlannedAction, PlannerHost, SolutionAction};

use crate::Configuration;

/// Action types whose place this planner knows. Weights alone are not enough: it must know what an action waits for.
const KNOWN: [&str; 6] =
    ["nop", "change_nova_service_state", "sleep", "migrate", "resize", "turn_host_to_acpi_s3_state"];

/// What this planner reads of the parameters of a migration.
#[derive(Deserialize)]
struct Migration {
    source_node: String,
}

/// What has been planned for a resource: places in the plan.
#[derive(Default)]
struct Planned {
    all: Vec<u32>,
    migrations: Vec<u32>,
    resizes: Vec<u32>,
}

/// Sorts actions by weight, those of one weight in the order of the solution, and gives a resize or a suspension of a host its parents;
/// all others have none. Linear in the number of actions; looks at the cluster and into parameters only if there is a resize or a suspension.
///
/// # Errors
/// `unknown-action-type` for a type without a weight, or that this planner does not know; `missing-parameter` for a migration without
/// `source_node`, when that is needed.
pub fn schedule(
    host: &dyn PlannerHost,
    actions: &[SolutionAction],
    configuration: &Configuration,
) -> Result<Vec<PlannedAction>, Failure> {
    let mut weighted = Vec::with_capacity(actions.len());
    for (index, action) in (0_u32..).zip(actions) {
        let weight = configuration.weights.get(&action.action_type);
        let weight = weight.filter(|_| KNOWN.contains(&action.action_type.as_str())).ok_or_else(|| {
            Failure::input(
                "unknown-action-type",
                format!("the workload_stabilization planner does not know actions of type {}", action.action_type),
            )
        })?;
        weighted.push((*weight, index));
    }
    weighted.sort_by_key(|&(weight, _)| std::cmp::Reverse(weight));
    let has = |action_type: &str| actions.iter().any(|action| action.action_type == action_type);
    if !has("resize") && !has("turn_host_to_acpi_s3_state") {
        return Ok(weighted.into_iter().map(|(_, action)| PlannedAction { action, parents: Vec::new() }).collect());
    }

    let hosts = if has("resize") { hosts_of_instances(host)? } else { HashMap::new() };
    let mut planned: HashMap<String, Planned> = HashMap::new();
    let mut plan: Vec<PlannedAction> = Vec::with_capacity(actions.len());
    for (place, (_, index)) in (0_u32..).zip(weighted) {
        let action = &actions[index as usize];
        let resource = action.resource_id.as_str();
        let mut parents = Vec::new();
        match action.action_type.as_str() {
            "migrate" => {
                let migration: Migration = serde_json::from_str(&action.input_parameters).map_err(|error| {
                    Failure::input(
                        "missing-parameter",
                        format!("the migration of {resource} cannot be planned: {error}"),
                    )
                })?;
                for key in [resource, &migration.source_node] {
                    let here = planned.entry(key.to_owned()).or_default();
                    here.all.push(place);
                    here.migrations.push(place);
                }
            }
            "change_nova_service_state" => planned.entry(resource.to_owned()).or_default().all.push(place),
            "resize" => {
                parents = planned.get(resource).map(|here| here.all.clone()).unwrap_or_default();
                if let Some(host) = hosts.get(resource) {
                    let here = planned.entry(host.clone()).or_default();
                    here.all.push(place);
                    here.resizes.push(place);
                }
            }
            "turn_host_to_acpi_s3_state" => {
                if let Some(here) = planned.get(resource) {
                    parents.clone_from(&here.resizes);
                    let waited_for: Vec<u32> =
                        here.resizes.iter().flat_map(|&resize| &plan[resize as usize].parents).copied().collect();
                    parents.extend(here.migrations.iter().filter(|migration| !waited_for.contains(migration)));
                }
            }
            _ => {}
        }
        plan.push(PlannedAction { action: index, parents });
    }
    Ok(plan)
}

/// Host name by UUID of instance, as the snapshot has it.
fn hosts_of_instances(host: &dyn PlannerHost) -> Result<HashMap<String, String>, Failure> {
    let cluster = host.cluster()?;
    let placed = cluster.instances.iter().enumerate().filter_map(|(row, instance)| Some((row, instance.node?)));
    Ok(placed
        .map(|(row, node)| (cluster.instance_uuid(row).to_owned(), cluster.node_hostname(node as usize).to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use watcher_sdk::Planner;
    use watcher_sdk::testing::FakeHost;

    fn configuration() -> Configuration {
        let properties = &crate::WorkloadStabilization::describe().configuration_schema["properties"];
        serde_json::from_value(json!({"weights": properties["weights"]["default"]})).unwrap()
    }

    fn host() -> FakeHost {
        let node = |name: &str| json!({"uuid": format!("uuid-{name}"), "hostname": name, "vcpus": 8, "memory": 1024, "disk": 10});
        let instance =
            |name: &str, node: &str| json!({"uuid": name, "node": node, "vcpus": 1, "memory": 64, "disk": 1});
        let file = json!({"compute": {"nodes": [node("one"), node("two")], "instances": [instance("a", "one"), instance("b", "one")]}});
        FakeHost::from_cluster_file(&file.to_string()).unwrap()
    }

    fn action(action_type: &str, resource: &str, parameters: &Value) -> SolutionAction {
        SolutionAction {
            action_type: action_type.to_owned(),
            resource_id: resource.to_owned(),
            input_parameters: parameters.to_string(),
        }
    }

    fn plan(actions: &[SolutionAction]) -> Vec<(u32, Vec<u32>)> {
        let plan = schedule(&host(), actions, &configuration()).unwrap();
        plan.into_iter().map(|action| (action.action, action.parents)).collect()
    }

    #[test]
    fn heavier_types_come_first_and_wait_for_nothing() {
        let from_one = json!({"source_node": "one"});
        let actions = [
            action("migrate", "a", &from_one),
            action("nop", "", &json!({})),
            action("migrate", "b", &from_one),
            action("change_nova_service_state", "uuid-one", &json!({})),
        ];
        assert_eq!(plan(&actions), [(1, vec![]), (3, vec![]), (0, vec![]), (2, vec![])]);
    }

    #[test]
    fn a_resize_waits_for_the_migrations_of_its_instance() {
        let from_one = json!({"source_node": "one"});
        let actions =
            [action("resize", "b", &json!({})), action("migrate", "a", &from_one), action("migrate", "b", &from_one)];
        assert_eq!(plan(&actions), [(1, vec![]), (2, vec![]), (0, vec![1])]);
    }

    #[test]
    fn suspending_a_host_waits_for_what_moves_and_resizes_its_instances() {
        let from_one = json!({"source_node": "one"});
        let actions = [
            action("turn_host_to_acpi_s3_state", "one", &json!({})),
            action("resize", "b", &json!({})),
            action("migrate", "a", &from_one),
            action("migrate", "b", &from_one),
        ];
        // The resize already waits for the migration of b.
        assert_eq!(plan(&actions), [(2, vec![]), (3, vec![]), (1, vec![1]), (0, vec![2, 0])]);
    }

    #[test]
    fn an_unknown_type_is_named_even_if_it_has_a_weight() {
        let mut configuration = configuration();
        configuration.weights.insert("volume_migrate".to_owned(), 3);
        let failure = schedule(&host(), &[action("volume_migrate", "v", &json!({}))], &configuration).unwrap_err();
        assert_eq!(failure.code, "unknown-action-type");
        assert!(failure.message.contains("volume_migrate"), "{failure}");
    }

    #[test]
    fn a_migration_without_a_source_is_an_error_only_where_it_matters() {
        let nowhere = action("migrate", "a", &json!({}));
        assert_eq!(plan(std::slice::from_ref(&nowhere)), [(0, vec![])]);
        let failure = schedule(&host(), &[nowhere, action("resize", "b", &json!({}))], &configuration()).unwrap_err();
        assert_eq!(failure.code, "missing-parameter");
    }
}
