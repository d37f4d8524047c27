//! Clusters that audits looked at, each kept once.

use uuid::Uuid;
use watcher_domain::{Digest, SnapshotId, Timestamp};

use crate::error::Result;
use crate::store::Tx;
use crate::value::Place;

/// Keeps a snapshot, unless one with this digest is kept already, which is then as if used now; the id under which it is kept.
///
/// `content` is compressed by zstd; the digest is that of what was compressed. Audits of all projects look at the same cluster, and who keeps a snapshot that
/// another transaction is keeping waits for its end: a transaction that does this should do nothing else.
pub async fn insert(tx: &mut Tx, id: SnapshotId, digest: Digest, content: &[u8], now: Timestamp) -> Result<SnapshotId> {
    let sql = "INSERT INTO snapshots (uuid, digest, content, used_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (digest) DO UPDATE SET used_at = excluded.used_at RETURNING uuid";
    let kept = scalar!(tx, Uuid, sql, id.0, digest.0.as_slice(), content, now)?;
    Ok(kept.map_or(id, SnapshotId))
}

/// The id under which the snapshot with this digest is kept, if it was used since a time.
pub async fn find(tx: &mut Tx, digest: Digest, since: Timestamp) -> Result<Option<SnapshotId>> {
    let sql = "SELECT uuid FROM snapshots WHERE digest = $1 AND used_at >= $2";
    Ok(scalar!(tx, Uuid, sql, digest.0.as_slice(), since)?.map(SnapshotId))
}

/// Drops snapshots that no recording names and that were not used since a time, `limit` of them at most; how many.
pub async fn drop_unused(tx: &mut Tx, since: Timestamp, limit: u32) -> Result<u64> {
    // The time is asked twice: one that is used while this waits for its row is kept.
    let sql = "DELETE FROM snapshots WHERE used_at < $1 AND id IN (\
                 SELECT id FROM snapshots WHERE used_at < $1 \
                 AND NOT EXISTS (SELECT 1 FROM recordings WHERE recordings.snapshot_id = snapshots.uuid) \
                 ORDER BY used_at LIMIT $2)";
    Ok(execute!(tx, sql, since, i64::from(limit))?)
}

/// The digest and the compressed content of a snapshot.
pub async fn get(tx: &mut Tx, id: SnapshotId) -> Result<Option<(Digest, Vec<u8>)>> {
    let sql = "SELECT id, digest, content FROM snapshots WHERE uuid = $1";
    let row: Option<(i64, Vec<u8>, Vec<u8>)> =
        on_backend!(tx, |conn| sqlx::query_as(sql).bind(id.0).fetch_optional(conn).await?);
    let Some((serial, digest, content)) = row else { return Ok(None) };
    Ok(Some((Place { table: "snapshots", id: serial }.digest("digest", &digest)?, content)))
}
