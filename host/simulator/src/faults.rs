//! Faults: what goes wrong on purpose, where, and how often.
//!
//! A fault is an effect and a place. Effects on requests (latency, errors, dropped connections) are decided before a
//! request reaches its service; effects on migrations are decided when one is asked for.

use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::cloud::{Fate, Route};

/// A service of the simulated cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceName {
    /// Keystone.
    Identity,
    /// Nova.
    Compute,
    /// Placement.
    Placement,
    /// Prometheus.
    Prometheus,
}

impl ServiceName {
    /// The service that serves a path.
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path.split('/').nth(1)? {
            "identity" => Some(Self::Identity),
            "compute" => Some(Self::Compute),
            "placement" => Some(Self::Placement),
            "prometheus" => Some(Self::Prometheus),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Compute => "compute",
            Self::Placement => "placement",
            Self::Prometheus => "prometheus",
        }
    }
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultEffect {
    /// Answers come `latency_ms` later.
    Latency,
    /// Requests fail with `status`.
    Error,
    /// The connection is closed without an answer.
    Drop,
    /// Migrations that are asked for start and never end.
    StuckMigration,
    /// Migrations that are asked for start and end in an error, with the instance on its source.
    FailingMigration,
    /// Requests for a migration are answered with 400 and `message`.
    RefusedMigration,
}

/// One fault. All places that are given must match; none given means everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub effect: FaultEffect,
    /// Only in this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// Only below this path, such as `/compute/v2.1/servers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only for this server: of a request, a path segment; of a migration, the server that moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Only for this host: of a request, a path segment; of a migration, its source or destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// How often it strikes, 0 to 1; default 1. The sequence depends on the seed alone.
    #[serde(default = "always")]
    pub rate: f64,
    /// It strikes at most so many times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Latency in milliseconds; only for `latency`, at most ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Status of errors, 400 to 599; only for `error`. Default 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Message of a refusal or an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

fn always() -> f64 {
    1.0
}

/// Faults of a simulator.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultOptions {
    /// Seed of all rates.
    pub seed: u64,
    /// The faults, tried in order.
    pub faults: Vec<Fault>,
}

/// Why a fault is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FaultParseError {
    /// Not a known effect.
    #[error(
        "unknown fault {0:?}; known are latency, error, drop, stuck_migration, failing_migration, refused_migration"
    )]
    Effect(String),
    /// Not a known setting, or without a value.
    #[error("unknown setting {0:?} of a fault")]
    Setting(String),
    /// A value that does not fit its setting.
    #[error("{value:?} is not a value for {setting} of a fault")]
    Value {
        /// The setting.
        setting: &'static str,
        /// The value.
        value: String,
    },
    /// More faults than are allowed at a time.
    #[error("at most {MAX_FAULTS} faults at a time")]
    TooMany,
}

/// Faults that may be on at a time.
pub(crate) const MAX_FAULTS: usize = 256;
const MAX_LATENCY_MS: u64 = 600_000;

impl Fault {
    /// A fault that strikes everywhere and always.
    pub fn new(effect: FaultEffect) -> Self {
        Self {
            effect,
            service: None,
            path: None,
            server: None,
            host: None,
            rate: 1.0,
            times: None,
            latency_ms: None,
            status: None,
            message: None,
        }
    }

    fn check(&self) -> Result<(), FaultParseError> {
        let wrong = |setting, value: String| Err(FaultParseError::Value { setting, value });
        if !(0.0..=1.0).contains(&self.rate) {
            return wrong("rate", self.rate.to_string());
        }
        match (self.effect, self.latency_ms) {
            (FaultEffect::Latency, None) => return wrong("latency_ms", String::new()),
            (FaultEffect::Latency, Some(0..=MAX_LATENCY_MS)) | (_, None) => {}
            (_, Some(latency)) => return wrong("latency_ms", latency.to_string()),
        }
        match (self.effect, self.status) {
            (FaultEffect::Error, Some(400..=599)) | (_, None) => Ok(()),
            (_, Some(status)) => wrong("status", status.to_string()),
        }
    }

    fn on_request(&self, service: Option<ServiceName>, path: &str) -> bool {
        let named = |name: &Option<String>| name.as_ref().is_none_or(|name| path.split('/').any(|part| part == name));
        self.service.is_none_or(|wanted| service == Some(wanted))
            && self.path.as_ref().is_none_or(|prefix| path.starts_with(prefix))
            && named(&self.server)
            && named(&self.host)
    }

    fn on_migration(&self, route: &Route<'_>) -> bool {
        let path = format!("/compute/v2.1/servers/{}/action", route.server);
        self.service.is_none_or(|service| service == ServiceName::Compute)
            && self.path.as_ref().is_none_or(|prefix| path.starts_with(prefix))
            && self.server.as_ref().is_none_or(|server| server == route.server)
            && self.host.as_ref().is_none_or(|host| host == route.source || Some(host.as_str()) == route.destination)
    }
}

/// `effect,setting=value,…`, such as `error,rate=0.1,status=503,service=compute`. A message may not contain a comma.
impl FromStr for Fault {
    type Err = FaultParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        fn value<T: FromStr>(setting: &'static str, value: &str) -> Result<T, FaultParseError> {
            value.parse().map_err(|_| FaultParseError::Value { setting, value: value.to_owned() })
        }
        let mut parts = text.split(',').map(str::trim);
        let effect = parts.next().unwrap_or_default();
        let effect = serde_json::from_value(effect.replace('-', "_").into())
            .map_err(|_| FaultParseError::Effect(effect.to_owned()))?;
        let mut fault = Self::new(effect);
        for part in parts {
            let (name, given) = part.split_once('=').ok_or_else(|| FaultParseError::Setting(part.to_owned()))?;
            match name {
                "service" => {
                    fault.service = Some(
                        serde_json::from_value(given.into())
                            .map_err(|_| FaultParseError::Value { setting: "service", value: given.to_owned() })?,
                    );
                }
                "path" => fault.path = Some(given.to_owned()),
                "server" => fault.server = Some(given.to_owned()),
                "host" => fault.host = Some(given.to_owned()),
                "rate" => fault.rate = value("rate", given)?,
                "times" => fault.times = Some(value("times", given)?),
                "latency_ms" => fault.latency_ms = Some(value("latency_ms", given)?),
                "status" => fault.status = Some(value("status", given)?),
                "message" => fault.message = Some(given.to_owned()),
                _ => return Err(FaultParseError::Setting(name.to_owned())),
            }
        }
        fault.check()?;
        Ok(fault)
    }
}

impl FaultOptions {
    pub(crate) fn check(&self) -> Result<(), FaultParseError> {
        if self.faults.len() > MAX_FAULTS {
            return Err(FaultParseError::TooMany);
        }
        self.faults.iter().try_for_each(Fault::check)
    }
}

/// What happens to one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RequestFate {
    pub(crate) delay: Duration,
    pub(crate) end: Option<RequestEnd>,
}

/// How a request ends before it reaches its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestEnd {
    Error { status: u16, message: String },
    Drop,
}

#[derive(Debug)]
struct ActiveFault {
    fault: Fault,
    random: ChaCha8Rng,
    struck: u64,
}

impl ActiveFault {
    fn strikes(&mut self) -> bool {
        if self.fault.times.is_some_and(|times| self.struck >= times) {
            return false;
        }
        // A draw per opportunity, whatever the rate: the sequence stays the same when the rate is changed.
        let strikes = self.random.random::<f64>() < self.fault.rate;
        self.struck += u64::from(strikes);
        strikes
    }
}

/// The faults that are on.
#[derive(Debug)]
pub(crate) struct Faults(Mutex<Vec<ActiveFault>>);

/// A fault that is on, with how often it struck.
#[derive(Debug, Serialize)]
pub(crate) struct FaultReport {
    #[serde(flatten)]
    fault: Fault,
    struck: u64,
}

impl Faults {
    pub(crate) fn new(options: &FaultOptions) -> Self {
        let faults = Self(Mutex::default());
        faults.set(options);
        faults
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ActiveFault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all faults; the sequences start again.
    pub(crate) fn set(&self, options: &FaultOptions) {
        *self.lock() = (0_u64..)
            .zip(&options.faults)
            .map(|(index, fault)| ActiveFault {
                fault: fault.clone(),
                random: ChaCha8Rng::seed_from_u64(options.seed.wrapping_add(index)),
                struck: 0,
            })
            .collect();
    }

    pub(crate) fn report(&self) -> Vec<FaultReport> {
        self.lock().iter().map(|active| FaultReport { fault: active.fault.clone(), struck: active.struck }).collect()
    }

    pub(crate) fn on_request(&self, service: Option<ServiceName>, path: &str) -> RequestFate {
        let mut fate = RequestFate::default();
        for active in self.lock().iter_mut() {
            let effect = active.fault.effect;
            let ends = matches!(effect, FaultEffect::Error | FaultEffect::Drop);
            if !(ends && fate.end.is_none() || effect == FaultEffect::Latency)
                || !active.fault.on_request(service, path)
                || !active.strikes()
            {
                continue;
            }
            match effect {
                FaultEffect::Latency => {
                    fate.delay += Duration::from_millis(active.fault.latency_ms.unwrap_or_default());
                }
                FaultEffect::Error => {
                    fate.end = Some(RequestEnd::Error {
                        status: active.fault.status.unwrap_or(500),
                        message: active.fault.message.clone().unwrap_or_else(|| "Simulated fault".to_owned()),
                    });
                }
                FaultEffect::Drop => fate.end = Some(RequestEnd::Drop),
                FaultEffect::StuckMigration | FaultEffect::FailingMigration | FaultEffect::RefusedMigration => {}
            }
        }
        fate
    }

    pub(crate) fn on_migration(&self, route: &Route<'_>) -> Fate {
        for active in self.lock().iter_mut() {
            let fate = match active.fault.effect {
                FaultEffect::StuckMigration => Fate::Stuck,
                FaultEffect::FailingMigration => Fate::Fails,
                FaultEffect::RefusedMigration => {
                    let message = "No valid host was found. There are not enough hosts available.";
                    Fate::Refused(active.fault.message.clone().unwrap_or_else(|| message.to_owned()))
                }
                FaultEffect::Latency | FaultEffect::Error | FaultEffect::Drop => continue,
            };
            if active.fault.on_migration(route) && active.strikes() {
                return fate;
            }
        }
        Fate::Completes
    }
}
