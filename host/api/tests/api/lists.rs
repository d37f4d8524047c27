//! Lists on both databases: every order, page after page, with soft-deleted rows and without.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use watcher_api::{ApiOptions, Authentication};
use watcher_domain::Clock as _;
use watcher_store::service;
use watcher_store::testing::backends;

use crate::contract::DOCUMENT;
use crate::service::Service;

const BASE: &str = "http://watcher.example:9322";

/// Some rows of every kind, with equal and missing values among them.
async fn fill(api: &Service) {
    api.add_two_goals().await;
    for (name, description) in [("c", Some("x")), ("a", None), ("b", Some("x")), ("é", None), ("Z", Some(""))] {
        let body = json!({"name": name, "goal": "dummy", "strategy": if name == "a" { None } else { Some("dummy") },
            "description": description});
        assert_eq!(api.call("POST", "/v1/audit_templates", Some(body)).await.status, 201);
        let audit = api.add_audit(name).await;
        if name != "b" {
            api.recommend(audit).await;
        }
        api.clock.advance(std::time::Duration::from_secs(1));
    }
    let body = json!({"audit_type": "CONTINUOUS", "goal": "server_consolidation", "interval": "60", "name": "i",
        "end_time": "2030-01-01T00:00:00"});
    assert_eq!(api.call("POST", "/v1/audits", Some(body)).await.status, 201);
    let patch = json!([{"op": "replace", "path": "/force", "value": true}]);
    assert_eq!(api.call("PATCH", "/v1/audits/c", Some(patch)).await.status, 200);
    for (name, version) in [("z", "1.0.0"), ("y", "1.0.0"), ("z", "2.0.0")] {
        let uploaded = api.upload_as("", &crate::plugins::strategy(name, version, "dummy")).await;
        assert_eq!(uploaded.status, 201, "{}", uploaded.body);
        let plugin = format!("/v1/plugins/{}", uploaded.json()["plugin_uuid"].as_str().unwrap());
        let patch =
            json!([{"op": "replace", "path": "/visibility", "value": if name == "y" { "public" } else { "shared" }}]);
        assert_eq!(api.call("PATCH", &plugin, Some(patch)).await.status, 200);
    }
    let mut tx = api.store.begin().await.unwrap();
    for host in ["h1", "h2"] {
        service::heartbeat(&mut tx, "watcher-applier", host, api.clock.now()).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// UUIDs (or numbers) of a list, page after page.
async fn walk(api: &Service, first: String, collection: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), Some(first));
    while let Some(path) = next {
        let answer = api.send("GET", &path, headers, Vec::new()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let page = answer.json();
        let rows = page[collection].as_array().unwrap();
        found.extend(rows.iter().map(|row| row.get("uuid").unwrap_or(&row["id"]).to_string()));
        assert!(found.len() < 100, "{path} never ends");
        next = page.get("next").map(|next| next.as_str().unwrap().strip_prefix(BASE).unwrap().to_owned());
        assert!(
            next.as_ref().is_none_or(|next| next.starts_with(path.split('?').next().unwrap().trim_end_matches('/')))
        );
    }
    found
}

/// Lists of the document, with their sort keys.
fn lists() -> Vec<(&'static str, Vec<&'static str>)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let whole = paths.iter().filter(|(path, _)| !path.contains('{'));
    let lists = whole.filter_map(|(path, item)| {
        let parameters = item["get"]["parameters"].as_array()?;
        let keys = parameters.iter().find(|parameter| parameter["name"] == "sort_key")?["schema"]["enum"].as_array()?;
        Some((path.as_str(), keys.iter().filter_map(Value::as_str).collect()))
    });
    lists.collect()
}

#[tokio::test]
async fn every_sort_key_orders_all_pages_the_same_on_both_databases() {
    let mut orders: Vec<Vec<Vec<String>>> = Vec::new();
    let databases = backends().await;
    for database in &databases {
        let api = Service::on((**database).clone(), Authentication::None, ApiOptions::default());
        fill(&api).await;
        let mut of_this_one = Vec::new();
        for (path, keys) in lists() {
            assert!(keys.len() > 5, "{path}");
            let collection = path.split('/').nth(2).unwrap();
            for key in keys {
                let order = |dir: &str, limit: u32| {
                    walk(&api, format!("{path}/?sort_key={key}&sort_dir={dir}&limit={limit}"), collection, &[])
                };
                // Two ways through the same rows: all at once, and page by page.
                let (up, down) = (order("asc", 1000).await, order("desc", 1000).await);
                let pages = (order("asc", 2).await, order("desc", 2).await);
                let all: BTreeSet<&String> = up.iter().collect();
                assert_eq!(all.len(), up.len(), "{path} {key}");
                let related = key.ends_with("_uuid") || key.ends_with("_name") && key != "display_name";
                if related {
                    let of = |rows: &[String]| rows.iter().cloned().collect::<BTreeSet<_>>();
                    assert_eq!((of(&pages.0), of(&pages.1)), (of(&up), of(&down)), "{path} {key}");
                } else {
                    assert_eq!(pages, (up.clone(), down.clone()), "{path} {key} on {}", database.name);
                    let reversed: Vec<String> = down.iter().rev().cloned().collect();
                    assert_eq!(up, reversed, "{path} {key} on {}", database.name);
                }
                of_this_one.push(up);
                of_this_one.push(down);
            }
        }
        orders.push(of_this_one);
    }
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]), "the databases disagree about an order");
}

#[tokio::test]
async fn deleted_rows_are_listed_and_lead_on_only_for_those_who_ask() {
    for database in &backends().await {
        let api = Service::on((**database).clone(), Authentication::None, ApiOptions::default());
        fill(&api).await;
        let all = walk(&api, "/v1/audits".to_owned(), "audits", &[]).await;
        let victim = all[2].trim_matches('"').to_owned();
        let path = format!("/v1/audits/{victim}");
        let cancel = json!([{"op": "replace", "path": "/state", "value": "CANCELLED"}]);
        assert_eq!(api.call("PATCH", &path, Some(cancel)).await.status, 200);
        assert_eq!(api.call("DELETE", &path, None).await.status, 204);
        let shown = [("x-show-deleted", "yes")];
        assert_eq!(walk(&api, "/v1/audits?limit=2".to_owned(), "audits", &[]).await.len(), all.len() - 1);
        assert_eq!(walk(&api, "/v1/audits?limit=2".to_owned(), "audits", &shown).await, all);
        let after = format!("/v1/audits?marker={victim}");
        let hidden = api.send("GET", &after, &[], Vec::new()).await;
        assert_eq!((hidden.status.as_u16(), hidden.fault()), (404, format!("Audit {victim} could not be found")));
        assert_eq!(walk(&api, after, "audits", &shown).await, all[3..]);
        assert_eq!(api.send("GET", &path, &[], Vec::new()).await.status, 404);
        let deleted = api.send("GET", &path, &shown, Vec::new()).await.json();
        assert!(deleted["deleted_at"].is_string());
        // An empty header asks for nothing.
        assert_eq!(api.send("GET", &path, &[("x-show-deleted", "")], Vec::new()).await.status, 404);
    }
}

#[tokio::test]
async fn a_page_is_never_larger_than_the_service_allows_and_a_full_one_says_where_the_next_is() {
    let options = ApiOptions { max_limit: 2, ..ApiOptions::default() };
    let store = watcher_store::testing::sqlite().await;
    let api = Service::on(store, Authentication::None, options);
    fill(&api).await;
    let get = async |path: &str| api.call("GET", path, None).await.json();
    for (path, count, limit) in
        [("/v1/audits", 2, 2), ("/v1/audits/?limit=50", 2, 2), ("/v1/audits/detail?limit=1", 1, 1)]
    {
        let page = get(path).await;
        assert_eq!(page["audits"].as_array().unwrap().len(), count, "{path}");
        let last = page["audits"][count - 1]["uuid"].as_str().unwrap();
        let own = path.split('?').next().unwrap().trim_end_matches('/');
        let next = format!("{BASE}{own}?sort_key=id&sort_dir=asc&limit={limit}&marker={last}");
        assert_eq!(page["next"], next, "{path}");
    }
    // A full page that happens to be the last says that there is more; an empty one does not.
    let two = get("/v1/goals?sort_key=name&sort_dir=desc").await;
    let next = two["next"].as_str().unwrap().strip_prefix(BASE).unwrap();
    assert_eq!(next, "/v1/goals?sort_key=name&sort_dir=desc&limit=2&marker=00000000-0000-0000-0000-000000000001");
    assert_eq!(get(next).await, json!({"goals": []}));
    // Filters are not carried over, as the original does it.
    let filtered = get("/v1/audits?goal=dummy&limit=1").await;
    assert!(!filtered["next"].as_str().unwrap().contains("goal"));
    for (query, fault) in [
        ("limit=0", "Limit must be positive"),
        ("limit=-1", "Limit must be positive"),
        ("sort_dir=up", "Invalid sort direction: up. Acceptable values are 'asc' or 'desc'"),
        ("sort_key=foo", "Invalid sort key: foo"),
        ("foo=1", "Unknown argument: \"foo\""),
    ] {
        let answer = api.call("GET", &format!("/v1/audits?{query}"), None).await;
        assert_eq!((answer.status.as_u16(), answer.fault().as_str()), (400, fault));
    }
}
