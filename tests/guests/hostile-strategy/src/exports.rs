//! The exports, written by hand: results that the SDK does not let a strategy return.
#![cfg(target_arch = "wasm32")]

use watcher_sdk::bindings::imports::watcher::types::types::Failure;
use watcher_sdk::bindings::strategy::exports::watcher::strategy::strategy as wit;
use watcher_sdk::glue;

use crate::Hostile;

struct Exports;

fn action(resource_id: &str, input_parameters: &str) -> wit::SolutionAction {
    wit::SolutionAction {
        action_type: "nop".to_owned(),
        resource_id: resource_id.to_owned(),
        input_parameters: input_parameters.to_owned(),
    }
}

fn solution(actions: Vec<wit::SolutionAction>) -> wit::Solution {
    wit::Solution { actions, efficacy_indicators: Vec::new() }
}

/// What no well-meaning strategy returns.
fn garbage(parameters: &str) -> Option<wit::Solution> {
    let parameters: crate::Parameters = serde_json::from_str(parameters).ok()?;
    let amount = parameters.amount as usize;
    Some(match parameters.behaviour.as_str() {
        "return-invalid-json" => solution(vec![action("", "{}"), action("", "{\"message\": ")]),
        "return-resource-id" => solution(vec![action("r", "{\"resource_id\": \"other\"}")]),
        "return-deep-json" => {
            let text = format!("{{\"a\":{}{}}}", "[".repeat(amount), "]".repeat(amount));
            solution(vec![action("", &text)])
        }
        "return-many-bytes" => solution(vec![action("", &format!("{{\"a\":\"{}\"}}", "x".repeat(amount)))]),
        "return-many-actions" => solution(vec![action("", "{}"); amount]),
        "return-nan" => {
            wit::Solution { actions: Vec::new(), efficacy_indicators: vec![("ratio".to_owned(), f64::NAN)] }
        }
        _ => return None,
    })
}

impl wit::Guest for Exports {
    fn describe() -> String {
        glue::strategy::describe::<Hostile>()
    }

    fn execute(parameters: String, configuration: String) -> Result<wit::Solution, Failure> {
        match garbage(&parameters) {
            Some(solution) => Ok(solution),
            None => glue::strategy::execute::<Hostile>(&parameters, &configuration),
        }
    }

    fn global_efficacy(indicators: Vec<(String, f64)>) -> Result<Vec<wit::GlobalEfficacyValue>, Failure> {
        glue::strategy::global_efficacy::<Hostile>(&indicators)
    }
}

#[expect(unsafe_code, unreachable_pub, reason = "what the export macro writes")]
mod symbols {
    use super::Exports;
    watcher_sdk::bindings::strategy::export_strategy_bindings!(Exports with_types_in watcher_sdk::bindings::strategy);
}
