//! Several projects do everything at once to the same plugins.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::plugins::strategy;
use crate::service::Service;

/// How many clients there are, and how many requests each sends.
const CLIENTS: u64 = 6;
const REQUESTS: usize = 40;

/// Numbers by chance that are the same in every run (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

fn patch(name: &str, value: &str) -> Value {
    json!([{"op": "replace", "path": format!("/{name}"), "value": value}])
}

/// A request made up by chance: who, method, path, body.
fn request(random: &mut Chance) -> (&'static str, &'static str, String, Option<Value>) {
    let name = if random.below(2) == 0 { "one" } else { "two" };
    // Filled in with the UUID that the plugin has now.
    let plugin = format!("/v1/plugins/<{name}>");
    let number = format!("1.{}.0", random.below(4));
    let version = format!("{plugin}/versions/{number}");
    let (a, b) = ("member-a", "member-b");
    let answer = |status: &str| Some(json!({"status": status}));
    match random.below(14) {
        0..=2 => (a, "POST", format!("/v1/plugins?{name}={number}"), None),
        3 => (a, "DELETE", plugin, None),
        4 => (a, "DELETE", version, None),
        5 => (a, "POST", format!("{version}/deactivate"), Some(json!({"running": "stop"}))),
        6 => (a, "POST", format!("{version}/reactivate"), None),
        7 => (a, "PATCH", plugin, Some(patch("default_version", &number))),
        8 => {
            let seen = match random.below(3) {
                0 => "private",
                1 => "shared",
                _ => "community",
            };
            (a, "PATCH", plugin, Some(patch("visibility", seen)))
        }
        9 => (a, "POST", format!("{plugin}/members"), Some(json!({"member": "b"}))),
        10 => (a, "DELETE", format!("{plugin}/members/b"), None),
        11 => (b, "PUT", format!("{plugin}/members/b"), answer("accepted")),
        12 => (b, "PUT", format!("{plugin}/members/b"), answer("rejected")),
        _ => {
            let goal = "shared_goal";
            (b, "POST", "/v1/audits".to_owned(), Some(json!({"audit_type": "ONESHOT", "goal": goal, "strategy": name})))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_projects_do_at_once_no_answer_is_a_failure_and_what_is_left_is_consistent() {
    for (backend, service) in Service::each().await {
        let service = Arc::new(service);
        for token in ["a", "b"] {
            let quota = Some(json!({"limits": {"uploads_per_hour": 10_000}}));
            service.ok("admin", "PUT", &format!("/v1/plugin_quotas/{token}"), quota).await;
        }
        let client = |seed: u64| {
            let service = Arc::clone(&service);
            async move {
                let mut random = Chance(seed);
                let mut answers = BTreeMap::new();
                for _ in 0..REQUESTS {
                    let (token, method, path, body) = request(&mut random);
                    let answer = if let Some((name, number)) = path.split_once('?').and_then(|(_, q)| q.split_once('='))
                    {
                        service.upload_as(token, &strategy(name, number, "shared_goal")).await
                    } else {
                        let listed = service.ok("admin", "GET", "/v1/plugins?owner=a&visibility=private", None).await;
                        let mut rows = listed["plugins"].as_array().cloned().unwrap_or_default();
                        for seen in ["shared", "community"] {
                            let path = format!("/v1/plugins?owner=a&visibility={seen}");
                            rows.extend(
                                service.ok("admin", "GET", &path, None).await["plugins"]
                                    .as_array()
                                    .cloned()
                                    .unwrap_or_default(),
                            );
                        }
                        let path = rows.iter().fold(path.clone(), |path, row| {
                            let (name, uuid) = (row["name"].as_str().unwrap(), row["uuid"].as_str().unwrap());
                            path.replace(&format!("<{name}>"), uuid)
                        });
                        service.call_as(token, method, &path.replace(['<', '>'], ""), body).await
                    };
                    assert!(answer.status.as_u16() < 500, "{method} {path}: {} {}", answer.status, answer.body);
                    *answers.entry((method, answer.status.as_u16())).or_insert(0) += 1;
                }
                answers
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|seed| tokio::spawn(client(seed))).collect();
        let mut answers = BTreeMap::new();
        for client in clients {
            for (what, count) in client.await.unwrap() {
                *answers.entry(what).or_insert(0) += count;
            }
        }
        eprintln!("{}: {answers:?}", backend.name);
        assert!(answers.iter().filter(|((_, status), _)| *status < 300).map(|(_, count)| count).sum::<i32>() > 20);

        // Nothing is left that nobody owns: what the quota counts is what is listed.
        let mut versions = 0;
        for seen in ["private", "shared", "community"] {
            let listed = service.ok("member-a", "GET", &format!("/v1/plugins?owner=a&visibility={seen}"), None).await;
            for plugin in listed["plugins"].as_array().unwrap() {
                let path = format!("/v1/plugins/{}/versions", plugin["uuid"].as_str().unwrap());
                versions += service.ok("member-a", "GET", &path, None).await["versions"].as_array().unwrap().len();
            }
        }
        let quota = service.ok("member-a", "GET", "/v1/plugin_quotas/a", None).await;
        assert_eq!(quota["usage"]["versions"], json!(versions), "{}", backend.name);
    }
}
