//! `watcher-host db`.

use anyhow::Context as _;
use watcher_store::Store;

use crate::blobs;
use crate::cli::DbCommand;
use crate::config::Config;
use crate::show::print;

/// Looks after the database.
pub async fn run(config: &Config, command: DbCommand) -> anyhow::Result<()> {
    let store = Store::connect(&config.database.url).await.context("cannot open the database")?;
    match command {
        DbCommand::Upgrade => {
            store.migrate().await.context("cannot upgrade the database")?;
            print("the database is up to date");
        }
        DbCommand::Version => {
            store.check_migrations().await?;
            print("the database fits this program");
        }
        DbCommand::MoveBlobs { to } => {
            store.check_migrations().await?;
            blobs::relocate(&config.blobs, &store, to.as_deref()).await.context("cannot move components")?;
        }
    }
    Ok(())
}
