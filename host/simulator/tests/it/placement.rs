//! Inventories, usages and allocations.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Cloud, host_uuid, read, server_uuid};

#[tokio::test]
async fn inventories_and_usages_are_those_of_the_file() {
    let cloud = Cloud::small().await;
    let path = format!("/placement/resource_providers/{}", host_uuid(1));
    let inventories = cloud.get(&format!("{path}/inventories")).await.body;
    let memory = json!({"total": 16384, "reserved": 512, "min_unit": 1, "max_unit": 16384, "step_size": 1,
                        "allocation_ratio": 1.0});
    assert_eq!(inventories["inventories"]["MEMORY_MB"], memory);
    assert_eq!(inventories["inventories"]["VCPU"]["total"], 8);
    assert_eq!(inventories["inventories"]["DISK_GB"]["total"], 200);
    assert!(inventories["resource_provider_generation"].is_u64());
    let usages = cloud.get(&format!("{path}/usages")).await.body;
    assert_eq!(usages["usages"], json!({"VCPU": 4, "MEMORY_MB": 4096, "DISK_GB": 20}));
    let allocations = cloud.get(&format!("{path}/allocations")).await.body;
    assert_eq!(
        allocations["allocations"][server_uuid(2)]["resources"],
        json!({"VCPU": 2, "MEMORY_MB": 2048, "DISK_GB": 10})
    );
    let consumer = cloud.get(&format!("/placement/allocations/{}", server_uuid(2))).await.body;
    assert_eq!(consumer["allocations"][host_uuid(1)]["resources"]["VCPU"], 2);
    assert_eq!(cloud.get("/placement/allocations/nonsense").await.body, json!({"allocations": {}}));
}

#[tokio::test]
async fn providers_are_listed_and_filtered() {
    let cloud = Cloud::small().await;
    let names = async |query: &str| {
        let request = cloud.request(Method::GET, &format!("/placement/resource_providers{query}"));
        let body = read(request.header("openstack-api-version", "placement 1.39")).await.body;
        let names = body["resource_providers"].as_array().unwrap().iter();
        names.map(|provider| provider["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["a", "b", "c"]);
    assert_eq!(names("?name=b").await, ["b"]);
    assert_eq!(names(&format!("?uuid={}", host_uuid(3))).await, ["c"]);
    assert_eq!(names("?resources=VCPU:6,MEMORY_MB:1024").await, ["c"]);
    let unknown = cloud.get("/placement/resource_providers?colour=red").await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn microversions_and_errors_are_placements() {
    let cloud = Cloud::small().await;
    let path = "/placement/resource_providers/nonsense/inventories";
    let request = |version: &str| cloud.request(Method::GET, path).header("openstack-api-version", version);
    let old = read(request("placement 1.22")).await;
    assert_eq!(old.status, StatusCode::NOT_FOUND);
    assert_eq!(old.headers["openstack-api-version"], "placement 1.22");
    let error = &old.body["errors"][0];
    assert_eq!((&error["status"], &error["title"]), (&json!(404), &json!("Not Found")));
    assert!(error["detail"].as_str().unwrap().contains("No resource provider with uuid nonsense found"));
    assert!(error["request_id"].as_str().unwrap().starts_with("req-"));
    assert!(error.get("code").is_none());
    let new = read(request("placement 1.39")).await;
    assert_eq!(new.body["errors"][0]["code"], "placement.undefined_code");
    assert_eq!(read(request("placement 1.40")).await.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(read(request("placement x")).await.status, StatusCode::BAD_REQUEST);
    let base = &cloud.running.endpoints().placement;
    assert_eq!(read(cloud.http.get(format!("{base}/resource_providers"))).await.status, StatusCode::UNAUTHORIZED);
}
