//! Puts the sources of the configuration together.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use watcher_domain::spelling::nearest;

use super::clouds::{self, CloudError};
use super::{Config, SECTIONS, declared, shown};

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML. The line itself is not told: a password may be in it.
    #[error("configuration file {path} is not valid TOML: line {line}: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// There is no such option.
    #[error("{origin} sets {name}, which is not an option{}", suggestion(.nearest.as_deref()))]
    Unknown {
        /// Where it was set.
        origin: Origin,
        /// What was set.
        name: String,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
    /// A value of the wrong type.
    #[error("{origin} sets {name} to a value that does not fit: {reason}")]
    Value {
        /// Where it was set.
        origin: Origin,
        /// Which option.
        name: String,
        /// What does not fit.
        reason: String,
    },
    /// A setting of the command line without `=`.
    #[error("--set {0} is not of the form SECTION.OPTION=VALUE")]
    Setting(String),
    /// A cloud of `clouds.yaml` cannot be used.
    #[error("{origin} sets keystone.cloud, and that cloud cannot be used")]
    Cloud {
        /// Where it was set.
        origin: Origin,
        /// Why.
        #[source]
        source: CloudError,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The program.
    Default,
    /// A cloud of a `clouds.yaml`.
    Cloud {
        /// The cloud.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// `--set`, or a flag.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Cloud { name, path } => write!(f, "cloud {name} of {}", path.display()),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// A configuration with the origin of every value.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The options.
    pub config: Config,
    /// Path, value and origin of every option, sorted by path.
    pub origins: BTreeMap<String, (Value, Origin)>,
}

/// Prefix of environment variables: `WATCHER_SECTION__OPTION`.
const PREFIX: &str = "WATCHER_";
/// Variables that are no options and look like a misspelt one.
const NO_OPTIONS: &[&str] = &["WATCHER_PLUGINS_DIR"];

/// The sources so far.
struct Sources {
    values: BTreeMap<String, (Value, Origin)>,
    /// Names of options whose values have no names of their own below.
    known: Vec<String>,
    /// Names of options below which names are free.
    free: Vec<String>,
}

impl Config {
    /// Puts the sources together: `file`, then variables `WATCHER_SECTION__OPTION` of `environment`, then `settings` of the form
    /// `section.option=value`. A cloud that `keystone.cloud` names counts over defaults only.
    ///
    /// # Errors
    /// [`ConfigError`] says which source set what is refused.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        settings: &[String],
    ) -> Result<Loaded, ConfigError> {
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let mut sources = Sources::defaults();
        if let Some(path) = file {
            sources.file(path)?;
        }
        for (variable, text) in &environment {
            sources.variable(variable, text)?;
        }
        for setting in settings {
            let (name, text) = setting.split_once('=').ok_or_else(|| ConfigError::Setting(setting.clone()))?;
            let name = name.trim().to_owned();
            let value = sources.parse(&name, text);
            sources.set(name, value, Origin::CommandLine)?;
        }
        sources.cloud(&environment)?;
        let config = sources.config()?;
        Ok(Loaded { config, origins: sources.values })
    }
}

impl Sources {
    fn defaults() -> Self {
        let (mut values, mut free) = (BTreeMap::new(), Vec::new());
        for section in SECTIONS {
            for option in section.options {
                let name = format!("{}.{}", section.name, option.name);
                match &defaults()[section.name][option.name] {
                    Value::Table(table) if table.is_empty() => free.push(name),
                    Value::Table(table) => flatten(&name, table, &mut |name, value| {
                        values.insert(name, (value, Origin::Default));
                    }),
                    value => {
                        values.insert(name, (value.clone(), Origin::Default));
                    }
                }
            }
        }
        Self { known: values.keys().cloned().collect(), values, free }
    }

    fn set(&mut self, name: String, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let below = |prefix: &String| name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('.'));
        if self.known.contains(&name) || self.free.iter().any(below) {
            self.values.insert(name, (value, origin));
            return Ok(());
        }
        let is_prefix = |known: &String| known.strip_prefix(&name).is_some_and(|rest| rest.starts_with('.'));
        if self.free.contains(&name) || self.known.iter().any(is_prefix) {
            if value.as_table().is_some_and(Table::is_empty) {
                return Ok(());
            }
            return Err(ConfigError::Value { origin, name, reason: "it is a section, not an option".to_owned() });
        }
        let nearest = nearest(&name, self.known.iter().chain(&self.free).map(String::as_str)).map(str::to_owned);
        Err(ConfigError::Unknown { origin, name, nearest })
    }

    fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let line = text.as_bytes()[..at].split(|byte| *byte == b'\n').count();
            ConfigError::Syntax { path: path.to_owned(), line, reason: error.message().to_owned() }
        })?;
        let mut entries = Vec::new();
        flatten("", &table, &mut |name, value| entries.push((name, value)));
        for (name, value) in entries {
            self.set(name, value, Origin::File(path.to_owned()))?;
        }
        Ok(())
    }

    fn variable(&mut self, variable: &str, text: &str) -> Result<(), ConfigError> {
        let Some(rest) = variable.strip_prefix(PREFIX) else { return Ok(()) };
        let origin = Origin::Environment(variable.to_owned());
        let Some((section, option)) = rest.split_once("__") else {
            // One underscore where there must be two would silently leave a default in force.
            let flat = rest.to_lowercase();
            let meant = self.known.iter().find(|known| known.replace('.', "_") == flat);
            return match meant.filter(|_| !NO_OPTIONS.contains(&variable)) {
                None => Ok(()),
                Some(meant) => Err(ConfigError::Unknown {
                    origin,
                    name: flat,
                    nearest: Some(format!("{PREFIX}{}", meant.replace('.', "__").to_uppercase())),
                }),
            };
        };
        let name = format!("{section}.{}", option.replace("__", ".")).to_lowercase();
        let value = self.parse(&name, text);
        self.set(name, value, origin)
    }

    /// Lets a cloud count where only defaults do.
    fn cloud(&mut self, environment: &[(String, String)]) -> Result<(), ConfigError> {
        let (cloud, origin) = match self.values.get("keystone.cloud") {
            Some((Value::String(cloud), origin)) if !cloud.is_empty() => (cloud.clone(), origin.clone()),
            _ => return Ok(()),
        };
        let found = clouds::read(&cloud, environment).map_err(|source| ConfigError::Cloud { origin, source })?;
        for (option, value) in found.values {
            let name = format!("keystone.{option}");
            if self.values.get(&name).is_some_and(|(_, origin)| *origin == Origin::Default) {
                let origin = Origin::Cloud { name: cloud.clone(), path: found.path.clone() };
                self.values.insert(name, (value, origin));
            }
        }
        Ok(())
    }

    /// The value that a text means: for an option that is a text, the text itself, with or without quotes; for a list, its items by
    /// commas; else what TOML makes of it, and the text if it makes nothing.
    fn parse(&self, name: &str, text: &str) -> Value {
        let toml = || format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
        let as_text = || Value::String(text.to_owned());
        match self.values.get(name).map(|(value, _)| value) {
            Some(Value::String(_)) => toml().filter(Value::is_str).unwrap_or_else(as_text),
            Some(Value::Array(_)) => toml().filter(Value::is_array).unwrap_or_else(|| {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }),
            _ => toml().unwrap_or_else(as_text),
        }
    }

    fn config(&self) -> Result<Config, ConfigError> {
        for (name, (value, origin)) in &self.values {
            let range = declared(name).and_then(|option| option.range.first());
            if let (Some(range), Value::Integer(number)) = (range, value)
                && !range.contains(number)
            {
                let reason = format!("{number} is not within {} to {}", range.start(), range.end());
                return Err(ConfigError::Value { origin: origin.clone(), name: name.clone(), reason });
            }
        }
        let mut table = Table::new();
        for (name, (value, _)) in &self.values {
            insert(&mut table, name, value.clone());
        }
        table.try_into().map_err(|error: toml::de::Error| self.culprit(&error))
    }

    /// Which value does not fit: the first that spoils the defaults.
    fn culprit(&self, error: &toml::de::Error) -> ConfigError {
        for (name, (value, origin)) in self.values.iter().filter(|(_, (_, origin))| *origin != Origin::Default) {
            let mut table = defaults();
            insert(&mut table, name, value.clone());
            if let Err(error) = table.try_into::<Config>() {
                let is_secret = shown(name, value) == "\"***\"";
                let reason = if is_secret { "it must be a text".to_owned() } else { error.message().to_owned() };
                return ConfigError::Value { origin: origin.clone(), name: name.clone(), reason };
            }
        }
        let reason = error.message().to_owned();
        ConfigError::Value { origin: Origin::Default, name: "an option".to_owned(), reason }
    }
}

/// All options with their defaults.
pub(super) fn defaults() -> Table {
    Table::try_from(Config::default()).expect("the default configuration is made of plain values")
}

/// Passes on every value below a table with its dotted name; an empty table as itself.
pub(super) fn flatten(prefix: &str, table: &Table, take: &mut dyn FnMut(String, Value)) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) if !inner.is_empty() => flatten(&name, inner, take),
            _ => take(name, value.clone()),
        }
    }
}

fn insert(table: &mut Table, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            table.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: Option<&Path>, environment: &[(&str, &str)], settings: &[&str]) -> Result<Loaded, ConfigError> {
        let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        Config::load(file, environment, &settings)
    }

    fn refusal(file: Option<&str>, environment: &[(&str, &str)], settings: &[&str]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("watcher.toml");
        std::fs::write(&path, file.unwrap_or_default()).unwrap();
        let text = load(file.map(|_| path.as_path()), environment, settings).unwrap_err().to_string();
        text.replace(&path.display().to_string(), "watcher.toml")
    }

    #[test]
    fn the_command_line_wins_over_the_environment_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("watcher.toml");
        std::fs::write(&file, "[api]\nmax_limit = 1\n[log]\nlevel = 'debug'\n[applier]\nmax_workers = 1\n").unwrap();
        let environment = [("WATCHER_API__MAX_LIMIT", "2"), ("WATCHER_LOG__LEVEL", "warn"), ("WATCHER_SHARED", "x")];
        let loaded = load(Some(&file), &environment, &["api.max_limit=3"]).unwrap();
        assert_eq!(loaded.config.api.max_limit, 3);
        assert_eq!(loaded.config.log.level, "warn");
        assert_eq!(loaded.config.applier.max_workers, 1);
        assert_eq!(loaded.origins["api.max_limit"].1, Origin::CommandLine);
        assert_eq!(loaded.origins["log.level"].1, Origin::Environment("WATCHER_LOG__LEVEL".to_owned()));
        assert_eq!(loaded.origins["applier.max_workers"].1, Origin::File(file));
        assert_eq!(loaded.origins["api.listen"].1, Origin::Default);
    }

    #[test]
    fn an_unknown_option_is_refused_with_the_nearest_name_wherever_it_is_set() {
        assert_eq!(
            refusal(None, &[], &["api.max_limits=3"]),
            "command line sets api.max_limits, which is not an option; did you mean api.max_limit?"
        );
        assert_eq!(
            refusal(None, &[("WATCHER_KEYSTONE__USER_NAME", "x")], &[]),
            "environment variable WATCHER_KEYSTONE__USER_NAME sets keystone.user_name, which is not an option; did you mean \
             keystone.username?"
        );
        assert_eq!(
            refusal(None, &[("WATCHER_API_LISTEN", "x")], &[]),
            "environment variable WATCHER_API_LISTEN sets api_listen, which is not an option; did you mean WATCHER_API__LISTEN?"
        );
        for (text, want) in [
            (
                "[keyston]\nauth_url = 'x'",
                "file watcher.toml sets keyston.auth_url, which is not an option; did you mean keystone.auth_url?",
            ),
            ("[nothing]", "file watcher.toml sets nothing, which is not an option"),
            (
                "[sandbox.limits]\nfuell = 1",
                "file watcher.toml sets sandbox.limits.fuell, which is not an option; did you mean sandbox.limits.fuel?",
            ),
            ("listen = 'x'", "file watcher.toml sets listen, which is not an option; did you mean api.listen?"),
        ] {
            assert_eq!(refusal(Some(text), &[], &[]), want);
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_told_with_its_option_and_origin() {
        assert_eq!(
            refusal(None, &[], &["api.max_limit=0"]),
            "command line sets api.max_limit to a value that does not fit: 0 is not within 1 to 100000"
        );
        let text = refusal(Some("[api]\nlisten = 'nowhere'"), &[], &[]);
        assert!(text.starts_with("file watcher.toml sets api.listen to a value that does not fit: "), "{text}");
        let text = refusal(None, &[("WATCHER_API__AUTH", "no")], &[]);
        assert!(text.contains("WATCHER_API__AUTH sets api.auth") && text.contains("`keystone`"), "{text}");
        assert!(refusal(Some("api = 3"), &[], &[]).ends_with("it is a section, not an option"));
        let text = refusal(Some("[keystone]\npassword = 12345"), &[], &[]);
        assert!(text.contains("keystone.password") && !text.contains("12345"), "{text}");
        let text = refusal(Some("[api]\n\n[keystone]\npassword = 'hunter2"), &[], &[]);
        assert!(text.contains("line 4") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_text_stays_a_text_whatever_it_looks_like() {
        let environment = [("WATCHER_KEYSTONE__PASSWORD", "0123"), ("WATCHER_KEYSTONE__PROJECT_NAME", "true")];
        let loaded = load(None, &environment, &["keystone.username=\"a b\"", "cors.allowed_origin=http://a, http://b"]);
        let config = loaded.unwrap().config;
        assert_eq!((config.keystone.password.reveal(), config.keystone.project_name.as_str()), ("0123", "true"));
        assert_eq!(config.keystone.username, "a b");
        assert_eq!(config.cors.allowed_origin, ["http://a", "http://b"]);
    }

    #[test]
    fn configuration_of_plugins_is_passed_on_as_it_is() {
        let loaded = load(None, &[], &["plugins.action.migrate.migration_interval_s=2"]).unwrap();
        assert_eq!(loaded.config.plugins.action["migrate"]["migration_interval_s"].as_integer(), Some(2));
        let loaded = load(None, &[], &["keystone.endpoint_override.compute=http://nova"]).unwrap();
        assert_eq!(loaded.config.keystone.endpoint_override["compute"], "http://nova");
    }

    #[test]
    fn a_password_is_never_shown() {
        let environment =
            [("WATCHER_KEYSTONE__PASSWORD", "hunter2"), ("WATCHER_DATABASE__URL", "postgres://w:hunter2@d/w")];
        let loaded = load(None, &environment, &[]).unwrap();
        assert!(!format!("{:?}", loaded.config.keystone).contains("hunter2"));
        for (name, (value, _)) in &loaded.origins {
            assert!(!shown(name, value).contains("hunter2"), "{name}");
        }
    }
}
