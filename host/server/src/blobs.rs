//! Opens the object stores that the configuration names, and moves components between them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio_util::sync::CancellationToken;
use watcher_blobs::{BlobOptions, Place, S3Options};
use watcher_domain::ports::BlobStore;
use watcher_domain::{Clock, SystemClock, SystemIds};
use watcher_registry::{BlobStores, Relocated, SWEPT_EVERY, StoredComponents};
use watcher_store::Store;

use crate::config::{BlobsConfig, DATABASE};
use crate::show::print;

/// Sweeps that follow on each other while there is something to remove.
const SWEEPS: usize = 10;

/// The components of a database, with the stores of the configuration.
pub(crate) fn components(config: &BlobsConfig, store: &Store) -> anyhow::Result<StoredComponents> {
    let keep_in = place(&config.store).context("blobs.store makes no sense")?;
    let others = config.others.iter().map(|text| place(text)).collect::<Result<Vec<_>, _>>();
    let places: Vec<Place> =
        keep_in.iter().cloned().chain(others.context("blobs.others makes no sense")?.into_iter().flatten()).collect();
    let has_bucket = places.iter().any(|place| matches!(place, Place::Bucket { .. }));
    let options = BlobOptions {
        s3: if has_bucket { Some(s3(config)?) } else { None },
        timeout: Duration::from_secs(config.timeout_s),
        max_requests: config.max_requests,
    };
    let mut stores: Vec<(String, Arc<dyn BlobStore>)> = Vec::new();
    for place in places {
        let blobs = watcher_blobs::open(&place, &options).with_context(|| format!("cannot use {place} for plugins"))?;
        stores.push((place.to_string(), Arc::new(blobs)));
    }
    let blobs = BlobStores::new(stores, keep_in.map(|place| place.to_string()));
    Ok(StoredComponents::with_blobs(store.clone(), blobs))
}

/// A place, or none for the database.
fn place(text: &str) -> anyhow::Result<Option<Place>> {
    if text == DATABASE { Ok(None) } else { Ok(Some(text.parse::<Place>()?)) }
}

fn s3(config: &BlobsConfig) -> anyhow::Result<S3Options> {
    let secret_access_key = match config.secret_access_key_file.as_str() {
        "" => config.secret_access_key.reveal().to_owned(),
        _ if !config.secret_access_key.is_empty() => {
            bail!("blobs.secret_access_key and blobs.secret_access_key_file are both set: one of them must go")
        }
        path => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
            text.lines().next().unwrap_or_default().trim().to_owned()
        }
    };
    ensure!(
        !config.access_key_id.is_empty() && !secret_access_key.is_empty(),
        "a bucket needs blobs.access_key_id, and blobs.secret_access_key or blobs.secret_access_key_file"
    );
    let ca = match config.cacert.as_str() {
        "" => None,
        path => Some(std::fs::read(path).with_context(|| format!("cannot read {path}"))?),
    };
    Ok(S3Options {
        endpoint: Some(config.endpoint.clone()).filter(|endpoint| !endpoint.is_empty()),
        region: config.region.clone(),
        access_key_id: config.access_key_id.clone(),
        secret_access_key,
        allow_http: config.allow_http,
        virtual_hosted: config.virtual_hosted,
        ca,
    })
}

/// Says at start which components cannot be had. The service does all the rest without them.
pub(crate) async fn warn_of_unknown(components: &StoredComponents) -> anyhow::Result<()> {
    for place in components.unknown_places().await? {
        tracing::error!(
            blob.place = place,
            "plugins are kept in {place}, which neither blobs.store nor blobs.others names: they do not run here"
        );
    }
    Ok(())
}

/// Removes blobs that nobody needs, again and again.
pub(crate) async fn keep_swept(components: StoredComponents, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEPT_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let due = async {
            tokio::select! {
                _ = ticks.tick() => {}
                () = components.has_loose() => {}
            }
        };
        if stop.run_until_cancelled(due).await.is_none() {
            return;
        }
        for _ in 0..SWEEPS {
            match components.sweep(clock.now()).await {
                Ok(swept) if swept.removed > 0 && swept.left == 0 && !stop.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "blobs that nobody needs could not be removed"
                    );
                    break;
                }
            }
        }
    }
}

/// Moves all uploaded components to a place, and says so for each.
pub(crate) async fn relocate(config: &BlobsConfig, store: &Store, to: Option<&str>) -> anyhow::Result<()> {
    let components = components(config, store)?;
    let to = place(to.unwrap_or(&config.store))?.map(|place| place.to_string());
    let done = components
        .relocate(to.as_deref(), &SystemClock, &SystemIds, |step| {
            let outcome = match step.outcome {
                Relocated::Moved => format!("{} bytes moved", step.size_bytes),
                Relocated::Changed => "was moved or deleted by somebody else".to_owned(),
                Relocated::Broken(error) => format!("stays where it is: {error}"),
            };
            print(&format!("{} of {}: {} {outcome}", step.number, step.of, step.digest));
        })
        .await?;
    let place = to.as_deref().unwrap_or("the database");
    print(&format!("{} components moved to {place}", done.moved));
    if done.left > 0 {
        print(&format!("{} blobs could not be removed from where they were yet; the service does it later", done.left));
    }
    ensure!(done.broken == 0, "{} components could not be moved: their bytes are missing or damaged", done.broken);
    Ok(())
}
