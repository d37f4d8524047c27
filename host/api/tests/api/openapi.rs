//! The description of the API against its golden file.

/// Set `UPDATE_GOLDEN=1` to write the file anew.
#[test]
fn the_description_of_the_api_is_the_golden_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let document = watcher_api::openapi_document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(golden == document, "{path} is not what the code says; write it anew with UPDATE_GOLDEN=1");
}

#[test]
fn every_operation_says_what_it_answers_and_has_its_own_name() {
    let document = serde_json::to_value(watcher_api::openapi_document()).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "patch", "delete"] {
            let Some(operation) = item.get(method) else { continue };
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path} {method}");
            let answers = operation["responses"].as_object().unwrap();
            for status in ["400", "401", "403", "404", "406", "500", "503"] {
                assert!(answers.contains_key(status), "{path} {method} {status}");
            }
            if operation.get("requestBody").is_some() {
                for status in ["409", "413", "415"] {
                    assert!(answers.contains_key(status), "{path} {method} {status}");
                }
            }
        }
    }
    assert_eq!(names.len(), 39);
}
