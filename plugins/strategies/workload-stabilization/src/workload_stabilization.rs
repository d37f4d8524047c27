//! Which instances move where.
//!
//! First every instance is tried alone on some destinations, each against the cluster as it is. The moves that would lower the
//! spread are then applied, best first, as long as each still lowers it, until the spread of a metric is below its threshold.

use std::cmp::Ordering;

use watcher_sdk::{Cluster, Failure, InstanceState, NewAction, Solution, SplitMix64, StrategyHost};

use crate::load::{Load, Move};
use crate::parameters::{Metric, Parameters};
use crate::spread::Bounds;

/// Looks at the cluster and decides.
///
/// Migrations come best first. Costs about instances × destinations tried, plus one pass over all hosts for each comparison that is too close
/// to call.
pub fn decide(host: &dyn StrategyHost, parameters: &Parameters) -> Result<Solution, Failure> {
    let cluster = host.cluster()?;
    let mut load = Load::measure(host, &cluster, parameters)?;
    let mut outcome = Outcome::default();
    let unbalanced = parameters.metrics.iter().map(|&metric| (metric, load.standard_deviation(metric)));
    let unbalanced = unbalanced.into_iter().find(|&(metric, spread)| spread > parameters.thresholds.of(metric));
    if let Some((_, spread)) = unbalanced {
        outcome.before = spread;
        load.measure_instances(host, &cluster, parameters)?;
        let candidates = candidates(host, &cluster, &mut load, parameters)?;
        apply(&cluster, &mut load, parameters, &candidates, &mut outcome);
    }
    let mut solution = Solution::default();
    for step in &outcome.moves {
        solution.add(
            NewAction::new("migrate")
                .resource(cluster.instance_uuid(step.instance as usize))
                .parameter("migration_type", "live")
                .parameter("source_node", cluster.node_hostname(step.source))
                .parameter("destination_node", cluster.node_hostname(step.destination))
                .parameter("resource_name", cluster.instance_name(step.instance as usize)),
        );
    }
    solution.indicator("instance_migrations_count", count(outcome.moves.len()));
    solution.indicator("standard_deviation_before_audit", outcome.before);
    solution.indicator("standard_deviation_after_audit", outcome.after);
    solution.indicator("instances_count", count(cluster.instances.len()));
    Ok(solution)
}

#[derive(Debug, Default)]
struct Outcome {
    before: f64,
    after: f64,
    /// With rows of nodes in place of numbers of hosts.
    moves: Vec<Move>,
}

/// A move that lowers the spread, by rows of nodes and by numbers of hosts.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    rows: Move,
    step: Move,
    value: Value,
}

/// The weighted standard deviation after a move: bounds, and the exact number once somebody needed it.
#[derive(Debug, Clone, Copy)]
struct Value {
    bounds: Bounds,
    exact: Option<f64>,
}

impl Value {
    const fn exactly(value: f64) -> Self {
        Self { bounds: Bounds::exactly(value), exact: Some(value) }
    }
}

/// The exact value of a move.
fn exact(load: &mut Load, step: Move, value: &mut Value) -> f64 {
    *value.exact.get_or_insert_with(|| {
        let each = load.exact(step);
        load.sum(each)
    })
}

/// Which destinations are tried for the instances of one host, one after another.
enum HostChoice {
    /// The next one.
    Cycle { next: usize },
    /// Some at random: the first `count` of an order that is shuffled as far as that.
    Retry { count: usize, random: SplitMix64, order: Vec<usize> },
    /// All.
    FullSearch,
}

impl HostChoice {
    fn new(host: &dyn StrategyHost, parameters: &Parameters) -> Result<Self, Failure> {
        match parameters.host_choice.as_str() {
            "cycle" => Ok(Self::Cycle { next: 0 }),
            "retry" => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "at least 1 by the schema; saturates"
                )]
                let count = parameters.retry_count as usize;
                Ok(Self::Retry { count, random: SplitMix64::new(host.random_number()), order: Vec::new() })
            }
            "fullsearch" => Ok(Self::FullSearch),
            other => Err(Failure::input(
                "invalid-host-choice",
                format!("host_choice is {other}; it can be cycle, retry or fullsearch"),
            )),
        }
    }

    /// Begins anew for the next source.
    fn restart(&mut self) {
        if let Self::Cycle { next } = self {
            *next = 0;
        }
    }

    /// Calls `try_one` with places among `others` destinations; in a cycle, goes on to the next one until it returns true.
    fn each(&mut self, others: usize, mut try_one: impl FnMut(usize) -> bool) {
        match self {
            Self::Cycle { next } => {
                for _ in 0..others {
                    let place = *next % others;
                    *next = place + 1;
                    if try_one(place) {
                        break;
                    }
                }
            }
            Self::Retry { count, random, order } => {
                order.extend(order.len()..others);
                for drawn in 0..(*count).min(others) {
                    let left = u32::try_from(others - drawn).unwrap_or(u32::MAX);
                    order.swap(drawn, drawn + random.below(left) as usize);
                    try_one(order[drawn]);
                }
            }
            Self::FullSearch => {
                for place in 0..others {
                    try_one(place);
                }
            }
        }
    }
}

/// All moves that lower the weighted spread, each tried alone, lowest spread first. An instance can be in here more than once: each of
/// its moves is better than the one before.
fn candidates(
    host: &dyn StrategyHost,
    cluster: &Cluster,
    load: &mut Load,
    parameters: &Parameters,
) -> Result<Vec<Candidate>, Failure> {
    let mut rows: Vec<usize> =
        (0..cluster.nodes.len()).filter(|&row| cluster.nodes[row].up && cluster.nodes[row].enabled).collect();
    rows.sort_by(|&a, &b| cluster.node_uuid(a).cmp(cluster.node_uuid(b)));
    let usable: Vec<Option<usize>> =
        rows.iter().map(|&row| load.host(row).filter(|&host| load.takes_part(host))).collect();
    let now = load.weighted();
    let mut choice = None;
    let mut found = Vec::new();
    for (own_place, &source_row) in rows.iter().enumerate() {
        let source = usable[own_place];
        if let Some(choice) = &mut choice {
            HostChoice::restart(choice);
        }
        for &instance in cluster.instances_of(source_row) {
            let may_move = &cluster.instances[instance as usize];
            if may_move.watcher_exclude || !matches!(may_move.state, InstanceState::Active | InstanceState::Paused) {
                continue;
            }
            let choice = match &mut choice {
                Some(choice) => choice,
                none => none.insert(HostChoice::new(host, parameters)?),
            };
            let mut best = Candidate {
                rows: Move { instance, source: source_row, destination: source_row },
                step: Move { instance, source: 0, destination: 0 },
                value: Value::exactly(now),
            };
            let (Some(source), true) = (source, load.is_measured(instance)) else {
                // It takes its turn all the same.
                choice.each(rows.len() - 1, |_| true);
                continue;
            };
            choice.each(rows.len() - 1, |place| {
                let place = if place < own_place { place } else { place + 1 };
                let Some(destination) = usable[place] else { return false };
                let step = Move { instance, source, destination };
                let mut value = Value { bounds: load.estimate(step).weighted, exact: None };
                let better = value
                    .bounds
                    .is_below(&best.value.bounds)
                    .unwrap_or_else(|| exact(load, step, &mut value) < exact(load, best.step, &mut best.value));
                if better {
                    let rows = Move { instance, source: source_row, destination: rows[place] };
                    best = Candidate { rows, step, value };
                    found.push(best);
                }
                true
            });
        }
    }
    sort(load, &mut found);
    Ok(found)
}

/// Sorts candidates by their exact values, earlier ones first among equals, with as few exact values as possible.
fn sort(load: &Load, candidates: &mut Vec<Candidate>) {
    let mut order: Vec<(usize, Candidate)> = std::mem::take(candidates).into_iter().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| compare(a.value.bounds.low, b.value.bounds.low));
    // Candidates whose bounds overlap, directly or through others; all later ones are above them.
    let mut groups = Vec::new();
    let mut start = 0;
    while start < order.len() {
        let mut high = order[start].1.value.bounds.high;
        let mut end = start + 1;
        while end < order.len() && order[end].1.value.bounds.low <= high {
            high = high.max(order[end].1.value.bounds.high);
            end += 1;
        }
        if end - start > 1 {
            groups.push(start..end);
        }
        start = end;
    }
    let unknown = |&place: &usize| order[place].1.value.exact.is_none();
    let places: Vec<usize> = groups.iter().cloned().flatten().filter(unknown).collect();
    let steps: Vec<Move> = places.iter().map(|&place| order[place].1.step).collect();
    for (place, exact) in places.into_iter().zip(load.exact_sums(&steps)) {
        order[place].1.value.exact = Some(exact);
    }
    let value = |candidate: &Candidate| candidate.value.exact.unwrap_or(candidate.value.bounds.low);
    for group in groups {
        order[group].sort_by(|(i, a), (j, b)| compare(value(a), value(b)).then(i.cmp(j)));
    }
    candidates.extend(order.into_iter().map(|(_, candidate)| candidate));
}

/// Applies candidates as long as they help.
fn apply(cluster: &Cluster, load: &mut Load, parameters: &Parameters, candidates: &[Candidate], outcome: &mut Outcome) {
    let mut moved = vec![false; cluster.instances.len()];
    // Until the first move, any spread below 1 will do.
    let mut lowest = Value::exactly(1.0);
    for &Candidate { rows, step, .. } in candidates {
        let instance = step.instance as usize;
        if cluster.instances[instance].disk_gib > cluster.nodes[rows.destination].disk_gib {
            continue;
        }
        let estimate = load.estimate(step);
        let mut value = Value { bounds: estimate.weighted, exact: None };
        let mut each = None;
        let better = value.bounds.is_below(&lowest.bounds).unwrap_or_else(|| {
            // Since the first move, the lowest spread is the one that the cluster has now.
            let lowest = *lowest.exact.get_or_insert_with(|| load.weighted());
            let exact = *each.get_or_insert_with(|| load.exact(step));
            let weighted = load.sum(exact);
            value.exact = Some(weighted);
            weighted < lowest
        });
        if better && moved[instance] {
            // It is no longer where this candidate would take it from.
            continue;
        }
        let balanced = parameters.metrics.iter().any(|&metric: &Metric| {
            let threshold = parameters.thresholds.of(metric);
            estimate.each[metric.index()]
                .is_below(&Bounds::exactly(threshold))
                .unwrap_or_else(|| each.get_or_insert_with(|| load.exact(step))[metric.index()] < threshold)
        });
        if better {
            load.apply(step);
            moved[instance] = true;
            lowest = value;
            outcome.moves.push(rows);
        }
        if balanced {
            break;
        }
    }
    if !outcome.moves.is_empty() {
        outcome.after = load.weighted();
    }
}

fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

#[expect(clippy::cast_precision_loss, reason = "counts of instances are far below 2^53")]
fn count(things: usize) -> f64 {
    things as f64
}
