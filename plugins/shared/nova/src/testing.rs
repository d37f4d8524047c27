//! A Nova with one instance, for tests. Each look at the instance takes it one step further along what the test wrote down.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use serde_json::{Value, json};
use watcher_sdk::testing::{FakeCloud, answer};
use watcher_sdk::{Failure, Request, Response};

/// Its UUID.
pub const INSTANCE: &str = "73b09e16-35b7-4922-804e-e8f5d9b740fc";

/// What a handler's tests add: what the instance shows besides, and requests that only this handler makes.
pub trait Own: Default + 'static {
    /// The microversion of every request.
    const MICROVERSION: &'static str;

    /// Adds to what the instance shows.
    fn show(&self, server: &mut Value);

    /// Answers a request, or leaves it to the common ones. `path` begins after the instance's own.
    fn answer(state: &mut State<Self>, request: &Request, path: &str) -> Option<Result<Response, Failure>>;
}

/// One step of the instance.
pub type Step<T> = fn(&mut State<T>);

/// What becomes of a request that changes something.
#[derive(Debug, Clone)]
pub enum Post<T> {
    /// It is accepted, and these steps follow.
    Accept(Vec<Step<T>>),
    /// It is refused, and nothing happens.
    Refuse(u16, &'static str),
    /// It is accepted, but the answer is lost.
    LoseAnswer(Vec<Step<T>>),
    /// It never arrives, and nobody says so.
    LoseRequest,
    /// It certainly does not arrive.
    Unreachable,
    /// A proxy answers for a Nova that accepted it.
    BadGateway(Vec<Step<T>>),
    /// Nova says that it is broken, but went on.
    Broken(Vec<Step<T>>),
    /// It is refused, because an earlier request arrived just now, and these steps follow.
    Conflict(Vec<Step<T>>),
}

/// The instance and what is known of it.
#[derive(Debug)]
pub struct State<T> {
    /// Its status.
    pub status: &'static str,
    /// Its task state.
    pub task: Option<&'static str>,
    /// Message of its fault.
    pub fault: Option<&'static str>,
    /// Whether it was deleted.
    pub is_gone: bool,
    /// Id and status of every migration.
    pub migrations: Vec<(u64, &'static str)>,
    /// This many reading requests do not arrive.
    pub broken_reads: u32,
    /// What the next looks find.
    pub steps: VecDeque<Step<T>>,
    /// What becomes of the next requests that change something.
    pub posts: VecDeque<Post<T>>,
    /// Bodies of those that were sent.
    pub sent: Vec<Value>,
    /// What the handler's tests add.
    pub own: T,
}

impl<T> State<T> {
    fn start(&mut self, steps: Vec<Step<T>>) {
        self.steps = steps.into();
        if let Some(first) = self.steps.pop_front() {
            first(self);
        }
    }

    /// Begins a migration.
    pub fn begin(&mut self, status: &'static str) {
        self.migrations.push((self.migrations.len() as u64 + 1, status));
    }

    /// Sets the status of the latest migration.
    pub fn latest(&mut self, status: &'static str) {
        self.migrations.last_mut().expect("a migration began").1 = status;
    }

    /// The migrations with a status that is asked for, as Nova lists them.
    pub fn show_migrations(&self, is_shown: impl Fn(&str) -> bool) -> Result<Response, Failure> {
        let shown = self.migrations.iter().filter(|(_, status)| is_shown(status));
        let one = |(id, status): &(u64, &str)| json!({"id": id, "status": status, "created_at": format!("2026-01-01T00:00:{id:02}")});
        answer(200, &json!({"migrations": shown.map(one).collect::<Vec<_>>()}))
    }

    /// Lets happen what the test wrote down for the next request that changes something.
    ///
    /// # Panics
    /// If it wrote nothing down.
    pub fn change(&mut self) -> Result<Response, Failure> {
        let unknown = Err(Failure::cloud("outcome-unknown", "the connection broke"));
        match self.posts.pop_front().expect("no more requests are expected") {
            Post::Accept(steps) => {
                self.start(steps);
                answer(202, &Value::Null)
            }
            Post::Refuse(status, message) => {
                answer(status, &json!({"badRequest": {"message": message, "code": status}}))
            }
            Post::LoseAnswer(steps) => {
                self.start(steps);
                unknown
            }
            Post::LoseRequest => unknown,
            Post::Unreachable => Err(unreachable()),
            Post::BadGateway(steps) => {
                self.start(steps);
                answer(502, &Value::Null)
            }
            Post::Conflict(steps) => {
                self.start(steps);
                answer(409, &json!({"conflictingRequest": {"message": "in task_state resize_prep", "code": 409}}))
            }
            Post::Broken(steps) => {
                self.start(steps);
                answer(500, &json!({"computeFault": {"message": "Unexpected API Error", "code": 500}}))
            }
        }
    }
}

fn unreachable() -> Failure {
    Failure::cloud("unreachable", "nobody there").retryable()
}

/// The answer that there is no such thing.
pub fn not_found() -> Result<Response, Failure> {
    answer(404, &json!({"itemNotFound": {"message": "gone", "code": 404}}))
}

/// A Nova with one instance.
pub struct Nova<T>(Rc<RefCell<State<T>>>);

impl<T> Clone for Nova<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Nova<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nova")
    }
}

impl<T: Own> Default for Nova<T> {
    /// An active instance, of which one migration failed before.
    fn default() -> Self {
        Self(Rc::new(RefCell::new(State {
            status: "ACTIVE",
            task: None,
            fault: None,
            is_gone: false,
            migrations: vec![(1, "error")],
            broken_reads: 0,
            steps: VecDeque::new(),
            posts: VecDeque::new(),
            sent: Vec::new(),
            own: T::default(),
        })))
    }
}

impl<T: Own> Nova<T> {
    /// What becomes of the next request that changes something.
    #[must_use]
    pub fn on_post(self, post: Post<T>) -> Self {
        self.0.borrow_mut().posts.push_back(post);
        self
    }

    /// Changes the instance, or what is known of it.
    pub fn edit(&self, change: impl FnOnce(&mut State<T>)) {
        change(&mut self.0.borrow_mut());
    }

    /// Reads what the handler's tests added.
    pub fn own<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.0.borrow().own)
    }

    /// Bodies of the requests that changed something, or tried to.
    pub fn posts(&self) -> Vec<Value> {
        self.0.borrow().sent.clone()
    }

    /// The host of a handler that asks this Nova.
    pub fn cloud(&self) -> FakeCloud<impl FnMut(&Request) -> Result<Response, Failure> + use<T>> {
        let nova = self.clone();
        FakeCloud::new(move |request: &Request| nova.answer(request))
    }

    fn answer(&self, request: &Request) -> Result<Response, Failure> {
        let mut state = self.0.borrow_mut();
        assert_eq!(request.microversion.as_deref(), Some(T::MICROVERSION));
        if request.method == "GET" && state.broken_reads > 0 {
            state.broken_reads -= 1;
            return Err(unreachable());
        }
        let server = format!("/servers/{INSTANCE}");
        let path = request.path.strip_prefix(server.as_str()).unwrap_or(&request.path);
        if let Some(answer) = T::answer(&mut state, request, path) {
            return answer;
        }
        match (request.method.as_str(), path) {
            ("GET", "") if state.is_gone => not_found(),
            ("GET", "") => {
                if let Some(step) = state.steps.pop_front() {
                    step(&mut state);
                }
                let fault = state.fault.map(|message| json!({"message": message, "code": 500}));
                let mut server = json!({"id": INSTANCE, "status": state.status, "OS-EXT-STS:task_state": state.task, "fault": fault});
                state.own.show(&mut server);
                answer(200, &json!({"server": server}))
            }
            ("GET", "/os-migrations") => state.show_migrations(|_| true),
            ("POST", "/action") => {
                state.sent.extend(request.body.clone());
                state.change()
            }
            _ => panic!("{request} is not declared"),
        }
    }
}
