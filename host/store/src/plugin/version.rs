//! Versions of plugins, and the bytes of their components.

use std::collections::HashMap;

use uuid::Uuid;
pub use watcher_domain::plugin::VersionState;
use watcher_domain::plugin::{Description, PluginVersion};
use watcher_domain::{Digest, PluginId, PluginKind, ProjectId, Timestamp};

use crate::error::{Error, Result};
use crate::page::SortDir;
use crate::reference::Visibility;
use crate::select::Select;
use crate::store::Tx;
use crate::value::{Place, StampsRow, json};

use super::blob::{self, Blob, Content};
use super::running::version_seen;

/// How hard components are compressed: they are written once.
const COMPRESSION: i32 = 9;
/// How often a component is inserted that others delete meanwhile.
const ATTEMPTS: usize = 8;

pub(super) const VERSIONS: &str =
    "plugin_versions v JOIN plugins p ON p.uuid = v.plugin_id JOIN components c ON c.digest = v.digest";
pub(super) const VERSION_COLUMNS: &str = "v.id, v.plugin_id, p.project_id, p.kind, v.digest, v.description, v.imports, c.size_bytes, \
                                          v.created_at, v.updated_at, v.deleted_at";
const RECORD_COLUMNS: &str = "v.id, v.plugin_id, p.project_id, p.kind, v.digest, v.description, v.imports, c.size_bytes, \
                              v.created_at, v.updated_at, v.deleted_at, \
                              v.state, v.deprecated, v.report, v.notes, v.signature, v.uploaded_by";
/// The same without the report, which can be as large as everything else together.
const BRIEF_COLUMNS: &str = "v.id, v.plugin_id, p.project_id, p.kind, v.digest, v.description, v.imports, c.size_bytes, \
                             v.created_at, v.updated_at, v.deleted_at, \
                             v.state, v.deprecated, CAST(NULL AS TEXT) AS report, v.notes, v.signature, v.uploaded_by";

/// What came with the upload of a version, and what the check of it found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct About {
    /// What the check found; none for built-in versions.
    pub report: Option<serde_json::Value>,
    /// What is new in it, for people.
    pub notes: Option<String>,
    /// A detached signature, as it was sent.
    pub signature: Option<String>,
    /// Id of the user who uploaded it.
    pub uploaded_by: Option<String>,
}

/// A version with what only the registry needs.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRecord {
    /// Counts up as versions are inserted.
    pub serial: i64,
    /// The version.
    pub version: PluginVersion,
    /// Whether it may run.
    pub state: VersionState,
    /// What came with it.
    pub about: About,
}

#[derive(sqlx::FromRow)]
pub(super) struct VersionRow {
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

#[derive(sqlx::FromRow)]
struct RecordRow {
    #[sqlx(flatten)]
    version: VersionRow,
    state: String,
    deprecated: bool,
    report: Option<String>,
    notes: Option<String>,
    signature: Option<String>,
    uploaded_by: Option<String>,
}

impl TryFrom<RecordRow> for VersionRecord {
    type Error = Error;

    fn try_from(row: RecordRow) -> Result<Self> {
        let place = Place { table: "plugin_versions", id: row.version.id };
        let state = match (row.state.as_str(), row.deprecated) {
            ("active", false) => VersionState::Active,
            ("active", true) => VersionState::Deprecated,
            ("deactivated", _) => VersionState::Deactivated,
            _ => return Err(place.corrupt("state")),
        };
        let report = row.report.map(|report| place.json("report", &report)).transpose()?;
        let about = About { report, notes: row.notes, signature: row.signature, uploaded_by: row.uploaded_by };
        Ok(Self { serial: row.version.id, version: row.version.try_into()?, state, about })
    }
}

/// The two columns that a state is kept in: whether it may run, and whether there is something better.
const fn columns(state: VersionState) -> (&'static str, bool) {
    match state {
        VersionState::Active => ("active", false),
        VersionState::Deprecated => ("active", true),
        VersionState::Deactivated => ("deactivated", false),
    }
}

/// The bytes of a component, compressed. Made before the transaction that writes it, which others may wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub(super) size_bytes: i64,
    pub(super) content: Vec<u8>,
}

impl Packed {
    /// Compresses a component: some milliseconds per megabyte.
    pub fn new(component: &[u8]) -> Result<Self> {
        let size_bytes = i64::try_from(component.len()).unwrap_or(i64::MAX);
        Ok(Self { size_bytes, content: zstd::bulk::compress(component, COMPRESSION).map_err(Error::Io)? })
    }
}

/// Inserts a version of a plugin that is there, and its component if it is not there.
///
/// # Errors
/// [`Error::Conflict`] if the plugin has a version with this digest; [`Error::Reference`] if there is no such plugin.
pub async fn insert_version(tx: &mut Tx, version: &PluginVersion, component: &[u8]) -> Result<()> {
    insert_content(tx, version, &Content::Packed(Packed::new(component)?), &About::default()).await.map(drop)
}

/// The same with a component that was compressed or stored before, and what came with it. `false` if the component was there: then `content` is not
/// looked at.
///
/// # Errors
/// As [`insert_version`].
pub async fn insert_content(tx: &mut Tx, version: &PluginVersion, content: &Content, about: &About) -> Result<bool> {
    let (digest, stamps) = (version.digest.0.as_slice(), &version.stamps);
    let is_new = insert_component(tx, version.digest, content, stamps.created_at).await?;
    let sql = "INSERT INTO plugin_versions (plugin_id, version, digest, description, imports, state, report, notes, signature, \
               uploaded_by, created_at, updated_at, deleted_at) \
               VALUES ($1, $2, $3, $4, $5, 'active', $6, $7, $8, $9, $10, $11, $12)";
    let (description, imports) = (json(&version.description)?, json(&version.imports)?);
    let report = about.report.as_ref().map(json).transpose()?;
    execute!(
        tx,
        sql,
        version.plugin_id.0,
        &version.description.version,
        digest,
        &description,
        &imports,
        &report,
        &about.notes,
        &about.signature,
        &about.uploaded_by,
        stamps.created_at,
        stamps.updated_at,
        stamps.deleted_at,
    )
    .map_err(|error| Error::on_insert(error, "plugin version", version.digest.to_string()))?;
    Ok(is_new)
}

/// Inserts a component; `false` if it was there, and stays there until the transaction ends.
async fn insert_component(tx: &mut Tx, digest: Digest, content: &Content, now: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO components (digest, size_bytes, content, blob_place, blob_name, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (digest) DO NOTHING";
    let (bytes, (place, name)) = (digest.0.as_slice(), blob::columns(content.blob()));
    for _ in 0..ATTEMPTS {
        if execute!(tx, sql, bytes, content.size_bytes(), content.packed(), place, name, now)? == 1 {
            return Ok(true);
        }
        let is_there = match tx {
            // Whoever has deleted the last version that had it, and has not committed, is waited for; then it may be gone.
            Tx::Postgres(tx) => {
                let sql = "SELECT 1 FROM components WHERE digest = $1 FOR KEY SHARE";
                sqlx::query_scalar::<_, i32>(sql).bind(bytes).fetch_optional(&mut **tx).await?.is_some()
            }
            // There is one writer at a time.
            Tx::Sqlite(_) => true,
        };
        if is_there {
            return Ok(false);
        }
    }
    Err(Error::Busy(sqlx::Error::RowNotFound))
}

/// Holds the components of a plugin's versions, or of one of them, until the transaction ends: of two who delete the last versions that have a component, one
/// sees that the other's is gone. Components are held in the order of their digests, so that no two wait for each other.
pub async fn hold_components(tx: &mut Tx, plugin: PluginId, digest: Option<Digest>) -> Result<()> {
    match tx {
        Tx::Postgres(tx) => {
            let sql = "SELECT 1 FROM components WHERE digest IN \
                       (SELECT v.digest FROM plugin_versions v WHERE v.plugin_id = $1 AND ($2 IS NULL OR v.digest = $2)) \
                       ORDER BY digest FOR UPDATE";
            let digest = digest.as_ref().map(|digest| digest.0.as_slice());
            sqlx::query(sql).bind(plugin.0).bind(digest).execute(&mut **tx).await?;
        }
        // There is one writer at a time.
        Tx::Sqlite(_) => {}
    }
    Ok(())
}

/// The version with a digest, active or not; if several plugins have it, that of a built-in one or else of the first one.
pub async fn version(tx: &mut Tx, digest: Digest) -> Result<Option<PluginVersion>> {
    let select = Select::new(VERSION_COLUMNS, VERSIONS).filter("v.digest = ?", digest.0.as_slice());
    select.then("ORDER BY p.project_id IS NOT NULL, v.id").first::<VersionRow, _>(tx).await
}

/// The version of a plugin with a digest, active or not.
pub async fn version_of(tx: &mut Tx, plugin: PluginId, digest: Digest) -> Result<Option<PluginVersion>> {
    let select = Select::new(VERSION_COLUMNS, VERSIONS).filter("v.digest = ?", digest.0.as_slice());
    select.filter("v.plugin_id = ?", plugin.0).first::<VersionRow, _>(tx).await
}

/// The version with a digest of any plugin of a project.
pub async fn owned_version(tx: &mut Tx, project: &ProjectId, digest: Digest) -> Result<Option<PluginVersion>> {
    let select = Select::new(VERSION_COLUMNS, VERSIONS).filter("v.digest = ?", digest.0.as_slice());
    let select = select.filter("p.project_id = ?", project.0.as_str()).only("p.deleted = 0");
    select.then("ORDER BY v.id").first::<VersionRow, _>(tx).await
}

/// All versions of a kind that are not deleted, active or not, first inserted first.
pub async fn versions(tx: &mut Tx, kind: PluginKind) -> Result<Vec<PluginVersion>> {
    let select = Select::new(VERSION_COLUMNS, VERSIONS).filter("p.kind = ?", kind.as_str());
    let select = select.only("v.deleted = 0 AND p.deleted = 0");
    select.then("ORDER BY v.id").all::<VersionRow, _>(tx).await
}

/// A page of the versions of a plugin, active or not, in the order in which they were inserted. `marker` is the serial number of the last
/// one of the page before.
pub async fn versions_of(
    tx: &mut Tx,
    plugin: PluginId,
    marker: Option<i64>,
    dir: SortDir,
    limit: u32,
) -> Result<Vec<VersionRecord>> {
    let select = Select::new(BRIEF_COLUMNS, VERSIONS).filter("v.plugin_id = ?", plugin.0);
    let (select, direction) = match dir {
        SortDir::Asc => (select.filter_some("v.id > ?", marker), "ASC"),
        SortDir::Desc => (select.filter_some("v.id < ?", marker), "DESC"),
    };
    select.then(&format!("ORDER BY v.id {direction} LIMIT {limit}")).all::<RecordRow, _>(tx).await
}

/// The version of a plugin that a caller refers to by its digest or its number. Of several of one number, which only built-in plugins
/// have, the last inserted one.
pub async fn find_version(tx: &mut Tx, plugin: PluginId, reference: &str) -> Result<Option<VersionRecord>> {
    let select = Select::new(RECORD_COLUMNS, VERSIONS).filter("v.plugin_id = ?", plugin.0);
    let select = match reference.parse::<Digest>() {
        Ok(digest) => select.filter("v.digest = ?", digest.0.as_slice()),
        Err(_) => select.filter("v.version = ?", reference),
    };
    select.then("ORDER BY v.id DESC").first::<RecordRow, _>(tx).await
}

/// The version of a plugin whose number is the same but for build metadata, which follow `+` and order nothing.
pub async fn version_numbered(tx: &mut Tx, plugin: PluginId, number: &str) -> Result<Option<VersionRecord>> {
    let plain = number.split('+').next().unwrap_or(number);
    let select = Select::new(RECORD_COLUMNS, VERSIONS).filter("v.plugin_id = ?", plugin.0);
    let select = select.filter("(v.version = ? OR substr(v.version, 1, length(?) + 1) = ? || '+')", plain);
    select.then("ORDER BY v.id DESC").first::<RecordRow, _>(tx).await
}

/// Deactivates a version, or activates it again, in all plugins that have it; `false` if none has.
pub async fn set_state(tx: &mut Tx, digest: Digest, state: VersionState, now: Timestamp) -> Result<bool> {
    let sql =
        "UPDATE plugin_versions SET state = $2, deprecated = $3, updated_at = $4 WHERE digest = $1 AND deleted = 0";
    let (state, deprecated) = columns(state);
    Ok(execute!(tx, sql, digest.0.as_slice(), state, deprecated, now)? > 0)
}

/// Moves the version of one plugin to a state; `false` if the plugin has no such version.
pub async fn set_state_of(
    tx: &mut Tx,
    plugin: PluginId,
    digest: Digest,
    state: VersionState,
    now: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE plugin_versions SET state = $3, deprecated = $4, updated_at = $5 \
               WHERE plugin_id = $1 AND digest = $2 AND deleted = 0";
    let (state, deprecated) = columns(state);
    Ok(execute!(tx, sql, plugin.0, digest.0.as_slice(), state, deprecated, now)? == 1)
}

/// Takes a version out, and its bytes if no other plugin has them; `false` if the plugin has no such version. Bytes in an object store are loose then, and
/// to be removed. Whoever deletes several versions calls [`hold_components`] first.
pub async fn delete_version(tx: &mut Tx, plugin: PluginId, digest: Digest, now: Timestamp) -> Result<bool> {
    hold_components(tx, plugin, Some(digest)).await?;
    let bytes = digest.0.as_slice();
    let no_default =
        "UPDATE plugins SET default_digest = NULL, updated_at = $3 WHERE uuid = $1 AND default_digest = $2";
    execute!(tx, no_default, plugin.0, bytes, now)?;
    let gone = "DELETE FROM plugin_versions WHERE plugin_id = $1 AND digest = $2";
    if execute!(tx, gone, plugin.0, bytes)? == 0 {
        return Ok(false);
    }
    // What was given for it ends with it; a project has a component once.
    let unsigned = "DELETE FROM plugin_signatures WHERE digest = $1 AND (\
                    project_id = (SELECT COALESCE(p.project_id, '') FROM plugins p WHERE p.uuid = $2) \
                    OR NOT EXISTS (SELECT 1 FROM plugin_versions v WHERE v.digest = plugin_signatures.digest))";
    execute!(tx, unsigned, bytes, plugin.0)?;
    let unused = "DELETE FROM components WHERE digest = $1 \
                  AND NOT EXISTS (SELECT 1 FROM plugin_versions v WHERE v.digest = components.digest) \
                  RETURNING blob_place, blob_name";
    let blob: Option<(String, String)> =
        on_backend!(tx, |conn| sqlx::query_as(unused).bind(bytes).fetch_optional(conn).await?);
    if let Some((place, name)) = blob.filter(|(place, _)| !place.is_empty()) {
        blob::leave_behind(tx, &Blob { place, name }, now).await?;
    }
    Ok(true)
}

/// What the versions with these digests say about themselves, in plugins that somebody may use; built-in ones, which others describe, are left out.
pub async fn descriptions(
    tx: &mut Tx,
    digests: &[Digest],
    visible: &Visibility,
) -> Result<HashMap<Digest, Description>> {
    let mut found = HashMap::new();
    for digest in digests {
        if found.contains_key(digest) {
            continue;
        }
        let version = version_seen(tx, *digest, visible).await?;
        if let Some(version) = version.filter(|version| version.project_id.is_some()) {
            found.insert(*digest, version.description);
        }
    }
    Ok(found)
}

/// The bytes of a component, or where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    /// The bytes, as they are in the database.
    Here(Vec<u8>),
    /// They are in an object store.
    There {
        /// Their number.
        size_bytes: u64,
        /// Where they are.
        blob: Blob,
    },
}

/// The bytes of a component, or where they are.
///
/// # Errors
/// [`Error::Io`] if what is stored cannot be decompressed. Whether it has the digest is for the caller to check.
pub async fn component(tx: &mut Tx, digest: Digest) -> Result<Option<Component>> {
    let sql = "SELECT size_bytes, content, blob_place, blob_name FROM components WHERE digest = $1";
    let row: Option<(i64, Vec<u8>, String, String)> =
        on_backend!(tx, |conn| sqlx::query_as(sql).bind(digest.0.as_slice()).fetch_optional(conn).await?);
    let Some((size, content, place, name)) = row else { return Ok(None) };
    let row = Place { table: "components", id: 0 };
    if place.is_empty() {
        let size = row.number("size_bytes", size)?;
        // Megabytes take long enough to hold others up.
        let unpacked = watcher_fair::chore(move || zstd::bulk::decompress(&content, size)).await;
        let unpacked = unpacked.unwrap_or_else(|ended| Err(std::io::Error::other(ended)));
        return Ok(Some(Component::Here(unpacked.map_err(Error::Io)?)));
    }
    Ok(Some(Component::There { size_bytes: row.number("size_bytes", size)?, blob: Blob { place, name } }))
}
