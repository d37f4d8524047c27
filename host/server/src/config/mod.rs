//! Configuration: defaults, one TOML file, environment variables, and the command line, each over the ones before.
//!
//! Every value has an origin, and a name that is not an option is refused with the nearest one: a misspelt option must not
//! silently leave a default in force. This is the only place that reads the environment.
//!
//! `sections`, `keystone` and `blobs` declare the options; `load` puts the sources together; `clouds` reads a cloud of `clouds.yaml`;
//! `document` writes `docs/configuration.md`; `shown` says what of a value may be shown.

mod blobs;
mod clouds;
mod document;
mod keystone;
mod load;
mod option;
mod sections;
mod shown;

use serde::{Deserialize, Serialize};

pub use blobs::BlobsConfig;
pub(crate) use blobs::DATABASE;
pub use clouds::CloudError;
pub use document::document;
pub use keystone::KeystoneConfig;
pub use load::{ConfigError, Loaded, Origin};
pub use option::Secret;
use option::{OptionDoc, SectionDoc, sections};
pub use sections::{
    ApiConfig, ApplierConfig, Auth, CorsConfig, DatabaseConfig, DecisionEngineConfig, LogConfig, LogFormat,
    PluginsConfig, PolicyConfig, PrometheusConfig, RegistryConfig, SandboxConfig, ServiceConfig,
};
pub use shown::shown;

sections! {
    /// All options. Durations are in the unit that their names end with.
    Config {
        /// The REST API.
        api: ApiConfig,
        /// Which pages of other origins may call the API from a browser.
        cors: CorsConfig,
        /// Who may do what.
        policy: PolicyConfig,
        /// Where rows are kept.
        database: DatabaseConfig,
        /// The cloud, and who this service is there. Names are those of the `auth` part of `clouds.yaml`.
        keystone: KeystoneConfig,
        /// Where measurements come from.
        prometheus: PrometheusConfig,
        /// Audits.
        decision_engine: DecisionEngineConfig,
        /// Action plans.
        applier: ApplierConfig,
        /// Signs of life of the decision engine and the applier.
        service: ServiceConfig,
        /// What plugins may use.
        sandbox: SandboxConfig,
        /// What projects may keep in the registry of plugins, and how uploads are checked.
        registry: RegistryConfig,
        /// Where the components are kept that projects upload.
        blobs: BlobsConfig,
        /// Built-in plugins, and configuration of plugins.
        plugins: PluginsConfig,
        /// What is logged.
        log: LogConfig,
    }
}

/// What is declared of an option; none for names that are free.
fn declared(name: &str) -> Option<&'static OptionDoc> {
    let (section, option) = name.split_once('.')?;
    let options = SECTIONS.iter().find(|known| known.name == section)?.options;
    options.iter().find(|known| known.name == option)
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
