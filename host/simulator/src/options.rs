//! Options of a simulator, and the addresses it hands out.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::error::SimulatorError;
use crate::faults::FaultOptions;

/// How a simulator behaves. Every field has a default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatorOptions {
    /// Address to listen on; port 0 takes a free one. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// Base of all links and of the catalogue, without a slash at the end; by default `http://` and the bound address.
    pub public_url: Option<String>,
    /// Where the catalogue says Watcher is (`infra-optim`). Default `http://127.0.0.1:9322`.
    pub infra_optim_url: String,
    /// Region of all endpoints. Default `RegionOne`.
    pub region: String,
    /// Password of user `admin`. Default `admin-password`.
    pub admin_password: String,
    /// Password of user `watcher`, the service user. Default `watcher-password`.
    pub service_password: String,
    /// Life time of a token in seconds. Default 3600.
    pub token_lifetime_s: u64,
    /// How long a live migration takes, in milliseconds. Default 200.
    pub live_migration_ms: u64,
    /// How long a cold migration takes until it waits for its confirmation, in milliseconds. Default 200.
    pub cold_migration_ms: u64,
    /// Whether a destination must have room by Placement's accounting, (total − reserved) × ratio against the flavors
    /// of all that is on it or on its way. Default true. Strategies that pack by use instead of by flavor choose
    /// destinations that a real cloud refuses; switch this off to let them through.
    pub enforce_capacity: bool,
    /// Serve `traces` of the cluster file as CPU series that follow the clock, instead of the constant `metrics`.
    /// The use of a host is then the sum of what runs on it now. Default false.
    pub traces: bool,
    /// Whether the Prometheus service asks for a token as the other services do (Aetos). Default false.
    pub prometheus_requires_token: bool,
    /// Largest page of a Nova list; Nova's `max_limit`. Default 1000.
    pub max_page: usize,
    /// Largest request body in bytes. Default 1 MiB.
    pub max_body_bytes: usize,
    /// Connections served at a time; more wait. Default 1024.
    pub max_connections: usize,
    /// Faults that are on from the start, and again after a reset.
    pub faults: FaultOptions,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_url: None,
            infra_optim_url: "http://127.0.0.1:9322".to_owned(),
            region: "RegionOne".to_owned(),
            admin_password: "admin-password".to_owned(),
            service_password: "watcher-password".to_owned(),
            token_lifetime_s: 3600,
            live_migration_ms: 200,
            cold_migration_ms: 200,
            enforce_capacity: true,
            traces: false,
            prometheus_requires_token: false,
            max_page: 1000,
            max_body_bytes: 1024 * 1024,
            max_connections: 1024,
            faults: FaultOptions::default(),
        }
    }
}

impl SimulatorOptions {
    pub(crate) fn check(&self) -> Result<(), SimulatorError> {
        let positive = [
            ("token_lifetime_s", self.token_lifetime_s),
            ("max_page", self.max_page as u64),
            ("max_body_bytes", self.max_body_bytes as u64),
            ("max_connections", self.max_connections as u64),
        ];
        for (option, value) in positive {
            if value == 0 {
                return Err(SimulatorError::Option { option, reason: "must be at least 1".to_owned() });
            }
        }
        for (option, value) in [
            ("token_lifetime_s", self.token_lifetime_s),
            ("live_migration_ms", self.live_migration_ms),
            ("cold_migration_ms", self.cold_migration_ms),
        ] {
            if value > LONGEST {
                return Err(SimulatorError::Option { option, reason: format!("must be at most {LONGEST}") });
            }
        }
        self.faults.check().map_err(|source| SimulatorError::Option { option: "faults", reason: source.to_string() })
    }
}

/// Upper bound of periods in options: keeps dates far from the end of the calendar.
const LONGEST: u64 = 10_000_000_000;

/// Base URLs of the services, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The simulator itself.
    pub base: String,
    /// Keystone, with its version: what clients call `auth_url`.
    pub identity: String,
    /// Nova, with its version.
    pub compute: String,
    /// Placement.
    pub placement: String,
    /// Prometheus: `/api/v1/query` follows.
    pub prometheus: String,
    /// Watcher, as the catalogue has it.
    pub infra_optim: String,
    /// Faults, state and counters of the simulator.
    pub admin: String,
}

impl Endpoints {
    pub(crate) fn new(options: &SimulatorOptions, bound: SocketAddr) -> Self {
        let base = options.public_url.clone().unwrap_or_else(|| {
            let mut reachable = bound;
            if bound.ip().is_unspecified() {
                reachable.set_ip(Ipv4Addr::LOCALHOST.into());
            }
            format!("http://{reachable}")
        });
        let base = base.trim_end_matches('/').to_owned();
        Self {
            identity: format!("{base}/identity/v3"),
            compute: format!("{base}/compute/v2.1"),
            placement: format!("{base}/placement"),
            prometheus: format!("{base}/prometheus"),
            admin: format!("{base}/simulator"),
            infra_optim: options.infra_optim_url.trim_end_matches('/').to_owned(),
            base,
        }
    }
}
