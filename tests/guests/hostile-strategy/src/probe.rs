//! Questions that a host must answer without harm.

#![expect(clippy::eq_op, reason = "0 / 0 is how a number that is none comes about")]

use serde_json::Value;
use watcher_sdk::{Failure, NewAction, ResourceKind, Solution, Statistic, StrategyHost};

const GOOD: Statistic<'static> = Statistic {
    metric: "host_cpu_usage",
    kind: ResourceKind::ComputeNode,
    aggregate: "mean",
    period_s: 300.0,
    granularity_s: 60.0,
};

/// Asks the same for ever.
pub(crate) fn flood_metrics(host: &dyn StrategyHost) -> Result<Solution, Failure> {
    loop {
        host.statistic(&GOOD)?;
    }
}

/// Asks what has no answer; the codes of the failures become an action.
pub(crate) fn ask_nonsense(host: &dyn StrategyHost) -> Solution {
    let questions = [
        Statistic { metric: "", ..GOOD },
        Statistic { metric: "no_such_metric", ..GOOD },
        Statistic { aggregate: "median", ..GOOD },
        Statistic { period_s: 0.0, ..GOOD },
        Statistic { period_s: f64::NAN, ..GOOD },
        Statistic { granularity_s: f64::NEG_INFINITY, ..GOOD },
        GOOD,
    ];
    let code = |failure: Failure| failure.code;
    let mut codes: Vec<String> = questions
        .iter()
        .map(|question| host.statistic(question).map_or_else(code, |samples| format!("{:?}", samples.values)))
        .collect();
    codes.push(host.instance_texts("no-such-column").map_or_else(code, |texts| texts.join(",")));
    codes.push(format!("{:?}", host.available(&["host_cpu_usage", "no_such_metric"])));
    let mut solution = Solution::default();
    solution.add(NewAction::new("nop").parameter("codes", codes));
    solution
}

/// Writes down which engines there are, and what one answers.
pub(crate) fn ask_scoring_engine(
    host: &dyn StrategyHost,
    engine: &str,
    features: &[Value],
) -> Result<Solution, Failure> {
    let engines: Vec<String> = host.scoring_engines()?.into_iter().map(|engine| engine.name).collect();
    let action = NewAction::new("nop").parameter("engines", engines);
    let mut solution = Solution::default();
    solution.add(match host.calculate_scores(engine, features) {
        Ok(scores) => action.parameter("scores", scores),
        Err(failure) => action.parameter("code", failure.code).parameter("message", failure.message),
    });
    Ok(solution)
}

/// Writes down everything it can see, so that two runs can be compared.
pub(crate) fn look_around(host: &dyn StrategyHost) -> Result<Solution, Failure> {
    let cluster = host.cluster()?;
    let nodes: Vec<&str> = (0..cluster.nodes.len()).map(|node| cluster.node_hostname(node)).collect();
    let mut seen = std::collections::HashMap::new();
    for number in 0..100_u32 {
        seen.insert(number, host.random_number());
    }
    let order: Vec<u32> = seen.keys().copied().collect();
    let zero = std::hint::black_box(0.0_f64);
    let mut solution = Solution::default();
    solution.add(
        NewAction::new("nop")
            .parameter("time_us", host.now_us())
            .parameter("random", host.random_number())
            .parameter("order_of_a_hash_map", order)
            .parameter("bits_of_nan", (zero / zero).to_bits())
            .parameter("nodes", nodes)
            .parameter("metadata", host.instance_texts("metadata")?),
    );
    Ok(solution)
}
