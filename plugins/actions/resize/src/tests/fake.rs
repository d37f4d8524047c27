//! What the tests of this handler add to a Nova with one instance: its flavor, and the flavors there are.

use serde_json::{Value, json};
use shared_nova::testing;
use watcher_sdk::testing::answer;
use watcher_sdk::{Failure, Request, Response};

pub(super) use shared_nova::testing::INSTANCE;

use crate::{Configuration, Parameters};

/// Ids and names, a page of two at a time.
const FLAVORS: [(&str, &str); 4] = [("1", "small"), ("2", "large"), ("an id", "other"), ("4", "x/l & more")];

pub(super) type Nova = testing::Nova<Flavored>;
pub(super) type Post = testing::Post<Flavored>;
pub(super) type State = testing::State<Flavored>;
pub(super) type Step = testing::Step<Flavored>;

pub(super) fn parameters() -> Parameters {
    Parameters { resource_id: INSTANCE.to_owned(), flavor: "large".to_owned() }
}

pub(super) fn configuration() -> Configuration {
    Configuration::default()
}

/// Which flavor the instance has.
#[derive(Debug)]
pub(super) struct Flavored {
    pub(super) flavor: &'static str,
}

impl Default for Flavored {
    fn default() -> Self {
        Self { flavor: "1" }
    }
}

impl testing::Own for Flavored {
    const MICROVERSION: &'static str = "2.46";

    fn show(&self, server: &mut Value) {
        server["flavor"] = json!({"id": self.flavor, "links": []});
    }

    fn answer(_: &mut State, request: &Request, path: &str) -> Option<Result<Response, Failure>> {
        let id = path.strip_prefix("/flavors/").map(|id| id.replace("%20", " "));
        match (request.method.as_str(), path, id) {
            ("GET", "/flavors", _) => {
                let marker = request.query.iter().find(|(name, _)| name == "marker").map(|(_, value)| value.as_str());
                let after = marker.map_or(0, |marker| FLAVORS.iter().position(|(id, _)| *id == marker).unwrap() + 1);
                let page = FLAVORS.iter().skip(after).take(2);
                let page: Vec<Value> = page.map(|(id, name)| json!({"id": id, "name": name})).collect();
                Some(answer(200, &json!({"flavors": page})))
            }
            ("GET", _, Some(id)) => Some(match FLAVORS.iter().find(|(known, _)| *known == id) {
                Some((id, name)) => answer(200, &json!({"flavor": {"id": id, "name": name, "vcpus": 1}})),
                None => testing::not_found(),
            }),
            _ => None,
        }
    }
}

/// The first step is what Nova did when it accepted the request.
pub(super) fn begins(state: &mut State) {
    state.task = Some("resize_prep");
    state.begin("migrating");
}

pub(super) fn verifies(state: &mut State) {
    state.own.flavor = "2";
    state.status = "VERIFY_RESIZE";
    state.task = None;
    state.latest("finished");
}

pub(super) fn success() -> Vec<Step> {
    vec![begins, |_| (), verifies]
}

pub(super) fn confirmed(state: &mut State) {
    state.status = "ACTIVE";
    state.latest("confirmed");
}

pub(super) fn reverted(state: &mut State) {
    state.status = "ACTIVE";
    state.task = None;
    state.own.flavor = "1";
    state.latest("reverted");
}
