//! Which version of a plugin runs, for whom.
//!
//! Every run asks here, and nothing is remembered: a version that was uploaded, deactivated or shared by any process counts for the next
//! run of every other.

use watcher_domain::plugin::PluginVersion;
use watcher_domain::{Digest, PluginId, PluginKind};

use super::version::{VERSION_COLUMNS, VERSIONS, VersionRow};
use crate::error::Result;
use crate::reference::Visibility;
use crate::select::Select;
use crate::shared::{accepted, accepted_at, owner_and_name, rank};
use crate::store::Tx;

/// That the project `?` may run versions of the plugin `p`.
const USABLE: &str = concat!("(p.project_id IS NULL OR p.project_id = ? OR ", accepted!(), ")");
/// Of several plugins of one name the one that stands for the project `?`.
const NEAREST: &str = concat!("ORDER BY ", rank!("p.project_id"), ", ", accepted_at!("p.uuid"), " DESC, p.id DESC");
/// Of several versions of one plugin the one that runs.
const NEWEST: &str = "CASE WHEN v.digest = p.default_digest THEN 0 ELSE 1 END, v.deprecated, v.id DESC";

/// Versions that may run.
fn active() -> Select {
    Select::new(VERSION_COLUMNS, VERSIONS).only("v.state = 'active' AND v.deleted = 0 AND p.deleted = 0")
}

fn usable(select: Select, visible: &Visibility) -> Select {
    match visible {
        Visibility::All => select,
        Visibility::Project(project) => select.filter(USABLE, project.0.as_str()),
    }
}

fn nearest(select: Select, visible: &Visibility) -> Select {
    match visible {
        // A caller who sees all acts for nobody, and must not get the plugin of a project that only has the same name.
        Visibility::All => select.then(&format!("ORDER BY p.project_id IS NOT NULL, p.id, {NEWEST}")),
        Visibility::Project(project) => select.then_with(&format!("{NEAREST}, {NEWEST}"), project.0.as_str()),
    }
}

/// The version that runs when somebody names a plugin: its default, or else the last inserted one, of those that are active, deprecated
/// ones last. A project's own plugin shadows one that it accepted, which shadows a built-in one; `owner/name` is the one of that
/// project, and `built-in/name` the built-in one.
pub async fn latest(tx: &mut Tx, kind: PluginKind, name: &str, visible: &Visibility) -> Result<Option<PluginVersion>> {
    let (whose, name) = owner_and_name(name);
    // Only plugins have a project.
    let select = whose.only(active()).filter("p.kind = ?", kind.as_str()).filter("p.name = ?", name);
    nearest(usable(select, visible), visible).first::<VersionRow, _>(tx).await
}

/// For each name of a kind the version that [`latest`] finds, by name.
pub async fn all_latest(tx: &mut Tx, kind: PluginKind, visible: &Visibility) -> Result<Vec<PluginVersion>> {
    let names = Select::new("DISTINCT p.name", "plugins p").filter("p.kind = ?", kind.as_str());
    let names = usable(names.not_deleted(false), visible).then("ORDER BY name").fetch_all::<(String,)>(tx).await?;
    let mut found = Vec::with_capacity(names.len());
    for (name,) in names {
        found.extend(latest(tx, kind, &name, visible).await?);
    }
    Ok(found)
}

/// The version with a digest, if the caller may run it now. If several plugins have it, that of the nearest one.
pub async fn runnable(tx: &mut Tx, digest: Digest, visible: &Visibility) -> Result<Option<PluginVersion>> {
    let select = active().filter("v.digest = ?", digest.0.as_slice());
    nearest(usable(select, visible), visible).first::<VersionRow, _>(tx).await
}

/// The version with a digest in a plugin that somebody may use, be it deactivated or not; the nearest of several.
pub async fn version_seen(tx: &mut Tx, digest: Digest, visible: &Visibility) -> Result<Option<PluginVersion>> {
    let select = Select::new(VERSION_COLUMNS, VERSIONS).only("v.deleted = 0 AND p.deleted = 0");
    let select = usable(select.filter("v.digest = ?", digest.0.as_slice()), visible);
    nearest(select, visible).first::<VersionRow, _>(tx).await
}

/// Whether somebody runs a component through this plugin, be its version deactivated or not, and not through another one that has the same.
/// Who may run neither any more did it through the only plugin that has it.
pub async fn runs_through(tx: &mut Tx, plugin: PluginId, digest: Digest, visible: &Visibility) -> Result<bool> {
    let having = || {
        let select = Select::new(VERSION_COLUMNS, VERSIONS).only("v.deleted = 0 AND p.deleted = 0");
        select.filter("v.digest = ?", digest.0.as_slice())
    };
    let candidates = having().filter("(v.state = 'active' OR p.uuid = ?)", plugin.0);
    let nearest: Option<PluginVersion> =
        nearest(usable(candidates, visible), visible).first::<VersionRow, _>(tx).await?;
    if let Some(nearest) = nearest {
        return Ok(nearest.plugin_id == plugin);
    }
    let other: Option<PluginVersion> = having().filter("p.uuid <> ?", plugin.0).first::<VersionRow, _>(tx).await?;
    Ok(other.is_none())
}

/// Whether somebody may use a plugin, if a version of it may run.
pub async fn may_use(tx: &mut Tx, plugin: PluginId, visible: &Visibility) -> Result<bool> {
    let select = Select::new("p.id", "plugins p").filter("p.uuid = ?", plugin.0).only("p.deleted = 0");
    Ok(!usable(select, visible).fetch_all::<(i64,)>(tx).await?.is_empty())
}

/// The version of one plugin that runs; none if all are deactivated.
pub async fn effective(tx: &mut Tx, plugin: PluginId) -> Result<Option<PluginVersion>> {
    let select = active().filter("p.uuid = ?", plugin.0);
    select.then(&format!("ORDER BY {NEWEST}")).first::<VersionRow, _>(tx).await
}
