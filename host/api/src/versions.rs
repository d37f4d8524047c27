//! The version documents: what there is to talk to.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::error::ApiError;
use crate::link::{Base, Link};
use crate::microversion::{Microversion, RANGE};
use crate::openapi::{Headers, ReadProblems};

/// The service and its versions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RootDocument {
    name: &'static str,
    description: &'static str,
    versions: [VersionDocument; 1],
    default_version: VersionDocument,
}

/// One version of the API.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct VersionDocument {
    id: &'static str,
    status: &'static str,
    /// Highest microversion.
    max_version: &'static str,
    /// Lowest microversion.
    min_version: &'static str,
    links: [Link; 1],
}

/// Which versions there are. Needs no token.
#[utoipa::path(
    get, path = "/", operation_id = "list_versions", tag = "versions", security(()),
    responses((status = 200, description = "The versions", body = RootDocument), ReadProblems)
)]
pub(crate) async fn root(context: Context, arguments: Arguments) -> Result<Json<RootDocument>, ApiError> {
    arguments.done()?;
    let version = VersionDocument {
        id: "v1",
        status: "CURRENT",
        max_version: RANGE.1,
        min_version: RANGE.0,
        links: [Link::new("self", context.base.bare("v1/"))],
    };
    Ok(Json(RootDocument {
        name: "OpenStack Watcher API",
        description: "Watcher is an OpenStack project which aims to improve physical resources usage through better VM \
                      placement.",
        versions: [version.clone()],
        default_version: version,
    }))
}

/// Version 1: where its resources are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct V1Document {
    id: &'static str,
    media_types: [MediaType; 1],
    audit_templates: [Link; 2],
    audits: [Link; 2],
    /// From version 1.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_model: Option<[Link; 2]>,
    actions: [Link; 2],
    action_plans: [Link; 2],
    scoring_engines: [Link; 2],
    services: [Link; 2],
    /// From version 1.4.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhooks: Option<[Link; 2]>,
    links: [Link; 2],
}

/// A media type of this version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MediaType {
    base: &'static str,
    #[serde(rename = "type")]
    media_type: &'static str,
}

/// Where the resources of version 1 are.
#[utoipa::path(
    get, path = "/v1", operation_id = "show_version", tag = "versions", params(Headers),
    responses((status = 200, description = "The version", body = V1Document), ReadProblems)
)]
pub(crate) async fn v1(context: Context, arguments: Arguments) -> Result<Json<V1Document>, ApiError> {
    arguments.done()?;
    let base = &context.base;
    Ok(Json(V1Document {
        id: "v1",
        media_types: [MediaType { base: "application/json", media_type: "application/vnd.openstack.watcher.v1+json" }],
        audit_templates: collection(base, "audit_templates"),
        audits: collection(base, "audits"),
        data_model: (context.version >= Microversion::DATA_MODEL).then(|| collection(base, "data_model")),
        actions: collection(base, "actions"),
        action_plans: collection(base, "action_plans"),
        scoring_engines: collection(base, "scoring_engines"),
        services: collection(base, "services"),
        webhooks: (context.version >= Microversion::WEBHOOKS).then(|| collection(base, "webhooks")),
        links: [
            Link::new("self", base.bare("v1/")),
            Link {
                href: "http://docs.openstack.org/developer/watcher/dev/api-spec-v1.html".to_owned(),
                rel: "describedby",
                media_type: Some("text/html"),
            },
        ],
    }))
}

fn collection(base: &Base, name: &str) -> [Link; 2] {
    let path = format!("{name}/");
    [Link::new("self", base.v1(&path)), Link::new("bookmark", base.bare(&path))]
}
