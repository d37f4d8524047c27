//! Blobs in object stores: which components have them, and which are loose.
//!
//! A name is loose from before it is written until a component has it, and again from when the component is gone until it is removed; both steps are
//! part of the transactions that they belong to. So whatever lies in a store is named by a row, whoever is killed when, and a store is never
//! searched.

use watcher_domain::{Digest, Timestamp};

use crate::error::Result;
use crate::select::Select;
use crate::store::Tx;
use crate::value::Place;

use super::version::Packed;

/// Where a blob is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Blob {
    /// The store, as it was named when the blob was written; without credentials.
    pub place: String,
    /// The name in it.
    pub name: String,
}

/// A component, as far as its bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentRow {
    /// Its digest.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
    /// Where its bytes are, if they are not in the database.
    pub blob: Option<Blob>,
}

#[derive(sqlx::FromRow)]
struct Row {
    digest: Vec<u8>,
    size_bytes: i64,
    blob_place: String,
    blob_name: String,
}

impl TryFrom<Row> for ComponentRow {
    type Error = crate::error::Error;

    fn try_from(row: Row) -> Result<Self> {
        let place = Place { table: "components", id: 0 };
        let blob = (!row.blob_place.is_empty()).then_some(Blob { place: row.blob_place, name: row.blob_name });
        Ok(Self {
            digest: place.digest("digest", &row.digest)?,
            size_bytes: place.number("size_bytes", row.size_bytes)?,
            blob,
        })
    }
}

/// The bytes of a component as its row is to have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In the row.
    Packed(Packed),
    /// In an object store.
    Blob {
        /// Their number.
        size_bytes: u64,
        /// Where.
        blob: Blob,
    },
}

impl Content {
    /// Where they are, if they are not in the row.
    pub const fn blob(&self) -> Option<&Blob> {
        match self {
            Self::Packed(_) => None,
            Self::Blob { blob, .. } => Some(blob),
        }
    }

    pub(super) fn size_bytes(&self) -> i64 {
        match self {
            Self::Packed(packed) => packed.size_bytes,
            Self::Blob { size_bytes, .. } => i64::try_from(*size_bytes).unwrap_or(i64::MAX),
        }
    }

    pub(super) fn packed(&self) -> &[u8] {
        match self {
            Self::Packed(packed) => &packed.content,
            Self::Blob { .. } => &[],
        }
    }
}

/// The columns of a place and a name.
pub(super) fn columns(blob: Option<&Blob>) -> (&str, &str) {
    blob.map_or(("", ""), |blob| (&blob.place, &blob.name))
}

#[derive(sqlx::FromRow)]
struct LooseRow {
    place: String,
    name: String,
}

const COLUMNS: &str = "c.digest, c.size_bytes, c.blob_place, c.blob_name";
/// Condition for components that no built-in version has.
const OF_PROJECTS: &str = "NOT EXISTS (SELECT 1 FROM plugin_versions v JOIN plugins p ON p.uuid = v.plugin_id \
                           WHERE v.digest = c.digest AND p.project_id IS NULL)";

/// Components that projects uploaded and whose bytes are not in `place` (empty for the database), in the order of digests, after one of them.
/// Components of built-in versions are left out: they come with the program, which needs them before anything else.
pub async fn components_elsewhere(
    tx: &mut Tx,
    place: &str,
    after: Option<Digest>,
    limit: u32,
) -> Result<Vec<ComponentRow>> {
    let select = Select::new(COLUMNS, "components c").filter("c.blob_place <> ?", place).only(OF_PROJECTS);
    let select = select.filter_some("c.digest > ?", after.as_ref().map(|digest| digest.0.as_slice()));
    select.then(&format!("ORDER BY c.digest LIMIT {limit}")).all::<Row, _>(tx).await
}

/// How many there are of them.
pub async fn count_elsewhere(tx: &mut Tx, place: &str) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM components c WHERE c.blob_place <> $1 AND {OF_PROJECTS}");
    let count = scalar!(tx, i64, sqlx::AssertSqlSafe(sql), place)?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Stores that components or loose blobs are in.
pub async fn blob_places(tx: &mut Tx) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT blob_place FROM components WHERE blob_place <> '' UNION SELECT DISTINCT place FROM loose_blobs ORDER BY 1";
    Ok(scalars!(tx, String, sql)?)
}

/// Notes a name that is about to be written.
pub async fn expect_blob(tx: &mut Tx, blob: &Blob, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO loose_blobs (place, name, doomed, since) VALUES ($1, $2, $3, $4)";
    execute!(tx, sql, &blob.place, &blob.name, false, now)?;
    Ok(())
}

/// Takes a name that a component has now out of the loose ones. `false` if it was given up meanwhile and may be gone: the component must not have it.
pub async fn adopt_blob(tx: &mut Tx, blob: &Blob) -> Result<bool> {
    let sql = "DELETE FROM loose_blobs WHERE place = $1 AND name = $2 AND doomed = $3";
    Ok(execute!(tx, sql, &blob.place, &blob.name, false)? == 1)
}

/// Lets a loose name be removed.
pub async fn doom_blob(tx: &mut Tx, blob: &Blob, now: Timestamp) -> Result<()> {
    let sql = "UPDATE loose_blobs SET doomed = $3, since = $4 WHERE place = $1 AND name = $2";
    execute!(tx, sql, &blob.place, &blob.name, true, now)?;
    Ok(())
}

/// Gives up a loose name that was to be removed anyway, or is expected since `before` or longer; `false` if it is none of them, or a component
/// has it.
pub async fn give_up_blob(tx: &mut Tx, blob: &Blob, before: Timestamp) -> Result<bool> {
    let sql = "UPDATE loose_blobs SET doomed = $3 WHERE place = $1 AND name = $2 AND (doomed = $3 OR since <= $4) AND NOT EXISTS (\
               SELECT 1 FROM components c WHERE c.blob_place = loose_blobs.place AND c.blob_name = loose_blobs.name)";
    Ok(execute!(tx, sql, &blob.place, &blob.name, true, before)? == 1)
}

/// Loose names that are to be removed, or are expected since `before` or longer: those first that were longest left alone.
pub async fn loose_blobs(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<Vec<Blob>> {
    let sql = format!(
        "SELECT place, name FROM loose_blobs WHERE doomed = $1 OR since <= $2 ORDER BY since, id LIMIT {limit}"
    );
    let rows: Vec<LooseRow> = on_backend!(tx, |conn| {
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(true).bind(before).fetch_all(conn).await?
    });
    Ok(rows.into_iter().map(|row| Blob { place: row.place, name: row.name }).collect())
}

/// Forgets a name that was removed.
pub async fn forget_blob(tx: &mut Tx, blob: &Blob) -> Result<()> {
    let sql = "DELETE FROM loose_blobs WHERE place = $1 AND name = $2 AND doomed = $3";
    execute!(tx, sql, &blob.place, &blob.name, true)?;
    Ok(())
}

/// Moves the bytes of a component, if they are still where they were; what is left behind in a store is loose and to be removed. `false` if somebody
/// else moved or deleted it.
pub async fn relocate(tx: &mut Tx, before: &ComponentRow, after: &Content, now: Timestamp) -> Result<bool> {
    let (place, name) = columns(before.blob.as_ref());
    let (new_place, new_name) = columns(after.blob());
    let sql = "UPDATE components SET blob_place = $4, blob_name = $5, content = $6 \
               WHERE digest = $1 AND blob_place = $2 AND blob_name = $3";
    if execute!(tx, sql, before.digest.0.as_slice(), place, name, new_place, new_name, after.packed())? == 0 {
        return Ok(false);
    }
    if let Some(blob) = &before.blob {
        leave_behind(tx, blob, now).await?;
    }
    Ok(true)
}

/// Notes that a blob which a component had is to be removed.
pub(super) async fn leave_behind(tx: &mut Tx, blob: &Blob, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO loose_blobs (place, name, doomed, since) VALUES ($1, $2, $3, $4)";
    execute!(tx, sql, &blob.place, &blob.name, true, now)?;
    Ok(())
}
