//! Why the cloud does not do what it is asked, in Nova's words.

/// A refused request. `Display` is the message that Nova answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Instance {0} could not be found.")]
    ServerNotFound(String),
    #[error("Cannot '{action}' instance {server} while it is in {attribute} {state}")]
    InvalidState { action: &'static str, server: String, attribute: &'static str, state: String },
    #[error("Instance {0} is locked")]
    Locked(String),
    #[error("Compute host {0} could not be found.")]
    HostNotFound(String),
    #[error("Flavor {0} could not be found.")]
    FlavorNotFound(String),
    #[error("When resizing, instances must change flavor!")]
    SameFlavor,
    #[error("Cannot migrate to the host where the server exists.")]
    SameHost,
    #[error("Unable to migrate instance ({server}) to current host ({host}).")]
    MigrateToSelf { server: String, host: String },
    #[error("Compute service of {0} is unavailable at this time.")]
    ServiceUnavailable(String),
    #[error("No valid host was found. {0}")]
    NoValidHost(&'static str),
    #[error("{0}")]
    Fault(String),
    #[error("Migration {migration} not found for instance {server}")]
    MigrationNotFound { migration: String, server: String },
    #[error(
        "Migration {migration} state of instance {server} is {status}. Cannot {action} while the migration is in this \
         state."
    )]
    MigrationState { migration: u64, server: String, status: &'static str, action: &'static str },
}
