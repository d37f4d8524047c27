//! What plugins used, by project, component and day.

use watcher_domain::{Digest, ProjectId};

use crate::error::Result;
use crate::store::Tx;
use crate::value::{Place, kept};

/// What the calls of one component used for one project on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayUsage {
    /// The project; none for what the service ran for itself.
    pub project: Option<ProjectId>,
    /// The component.
    pub digest: Digest,
    /// The day in UTC, as `2026-01-31`.
    pub day: String,
    /// Calls.
    pub calls: u64,
    /// Those that hit a limit.
    pub limited: u64,
    /// Those that crashed or returned something invalid.
    pub crashed: u64,
    /// Those that were ended because nobody waited any longer.
    pub dropped: u64,
    /// Units of computation.
    pub fuel: u64,
    /// Time within calls in microseconds, waiting included.
    pub duration_us: u64,
    /// Most memory of one call, in bytes.
    pub memory_bytes: u64,
    /// Requests to the cloud.
    pub requests: u64,
}

#[derive(sqlx::FromRow)]
struct Row {
    project_id: String,
    digest: Vec<u8>,
    day: String,
    calls: i64,
    limited: i64,
    crashed: i64,
    dropped: i64,
    fuel: i64,
    duration_us: i64,
    memory_bytes: i64,
    requests: i64,
}

fn read(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

impl TryFrom<Row> for DayUsage {
    type Error = crate::Error;

    fn try_from(row: Row) -> Result<Self> {
        let digest = Place { table: "plugin_usage", id: 0 }.digest("digest", &row.digest)?;
        Ok(Self {
            project: Some(ProjectId(row.project_id)).filter(|project| !project.0.is_empty()),
            digest,
            day: row.day,
            calls: read(row.calls),
            limited: read(row.limited),
            crashed: read(row.crashed),
            dropped: read(row.dropped),
            fuel: read(row.fuel),
            duration_us: read(row.duration_us),
            memory_bytes: read(row.memory_bytes),
            requests: read(row.requests),
        })
    }
}

/// Adds what was used to what is known.
pub async fn add_usage(tx: &mut Tx, used: &DayUsage) -> Result<()> {
    let sql = "INSERT INTO plugin_usage AS u (project_id, digest, day, calls, limited, crashed, dropped, fuel, duration_us, \
               memory_bytes, requests) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
               ON CONFLICT (project_id, digest, day) DO UPDATE SET calls = u.calls + excluded.calls, \
               limited = u.limited + excluded.limited, crashed = u.crashed + excluded.crashed, \
               dropped = u.dropped + excluded.dropped, fuel = u.fuel + excluded.fuel, \
               duration_us = u.duration_us + excluded.duration_us, requests = u.requests + excluded.requests, \
               memory_bytes = CASE WHEN u.memory_bytes < excluded.memory_bytes THEN excluded.memory_bytes \
               ELSE u.memory_bytes END";
    let project = used.project.as_ref().map_or("", |project| project.0.as_str());
    execute!(
        tx,
        sql,
        project,
        &used.digest.0[..],
        &used.day,
        kept(used.calls),
        kept(used.limited),
        kept(used.crashed),
        kept(used.dropped),
        kept(used.fuel),
        kept(used.duration_us),
        kept(used.memory_bytes),
        kept(used.requests),
    )?;
    Ok(())
}

/// What a project used since a day, the latest first; within a day by component.
pub async fn usage_by_day(tx: &mut Tx, project: &ProjectId, since: &str, limit: u32) -> Result<Vec<DayUsage>> {
    let sql = "SELECT * FROM plugin_usage WHERE project_id = $1 AND day >= $2 ORDER BY day DESC, digest LIMIT $3";
    let rows: Vec<Row> = on_backend!(tx, |conn| sqlx::query_as(sql)
        .bind(&project.0)
        .bind(since)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?);
    rows.into_iter().map(DayUsage::try_from).collect()
}

/// Forgets what was used before a day; how many rows that were.
pub async fn forget_usage(tx: &mut Tx, before: &str) -> Result<u64> {
    Ok(execute!(tx, "DELETE FROM plugin_usage WHERE day < $1", before)?)
}
