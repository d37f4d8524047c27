//! Configuration: defaults, one TOML file, environment variables, and the command line, each over the ones before.
//!
//! Every value has an origin, and a name that is not an option is refused with the nearest one: a misspelt option must not
//! silently leave a default in force. This is the only place that reads the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use watcher_domain::Limits;

/// All options. Durations are in the unit that their names end with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The REST API.
    pub api: ApiConfig,
    /// Where rows are kept.
    pub database: DatabaseConfig,
    /// The cloud, and who this service is there.
    pub keystone: KeystoneConfig,
    /// Where measurements come from.
    pub prometheus: PrometheusConfig,
    /// Audits.
    pub decision_engine: DecisionEngineConfig,
    /// Action plans.
    pub applier: ApplierConfig,
    /// Signs of life of the decision engine and the applier.
    pub service: ServiceConfig,
    /// What plugins may use.
    pub sandbox: SandboxConfig,
    /// Built-in plugins, and configuration of plugins.
    pub plugins: PluginsConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// The REST API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Largest page of a list.
    pub max_limit: u32,
    /// Largest request body in bytes.
    pub max_body_bytes: usize,
    /// `keystone`, or `none`: everybody who reaches the address is administrator.
    pub auth: Auth,
}

/// How callers are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// By their Keystone tokens.
    Keystone,
    /// Not at all.
    None,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9322)),
            max_limit: 1000,
            max_body_bytes: 1 << 20,
            auth: Auth::Keystone,
        }
    }
}

/// Where rows are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite://FILE` or `postgres://USER:PASSWORD@HOST:PORT/NAME`.
    pub url: String,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: "sqlite://watcher.db".to_owned() }
    }
}

/// The cloud, and who this service is there.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeystoneConfig {
    /// Identity endpoint with its version, e.g. `http://controller:5000/v3`.
    pub auth_url: String,
    /// Service user.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Its domain.
    pub user_domain_name: String,
    /// Project of the service user.
    pub project_name: String,
    /// Domain of that project.
    pub project_domain_name: String,
    /// Region of the endpoints; empty takes the first.
    pub region_name: String,
    /// `public`, `internal` or `admin`.
    pub interface: String,
    /// How long the answer about a caller's token is kept, in seconds; never beyond the token's own life.
    pub token_cache_s: u64,
}

impl Default for KeystoneConfig {
    fn default() -> Self {
        Self {
            auth_url: String::new(),
            username: "watcher".to_owned(),
            password: String::new(),
            user_domain_name: "Default".to_owned(),
            project_name: "service".to_owned(),
            project_domain_name: "Default".to_owned(),
            region_name: String::new(),
            interface: "public".to_owned(),
            token_cache_s: 60,
        }
    }
}

impl fmt::Debug for KeystoneConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeystoneConfig")
            .field("auth_url", &self.auth_url)
            .field("username", &self.username)
            .field("password", &"***")
            .field("project_name", &self.project_name)
            .field("region_name", &self.region_name)
            .finish_non_exhaustive()
    }
}

/// Where measurements come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrometheusConfig {
    /// Base address, e.g. `http://prometheus:9090`; empty takes service type `metric-storage` from the catalogue.
    pub url: String,
    /// Label of a host's series that has its name.
    pub fqdn_label: String,
    /// Label of an instance's series that has its UUID.
    pub instance_uuid_label: String,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self { url: String::new(), fqdn_label: "fqdn".to_owned(), instance_uuid_label: "resource".to_owned() }
    }
}

/// Audits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionEngineConfig {
    /// How many audits run at once.
    pub max_audit_workers: usize,
    /// How long a claim holds without being renewed, in seconds.
    pub lease_s: u64,
    /// How often rows are looked for whose message was lost, in seconds.
    pub sweep_interval_s: u64,
    /// How often continuous audits are looked at without anything being due or said, in seconds.
    pub continuous_audit_interval_s: u64,
    /// Age at which a recommended action plan is superseded, in hours; 0 for never.
    pub action_plan_expiry_h: u64,
    /// How often action plans are looked at for their age, in seconds.
    pub check_periodic_interval_s: u64,
}

impl Default for DecisionEngineConfig {
    fn default() -> Self {
        Self {
            max_audit_workers: 2,
            lease_s: 60,
            sweep_interval_s: 10,
            continuous_audit_interval_s: 10,
            action_plan_expiry_h: 24,
            check_periodic_interval_s: 1800,
        }
    }
}

/// Signs of life of the decision engine and the applier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceConfig {
    /// Name of this host in rows and in the API; empty takes the machine's.
    pub host: String,
    /// How often a sign of life is given, in seconds.
    pub periodic_interval_s: u64,
    /// How long after its last sign of life a service counts as failed, in seconds.
    pub service_down_time_s: u32,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self { host: String::new(), periodic_interval_s: 60, service_down_time_s: 90 }
    }
}

/// Action plans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApplierConfig {
    /// How many plans are carried out at once.
    pub max_plans: usize,
    /// How many actions of one plan run at once.
    pub max_workers: usize,
    /// How long a claim holds without being renewed, in seconds.
    pub lease_s: u64,
    /// How often rows are looked for whose message was lost, in seconds.
    pub sweep_interval_s: u64,
    /// What happens after a failed action, by strategy: `ANY` (nothing more starts, the default) or `ALWAYS` (later actions go on).
    pub action_execution_rule: BTreeMap<String, watcher_applier::ExecutionRule>,
}

impl Default for ApplierConfig {
    fn default() -> Self {
        Self { max_plans: 2, max_workers: 4, lease_s: 60, sweep_interval_s: 10, action_execution_rule: BTreeMap::new() }
    }
}

/// What plugins may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxConfig {
    /// Folder for compiled components; empty takes `$XDG_CACHE_HOME/watcher-host` or `~/.cache/watcher-host`.
    pub cache_dir: String,
    /// How many instances run at once.
    pub max_instances: u32,
    /// Limits of one call of a strategy or planner.
    pub limits: Limits,
    /// Limits of one call of an action handler.
    pub action_limits: Limits,
    /// Limits of one call of a scoring engine.
    pub scoring_limits: Limits,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            cache_dir: String::new(),
            max_instances: 32,
            limits: Limits::default(),
            action_limits: Limits::for_actions(),
            scoring_limits: Limits::for_scoring(),
        }
    }
}

/// Built-in plugins, and configuration of plugins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginsConfig {
    /// Folder with the built-in components (`strategies/`, `actions/`, `planners/`, `scoring/`); empty looks beside the program.
    pub dir: String,
    /// Configuration of strategies by name, as their schemas have it.
    pub strategy: BTreeMap<String, Table>,
    /// Configuration of planners by name.
    pub planner: BTreeMap<String, Table>,
    /// Configuration of action types by name.
    pub action: BTreeMap<String, Table>,
    /// Configuration of scoring engines by name.
    pub scoring_engine: BTreeMap<String, Table>,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,watcher_engine=debug`.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

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
    /// The file is not TOML.
    #[error("configuration file {path} is not valid TOML")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
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
    /// A value of the wrong type, or out of range.
    #[error("the configuration has a value that does not fit")]
    Value(#[source] Box<toml::de::Error>),
    /// A setting of the command line without `=`.
    #[error("--set {0} is not of the form SECTION.OPTION=VALUE")]
    Setting(String),
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The program.
    Default,
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

/// Sections whose names below are free: plugins are not known here.
const FREE: &[&str] = &["plugins.strategy.", "plugins.planner.", "plugins.action.", "applier.action_execution_rule."];

/// Prefix of environment variables: `WATCHER_SECTION__OPTION`.
const PREFIX: &str = "WATCHER_";

impl Config {
    /// Puts the sources together: `file`, then variables `WATCHER_SECTION__OPTION` of `environment`, then `settings` of the form
    /// `section.option=value`.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        settings: &[String],
    ) -> Result<Loaded, ConfigError> {
        let mut values = BTreeMap::new();
        flatten("", &defaults(), &mut |name, value| {
            values.insert(name, (value, Origin::Default));
        });
        let known: Vec<String> = values.keys().cloned().collect();
        let mut set = |name: String, value: Value, origin: Origin| {
            let name = if known.contains(&name) || FREE.iter().any(|prefix| name.starts_with(prefix)) {
                name
            } else {
                let nearest = nearest(&name, &known);
                return Err(ConfigError::Unknown { origin, name, nearest });
            };
            values.insert(name, (value, origin));
            Ok(())
        };
        if let Some(path) = file {
            let text =
                std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
            let table: Table = text
                .parse()
                .map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
            let mut entries = Vec::new();
            flatten("", &table, &mut |name, value| entries.push((name, value)));
            for (name, value) in entries {
                set(name, value, Origin::File(path.to_owned()))?;
            }
        }
        for (variable, text) in environment {
            if let Some((section, option)) = variable.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__")) {
                let name = format!("{section}.{}", option.replace("__", ".")).to_lowercase();
                set(name, parse(&text), Origin::Environment(variable))?;
            }
        }
        for setting in settings {
            let (name, text) = setting.split_once('=').ok_or_else(|| ConfigError::Setting(setting.clone()))?;
            set(name.trim().to_owned(), parse(text), Origin::CommandLine)?;
        }
        let mut table = Table::new();
        for (name, (value, _)) in &values {
            insert(&mut table, name, value.clone());
        }
        let config = table.try_into().map_err(|source| ConfigError::Value(Box::new(source)))?;
        Ok(Loaded { config, origins: values })
    }
}

fn defaults() -> Table {
    Table::try_from(Config::default()).expect("the default configuration is made of plain values")
}

fn flatten(prefix: &str, table: &Table, take: &mut dyn FnMut(String, Value)) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => flatten(&name, inner, take),
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

/// A TOML value if the text is one, else the text itself: `8`, `true` and `"8"` keep their types, `info` needs no quotes.
fn parse(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The known name that needs the fewest changes, if it needs few.
fn nearest(name: &str, known: &[String]) -> Option<String> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    known
        .iter()
        .map(|candidate| {
            let whole = distance(name, candidate);
            // The right option in the wrong section is a likely slip too.
            let option = distance(&last(name), &last(candidate)) + 1;
            (whole.min(option), candidate)
        })
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, candidate)| candidate.clone())
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The variables of this process.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// One variable of this process, if it is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    environment().into_iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: Option<&Path>, environment: &[(&str, &str)], settings: &[&str]) -> Result<Loaded, ConfigError> {
        let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        Config::load(file, environment, &settings)
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
    fn an_unknown_option_is_refused_with_the_nearest_name() {
        let error = load(None, &[], &["api.max_limits=3"]).unwrap_err().to_string();
        assert_eq!(error, "command line sets api.max_limits, which is not an option; did you mean api.max_limit?");
        let error = load(None, &[("WATCHER_APPLIER__HOSTNAM", "x")], &[]).unwrap_err().to_string();
        assert!(error.starts_with("environment variable WATCHER_APPLIER__HOSTNAM sets applier.hostnam"), "{error}");
    }

    #[test]
    fn configuration_of_plugins_is_passed_on_as_it_is() {
        let loaded = load(None, &[], &["plugins.action.migrate.migration_interval_s=2"]).unwrap();
        assert_eq!(loaded.config.plugins.action["migrate"]["migration_interval_s"].as_integer(), Some(2));
    }

    #[test]
    fn a_password_is_never_shown() {
        let loaded = load(None, &[("WATCHER_KEYSTONE__PASSWORD", "secret")], &[]).unwrap();
        assert!(!format!("{:?}", loaded.config).contains("secret"));
    }
}
