//! Audit scopes as templates take them.

use serde_json::{Value, json};
use watcher_cluster::AuditScope;
use watcher_domain::weight::weight;

use crate::invalid::too_heavy;

/// What a scope can be about. Rules that stand alone are about the compute model.
const MODELS: [&str; 3] = ["compute", "storage", "baremetal"];

/// Why a scope is refused: a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) String);

/// Checks a scope.
pub(crate) fn parse(given: Option<&Value>) -> Result<AuditScope, Refused> {
    let models = match given {
        None | Some(Value::Null) => return Ok(AuditScope::default()),
        Some(Value::Array(models)) => models,
        Some(_) => return Err(Refused("Audit scope must be a list".to_owned())),
    };
    if let Some(why) = too_heavy(models.iter().map(weight).sum()) {
        return Err(Refused(why));
    }
    let Some(first) = models.first() else { return Ok(AuditScope::default()) };
    let first = first.as_object().and_then(|members| members.keys().next());
    let scope = match first {
        Some(model) if MODELS.contains(&model.as_str()) => AuditScope(models.clone()),
        Some(_) => AuditScope(vec![json!({"compute": models})]),
        None => return Err(Refused("Every element of an audit scope must be an object with one member".to_owned())),
    };
    scope.validate().map_err(|error| Refused(error.to_string()))?;
    let compute = scope.0.first().and_then(|model| model["compute"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let names = |rule: &Value| rule.get("host_aggregates").is_some();
    let excluded = compute.iter().filter_map(|rule| rule["exclude"].as_array()).flatten().any(names);
    if excluded && compute.iter().any(names) {
        return Err(Refused("host_aggregates can't be included and excluded together".to_owned()));
    }
    Ok(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_rules_belong_to_the_compute_model() {
        let bare = json!([{"availability_zones": [{"name": "AZ1"}]}]);
        assert_eq!(parse(Some(&bare)).unwrap().0, vec![json!({"compute": bare})]);
        let storage = json!([{"storage": [{"availability_zones": [{"name": "AZ1"}]}]}]);
        assert_eq!(Value::Array(parse(Some(&storage)).unwrap().0), storage);
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        let both =
            json!([{"compute": [{"host_aggregates": [{"id": 1}]}, {"exclude": [{"host_aggregates": [{"id": 2}]}]}]}]);
        for scope in [
            json!("x"),
            json!({}),
            json!([1]),
            json!([{}]),
            json!([{"foo": []}]),
            json!([{"compute": 5}]),
            json!([{"compute": [{"exclude": [{"zz": []}]}]}]),
            json!([{"compute": [{"host_aggregates": [{"id": "x"}]}]}]),
            both,
        ] {
            assert!(parse(Some(&scope)).is_err(), "{scope}");
        }
    }
}
