//! Plugins as the rest of the system knows them: kinds, digests, and what a component says about itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cloud::RequestPattern;
use crate::efficacy::IndicatorSpec;
use crate::id::{PluginId, ProjectId};
use crate::state::{Stamps, named_enum};

named_enum! {
    /// What a component is for: the world it exports.
    PluginKind {
        /// Decides.
        Strategy = "strategy",
        /// Orders a solution.
        Planner = "planner",
        /// Carries out one type of action.
        Action = "action",
        /// Turns features into scores.
        ScoringEngine = "scoring-engine",
    }
}

named_enum! {
    /// Which projects see a plugin.
    PluginVisibility {
        /// Its owner.
        Private = "private",
        /// Its owner, and the projects it was offered to.
        Shared = "shared",
        /// Everybody who knows its id.
        Community = "community",
        /// Everybody; it is listed.
        Public = "public",
    }
}

impl PluginVisibility {
    /// Whether everybody may accept it.
    pub const fn is_for_everybody(self) -> bool {
        match self {
            Self::Community | Self::Public => true,
            Self::Private | Self::Shared => false,
        }
    }
}

named_enum! {
    /// What a project that a plugin was offered to said.
    MemberStatus {
        /// Nothing yet.
        Pending = "pending",
        /// It uses the plugin.
        Accepted = "accepted",
        /// It does not want the plugin.
        Rejected = "rejected",
    }
}

named_enum! {
    /// Whether a version of a plugin may run.
    VersionState {
        /// It may.
        Active = "active",
        /// It may, but there is something better: it runs only where no other active version does, or where it is asked for.
        Deprecated = "deprecated",
        /// New runs refuse it.
        Deactivated = "deactivated",
    }
}

/// SHA-256 of a component: the identity of a plugin version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a digest of the form sha256:<64 hexadecimal digits>")]
pub struct InvalidDigest(pub String);

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || InvalidDigest(text.chars().take(80).collect());
        let digits =
            text.strip_prefix("sha256:").filter(|digits| digits.len() == 64 && digits.is_ascii()).ok_or_else(bad)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a component says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// `snake_case`: the strategy, planner, action type or scoring engine as operators type it.
    pub name: String,
    /// Semver.
    pub version: String,
    /// For people.
    pub display_name: String,
    /// One paragraph.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the operator's configuration, with defaults.
    #[serde(default)]
    pub configuration_schema: Value,
    /// What only its kind has.
    #[serde(flatten)]
    pub specifics: Specifics,
}

impl Description {
    /// The configuration that an operator who sets nothing gets.
    pub fn default_configuration(&self) -> Map<String, Value> {
        let mut configuration = Map::new();
        crate::schema::fill_defaults(&self.configuration_schema, &mut configuration);
        configuration
    }
}

/// What only one kind of plugin says. Told apart by what is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Specifics {
    /// Of a strategy.
    Strategy(StrategySpecifics),
    /// Of an action handler.
    Action(ActionSpecifics),
    /// Of a scoring engine.
    ScoringEngine(ScoringEngineSpecifics),
    /// Of a planner: nothing more.
    Planner {},
}

impl Specifics {
    /// JSON Schema of the parameters, if this kind has any.
    pub const fn parameters_schema(&self) -> Option<&Value> {
        match self {
            Self::Strategy(specifics) => Some(&specifics.parameters_schema),
            Self::Action(specifics) => Some(&specifics.parameters_schema),
            Self::ScoringEngine(_) | Self::Planner {} => None,
        }
    }
}

/// What a strategy says besides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StrategySpecifics {
    /// Its goal.
    pub goal: GoalDescription,
    /// JSON Schema of audit parameters, with defaults.
    pub parameters_schema: Value,
    /// Metrics it asks for.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// Planner it prefers.
    pub planner: String,
}

/// What an action handler says besides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionSpecifics {
    /// JSON Schema of input parameters.
    pub parameters_schema: Value,
    /// Everything it will ask of the cloud.
    pub requests: Vec<RequestPattern>,
}

/// What a scoring engine says besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoringEngineSpecifics {
    /// For programs: what features it takes and what its scores mean. Any text, often JSON.
    pub metainfo: String,
}

/// A goal as a strategy names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoalDescription {
    /// `snake_case`.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// Its indicators.
    #[serde(default)]
    pub efficacy_specification: Vec<IndicatorSpec>,
}

/// A plugin version that the registry knows. Immutable: a changed component is another version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginVersion {
    /// The plugin it is a version of.
    pub plugin_id: PluginId,
    /// Project that owns the plugin; none for a built-in one.
    pub project_id: Option<ProjectId>,
    /// Kind.
    pub kind: PluginKind,
    /// Identity.
    pub digest: Digest,
    /// What it says about itself.
    pub description: Description,
    /// Imports of the component, as `namespace:package/interface@version`.
    pub imports: Vec<String>,
    /// Size of the component in bytes.
    pub size_bytes: u64,
    /// Times.
    pub stamps: Stamps,
}

/// Whether a component with these imports can ask scoring engines at all.
pub fn asks_scoring_engines(imports: &[String]) -> bool {
    imports.iter().any(|import| import.starts_with("watcher:scoring/"))
}

impl PluginVersion {
    /// Whether it can ask scoring engines at all.
    pub fn asks_scoring_engines(&self) -> bool {
        asks_scoring_engines(&self.imports)
    }

    /// The name under which the operator configures it. None for plugins of projects: whoever gives a plugin the name of a built-in one must
    /// not learn how that one is configured.
    pub fn configured_as(&self) -> Option<&str> {
        self.project_id.is_none().then_some(self.description.name.as_str())
    }
}
