//! What holds for every request: how paths are written, microversions, request ids, proxies, origins, methods.

use serde_json::{Value, json};
use watcher_api::{ApiOptions, Authentication, CorsOptions};

use crate::contract::DOCUMENT;
use crate::service::{Answer, Service};

async fn service() -> Service {
    let service = Service::new().await;
    service.add_two_goals().await;
    service
}

async fn service_with(options: ApiOptions) -> Service {
    Service::with(Authentication::None, options).await
}

/// Paths of every operation that reads, with something to read in them.
async fn readable(service: &Service) -> Vec<String> {
    let audit = service.add_audit("a").await;
    let plan = service.recommend(audit).await;
    service.call("POST", "/v1/audit_templates", Some(json!({"name": "t", "goal": "dummy"}))).await;
    *service.engine.cluster.lock().unwrap() = Some(crate::data_model::cluster());
    let actions = service.call("GET", "/v1/actions", None).await.json();
    let action = actions["actions"][0]["uuid"].as_str().unwrap();
    let paths = DOCUMENT["paths"].as_object().unwrap().iter().filter(|(_, item)| item.get("get").is_some());
    paths
        .map(|(path, _)| {
            let path = path.replace("{goal}", "dummy").replace("{strategy}", "dummy").replace("{audit_template}", "t");
            path.replace("{audit}", "a").replace("{action_plan}", &plan.to_string()).replace("{action}", action)
        })
        .filter(|path| !path.contains('{'))
        .collect()
}

#[tokio::test]
async fn every_resource_is_found_however_its_path_is_written() {
    let service = service().await;
    for path in readable(&service).await {
        let plain = service.call("GET", &path, None).await;
        assert_eq!(plain.status, 200, "{path}: {}", plain.body);
        let bare = path.trim_start_matches("/v1");
        let mut ways = vec![format!("{path}/"), format!("/{path}//"), format!("{path}/?")];
        if !matches!(path.as_str(), "/" | "/openapi.json" | "/docs" | "/v1") {
            ways.extend([bare.to_owned(), format!("{bare}/"), format!("{path}.json"), format!("{bare}.json")]);
        }
        for way in ways {
            let answer = service.call("GET", &way, None).await;
            assert_eq!((answer.status.as_u16(), &answer.body), (200, &plain.body), "{way}");
        }
    }
}

#[tokio::test]
async fn items_are_found_by_uuid_name_and_number() {
    let service = service().await;
    let paths = readable(&service).await;
    for path in paths.iter().filter(|path| path.ends_with("/dummy") || path.ends_with("/a") || path.ends_with("/t")) {
        let by_name = service.call("GET", path, None).await.json();
        let collection = path.rsplit_once('/').unwrap().0;
        for other in [by_name["uuid"].as_str().unwrap(), "1"] {
            let found = service.call("GET", &format!("{collection}/{other}"), None).await.json();
            assert_eq!(found, by_name, "{collection}/{other}");
        }
    }
    for collection in ["goals", "strategies", "audits", "audit_templates", "services", "scoring_engines"] {
        for unknown in ["99", "-1", "99999999999999999999999999", "nobody", "9a1b2c3d-0000-4000-8000-000000000000"] {
            let answer = service.call("GET", &format!("/v1/{collection}/{unknown}"), None).await;
            assert_eq!(answer.status, 404, "{collection}/{unknown}");
            assert!(answer.fault().contains(unknown), "{}", answer.body);
        }
        assert_eq!(service.call("GET", &format!("/v1/{collection}/x/detail"), None).await.status, 404);
    }
    for collection in ["action_plans", "actions"] {
        assert_eq!(service.call("GET", &format!("/v1/{collection}/1"), None).await.status, 400);
    }
}

#[tokio::test]
async fn errors_have_one_of_two_shapes() {
    let service = service().await;
    let inner =
        |answer: &Answer| -> Value { serde_json::from_str(answer.json()["error_message"].as_str().unwrap()).unwrap() };
    let fault = service.call("GET", "/v1/goals/nobody", None).await;
    let said = "Goal nobody could not be found";
    assert_eq!(inner(&fault), json!({"faultcode": "Client", "faultstring": said, "debuginfo": null}));
    for (method, path, code, title) in [
        ("GET", "/v1/nothing", 404, "Not Found"),
        ("GET", "/v2/goals", 404, "Not Found"),
        ("DELETE", "/v1/goals/dummy", 405, "Method Not Allowed"),
        ("POST", "/v1/actions", 405, "Method Not Allowed"),
        ("POST", "/v1/action_plans", 405, "Method Not Allowed"),
        ("PUT", "/v1/audits/a", 405, "Method Not Allowed"),
    ] {
        let answer = service.call(method, path, None).await;
        let shown = inner(&answer);
        assert_eq!(
            (answer.status.as_u16(), &shown["code"], &shown["title"]),
            (code, &json!(code), &json!(title)),
            "{path}"
        );
        assert!(shown.get("description").is_some() && answer.header("openstack-api-version").is_none(), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn head_is_no_operation_and_options_says_nothing() {
    let service = service().await;
    for path in readable(&service).await {
        let head = service.send("HEAD", &path, &[], Vec::new()).await;
        assert_eq!((head.status.as_u16(), head.body.as_str()), (405, ""), "{path}");
        assert!(head.header("allow").unwrap().contains("GET"), "{path}");
        let options = service.send("OPTIONS", &path, &[("origin", "https://a.example")], Vec::new()).await;
        assert_eq!((options.status.as_u16(), options.body.as_str()), (200, ""), "{path}");
        assert_eq!(options.header("access-control-allow-origin"), None);
    }
    assert_eq!(service.send("HEAD", "/v1/nothing", &[], Vec::new()).await.status, 404);
}

#[tokio::test]
async fn the_microversion_of_an_answer_is_told_except_where_none_was_settled() {
    let service = service().await;
    let call = async |path: &str, version: &str| {
        service.send("GET", path, &[("openstack-api-version", version)], Vec::new()).await
    };
    for (asked, settled) in [
        ("", "1.0"),
        ("compute 2.90", "1.0"),
        ("infra-optim one", "1.0"),
        ("infra-optim 1", "1.0"),
        ("infra-optim 1.0", "1.0"),
        ("infra-optim 1.5", "1.5"),
        ("infra-optim latest", "1.7"),
        ("infra-optim LATEST", "1.7"),
        ("compute 2.90, infra-optim 1.4", "1.4"),
        ("infra-optim 1.2,infra-optim 1.3", "1.3"),
    ] {
        // An error of an operation has them too.
        for (path, status) in [("/v1", 200), ("/v1/goals", 200), ("/v1/goals/nobody", 404), ("/goals", 200)] {
            let answer = call(path, asked).await;
            let version = format!("infra-optim {settled}");
            assert_eq!(
                (answer.status.as_u16(), answer.header("openstack-api-version")),
                (status, Some(version.as_str()))
            );
            assert_eq!(answer.header("openstack-api-minimum-version"), Some("1.0"));
            assert_eq!(answer.header("openstack-api-maximum-version"), Some("1.7"));
            assert_eq!(answer.header("vary"), Some("OpenStack-API-Version"));
        }
    }
    for refused in [
        "infra-optim 1.8",
        "infra-optim 2.0",
        "infra-optim 0.9",
        "infra-optim 1.-1",
        "infra-optim 1.2.3",
        "infra-optim 2",
    ] {
        let answer = call("/v1/goals", refused).await;
        assert_eq!((answer.status.as_u16(), answer.header("openstack-api-version")), (406, None), "{refused}");
        let malformed = refused.ends_with("1.2.3") || refused.ends_with(" 2");
        assert_eq!(answer.header("openstack-api-maximum-version"), (!malformed).then_some("1.7"), "{refused}");
    }
    let root = call("/", "infra-optim 1.5").await;
    assert_eq!((root.header("openstack-api-version"), root.header("vary")), (None, None));
}

#[tokio::test]
async fn request_ids_are_kept_if_they_are_request_ids_and_every_answer_has_one() {
    let service = service().await;
    let sent = "req-70dc685b-cd91-4b42-a14e-d68f7514abab";
    for (method, path) in
        [("GET", "/v1/goals"), ("GET", "/nothing"), ("HEAD", "/v1"), ("OPTIONS", "/v1"), ("POST", "/v1/audits")]
    {
        let answer = service.send(method, path, &[("x-openstack-request-id", sent)], Vec::new()).await;
        assert_eq!(answer.header("x-openstack-request-id"), Some(sent), "{method} {path}");
        for other in ["mine", "req-", "req-70dc685bcd914b42a14ed68f7514abab", ""] {
            let answer = service.send(method, path, &[("x-openstack-request-id", other)], Vec::new()).await;
            let id = answer.header("x-openstack-request-id").unwrap();
            assert!(id.len() == sent.len() && id.starts_with("req-") && id != sent, "{id}");
        }
    }
}

#[tokio::test]
async fn links_begin_as_the_client_reached_the_service() {
    let link = async |service: &Service, headers: &[(&str, &str)]| {
        let answer = service.send("GET", "/", headers, Vec::new()).await.json();
        answer["versions"][0]["links"][0]["href"].as_str().unwrap().to_owned()
    };
    let behind = service_with(ApiOptions { proxy_headers: true, ..ApiOptions::default() }).await;
    let direct = service_with(ApiOptions::default()).await;
    for (headers, expected) in [
        (&[][..], "http://watcher.example:9322/v1/"),
        (&[("x-forwarded-proto", "https")][..], "https://watcher.example:9322/v1/"),
        (&[("x-forwarded-proto", "gopher")][..], "http://watcher.example:9322/v1/"),
        (&[("x-forwarded-host", "cloud.example, inner.example")][..], "http://cloud.example/v1/"),
        (&[("x-forwarded-host", "<script>")][..], "http://watcher.example:9322/v1/"),
        (&[("x-forwarded-host", "cloud.example:443"), ("x-forwarded-proto", "https")][..], "https://cloud.example/v1/"),
        (&[("x-forwarded-prefix", "/watcher/")][..], "http://watcher.example:9322/watcher/v1/"),
        (
            &[("forwarded", "for=192.0.2.60;proto=https;host=\"cloud.example\", for=10.0.0.1;proto=http")][..],
            "https://cloud.example/v1/",
        ),
        (
            &[("forwarded", "Proto=https"), ("x-forwarded-host", "other.example")][..],
            "https://watcher.example:9322/v1/",
        ),
        (&[("forwarded", ";;=;host"), ("x-forwarded-prefix", "/p")][..], "http://watcher.example:9322/p/v1/"),
    ] {
        assert_eq!(link(&behind, headers).await, expected, "{headers:?}");
        assert_eq!(link(&direct, headers).await, "http://watcher.example:9322/v1/", "{headers:?}");
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call() {
    let origin = "https://horizon.example";
    let cors = CorsOptions { allowed_origin: vec![origin.to_owned()], ..CorsOptions::default() };
    let service = service_with(ApiOptions { cors, ..ApiOptions::default() }).await;
    let asks = "x-auth-token, OpenStack-API-Version,content-type";
    let preflight = async |origin: &str, method: &str, asks: &str| {
        let headers =
            [("origin", origin), ("access-control-request-method", method), ("access-control-request-headers", asks)];
        service.send("OPTIONS", "/v1/audits", &headers, Vec::new()).await
    };
    let answer = preflight(origin, "PATCH", asks).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
    for (name, value) in [
        ("access-control-allow-origin", origin),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "PATCH"),
        ("access-control-allow-headers", "x-auth-token,OpenStack-API-Version,content-type"),
        ("access-control-max-age", "3600"),
        ("vary", "Origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    for (origin, method, asks) in
        [("https://evil.example", "PATCH", ""), (origin, "TRACE", ""), (origin, "GET", "x-forged"), (origin, "", "")]
    {
        let answer = preflight(origin, method, asks).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("access-control-allow-origin")),
            (200, None),
            "{method} {asks}"
        );
    }
    for header in [
        "X-Auth-Token",
        "X-Identity-Status",
        "X-Roles",
        "X-Service-Catalog",
        "X-User-Id",
        "X-Tenant-Id",
        "X-OpenStack-Request-ID",
    ] {
        assert_eq!(
            preflight(origin, "GET", header).await.header("access-control-allow-origin"),
            Some(origin),
            "{header}"
        );
    }
    for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
        assert_eq!(preflight(origin, method, "").await.header("access-control-allow-methods"), Some(method));
    }

    // Errors, too, can be read by the page.
    for path in ["/v1/goals", "/v1/goals/nobody", "/nothing"] {
        let answer = service.send("GET", path, &[("origin", origin)], Vec::new()).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        let exposed = "X-Auth-Token,X-Subject-Token,X-Service-Token,X-OpenStack-Request-ID";
        assert_eq!(answer.header("access-control-expose-headers"), Some(exposed));
        assert!(answer.headers.get_all("vary").iter().any(|value| value == "Origin"));
        let answer = service.send("GET", path, &[("origin", "https://evil.example")], Vec::new()).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test]
async fn a_star_lets_pages_of_all_origins_call() {
    let cors = CorsOptions { allowed_origin: vec!["*".to_owned()], ..CorsOptions::default() };
    let service = service_with(ApiOptions { cors, ..ApiOptions::default() }).await;
    let answer = service.send("GET", "/", &[("origin", "https://any.example")], Vec::new()).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn a_client_without_a_token_can_ask_what_it_may_and_is_told_where_to_get_one() {
    let cors = CorsOptions { allowed_origin: vec!["https://a.example".to_owned()], ..CorsOptions::default() };
    let options = ApiOptions { cors, ..ApiOptions::default() };
    let tokens = Service::with_tokens_and(options).await;
    let preflight = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    let answer = tokens.send("OPTIONS", "/v1/audits", &preflight, Vec::new()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("access-control-allow-origin")),
        (200, Some("https://a.example"))
    );
    let answer = tokens.send("GET", "/v1/audits", &[("origin", "https://a.example")], Vec::new()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("access-control-allow-origin")),
        (401, Some("https://a.example"))
    );
    assert!(answer.header("www-authenticate").is_some() && answer.header("openstack-api-version").is_none());
}
