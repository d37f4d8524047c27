//! A Nova with one instance. Each look at the instance takes it one step further along what the test wrote down.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::{Value, json};
use watcher_sdk::testing::{FakeCloud, answer};
use watcher_sdk::{ActionHost, Failure, Request, Response};

use crate::{Configuration, MigrationType, Parameters};

pub(super) const INSTANCE: &str = "73b09e16-35b7-4922-804e-e8f5d9b740fc";
pub(super) const SOURCE: &str = "node_1";
pub(super) const DESTINATION: &str = "node_2";

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
    /// It certainly does not arrive.
    Unreachable,
    /// A proxy answers for a Nova that accepted it.
    BadGateway(Vec<Step>),
    /// Nova says that it is broken, but went on.
    Broken(Vec<Step>),
    /// It is refused, because an earlier request arrived just now, and these steps follow.
    Conflict(Vec<Step>),
}

pub(super) struct State {
    pub(super) status: &'static str,
    pub(super) host: &'static str,
    pub(super) task: Option<&'static str>,
    pub(super) fault: Option<&'static str>,
    pub(super) is_gone: bool,
    /// Id and status of every migration.
    pub(super) migrations: Vec<(u64, &'static str)>,
    /// Status and state of the destination's compute service.
    pub(super) destination: Option<(&'static str, &'static str)>,
    /// This many reading requests do not arrive.
    pub(super) broken_reads: u32,
    pub(super) steps: VecDeque<Step>,
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
        self.migrations.last_mut().expect("a migration began").1 = status;
    }
}

/// The first step is what Nova did when it accepted the request.
pub(super) fn live_begins(state: &mut State) {
    state.task = Some("migrating");
    state.migrations.push((state.migrations.len() as u64 + 1, "running"));
}

pub(super) fn live_ends(state: &mut State) {
    state.host = if state.host == SOURCE { DESTINATION } else { SOURCE };
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
    state.migrations.push((state.migrations.len() as u64 + 1, "migrating"));
}

pub(super) fn cold_verifies(state: &mut State) {
    state.host = if state.host == SOURCE { DESTINATION } else { SOURCE };
    state.status = "VERIFY_RESIZE";
    state.task = None;
    state.latest("finished");
}

pub(super) fn cold_success() -> Vec<Step> {
    vec![cold_begins, |_| (), cold_verifies]
}

#[derive(Clone)]
pub(super) struct Nova(Rc<RefCell<State>>);

impl Nova {
    /// An active instance on the source, which was migrated once before.
    pub(super) fn new() -> Self {
        Self(Rc::new(RefCell::new(State {
            status: "ACTIVE",
            host: SOURCE,
            task: None,
            fault: None,
            is_gone: false,
            migrations: vec![(1, "error")],
            destination: Some(("enabled", "up")),
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

    /// Bodies of the requests that changed something, or tried to; `"abort"` for the end of a migration.
    pub(super) fn posts(&self) -> Vec<Value> {
        self.0.borrow().sent.clone()
    }

    pub(super) fn host(&self) -> &'static str {
        self.0.borrow().host
    }

    pub(super) fn cloud(&self) -> impl ActionHost + use<> {
        self.clone().fake()
    }

    pub(super) fn fake(self) -> FakeCloud<impl FnMut(&Request) -> Result<Response, Failure>> {
        FakeCloud::new(move |request: &Request| self.answer(request))
    }

    fn answer(&self, request: &Request) -> Result<Response, Failure> {
        let mut state = self.0.borrow_mut();
        assert_eq!(request.microversion.as_deref(), Some("2.56"));
        if request.method == "GET" && state.broken_reads > 0 {
            state.broken_reads -= 1;
            return Err(Failure::cloud("unreachable", "nobody there").retryable());
        }
        let server = format!("/servers/{INSTANCE}");
        let path = request.path.strip_prefix(server.as_str()).unwrap_or(&request.path);
        let migration = |(id, status): &(u64, &str)| json!({"id": id, "status": status, "created_at": format!("2026-01-01T00:00:{id:02}")});
        match (request.method.as_str(), path) {
            ("GET", "") if state.is_gone => answer(404, &json!({"itemNotFound": {"message": "gone", "code": 404}})),
            ("GET", "") => {
                if let Some(step) = state.steps.pop_front() {
                    step(&mut state);
                }
                let fault = state.fault.map(|message| json!({"message": message, "code": 500}));
                answer(
                    200,
                    &json!({"server": {"id": INSTANCE, "status": state.status,
                    "OS-EXT-SRV-ATTR:host": state.host, "OS-EXT-STS:task_state": state.task, "fault": fault}}),
                )
            }
            ("GET", "/os-services") => {
                assert!(request.query.contains(&("host".to_owned(), DESTINATION.to_owned())));
                let services: Vec<Value> = state
                    .destination
                    .map(|(status, up)| json!({"id": "s", "host": DESTINATION, "status": status, "state": up}))
                    .into_iter()
                    .collect();
                answer(200, &json!({"services": services}))
            }
            ("GET", "/os-migrations") => {
                let all: Vec<Value> = state.migrations.iter().map(migration).collect();
                answer(200, &json!({"migrations": all}))
            }
            ("GET", "/migrations") => {
                let running = state.migrations.iter().filter(|(_, status)| *status == "running");
                answer(200, &json!({"migrations": running.map(migration).collect::<Vec<_>>()}))
            }
            ("POST", "/action") => {
                let body = request.body.clone().unwrap();
                state.sent.push(body.clone());
                if body.get("confirmResize").is_some() && state.posts.is_empty() {
                    state.status = "ACTIVE";
                    return answer(204, &Value::Null);
                }
                Self::change(&mut state)
            }
            ("DELETE", _) if path.starts_with("/migrations/") => {
                state.sent.push("abort".into());
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
            Post::Unreachable => Err(Failure::cloud("unreachable", "nobody there").retryable()),
            Post::BadGateway(steps) => {
                state.start(steps);
                answer(502, &Value::Null)
            }
            Post::Conflict(steps) => {
                state.start(steps);
                answer(409, &json!({"conflictingRequest": {"message": "in task_state migrating", "code": 409}}))
            }
            Post::Broken(steps) => {
                state.start(steps);
                answer(500, &json!({"computeFault": {"message": "Unexpected API Error", "code": 500}}))
            }
        }
    }
}
