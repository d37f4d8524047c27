//! A cloud of `clouds.yaml`, found as the stock clients find it, as options of section `keystone`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::Value;
use watcher_domain::spelling::nearest;

use super::KeystoneConfig;
use crate::yaml::{self, Node, YamlError};

/// Why a cloud cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// No file has clouds.
    #[error("there is no clouds.yaml; it was looked for at {0}")]
    NoFile(String),
    /// A file cannot be read.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The file does not have this cloud.
    #[error("{path} has no cloud {name}; it has {known}")]
    NoCloud {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        name: String,
        /// What is there.
        known: String,
    },
    /// Something about the cloud that is not understood.
    #[error("{path}, line {line}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

/// A cloud.
pub(super) struct Cloud {
    /// Where it is described.
    pub(super) path: PathBuf,
    /// Options of section `keystone`.
    pub(super) values: BTreeMap<&'static str, Value>,
}

/// Names that an entry may have in its `auth` part, other than those of options: older ones for the same.
const OLDER: &[(&str, &str)] =
    &[("user_name", "username"), ("tenant_name", "project_name"), ("tenant_id", "project_id")];
/// Options that stand beside `auth`.
const BESIDE: &[&str] = &["auth_type", "region_name", "interface", "cacert"];
/// What no setting here stands for, and must not be passed over.
const NOT_SERVED: &[(&str, &str)] = &[
    ("profile", "profiles of vendors are not known here: write auth_url and the rest into this entry"),
    ("cert", "client certificates are not supported"),
    ("key", "client certificates are not supported"),
];

/// Finds a cloud by its name.
pub(super) fn read(name: &str, environment: &[(String, String)]) -> Result<Cloud, CloudError> {
    let candidates = paths("clouds", "OS_CLIENT_CONFIG_FILE", environment);
    let Some(path) = candidates.iter().find(|path| path.is_file()).cloned() else {
        let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        return Err(CloudError::NoFile(looked.join(", ")));
    };
    let mut tree = yaml::read(&path)?;
    if let Some(secure) = paths("secure", "OS_CLIENT_SECURE_FILE", environment).into_iter().find(|path| path.is_file())
    {
        tree.overlay(yaml::read(&secure)?);
    }
    let clouds = tree.get("clouds");
    let Some(cloud) = clouds.and_then(|clouds| clouds.get(name)) else {
        let known = match clouds.map(|clouds| &clouds.value) {
            Some(yaml::Value::Map(entries)) if !entries.is_empty() => {
                entries.iter().map(|(key, _)| key.text.as_str()).collect::<Vec<_>>().join(", ")
            }
            _ => "none".to_owned(),
        };
        return Err(CloudError::NoCloud { path, name: name.to_owned(), known });
    };
    match values(cloud) {
        Ok(values) => Ok(Cloud { path, values }),
        Err((line, reason)) => Err(CloudError::Content { path, line, reason }),
    }
}

/// Where a file may be: as the environment says, else in the working folder, the user's and the system's.
fn paths(stem: &str, variable: &str, environment: &[(String, String)]) -> Vec<PathBuf> {
    let value = |name: &str| {
        environment.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    };
    if let Some(path) = value(variable) {
        return vec![PathBuf::from(path)];
    }
    let mut folders = vec![PathBuf::new()];
    folders.extend(value("XDG_CONFIG_HOME").map(|home| PathBuf::from(home).join("openstack")));
    folders.extend(value("HOME").map(|home| PathBuf::from(home).join(".config/openstack")));
    folders.push(PathBuf::from("/etc/openstack"));
    let files = ["yaml", "yml", "json"].map(|extension| format!("{stem}.{extension}"));
    folders.iter().flat_map(|folder| files.iter().map(|file| folder.join(file))).collect()
}

fn values(cloud: &Node) -> Result<BTreeMap<&'static str, Value>, (usize, String)> {
    let mut values = BTreeMap::new();
    let options = || KeystoneConfig::OPTIONS.iter().map(|option| option.name);
    if let Some(yaml::Value::Map(entries)) = cloud.get("auth").map(|auth| &auth.value) {
        for (key, node) in entries {
            let name = OLDER.iter().find(|(older, _)| *older == key.text).map_or(key.text.as_str(), |(_, name)| name);
            let serves = |option: &&str| {
                !BESIDE.contains(option)
                    && !matches!(*option, "cloud" | "insecure" | "www_authenticate_uri" | "endpoint_override")
                    && !option.starts_with("token_cache")
            };
            let Some(option) = options().filter(serves).find(|option| *option == name) else {
                let meant = nearest(name, options().filter(serves));
                let meant = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
                return Err((key.line, format!("auth.{} is not known here{meant}", key.text)));
            };
            if let Some(text) = text(node)? {
                values.insert(option, Value::String(text));
            }
        }
    }
    let yaml::Value::Map(entries) = &cloud.value else { return Err((cloud.line, "a cloud must be a map".to_owned())) };
    for (key, node) in entries {
        if let Some((name, reason)) = NOT_SERVED.iter().find(|(name, _)| *name == key.text) {
            return Err((key.line, format!("{name}: {reason}")));
        }
        let option = BESIDE.iter().find(|option| **option == key.text).copied();
        match (option, key.text.as_str()) {
            (Some(option), _) => {
                if let Some(text) = text(node)? {
                    values.insert(option, Value::String(text));
                }
            }
            (None, "endpoint_type") => {
                if let Some(text) = text(node)? {
                    values.entry("interface").or_insert(Value::String(text));
                }
            }
            (None, "insecure") => {
                values.insert("insecure", Value::Boolean(truth(node)?));
            }
            (None, "verify") => {
                values.insert("insecure", Value::Boolean(!truth(node)?));
            }
            // What other clients want to know: versions of APIs they use, and the like.
            (None, _) => {}
        }
    }
    Ok(values)
}

fn text(node: &Node) -> Result<Option<String>, (usize, String)> {
    match &node.value {
        yaml::Value::Null => Ok(None),
        yaml::Value::Scalar(text) => Ok(Some(text.clone())),
        yaml::Value::List(_) | yaml::Value::Map(_) => Err((node.line, "a text is expected here".to_owned())),
    }
}

fn truth(node: &Node) -> Result<bool, (usize, String)> {
    match text(node)?.unwrap_or_default().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err((node.line, "true or false is expected here".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Loaded, Origin};

    const CLOUDS: &str = r"
clouds:
  lab:
    auth: &auth
      auth_url: https://keystone.example/v3
      username: optimizer
      project_name: ops
      user_domain_id: default
    region_name: North
    endpoint_type: internalURL
    verify: false
    volume_api_version: '3'
  robot:
    auth_type: v3applicationcredential
    auth:
      auth_url: https://keystone.example/v3
      application_credential_id: a1
      application_credential_secret: hunter2
  typo: {auth: {auth_ulr: x}}
  vendor: {profile: somebody}
";

    fn load(settings: &[&str], secure: Option<&str>) -> Result<Loaded, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("openstack")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join("openstack").join(name), text).unwrap();
        write("clouds.yaml", CLOUDS);
        if let Some(text) = secure {
            write("secure.yaml", text);
        }
        let environment = [("XDG_CONFIG_HOME".to_owned(), dir.path().display().to_string())];
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        Config::load(None, environment, &settings).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            format!("{error}: {cause}").replace(&dir.path().display().to_string(), "~")
        })
    }

    #[test]
    fn a_cloud_counts_over_defaults_and_under_everything_else() {
        let secure = "clouds: {lab: {auth: {password: hunter2}}}";
        let loaded = load(&["keystone.cloud=lab", "keystone.username=watcher"], Some(secure)).unwrap();
        let keystone = &loaded.config.keystone;
        assert_eq!(keystone.auth_url, "https://keystone.example/v3");
        // A setting counts even if it says the same as the default.
        assert_eq!(keystone.username, "watcher");
        assert_eq!((keystone.project_name.as_str(), keystone.user_domain_id.as_str()), ("ops", "default"));
        assert_eq!((keystone.region_name.as_str(), keystone.interface.as_str()), ("North", "internalURL"));
        assert_eq!(keystone.password.reveal(), "hunter2");
        assert!(keystone.insecure);
        assert!(matches!(&loaded.origins["keystone.auth_url"].1, Origin::Cloud { name, .. } if name == "lab"));
        let robot = load(&["keystone.cloud=robot"], None).unwrap().config.keystone;
        assert_eq!(robot.auth_type, "v3applicationcredential");
        assert_eq!(
            (robot.application_credential_id.as_str(), robot.application_credential_secret.reveal()),
            ("a1", "hunter2")
        );
    }

    #[test]
    fn a_cloud_that_cannot_be_used_is_told() {
        for (cloud, want) in [
            ("nope", "has no cloud nope; it has lab, robot, typo, vendor"),
            ("typo", "line 19: auth.auth_ulr is not known here; did you mean auth_url?"),
            ("vendor", "line 20: profile: "),
        ] {
            let text = load(&[&format!("keystone.cloud={cloud}")], None).unwrap_err();
            assert!(text.starts_with("command line sets keystone.cloud, ") && text.contains(want), "{text}");
        }
        let nowhere = [("OS_CLIENT_CONFIG_FILE".to_owned(), "/nowhere/clouds.yaml".to_owned())];
        let error = Config::load(None, nowhere, &["keystone.cloud=lab".to_owned()]).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "there is no clouds.yaml; it was looked for at /nowhere/clouds.yaml");
    }
}
