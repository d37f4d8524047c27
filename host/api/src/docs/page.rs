//! The document as HTML.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::openapi::MICROVERSION;

/// The whole page, with its style sheet inside.
pub(super) fn render(document: &Value, style: &str) -> String {
    let mut page = Page::default();
    let title = text(&document["info"]["title"]);
    page.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width\">");
    page.element("title", title);
    // Not escaped: the browser compares it with its hash.
    page.raw("<style>").raw(style).raw("</style></head>\n<body>");
    page.element("h1", title);
    for paragraph in text(&document["info"]["description"]).split("\n\n") {
        page.raw("<p>").prose(paragraph).raw("</p>\n");
    }
    page.raw("<p>For programs: <a href=\"openapi.json\">openapi.json</a></p>\n");
    let operations = operations(document);
    page.contents(&operations);
    let mut tag = "";
    for operation in &operations {
        if operation.tag != tag {
            tag = operation.tag;
            page.element("h2", tag);
        }
        page.operation(operation);
    }
    page.element("h2", "Objects");
    for (name, schema) in members(&document["components"]["schemas"]) {
        page.object(name, schema);
    }
    page.raw("</body></html>\n");
    page.0
}

/// One operation of the document.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    tag: &'a str,
    id: &'a str,
    value: &'a Value,
}

/// All operations, those with the same tag together.
fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut operations: Vec<Operation<'_>> = members(&document["paths"])
        .flat_map(|(path, item)| {
            members(item).filter(|(_, value)| value.get("operationId").is_some()).map(move |(method, value)| {
                Operation { method, path, tag: text(&value["tags"][0]), id: text(&value["operationId"]), value }
            })
        })
        .collect();
    let order: Vec<&str> = operations.iter().map(|operation| operation.tag).collect();
    operations.sort_by_key(|operation| order.iter().position(|tag| *tag == operation.tag));
    operations
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn raw(&mut self, html: &str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    fn escaped(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                _ => self.0.push(character),
            }
        }
        self
    }

    /// A text in which what stands between backquotes is code.
    fn prose(&mut self, text: &str) -> &mut Self {
        for (place, part) in text.split('`').enumerate() {
            if place % 2 == 1 {
                self.element("code", part);
            } else {
                self.escaped(part);
            }
        }
        self
    }

    fn element(&mut self, name: &str, text: &str) -> &mut Self {
        self.raw("<").raw(name).raw(">").escaped(text).raw("</").raw(name).raw(">")
    }

    fn contents(&mut self, operations: &[Operation<'_>]) {
        self.raw("<nav><ul>");
        for Operation { method, path, id, .. } in operations {
            self.raw("<li><a class=\"path\" href=\"#").escaped(id).raw("\">");
            self.escaped(&method.to_uppercase()).raw(" ").escaped(path).raw("</a></li>\n");
        }
        self.raw("</ul></nav>\n");
    }

    fn operation(&mut self, operation: &Operation<'_>) {
        let Operation { method, path, id, value, .. } = operation;
        self.raw("<article id=\"").escaped(id).raw("\"><h3 class=\"path\"><span class=\"method\">");
        self.escaped(&method.to_uppercase()).raw("</span> ").escaped(path).raw("</h3>\n<p>");
        self.prose(text(&value["summary"])).raw("</p>\n");
        let description = text(&value["description"]);
        if !description.is_empty() {
            self.raw("<p>").prose(description).raw("</p>\n");
        }
        let parameters = value["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !parameters.is_empty() {
            self.raw("<table><tr><th>Parameter</th><th>In</th><th>Type</th><th>Meaning</th></tr>\n");
            for parameter in parameters {
                self.raw("<tr><td>").element("code", text(&parameter["name"])).raw("</td><td>");
                self.escaped(text(&parameter["in"])).raw("</td><td>").kind(&parameter["schema"]).raw("</td><td>");
                self.prose(text(&parameter["description"])).raw("</td></tr>\n");
            }
            self.raw("</table>\n");
        }
        let body = &value["requestBody"]["content"]["application/json"]["schema"];
        if !body.is_null() {
            self.raw("<p>Body: ").kind(body).raw("</p>\n");
        }
        self.raw("<table><tr><th>Status</th><th>Answer</th><th>Body</th></tr>\n");
        for (status, answer) in members(&value["responses"]) {
            self.raw("<tr><td>").escaped(status).raw("</td><td>").prose(text(&answer["description"])).raw("</td><td>");
            for (media_type, content) in members(&answer["content"]) {
                if media_type == "application/json" {
                    self.kind(&content["schema"]);
                } else {
                    self.element("code", media_type);
                }
            }
            self.raw("</td></tr>\n");
        }
        self.raw("</table></article>\n");
    }

    fn object(&mut self, name: &str, schema: &Value) {
        self.raw("<article id=\"").escaped(name).raw("\">").element("h3", name).raw("<p>");
        self.prose(text(&schema["description"])).raw("</p>\n");
        self.raw("<table><tr><th>Field</th><th>Type</th><th>Meaning</th></tr>\n");
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (field, property) in members(&schema["properties"]) {
            self.raw("<tr><td>").element("code", field).raw("</td><td>").kind(property);
            if !required.iter().any(|name| name == field) {
                self.raw(", may be missing");
            }
            self.raw("</td><td>").prose(text(&property["description"]));
            if let Some(version) = property[MICROVERSION].as_str() {
                self.raw(" <small>microversion ").escaped(version).raw("</small>");
            }
            self.raw("</td></tr>\n");
        }
        self.raw("</table></article>\n");
    }

    /// A schema in a few words.
    fn kind(&mut self, schema: &Value) -> &mut Self {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            return self.raw("<a href=\"#").escaped(name).raw("\">").escaped(name).raw("</a>");
        }
        if let Some(words) = schema["enum"].as_array() {
            for (place, word) in words.iter().enumerate() {
                self.raw(if place > 0 { ", " } else { "" });
                self.element("code", &word.as_str().map_or_else(|| word.to_string(), str::to_owned));
            }
            return self;
        }
        if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
            for (place, choice) in choices.iter().enumerate() {
                self.raw(if place > 0 { " or " } else { "" }).kind(choice);
            }
            return self;
        }
        match &schema["type"] {
            Value::String(kind) if kind == "array" => self.raw("list of ").kind(&schema["items"]),
            Value::String(kind) => self.escaped(kind),
            Value::Array(kinds) => {
                let kinds: Vec<&str> = kinds.iter().map(text).collect();
                self.escaped(&kinds.join(" or "))
            }
            _ => self.raw("anything"),
        };
        if let Some(format) = schema["format"].as_str() {
            let _ = write!(self.0, " ({format})");
        }
        self
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_of_the_document_is_taken_for_html() {
        let document = json!({
            "info": {"title": "<b>", "description": "a & b `<i>`"},
            "paths": {"/x": {"get": {"operationId": "\"x", "tags": ["t"], "summary": "<script>", "responses": {}}}},
            "components": {"schemas": {}},
        });
        let page = render(&document, "");
        assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains("<i>"), "{page}");
        assert!(page.contains("a &amp; b <code>&lt;i&gt;</code>") && page.contains("id=\"&quot;x\""), "{page}");
    }
}
