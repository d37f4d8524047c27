//! A Nova with one instance. Each look at the instance takes it one step further along what the test wrote down.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::{Value, json};
use watcher_sdk::testing::{FakeCloud, answer};
use watcher_sdk::{ActionHost, Failure, Request, Response};

use crate::{Configuration, Parameters};

pub(super) const INSTANCE: &str = "73b09e16-35b7-4922-804e-e8f5d9b740fc";

/// Ids and names, a page of two at a time.
const FLAVORS: [(&str, &str); 4] = [("1", "small"), ("2", "large"), ("an id", "other"), ("4", "x/l & more")];

pub(super) fn parameters() -> Parameters {
    Parameters { resource_id: INSTANCE.to_owned(), flavor: "large".to_owned() }
}

pub(super) fn configuration() -> Configuration {
    Configuration::default()
}

/// One step of the instance.
pub(super) type Step = fn(&mut State);

/// What becomes of a request that changes something.
#[derive(Clone)]
pub(super) enum Post {
    /// It is accepted, and these steps follow.
    Accept(Vec<Step>),
    /// It is refused, and nothing happens.
    Refuse(u16, &'static str),
    /// It is accepted, but the answer is lost.
    LoseAnswer(Vec<Step>),
    /// It never arrives, and nobody says so.
    LoseRequest,
    /// It is refused, because an earlier request arrived just now, and these steps follow.
    Conflict(Vec<Step>),
    /// Nova says that it is broken, but went on.
    Broken(Vec<Step>),
}

pub(super) struct State {
    pub(super) status: &'static str,
    pub(super) flavor: &'static str,
    pub(super) task: Option<&'static str>,
    pub(super) fault: Option<&'static str>,
    pub(super) is_gone: bool,
    /// Status of every migration.
    pub(super) migrations: Vec<&'static str>,
    /// This many reading requests do not arrive.
    pub(super) broken_reads: u32,
    steps: VecDeque<Step>,
    posts: VecDeque<Post>,
    sent: Vec<Value>,
}

impl State {
    fn start(&mut self, steps: Vec<Step>) {
        self.steps = steps.into();
        if let Some(first) = self.steps.pop_front() {
            first(self);
        }
    }

    pub(super) fn latest(&mut self, status: &'static str) {
        *self.migrations.last_mut().expect("a migration began") = status;
    }
}

/// The first step is what Nova did when it accepted the request.
pub(super) fn begins(state: &mut State) {
    state.task = Some("resize_prep");
    state.migrations.push("migrating");
}

pub(super) fn verifies(state: &mut State) {
    state.flavor = "2";
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
    state.flavor = "1";
    state.latest("reverted");
}

#[derive(Clone)]
pub(super) struct Nova(Rc<RefCell<State>>);

impl Nova {
    /// An active instance with flavor `small`, which was resized once before.
    pub(super) fn new() -> Self {
        Self(Rc::new(RefCell::new(State {
            status: "ACTIVE",
            flavor: "1",
            task: None,
            fault: None,
            is_gone: false,
            migrations: vec!["error"],
            broken_reads: 0,
            steps: VecDeque::new(),
            posts: VecDeque::new(),
            sent: Vec::new(),
        })))
    }

    /// What becomes of the next request that changes something.
    pub(super) fn on_post(self, post: Post) -> Self {
        self.0.borrow_mut().posts.push_back(post);
        self
    }

    pub(super) fn edit(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.borrow_mut());
    }

    /// Bodies of the requests that changed something, or tried to.
    pub(super) fn posts(&self) -> Vec<Value> {
        self.0.borrow().sent.clone()
    }

    pub(super) fn flavor(&self) -> &'static str {
        self.0.borrow().flavor
    }

    pub(super) fn cloud(&self) -> impl ActionHost + use<> {
        let nova = self.clone();
        FakeCloud::new(move |request: &Request| nova.answer(request))
    }

    fn answer(&self, request: &Request) -> Result<Response, Failure> {
        let mut state = self.0.borrow_mut();
        assert_eq!(request.microversion.as_deref(), Some("2.46"));
        if request.method == "GET" && state.broken_reads > 0 {
            state.broken_reads -= 1;
            return Err(Failure::cloud("unreachable", "nobody there").retryable());
        }
        let server = format!("/servers/{INSTANCE}");
        let path = request.path.strip_prefix(server.as_str()).unwrap_or(&request.path);
        let not_found = || answer(404, &json!({"itemNotFound": {"message": "gone", "code": 404}}));
        match (request.method.as_str(), path) {
            ("GET", "") if state.is_gone => not_found(),
            ("GET", "") => {
                if let Some(step) = state.steps.pop_front() {
                    step(&mut state);
                }
                let fault = state.fault.map(|message| json!({"message": message, "code": 500}));
                let server = json!({"id": INSTANCE, "status": state.status, "flavor": {"id": state.flavor, "links": []},
                                    "OS-EXT-STS:task_state": state.task, "fault": fault});
                answer(200, &json!({"server": server}))
            }
            ("GET", "/os-migrations") => {
                let migration = |(id, status): (u64, &&str)| json!({"id": id, "status": status, "created_at": format!("2026-01-01T00:00:{id:02}")});
                let all: Vec<Value> = (1..).zip(&state.migrations).map(migration).collect();
                answer(200, &json!({"migrations": all}))
            }
            ("GET", "/flavors") => {
                let marker = request.query.iter().find(|(name, _)| name == "marker").map(|(_, value)| value.as_str());
                let after = marker.map_or(0, |marker| FLAVORS.iter().position(|(id, _)| *id == marker).unwrap() + 1);
                let page = FLAVORS.iter().skip(after).take(2);
                let page: Vec<Value> = page.map(|(id, name)| json!({"id": id, "name": name})).collect();
                answer(200, &json!({"flavors": page}))
            }
            ("GET", path) if path.starts_with("/flavors/") => {
                let id = path.trim_start_matches("/flavors/").replace("%20", " ");
                match FLAVORS.iter().find(|(known, _)| *known == id) {
                    Some((id, name)) => answer(200, &json!({"flavor": {"id": id, "name": name, "vcpus": 1}})),
                    None => not_found(),
                }
            }
            ("POST", "/action") => {
                state.sent.push(request.body.clone().unwrap());
                Self::change(&mut state)
            }
            _ => panic!("{request} is not declared"),
        }
    }

    fn change(state: &mut State) -> Result<Response, Failure> {
        let unknown = Err(Failure::cloud("outcome-unknown", "the connection broke"));
        match state.posts.pop_front().expect("no more requests are expected") {
            Post::Accept(steps) => {
                state.start(steps);
                answer(202, &Value::Null)
            }
            Post::Refuse(status, message) => {
                answer(status, &json!({"badRequest": {"message": message, "code": status}}))
            }
            Post::LoseAnswer(steps) => {
                state.start(steps);
                unknown
            }
            Post::LoseRequest => unknown,
            Post::Conflict(steps) => {
                state.start(steps);
                answer(409, &json!({"conflictingRequest": {"message": "in task_state resize_prep", "code": 409}}))
            }
            Post::Broken(steps) => {
                state.start(steps);
                answer(500, &json!({"computeFault": {"message": "Unexpected API Error", "code": 500}}))
            }
        }
    }
}
