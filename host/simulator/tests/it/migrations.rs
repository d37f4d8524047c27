//! Live and cold migrations from the request to the end, and everything that is refused.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use watcher_simulator::SimulatorOptions;

use crate::support::{Cloud, fault, host_uuid, server_uuid, small_file};

const LIVE_MS: u64 = 10_000;
const COLD_MS: u64 = 20_000;

async fn cloud() -> Cloud {
    let options =
        SimulatorOptions { live_migration_ms: LIVE_MS, cold_migration_ms: COLD_MS, ..SimulatorOptions::default() };
    Cloud::start(small_file(), options).await
}

fn live(host: impl Into<Value>) -> Value {
    json!({"os-migrateLive": {"host": host.into(), "block_migration": "auto"}})
}

fn cold(host: impl Into<Value>) -> Value {
    json!({"migrate": {"host": host.into()}})
}

async fn used_vcpus(cloud: &Cloud, host: u32) -> Value {
    let path = format!("/placement/resource_providers/{}/usages", host_uuid(host));
    cloud.get(&path).await.body["usages"]["VCPU"].clone()
}

#[tokio::test]
async fn a_live_migration_goes_through_its_states_and_frees_the_source_at_its_end() {
    let cloud = cloud().await;
    assert_eq!(cloud.act(90, 1, live("c")).await.status, StatusCode::ACCEPTED);
    assert_eq!(cloud.migration().await["status"], "preparing");
    cloud.advance(LIVE_MS / 2);
    let server = cloud.server(1).await;
    assert_eq!((&server["status"], &server["OS-EXT-STS:task_state"]), (&json!("MIGRATING"), &json!("migrating")));
    assert_eq!(server["OS-EXT-SRV-ATTR:host"], "a");
    let migration = cloud.migration().await;
    assert_eq!((&migration["status"], &migration["migration_type"]), (&json!("running"), &json!("live-migration")));
    assert_eq!((&migration["source_compute"], &migration["dest_compute"]), (&json!("a"), &json!("c")));
    // Both sides are claimed while it runs.
    assert_eq!((used_vcpus(&cloud, 1).await, used_vcpus(&cloud, 3).await), (json!(4), json!(2)));
    let held = cloud.get(&format!("/placement/allocations/{}", migration["uuid"].as_str().unwrap())).await;
    assert_eq!(held.body["allocations"][host_uuid(1)]["resources"]["VCPU"], 2);
    let own = cloud.get(&format!("/placement/allocations/{}", server_uuid(1))).await;
    assert_eq!(own.body["allocations"][host_uuid(3)]["resources"]["MEMORY_MB"], 2048);

    let path = format!("/servers/{}/migrations", server_uuid(1));
    let progress = cloud.nova(90, Method::GET, &path, None).await.body;
    assert_eq!(progress["migrations"][0]["id"], migration["id"]);
    let one = format!("{path}/{}", migration["id"]);
    assert_eq!(cloud.nova(90, Method::GET, &one, None).await.body["migration"]["server_uuid"], server_uuid(1));

    cloud.advance(LIVE_MS / 2);
    let server = cloud.server(1).await;
    assert_eq!((&server["status"], &server["OS-EXT-STS:task_state"]), (&json!("ACTIVE"), &Value::Null));
    assert_eq!(server["OS-EXT-SRV-ATTR:host"], "c");
    assert_eq!(cloud.migration().await["status"], "completed");
    assert_eq!((used_vcpus(&cloud, 1).await, used_vcpus(&cloud, 3).await), (json!(2), json!(2)));
    assert_eq!(cloud.nova(90, Method::GET, &path, None).await.body["migrations"], json!([]));
    assert_eq!(cloud.nova(90, Method::GET, &one, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(cloud.running.state()["placement"][server_uuid(1)], "c");
}

#[tokio::test]
async fn a_paused_server_stays_paused_when_it_moves() {
    let cloud = cloud().await;
    cloud.act(90, 4, live("c")).await;
    cloud.advance(LIVE_MS);
    let server = cloud.server(4).await;
    assert_eq!((&server["status"], &server["OS-EXT-SRV-ATTR:host"]), (&json!("PAUSED"), &json!("c")));
}

#[tokio::test]
async fn a_cold_migration_waits_for_its_confirmation_and_restores_the_state_it_found() {
    for (number, before) in [(1, "ACTIVE"), (2, "SHUTOFF")] {
        let cloud = cloud().await;
        assert_eq!(cloud.act(56, number, cold("c")).await.status, StatusCode::ACCEPTED);
        for (part, task, host, status) in [
            (1, "resize_prep", "a", "pre-migrating"),
            (5, "resize_migrating", "a", "migrating"),
            (11, "resize_migrated", "c", "post-migrating"),
            (2, "resize_finish", "c", "post-migrating"),
        ] {
            cloud.advance(COLD_MS / 20 * part);
            let server = cloud.server(number).await;
            assert_eq!(server["status"], "RESIZE", "{task}");
            assert_eq!(server["OS-EXT-STS:task_state"], task);
            assert_eq!(server["OS-EXT-SRV-ATTR:host"], host);
            assert_eq!(cloud.migration().await["status"], status);
        }
        cloud.advance(COLD_MS / 20);
        let server = cloud.server(number).await;
        assert_eq!((&server["status"], &server["OS-EXT-STS:vm_state"]), (&json!("VERIFY_RESIZE"), &json!("resized")));
        assert_eq!(cloud.migration().await["status"], "finished");
        assert_eq!((used_vcpus(&cloud, 1).await, used_vcpus(&cloud, 3).await), (json!(4), json!(2)));

        assert_eq!(cloud.act(56, number, json!({"confirmResize": null})).await.status, StatusCode::NO_CONTENT);
        let server = cloud.server(number).await;
        assert_eq!((&server["status"], &server["OS-EXT-SRV-ATTR:host"]), (&json!(before), &json!("c")));
        assert_eq!(cloud.migration().await["status"], "confirmed");
        assert_eq!((used_vcpus(&cloud, 1).await, used_vcpus(&cloud, 3).await), (json!(2), json!(2)));
        let again = cloud.act(56, number, json!({"confirmResize": null})).await;
        assert_eq!(fault(&again).0, "conflictingRequest");
    }
}

#[tokio::test]
async fn a_cold_migration_can_be_reverted() {
    let cloud = cloud().await;
    cloud.act(56, 1, cold("c")).await;
    cloud.advance(COLD_MS);
    assert_eq!(cloud.act(56, 1, json!({"revertResize": null})).await.status, StatusCode::ACCEPTED);
    assert_eq!(cloud.server(1).await["status"], "REVERT_RESIZE");
    cloud.advance(COLD_MS);
    let server = cloud.server(1).await;
    assert_eq!((&server["status"], &server["OS-EXT-SRV-ATTR:host"]), (&json!("ACTIVE"), &json!("a")));
    assert_eq!(cloud.migration().await["status"], "reverted");
    assert_eq!((used_vcpus(&cloud, 1).await, used_vcpus(&cloud, 3).await), (json!(4), json!(0)));
}

#[tokio::test]
async fn without_a_host_the_first_that_is_enabled_up_and_has_room_is_chosen() {
    let cloud = cloud().await;
    let services = cloud.nova(90, Method::GET, "/os-services?binary=nova-compute", None).await.body;
    let disable = |index: usize| format!("/os-services/{}", services["services"][index]["id"].as_str().unwrap());
    cloud.act(90, 1, live(Value::Null)).await;
    assert_eq!(cloud.migration().await["dest_compute"], "b");
    cloud.nova(90, Method::PUT, &disable(1), Some(json!({"status": "disabled"}))).await;
    cloud.act(90, 2, cold(Value::Null)).await;
    assert_eq!(cloud.migration().await["dest_compute"], "c");
}

#[tokio::test]
async fn refusals_have_novas_words() {
    let cloud = cloud().await;
    let bad = |message: &str| ("badRequest".to_owned(), message.to_owned());
    for action in [live("nowhere"), cold("nowhere")] {
        let refused = cloud.act(60, 1, action).await;
        assert_eq!(fault(&refused), bad("Compute host nowhere could not be found."));
    }
    let same = cloud.act(60, 1, cold("a")).await;
    assert_eq!(fault(&same), bad("Cannot migrate to the host where the server exists."));
    let missing = cloud.act(60, 77, live("c")).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let stopped = cloud.act(60, 2, live("c")).await;
    let message = format!("Cannot 'os-migrateLive' instance {} while it is in vm_state stopped", server_uuid(2));
    assert_eq!(fault(&stopped), ("conflictingRequest".into(), message));
    let paused = cloud.act(60, 4, cold("c")).await;
    let message = format!("Cannot 'migrate' instance {} while it is in vm_state paused", server_uuid(4));
    assert_eq!(fault(&paused), ("conflictingRequest".into(), message));
    cloud.act(60, 1, live("c")).await;
    let busy = cloud.act(60, 1, live("b")).await;
    let message = format!("Cannot 'os-migrateLive' instance {} while it is in task_state migrating", server_uuid(1));
    assert_eq!(fault(&busy), ("conflictingRequest".into(), message));
}

#[tokio::test]
async fn bodies_are_checked_against_the_microversion() {
    let cloud = cloud().await;
    let with = |extra: Value| {
        let mut arguments = json!({"host": "c", "block_migration": false});
        arguments.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"os-migrateLive": arguments})
    };
    for (minor, body) in [
        (24, with(json!({}))),
        (24, live("c")),
        (25, with(json!({"disk_over_commit": true}))),
        (29, with(json!({"force": true}))),
        (68, with(json!({"force": true}))),
        (90, json!({"os-migrateLive": {"host": "c"}})),
        (90, json!({"os-migrateLive": null})),
        (90, live(7)),
        (30, json!({"os-migrateLive": {"host": null, "block_migration": "auto", "force": true}})),
        (56, json!({"migrate": {"where": "c"}})),
        (56, json!({"migrate": "c"})),
    ] {
        let refused = cloud.act(minor, 1, body.clone()).await;
        assert_eq!(fault(&refused).0, "badRequest", "2.{minor} {body}");
    }
    assert_eq!(cloud.act(24, 1, with(json!({"disk_over_commit": false}))).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn an_unsuited_destination_is_refused_at_once_or_fails_later_as_in_nova() {
    let cloud = cloud().await;
    // Five of eight vCPUs of b are taken; two fit, four do not.
    let services = cloud.nova(90, Method::GET, "/os-services?host=c", None).await.body;
    let path = format!("/os-services/{}", services["services"][0]["id"].as_str().unwrap());
    cloud.nova(90, Method::PUT, &path, Some(json!({"status": "disabled"}))).await;
    let refused = cloud.act(90, 1, cold("c")).await;
    let message = "No valid host was found. No valid host found for cold migrate";
    assert_eq!(fault(&refused), ("badRequest".into(), message.into()));
    let early = cloud.act(33, 1, live("c")).await;
    let message = "No valid host was found. There are not enough hosts available.";
    assert_eq!(fault(&early), ("badRequest".into(), message.into()));

    // Since 2.34 the answer comes before the check.
    assert_eq!(cloud.act(90, 1, live("c")).await.status, StatusCode::ACCEPTED);
    let migration = cloud.migration().await;
    assert_eq!((&migration["status"], &migration["dest_compute"]), (&json!("error"), &json!("c")));
    let server = cloud.server(1).await;
    assert_eq!((&server["status"], &server["OS-EXT-SRV-ATTR:host"]), (&json!("ACTIVE"), &json!("a")));
    // Force skips the check.
    let force = json!({"os-migrateLive": {"host": "c", "block_migration": "auto", "force": true}});
    assert_eq!(cloud.act(60, 1, force).await.status, StatusCode::ACCEPTED);
    cloud.advance(LIVE_MS);
    assert_eq!(cloud.host_of(1).await, "c");
}

#[tokio::test]
async fn room_is_what_placement_says_unless_it_is_not_enforced() {
    let full = cloud().await;
    assert_eq!(full.act(90, 3, cold("a")).await.status, StatusCode::ACCEPTED);
    full.advance(COLD_MS);
    full.act(90, 3, json!({"confirmResize": null})).await;
    // Now all eight of a are taken.
    assert_eq!(fault(&full.act(56, 4, json!({"os-start": null})).await).0, "conflictingRequest");
    full.act(90, 4, json!({"unpause": null})).await;
    assert_eq!(fault(&full.act(90, 4, cold("a")).await).0, "badRequest");

    let options = SimulatorOptions { enforce_capacity: false, live_migration_ms: 0, ..SimulatorOptions::default() };
    let open = Cloud::start(small_file(), options).await;
    for number in [3, 4] {
        assert_eq!(open.act(90, number, live("a")).await.status, StatusCode::ACCEPTED);
        assert_eq!(open.host_of(number).await, "a");
    }
    assert_eq!(used_vcpus(&open, 1).await, 9);
}

fn resize(flavor: impl Into<Value>) -> Value {
    json!({"resize": {"flavorRef": flavor.into()}})
}

/// Host and number of virtual CPUs of server 1.
async fn shape(cloud: &Cloud) -> (Value, Value) {
    let server = cloud.server(1).await;
    (server["OS-EXT-SRV-ATTR:host"].clone(), server["flavor"]["vcpus"].clone())
}

#[tokio::test]
async fn a_resize_moves_the_server_and_gives_it_the_flavor_when_it_is_there() {
    let cloud = cloud().await;
    assert_eq!(cloud.act(46, 1, resize("2")).await.status, StatusCode::ACCEPTED);
    assert_eq!(cloud.server(1).await["status"], "RESIZE");
    assert_eq!(shape(&cloud).await, (json!("a"), json!(2)));
    // Each side is claimed as large as the server is there.
    assert_eq!((used_vcpus(&cloud, 1).await, used_vcpus(&cloud, 3).await), (json!(4), json!(4)));
    cloud.advance(COLD_MS);
    assert_eq!(cloud.server(1).await["status"], "VERIFY_RESIZE");
    assert_eq!(shape(&cloud).await, (json!("c"), json!(4)));
    let migration = cloud.migration().await;
    assert_eq!((&migration["migration_type"], &migration["status"]), (&json!("resize"), &json!("finished")));
    assert_eq!((&migration["old_instance_type_id"], &migration["new_instance_type_id"]), (&json!(1), &json!(2)));
    let path = format!("/servers/{}", server_uuid(1));
    assert_eq!(cloud.nova(46, Method::GET, &path, None).await.body["server"]["flavor"]["id"], "2");

    assert_eq!(cloud.act(46, 1, json!({"confirmResize": null})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(cloud.server(1).await["status"], "ACTIVE");
    assert_eq!((used_vcpus(&cloud, 1).await, used_vcpus(&cloud, 3).await), (json!(2), json!(4)));
}

#[tokio::test]
async fn a_resize_that_is_reverted_gives_the_old_flavor_back() {
    let cloud = cloud().await;
    cloud.act(46, 1, resize(2)).await;
    cloud.advance(COLD_MS);
    assert_eq!(cloud.act(46, 1, json!({"revertResize": null})).await.status, StatusCode::ACCEPTED);
    cloud.advance(COLD_MS);
    assert_eq!(shape(&cloud).await, (json!("a"), json!(2)));
    assert_eq!((used_vcpus(&cloud, 1).await, used_vcpus(&cloud, 3).await), (json!(4), json!(0)));
    assert_eq!(cloud.migration().await["status"], "reverted");
}

#[tokio::test]
async fn a_resize_that_makes_no_sense_is_refused() {
    let cloud = cloud().await;
    for (number, action, status, message) in [
        (1, resize("99"), StatusCode::BAD_REQUEST, "Flavor 99 could not be found."),
        (1, resize("1"), StatusCode::BAD_REQUEST, "When resizing, instances must change flavor!"),
        (4, resize("1"), StatusCode::CONFLICT, "while it is in vm_state paused"),
        (1, json!({"resize": null}), StatusCode::BAD_REQUEST, "It is not of type 'object'"),
        (1, json!({"resize": {}}), StatusCode::BAD_REQUEST, "'flavorRef' is a required property"),
        (1, json!({"resize": {"flavorRef": "2", "host": "c"}}), StatusCode::BAD_REQUEST, "('host' was unexpected)"),
        (1, resize(true), StatusCode::BAD_REQUEST, "is not of type 'string', 'integer'"),
    ] {
        let answer = cloud.act(46, number, action).await;
        assert_eq!(answer.status, status);
        assert!(fault(&answer).1.contains(message), "{:?}", fault(&answer));
    }
}

#[tokio::test]
async fn a_live_migration_can_be_aborted_or_completed_by_force() {
    let cloud = cloud().await;
    cloud.act(90, 1, live("c")).await;
    let id = cloud.migration().await["id"].clone();
    let path = format!("/servers/{}/migrations/{id}", server_uuid(1));
    // It is still preparing, and queued migrations can be aborted only since 2.65.
    assert_eq!(cloud.nova(64, Method::DELETE, &path, None).await.status, StatusCode::BAD_REQUEST);
    cloud.advance(LIVE_MS / 2);
    assert_eq!(cloud.nova(64, Method::DELETE, &path, None).await.status, StatusCode::ACCEPTED);
    let server = cloud.server(1).await;
    assert_eq!((&server["status"], &server["OS-EXT-SRV-ATTR:host"]), (&json!("ACTIVE"), &json!("a")));
    assert_eq!(cloud.migration().await["status"], "cancelled");
    assert_eq!(used_vcpus(&cloud, 3).await, 0);
    assert_eq!(cloud.nova(90, Method::DELETE, &path, None).await.status, StatusCode::BAD_REQUEST);
    let unknown = format!("/servers/{}/migrations/99", server_uuid(1));
    assert_eq!(cloud.nova(90, Method::DELETE, &unknown, None).await.status, StatusCode::NOT_FOUND);

    cloud.act(90, 1, live("c")).await;
    cloud.advance(LIVE_MS / 2);
    let id = cloud.migration().await["id"].clone();
    let path = format!("/servers/{}/migrations/{id}/action", server_uuid(1));
    let forced = cloud.nova(90, Method::POST, &path, Some(json!({"force_complete": null}))).await;
    assert_eq!(forced.status, StatusCode::ACCEPTED);
    assert_eq!(cloud.host_of(1).await, "c");
}

#[tokio::test]
async fn the_list_of_migrations_is_newest_first_filtered_and_paged() {
    let cloud = cloud().await;
    cloud.act(90, 1, live("c")).await;
    cloud.advance(LIVE_MS);
    cloud.act(90, 2, cold("c")).await;
    let all = cloud.nova(90, Method::GET, "/os-migrations?limit=1", None).await.body;
    assert_eq!(all["migrations"][0]["instance_uuid"], server_uuid(2));
    let next = all["migrations_links"][0]["href"].as_str().unwrap().to_owned();
    let second = cloud.nova(90, Method::GET, &next, None).await.body;
    assert_eq!(second["migrations"][0]["instance_uuid"], server_uuid(1));
    for (query, count) in [
        ("status=completed", 1),
        ("migration_type=migration", 1),
        ("host=c", 2),
        ("host=b", 0),
        (&format!("instance_uuid={}", server_uuid(1)), 1),
    ] {
        let found = cloud.nova(90, Method::GET, &format!("/os-migrations?{query}"), None).await.body;
        assert_eq!(found["migrations"].as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test]
async fn only_an_admin_may_move_servers() {
    let mut cloud = cloud().await;
    cloud.token = cloud.log_in("alice", "alice-password", "alpha").await;
    assert_eq!(fault(&cloud.act(90, 1, live("c")).await).0, "forbidden");
    assert_eq!(fault(&cloud.act(90, 1, cold("c")).await).0, "forbidden");
}
