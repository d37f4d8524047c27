//! Every branch, against a cloud with one compute service.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde_json::{Value, json};
use watcher_sdk::testing::{FakeCloud, answer};
use watcher_sdk::{Action, ActionHost, Effect, Failure, Readiness, Request, Response};

use super::{ChangeNovaServiceState as Handler, Configuration, Parameters};

/// A Nova with the compute service of `node_1`.
#[derive(Clone)]
struct Nova {
    service: Rc<RefCell<Value>>,
    bodies: Rc<RefCell<Vec<Value>>>,
    /// What becomes of the next changes.
    lost: Rc<Cell<Lost>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Lost {
    Nothing,
    /// The answers of this many changes are lost.
    Answers(u32),
    /// This many changes do not arrive, and nobody says so.
    Requests(u32),
}

impl Nova {
    fn new(status: &str, reason: Option<&str>) -> Self {
        let service = json!({"id": "s-1", "host": "node_1", "binary": "nova-compute", "status": status,
            "state": "up", "disabled_reason": reason});
        Self { service: Rc::new(RefCell::new(service)), bodies: Rc::default(), lost: Rc::new(Cell::new(Lost::Nothing)) }
    }

    fn losing(self, lost: Lost) -> Self {
        self.lost.set(lost);
        self
    }

    fn cloud(&self) -> impl ActionHost + use<> {
        let nova = self.clone();
        FakeCloud::new(move |request: &Request| nova.answer(request))
    }

    fn answer(&self, request: &Request) -> Result<Response, Failure> {
        let unknown = || Err(Failure::cloud("outcome-unknown", "the connection broke"));
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/os-services") => {
                let wanted = request.query.iter().any(|(name, value)| name == "host" && value == "node_1");
                let services = if wanted { vec![self.service.borrow().clone()] } else { Vec::new() };
                answer(200, &json!({"services": services}))
            }
            ("PUT", "/os-services/s-1") => {
                let lost = self.lost.get();
                if let Lost::Requests(left @ 1..) = lost {
                    self.lost.set(Lost::Requests(left - 1));
                    return unknown();
                }
                let body = request.body.clone().unwrap();
                let mut service = self.service.borrow_mut();
                service["status"] = body["status"].clone();
                service["disabled_reason"] = body["disabled_reason"].clone();
                self.bodies.borrow_mut().push(body);
                if let Lost::Answers(left @ 1..) = lost {
                    self.lost.set(Lost::Answers(left - 1));
                    return unknown();
                }
                answer(200, &json!({"service": *service}))
            }
            _ => panic!("{request} is not declared"),
        }
    }

    fn status(&self) -> String {
        self.service.borrow()["status"].as_str().unwrap().to_owned()
    }
}

fn parameters(state: &str, reason: Option<&str>) -> Parameters {
    Parameters {
        resource_id: "0a0a".to_owned(),
        resource_name: Some("node_1".to_owned()),
        state: state.to_owned(),
        disabled_reason: reason.map(str::to_owned),
    }
}

fn run(nova: &Nova, parameters: &Parameters) -> Result<(), Failure> {
    Handler::execute(&nova.cloud(), parameters, &Configuration::default())
}

#[test]
fn a_service_is_disabled_with_its_reason_and_enabled_without() {
    let nova = Nova::new("enabled", None);
    let disable = parameters("disabled", Some("watcher_disabled"));
    assert_eq!(Handler::pre_condition(&nova.cloud(), &disable, &Configuration::default()).unwrap(), Readiness::Ready);
    run(&nova, &disable).unwrap();
    Handler::post_condition(&nova.cloud(), &disable, &Configuration::default()).unwrap();
    run(&nova, &parameters("enabled", None)).unwrap();
    assert_eq!(
        *nova.bodies.borrow(),
        [json!({"status": "disabled", "disabled_reason": "watcher_disabled"}), json!({"status": "enabled"})]
    );
}

#[test]
fn what_is_missing_or_done_already_is_skipped() {
    let nova = Nova::new("disabled", None);
    let check = |parameters| Handler::pre_condition(&nova.cloud(), &parameters, &Configuration::default()).unwrap();
    assert_eq!(
        check(parameters("disabled", None)),
        Readiness::Skip("nova-compute service node_1 is already in state disabled".to_owned())
    );
    let elsewhere = Parameters { resource_name: None, ..parameters("disabled", None) };
    assert_eq!(check(elsewhere), Readiness::Skip("nova-compute service 0a0a not found".to_owned()));
}

#[test]
fn up_and_down_cannot_be_set() {
    for state in ["up", "down"] {
        let failure = Handler::validate_parameters(&parameters(state, None)).unwrap_err();
        assert!(failure.message.starts_with("The target state is not defined"), "{failure}");
    }
    Handler::validate_parameters(&parameters("enabled", None)).unwrap();
}

#[test]
fn a_lost_answer_is_looked_up_and_the_change_not_repeated() {
    let nova = Nova::new("enabled", None).losing(Lost::Answers(1));
    run(&nova, &parameters("disabled", None)).unwrap();
    assert_eq!((nova.status().as_str(), nova.bodies.borrow().len()), ("disabled", 1));
}

#[test]
fn a_lost_request_is_repeated_but_not_for_ever() {
    let nova = Nova::new("enabled", None).losing(Lost::Requests(2));
    run(&nova, &parameters("disabled", None)).unwrap();
    assert_eq!(nova.status(), "disabled");
    let nova = Nova::new("enabled", None).losing(Lost::Requests(99));
    assert_eq!(run(&nova, &parameters("disabled", None)).unwrap_err().code, "outcome-unknown");
}

#[test]
fn a_refusal_says_what_nova_says() {
    let cloud = FakeCloud::new(|request: &Request| match request.method.as_str() {
        "GET" => answer(200, &json!({"services": [{"id": "s-1", "host": "node_1", "status": "enabled"}]})),
        _ => answer(403, &json!({"forbidden": {"message": "Policy does not allow it", "code": 403}})),
    });
    let failure = Handler::execute(&cloud, &parameters("disabled", None), &Configuration::default()).unwrap_err();
    assert_eq!(
        failure.message,
        "Nova refused to set nova-compute service node_1 to disabled (403): Policy does not allow it"
    );
}

#[test]
fn a_change_without_effect_is_told() {
    let nova = Nova::new("enabled", None);
    let failure =
        Handler::post_condition(&nova.cloud(), &parameters("disabled", None), &Configuration::default()).unwrap_err();
    assert_eq!(failure.message, "nova-compute service node_1 should be disabled and is enabled");
}

#[test]
fn only_what_was_changed_is_reverted() {
    let revert = |nova: &Nova, parameters: Parameters| {
        Handler::revert(&nova.cloud(), &parameters, &Configuration::default()).unwrap();
        nova.bodies.borrow().len()
    };
    let changed = Nova::new("disabled", Some("watcher_disabled"));
    assert_eq!(revert(&changed, parameters("disabled", Some("watcher_disabled"))), 1);
    assert_eq!(changed.status(), "enabled");

    let not_changed = Nova::new("enabled", None);
    assert_eq!(revert(&not_changed, parameters("disabled", None)), 0);

    let by_somebody_else = Nova::new("disabled", Some("broken fan"));
    assert_eq!(revert(&by_somebody_else, parameters("disabled", Some("watcher_disabled"))), 0);

    let enabled = Nova::new("enabled", None);
    assert_eq!(revert(&enabled, parameters("enabled", None)), 1);
    assert_eq!(enabled.status(), "disabled");
}

#[test]
fn the_effect_is_the_status_of_the_node() {
    assert_eq!(
        Handler::describe_effect(&parameters("disabled", None)).unwrap(),
        [Effect::SetNodeStatus { node: "node_1".to_owned(), status: "disabled".to_owned() }]
    );
}
