//! Kinds of requests as a person writes them.

use anyhow::bail;
use serde_json::{Value, json};

/// A kind of request: service, method and path, then what belongs to it: `query=KEY` for each key that the query may have, `microversions=2.1-2.56`, and `action=NAME` for
/// each member that the body may have.
pub(super) fn pattern(text: &str) -> anyhow::Result<Value> {
    let mut parts = text.split_whitespace();
    let (Some(service), Some(method), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        bail!("{text:?} is no request: SERVICE METHOD PATH, as in `compute GET /servers/{{server}}`");
    };
    let mut pattern = json!({"service": service, "method": method.to_uppercase(), "path": path});
    let (mut query, mut actions) = (Vec::new(), Vec::new());
    for part in parts {
        match part.split_once('=') {
            Some(("microversions", range)) if pattern.get("microversions").is_none() => {
                pattern["microversions"] = range.into();
            }
            Some(("query", key)) => query.push(key),
            Some(("action", name)) => actions.push(name),
            _ => bail!(
                "{text:?} is no request: after SERVICE METHOD PATH come query=KEY, microversions=RANGE and action=NAME only, not {part}"
            ),
        }
    }
    if !query.is_empty() {
        pattern["query"] = query.into();
    }
    if !actions.is_empty() {
        pattern["actions"] = actions.into();
    }
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_service_method_and_path() {
        let read = pattern("compute get /servers/{server}").unwrap();
        assert_eq!(read, json!({"service": "compute", "method": "GET", "path": "/servers/{server}"}));
        for bad in ["", "compute", "GET /servers", "compute GET /a b", "compute GET /a b=c"] {
            assert!(pattern(bad).unwrap_err().to_string().contains("is no request: "), "{bad}");
        }
    }

    #[test]
    fn a_request_can_be_narrowed() {
        let read =
            pattern("compute POST /servers/{server}/action microversions=2.1-2.56 action=resize action=revertResize");
        let expected = json!({"service": "compute", "method": "POST", "path": "/servers/{server}/action",
            "microversions": "2.1-2.56", "actions": ["resize", "revertResize"]});
        assert_eq!(read.unwrap(), expected);
        assert!(pattern("compute GET /a microversions=2.1 microversions=2.2").is_err());
        let read = pattern("compute GET /os-services query=binary query=host");
        let expected =
            json!({"service": "compute", "method": "GET", "path": "/os-services", "query": ["binary", "host"]});
        assert_eq!(read.unwrap(), expected);
    }
}
