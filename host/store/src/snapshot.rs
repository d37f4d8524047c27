//! Clusters that audits looked at, each kept once.

use uuid::Uuid;
use watcher_domain::{Digest, SnapshotId, Timestamp};

use crate::error::Result;
use crate::store::Tx;
use crate::value::Place;

/// Keeps a snapshot, unless one with this digest is kept already; the id under which it is kept.
///
/// `content` is compressed by zstd; the digest is that of what was compressed.
pub async fn insert(tx: &mut Tx, id: SnapshotId, digest: Digest, content: &[u8], now: Timestamp) -> Result<SnapshotId> {
    // The row is touched even if it is there, so that it is returned, and stays until this transaction ends.
    let sql = "INSERT INTO snapshots (uuid, digest, content, created_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest RETURNING uuid";
    let kept = scalar!(tx, Uuid, sql, id.0, digest.0.as_slice(), content, now)?;
    Ok(SnapshotId(kept.unwrap_or(id.0)))
}

/// The digest and the compressed content of a snapshot.
pub async fn get(tx: &mut Tx, id: SnapshotId) -> Result<Option<(Digest, Vec<u8>)>> {
    let sql = "SELECT id, digest, content FROM snapshots WHERE uuid = $1";
    let row: Option<(i64, Vec<u8>, Vec<u8>)> =
        on_backend!(tx, |conn| sqlx::query_as(sql).bind(id.0).fetch_optional(conn).await?);
    let Some((serial, digest, content)) = row else { return Ok(None) };
    Ok(Some((Place { table: "snapshots", id: serial }.digest("digest", &digest)?, content)))
}
