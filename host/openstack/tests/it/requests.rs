//! Requests: what they carry, what comes back, and what a failure says.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use watcher_domain::cloud::CloudRequest;
use watcher_domain::ports::CloudRequests;
use watcher_openstack::{HttpLimits, PlainService, Session};

use crate::fake::{Fake, get, post, session};

#[tokio::test]
async fn a_request_carries_token_version_and_id() {
    let fake = Fake::start().await;
    let (session, _) = fake.session();
    let mut request = post("/servers/a%20b/action", &json!({"os-stop": null}));
    request.query = vec![("name".to_owned(), "x y&z".to_owned())];
    session.send(&request).await.unwrap();
    let seen = fake.last();
    assert_eq!(seen.line, "POST /compute/v2.1/servers/a%20b/action?name=x+y%26z");
    assert_eq!(seen.body, r#"{"os-stop":null}"#);
    let header = |name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("x-auth-token").as_deref(), Some("token-1"));
    assert_eq!(header("openstack-api-version").as_deref(), Some("compute 2.56"));
    assert_eq!(header("x-openstack-nova-api-version").as_deref(), Some("2.56"));
    assert_eq!(header("content-type").as_deref(), Some("application/json"));
    assert!(header("x-openstack-request-id").unwrap().starts_with("req-00000000-"));
    assert!(header("user-agent").unwrap().starts_with("watcher-host/"));
    let other = CloudRequest { service_type: "compute".to_owned(), microversion: None, ..get("/") };
    session.send(&other).await.unwrap();
    assert_eq!(fake.last().line, "GET /compute/v2.1/");
    assert!(!fake.last().headers.contains_key("openstack-api-version"));
}

#[tokio::test]
async fn an_answer_passes_on_no_address_and_no_credential() {
    let fake = Fake::start().await;
    fake.set(|behaviour| {
        behaviour.service = || {
            let headers = [
                ("location", "http://secret/"),
                ("x-subject-token", "gAAA"),
                ("set-cookie", "a=b"),
                ("x-compute-request-id", "req-7"),
            ];
            (StatusCode::FOUND, headers, "moved").into_response()
        };
    });
    let (session, _) = fake.session();
    let answer = session.send(&get("/servers")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (302, "moved"), "a redirect is an answer, and is not followed");
    let names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"x-compute-request-id") && names.contains(&"content-type"));
    assert!(!names.iter().any(|name| ["location", "x-subject-token", "set-cookie"].contains(name)), "{names:?}");
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_not_sent() {
    let fake = Fake::start().await;
    let (session, _) = fake.session();
    session.authenticate().await.unwrap();
    let paths = [
        "servers",
        "//host/x",
        "/a/../b",
        "/a/./b",
        "/a//b",
        "/a%2Fb",
        "/a%2e%2e/b",
        "/a\\b",
        "/a?b=c",
        "/a#b",
        "http://elsewhere/",
        "/a b",
        "/a%00",
    ];
    for path in paths {
        assert_eq!(session.send(&get(path)).await.unwrap_err().code, "invalid-request", "{path}");
    }
    assert_eq!(fake.seen.lock().unwrap().len(), 1, "only the login was sent");
}

#[tokio::test]
async fn a_large_answer_is_cut_off_at_the_limit() {
    let fake = Fake::start().await;
    let (session, _) = fake.session();
    fake.set(|behaviour| behaviour.service = || vec![b'x'; 4096].into_response());
    assert_eq!(session.send(&get("/a")).await.unwrap().body.len(), 4096);
    fake.set(|behaviour| behaviour.service = || vec![b'x'; 4097].into_response());
    assert_eq!(session.send(&get("/a")).await.unwrap_err().code, "response-too-large");
    // Without a length, and without an end.
    fake.set(|behaviour| {
        behaviour.service = || {
            let chunks = std::iter::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 512])));
            Body::from_stream(futures::stream::iter(chunks)).into_response()
        };
    });
    assert_eq!(session.send(&get("/a")).await.unwrap_err().code, "response-too-large");
    assert_eq!(session.request_up_to(&get("/a"), 1 << 16).await.unwrap_err().to_failure().code, "response-too-large");
}

#[tokio::test]
async fn an_answer_that_is_not_text_is_told() {
    let fake = Fake::start().await;
    fake.set(|behaviour| behaviour.service = || vec![0xff_u8, 0xfe].into_response());
    let (session, _) = fake.session();
    assert_eq!(session.send(&get("/a")).await.unwrap_err().code, "response-not-text");
}

/// A session whose compute service is at another address.
fn session_with_compute_at(fake: &Fake, address: std::net::SocketAddr, timeout: Duration) -> Arc<Session> {
    let mut options = fake.options();
    options.endpoint_overrides.insert("compute".to_owned(), format!("http://{address}/"));
    options.limits.timeout = timeout;
    session(options).0
}

/// Accepts connections, reads a request, and does `then` with each.
async fn listener(then: &'static [u8], hold: bool) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(then).await;
            if hold {
                open.push(stream);
            }
        }
    });
    address
}

#[tokio::test]
async fn a_refused_connection_certainly_did_not_arrive() {
    let fake = Fake::start().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let session = session_with_compute_at(&fake, address, Duration::from_secs(20));
    let failure = session.send(&post("/a", &json!({}))).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("unreachable", true));
    assert!(!failure.message.contains("127.0.0.1"), "{failure}");
    let text = session.request(&get("/a")).await.unwrap_err().to_string();
    assert_eq!(text, format!("compute at http://{address}/v2.1 cannot be reached"));
}

#[tokio::test]
async fn a_broken_connection_leaves_the_outcome_unknown() {
    let fake = Fake::start().await;
    for then in [&b""[..], b"HTTP/1.1 202 Accepted\r\nContent-Length: 10\r\n\r\nhalf"] {
        let session = session_with_compute_at(&fake, listener(then, false).await, Duration::from_secs(20));
        let failure = session.send(&post("/a", &json!({}))).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.retryable), ("outcome-unknown", true));
    }
}

#[tokio::test]
async fn silence_ends_at_the_time_out() {
    let fake = Fake::start().await;
    for then in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"] {
        // Half a second is for the login, which must not be cut off on a busy machine.
        let session = session_with_compute_at(&fake, listener(then, true).await, Duration::from_millis(500));
        session.authenticate().await.unwrap();
        let failure = session.send(&post("/a", &json!({}))).await.unwrap_err();
        assert_eq!(failure.code, "timed-out");
        assert_eq!(failure.message, "service compute did not answer within 0.5 s");
    }
}

#[tokio::test]
async fn only_so_many_requests_are_under_way_at_a_time() {
    let fake = Fake::start().await;
    let mut options = fake.options();
    options.limits.max_requests = 1;
    let (session, _) = session(options);
    let request = get("/servers");
    let answers = futures::future::join_all((0..20).map(|_| session.request(&request))).await;
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test]
async fn error_bodies_of_all_services_are_understood() {
    let fake = Fake::start().await;
    let (session, _) = fake.session();
    let message = async |service| {
        fake.set(|behaviour| behaviour.service = service);
        session.request(&get("/a")).await.unwrap().error_message()
    };
    let nova = || axum::Json(json!({"badRequest": {"message": "No valid\nhost", "code": 400}})).into_response();
    assert_eq!(message(nova).await, "No valid host");
    let placement = || axum::Json(json!({"errors": [{"status": 404, "detail": "No provider"}]})).into_response();
    assert_eq!(message(placement).await, "No provider");
    let prometheus =
        || axum::Json(json!({"status": "error", "errorType": "bad_data", "error": "parse error"})).into_response();
    assert_eq!(message(prometheus).await, "parse error");
    assert_eq!(message(|| "<html>502</html>".into_response()).await, "<html>502</html>");
}

#[tokio::test]
async fn a_plain_service_gets_no_token() {
    let fake = Fake::start().await;
    let service = PlainService::new(&format!("{}/prometheus/", fake.url), HttpLimits::default(), None, false).unwrap();
    let mut request =
        CloudRequest { service_type: "metric-storage".to_owned(), microversion: None, ..get("/api/v1/query") };
    request.query = vec![("query".to_owned(), "up".to_owned())];
    service.send(&request).await.unwrap();
    assert_eq!(fake.last().line, "GET /prometheus/api/v1/query?query=up");
    assert!(!fake.last().headers.contains_key("x-auth-token"));
    assert_eq!((fake.logins(), service.send(&get("/../x")).await.unwrap_err().code.as_str()), (0, "invalid-request"));
    assert!(PlainService::new("prometheus:9090", HttpLimits::default(), None, false).is_err());
}
