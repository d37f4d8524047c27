//! An action handler that misbehaves on purpose: the parameter `behaviour` says how.

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Action, ActionDescription, ActionHost, Failure, LogLevel, Readiness, Request};

/// The action handler.
#[derive(Debug)]
pub struct Hostile;

/// Input parameters.
#[derive(Debug, Deserialize)]
pub struct Parameters {
    /// What to do.
    pub behaviour: String,
    /// Path of a request.
    #[serde(default)]
    pub path: String,
    /// Method of a request.
    #[serde(default)]
    pub method: String,
    /// Service of a request; `compute` if empty.
    #[serde(default)]
    pub service: String,
    /// Query of a request.
    #[serde(default)]
    pub query: Vec<(String, String)>,
    /// Body of a request; none if empty.
    #[serde(default)]
    pub body: String,
    /// Microversion of a request; none if empty.
    #[serde(default)]
    pub microversion: String,
    /// How long to wait, in milliseconds.
    #[serde(default)]
    pub duration_ms: u64,
}

/// There is nothing to configure.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

/// Sends whatever the parameters say, past the SDK.
#[cfg(target_arch = "wasm32")]
fn send_raw(parameters: &Parameters) -> Result<(), Failure> {
    use watcher_sdk::bindings::imports::watcher::openstack::requests;
    let optional = |text: &String| (!text.is_empty()).then(|| text.clone());
    let request = requests::Request {
        service_type: parameters.service.clone(),
        method: parameters.method.clone(),
        path: parameters.path.clone(),
        query: parameters.query.clone(),
        body: optional(&parameters.body),
        microversion: optional(&parameters.microversion),
    };
    match requests::send(&request) {
        Ok(_) => Ok(()),
        Err(failure) => Err(Failure::plugin(&failure.code, failure.message)),
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn send_raw(_: &Parameters) -> Result<(), Failure> {
    Err(Failure::plugin("not-here", "there is no host outside of the sandbox"))
}

fn spin() -> ! {
    let mut number = 1_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(3));
    }
}

fn run(host: &dyn ActionHost, parameters: &Parameters) -> Result<(), Failure> {
    let request = Request::new("compute", &parameters.method, parameters.path.as_str());
    match parameters.behaviour.as_str() {
        "send" => host.send(&request).map(drop),
        "send-raw" => send_raw(parameters),
        "flood-requests" => loop {
            host.send(&request)?;
        },
        "wait" => host.sleep_ms(parameters.duration_ms),
        "wait-then-loop" => {
            host.sleep_ms(parameters.duration_ms)?;
            spin()
        }
        "use-everything" => {
            let (start, number) = (host.now_us(), host.random_number());
            host.send(&Request::new("compute", "GET", "/servers/a"))?;
            host.sleep_ms(parameters.duration_ms)?;
            let action =
                Request::new("compute", "POST", "/servers/a/action").json(json!({"number": number.to_string()}));
            let answer = host.send(&action);
            let end = host.now_us();
            host.log(LogLevel::Info, &format!("{start} {end}"), &[]);
            answer.map(drop)
        }
        other => Err(Failure::input("unknown-behaviour", format!("there is no behaviour {other}"))),
    }
}

impl Action for Hostile {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> ActionDescription {
        let text = json!({"type": "string"});
        let schema = json!({
            "type": "object",
            "properties": {
                "behaviour": text,
                "path": text,
                "service": text,
                "query": {"type": "array"},
                "body": text,
                "microversion": text,
                "method": text,
                "duration_ms": {"type": "integer", "minimum": 0},
            },
            "required": ["behaviour"],
        });
        let what = "Misbehaves as its parameter says, to show that nothing else suffers";
        ActionDescription::new("hostile", "0.1.0", "Hostile action", what, schema)
            .request("compute", "GET", "/servers/{id}")
            .request("compute", "POST", "/servers/{id}/action")
    }

    fn pre_condition(host: &dyn ActionHost, parameters: &Parameters, _: &Configuration) -> Result<Readiness, Failure> {
        if parameters.behaviour == "skip-with-a-long-reason" {
            return Ok(Readiness::Skip("because ".repeat(10_000)));
        }
        run(host, parameters).map(|()| Readiness::Ready)
    }

    fn execute(host: &dyn ActionHost, parameters: &Parameters, _: &Configuration) -> Result<(), Failure> {
        run(host, parameters)
    }

    fn post_condition(host: &dyn ActionHost, parameters: &Parameters, _: &Configuration) -> Result<(), Failure> {
        run(host, parameters)
    }

    fn revert(_: &dyn ActionHost, _: &Parameters, _: &Configuration) -> Result<(), Failure> {
        Ok(())
    }

    fn abort(_: &dyn ActionHost, _: &Parameters, _: &Configuration) -> Result<bool, Failure> {
        Ok(false)
    }
}

watcher_sdk::export_action!(Hostile);
