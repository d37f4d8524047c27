//! What the tests of this handler add to a Nova with one instance: where it is, and the compute service of its destination.

use serde_json::{Value, json};
use shared_nova::testing;
use watcher_sdk::testing::answer;
use watcher_sdk::{Failure, Request, Response};

pub(super) use shared_nova::testing::INSTANCE;

use crate::{Configuration, MigrationType, Parameters};

pub(super) const SOURCE: &str = "node_1";
pub(super) const DESTINATION: &str = "node_2";

pub(super) type Nova = testing::Nova<Placed>;
pub(super) type Post = testing::Post<Placed>;
pub(super) type State = testing::State<Placed>;
pub(super) type Step = testing::Step<Placed>;

pub(super) fn parameters(kind: MigrationType) -> Parameters {
    Parameters {
        resource_id: INSTANCE.to_owned(),
        migration_type: kind,
        source_node: SOURCE.to_owned(),
        destination_node: Some(DESTINATION.to_owned()),
    }
}

pub(super) fn configuration() -> Configuration {
    Configuration::default()
}

/// Where the instance is.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) host: &'static str,
    /// Status and state of the destination's compute service.
    pub(super) destination: Option<(&'static str, &'static str)>,
}

impl Default for Placed {
    fn default() -> Self {
        Self { host: SOURCE, destination: Some(("enabled", "up")) }
    }
}

impl Placed {
    fn cross(&mut self) {
        self.host = if self.host == SOURCE { DESTINATION } else { SOURCE };
    }
}

impl testing::Own for Placed {
    const MICROVERSION: &'static str = "2.56";

    fn show(&self, server: &mut Value) {
        server["OS-EXT-SRV-ATTR:host"] = self.host.into();
    }

    fn answer(state: &mut State, request: &Request, path: &str) -> Option<Result<Response, Failure>> {
        match (request.method.as_str(), path) {
            ("GET", "/os-services") => {
                assert!(request.query.contains(&("host".to_owned(), DESTINATION.to_owned())));
                let service = |(status, up)| json!({"id": "s", "host": DESTINATION, "status": status, "state": up});
                let services: Vec<Value> = state.own.destination.map(service).into_iter().collect();
                Some(answer(200, &json!({"services": services})))
            }
            ("GET", "/migrations") => Some(state.show_migrations(|status| status == "running")),
            // A confirmation that the test wrote nothing down for is accepted.
            ("POST", "/action") if state.posts.is_empty() && request.body.as_ref()?.get("confirmResize").is_some() => {
                state.sent.extend(request.body.clone());
                state.status = "ACTIVE";
                Some(answer(204, &Value::Null))
            }
            ("DELETE", path) if path.starts_with("/migrations/") => {
                state.sent.push("abort".into());
                Some(state.change())
            }
            _ => None,
        }
    }
}

/// The first step is what Nova did when it accepted the request.
pub(super) fn live_begins(state: &mut State) {
    state.task = Some("migrating");
    state.begin("running");
}

pub(super) fn live_ends(state: &mut State) {
    state.own.cross();
    state.task = None;
    state.latest("completed");
}

pub(super) fn live_success() -> Vec<Step> {
    vec![live_begins, |_| (), |_| (), live_ends]
}

pub(super) fn live_failure() -> Vec<Step> {
    vec![live_begins, |_| (), |state| {
        state.task = None;
        state.latest("error");
    }]
}

pub(super) fn cold_begins(state: &mut State) {
    state.task = Some("resize_migrating");
    state.begin("migrating");
}

pub(super) fn cold_verifies(state: &mut State) {
    state.own.cross();
    state.status = "VERIFY_RESIZE";
    state.task = None;
    state.latest("finished");
}

pub(super) fn cold_success() -> Vec<Step> {
    vec![cold_begins, |_| (), cold_verifies]
}
