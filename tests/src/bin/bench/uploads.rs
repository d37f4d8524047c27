//! How long it takes from the first byte of an upload until the strategy has done what it is for.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::json;
use watcher_server::library::{plugins_dir, read_component};

use crate::client::{Client, Service, database, simulator};
use crate::measure::{Table, format, median};
use crate::plugins::{LARGE, enlarged, mark};
use crate::tenants::{POLICY, upload};

pub(crate) async fn run(table: &mut Table, quick: bool) -> anyhow::Result<()> {
    let database = database()?;
    let folder = tempfile::tempdir()?;
    let policy = folder.path().join("policy.yaml");
    std::fs::write(&policy, POLICY)?;
    let simulator = simulator().await?;
    let settings = [
        format!("policy.file={}", policy.display()),
        format!("sandbox.cache_dir={}", folder.path().join("cache").display()),
    ];
    let mut service = Service::start(&simulator, &database, &settings)?;
    let mut client = Client::log_in(&simulator, &service.address, ("bob", "bob-password", "beta")).await?;
    let plugins = plugins_dir(&watcher_server::config::Config::default().plugins)?;
    let component = enlarged(&read_component(&plugins.join("guests/hostile-strategy.wasm"))?, LARGE);
    let (mut answered, mut decided) = (Vec::new(), Vec::new());
    for round in 0..if quick { 1 } else { 5 } {
        let begin = Instant::now();
        let status = upload(&client, &[&component, &mark(round)]).await?;
        ensure!(status == 201, "the strategy was answered {status}");
        answered.push(begin.elapsed());
        let uuid = client.audit("dummy", "hostile", &json!({"behaviour": "look-around"})).await?;
        let audit = format!("/v1/audits/{uuid}");
        client.until_ended(&audit).await?;
        decided.push(begin.elapsed());
        // The next round uploads other bytes under the same name and number.
        let plans = client.get(&format!("/v1/action_plans?audit_uuid={uuid}")).await?;
        for plan in plans["action_plans"].as_array().into_iter().flatten() {
            let plan = plan["uuid"].as_str().context("an action plan without a UUID")?;
            client.delete(&format!("/v1/action_plans/{plan}")).await?;
        }
        client.delete(&audit).await?;
        let listed = client.get("/v1/plugins?name=hostile").await?;
        let plugin = listed["plugins"][0]["uuid"].as_str().context("the strategy is not listed")?.to_owned();
        client.delete(&format!("/v1/plugins/{plugin}")).await?;
    }
    let kib = component.len() >> 10;
    let what = format!("uploads: a strategy of {kib} KiB, POST to 201");
    table.absolute(&what, &format(median(answered)), "≤ 1 s");
    table.absolute("uploads: the same, POST to an audit with it SUCCEEDED", &format(median(decided)), "");
    service.stop();
    simulator.shutdown().await;
    Ok(())
}
