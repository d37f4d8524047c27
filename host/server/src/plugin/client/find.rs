//! Finding the plugin that a person means.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::connection::Connection;
use super::{PluginName, word};

/// A plugin of the service.
pub(super) struct Named {
    uuid: String,
    /// Its name.
    pub(super) name: String,
    /// Who sees it.
    pub(super) visibility: String,
    /// Digest of the version that runs, if one does.
    running: Option<String>,
}

impl Named {
    /// Finds it by UUID, or by name among those that the project sees: its own one before one that was offered, before any other.
    pub(super) async fn find(service: &Connection, plugin: &PluginName) -> anyhow::Result<Self> {
        let uuid = match uuid::Uuid::parse_str(&plugin.name) {
            Ok(uuid) => uuid.to_string(),
            Err(_) => by_name(service, plugin).await?,
        };
        let record = service.get(&format!("/v1/plugins/{uuid}"), &[]).await?;
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            uuid,
            name: text("name"),
            visibility: text("visibility"),
            running: record["running"]["digest"].as_str().map(str::to_owned),
        })
    }

    /// A path below the plugin.
    pub(super) fn path(&self, below: &str) -> String {
        format!("/v1/plugins/{}{below}", self.uuid)
    }

    /// Digest of the version that runs.
    pub(super) fn running(&self) -> anyhow::Result<&str> {
        self.running.as_deref().with_context(|| format!("no version of {} runs: all are deactivated", self.name))
    }

    /// What these versions ask of the cloud.
    pub(super) async fn requests(&self, service: &Connection, versions: &[String]) -> anyhow::Result<Vec<Value>> {
        let mut all: Vec<Value> = Vec::new();
        for version in versions {
            let version = service.get(&self.path(&format!("/versions/{version}")), &[]).await?;
            let Some(requests) = version["report"]["requests"].as_array() else {
                bail!("the service does not say what {} asks for; name it with --request", self.name)
            };
            for request in requests {
                if !all.contains(request) {
                    all.push(request.clone());
                }
            }
        }
        Ok(all)
    }
}

/// UUID of the one plugin of this name.
async fn by_name(service: &Connection, plugin: &PluginName) -> anyhow::Result<String> {
    let mut query = vec![("name", plugin.name.clone())];
    query.extend(plugin.kind.as_ref().map(|kind| ("kind", word(kind))));
    let mut found = service.all("/v1/plugins", "plugins", "uuid", &query).await?;
    query.push(("member_status", "all".to_owned()));
    for offered in service.all("/v1/plugins", "plugins", "uuid", &query).await? {
        if !found.iter().any(|known| known["uuid"] == offered["uuid"]) {
            found.push(offered);
        }
    }
    let project = service.project().await?.map(Value::String);
    one_of(&plugin.name, &found, project.as_ref())
}

/// The one that is meant; of several, the project's own.
fn one_of(name: &str, found: &[Value], project: Option<&Value>) -> anyhow::Result<String> {
    let own: Vec<&Value> =
        found.iter().filter(|plugin| project.is_some_and(|own| plugin["project_id"] == *own)).collect();
    let candidates = if own.is_empty() { found.iter().collect() } else { own };
    let uuid = |plugin: &Value| plugin["uuid"].as_str().unwrap_or_default().to_owned();
    match candidates[..] {
        [] => bail!("there is no plugin {name} that this project sees; a community plugin is named by its UUID"),
        [one] => Ok(uuid(one)),
        _ => {
            let known: Vec<String> = candidates
                .iter()
                .map(|plugin| format!("{} ({})", uuid(plugin), plugin["kind"].as_str().unwrap_or_default()))
                .collect();
            bail!("several plugins are called {name}; give --kind, or the UUID: {}", known.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_several_plugins_the_projects_own_is_meant() {
        let found = [
            json!({"uuid": "a", "kind": "strategy", "project_id": null}),
            json!({"uuid": "b", "kind": "strategy", "project_id": "p"}),
            json!({"uuid": "c", "kind": "action", "project_id": "q"}),
        ];
        assert_eq!(one_of("x", &found, Some(&json!("p"))).unwrap(), "b");
        assert_eq!(one_of("x", &found[..1], Some(&json!("p"))).unwrap(), "a");
        let error = one_of("x", &found, None).unwrap_err().to_string();
        assert!(error.ends_with("give --kind, or the UUID: a (strategy), b (strategy), c (action)"), "{error}");
        assert!(one_of("x", &[], None).unwrap_err().to_string().starts_with("there is no plugin x"));
    }
}
