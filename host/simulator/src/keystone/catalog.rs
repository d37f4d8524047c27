//! The service catalogue.

use serde_json::{Value, json};

use crate::ids::derived_hex;
use crate::options::{Endpoints, SimulatorOptions};

/// A service and where it is.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) url: String,
}

/// The interfaces of every service; all lead to the same address.
pub(super) const INTERFACES: [&str; 3] = ["public", "internal", "admin"];

/// All services of one region.
#[derive(Debug, Clone)]
pub(super) struct Catalog {
    pub(super) region: String,
    pub(super) services: Vec<Service>,
}

impl Catalog {
    pub(super) fn new(options: &SimulatorOptions, endpoints: &Endpoints) -> Self {
        let service =
            |kind, name, url: &str| Service { id: derived_hex("catalog", kind), kind, name, url: url.to_owned() };
        Self {
            region: options.region.clone(),
            services: vec![
                service("identity", "keystone", &format!("{}/identity", endpoints.base)),
                service("compute", "nova", &endpoints.compute),
                service("placement", "placement", &endpoints.placement),
                service("metric-storage", "prometheus", &endpoints.prometheus),
                service("infra-optim", "watcher", &endpoints.infra_optim),
            ],
        }
    }

    /// As it is in a token.
    pub(super) fn view(&self) -> Value {
        let services = self.services.iter().map(|service| {
            let endpoints: Vec<Value> = INTERFACES
                .iter()
                .map(|interface| {
                    json!({
                        "id": service.endpoint_id(interface),
                        "interface": interface,
                        "region": self.region,
                        "region_id": self.region,
                        "url": service.url,
                    })
                })
                .collect();
            json!({"id": service.id, "type": service.kind, "name": service.name, "endpoints": endpoints})
        });
        services.collect()
    }
}

impl Service {
    pub(super) fn endpoint_id(&self, interface: &str) -> String {
        derived_hex("endpoint", &format!("{} {interface}", self.kind))
    }
}
