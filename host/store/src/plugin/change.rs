//! How often anything about plugins changed.

use crate::error::Result;
use crate::store::{Store, Tx};

/// Counts a change. The last thing that a transaction does: whoever else changes something waits for its end.
pub async fn bump(tx: &mut Tx) -> Result<()> {
    execute!(tx, "UPDATE plugin_changes SET number = number + 1 WHERE id = 1")?;
    Ok(())
}

/// How many changes there were: an answer that was made under one number holds until there is another.
pub async fn number(store: &Store) -> Result<i64> {
    let sql = "SELECT number FROM plugin_changes WHERE id = 1";
    Ok(match store {
        Store::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await?,
        Store::Sqlite(sqlite) => sqlx::query_scalar(sql).fetch_one(sqlite.readers()).await?,
    })
}
