//! Signatures over components, and the signing policies of projects. What they mean is for others to know: here they are JSON.

use serde_json::Value;
use watcher_domain::{Digest, ProjectId, Timestamp};

use crate::error::Result;
use crate::store::Tx;
use crate::value::{Place, json};

/// Signatures over one component that are kept for one project, at most; they are added by hand.
const MOST_SIGNATURES: u32 = 256;
/// Signatures over one component by one key that are read, at most: each is verified.
const MOST_BY_KEY: u32 = 64;

/// A project as the table has it: that of the administrator, which counts for all, has no name.
fn owner(project: Option<&ProjectId>) -> &str {
    project.map_or("", |project| project.0.as_str())
}

/// The signing policy of a project, or the one for all; none if nobody set one.
pub async fn signing_policy(tx: &mut Tx, project: Option<&ProjectId>) -> Result<Option<(Value, Timestamp)>> {
    let sql =
        "SELECT id, policy, COALESCE(updated_at, created_at) AS since FROM signing_policies WHERE project_id = $1";
    let row: Option<(i64, String, Timestamp)> =
        on_backend!(tx, |conn| sqlx::query_as(sql).bind(owner(project)).fetch_optional(conn).await?);
    let Some((id, policy, since)) = row else { return Ok(None) };
    Ok(Some((Place { table: "signing_policies", id }.json("policy", &policy)?, since)))
}

/// Writes a signing policy.
pub async fn set_signing_policy(
    tx: &mut Tx,
    project: Option<&ProjectId>,
    policy: &Value,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO signing_policies (project_id, policy, created_at) VALUES ($1, $2, $3) \
               ON CONFLICT (project_id) DO UPDATE SET policy = excluded.policy, updated_at = excluded.created_at";
    let (project, policy) = (owner(project), json(policy)?);
    execute!(tx, sql, project, &policy, now)?;
    Ok(())
}

/// The signatures over a component that were given for plugins of a project, or for built-in ones, first added first.
pub async fn signatures(tx: &mut Tx, digest: Digest, project: Option<&ProjectId>) -> Result<Vec<Value>> {
    let sql = format!(
        "SELECT id, signature FROM plugin_signatures WHERE digest = $1 AND project_id = $2 ORDER BY id LIMIT {MOST_SIGNATURES}"
    );
    let (sql, project) = (sqlx::AssertSqlSafe(sql), owner(project));
    let rows: Vec<(i64, String)> =
        on_backend!(tx, |conn| sqlx::query_as(sql).bind(digest.0.as_slice()).bind(project).fetch_all(conn).await?);
    read(&rows)
}

/// The signatures over a component by a key, whichever project they were given for: first those of `project`, which runs it, of nobody, and of the owners of plugins
/// with it that the project accepted. Anybody who has the same bytes can add what is no signature by the key, and must not hide one of theirs.
pub async fn signatures_by(tx: &mut Tx, digest: Digest, key: &str, project: Option<&ProjectId>) -> Result<Vec<Value>> {
    let sql = format!(
        "SELECT id, signature FROM plugin_signatures WHERE digest = $1 AND key_id = $2 \
         ORDER BY CASE WHEN project_id IN ('', $3) OR project_id IN (\
          SELECT p.project_id FROM plugins p JOIN plugin_versions v ON v.plugin_id = p.uuid AND v.digest = $1 \
          JOIN plugin_members m ON m.plugin_id = p.uuid AND m.project_id = $3 AND m.status = 'accepted' WHERE p.deleted = 0) \
         THEN 0 ELSE 1 END, id LIMIT {MOST_BY_KEY}"
    );
    let (sql, project) = (sqlx::AssertSqlSafe(sql), owner(project));
    let rows: Vec<(i64, String)> = on_backend!(tx, |conn| sqlx::query_as(sql)
        .bind(digest.0.as_slice())
        .bind(key)
        .bind(project)
        .fetch_all(conn)
        .await?);
    read(&rows)
}

fn read(rows: &[(i64, String)]) -> Result<Vec<Value>> {
    rows.iter().map(|(id, text)| Place { table: "plugin_signatures", id: *id }.json("signature", text)).collect()
}

/// Adds a signature that is given for a plugin of a project, or for a built-in one; a later one by the same key takes the place of the earlier
/// one. `false` if the project has given as many as are kept.
///
/// # Errors
/// [`Error::Reference`](crate::Error::Reference) if there is no such component.
pub async fn add_signature(
    tx: &mut Tx,
    digest: Digest,
    project: Option<&ProjectId>,
    key: &str,
    signature: &Value,
    now: Timestamp,
) -> Result<bool> {
    let (project, signature) = (owner(project), json(signature)?);
    let others = "SELECT count(*) FROM plugin_signatures WHERE digest = $1 AND project_id = $2 AND key_id <> $3";
    let count = scalars!(tx, i64, others, digest.0.as_slice(), project, key)?;
    if count.first().is_some_and(|count| *count >= i64::from(MOST_SIGNATURES)) {
        return Ok(false);
    }
    let sql = "INSERT INTO plugin_signatures (digest, project_id, key_id, signature, created_at) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (digest, project_id, key_id) DO UPDATE SET signature = excluded.signature";
    execute!(tx, sql, digest.0.as_slice(), project, key, &signature, now)?;
    Ok(true)
}
