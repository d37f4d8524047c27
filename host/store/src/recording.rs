//! What runs of audits saw.

use watcher_domain::recording::Recording;
use watcher_domain::{ActionPlanId, AuditId, SnapshotId, Timestamp};

use crate::error::{Error, Result};
use crate::select::Select;
use crate::store::Tx;
use crate::value::{Place, kept};

/// Largest recording that is read back, in bytes of JSON. A hundred metrics of a hundred thousand instances are a tenth of it.
const LARGEST: usize = 1 << 30;

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    content: Vec<u8>,
}

impl TryFrom<Row> for Recording {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let json = unpack(&row.content)?;
        serde_json::from_slice(&json).map_err(|_| Place { table: "recordings", id: row.id }.corrupt("content"))
    }
}

/// Decompresses without trusting what the bytes say about their size.
fn unpack(content: &[u8]) -> Result<Vec<u8>> {
    use std::io::Read as _;

    let mut json = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(content).map_err(Error::Io)?;
    decoder.take(LARGEST as u64).read_to_end(&mut json).map_err(Error::Io)?;
    Ok(json)
}

/// A recording as it is stored: made before a transaction begins, for it may take long.
pub struct Packed {
    snapshot: SnapshotId,
    content: Vec<u8>,
    snapshot_bytes: u64,
}

impl Packed {
    /// Compresses a recording on a thread of lower priority: what a strategy saw of a large cluster takes long enough to hold others up. The bytes of its snapshot
    /// count as its own if nobody kept that snapshot before, and are 0 otherwise.
    ///
    /// # Errors
    /// [`Error::Io`] if that thread ended.
    pub async fn new(recording: Recording, snapshot_bytes: u64) -> Result<Self> {
        let snapshot = recording.snapshot_id;
        let pack = move || zstd::bulk::compress(&serde_json::to_vec(&recording)?, 1).map_err(Error::Io);
        let packed = watcher_fair::chore(pack).await;
        let content = packed.unwrap_or_else(|ended| Err(Error::Io(std::io::Error::other(ended))))?;
        Ok(Self { snapshot, content, snapshot_bytes })
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> u64 {
        self.content.len() as u64 + self.snapshot_bytes
    }
}

/// Keeps the recording of a run. It belongs to the project of the audit.
///
/// # Errors
/// [`Error::Reference`] if the audit, the plan or the snapshot are not there.
pub async fn insert(
    tx: &mut Tx,
    audit: AuditId,
    action_plan: Option<ActionPlanId>,
    recording: &Packed,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO recordings (project_id, audit_id, action_plan_id, snapshot_id, content, size_bytes, created_at) \
               VALUES ((SELECT project_id FROM audits WHERE uuid = $1), $1, $2, $3, $4, $5, $6)";
    let (plan, content) = (action_plan.map(|plan| plan.0), recording.content.as_slice());
    execute!(tx, sql, audit.0, plan, recording.snapshot.0, content, kept(recording.bytes()), now)?;
    Ok(())
}

/// The recording of the last run of an audit.
pub async fn get(tx: &mut Tx, audit: AuditId) -> Result<Option<Recording>> {
    let select = Select::new("id, content", "recordings").filter("audit_id = ?", audit.0);
    select.then("ORDER BY id DESC").first::<Row, _>(tx).await
}

/// The recording of the run that recommended a plan.
pub async fn of_plan(tx: &mut Tx, plan: ActionPlanId) -> Result<Option<Recording>> {
    let select = Select::new("id, content", "recordings").filter("action_plan_id = ?", plan.0);
    select.then("ORDER BY id DESC").first::<Row, _>(tx).await
}

/// Drops recordings that were made before a time, the oldest first, `limit` of them at most; how many.
pub async fn drop_old(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64> {
    let sql = "DELETE FROM recordings WHERE id IN \
               (SELECT id FROM recordings WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    Ok(execute!(tx, sql, before, i64::from(limit))?)
}

/// Drops recordings of each project beyond the newest ones that have together so many bytes, `limit` of them at most; how many.
pub async fn drop_beyond(tx: &mut Tx, bytes: u64, limit: u32) -> Result<u64> {
    let sql = "DELETE FROM recordings WHERE id IN (SELECT id FROM (\
                 SELECT id, SUM(size_bytes) OVER (PARTITION BY project_id ORDER BY id DESC) AS kept FROM recordings\
               ) AS sums WHERE kept > $1 LIMIT $2)";
    Ok(execute!(tx, sql, kept(bytes), i64::from(limit))?)
}
