//! Results of guests, checked before anybody else sees them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use watcher_domain::limits::{LimitHit, LimitName};
use watcher_domain::solution::{PlannedAction, check_plan};
use watcher_domain::text::middle_cut;
use watcher_domain::weight::weight_of;
use watcher_domain::{Blame, Failure, GlobalEfficacy, Limits, Solution, SolutionAction};

use crate::bindings::imports::watcher::types::types;
use crate::bindings::planner::exports::watcher::planner::planner;
use crate::bindings::strategy::exports::watcher::strategy::strategy;
use crate::capability::log::{cut, printable};

/// Name of the parameter that the host adds.
const RESOURCE_ID: &str = "resource_id";

/// Longest names and identifiers.
const NAME_BYTES: usize = 255;
/// Longest sentence for the user.
const MESSAGE_BYTES: usize = 4096;
/// How many parameters an action has, about.
const PARAMETERS: usize = 7;
/// How many numbers may sum up a solution.
const INDICATORS: usize = 1000;
/// Bytes of those that stand in the row of the plan: plans are listed by the thousand.
const EFFICACY_BYTES: usize = 64 << 10;
/// How deep objects in parameters may go; the reader of JSON stops a little beyond.
const DEPTH: usize = 64;
/// Most that parameters of one action take, as text and in memory. Lists of actions are read with them.
const PARAMETERS_BYTES: usize = 256 << 10;
/// What an action takes besides its texts.
const ACTION_BYTES: usize = size_of::<SolutionAction>();
/// What a parent of an action takes where plans are kept: the text of its UUID in a JSON list.
const PARENT_BYTES: usize = 39;

/// What is wrong with a result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    Limit(LimitHit),
    Invalid(String),
}

/// Most bytes of what is said about a result that makes no sense: it repeats what the plugin returned.
const REASON_BYTES: usize = 2_000;

fn invalid<T>(reason: String) -> Result<T, Bad> {
    Err(Bad::Invalid(middle_cut(reason, REASON_BYTES)))
}

/// Counts the bytes of a result.
struct Size {
    limit: u64,
    left: u64,
}

impl Size {
    fn new(limits: &Limits) -> Self {
        Self { limit: limits.output_bytes, left: limits.output_bytes }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Bad> {
        match u64::try_from(bytes).ok().and_then(|bytes| self.left.checked_sub(bytes)) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Bad::Limit(LimitHit { limit: LimitName::Output, value: self.limit })),
        }
    }
}

/// A failure that a guest declared, shortened to what a status message can hold.
pub(crate) fn failure(failure: &types::Failure) -> Failure {
    let blame = match failure.blame {
        types::Blame::Input => Blame::Input,
        types::Blame::Plugin => Blame::Plugin,
        types::Blame::Cloud => Blame::Cloud,
        types::Blame::Service => Blame::Service,
    };
    let code: String =
        cut(&failure.code, 256).chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
    Failure { code, message: sentence(&failure.message), retryable: failure.retryable, blame }
}

/// A sentence for the user.
pub(crate) fn sentence(text: &str) -> String {
    printable(cut(text, MESSAGE_BYTES))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// A JSON object, read into a map that has room from the start: solutions have tens of thousands of them.
struct Parameters(Map<String, Value>);

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Parameters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut map = Map::with_capacity(PARAMETERS);
                while let Some((name, value)) = entries.next_entry()? {
                    map.insert(name, value);
                }
                Ok(Parameters(map))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

fn action(index: usize, action: strategy::SolutionAction, size: &mut Size) -> Result<SolutionAction, Bad> {
    let strategy::SolutionAction { action_type, resource_id, input_parameters } = action;
    size.take(ACTION_BYTES + action_type.len() + resource_id.len())?;
    let whose = || format!("action {index} ({})", printable(cut(&action_type, 80)));
    if action_type.is_empty() || action_type.len() > NAME_BYTES {
        return invalid(format!("action {index} has a type of {} bytes", action_type.len()));
    }
    if resource_id.len() > NAME_BYTES {
        return invalid(format!("{} has a resource id of {} bytes", whose(), resource_id.len()));
    }
    let too_large = |bytes: usize| {
        invalid(format!("the input parameters of {} take {bytes} bytes; at most {PARAMETERS_BYTES}", whose()))
    };
    if input_parameters.len() > PARAMETERS_BYTES {
        size.take(input_parameters.len())?;
        return too_large(input_parameters.len());
    }
    let mut parameters = match serde_json::from_str(&input_parameters) {
        Ok(Parameters(parameters)) => parameters,
        Err(error) => return invalid(format!("the input parameters of {} are not a JSON object: {error}", whose())),
    };
    let bytes = weight_of(&parameters);
    size.take(bytes)?;
    if bytes > PARAMETERS_BYTES {
        return too_large(bytes);
    }
    if parameters.contains_key(RESOURCE_ID) {
        return invalid(format!("the input parameters of {} have {RESOURCE_ID}, which the host adds", whose()));
    }
    if parameters.values().map(depth).max().unwrap_or(0) >= DEPTH {
        return invalid(format!("the input parameters of {} are nested more than {DEPTH} deep", whose()));
    }
    if !resource_id.is_empty() {
        parameters.insert(RESOURCE_ID.to_owned(), Value::String(resource_id));
    }
    Ok(SolutionAction { action_type, input_parameters: parameters })
}

fn indicators(given: Vec<(String, f64)>) -> Result<Vec<(String, f64)>, Bad> {
    if given.len() > INDICATORS {
        return invalid(format!("it has {} efficacy indicators; at most {INDICATORS} are allowed", given.len()));
    }
    for (index, (name, value)) in given.iter().enumerate() {
        let shown = printable(cut(name, 80));
        if name.is_empty() || name.len() > NAME_BYTES {
            return invalid(format!("efficacy indicator {index} has a name of {} bytes", name.len()));
        }
        if !value.is_finite() {
            return invalid(format!("efficacy indicator {shown} is {value}, not a finite number"));
        }
        if given[..index].iter().any(|(earlier, _)| earlier == name) {
            return invalid(format!("efficacy indicator {shown} is given twice"));
        }
    }
    Ok(given)
}

/// Bytes of a solution, about.
pub(crate) fn size(given: &strategy::Solution) -> usize {
    let action = |action: &strategy::SolutionAction| {
        ACTION_BYTES + action.action_type.len() + action.resource_id.len() + action.input_parameters.len()
    };
    let indicators: usize = given.efficacy_indicators.iter().map(|(name, _)| ACTION_BYTES + name.len()).sum();
    given.actions.iter().map(action).sum::<usize>() + indicators
}

/// A solution, without repetitions.
pub(crate) fn solution(given: strategy::Solution, limits: &Limits) -> Result<Solution, Bad> {
    let count = u64::try_from(given.actions.len()).unwrap_or(u64::MAX);
    if count > limits.actions {
        return Err(Bad::Limit(LimitHit { limit: LimitName::Actions, value: limits.actions }));
    }
    let mut size = Size::new(limits);
    for (name, _) in &given.efficacy_indicators {
        size.take(name.len() + size_of::<f64>())?;
    }
    let efficacy_indicators = indicators(given.efficacy_indicators)?;
    let actions = given.actions.into_iter().enumerate();
    let actions = actions.map(|(index, given)| action(index, given, &mut size)).collect::<Result<Vec<_>, _>>()?;
    Ok(Solution { actions, efficacy_indicators }.without_repetitions())
}

/// Sums of efficacy indicators.
pub(crate) fn global_efficacy(
    given: Vec<strategy::GlobalEfficacyValue>,
    limits: &Limits,
) -> Result<Vec<GlobalEfficacy>, Bad> {
    if given.len() > INDICATORS {
        return invalid(format!("it has {} global efficacies; at most {INDICATORS} are allowed", given.len()));
    }
    let bytes = |sum: &strategy::GlobalEfficacyValue| {
        size_of::<GlobalEfficacy>() + sum.name.len() + sum.description.len() + sum.unit.as_ref().map_or(0, String::len)
    };
    let all: usize = given.iter().map(bytes).sum();
    Size::new(limits).take(all)?;
    if all > EFFICACY_BYTES {
        return invalid(format!("the global efficacies take {all} bytes; at most {EFFICACY_BYTES}"));
    }
    let mut sums = Vec::with_capacity(given.len());
    for (index, sum) in given.into_iter().enumerate() {
        if sum.name.is_empty() || sum.name.len() > NAME_BYTES {
            return invalid(format!("global efficacy {index} has a name of {} bytes", sum.name.len()));
        }
        if !sum.value.is_finite() {
            let name = printable(&sum.name);
            return invalid(format!("global efficacy {name} is {}, not a finite number", sum.value));
        }
        sums.push(GlobalEfficacy {
            name: printable(&sum.name),
            description: sentence(&sum.description),
            unit: sum.unit.as_deref().map(sentence),
            value: sum.value,
        });
    }
    Ok(sums)
}

/// Bytes of a plan, about.
pub(crate) fn plan_size(given: &[planner::PlannedAction]) -> usize {
    given.iter().map(|planned| size_of::<PlannedAction>() + size_of::<u32>() * planned.parents.len()).sum()
}

/// A plan of `actions` actions: every one once, parents first, no parent twice.
pub(crate) fn plan(
    given: Vec<planner::PlannedAction>,
    actions: usize,
    limits: &Limits,
) -> Result<Vec<PlannedAction>, Bad> {
    let mut size = Size::new(limits);
    let mut plan = Vec::with_capacity(given.len());
    for mut planned in given {
        size.take(size_of::<PlannedAction>() + PARENT_BYTES * planned.parents.len())?;
        let sorted = planned.parents.is_sorted_by(|one, next| one < next);
        if !sorted {
            let mut seen = std::collections::HashSet::new();
            planned.parents.retain(|&parent| seen.insert(parent));
        }
        plan.push(PlannedAction { action: planned.action, parents: planned.parents });
    }
    match check_plan(actions, &plan) {
        Ok(()) => Ok(plan),
        Err(error) => invalid(error.to_string()),
    }
}

/// Scores: a JSON text for each of `count` features.
pub(crate) fn scores(given: Vec<String>, count: usize, limits: &Limits) -> Result<Vec<String>, Bad> {
    if given.len() != count {
        return invalid(format!("it gave {} scores for {count} features", given.len()));
    }
    let mut size = Size::new(limits);
    for (index, score) in given.iter().enumerate() {
        size.take(score.len())?;
        if let Err(error) = serde_json::from_str::<IgnoredAny>(score) {
            return invalid(format!("score {index} is not JSON: {error}"));
        }
    }
    Ok(given)
}

/// Effects of an action.
pub(crate) fn effects(text: &str, limits: &Limits) -> Result<Vec<Value>, Bad> {
    Size::new(limits).take(text.len())?;
    let effects: Vec<Value> = match serde_json::from_str(text) {
        Ok(effects) => effects,
        Err(error) => return invalid(format!("the effects are not a JSON array: {error}")),
    };
    match effects.iter().position(|effect| !effect.get("kind").is_some_and(Value::is_string)) {
        Some(index) => invalid(format!("effect {index} is not an object with a kind")),
        None => Ok(effects),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(resource_id: &str, input_parameters: &str) -> strategy::Solution {
        let action = strategy::SolutionAction {
            action_type: "migrate".to_owned(),
            resource_id: resource_id.to_owned(),
            input_parameters: input_parameters.to_owned(),
        };
        strategy::Solution { actions: vec![action.clone(), action], efficacy_indicators: Vec::new() }
    }

    #[test]
    fn the_resource_becomes_a_parameter_and_repetitions_are_dropped() {
        let solution = solution(given("u1", r#"{"b": 1}"#), &Limits::default()).unwrap();
        assert_eq!(solution.actions.len(), 1);
        assert_eq!(
            serde_json::to_string(&solution.actions[0].input_parameters).unwrap(),
            r#"{"b":1,"resource_id":"u1"}"#
        );
        let bare = super::solution(given("", "{}"), &Limits::default()).unwrap();
        assert!(bare.actions[0].input_parameters.is_empty());
    }

    #[test]
    fn parameters_that_are_no_object_or_take_the_hosts_word_are_refused() {
        let refused = |parameters: &str| match solution(given("u1", parameters), &Limits::default()) {
            Err(Bad::Invalid(reason)) => reason,
            other => panic!("{other:?}"),
        };
        assert!(refused("{").starts_with("the input parameters of action 0 (migrate) are not a JSON object: "));
        assert!(refused("[]").contains("not a JSON object"));
        assert_eq!(
            refused(r#"{"resource_id": "x"}"#),
            "the input parameters of action 0 (migrate) have resource_id, which the host adds"
        );
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(70), "]".repeat(70));
        assert!(refused(&deep).contains("nested more than 64 deep"));
    }

    #[test]
    fn numbers_and_bytes_of_a_solution_are_bounded() {
        let limits = Limits { actions: 1, ..Limits::default() };
        let hit = Bad::Limit(LimitHit { limit: LimitName::Actions, value: 1 });
        assert_eq!(solution(given("u1", "{}"), &limits), Err(hit));
        let limits = Limits { output_bytes: 20, ..Limits::default() };
        let hit = Bad::Limit(LimitHit { limit: LimitName::Output, value: 20 });
        assert_eq!(solution(given("u1", "{}"), &limits), Err(hit));
    }

    #[test]
    fn what_parameters_take_as_values_is_bounded_too() {
        let zeroes = |count: usize| format!("{{\"a\":[{}0]}}", "0,".repeat(count - 1));
        let hit = Bad::Limit(LimitHit { limit: LimitName::Output, value: 10_000 });
        let limits = Limits { output_bytes: 10_000, ..Limits::default() };
        assert_eq!(solution(given("u1", &zeroes(1000)), &limits), Err(hit));
        solution(given("u1", &zeroes(10)), &limits).unwrap();
        let refused = solution(given("u1", &zeroes(1 << 20)), &Limits::default());
        let told = "the input parameters of action 0 (migrate) take 2097159 bytes; at most 262144";
        assert_eq!(refused, Err(Bad::Invalid(told.to_owned())));
        let refused = solution(given("u1", &zeroes(10_000)), &Limits::default());
        let told = "the input parameters of action 0 (migrate) take 720073 bytes; at most 262144";
        assert_eq!(refused, Err(Bad::Invalid(told.to_owned())));
    }

    #[test]
    fn indicators_are_finite_and_given_once() {
        let check = |values: &[(&str, f64)]| {
            let values = values.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
            match indicators(values) {
                Err(Bad::Invalid(reason)) => reason,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(check(&[("a", f64::NAN)]), "efficacy indicator a is NaN, not a finite number");
        assert_eq!(check(&[("a", 1.0), ("a", 1.0)]), "efficacy indicator a is given twice");
    }

    #[test]
    fn sums_that_stand_in_a_row_are_bounded() {
        let sum = strategy::GlobalEfficacyValue {
            name: "a".to_owned(),
            description: "b".repeat(1000),
            unit: None,
            value: 1.0,
        };
        assert_eq!(global_efficacy(vec![sum.clone(); 50], &Limits::default()).unwrap().len(), 50);
        let refused = global_efficacy(vec![sum; 100], &Limits::default());
        assert!(matches!(refused, Err(Bad::Invalid(told)) if told.ends_with("bytes; at most 65536")));
    }

    #[test]
    fn there_is_one_score_for_each_of_the_features() {
        let scores = |given: &[&str]| {
            let given = given.iter().map(|&score| score.to_owned()).collect();
            super::scores(given, 2, &Limits { output_bytes: 20, ..Limits::default() })
        };
        assert_eq!(scores(&["1", "[2]"]).unwrap(), ["1", "[2]"]);
        assert_eq!(scores(&["1"]), Err(Bad::Invalid("it gave 1 scores for 2 features".to_owned())));
        assert!(matches!(scores(&["1", "{"]), Err(Bad::Invalid(reason)) if reason.starts_with("score 1 is not JSON")));
        let hit = Bad::Limit(LimitHit { limit: LimitName::Output, value: 20 });
        assert_eq!(scores(&["1", &"2".repeat(20)]), Err(hit));
    }

    #[test]
    fn a_plan_keeps_its_order_and_loses_double_parents() {
        let place = |action, parents: &[u32]| planner::PlannedAction { action, parents: parents.to_vec() };
        let planned = plan(vec![place(1, &[]), place(0, &[0, 0])], 2, &Limits::default()).unwrap();
        assert_eq!(planned[1].parents, [0]);
        let limits = Limits { output_bytes: 1000, ..Limits::default() };
        let hit = Bad::Limit(LimitHit { limit: LimitName::Output, value: 1000 });
        assert_eq!(plan(vec![place(1, &[]), place(0, &[0; 100])], 2, &limits), Err(hit), "each is kept as a UUID");
        let circle = plan(vec![place(0, &[1]), place(1, &[0])], 2, &Limits::default());
        assert!(matches!(circle, Err(Bad::Invalid(reason)) if reason.contains("parent 1, which does not come before")));
    }
}
