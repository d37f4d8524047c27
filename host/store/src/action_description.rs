//! What types of actions do, in the words of their handlers.

use std::collections::HashMap;

use watcher_domain::Timestamp;

use crate::error::Result;
use crate::select::Select;
use crate::store::Tx;

/// Writes the description of an action type; whether that changed anything.
pub async fn upsert(tx: &mut Tx, action_type: &str, description: &str, now: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO action_descriptions (action_type, description, created_at) VALUES ($1, $2, $3) \
               ON CONFLICT (action_type) DO UPDATE SET description = excluded.description, updated_at = excluded.created_at \
               WHERE action_descriptions.description <> excluded.description";
    Ok(execute!(tx, sql, action_type, description, now)? == 1)
}

/// Descriptions by action type.
pub async fn list(tx: &mut Tx) -> Result<HashMap<String, String>> {
    let rows = Select::new("action_type, description", "action_descriptions").not_deleted(false);
    Ok(rows.fetch_all::<(String, String)>(tx).await?.into_iter().collect())
}
