//! What of a value may be shown.

use toml::Value;

use super::declared;

/// Words of names, below which plugins keep what nobody else may see.
const SECRET_WORDS: [&str; 6] = ["password", "passwd", "secret", "token", "credential", "private"];

/// A value as TOML, without what is secret: passwords, secrets, and passwords within addresses.
pub fn shown(name: &str, value: &Value) -> String {
    let last = name.rsplit('.').next().unwrap_or_default().to_lowercase();
    let is_secret = match declared(name) {
        Some(option) => option.is_secret(),
        None => SECRET_WORDS.iter().any(|word| last.contains(word)),
    };
    if is_secret && value.as_str() != Some("") {
        return "\"***\"".to_owned();
    }
    without_passwords(value).to_string()
}

fn without_passwords(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_password(text)),
        Value::Array(items) => Value::Array(items.iter().map(without_passwords).collect()),
        other => other.clone(),
    }
}

/// `scheme://user:***@host` of an address with a password.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority = rest.find(['/', '?', '#']).map_or(rest, |end| &rest[..end]);
    // A password may hold an unescaped slash, which is no address then, but still nobody's business.
    let Some(at) = authority.rfind('@').or_else(|| rest.rfind('@')) else { return text.to_owned() };
    let (user, place) = (&rest[..at], &rest[at + 1..]);
    let Some((user, _)) = user.split_once(':') else { return text.to_owned() };
    let place = place.split_once('?').map_or_else(
        || place.to_owned(),
        |(place, query)| {
            if query.to_lowercase().contains("password=") { format!("{place}?***") } else { format!("{place}?{query}") }
        },
    );
    format!("{scheme}://{user}:***@{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blanked_wherever_they_are() {
        for (name, value, want) in [
            ("keystone.password", "hunter2", "\"***\""),
            ("keystone.password", "", "\"\""),
            ("keystone.application_credential_secret", "hunter2", "\"***\""),
            ("keystone.application_credential_id", "a1", "\"a1\""),
            ("keystone.token_cache_s", "60", "\"60\""),
            (
                "database.url",
                "postgres://watcher:hunter2@db:5432/watcher",
                "\"postgres://watcher:***@db:5432/watcher\"",
            ),
            ("database.url", "postgres://watcher:hun/ter@2@db/watcher", "\"postgres://watcher:***@db/watcher\""),
            ("database.url", "sqlite://watcher.db", "\"sqlite://watcher.db\""),
            ("prometheus.url", "http://me:hunter2@prometheus:9090", "\"http://me:***@prometheus:9090\""),
            ("plugins.action.mail.smtp_password", "hunter2", "\"***\""),
            ("plugins.action.mail.server", "smtp", "\"smtp\""),
        ] {
            assert_eq!(shown(name, &Value::String(value.to_owned())), want, "{name}");
        }
    }
}
