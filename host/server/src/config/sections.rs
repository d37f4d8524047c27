//! The options by section, Keystone's aside.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use toml::Table;
use watcher_api::{ConnectionLimits, CorsOptions};
use watcher_domain::limits::Shares;
use watcher_domain::{Limits, RunLimits};
use watcher_registry::{Quotas, RegistryOptions};

use super::option::{OptionDoc, section};

section! {
    /// The REST API.
    ApiConfig {
        /// Address to listen on; port 0 takes a free one.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 9322));
        /// Most items of one page of a list, and how many a page has where the client does not say.
        max_limit: u32 = 1000, in 1..=100_000;
        /// Largest request body in bytes.
        max_body_bytes: usize = 1 << 20, in 1..=1 << 30;
        /// `keystone`: callers bring a token of Keystone. `none`: everybody who reaches the address is administrator; for one person's own
        /// machine, and only on loopback.
        auth: Auth = Auth::Keystone;
        /// Whether webhooks need a token and obey policy `webhook:trigger`. If not, everybody who reaches the address can trigger
        /// `EVENT` audits.
        enable_webhooks_auth: bool = true;
        /// Whether `Forwarded`, or else `X-Forwarded-Proto` and `X-Forwarded-Host`, and `X-Forwarded-Prefix` are believed: only behind a
        /// proxy that sets them.
        enable_proxy_headers_parsing: bool = false;
        /// Connections at a time; more wait to be accepted.
        max_connections: usize = ConnectionLimits::default().connections, in 1..=1_000_000;
        /// How long the head of a request may take, and how long a connection may say nothing between two requests, in seconds.
        head_timeout_s: u64 = ConnectionLimits::default().head_timeout.as_secs(), in 1..=3600;
        /// How long a client may take nothing of its answer before the connection ends, in seconds.
        write_timeout_s: u64 = ConnectionLimits::default().write_timeout.as_secs(), in 1..=3600;
        /// How long a request's body may take to arrive, in seconds.
        body_timeout_s: u64 = 30, in 1..=3600;
    }
}

section! {
    /// Which pages of other origins may call the API from a browser.
    CorsConfig {
        /// Origins (`https://host:port`, no slash at the end) whose pages may call; `*` for all. None switches CORS off.
        allowed_origin: Vec<String> = Vec::new();
        /// Whether browsers may send cookies and the like.
        allow_credentials: bool = CorsOptions::default().allow_credentials;
        /// Headers of answers that a page may read.
        expose_headers: Vec<String> = CorsOptions::default().expose_headers;
        /// Seconds for which a browser may remember a preflight's answer; 0 says nothing about it.
        max_age_s: u32 = CorsOptions::default().max_age_s, in 0..=86_400;
        /// Methods that a page may use.
        allow_methods: Vec<String> = CorsOptions::default().allow_methods;
        /// Headers that a page may send, besides the simple ones.
        allow_headers: Vec<String> = CorsOptions::default().allow_headers;
    }
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

section! {
    /// Who may do what.
    PolicyConfig {
        /// File with rules that take the place of the defaults, as YAML; empty for the defaults. It is looked at once a second, and read
        /// again when it has changed. `watcher-host policy list` shows all rules.
        file: String = String::new();
    }
}

section! {
    /// Where rows are kept.
    DatabaseConfig {
        /// `sqlite://FILE` or `postgres://USER:PASSWORD@HOST:PORT/NAME`.
        url: String = "sqlite://watcher.db".to_owned();
    }
}

section! {
    /// Where measurements come from.
    PrometheusConfig {
        /// Base address, e.g. `http://prometheus:9090`; empty takes service type `metric-storage` from the catalogue.
        url: String = String::new();
        /// Label of a host's series that has its name.
        fqdn_label: String = "fqdn".to_owned();
        /// Label of an instance's series that has its UUID.
        instance_uuid_label: String = "resource".to_owned();
    }
}

section! {
    /// Audits.
    DecisionEngineConfig {
        /// How many audits run at once.
        max_audit_workers: usize = 4, in 1..=1000;
        /// How many audits of one project run at once. Fewer than all leave room for other projects, whatever one of them runs.
        max_project_audit_workers: usize = 2, in 1..=1000;
        /// Runs of one project that may fail by the fault of their plugin within any minute, a tenth of them at once; after more, its next runs wait for their
        /// time. 0 lets them run.
        plugin_failures_per_minute: u64 = 30, in 0..=1_000_000;
        /// How many more times a run is tried whose failure says that it may work later (`retryable`).
        retries: u32 = 2, in 0..=100;
        /// Wait before the first of these tries, in seconds; doubled for each further one, up to half a minute.
        retry_wait_s: u64 = 1, in 0..=30;
        /// How long a claim holds without being renewed, in seconds.
        lease_s: u64 = 60, in 3..=86_400;
        /// How often rows are looked for whose message was lost, in seconds.
        sweep_interval_s: u64 = 10, in 1..=3600;
        /// How often continuous audits are looked at without anything being due or said, in seconds.
        continuous_audit_interval_s: u64 = 10, in 1..=3600;
        /// Age at which a recommended action plan is superseded, in hours; 0 for never.
        action_plan_expiry_h: u64 = 24, in 0..=876_000;
        /// How long the recordings of what strategies saw are kept, in days; 0 for ever.
        recordings_kept_d: u64 = 30, in 0..=36_500;
        /// Bytes of recordings that are kept for one project: of more, the oldest are dropped.
        recordings_kept_bytes: u64 = 4 << 30, in 1 << 28..=1 << 50;
        /// How often action plans and recordings are looked at for their age, in seconds.
        check_periodic_interval_s: u64 = 1800, in 1..=86_400;
    }
}

section! {
    /// Action plans.
    ApplierConfig {
        /// How many plans are carried out at once: four of those with thousands of actions, one of each project.
        max_plans: usize = 32, in 1..=1000;
        /// How many plans of one project are carried out at once.
        max_project_plans: usize = 2, in 1..=1000;
        /// How many more times a phase of an action is tried whose failure says that it may work later (`retryable`), as long as none of its requests can have
        /// changed anything.
        retries: u32 = 2, in 0..=100;
        /// Wait before the first of these tries, in seconds; doubled for each further one, up to half a minute.
        retry_wait_s: u64 = 1, in 0..=30;
        /// How many actions of one plan run at once.
        max_workers: usize = 4, in 1..=1000;
        /// How long a claim holds without being renewed, in seconds.
        lease_s: u64 = 60, in 3..=86_400;
        /// How often rows are looked for whose message was lost, in seconds.
        sweep_interval_s: u64 = 10, in 1..=3600;
        /// What happens after a failed action, by name of the strategy, whoever brought it: `ANY` (nothing more starts, the default) or `ALWAYS` (later actions go on).
        action_execution_rule: BTreeMap<String, watcher_applier::ExecutionRule> = BTreeMap::new();
    }
}

section! {
    /// Signs of life of the decision engine and the applier.
    ServiceConfig {
        /// Name of this host in rows and in the API; empty takes the machine's.
        host: String = String::new();
        /// How often a sign of life is given, in seconds.
        periodic_interval_s: u64 = 60, in 1..=3600;
        /// How long after its last sign of life a service counts as failed, in seconds.
        service_down_time_s: u32 = 90, in 1..=86_400;
    }
}

section! {
    /// What plugins may use.
    SandboxConfig {
        /// Folder for compiled components; empty takes `$XDG_CACHE_HOME/watcher-host` or `~/.cache/watcher-host`.
        cache_dir: String = String::new();
        /// How many calls of strategies and planners run at once.
        max_instances: u32 = 32, in 1..=1000;
        /// How many calls of action handlers run at once. Most of the time they wait for the cloud.
        max_action_instances: u32 = 128, in 1..=1000;
        /// Threads that plugins run on at a time, shared out fairly among projects; 0 takes one for each processor but the last, which is left to what answers
        /// users. They have a lower priority than the rest of the service.
        threads: usize = 0, in 0..=1024;
        /// Calls of strategies and planners of one project at a time, and as many of action handlers; more wait. Scoring engines are counted apart, with at most half of
        /// their places. A project may have another limit.
        concurrent_calls: u64 = Shares::default().concurrent_calls, in 1..=10_000;
        /// Requests to the cloud that action handlers of one project may send within any minute; those that are too early wait. A project may have
        /// another limit.
        requests_per_minute: u64 = Shares::default().requests_per_minute, in 1..=1_000_000_000;
        /// Bytes of action plans and of what strategies saw that audits of one project store within an hour, half of them at once; after more, its next audits
        /// wait for their time. A project may have another limit.
        stored_bytes_per_hour: u64 = Shares::default().stored_bytes_per_hour, in 1_000_000..=1_000_000_000_000_000;
        /// Audits of one project that wait, run, or may run again: those that are PENDING, ONGOING or SUSPENDED, and those of type EVENT that SUCCEEDED. One more is
        /// refused. A project may have another limit.
        active_audits: u64 = Shares::default().active_audits, in 0..=1_000_000;
        /// Action plans of one project that wait or run: those that are PENDING, ONGOING or CANCELLING. To start one more is refused. A project may have another
        /// limit.
        active_plans: u64 = Shares::default().active_plans, in 0..=1_000_000;
        /// Limits of one call of a strategy or planner. A project may have others, here and below.
        limits: Limits = Limits::default();
        /// Limits of one call of an action handler.
        action_limits: Limits = Limits::for_actions();
        /// Limits of one call of a scoring engine.
        scoring_limits: Limits = Limits::for_scoring();
    }
}

impl SandboxConfig {
    /// What plugins may use for projects that have no limits of their own.
    pub fn run_limits(&self) -> RunLimits {
        RunLimits {
            decision: self.limits,
            action: self.action_limits,
            scoring: self.scoring_limits,
            shares: Shares {
                concurrent_calls: self.concurrent_calls,
                requests_per_minute: self.requests_per_minute,
                stored_bytes_per_hour: self.stored_bytes_per_hour,
                active_audits: self.active_audits,
                active_plans: self.active_plans,
            },
        }
    }
}

section! {
    /// What projects may keep in the registry of plugins, and how uploads are checked.
    RegistryConfig {
        /// Plugins of one project. This and the next six are for projects that have no limits of their own.
        plugins: u64 = Quotas::default().plugins, in 0..=1_000_000_000;
        /// Versions of all plugins of one project.
        versions: u64 = Quotas::default().versions, in 0..=1_000_000_000;
        /// Bytes of their components.
        bytes: u64 = Quotas::default().bytes, in 0..=1 << 50;
        /// Projects that plugins of one project are offered to, counted for each plugin.
        members: u64 = Quotas::default().members, in 0..=1_000_000_000;
        /// Uploads that one project may begin within an hour.
        uploads_per_hour: u64 = Quotas::default().uploads_per_hour, in 0..=1_000_000_000;
        /// Changes of plugins that one project may make within an hour; administrators may make more.
        changes_per_hour: u64 = Quotas::default().changes_per_hour, in 0..=1_000_000_000;
        /// Bytes of one component.
        component_bytes: u64 = Quotas::default().component_bytes, in 0..=1 << 30;
        /// Most bytes of a component, whatever a project may have.
        max_component_bytes: u64 = Quotas::default().component_bytes, in 1..=1 << 30;
        /// How long an upload may take to arrive, in seconds.
        upload_timeout_s: u64 = 120, in 1..=3600;
        /// Uploads at a time; each one holds its component in memory.
        max_uploads: usize = 16, in 1..=1000;
        /// Uploads of one project at a time.
        max_project_uploads: usize = 2, in 1..=1000;
        /// Checks of uploads at a time, each in a process of its own.
        check_workers: usize = 2, in 1..=100;
        /// Checks that may wait; more are refused, to be tried again.
        max_waiting_checks: usize = 16, in 0..=1000;
        /// How long a check may wait, in seconds.
        check_wait_s: u64 = 20, in 1..=3600;
        /// How long a check may take, in seconds.
        check_deadline_s: u64 = 90, in 1..=3600;
        /// Computing time of a check in seconds, all its threads together.
        check_cpu_s: u64 = 60, in 1..=3600;
        /// Memory of a check in bytes.
        check_memory_bytes: u64 = 2 << 30, in 1 << 28..=1 << 40;
    }
}

impl RegistryConfig {
    /// As the registry takes them, with the limits of runs.
    pub fn options(&self, runs: RunLimits) -> RegistryOptions {
        RegistryOptions {
            quotas: Quotas {
                plugins: self.plugins,
                versions: self.versions,
                bytes: self.bytes,
                members: self.members,
                uploads_per_hour: self.uploads_per_hour,
                changes_per_hour: self.changes_per_hour,
                component_bytes: self.component_bytes,
            },
            runs,
            max_component_bytes: self.max_component_bytes,
            uploads: self.max_uploads,
            uploads_per_project: self.max_project_uploads,
        }
    }
}

/// What the limits of a call are about, by name.
pub(crate) const LIMITS: &[(&str, &str)] = &[
    ("memory_bytes", "Memory and tables of the instance together, in bytes."),
    ("fuel", "Units of computation."),
    ("deadline_ms", "Wall-clock time in milliseconds."),
    ("host_call_fuel", "Bytes passed from plugin to host in one call of an import."),
    ("host_calls", "Calls of imports."),
    ("resources", "Handles that the instance holds."),
    (
        "output_bytes",
        "Bytes of the result as the host keeps it: its texts, and 72 for each value in parameters of actions.",
    ),
    ("actions", "Actions in a solution."),
    ("log_bytes", "Bytes written to the log."),
    ("requests", "Requests to the cloud."),
    (
        "journal_bytes",
        "Bytes of an action's calls to the outside and their answers, which are kept for when it has to go on after a crash.",
    ),
    ("recording_bytes", "Bytes of the metrics and scores that a strategy sees, which the recording of its run keeps."),
];

section! {
    /// Built-in plugins, and configuration of plugins.
    PluginsConfig {
        /// Folder with the built-in components (`strategies/`, `actions/`, `planners/`, `scoring/`); empty looks beside the program. The environment
        /// variable `WATCHER_PLUGINS_DIR` means the same where this is empty.
        dir: String = String::new();
        /// Configuration of strategies by name, as their schemas have it.
        strategy: BTreeMap<String, Table> = BTreeMap::new();
        /// Configuration of planners by name.
        planner: BTreeMap<String, Table> = BTreeMap::new();
        /// Configuration of action types by name.
        action: BTreeMap<String, Table> = BTreeMap::new();
        /// Configuration of scoring engines by name.
        scoring_engine: BTreeMap<String, Table> = BTreeMap::new();
    }
}

section! {
    /// What is logged.
    LogConfig {
        /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,watcher_engine=debug`.
        level: String = "info".to_owned();
        /// `text` or `json`.
        format: LogFormat = LogFormat::Text;
    }
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
