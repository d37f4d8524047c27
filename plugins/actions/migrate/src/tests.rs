//! Every branch of the handler against a Nova with one instance, whose next moves a test writes down.

mod fake;
mod phases;
mod undo;

use fake::{DESTINATION, Nova, Post, SOURCE, configuration, parameters};
use serde_json::json;
use watcher_sdk::{Action, Effect, Failure, Readiness};

use super::{Migrate, MigrationType, Parameters};

#[test]
fn the_effect_is_the_move() {
    assert_eq!(
        Migrate::describe_effect(&parameters(MigrationType::Live)).unwrap(),
        [Effect::MoveInstance { instance: fake::INSTANCE.to_owned(), destination: Some(DESTINATION.to_owned()) }]
    );
}

#[test]
fn the_source_is_no_destination() {
    let there = Parameters { destination_node: Some(SOURCE.to_owned()), ..parameters(MigrationType::Live) };
    let nova = Nova::default();
    let check = || Migrate::pre_condition(&nova.cloud(), &there, &configuration());
    assert_eq!(check().unwrap_err().code, "destination-is-source");
    // An instance that is elsewhere is skipped all the same.
    nova.edit(|state| state.own.host = "node_9");
    assert!(matches!(check().unwrap(), Readiness::Skip(_)));
}

fn check(nova: &Nova, kind: MigrationType) -> Result<Readiness, Failure> {
    Migrate::pre_condition(&nova.cloud(), &parameters(kind), &configuration())
}

#[test]
fn an_active_instance_on_its_source_is_ready() {
    let nova = Nova::default();
    assert_eq!(check(&nova, MigrationType::Live).unwrap(), Readiness::Ready);
    nova.edit(|state| state.status = "SHUTOFF");
    assert_eq!(check(&nova, MigrationType::Cold).unwrap(), Readiness::Ready);
}

#[test]
fn an_instance_that_is_gone_or_elsewhere_is_skipped() {
    let nova = Nova::default();
    nova.edit(|state| state.own.host = "node_9");
    let reason = format!("Instance {} is not running on source node {SOURCE} (currently on node_9)", fake::INSTANCE);
    assert_eq!(check(&nova, MigrationType::Live).unwrap(), Readiness::Skip(reason));
    nova.edit(|state| state.is_gone = true);
    let reason = format!("Instance {} not found", fake::INSTANCE);
    assert_eq!(check(&nova, MigrationType::Live).unwrap(), Readiness::Skip(reason));
}

#[test]
fn a_destination_must_be_there_and_take_instances() {
    let message = |service| {
        let nova = Nova::default();
        nova.edit(|state| state.own.destination = service);
        check(&nova, MigrationType::Live).unwrap_err().message
    };
    assert_eq!(message(None), "Destination node node_2 not found");
    assert_eq!(message(Some(("disabled", "up"))), "Destination node node_2 is not in enabled state");
    assert_eq!(message(Some(("enabled", "down"))), "Destination node node_2 is down");
}

#[test]
fn only_an_active_instance_is_moved_live() {
    let nova = Nova::default();
    nova.edit(|state| state.status = "PAUSED");
    let failure = check(&nova, MigrationType::Live).unwrap_err();
    assert!(failure.message.ends_with("to be in ACTIVE status (current status: PAUSED)"), "{failure}");
}

#[test]
fn the_post_condition_is_that_the_instance_is_there() {
    let nova = Nova::default();
    let look = |parameters: &Parameters| Migrate::post_condition(&nova.cloud(), parameters, &configuration());
    let failure = look(&parameters(MigrationType::Live)).unwrap_err();
    assert!(failure.message.ends_with("had no effect: the instance is on node_1"), "{failure}");
    nova.edit(|state| state.own.host = "node_7");
    let anywhere = Parameters { destination_node: None, ..parameters(MigrationType::Live) };
    look(&anywhere).unwrap();
    look(&parameters(MigrationType::Live)).unwrap_err();
    nova.edit(|state| state.own.host = DESTINATION);
    look(&parameters(MigrationType::Live)).unwrap();
}

#[test]
fn every_request_is_declared() {
    let description = Migrate::describe();
    let declared: Vec<String> =
        description.requests.iter().map(|request| format!("{} {}", request.method, request.path)).collect();
    assert_eq!(
        declared,
        [
            "GET /os-services",
            "GET /os-migrations",
            "GET /servers/{server}",
            "POST /servers/{server}/action",
            "GET /servers/{server}/migrations",
            "DELETE /servers/{server}/migrations/{migration}",
        ]
    );
    assert!(description.requests.iter().all(|request| request.service == "compute"));
}

#[test]
fn reading_survives_a_nova_that_is_away_for_a_moment() {
    let nova = Nova::default();
    nova.edit(|state| state.broken_reads = 3);
    assert_eq!(check(&nova, MigrationType::Live).unwrap(), Readiness::Ready);
    nova.edit(|state| state.broken_reads = 99);
    assert_eq!(check(&nova, MigrationType::Live).unwrap_err().code, "unreachable");
}

#[test]
fn the_request_says_host_and_block_migration() {
    let nova = Nova::default().on_post(Post::Accept(fake::live_success()));
    Migrate::execute(&nova.cloud(), &parameters(MigrationType::Live), &configuration()).unwrap();
    assert_eq!(nova.posts(), [json!({"os-migrateLive": {"host": "node_2", "block_migration": "auto"}})]);
    let nova = Nova::default().on_post(Post::Accept(fake::cold_success()));
    Migrate::execute(&nova.cloud(), &parameters(MigrationType::Cold), &configuration()).unwrap();
    assert_eq!(nova.posts(), [json!({"migrate": {"host": "node_2"}}), json!({"confirmResize": null})]);
}
