//! Audits as clients see them.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;
use watcher_domain::Audit;

use crate::link::{Base, Link};
use crate::microversion::Microversion;
use crate::time;
use crate::v1::names::{GoalAndStrategy, Names};
use crate::v1::stamps::StampsView;
use crate::v1::{Detail, Nullable};

/// An audit.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct AuditView {
    pub(crate) uuid: Uuid,
    name: String,
    /// `ONESHOT`, `CONTINUOUS` or `EVENT`.
    audit_type: &'static str,
    /// `PENDING`, `ONGOING`, `SUCCEEDED`, `FAILED`, `CANCELLED`, `SUSPENDED` or `DELETED`.
    state: &'static str,
    #[serde(flatten)]
    pub(crate) related: GoalAndStrategy,
    /// Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    parameters: Option<Map<String, Value>>,
    links: [Link; 2],
    /// Seconds, or a cron text.
    interval: Option<String>,
    /// One object per model, e.g. `[{"compute": [rule, …]}]`.
    #[schema(value_type = Vec<Object>)]
    scope: Vec<Value>,
    auto_trigger: bool,
    /// UTC, without offset.
    next_run_time: Option<String>,
    /// Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    hostname: Option<Nullable<String>>,
    /// UTC, without offset. Only in full records, from version 1.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    start_time: Option<Nullable<String>>,
    /// UTC, without offset. Only in full records, from version 1.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    end_time: Option<Nullable<String>>,
    /// Always false in brief records and before version 1.2.
    force: bool,
    /// Only in full records, from version 1.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    status_message: Option<Nullable<String>>,
    /// Only in full records.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    stamps: Option<StampsView>,
}

impl AuditView {
    pub(crate) fn new(audit: &Audit, names: &Names, base: &Base, version: Microversion, detail: Detail) -> Self {
        let timed = |time: Option<_>| {
            detail.only_full(|| Nullable(time.map(time::naive))).filter(|_| version >= Microversion::START_END_TIME)
        };
        Self {
            uuid: audit.id.0,
            name: audit.name.clone(),
            audit_type: audit.audit_type.as_str(),
            state: audit.state.as_str(),
            related: GoalAndStrategy::new(names, audit.goal_id, audit.strategy_id),
            parameters: detail.only_full(|| audit.parameters.clone()),
            links: base.item("audits", audit.id),
            interval: audit.interval.clone(),
            scope: audit.scope.0.clone(),
            auto_trigger: audit.auto_trigger,
            next_run_time: audit.next_run_time.map(time::naive),
            hostname: detail.only_full(|| Nullable(audit.hostname.clone())),
            start_time: timed(audit.start_time),
            end_time: timed(audit.end_time),
            force: audit.force && detail == Detail::Full && version >= Microversion::FORCE,
            status_message: detail
                .only_full(|| Nullable(audit.status_message.clone()))
                .filter(|_| version >= Microversion::SKIPPED),
            stamps: detail.only_full(|| audit.stamps.into()),
        }
    }
}

/// A page of audits.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct AuditPage {
    pub(crate) audits: Vec<AuditView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
