//! `watcher-host db`.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context as _, bail};
use watcher_domain::{Clock as _, SystemClock};
use watcher_store::purge::{self, Purge, Purged};
use watcher_store::{Reference, Store};

use crate::blobs;
use crate::cli::{DbCommand, PurgeArgs};
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
        DbCommand::Purge(arguments) => {
            store.check_migrations().await?;
            purge(&store, &arguments).await?;
        }
    }
    Ok(())
}

/// Removes what was soft-deleted, or counts it, and says how much.
async fn purge(store: &Store, arguments: &PurgeArgs) -> anyhow::Result<()> {
    let goals = match &arguments.goal {
        None => None,
        Some(text) => {
            let reference: Reference = text.parse().unwrap_or_else(|never: Infallible| match never {});
            let goals = purge::goals(&mut store.read().await?, &reference).await?;
            if goals.is_empty() {
                bail!("there is no goal {text}");
            }
            Some(goals)
        }
    };
    let what = Purge {
        before: SystemClock.now() - Duration::from_hours(24) * arguments.age_in_days,
        goals,
        orphans: !arguments.exclude_orphans,
        most: arguments.max_number,
    };
    let (done, heading) = if arguments.dry_run {
        (purge::count(store, &what).await?, "would be removed")
    } else {
        (purge::run(store, &what).await?, "removed")
    };
    let Purged { audit_templates, audits, action_plans, actions, efficacy_indicators, recordings } = done;
    for (name, count) in [
        ("audit templates", audit_templates),
        ("audits", audits),
        ("action plans", action_plans),
        ("actions", actions),
        ("efficacy indicators", efficacy_indicators),
        ("recordings", recordings),
    ] {
        print(&format!("{name:<20} {count:>10} {heading}"));
    }
    Ok(())
}
