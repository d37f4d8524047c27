//! Strategies and planners: the plan for a cluster, and the cluster after it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;
use watcher_cluster::ClusterFile;
use watcher_domain::PluginKind;
use watcher_domain::ports::Inspection;

use super::TestArgs;
use crate::decide::{Bench, Case, Outcome};
use crate::demo::table::show as show_figures;
use crate::plugin::table::{Column, Table};
use crate::predict::Prediction;
use crate::report::Report;
use crate::show::print;

/// Decides, and prints plan and prediction.
pub(super) async fn run(bench: &Bench, plugin: Inspection, arguments: &TestArgs) -> anyhow::Result<ExitCode> {
    let case = case(bench, plugin, arguments)?;
    let file = case.file.clone();
    let (hosts, instances) = (file.compute.nodes.len(), file.compute.instances.len());
    print(&format!("{} on {hosts} hosts with {instances} instances\n", case.strategy.description.name));
    let outcome = bench.decide(case).await;
    if let Some(path) = &arguments.report {
        outcome.report.write(path)?;
    }
    if let Some(error) = &outcome.report.error {
        anyhow::bail!("{error}");
    }
    show(&file, &outcome, arguments);
    Ok(ExitCode::SUCCESS)
}

fn case(bench: &Bench, plugin: Inspection, arguments: &TestArgs) -> anyhow::Result<Case> {
    let mut file = arguments.cluster()?;
    let (strategy, planner) = if plugin.kind == PluginKind::Planner {
        let name = arguments.strategy.clone().or_else(|| file.strategy.clone());
        (bench.strategy(name.as_deref().unwrap_or("basic"))?, Some(plugin))
    } else {
        (plugin, None)
    };
    let parameters = match arguments.parameters()? {
        Some(given) => given,
        None => file.parameters.take().unwrap_or_default(),
    };
    let scope = match &arguments.scope {
        Some(text) => serde_json::from_str(text).context("--scope is not a JSON array")?,
        None => file.scope.take().unwrap_or_default(),
    };
    Ok(Case { file, strategy, planner, parameters, scope, seed: arguments.seed })
}

fn show(file: &ClusterFile, outcome: &Outcome, arguments: &TestArgs) {
    let Outcome { report, before, after } = outcome;
    if report.actions.is_empty() {
        print("the plan has no actions");
    } else {
        print(&plan(report, arguments));
    }
    let counts: Vec<String> = report.counts().iter().map(|(name, count)| format!("{count} {name}")).collect();
    print(&format!("\n{} actions: {}", report.actions.len(), counts.join(", ")));
    for indicator in &report.efficacy_indicators {
        let unit = indicator["unit"].as_str().unwrap_or_default();
        let line = format!("  {} = {} {unit}", indicator["name"].as_str().unwrap_or_default(), indicator["value"]);
        print(line.trim_end());
    }
    if before == after {
        print("\nthe cluster stays as it is");
        return;
    }
    print("\npredicted, if every action succeeds:");
    show_figures(file, (&before.placement, &before.enabled), (&after.placement, &after.enabled), report);
    if after.open > 0 {
        print(&format!("{} instances go where the scheduler sends them, which is not predicted", after.open));
    }
    if after.resized > 0 {
        print(&format!("{} instances get another flavor, which is not in these figures", after.resized));
    }
    let hosts = hosts(file, before, after);
    let shown = arguments.shown(hosts.len());
    let mut table = Table::new(&[
        Column::Text("host"),
        Column::Text("status"),
        Column::Number("instances"),
        Column::Number("CPU before"),
        Column::Number("CPU after"),
    ]);
    hosts.iter().take(shown).for_each(|row| table.add(row.clone()));
    print(&format!("\n{}", table.text()));
    if hosts.len() > shown {
        print(&format!("… and {} hosts more that change (--rows 0 shows all)", hosts.len() - shown));
    }
}

fn plan(report: &Report, arguments: &TestArgs) -> String {
    let mut table = Table::new(&[
        Column::Number("#"),
        Column::Text("action"),
        Column::Text("resource"),
        Column::Text("parameters"),
        Column::Text("after"),
    ]);
    let shown = arguments.shown(report.actions.len());
    for (place, action) in report.actions.iter().enumerate().take(shown) {
        let parameters = &action.input_parameters;
        let text = |name: &str| parameters.get(name).and_then(Value::as_str).unwrap_or_default();
        let resource = if text("resource_name").is_empty() { text("resource_id") } else { text("resource_name") };
        let others = parameters.iter().filter(|(name, _)| !matches!(name.as_str(), "resource_id" | "resource_name"));
        let others: Vec<String> = others
            .map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect();
        let parents: Vec<String> = action.parents.iter().map(ToString::to_string).collect();
        table.add([
            place.to_string(),
            action.action_type.clone(),
            resource.to_owned(),
            others.join(" "),
            parents.join(", "),
        ]);
    }
    if report.actions.len() > shown {
        let more = report.actions.len() - shown;
        return format!("{}\n… and {more} actions more (--rows 0 shows all)", table.text());
    }
    table.text()
}

/// One row for each host that changes: CPU in percent of the host's CPUs, as the instances' own figures add up.
fn hosts(file: &ClusterFile, before: &Prediction, after: &Prediction) -> Vec<[String; 5]> {
    let (load_before, load_after) = (loads(file, before), loads(file, after));
    let changed = file.compute.nodes.iter().filter_map(|node| {
        let host = node.hostname.as_str();
        let none = (0, 0.0);
        let (b, a) = (*load_before.get(host).unwrap_or(&none), *load_after.get(host).unwrap_or(&none));
        let status = |cluster: &Prediction| if cluster.enabled.contains(host) { "enabled" } else { "disabled" };
        let (was, is) = (status(before), status(after));
        if was == is && b == a {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "CPUs are far below 2^53")]
        let percent = |cpus: f64| format!("{:.1}%", 100.0 * cpus / node.vcpus.max(1) as f64);
        let status = if was == is { is.to_owned() } else { format!("{was} → {is}") };
        let count = if b.0 == a.0 { a.0.to_string() } else { format!("{} → {}", b.0, a.0) };
        Some([host.to_owned(), status, count, percent(b.1), percent(a.1)])
    });
    changed.collect()
}

/// Instances and CPUs in use, by host name.
fn loads<'a>(file: &ClusterFile, cluster: &'a Prediction) -> BTreeMap<&'a str, (usize, f64)> {
    let mut loads: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for instance in &file.compute.instances {
        let Some(host) = cluster.placement.get(&instance.uuid) else { continue };
        let metrics = file.metrics.instance.get(&instance.uuid);
        let percent = metrics.and_then(|metrics| metrics.get("instance_cpu_usage").copied().flatten()).unwrap_or(0.0);
        #[expect(clippy::cast_precision_loss, reason = "CPUs are far below 2^53")]
        let cpus = instance.vcpus as f64 * percent / 100.0;
        let load = loads.entry(host).or_default();
        *load = (load.0 + 1, load.1 + cpus);
    }
    loads
}
