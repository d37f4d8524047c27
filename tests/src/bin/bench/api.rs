//! The REST API over PostgreSQL with tokens of a Keystone: requests per second, and how long audits and plans take. Beside them stand the
//! figures of the original, release 17, which its benchmark took on a machine of two cores.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Client, PASSWORD, Service, database, simulator, text};
use crate::measure::{Table, median};

/// A list: path, and how many per second the original answers over one connection and over eight.
const LISTS: &[(&str, f64, f64)] = &[
    ("/", 426.0, 401.0),
    ("/v1/goals", 110.0, 117.0),
    ("/v1/strategies", 14.5, 14.0),
    ("/v1/audits?limit=50", 1.5, 2.5),
    ("/v1/audits/detail?limit=50", 2.2, 2.7),
];
/// How many audits are there when lists are measured, as there were with the original.
const STORED_AUDITS: usize = 140;
const AUDIT_OF_ORIGINAL: Duration = Duration::from_millis(241);
const BURST: usize = 30;
const BURST_OF_ORIGINAL: Duration = Duration::from_secs(4);
/// Plans: how many actions, the original's time, the goal.
const PLANS: &[(usize, Duration, &str)] =
    &[(1, Duration::from_millis(1250), ""), (20, Duration::from_millis(2730), "≤ 60 ms")];

pub(crate) async fn run(table: &mut Table, quick: bool) -> anyhow::Result<()> {
    let database = database()?;
    let simulator = simulator().await?;
    let mut service = Service::start(&simulator, &database, &[])?;
    let mut client = Client::log_in(&simulator, &service.address, ("admin", PASSWORD, "admin")).await?;
    let (audits, plans, seconds) = if quick { (10, 5, 1) } else { (40, 20, 4) };

    let mut times = Vec::new();
    for _ in 0..audits {
        let begin = Instant::now();
        let audit = client.audit("dummy", "dummy", &json!({})).await?;
        client.until_ended(&format!("/v1/audits/{audit}")).await?;
        times.push(begin.elapsed());
    }
    table.ratio("api: audit of `dummy`, POST to SUCCEEDED : the original", median(times), AUDIT_OF_ORIGINAL, "≤ 20 ms");

    let begin = Instant::now();
    let mut posted = Vec::new();
    for _ in 0..BURST {
        posted.push(client.audit("dummy", "dummy", &json!({})).await?);
    }
    for audit in posted {
        client.until_ended(&format!("/v1/audits/{audit}")).await?;
    }
    let what = format!("api: {BURST} audits of `dummy` posted at once, all SUCCEEDED : the original");
    table.ratio(&what, begin.elapsed(), BURST_OF_ORIGINAL, "");

    for &(actions, original, goal) in PLANS {
        let nop = |n| json!({"action_type": "nop", "input_parameters": {"message": format!("n{n}")}});
        let parameters = json!({"actions": (0..actions).map(nop).collect::<Vec<_>>()});
        let mut times = Vec::new();
        for _ in 0..plans {
            let audit = client.audit("unclassified", "actuator", &parameters).await?;
            client.until_ended(&format!("/v1/audits/{audit}")).await?;
            let found = client.get(&format!("/v1/action_plans?audit_uuid={audit}")).await?;
            let plan = text(&found["action_plans"][0]["uuid"])?;
            let begin = Instant::now();
            client.post(&format!("/v1/action_plans/{plan}/start"), &json!({})).await?;
            client.until_ended(&format!("/v1/action_plans/{plan}")).await?;
            times.push(begin.elapsed());
        }
        let what = format!("api: plan of {actions} `nop`, start to SUCCEEDED : the original");
        table.ratio(&what, median(times), original, goal);
    }

    client.fill(STORED_AUDITS).await?;
    for &(path, one, eight) in LISTS {
        for (connections, original) in [(1, one), (8, eight)] {
            let rate = client.rate(path, connections, Duration::from_secs(seconds)).await?;
            let what = format!("api: GET {path}, connections: {connections}");
            table.rate(&what, rate, original, if path == "/" { "" } else { "≥ 100" });
        }
    }
    service.stop();
    simulator.shutdown().await;
    Ok(())
}
