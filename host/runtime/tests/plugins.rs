//! Built-in plugins run in the sandbox.

mod support;

use std::sync::Arc;

use serde_json::json;
use support::{Bench, Cloud, Pages, action_call, dummy_parameters, planner_run, strategy_run};
use watcher_domain::journal::ActionPhase;
use watcher_domain::ports::{ActionOutcome, ActionRunner as _, PlannerRunner as _, StrategyRunner as _};
use watcher_domain::{PluginKind, SolutionAction};

#[tokio::test]
async fn a_strategy_decides_and_a_planner_orders() {
    let bench = Bench::new();
    let strategy = bench.add("strategies/dummy").await;
    assert_eq!(strategy.kind, PluginKind::Strategy);
    let outcome = bench.runtime.run_strategy(strategy_run(strategy.digest, dummy_parameters())).await.unwrap();
    let types: Vec<_> = outcome.solution.actions.iter().map(|action| action.action_type.as_str()).collect();
    assert_eq!(types, ["nop", "nop", "sleep"]);

    let planner = bench.add("planners/weight").await;
    let run = planner_run(planner.digest, outcome.solution.actions, json!(planner.description.default_configuration()));
    let plan = bench.runtime.run_planner(run).await.unwrap();
    assert_eq!(plan.len(), 3);
}

#[tokio::test]
async fn the_same_input_gives_the_same_bytes() {
    let bench = Bench::new();
    let digest = bench.add("strategies/dummy").await.digest;
    let first = bench.runtime.run_strategy(strategy_run(digest, dummy_parameters())).await.unwrap();
    let second = bench.runtime.run_strategy(strategy_run(digest, dummy_parameters())).await.unwrap();
    assert_eq!(serde_json::to_vec(&first.solution).unwrap(), serde_json::to_vec(&second.solution).unwrap());
}

#[tokio::test]
async fn an_action_handler_runs_every_phase() {
    let bench = Bench::new();
    let digest = bench.add("actions/nop").await.digest;
    for &phase in ActionPhase::ALL {
        let (cloud, journal) = (Arc::<Cloud>::default(), Arc::<Pages>::default());
        let call = action_call(digest, phase, json!({"message": "hello"}), &cloud, &journal);
        let outcome = bench.runtime.call_action(call).await.unwrap();
        assert!(matches!(outcome, ActionOutcome::Done | ActionOutcome::NotAborted), "{phase}: {outcome:?}");
    }
    assert!(bench.runtime.describe_effect(digest, support::object(json!({"message": "x"}))).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_an_hour_takes_no_computing_time() {
    let bench = Bench::still(|_| {});
    let digest = bench.add("actions/sleep").await.digest;
    let (cloud, journal) = (Arc::<Cloud>::default(), Arc::<Pages>::default());
    let mut call = action_call(digest, ActionPhase::Execute, json!({"duration": 3500.0}), &cloud, &journal);
    call.limits.fuel = 10_000_000;
    assert_eq!(bench.runtime.call_action(call).await.unwrap(), ActionOutcome::Done);
}

#[tokio::test]
async fn a_planner_gets_the_resource_apart_from_the_parameters() {
    let bench = Bench::new();
    let planner = bench.add("planners/weight").await;
    let action = SolutionAction {
        action_type: "migrate".to_owned(),
        input_parameters: support::object(json!({"migration_type": "live", "resource_id": "u1"})),
    };
    let configuration = json!(planner.description.default_configuration());
    let plan = bench.runtime.run_planner(planner_run(planner.digest, vec![action], configuration)).await.unwrap();
    assert_eq!((plan[0].action, plan[0].parents.len()), (0, 0));
}
