//! Plugins: what their versions have in common, and who sees them. Versions, blobs, members, grants, limits and events have files of their own;
//! which version runs for a project is in `running`.

mod blob;
mod change;
mod event;
mod grant;
mod member;
mod quota;
mod running;
mod signature;
mod usage;
mod user;
mod version;

use uuid::Uuid;
use watcher_domain::plugin::{MemberStatus, PluginVisibility};
use watcher_domain::{Digest, PluginId, PluginKind, ProjectId, Stamps, Timestamp};

use crate::error::{Error, Result};
use crate::page::{Page, Stored, sort_keys};
use crate::reference::Visibility;
use crate::select::Select;
use crate::shared::{Whose, accepted};
use crate::store::Tx;
use crate::value::{Place, StampsRow};

pub use blob::{
    Blob, ComponentRow, Content, adopt_blob, blob_places, components_elsewhere, count_elsewhere, doom_blob,
    expect_blob, forget_blob, give_up_blob, loose_blobs, relocate,
};
pub use change::{bump, number};
pub use event::{ANSWERS_KEPT, COUNTED, EventFilter, EventRow, NewEvent, events, events_since, insert_event};
pub use grant::{grant_of, set_grant};
pub use member::{
    Member, accept, drop_not_offered, find_member, members, memberships, offer, remove_member, repoint_goal, set_status,
};
pub use quota::{Usage, begin_upload, limits, lock_project, set_limits, uploads_since, usage};
pub use running::{all_latest, effective, latest, may_use, runnable, runs_through, version_seen};
pub use signature::{add_signature, set_signing_policy, signatures, signatures_by, signing_policy};
pub use usage::{DayUsage, add_usage, forget_usage, usage_by_day};
pub use user::{Handled, User, audits_at_work, audits_of_strategy, plans_handled_by, run_through, users};
pub use version::{
    About, Component, Packed, VersionRecord, VersionState, component, delete_version, descriptions, find_version,
    hold_components, insert_content, insert_version, owned_version, set_state, set_state_of, version, version_numbered,
    version_of, versions, versions_of,
};

const COLUMNS: &str =
    "id, uuid, project_id, kind, name, visibility, description, default_digest, created_at, updated_at, deleted_at";

sort_keys! {
    /// What plugins are sorted by.
    {
        Serial = "id",
        Uuid = "uuid",
        Kind = "kind",
        Name = "name",
        Visibility = "visibility",
        CreatedAt = "created_at",
        UpdatedAt = "updated_at" null,
    }
}

/// A plugin: what its versions have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// UUID.
    pub id: PluginId,
    /// Project that owns it; none for a built-in one, which all may use.
    pub project_id: Option<ProjectId>,
    /// Kind.
    pub kind: PluginKind,
    /// Name, as its versions say it.
    pub name: String,
    /// Who sees it.
    pub visibility: PluginVisibility,
    /// What its owner says about it.
    pub description: Option<String>,
    /// The version that runs when somebody names the plugin; without it the newest one does.
    pub default_digest: Option<Digest>,
    /// Times.
    pub stamps: Stamps,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    uuid: Uuid,
    project_id: Option<String>,
    kind: String,
    name: String,
    visibility: String,
    description: Option<String>,
    default_digest: Option<Vec<u8>>,
    #[sqlx(flatten)]
    stamps: StampsRow,
}

impl TryFrom<Row> for Stored<Plugin> {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: "plugins", id: row.id };
        let value = Plugin {
            id: PluginId(row.uuid),
            project_id: row.project_id.map(ProjectId),
            kind: place.parse("kind", &row.kind)?,
            name: row.name,
            visibility: place.parse("visibility", &row.visibility)?,
            description: row.description,
            default_digest: row.default_digest.map(|digest| place.digest("default_digest", &digest)).transpose()?,
            stamps: row.stamps.into(),
        };
        Ok(Self { serial: row.id, value })
    }
}

/// Inserts a plugin.
///
/// # Errors
/// [`Error::Conflict`] if its project has one of this kind and name that is not deleted.
pub async fn insert_plugin(tx: &mut Tx, plugin: &Plugin) -> Result<()> {
    let sql = "INSERT INTO plugins (uuid, project_id, kind, name, visibility, description, created_at, updated_at, deleted_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let (project, stamps) = (plugin.project_id.as_ref().map(|project| &project.0), &plugin.stamps);
    execute!(
        tx,
        sql,
        plugin.id.0,
        project,
        plugin.kind.as_str(),
        &plugin.name,
        plugin.visibility.as_str(),
        &plugin.description,
        stamps.created_at,
        stamps.updated_at,
        stamps.deleted_at,
    )
    .map_err(|error| Error::on_insert(error, "plugin", &plugin.name))?;
    Ok(())
}

/// The plugin of a project, or of nobody, that is not deleted.
pub async fn find_plugin(
    tx: &mut Tx,
    kind: PluginKind,
    name: &str,
    project: Option<&ProjectId>,
) -> Result<Option<Stored<Plugin>>> {
    Select::new(COLUMNS, "plugins")
        .filter("kind = ?", kind.as_str())
        .filter("name = ?", name)
        .filter("COALESCE(project_id, '') = ?", project.map_or("", |project| project.0.as_str()))
        .not_deleted(false)
        .first::<Row, _>(tx)
        .await
}

/// That a project is told of a plugin: a built-in one, its own, one for everybody, or one that it was offered.
const SEEN: &str = "(p.project_id IS NULL OR p.project_id = ? OR p.visibility IN ('community', 'public') OR (p.visibility = 'shared' \
                    AND EXISTS (SELECT 1 FROM plugin_members m WHERE m.plugin_id = p.uuid AND m.project_id = ? AND m.offered)))";

/// The plugins that a list shows unless it is asked for others: built-in, own, public and accepted ones.
const LISTED: &str =
    concat!("(p.project_id IS NULL OR p.project_id = ? OR p.visibility = 'public' OR ", accepted!(), ")");

fn seen(select: Select, visible: &Visibility) -> Select {
    match visible {
        Visibility::All => select,
        Visibility::Project(project) => select.filter(SEEN, project.0.as_str()),
    }
}

/// The plugin with a UUID, if the caller sees it.
pub async fn find(
    tx: &mut Tx,
    id: PluginId,
    show_deleted: bool,
    visible: &Visibility,
) -> Result<Option<Stored<Plugin>>> {
    let select = Select::new(COLUMNS, "plugins p").filter("p.uuid = ?", id.0).not_deleted(show_deleted);
    seen(select, visible).first::<Row, _>(tx).await
}

/// Which plugins a list has.
#[derive(Debug, Clone, Default)]
pub struct PluginFilter {
    /// Those of a kind.
    pub kind: Option<PluginKind>,
    /// Those of a name.
    pub name: Option<String>,
    /// Those that are seen so.
    pub visibility: Option<PluginVisibility>,
    /// Those of some owners.
    pub owner: Whose,
    /// Those that were offered to a project, or that it accepted by itself, and what it said; none for anything.
    pub member: Option<(ProjectId, Option<MemberStatus>)>,
}

/// A page of plugins. Community plugins are in it only if the filter asks for them, and offered ones only once they were accepted.
pub async fn list(
    tx: &mut Tx,
    filter: &PluginFilter,
    page: &Page<Sort>,
    visible: &Visibility,
) -> Result<Vec<Stored<Plugin>>> {
    let mut select = Select::new(COLUMNS, "plugins p")
        .filter_some("p.kind = ?", filter.kind.map(PluginKind::as_str))
        .filter_some("p.name = ?", filter.name.as_deref())
        .filter_some("p.visibility = ?", filter.visibility.map(PluginVisibility::as_str));
    select = filter.owner.only(select);
    if let Some((project, status)) = &filter.member {
        // One text each: a condition takes one value.
        let is_member = match status {
            None => "p.uuid IN (SELECT m.plugin_id FROM plugin_members m WHERE m.project_id = ?)",
            Some(MemberStatus::Pending) => {
                "p.uuid IN (SELECT m.plugin_id FROM plugin_members m WHERE m.project_id = ? AND m.status = 'pending')"
            }
            Some(MemberStatus::Accepted) => {
                "p.uuid IN (SELECT m.plugin_id FROM plugin_members m WHERE m.project_id = ? AND m.status = 'accepted')"
            }
            Some(MemberStatus::Rejected) => {
                "p.uuid IN (SELECT m.plugin_id FROM plugin_members m WHERE m.project_id = ? AND m.status = 'rejected')"
            }
        };
        select = select.filter(is_member, project.0.as_str());
    }
    let asks_for_others = filter.member.is_some() || filter.visibility == Some(PluginVisibility::Community);
    select = match visible {
        Visibility::Project(project) if !asks_for_others => select.filter(LISTED, project.0.as_str()),
        Visibility::Project(_) | Visibility::All => seen(select, visible),
    };
    select.not_deleted(page.show_deleted).page("plugins", "uuid = ?", page).all::<Row, _>(tx).await
}

/// Writes who sees a plugin, what its owner says about it and which version runs; `false` if there is none that is not deleted.
pub async fn update(tx: &mut Tx, plugin: &Plugin, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE plugins SET visibility = $2, description = $3, default_digest = $4, updated_at = $5 \
               WHERE uuid = $1 AND deleted = 0";
    let digest = plugin.default_digest.as_ref().map(|digest| digest.0.as_slice());
    Ok(execute!(tx, sql, plugin.id.0, plugin.visibility.as_str(), &plugin.description, digest, now)? == 1)
}

/// Lets a version be the one that runs when somebody names its plugin; `false` if it is already, or there is no such plugin.
pub async fn set_default(tx: &mut Tx, plugin: PluginId, digest: Digest, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE plugins SET default_digest = $2, updated_at = $3 \
               WHERE uuid = $1 AND deleted = 0 AND default_digest IS DISTINCT FROM $2";
    Ok(execute!(tx, sql, plugin.0, digest.0.as_slice(), now)? == 1)
}

/// Soft-deletes a plugin, and forgets who may use it; `false` if there is none that is not deleted. Its versions are the caller's to
/// delete.
pub async fn soft_delete(tx: &mut Tx, plugin: PluginId, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE plugins SET deleted = id, deleted_at = $2, updated_at = $2, default_digest = NULL \
               WHERE uuid = $1 AND deleted = 0";
    if execute!(tx, sql, plugin.0, now)? == 0 {
        return Ok(false);
    }
    execute!(tx, "DELETE FROM plugin_members WHERE plugin_id = $1", plugin.0)?;
    execute!(tx, "DELETE FROM plugin_grants WHERE plugin_id = $1", plugin.0)?;
    Ok(true)
}
