//! Plugins and their versions as clients see them.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use watcher_domain::plugin::{MemberStatus, PluginVersion};
use watcher_store::plugin::{Member, Plugin, VersionRecord};

use crate::context::Context;
use crate::link::Link;
use crate::v1::stamps::StampsView;
use crate::v1::{Detail, Nullable};

/// A plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginView {
    uuid: Uuid,
    /// `strategy`, `planner`, `action` or `scoring-engine`.
    kind: &'static str,
    /// As its versions say it. One project has it once for each kind.
    name: String,
    /// The project that owns it; null for built-in ones.
    project_id: Option<String>,
    /// `private`, `shared`, `community` or `public`.
    visibility: &'static str,
    /// What its owner says about it.
    description: Option<String>,
    /// Digest of the version that runs; null if it is the newest one.
    default_version: Option<String>,
    /// What the caller's project said to it: `pending`, `accepted` or `rejected`; null if it was not offered, or need not be accepted.
    member_status: Option<&'static str>,
    /// The version that runs when somebody names the plugin; null while all are deactivated. Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RunningVersion>)]
    running: Option<Nullable<RunningVersion>>,
    links: [Link; 2],
    #[serde(flatten)]
    stamps: StampsView,
}

/// A version as its plugin names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct RunningVersion {
    pub(crate) version: String,
    pub(crate) digest: String,
}

impl From<PluginVersion> for RunningVersion {
    fn from(version: PluginVersion) -> Self {
        Self { digest: version.digest.to_string(), version: version.description.version }
    }
}

impl PluginView {
    pub(crate) fn new(plugin: &Plugin, member_status: Option<MemberStatus>, context: &Context) -> Self {
        Self {
            uuid: plugin.id.0,
            kind: plugin.kind.as_str(),
            name: plugin.name.clone(),
            project_id: plugin.project_id.as_ref().map(|project| project.0.clone()),
            visibility: plugin.visibility.as_str(),
            description: plugin.description.clone(),
            default_version: plugin.default_digest.map(|digest| digest.to_string()),
            member_status: member_status.map(MemberStatus::as_str),
            running: None,
            links: context.base.item("plugins", plugin.id),
            stamps: plugin.stamps.into(),
        }
    }

    pub(crate) fn running(self, version: Option<PluginVersion>) -> Self {
        Self { running: Some(Nullable(version.map(RunningVersion::from))), ..self }
    }
}

/// A page of plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginPage {
    pub(crate) plugins: Vec<PluginView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A version of a plugin: one component, for ever.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct PluginVersionView {
    plugin_uuid: Uuid,
    kind: &'static str,
    name: String,
    /// Its number, as the component says it.
    version: String,
    /// `sha256:` and 64 hexadecimal digits.
    digest: String,
    /// `active`, `deprecated` or `deactivated`.
    state: &'static str,
    display_name: String,
    /// What the component says about itself.
    description: String,
    size_bytes: u64,
    /// What it imports, as `namespace:package/interface@version`.
    imports: Vec<String>,
    /// What is new in it.
    notes: Option<String>,
    /// A detached signature over the digest.
    signature: Option<String>,
    /// The user who uploaded it; null for other projects than its own.
    uploaded_by: Option<String>,
    /// What the check of the upload found; null for built-in versions. Only in full records.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    report: Option<Nullable<Value>>,
    links: [Link; 2],
    #[serde(flatten)]
    stamps: StampsView,
}

impl PluginVersionView {
    pub(crate) fn new(plugin: &Plugin, record: &VersionRecord, context: &Context, detail: Detail) -> Self {
        let VersionRecord { version, state, about, .. } = record;
        let actor = context.actor();
        let is_own = actor.is_admin || (plugin.project_id.is_some() && plugin.project_id == actor.project);
        Self {
            plugin_uuid: plugin.id.0,
            kind: plugin.kind.as_str(),
            name: plugin.name.clone(),
            version: version.description.version.clone(),
            digest: version.digest.to_string(),
            state: state.as_str(),
            display_name: version.description.display_name.clone(),
            description: version.description.description.clone(),
            size_bytes: version.size_bytes,
            imports: version.imports.clone(),
            notes: about.notes.clone(),
            signature: about.signature.clone(),
            uploaded_by: about.uploaded_by.clone().filter(|_| is_own),
            report: detail.only_full(|| Nullable(about.report.clone())),
            links: context.base.item(&format!("plugins/{}/versions", plugin.id), version.digest),
            stamps: version.stamps.into(),
        }
    }
}

/// A page of versions.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct PluginVersionPage {
    pub(crate) versions: Vec<PluginVersionView>,
    /// Where the next page is, if this one is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A project that a plugin was offered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginMemberView {
    pub(crate) plugin_uuid: Uuid,
    /// The project.
    pub(crate) project_id: String,
    /// `pending`, `accepted` or `rejected`.
    pub(crate) status: &'static str,
}

impl PluginMemberView {
    pub(crate) fn new(plugin: Uuid, member: &Member) -> Self {
        Self { plugin_uuid: plugin, project_id: member.project_id.0.clone(), status: member.status.as_str() }
    }
}

/// The projects that a plugin was offered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PluginMemberList {
    pub(crate) members: Vec<PluginMemberView>,
}
