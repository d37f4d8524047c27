//! What Placement says about hosts and consumers.

use serde_json::{Map, Value, json};

use super::Version;
use crate::cloud::{Amount, Cloud, Consumer, Host, Inventory};

/// A resource provider.
pub(super) fn provider(host: &Host, version: Version) -> Value {
    let uuid = &host.entry.uuid;
    let base = format!("/placement/resource_providers/{uuid}");
    let mut links = vec![json!({"rel": "self", "href": base})];
    let known = [("inventories", 0), ("usages", 0), ("aggregates", 1), ("traits", 6), ("allocations", 11)];
    links.extend(
        known
            .iter()
            .filter(|(_, since)| version.since(*since))
            .map(|(name, _)| json!({"rel": name, "href": format!("{base}/{name}")})),
    );
    let mut view = json!({"uuid": uuid, "name": host.name(), "generation": host.generation, "links": links});
    if version.since(14) {
        view["parent_provider_uuid"] = Value::Null;
        view["root_provider_uuid"] = uuid.clone().into();
    }
    view
}

pub(super) fn inventory(inventory: &Inventory) -> Value {
    json!({
        "total": inventory.total,
        "reserved": inventory.reserved,
        "min_unit": 1,
        "max_unit": inventory.total,
        "step_size": 1,
        "allocation_ratio": inventory.ratio,
    })
}

pub(super) fn resources(amount: Amount) -> Map<String, Value> {
    amount.by_class().map(|(class, amount)| (class.to_owned(), amount.into())).collect()
}

pub(super) fn consumer_uuid(cloud: &Cloud, consumer: Consumer) -> String {
    match consumer {
        Consumer::Server(index) => cloud.servers()[index].entry.uuid.clone(),
        Consumer::Migration(id) => cloud.migrations().get(&id).map_or_else(String::new, |found| found.uuid.to_string()),
    }
}

/// Allocations of a server, or of a migration that keeps the source of one. An unknown consumer has none.
pub(super) fn allocations(cloud: &Cloud, consumer: &str, version: Version) -> Value {
    let server = cloud.server(consumer).ok();
    let found = match server {
        Some(index) => Some((Consumer::Server(index), index)),
        None => cloud
            .migrations()
            .values()
            .find(|migration| migration.uuid.to_string() == consumer)
            .map(|migration| (Consumer::Migration(migration.id), migration.server)),
    };
    let Some((consumer, owner)) = found else { return json!({"allocations": {}}) };
    let owner = &cloud.servers()[owner];
    let held: Map<String, Value> = cloud
        .places_of(consumer)
        .filter_map(|host| {
            let amount = *host.claims.get(&consumer)?;
            let view = json!({"generation": host.generation, "resources": resources(amount)});
            Some((host.entry.uuid.clone(), view))
        })
        .collect();
    if held.is_empty() {
        return json!({"allocations": {}});
    }
    let mut body = json!({"allocations": held});
    if version.since(12) {
        body["project_id"] = owner.project.clone().into();
        body["user_id"] = crate::ids::derived_hex("owner", &owner.project).into();
    }
    if version.since(28) {
        body["consumer_generation"] = 1.into();
    }
    if version.since(38) {
        body["consumer_type"] =
            if matches!(consumer, Consumer::Server(_)) { "INSTANCE".into() } else { "MIGRATION".into() };
    }
    body
}

/// `VCPU:2,MEMORY_MB:1024`; other classes are on no host, so nothing has room for them.
pub(super) fn parse_resources(text: &str) -> Option<Amount> {
    let mut amount = Amount::default();
    for part in text.split(',') {
        let (class, number) = part.split_once(':')?;
        let number: u64 = number.parse().ok().filter(|&number| number > 0)?;
        match class {
            "VCPU" => amount.vcpus = number,
            "MEMORY_MB" => amount.memory_mib = number,
            "DISK_GB" => amount.disk_gib = number,
            _ => return None,
        }
    }
    Some(amount)
}
