//! Plugins, their versions, and the bytes of their components.

use uuid::Uuid;
use watcher_domain::plugin::PluginVersion;
use watcher_domain::{Digest, PluginId, PluginKind, ProjectId, Stamps, Timestamp};

use crate::error::{Error, Result};
use crate::reference::Visibility;
use crate::select::Select;
use crate::store::Tx;
use crate::value::{Place, StampsRow, json};

/// How hard components are compressed: they are written once.
const COMPRESSION: i32 = 9;

const VERSIONS: &str =
    "plugin_versions v JOIN plugins p ON p.uuid = v.plugin_id JOIN components c ON c.digest = v.digest";
const VERSION_COLUMNS: &str = "v.id, v.plugin_id, p.project_id, p.kind, v.digest, v.description, v.imports, c.size_bytes, \
                               v.created_at, v.updated_at, v.deleted_at";

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
    /// Times.
    pub stamps: Stamps,
}

/// Whether a version may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionState {
    /// It may.
    Active,
    /// New runs refuse it.
    Deactivated,
}

impl VersionState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated",
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    uuid: Uuid,
    project_id: Option<String>,
    kind: String,
    name: String,
    #[sqlx(flatten)]
    stamps: StampsRow,
}

impl TryFrom<Row> for Plugin {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: "plugins", id: row.id };
        Ok(Self {
            id: PluginId(row.uuid),
            project_id: row.project_id.map(ProjectId),
            kind: place.parse("kind", &row.kind)?,
            name: row.name,
            stamps: row.stamps.into(),
        })
    }
}

#[derive(sqlx::FromRow)]
struct VersionRow {
    id: i64,
    plugin_id: Uuid,
    project_id: Option<String>,
    kind: String,
    digest: Vec<u8>,
    description: String,
    imports: String,
    size_bytes: i64,
    #[sqlx(flatten)]
    stamps: StampsRow,
}

impl TryFrom<VersionRow> for PluginVersion {
    type Error = Error;

    fn try_from(row: VersionRow) -> Result<Self> {
        let place = Place { table: "plugin_versions", id: row.id };
        Ok(Self {
            plugin_id: PluginId(row.plugin_id),
            project_id: row.project_id.map(ProjectId),
            kind: place.parse("kind", &row.kind)?,
            digest: place.digest("digest", &row.digest)?,
            description: place.json("description", &row.description)?,
            imports: place.json("imports", &row.imports)?,
            size_bytes: place.number("size_bytes", row.size_bytes)?,
            stamps: row.stamps.into(),
        })
    }
}

/// Inserts a plugin: a public one if it belongs to nobody, else a private one.
///
/// # Errors
/// [`Error::Conflict`] if its project has one of this kind and name that is not deleted.
pub async fn insert_plugin(tx: &mut Tx, plugin: &Plugin) -> Result<()> {
    let sql = "INSERT INTO plugins (uuid, project_id, kind, name, visibility, created_at, updated_at, deleted_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (project, stamps) = (plugin.project_id.as_ref().map(|project| &project.0), &plugin.stamps);
    let visibility = if project.is_some() { "private" } else { "public" };
    execute!(
        tx,
        sql,
        plugin.id.0,
        project,
        plugin.kind.as_str(),
        &plugin.name,
        visibility,
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
) -> Result<Option<Plugin>> {
    Select::new("id, uuid, project_id, kind, name, created_at, updated_at, deleted_at", "plugins")
        .filter("kind = ?", kind.as_str())
        .filter("name = ?", name)
        .filter("COALESCE(project_id, '') = ?", project.map_or("", |project| project.0.as_str()))
        .not_deleted(false)
        .first::<Row, _>(tx)
        .await
}

/// Inserts a version of a plugin that is there, and its component if it is not there.
///
/// # Errors
/// [`Error::Conflict`] if the plugin has a version with this digest; [`Error::Reference`] if there is no such plugin.
pub async fn insert_version(tx: &mut Tx, version: &PluginVersion, component: &[u8]) -> Result<()> {
    let blob = "INSERT INTO components (digest, size_bytes, content, created_at) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (digest) DO NOTHING";
    let (digest, stamps) = (version.digest.0.as_slice(), &version.stamps);
    let size = i64::try_from(component.len()).unwrap_or(i64::MAX);
    let content = zstd::bulk::compress(component, COMPRESSION).map_err(Error::Io)?;
    execute!(tx, blob, digest, size, content.as_slice(), stamps.created_at)?;
    let sql = "INSERT INTO plugin_versions \
               (plugin_id, version, digest, description, imports, state, created_at, updated_at, deleted_at) \
               VALUES ($1, $2, $3, $4, $5, 'active', $6, $7, $8)";
    let (description, imports) = (json(&version.description)?, json(&version.imports)?);
    execute!(
        tx,
        sql,
        version.plugin_id.0,
        &version.description.version,
        digest,
        &description,
        &imports,
        stamps.created_at,
        stamps.updated_at,
        stamps.deleted_at,
    )
    .map_err(|error| Error::on_insert(error, "plugin version", version.digest.to_string()))?;
    Ok(())
}

/// The version with a digest, active or not; if several plugins have it, that of the first one.
pub async fn version(tx: &mut Tx, digest: Digest) -> Result<Option<PluginVersion>> {
    let select = Select::new(VERSION_COLUMNS, VERSIONS).filter("v.digest = ?", digest.0.as_slice());
    select.then("ORDER BY v.id").first::<VersionRow, _>(tx).await
}

/// The version of a plugin with a digest, active or not.
pub async fn version_of(tx: &mut Tx, plugin: PluginId, digest: Digest) -> Result<Option<PluginVersion>> {
    let select = Select::new(VERSION_COLUMNS, VERSIONS).filter("v.digest = ?", digest.0.as_slice());
    select.filter("v.plugin_id = ?", plugin.0).first::<VersionRow, _>(tx).await
}

/// All versions of a kind that are not deleted, active or not, first inserted first.
pub async fn versions(tx: &mut Tx, kind: PluginKind) -> Result<Vec<PluginVersion>> {
    let select = Select::new(VERSION_COLUMNS, VERSIONS).filter("p.kind = ?", kind.as_str());
    let select = select.only("v.deleted = 0 AND p.deleted = 0");
    select.then("ORDER BY v.id").all::<VersionRow, _>(tx).await
}

/// The version that runs when somebody names a plugin: its default, or else the last inserted one, of those that are active. A project's
/// own plugin shadows a built-in one; a caller who sees all gets the built-in one first.
pub async fn latest(tx: &mut Tx, kind: PluginKind, name: &str, visible: &Visibility) -> Result<Option<PluginVersion>> {
    let select = Select::new(VERSION_COLUMNS, VERSIONS)
        .filter("p.kind = ?", kind.as_str())
        .filter("p.name = ?", name)
        .only("v.state = 'active' AND v.deleted = 0 AND p.deleted = 0");
    // A caller who sees all acts for nobody, and must not get the plugin of a project that only has the same name.
    let owner = match visible {
        Visibility::All => "p.project_id IS NOT NULL",
        Visibility::Project(_) => "p.project_id IS NULL",
    };
    let order = format!("ORDER BY {owner}, CASE WHEN v.digest = p.default_digest THEN 0 ELSE 1 END, v.id DESC");
    let select = select.visible(visible).then(&order);
    select.first::<VersionRow, _>(tx).await
}

/// For each name of a kind the version that [`latest`] finds, by name.
pub async fn all_latest(tx: &mut Tx, kind: PluginKind, visible: &Visibility) -> Result<Vec<PluginVersion>> {
    let names = Select::new("DISTINCT name", "plugins").filter("kind = ?", kind.as_str());
    let names = names.not_deleted(false).visible(visible).then("ORDER BY name").fetch_all::<(String,)>(tx).await?;
    let mut found = Vec::with_capacity(names.len());
    for (name,) in names {
        found.extend(latest(tx, kind, &name, visible).await?);
    }
    Ok(found)
}

/// Deactivates a version, or activates it again, in all plugins that have it; `false` if none has.
pub async fn set_state(tx: &mut Tx, digest: Digest, state: VersionState, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE plugin_versions SET state = $2, updated_at = $3 WHERE digest = $1 AND deleted = 0";
    Ok(execute!(tx, sql, digest.0.as_slice(), state.as_str(), now)? > 0)
}

/// Lets a version be the one that runs when somebody names its plugin; `false` if it is already, or there is no such plugin.
pub async fn set_default(tx: &mut Tx, plugin: PluginId, digest: Digest, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE plugins SET default_digest = $2, updated_at = $3 \
               WHERE uuid = $1 AND deleted = 0 AND default_digest IS DISTINCT FROM $2";
    Ok(execute!(tx, sql, plugin.0, digest.0.as_slice(), now)? == 1)
}

/// The bytes of a component.
///
/// # Errors
/// [`Error::Io`] if what is stored cannot be decompressed. Whether it has the digest is for the caller to check.
pub async fn component(tx: &mut Tx, digest: Digest) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT size_bytes, content FROM components WHERE digest = $1";
    let row: Option<(i64, Vec<u8>)> =
        on_backend!(tx, |conn| sqlx::query_as(sql).bind(digest.0.as_slice()).fetch_optional(conn).await?);
    let Some((size, content)) = row else { return Ok(None) };
    let size = Place { table: "components", id: 0 }.number("size_bytes", size)?;
    Ok(Some(zstd::bulk::decompress(&content, size).map_err(Error::Io)?))
}
