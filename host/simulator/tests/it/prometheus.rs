//! The queries of Watcher's Prometheus datasource give the numbers of the cluster file.

use std::collections::HashMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use watcher_cluster::ClusterFile;
use watcher_simulator::{GenerateOptions, SimulatorOptions, generate};

use crate::support::{Answer, Cloud, read, server_uuid, small_file};

/// The values of a vector by one of its labels.
fn by(answer: &Answer, label: &str) -> HashMap<String, f64> {
    assert_eq!(answer.body["status"], "success", "{}", answer.body);
    assert_eq!(answer.body["data"]["resultType"], "vector");
    let elements = answer.body["data"]["result"].as_array().unwrap();
    let pairs = elements.iter().map(|element| {
        (
            element["metric"][label].as_str().unwrap_or("").to_owned(),
            element["value"][1].as_str().unwrap().parse().unwrap(),
        )
    });
    pairs.collect()
}

fn only(answer: &Answer) -> Option<f64> {
    by(answer, "").into_values().next()
}

fn host_cpu(aggregate: &str, selector: &str, period: u32) -> String {
    format!("100 - ({aggregate} by (fqdn)(rate(node_cpu_seconds_total{{mode='idle'{selector}}}[{period}s])) * 100)")
}

fn host_ram(aggregate: &str, selector: &str, period: u32) -> String {
    format!(
        "(node_memory_MemTotal_bytes{{{selector}}} - \
         {aggregate}_over_time(node_memory_MemAvailable_bytes{{{selector}}}[{period}s])) / 1024"
    )
}

fn instance_cpu(aggregate: &str, selector: &str, period: u32, vcpus: u64) -> String {
    format!(
        "clamp_max(({aggregate} by (resource)(rate(ceilometer_cpu{{{selector}}}[{period}s]))/10e+8) \
         *(100/{vcpus}), 100)"
    )
}

fn instance_ram(aggregate: &str, selector: &str, period: u32) -> String {
    format!("{aggregate}_over_time(ceilometer_memory_usage{{{selector}}}[{period}s])")
}

fn close(given: Option<f64>, wanted: Option<f64>, what: &str) {
    match (given, wanted) {
        (None, None) => {}
        (Some(given), Some(wanted)) => {
            assert!((given - wanted).abs() <= 1e-9 * wanted.abs().max(1e-3), "{what}: {given} is not {wanted}");
        }
        _ => panic!("{what}: {given:?} is not {wanted:?}"),
    }
}

fn metric(file: &ClusterFile, instance: bool, uuid: &str, name: &str) -> Option<f64> {
    let table = if instance { &file.metrics.instance } else { &file.metrics.host };
    table.get(uuid).and_then(|row| row.get(name).copied().flatten())
}

#[tokio::test]
async fn the_query_for_one_resource_gives_the_number_of_the_file_over_any_period() {
    let file = generate(&GenerateOptions { hosts: 5, instances: 30, seed: 3, ..GenerateOptions::default() });
    let cloud = Cloud::start(file.clone(), SimulatorOptions::default()).await;
    for (aggregate, period) in [("avg", 300), ("max", 3600), ("min", 72), ("avg", 1)] {
        for node in &file.compute.nodes {
            let selector = format!("fqdn='{}'", node.hostname);
            let cpu = cloud.query(&host_cpu(aggregate, &format!(",{selector}"), period)).await;
            close(only(&cpu), metric(&file, false, &node.uuid, "host_cpu_usage"), "host cpu");
            let ram = cloud.query(&host_ram(aggregate, &selector, period)).await;
            close(only(&ram), metric(&file, false, &node.uuid, "host_ram_usage"), "host ram");
        }
        for instance in &file.compute.instances {
            let selector = format!("resource='{}'", instance.uuid);
            let cpu = cloud.query(&instance_cpu(aggregate, &selector, period, instance.vcpus)).await;
            close(only(&cpu), metric(&file, true, &instance.uuid, "instance_cpu_usage"), "instance cpu");
            let ram = cloud.query(&instance_ram(aggregate, &selector, period)).await;
            close(only(&ram), metric(&file, true, &instance.uuid, "instance_ram_usage"), "instance ram");
        }
    }
}

#[tokio::test]
async fn one_query_for_all_resources_gives_all_numbers_of_the_file() {
    let file = generate(&GenerateOptions { hosts: 40, instances: 700, seed: 9, ..GenerateOptions::default() });
    let cloud = Cloud::start(file.clone(), SimulatorOptions::default()).await;
    let cpu = by(&cloud.query(&host_cpu("avg", "", 3600)).await, "fqdn");
    let ram = by(&cloud.query(&host_ram("avg", "", 3600)).await, "fqdn");
    assert_eq!((cpu.len(), ram.len()), (40, 40));
    for node in &file.compute.nodes {
        close(cpu.get(&node.hostname).copied(), metric(&file, false, &node.uuid, "host_cpu_usage"), "host cpu");
        close(ram.get(&node.hostname).copied(), metric(&file, false, &node.uuid, "host_ram_usage"), "host ram");
    }
    let cpu = by(&cloud.query("avg by (resource) (rate(ceilometer_cpu[300s])) / 10e+8").await, "resource");
    let ram = by(&cloud.query(&instance_ram("avg", "", 300)).await, "resource");
    assert_eq!((cpu.len(), ram.len()), (700, 700));
    for instance in &file.compute.instances {
        let vcpus = u32::try_from(instance.vcpus).unwrap();
        let percent = cpu[&instance.uuid] * (100.0 / f64::from(vcpus));
        close(Some(percent), metric(&file, true, &instance.uuid, "instance_cpu_usage"), "instance cpu");
        close(ram.get(&instance.uuid).copied(), metric(&file, true, &instance.uuid, "instance_ram_usage"), "ram");
    }
}

#[tokio::test]
async fn a_missing_value_is_no_series_and_zero_stays_zero() {
    let cloud = Cloud::small().await;
    let cpu = by(&cloud.query(&host_cpu("avg", "", 300)).await, "fqdn");
    assert_eq!(cpu.len(), 2);
    assert!((cpu["a"] - 33.3).abs() < 1e-9);
    assert!(cpu["b"].abs() < f64::EPSILON);
    let ram = by(&cloud.query(&host_ram("avg", "", 300)).await, "fqdn");
    assert_eq!(ram.len(), 1);
    close(ram.get("a").copied(), Some(1_234_567.8), "ram");
    let instances = by(&cloud.query(&instance_cpu("avg", "", 300, 2)).await, "resource");
    assert_eq!(instances.len(), 2);
    assert!(instances[&server_uuid(2)].abs() < f64::EPSILON);
    close(instances.get(&server_uuid(1)).copied(), Some(47.1), "cpu");
    assert_eq!(only(&cloud.query(&instance_ram("avg", "resource='nobody'", 300)).await), None);
}

#[tokio::test]
async fn a_range_query_is_the_same_number_at_every_step() {
    let cloud = Cloud::small().await;
    let url = format!("{}/api/v1/query_range", cloud.running.endpoints().prometheus);
    let query = host_cpu("avg", ",fqdn='a'", 300);
    let parameters =
        [("query", query.as_str()), ("start", "2026-01-02T11:00:00Z"), ("end", "1767355200"), ("step", "5m")];
    let answer = read(cloud.http.get(&url).query(&parameters)).await;
    let series = &answer.body["data"]["result"][0];
    assert_eq!(answer.body["data"]["resultType"], "matrix");
    assert_eq!(series["metric"], json!({"fqdn": "a"}));
    let values = series["values"].as_array().unwrap();
    assert_eq!(values.len(), 13);
    for value in values {
        close(value[1].as_str().unwrap().parse().ok(), Some(33.3), "step");
    }
    let too_many = [("query", "up"), ("start", "0"), ("end", "1000000"), ("step", "1")];
    assert_eq!(read(cloud.http.get(&url).query(&too_many)).await.status, StatusCode::BAD_REQUEST);
    let backwards = [("query", "up"), ("start", "10"), ("end", "0"), ("step", "1")];
    assert_eq!(read(cloud.http.get(&url).query(&backwards)).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn labels_series_targets_and_status_are_served() {
    let cloud = Cloud::small().await;
    let base = format!("{}/api/v1", cloud.running.endpoints().prometheus);
    let data = async |path: &str| read(cloud.http.get(format!("{base}{path}"))).await.body["data"].clone();
    assert_eq!(data("/label/fqdn/values").await, json!(["a", "b", "c"]));
    let names = data("/label/__name__/values").await;
    assert!(names.as_array().unwrap().contains(&json!("node_cpu_seconds_total")));
    assert!(data("/labels").await.as_array().unwrap().contains(&json!("resource")));
    assert_eq!(data("/label/fqdn/values?match[]=node_memory_MemAvailable_bytes").await, json!(["a"]));
    let series = data("/series?match[]=ceilometer_memory_usage").await;
    assert_eq!(series.as_array().unwrap().len(), 2);
    let targets = data("/targets?state=active").await;
    assert_eq!(targets["activeTargets"][1]["labels"]["fqdn"], "b");
    assert!(data("/status/buildinfo").await["version"].is_string());
    assert!(data("/status/runtimeinfo").await["startTime"].is_string());
    for path in ["/-/healthy", "/-/ready"] {
        let url = format!("{}{path}", cloud.running.endpoints().prometheus);
        assert_eq!(read(cloud.http.get(url)).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn what_is_not_understood_is_400_and_says_why() {
    let cloud = Cloud::small().await;
    for query in ["", "topk(5, up)", "rate(up)", "up[5m:1m]", "up @ 3", "sum(1)", "quantile(0.5, up)", "{}", "up +"] {
        let answer = cloud.query(query).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.body["errorType"], "bad_data");
        assert!(answer.body["error"].as_str().unwrap().len() > 10);
    }
    let none = format!("{}/api/v1/query", cloud.running.endpoints().prometheus);
    assert_eq!(read(cloud.http.get(none)).await.status, StatusCode::BAD_REQUEST);
    let many = cloud.query("node_cpu_seconds_total * on(fqdn) node_cpu_seconds_total").await;
    assert_eq!(many.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(many.body["errorType"], "execution");
}

#[tokio::test]
async fn a_token_can_be_required() {
    let options = SimulatorOptions { prometheus_requires_token: true, ..SimulatorOptions::default() };
    let cloud = Cloud::start(small_file(), options).await;
    assert_eq!(cloud.query("up").await.status, StatusCode::UNAUTHORIZED);
    let answer = read(cloud.request(Method::GET, "/prometheus/api/v1/query?query=up")).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn traces_follow_the_clock_and_hosts_follow_their_instances() {
    let file = generate(&GenerateOptions { hosts: 3, instances: 12, traces: true, ..GenerateOptions::default() });
    let options = SimulatorOptions { traces: true, live_migration_ms: 0, ..SimulatorOptions::default() };
    let cloud = Cloud::start(file.clone(), options).await;
    let query = "avg by (resource) (rate(ceilometer_cpu[3600s])) / 10e+8";
    let at_start = by(&cloud.query(query).await, "resource");
    let traces = file.traces.as_ref().unwrap();
    let samples = |uuid: &str| &traces.series[traces.instance_series[uuid]];
    for instance in &file.compute.instances {
        let percent = at_start[&instance.uuid] * 100.0 / f64::from(u32::try_from(instance.vcpus).unwrap());
        close(Some(percent), metric(&file, true, &instance.uuid, "instance_cpu_usage"), "at the start");
    }
    // An hour later the last hour is the first of the trace.
    cloud.advance(3_600_000);
    let later = by(&cloud.query(query).await, "resource");
    for instance in &file.compute.instances {
        let percent = later[&instance.uuid] * 100.0 / f64::from(u32::try_from(instance.vcpus).unwrap());
        let wanted = samples(&instance.uuid)[..12].iter().sum::<f64>() / 12.0;
        assert!((percent - wanted).abs() < 1e-6, "{percent} is not {wanted}");
    }
    // The load goes with the instance.
    let mut cloud = cloud;
    cloud.token = cloud.log_in("admin", "admin-password", "admin").await;
    let load = async |cloud: &Cloud| by(&cloud.query(&host_cpu("avg", "", 3600)).await, "fqdn");
    let before = load(&cloud).await;
    let moved = &file.compute.instances[0];
    let source = moved.node.clone().unwrap();
    let destination = file.compute.nodes.iter().find(|node| node.hostname != source).unwrap();
    let body = json!({"os-migrateLive": {"host": destination.hostname, "block_migration": "auto"}});
    let path = format!("/servers/{}/action", moved.uuid);
    let answer = cloud.nova(90, Method::POST, &path, Some(body)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let after = load(&cloud).await;
    let gain = after[&destination.hostname] - before[&destination.hostname];
    let wanted = later[&moved.uuid] / f64::from(u32::try_from(destination.vcpus).unwrap()) * 100.0;
    assert!((gain - wanted).abs() < 1e-6, "{gain} is not {wanted}");
    assert!(after[&source] < before[&source]);
}

#[tokio::test]
async fn the_language_gives_what_prometheus_gives() {
    let cloud = Cloud::small().await;
    for (query, wanted) in [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 ^ 3 ^ 2", "512"),
        ("-2 ^ 2", "-4"),
        ("10 - 3 - 2", "5"),
        ("7 % 4", "3"),
        ("1 / 0", "+Inf"),
        ("10e+8", "1000000000"),
        ("0x1F", "31"),
        ("3 > bool 2", "1"),
        ("time() - time()", "0"),
        ("scalar(sum(up))", "3"),
    ] {
        let answer = cloud.query(query).await;
        assert_eq!(answer.body["data"]["resultType"], "scalar", "{query} {}", answer.body);
        assert_eq!(answer.body["data"]["result"][1], wanted, "{query}");
    }
    for (query, label, wanted) in [
        ("up", "fqdn", vec![("a", 1.0), ("b", 1.0), ("c", 1.0)]),
        ("up{fqdn=~'a|c'}", "fqdn", vec![("a", 1.0), ("c", 1.0)]),
        ("up{fqdn!~'a|c', job!='x'}", "fqdn", vec![("b", 1.0)]),
        ("{__name__='up', fqdn='a'}", "fqdn", vec![("a", 1.0)]),
        ("sum(up)", "fqdn", vec![("", 3.0)]),
        ("count by (job) (up)", "job", vec![("node", 3.0)]),
        ("sum without (fqdn, instance) (up)", "job", vec![("node", 3.0)]),
        ("sum(up) by (fqdn) * 2", "fqdn", vec![("a", 2.0), ("b", 2.0), ("c", 2.0)]),
        ("up{fqdn='a'} or up", "fqdn", vec![("a", 1.0), ("b", 1.0), ("c", 1.0)]),
        ("up unless up{fqdn='a'}", "fqdn", vec![("b", 1.0), ("c", 1.0)]),
        ("up and on(fqdn) node_memory_MemAvailable_bytes", "fqdn", vec![("a", 1.0)]),
        ("up > 2", "fqdn", vec![]),
        ("clamp_min(up, 5)", "fqdn", vec![("a", 5.0), ("b", 5.0), ("c", 5.0)]),
        ("increase(node_cpu_seconds_total{fqdn='b',mode='idle',cpu='0'}[5m])", "fqdn", vec![("b", 300.0)]),
        ("irate(node_cpu_seconds_total{fqdn='b',mode='idle',cpu='1'}[5m])", "fqdn", vec![("b", 1.0)]),
        ("count_over_time(up{fqdn='a'}[1m])", "fqdn", vec![("a", 4.0)]),
        ("last_over_time(up{fqdn='a'}[1m]) - 3", "fqdn", vec![("a", -2.0)]),
        ("vector(4)", "fqdn", vec![("", 4.0)]),
        ("label_replace(up{fqdn='a'}, 'host', 'h-$1', 'fqdn', '(.*)')", "host", vec![("h-a", 1.0)]),
        (
            "node_cpu_seconds_total{mode='idle',fqdn='b',cpu='0'} * 0 + on(fqdn) group_left(job) up",
            "job",
            vec![("node", 1.0)],
        ),
    ] {
        let given = by(&cloud.query(query).await, label);
        let wanted: HashMap<String, f64> = wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(given, wanted, "{query}");
    }
    let raw = cloud.query("up{fqdn='a'}[1m]").await;
    assert_eq!(raw.body["data"]["resultType"], "matrix");
    assert_eq!(raw.body["data"]["result"][0]["values"].as_array().unwrap().len(), 4);
    assert_eq!(raw.body["data"]["result"][0]["metric"]["__name__"], "up");
    let text = cloud.query("'a text'").await;
    assert_eq!(text.body["data"]["result"][1], Value::from("a text"));
}
