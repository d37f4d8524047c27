//! The recorded exchanges of the original, replayed in order: status, headers that matter and bodies must be equal, but for ids and times.
//!
//! The test plays the decision engine and the applier, as they were at work behind the original while it was recorded.

use std::collections::HashMap;

use crate::service::{Answer, Service, object, shared};
use serde_json::{Map, Value, json};
use uuid::Uuid;
use watcher_cluster::{ClusterDataModel, ComputeModel, ComputeNode, Instance};
use watcher_domain::plugin::Digest;
use watcher_domain::{
    Action, ActionId, ActionPlan, ActionPlanId, ActionPlanState, ActionState, AuditId, AuditState, Clock as _,
    IndicatorSpec, Stamps, StrategyId,
};
use watcher_store::{Lease, action, action_plan, audit};

/// Exchanges that are answered otherwise, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("at bad scope", "the original fails with 500; here it is a bad request"),
    ("at scope storage only", "the original fails with 500; here it is accepted"),
    ("audit cont bad interval", "the original fails with 500; here it is a bad request"),
];

/// One request with its answer, as recorded.
struct Exchange {
    name: String,
    method: String,
    path: String,
    headers: Map<String, Value>,
    body: Option<Value>,
    status: u16,
    answer_headers: Map<String, Value>,
    answer: Value,
}

impl Exchange {
    fn read(line: &str) -> Self {
        let exchange = object(serde_json::from_str(line).unwrap());
        let text = |name: &str| exchange[name].as_str().unwrap().to_owned();
        Self {
            name: text("name"),
            method: text("method"),
            path: text("path"),
            headers: object(exchange["req_headers"].clone()),
            body: exchange.get("body").filter(|body| !body.is_null()).cloned(),
            status: u16::try_from(exchange["status"].as_u64().unwrap()).unwrap(),
            answer_headers: object(exchange["headers"].clone()),
            answer: exchange["response"].clone(),
        }
    }
}

/// Which id here stands for which id there. A UUID of the record that was never answered stands for itself.
#[derive(Default)]
struct Ids {
    here: HashMap<String, String>,
}

impl Ids {
    fn translate(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (there, here) in &self.here {
            text = text.replace(there, here);
        }
        text
    }

    /// Compares two values; ids are bound where they first meet.
    fn compare(&mut self, at: &str, there: &Value, here: &Value, differences: &mut Vec<String>) {
        match (there, here) {
            (Value::Object(there), Value::Object(here)) => {
                let mut names: Vec<_> =
                    there.keys().chain(here.keys().filter(|name| !there.contains_key(*name))).collect();
                // The id comes first: links contain it.
                names.sort_by_key(|name| *name != "uuid");
                for name in names {
                    match (there.get(name), here.get(name)) {
                        (Some(there), Some(here)) => self.compare(&format!("{at}/{name}"), there, here, differences),
                        (Some(there), None) => differences.push(format!("{at}/{name}: missing, was {there}")),
                        (None, here) => differences.push(format!("{at}/{name}: new, {here:?}")),
                    }
                }
            }
            (Value::Array(there), Value::Array(here)) if there.len() == here.len() => {
                for (place, (there, here)) in there.iter().zip(here).enumerate() {
                    self.compare(&format!("{at}/{place}"), there, here, differences);
                }
            }
            (Value::String(there), Value::String(here)) => self.compare_text(at, there, here, differences),
            _ if there == here => {}
            _ => differences.push(format!("{at}: {here}, was {there}")),
        }
    }

    fn compare_text(&mut self, at: &str, there: &str, here: &str, differences: &mut Vec<String>) {
        if let (Ok(Value::Object(there)), Ok(Value::Object(here))) =
            (serde_json::from_str(there), serde_json::from_str(here))
        {
            return self.compare(at, &Value::Object(there), &Value::Object(here), differences);
        }
        if Uuid::try_parse(there).is_ok() && Uuid::try_parse(here).is_ok() && !self.here.contains_key(there) {
            self.here.insert(there.to_owned(), here.to_owned());
        }
        let (there, here) = (without_times(&self.translate(there)), without_times(here));
        if there != here {
            differences.push(format!("{at}: {here:?}, was {there:?}"));
        }
    }
}

/// Replaces what looks like a time, and says whether it has an offset.
fn without_times(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut place = 0;
    while place < bytes.len() {
        let rest = &text[place..];
        // Times that a client sent are kept: only those of the days of the record and of the test's clock are replaced.
        if rest.starts_with("2026-") && rest.len() >= 19 && rest.as_bytes()[10] == b'T' {
            out.push_str("<time>");
            place += 19;
            if text[place..].starts_with('.') {
                place += 1;
                while place < bytes.len() && bytes[place].is_ascii_digit() {
                    place += 1;
                }
            }
        } else {
            let letter = rest.chars().next().unwrap();
            out.push(letter);
            place += letter.len_utf8();
        }
    }
    out
}

/// Everything that goes on behind the API.
struct World {
    service: Service,
    ids: Ids,
}

impl World {
    /// Goals, strategies and scoring engines as the original has them, in its order and with its ids.
    async fn new(exchanges: &[Exchange], catalog: &Value) -> Self {
        let service = Service::new().await;
        let by_name = |name: &str| exchanges.iter().find(|exchange| exchange.name == name).unwrap();
        let mut goals = HashMap::new();
        for goal in by_name("mv int 1").answer["goals"].as_array().unwrap() {
            let text = |name: &str| goal[name].as_str().unwrap();
            let indicators = goal["efficacy_specification"].as_array().unwrap().iter().map(|spec| IndicatorSpec {
                name: spec["name"].as_str().unwrap().to_owned(),
                description: spec["description"].as_str().unwrap().to_owned(),
                unit: spec["unit"].as_str().map(str::to_owned),
                schema: serde_json::from_str(spec["schema"].as_str().unwrap()).unwrap(),
                required: true,
            });
            let id: Uuid = text("uuid").parse().unwrap();
            goals.insert(
                text("name").to_owned(),
                service.add_goal(id, text("name"), text("display_name"), indicators.collect()).await,
            );
        }
        *service.engine.cluster.lock().unwrap() = Some(cluster(&by_name("data_model after").answer));
        let dummy = &by_name("strategy one").answer["parameters_spec"];
        for (id, name) in strategies(by_name("at strat wrong goal")) {
            let described =
                catalog["strategies"].as_array().unwrap().iter().find(|strategy| strategy["name"] == name.as_str());
            let described = described.unwrap_or_else(|| panic!("{name} is not in the catalogue"));
            let spec = if name == "dummy" { dummy.clone() } else { described["parameters_spec"].clone() };
            let goal = goals[described["goal"].as_str().unwrap()];
            service.add_strategy(id, &name, described["display_name"].as_str().unwrap(), goal, spec).await;
        }
        for engine in by_name("scoring engines").answer["scoring_engines"].as_array().unwrap() {
            let name = engine["name"].as_str().unwrap();
            let described = catalog["scoring_engines"].as_array().unwrap().iter().find(|known| known["name"] == name);
            let described = described.unwrap_or_else(|| panic!("{name} is not in the catalogue"));
            let text = |member: &str| described[member].as_str().unwrap().to_owned();
            service
                .add_scoring_engine(
                    engine["uuid"].as_str().unwrap().parse().unwrap(),
                    name,
                    text("description"),
                    text("metainfo"),
                )
                .await;
        }
        Self { service, ids: Ids::default() }
    }

    async fn send(&self, exchange: &Exchange) -> Answer {
        let mut headers: Vec<(&str, &str)> =
            exchange.headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        headers.push(("accept", "application/json"));
        if exchange.name.ends_with("w/ header") {
            headers.push(("x-show-deleted", "1"));
        }
        if exchange.body.is_some() {
            let wrong = exchange.name == "at wrong ctype";
            headers.push(("content-type", if wrong { "text/plain" } else { "application/json" }));
        }
        let body = match &exchange.body {
            None => Vec::new(),
            Some(Value::String(text)) => text.clone().into_bytes(),
            Some(body) => self.ids.translate(&body.to_string()).into_bytes(),
        };
        self.service.send(&exchange.method, &self.ids.translate(&exchange.path), &headers, body).await
    }

    fn here(&self, there: &str) -> Uuid {
        self.ids.translate(there).parse().unwrap()
    }

    /// A run of an audit that ends well.
    async fn run_audit(&self, there: &str) {
        let mut tx = self.service.store.begin().await.unwrap();
        let now = self.service.clock.now();
        let id = AuditId(self.here(there));
        let lease = Lease { owner: Uuid::nil(), hostname: "vm".to_owned(), until: now, term: 0 };
        let term = audit::claim(&mut tx, id, &lease, now).await.unwrap().unwrap();
        assert!(audit::finish(&mut tx, id, term, AuditState::Succeeded, None, now).await.unwrap());
        tx.commit().await.unwrap();
    }

    /// A plan as recorded, with its actions, which keep their ids.
    async fn recommend(&self, plan: &Value, strategy: &str, actions: &[Value]) {
        let stamps = Stamps::new(self.service.clock.now());
        let uuid = |value: &Value| value.as_str().unwrap().parse::<Uuid>().unwrap();
        let plan_id = ActionPlanId(uuid(&plan["uuid"]));
        let plan = ActionPlan {
            id: plan_id,
            project_id: None,
            audit_id: AuditId(self.here(plan["audit_uuid"].as_str().unwrap())),
            strategy_id: StrategyId(strategy.parse().unwrap()),
            state: ActionPlanState::Recommended,
            global_efficacy: Vec::new(),
            hostname: None,
            status_message: None,
            strategy_digest: Digest([7; 32]),
            planner_digest: Digest([8; 32]),
            snapshot_id: None,
            stamps,
        };
        let actions: Vec<Action> = actions
            .iter()
            .zip(0..)
            .map(|(action, position)| Action {
                id: ActionId(uuid(&action["uuid"])),
                action_plan_id: plan_id,
                position,
                action_type: action["action_type"].as_str().unwrap().to_owned(),
                input_parameters: object(action["input_parameters"].clone()),
                state: ActionState::Pending,
                parents: action["parents"].as_array().unwrap().iter().map(|parent| ActionId(uuid(parent))).collect(),
                status_message: None,
                digest: Digest([9; 32]),
                stamps,
            })
            .collect();
        let mut tx = self.service.store.begin().await.unwrap();
        action_plan::insert(&mut tx, &plan).await.unwrap();
        action::insert_many(&mut tx, &actions).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A run of a plan, with the end that was recorded for each action.
    async fn run_plan(&self, plan: &Value, actions: &[Value]) {
        let mut tx = self.service.store.begin().await.unwrap();
        let now = self.service.clock.now();
        let id = ActionPlanId(plan["uuid"].as_str().unwrap().parse().unwrap());
        let lease = Lease { owner: Uuid::nil(), hostname: "vm".to_owned(), until: now, term: 0 };
        let term = action_plan::claim(&mut tx, id, &lease, now).await.unwrap().unwrap();
        for done in actions.iter().filter(|action| action["state"] == "SUCCEEDED") {
            let id = ActionId(done["uuid"].as_str().unwrap().parse().unwrap());
            for (from, to) in
                [(ActionState::Pending, ActionState::Ongoing), (ActionState::Ongoing, ActionState::Succeeded)]
            {
                assert!(action::transition(&mut tx, id, from, to, None, now).await.unwrap());
            }
        }
        let message = plan["status_message"].as_str();
        assert!(action_plan::finish(&mut tx, id, term, ActionPlanState::Succeeded, message, now).await.unwrap());
        tx.commit().await.unwrap();
    }

    /// What went on behind the original after a request.
    async fn work_after(&self, exchange: &Exchange, exchanges: &[Exchange]) {
        let answer = |name: &str| &exchanges.iter().find(|exchange| exchange.name == name).unwrap().answer;
        let list = |name: &str, collection: &str| answer(name)[collection].as_array().unwrap().clone();
        let made = || exchange.answer["uuid"].as_str().unwrap();
        match exchange.name.as_str() {
            "policy denied post" => {
                self.run_audit(made()).await;
                let plan = &list("ap list strategy", "action_plans")[0];
                self.recommend(plan, plan["strategy_uuid"].as_str().unwrap(), &[]).await;
            }
            "audit strategy of other goal" => self.run_audit(made()).await,
            "audit create" => {
                self.run_audit(made()).await;
                let plan = answer("ap show 1.5");
                self.recommend(plan, plan["strategy_uuid"].as_str().unwrap(), &list("actions audit filter", "actions"))
                    .await;
            }
            "webhook" => {
                let id = answer("audit event")["uuid"].as_str().unwrap();
                let mut tx = self.service.store.begin().await.unwrap();
                let now = self.service.clock.now();
                let lease = Lease { owner: Uuid::nil(), hostname: "vm".to_owned(), until: now, term: 0 };
                audit::claim(&mut tx, AuditId(self.here(id)), &lease, now).await.unwrap().unwrap();
                tx.commit().await.unwrap();
            }
            "ap start" => self.run_plan(answer("ap after"), &list("actions after", "actions")).await,
            "hm audit" => {
                self.run_audit(made()).await;
                let plan = &list("hm ap", "action_plans")[0];
                self.recommend(plan, plan["strategy_uuid"].as_str().unwrap(), &list("hm actions", "actions")).await;
            }
            _ => {}
        }
    }
}

/// The cluster that the rows of a data model describe.
fn cluster(model: &Value) -> ClusterDataModel {
    let (mut nodes, mut placed) = (Vec::<ComputeNode>::new(), Vec::new());
    for row in model["context"].as_array().unwrap() {
        let (text, number) =
            (|name: &str| row[name].as_str().unwrap().to_owned(), |name: &str| row[name].as_u64().unwrap());
        let ratio = |name: &str| row[name].as_f64().unwrap();
        if nodes.last().is_none_or(|node| node.uuid != text("node_uuid")) {
            nodes.push(ComputeNode {
                uuid: text("node_uuid"),
                hostname: text("node_hostname"),
                status: serde_json::from_value(row["node_status"].clone()).unwrap(),
                disabled_reason: row["node_disabled_reason"].as_str().map(str::to_owned),
                state: serde_json::from_value(row["node_state"].clone()).unwrap(),
                vcpus: number("node_vcpus"),
                vcpu_reserved: number("node_vcpu_reserved"),
                vcpu_ratio: ratio("node_vcpu_ratio"),
                memory_mib: number("node_memory"),
                memory_reserved_mib: number("node_memory_mb_reserved"),
                memory_ratio: ratio("node_memory_ratio"),
                disk_gib: number("node_disk"),
                disk_reserved_gib: number("node_disk_gb_reserved"),
                disk_ratio: ratio("node_disk_ratio"),
            });
        }
        if row.get("server_uuid").is_some() {
            let server = Instance {
                uuid: text("server_uuid"),
                name: text("server_name"),
                state: text("server_state"),
                vcpus: number("server_vcpus"),
                memory_mib: number("server_memory"),
                disk_gib: number("server_disk"),
                watcher_exclude: false,
                locked: row["server_locked"].as_bool().unwrap(),
                project_id: text("server_project_id"),
                metadata: object(row["server_metadata"].clone()),
                pinned_az: text("server_pinned_az"),
                flavor_extra_specs: object(row["server_flavor_extra_specs"].clone()),
                created_at: None,
            };
            placed.push((server, Some(text("node_uuid"))));
        }
    }
    // The cloud lists in an order of its own.
    nodes.reverse();
    placed.reverse();
    ClusterDataModel { compute: ComputeModel::new(nodes, placed).unwrap(), ..ClusterDataModel::default() }
}

/// Ids and names of all strategies in the order of the original, from the refusal that lists them.
fn strategies(refusal: &Exchange) -> Vec<(Uuid, String)> {
    let inner: Value = serde_json::from_str(refusal.answer["error_message"].as_str().unwrap()).unwrap();
    let sentence = inner["faultstring"].as_str().unwrap();
    let (_, choices) = sentence.split_once("Possible choices: ").unwrap();
    let choice = |choice: &str| {
        let (id, name) = choice.split_once("' (").unwrap();
        (id.trim_start_matches('\'').parse().unwrap(), name.trim_end_matches(')').to_owned())
    };
    choices.split(", ").map(choice).collect()
}

fn compare(ids: &mut Ids, exchange: &Exchange, answer: &Answer) -> Vec<String> {
    let mut differences = Vec::new();
    if answer.status.as_u16() != exchange.status {
        differences.push(format!("status {}, was {}: {}", answer.status.as_u16(), exchange.status, answer.body));
        return differences;
    }
    let there = exchange.answer.clone();
    let here = if answer.body.is_empty() { json!("") } else { answer.json() };
    match (&there, &here) {
        // A start is answered before the applier took the plan; in the record it was quicker.
        (Value::Object(there), Value::Object(here)) if exchange.name == "ap start" => {
            let (mut there, mut here) = (there.clone(), here.clone());
            there.remove("hostname");
            here.remove("hostname");
            ids.compare("", &Value::Object(there), &Value::Object(here), &mut differences);
        }
        _ => ids.compare("", &there, &here, &mut differences),
    }
    for name in [
        "Vary",
        "OpenStack-API-Minimum-Version",
        "OpenStack-API-Maximum-Version",
        "OpenStack-API-Version",
        "Location",
        "Allow",
        "Content-Type",
    ] {
        let there = exchange.answer_headers.get(name).and_then(Value::as_str).map(|value| ids.translate(value));
        let here = answer.header(name);
        if here != there.as_deref() {
            differences.push(format!("header {name}: {here:?}, was {there:?}"));
        }
    }
    differences
}

#[tokio::test]
async fn answers_are_those_of_the_original() {
    let Some(shared) = shared() else { return };
    let recorded = std::fs::read_to_string(shared.join("reference/exchanges.jsonl")).unwrap();
    let exchanges: Vec<Exchange> = recorded.lines().map(Exchange::read).collect();
    let catalog = std::fs::read_to_string(shared.join("reference/catalog.json")).unwrap();
    let mut world = World::new(&exchanges, &serde_json::from_str(&catalog).unwrap()).await;

    let (mut equal, mut different, mut wrong) = (0, 0, Vec::new());
    for (place, exchange) in exchanges.iter().enumerate() {
        let answer = world.send(exchange).await;
        assert!(answer.header("x-openstack-request-id").is_some());
        if let Some((_, reason)) = DIFFERENT.iter().find(|(name, _)| *name == exchange.name) {
            assert!(!answer.status.is_server_error(), "{}: {}", exchange.name, answer.body);
            println!("different: {} ({reason})", exchange.name);
            different += 1;
        } else {
            let differences = compare(&mut world.ids, exchange, &answer);
            if differences.is_empty() {
                equal += 1;
            } else {
                wrong.push(format!(
                    "#{place} {} {} {}\n    {}",
                    exchange.name,
                    exchange.method,
                    exchange.path,
                    differences.join("\n    ")
                ));
            }
        }
        world.work_after(exchange, &exchanges).await;
    }
    println!("{equal} equal, {different} different for a reason, of {}", exchanges.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
