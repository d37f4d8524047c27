//! Services as clients see them.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;
use watcher_domain::ServiceStatus;
use watcher_store::Stored;
use watcher_store::service::Service;

use crate::context::Context;
use crate::link::Link;
use crate::time;
use crate::v1::stamps::StampsView;
use crate::v1::{Detail, Nullable};

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ServiceView {
    id: i64,
    /// Its role, e.g. `watcher-applier`.
    name: String,
    host: String,
    /// UTC, without offset. Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    last_seen_up: Option<Nullable<String>>,
    /// `ACTIVE`, or `FAILED` if it gave no sign of life for too long.
    status: &'static str,
    links: [Link; 2],
    /// Only in full records.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    stamps: Option<StampsView>,
}

impl ServiceView {
    pub(crate) fn new(service: &Stored<Service>, context: &Context, detail: Detail) -> Self {
        let seen = service.last_seen_up.or(service.stamps.updated_at).unwrap_or(service.stamps.created_at);
        let down_time = Duration::from_secs(u64::from(context.api.options.service_down_time_s));
        Self {
            id: service.serial,
            name: service.name.clone(),
            host: service.host.clone(),
            last_seen_up: detail.only_full(|| Nullable(service.last_seen_up.map(time::naive))),
            status: ServiceStatus::of(seen, context.api.clock.now(), down_time).as_str(),
            links: context.base.item("services", service.serial),
            stamps: detail.only_full(|| service.stamps.into()),
        }
    }
}

/// A page of services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ServicePage {
    pub(crate) services: Vec<ServiceView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
