//! Why the registry does not do what was asked, in words for whoever asked.

use serde_json::Value;
use uuid::Uuid;
use watcher_domain::plugin::PluginVisibility;
use watcher_domain::{Digest, PluginKind};

use crate::blobs::BlobTrouble;
use crate::components::{ComponentError, Tampered};

/// A result of the registry.
pub(crate) type Result<T> = std::result::Result<T, RegistryError>;

/// Why the registry does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The component cannot be a plugin version.
    #[error("{0}")]
    Refused(Refusal),
    /// A project has as much as it may have.
    #[error("quota exceeded: the project may have {limit} {what}, has {used} and asks for {wanted} more")]
    Quota {
        /// What is counted.
        what: &'static str,
        /// How many there may be.
        limit: u64,
        /// How many there are.
        used: u64,
        /// How many more are asked for.
        wanted: u64,
    },
    /// A project uploads too often.
    #[error("quota exceeded: the project may begin {limit} uploads per hour")]
    TooManyUploads {
        /// How many it may begin.
        limit: u64,
    },
    /// A project changes plugins too often.
    #[error("quota exceeded: the project may make {limit} changes of plugins per hour")]
    TooManyChanges {
        /// How many it may make.
        limit: u64,
    },
    /// A project has as many uploads under way as it may have.
    #[error("the project may have {limit} uploads under way at a time")]
    TooManyAtOnce {
        /// How many it may have.
        limit: usize,
    },
    /// More components are being uploaded than this process takes on.
    #[error("too many components are being uploaded now")]
    Busy,
    /// The plugin has this component.
    #[error("{kind} {name} has this component as version {version} ({digest})")]
    SameComponent {
        /// Kind of the plugin.
        kind: PluginKind,
        /// Its name.
        name: String,
        /// The version's number.
        version: String,
        /// Its digest.
        digest: Digest,
    },
    /// The plugin has a version of this number, with other bytes.
    #[error(
        "{kind} {name} has a version {version} that is another component ({digest}); give the new one another number"
    )]
    SameNumber {
        /// Kind of the plugin.
        kind: PluginKind,
        /// Its name.
        name: String,
        /// The number.
        version: String,
        /// Digest of the version that is there.
        digest: Digest,
    },
    /// Somebody still needs it.
    #[error("it is still used{}", users(.own, *.has_others))]
    InUse {
        /// What uses it, as far as the caller sees it: a noun and a UUID each.
        own: Vec<(&'static str, Uuid)>,
        /// Whether other projects use it too.
        has_others: bool,
    },
    /// There is no such plugin, or the caller does not see it.
    #[error("there is no such plugin")]
    NoPlugin,
    /// The plugin has no such version.
    #[error("the plugin has no version {0}")]
    NoVersion(String),
    /// The plugin was not offered to this project.
    #[error("project {0} is no member of the plugin")]
    NoMember(String),
    /// Only shared plugins have members.
    #[error("the plugin is {0}, and only shared plugins are offered to projects")]
    NotShared(PluginVisibility),
    /// It was offered before.
    #[error("the plugin was offered to project {0} before")]
    Member(String),
    /// A project uses its own plugins and the built-in ones without being asked.
    #[error("built-in plugins, and those of the project itself, need not be accepted")]
    NothingToAccept,
    /// What was asked needs a version that may run.
    #[error(transparent)]
    Deactivated(Deactivated),
    /// A grant for the version that runs, where none does.
    #[error("no version of the plugin runs: say which versions the grant is for")]
    NothingRuns,
    /// What nobody owns comes with the program.
    #[error(
        "built-in plugins come with the program and cannot be shared or deleted; their versions can be deactivated"
    )]
    BuiltIn,
    /// Whoever uploads acts for no project.
    #[error("a plugin belongs to a project: a token that is scoped to one is needed")]
    NoProject,
    /// A limit of no name.
    #[error("{0} is not a limit")]
    NoLimit(String),
    /// Signatures that are none.
    #[error("the signature cannot be read: {0}")]
    BadSignature(String),
    /// A signing policy that cannot be kept.
    #[error("the signing policy makes no sense: {0}")]
    BadPolicy(String),
    /// Nobody who counts vouches for the component.
    #[error(transparent)]
    Unsigned(watcher_signature::Unsigned),
    /// The check itself failed.
    #[error("the component could not be checked")]
    Check(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Bytes cannot be kept in an object store, or not be had from it.
    #[error(transparent)]
    Blob(#[from] BlobTrouble),
    /// The bytes of a component are not those that were uploaded.
    #[error(transparent)]
    Tampered(Tampered),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] watcher_store::Error),
}

/// What a version that may run is missing for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Deactivated {
    /// The default of a plugin is to be this one.
    #[error("version {0} is deactivated and cannot be the default")]
    Default(String),
    /// A plugin is to be accepted where that needs a signature.
    #[error(
        "acceptance needs a signature, and no version of the plugin is active whose signatures could be asked for; \
         accept it when one is"
    )]
    Acceptance,
}

impl From<ComponentError> for RegistryError {
    fn from(error: ComponentError) -> Self {
        match error {
            ComponentError::Tampered(error) => Self::Tampered(error),
            ComponentError::Blob(error) => Self::Blob(error),
            ComponentError::Store(error) => Self::Store(error),
            ComponentError::Hash(error) => Self::Check(error.into()),
        }
    }
}

/// Everything that is wrong with a component.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Sentences for its author.
    pub problems: Vec<String>,
    /// What the check found, if it came that far.
    pub report: Option<Value>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "The component was refused: {}", self.problems.join("; "))
    }
}

fn users(own: &[(&'static str, Uuid)], has_others: bool) -> String {
    let mut names: Vec<String> = own.iter().map(|(noun, id)| format!("{noun} {id}")).collect();
    if has_others {
        names.push("others of other projects".to_owned());
    }
    if names.is_empty() { String::new() } else { format!(" by {}", names.join(", ")) }
}
