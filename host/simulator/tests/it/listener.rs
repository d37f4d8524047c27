//! Starting, refusing to start, bounds, and shutting down.

use std::error::Error;

use reqwest::StatusCode;
use serde_json::json;
use watcher_simulator::{Simulator, SimulatorError, SimulatorOptions};

use crate::support::{Cloud, read, small_file};

#[tokio::test]
async fn a_port_in_use_is_one_clear_error() {
    let cloud = Cloud::small().await;
    let options = SimulatorOptions { listen: cloud.running.address, ..SimulatorOptions::default() };
    let error = Simulator::new(small_file(), options).start().await.unwrap_err();
    assert!(matches!(error, SimulatorError::Listen { .. }));
    assert_eq!(error.to_string(), format!("cannot listen on {}", cloud.running.address));
    assert!(error.source().unwrap().to_string().contains("in use"));
}

#[tokio::test]
async fn options_that_cannot_be_are_named() {
    for (options, wanted) in [
        (SimulatorOptions { max_page: 0, ..SimulatorOptions::default() }, "max_page"),
        (SimulatorOptions { token_lifetime_s: u64::MAX, ..SimulatorOptions::default() }, "token_lifetime_s"),
        (SimulatorOptions { traces: true, ..SimulatorOptions::default() }, "traces"),
    ] {
        let error = Simulator::new(small_file(), options).start().await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let options = SimulatorOptions { max_body_bytes: 2048, ..SimulatorOptions::default() };
    let cloud = Cloud::start(small_file(), options).await;
    let url = format!("{}/auth/tokens", cloud.running.endpoints().identity);
    let large = json!({"auth": "x".repeat(4096)});
    assert_eq!(read(cloud.http.post(url).json(&large)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn after_a_shutdown_the_address_is_free_again() {
    let cloud = Cloud::small().await;
    let address = cloud.running.address;
    // The client keeps a connection open; it must not hold up the end.
    cloud.running.shutdown().await;
    let options = SimulatorOptions { listen: address, ..SimulatorOptions::default() };
    let again = Simulator::new(small_file(), options).start().await.unwrap();
    assert_eq!(again.address, address);
    again.shutdown().await;
}

#[tokio::test]
async fn links_are_made_from_the_public_url() {
    let options = SimulatorOptions { public_url: Some("http://cloud.example/".into()), ..SimulatorOptions::default() };
    let running = Simulator::new(small_file(), options).start().await.unwrap();
    assert_eq!(running.endpoints().identity, "http://cloud.example/identity/v3");
    assert_eq!(running.endpoints().prometheus, "http://cloud.example/prometheus");
    running.shutdown().await;
}

#[test]
fn options_have_defaults_and_refuse_unknown_names() {
    let options: SimulatorOptions = serde_json::from_value(json!({"max_page": 5})).unwrap();
    assert_eq!(options.max_page, 5);
    assert!(options.enforce_capacity);
    assert!(serde_json::from_value::<SimulatorOptions>(json!({"max_pages": 5})).is_err());
}
