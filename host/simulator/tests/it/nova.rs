//! What Nova lists, in the microversions that change it.

use std::collections::HashSet;

use reqwest::{Method, StatusCode};
use serde_json::json;
use watcher_simulator::{GenerateOptions, SimulatorOptions, generate};

use crate::support::{Cloud, fault, host_uuid, read, server_uuid, small_file};

#[tokio::test]
async fn pages_cover_all_servers_exactly_once_and_in_the_order_of_the_file() {
    let file = generate(&GenerateOptions { hosts: 7, instances: 103, ..GenerateOptions::default() });
    let wanted: Vec<String> = file.compute.instances.iter().map(|instance| instance.uuid.clone()).collect();
    let options = SimulatorOptions { max_page: 10, ..SimulatorOptions::default() };
    let cloud = Cloud::start(file, options).await;
    let mut url = "/servers/detail?all_tenants=true&limit=25".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = cloud.nova(90, Method::GET, &url, None).await.body;
        let servers = page["servers"].as_array().unwrap();
        assert!(servers.len() <= 10);
        seen.extend(servers.iter().map(|server| server["id"].as_str().unwrap().to_owned()));
        match page["servers_links"][0]["href"].as_str() {
            Some(next) => url = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn pages_of_hypervisors_cover_all_hosts_exactly_once() {
    let file = generate(&GenerateOptions { hosts: 23, instances: 10, ..GenerateOptions::default() });
    let wanted: Vec<String> = file.compute.nodes.iter().map(|node| node.uuid.clone()).collect();
    let cloud = Cloud::start(file, SimulatorOptions::default()).await;
    let mut url = "/os-hypervisors/detail?limit=5".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = cloud.nova(53, Method::GET, &url, None).await.body;
        let hosts = page["hypervisors"].as_array().unwrap();
        seen.extend(hosts.iter().map(|host| host["id"].as_str().unwrap().to_owned()));
        match page["hypervisors_links"][0]["href"].as_str() {
            Some(next) => url = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, wanted);
    let unknown = cloud.nova(53, Method::GET, "/os-hypervisors?marker=nonsense", None).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn hypervisors_follow_the_microversion() {
    let cloud = Cloud::small().await;
    let old = cloud.nova(1, Method::GET, "/os-hypervisors/detail", None).await.body["hypervisors"][0].clone();
    assert_eq!(old["id"], 1);
    assert!(old["cpu_info"].is_string());
    assert_eq!((&old["vcpus"], &old["memory_mb"], &old["local_gb"]), (&json!(8), &json!(16384), &json!(200)));
    assert_eq!(old["vcpus_used"], 4);
    let middle = cloud.nova(53, Method::GET, "/os-hypervisors/detail?with_servers=True", None).await.body;
    let middle = &middle["hypervisors"];
    assert_eq!(middle[0]["id"], host_uuid(1));
    assert_eq!(middle[0]["servers"][1]["uuid"], server_uuid(2));
    assert_eq!(middle[0]["service"]["host"], "a");
    assert!(middle[2].get("servers").is_none());
    let new = cloud.nova(88, Method::GET, "/os-hypervisors/detail?with_servers=True", None).await.body;
    let new = &new["hypervisors"];
    assert!(new[0].get("vcpus").is_none() && new[0].get("cpu_info").is_none());
    assert!(new[0]["uptime"].is_string());
    assert_eq!(new[2]["servers"], json!([]));

    let one = cloud.nova(53, Method::GET, &format!("/os-hypervisors/{}", host_uuid(2)), None).await.body;
    assert_eq!(one["hypervisor"]["hypervisor_hostname"], "b");
    let found = cloud.nova(53, Method::GET, "/os-hypervisors?hypervisor_hostname_pattern=c", None).await.body;
    assert_eq!(found["hypervisors"].as_array().unwrap().len(), 1);
    let none = cloud.nova(53, Method::GET, "/os-hypervisors?hypervisor_hostname_pattern=zzz", None).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert_eq!(cloud.nova(52, Method::GET, "/os-hypervisors/b/search", None).await.status, StatusCode::OK);
    assert_eq!(cloud.nova(53, Method::GET, "/os-hypervisors/b/search", None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_microversion_out_of_range_is_406_and_every_answer_names_its_version() {
    let cloud = Cloud::small().await;
    let refused = cloud.nova(97, Method::GET, "/servers", None).await;
    assert_eq!(refused.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(fault(&refused).0, "computeFault");
    let answer = cloud.nova(42, Method::GET, "/servers", None).await;
    assert_eq!(answer.headers["openstack-api-version"], "compute 2.42");
    assert_eq!(answer.headers["x-openstack-nova-api-version"], "2.42");
    let legacy =
        read(cloud.request(Method::GET, "/compute/v2.1/servers").header("x-openstack-nova-api-version", "2.9"));
    assert_eq!(legacy.await.headers["openstack-api-version"], "compute 2.9");
}

#[tokio::test]
async fn a_server_shows_its_host_states_and_flavor() {
    let cloud = Cloud::small().await;
    let server = cloud.server(2).await;
    assert_eq!(server["OS-EXT-SRV-ATTR:host"], "a");
    assert_eq!(server["OS-EXT-SRV-ATTR:hypervisor_hostname"], "a");
    assert_eq!(server["OS-EXT-STS:vm_state"], "stopped");
    assert_eq!(server["OS-EXT-STS:power_state"], 4);
    assert_eq!(server["status"], "SHUTOFF");
    assert_eq!(server["tenant_id"], "p1");
    assert_eq!(server["locked"], false);
    assert_eq!(server["flavor"]["vcpus"], 2);
    assert_eq!(server["flavor"]["original_name"], "f2");
    assert!(server.get("pinned_availability_zone").is_none());
    let newest = cloud.nova(96, Method::GET, &format!("/servers/{}", server_uuid(2)), None).await;
    assert!(newest.body["server"]["pinned_availability_zone"].is_null());
    assert!(newest.body["server"].get("pinned_availability_zone").is_some());
    let old = cloud.nova(46, Method::GET, &format!("/servers/{}", server_uuid(2)), None).await.body;
    let path = format!("/flavors/{}", old["server"]["flavor"]["id"].as_str().unwrap());
    assert_eq!(cloud.nova(46, Method::GET, &path, None).await.body["flavor"]["ram"], 2048);
    let flavors = cloud.nova(90, Method::GET, "/flavors/detail", None).await.body;
    assert_eq!(flavors["flavors"].as_array().unwrap().len(), 3);
    let missing = cloud.nova(90, Method::GET, "/servers/nonsense", None).await;
    assert_eq!(fault(&missing), ("itemNotFound".into(), "Instance nonsense could not be found.".into()));
}

#[tokio::test]
async fn servers_are_filtered_by_host_status_project_and_name() {
    let cloud = Cloud::small().await;
    for (query, wanted) in [
        ("all_tenants=1&host=b", vec![3, 4]),
        ("all_tenants=1&node=a", vec![1, 2]),
        ("all_tenants=1&host=nowhere", vec![]),
        ("all_tenants=1&status=active", vec![1, 3]),
        ("all_tenants=1&status=ACTIVE&status=PAUSED", vec![1, 3, 4]),
        ("all_tenants=1&project_id=p1&limit=1", vec![1]),
        ("all_tenants=1&project_id=p2", vec![]),
        ("all_tenants=1&name=vm-[34]", vec![3, 4]),
        ("all_tenants=1&availability_zone=west", vec![]),
        ("", vec![]),
        // Not a filter, so ignored before 2.75.
        ("all_tenants=1&compute_host=b", vec![1, 2, 3, 4]),
    ] {
        let servers = cloud.nova(73, Method::GET, &format!("/servers?{query}"), None).await.body;
        let ids: Vec<_> = servers["servers"].as_array().unwrap().iter().map(|server| server["id"].clone()).collect();
        assert_eq!(ids, wanted.into_iter().map(server_uuid).collect::<Vec<_>>(), "{query}");
    }
    for query in ["compute_host=b"] {
        let refused = cloud.nova(75, Method::GET, &format!("/servers?{query}"), None).await;
        assert_eq!(fault(&refused).0, "badRequest");
    }
    let marker = cloud.nova(73, Method::GET, "/servers?all_tenants=1&marker=nonsense", None).await;
    assert_eq!(fault(&marker), ("badRequest".into(), "marker [nonsense] not found".into()));
}

#[tokio::test]
async fn only_an_admin_sees_the_infrastructure_and_other_projects() {
    let mut cloud = Cloud::small().await;
    cloud.token = cloud.log_in("alice", "alice-password", "alpha").await;
    for path in ["/os-hypervisors", "/os-services", "/os-aggregates", "/os-migrations", "/servers?all_tenants=1"] {
        let refused = cloud.nova(90, Method::GET, path, None).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(fault(&refused).0, "forbidden");
    }
    let other = cloud.nova(90, Method::GET, &format!("/servers/{}", server_uuid(1)), None).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    assert_eq!(cloud.get("/placement/resource_providers").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn services_are_listed_disabled_with_a_reason_enabled_and_forced_down() {
    let cloud = Cloud::small().await;
    let list = "/os-services?binary=nova-compute";
    let services = cloud.nova(53, Method::GET, list, None).await.body["services"].clone();
    let names: HashSet<&str> =
        services.as_array().unwrap().iter().map(|service| service["host"].as_str().unwrap()).collect();
    assert_eq!(names, HashSet::from(["a", "b", "c"]));
    assert_eq!(services[2]["zone"], "west");
    let path = format!("/os-services/{}", services[1]["id"].as_str().unwrap());
    let disable = json!({"status": "disabled", "disabled_reason": "watcher_disabled"});
    let changed = cloud.nova(53, Method::PUT, &path, Some(disable)).await;
    assert_eq!(changed.body["service"]["status"], "disabled");
    let hypervisor = cloud.nova(53, Method::GET, &format!("/os-hypervisors/{}", host_uuid(2)), None).await.body;
    assert_eq!(hypervisor["hypervisor"]["status"], "disabled");
    assert_eq!(hypervisor["hypervisor"]["service"]["disabled_reason"], "watcher_disabled");
    let changed = cloud.nova(53, Method::PUT, &path, Some(json!({"status": "enabled", "forced_down": true}))).await;
    assert_eq!(changed.body["service"]["state"], "down");
    assert!(changed.body["service"]["disabled_reason"].is_null());

    for (body, status) in
        [(json!({"status": "odd"}), 400), (json!({}), 400), (json!({"status": "enabled", "disabled_reason": "x"}), 400)]
    {
        assert_eq!(cloud.nova(53, Method::PUT, &path, Some(body)).await.status.as_u16(), status);
    }
    let path = format!("/os-services/{}", server_uuid(1));
    let unknown = cloud.nova(53, Method::PUT, &path, Some(json!({"status": "enabled"}))).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);

    let old = json!({"host": "c", "binary": "nova-compute", "disabled_reason": "old"});
    let changed = cloud.nova(30, Method::PUT, "/os-services/disable-log-reason", Some(old)).await;
    assert_eq!(changed.body["service"]["disabled_reason"], "old");
}

#[tokio::test]
async fn aggregates_and_zones_are_those_of_the_file() {
    let cloud = Cloud::start(small_file(), SimulatorOptions::default()).await;
    let aggregates = cloud.nova(90, Method::GET, "/os-aggregates", None).await.body;
    assert_eq!(aggregates["aggregates"][0]["hosts"], json!(["a", "b"]));
    let zones = cloud.nova(90, Method::GET, "/os-availability-zone/detail", None).await.body;
    let names: Vec<_> =
        zones["availabilityZoneInfo"].as_array().unwrap().iter().map(|zone| zone["zoneName"].clone()).collect();
    assert_eq!(names, ["internal", "east", "west"]);
    assert_eq!(zones["availabilityZoneInfo"][2]["hosts"]["c"]["nova-compute"]["active"], true);
}

#[tokio::test]
async fn servers_start_stop_pause_and_lock() {
    let mut cloud = Cloud::small().await;
    assert_eq!(cloud.act(90, 2, json!({"os-start": null})).await.status, StatusCode::ACCEPTED);
    assert_eq!(cloud.server(2).await["status"], "ACTIVE");
    let again = cloud.act(90, 2, json!({"os-start": null})).await;
    let message = format!("Cannot 'os-start' instance {} while it is in vm_state active", server_uuid(2));
    assert_eq!(fault(&again), ("conflictingRequest".into(), message));
    for (action, status) in [("pause", "PAUSED"), ("unpause", "ACTIVE"), ("os-stop", "SHUTOFF")] {
        assert_eq!(cloud.act(90, 2, json!({action: null})).await.status, StatusCode::ACCEPTED);
        assert_eq!(cloud.server(2).await["status"], status);
    }
    cloud.act(90, 2, json!({"lock": null})).await;
    assert_eq!(cloud.server(2).await["locked"], true);
    // A lock binds users, not admins.
    assert_eq!(cloud.act(90, 2, json!({"os-start": null})).await.status, StatusCode::ACCEPTED);
    let unknown = cloud.act(90, 2, json!({"dance": null})).await;
    assert_eq!(fault(&unknown), ("badRequest".into(), "There is no such action: dance".into()));
    let malformed = cloud.act(90, 2, json!({"lock": null, "unlock": null})).await;
    assert_eq!(malformed.status, StatusCode::BAD_REQUEST);
    cloud.token = "wrong".into();
    assert_eq!(cloud.act(90, 2, json!({"os-stop": null})).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn unknown_paths_and_methods_answer_in_the_words_of_the_service() {
    let cloud = Cloud::small().await;
    let unknown = cloud.nova(90, Method::GET, "/dragons", None).await;
    assert_eq!(fault(&unknown).0, "itemNotFound");
    let method = cloud.nova(90, Method::DELETE, "/flavors", None).await;
    assert_eq!(fault(&method).0, "badMethod");
    let placement = cloud.get("/placement/dragons").await;
    assert_eq!(placement.body["errors"][0]["status"], 404);
}
