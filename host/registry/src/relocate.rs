//! Moves the bytes of components from where they are to another place, while services run.
//!
//! One component after the other: written to the new place, read back, then its row says the new place, and what is left behind is removed. Whoever
//! reads in between finds one or the other. It can be stopped and begun again at any time.

use std::sync::Arc;

use watcher_domain::Digest;
use watcher_domain::ports::{Clock, Ids};
use watcher_store::plugin::{self, Blob, ComponentRow, Content, Packed};

use crate::blobs::{BlobTrouble, name_of};
use crate::components::{ComponentError, StoredComponents, hashed};

/// Components whose rows are read together.
const PAGE: u32 = 100;

/// Why moving ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum RelocateError {
    /// There is no such place in the configuration.
    #[error("neither blobs.store nor blobs.others names {0}")]
    NoPlace(String),
    /// A component cannot be read or written now, and neither could the others.
    #[error("component {digest} could not be moved")]
    Component {
        /// Which one.
        digest: Digest,
        /// Why.
        #[source]
        source: ComponentError,
    },
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] watcher_store::Error),
}

/// What became of one component.
#[derive(Debug)]
pub enum Relocated {
    /// It is at the new place.
    Moved,
    /// Somebody else moved or deleted it meanwhile.
    Changed,
    /// Its bytes are not what they should be, or not there: it stays as it is.
    Broken(ComponentError),
}

/// One step, for whoever shows progress.
#[derive(Debug)]
pub struct Step<'a> {
    /// Counts from 1.
    pub number: u64,
    /// How many there were to move at the beginning.
    pub of: u64,
    /// Which component.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
    /// What became of it.
    pub outcome: &'a Relocated,
}

/// What was done in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relocation {
    /// Components at the new place.
    pub moved: u64,
    /// Components that stay where they are, because their bytes are not what they should be.
    pub broken: u64,
    /// Blobs that were left behind and could not be removed yet; a service does it later.
    pub left: u64,
}

impl StoredComponents {
    /// Stores that rows name and this service is not set up for.
    pub async fn unknown_places(&self) -> Result<Vec<String>, watcher_store::Error> {
        let mut tx = self.store.read().await?;
        let mut places = plugin::blob_places(&mut tx).await?;
        places.retain(|place| !self.blobs.has(place));
        Ok(places)
    }

    /// Moves all components that projects uploaded to a store, or with `None` into the database. Components of built-in plugins stay in the database.
    ///
    /// # Errors
    /// [`RelocateError::Component`] as soon as a place cannot be reached or refuses; what was moved stays moved.
    pub async fn relocate(
        &self,
        to: Option<&str>,
        clock: &dyn Clock,
        ids: &dyn Ids,
        mut told: impl FnMut(&Step<'_>),
    ) -> Result<Relocation, RelocateError> {
        if let Some(place) = to.filter(|place| !self.blobs.has(place)) {
            return Err(RelocateError::NoPlace(place.to_owned()));
        }
        let place = to.unwrap_or_default();
        let mut tx = self.store.read().await?;
        let of = plugin::count_elsewhere(&mut tx, place).await?;
        drop(tx);
        let (mut done, mut number, mut last) = (Relocation::default(), 0, None);
        loop {
            let mut tx = self.store.read().await?;
            let page = plugin::components_elsewhere(&mut tx, place, last, PAGE).await?;
            drop(tx);
            let Some(end) = page.last() else { break };
            last = Some(end.digest);
            for row in page {
                number += 1;
                let digest = row.digest;
                let outcome = match self.relocate_one(&row, to, clock, ids).await {
                    Ok(true) => Relocated::Moved,
                    Ok(false) => Relocated::Changed,
                    Err(ComponentError::Blob(trouble)) if trouble.is_temporary() => {
                        return Err(RelocateError::Component { digest, source: trouble.into() });
                    }
                    Err(ComponentError::Store(error)) => return Err(error.into()),
                    Err(error @ ComponentError::Hash(_)) => {
                        return Err(RelocateError::Component { digest, source: error });
                    }
                    Err(error) => Relocated::Broken(error),
                };
                match outcome {
                    Relocated::Moved => done.moved += 1,
                    Relocated::Changed => {}
                    Relocated::Broken(_) => done.broken += 1,
                }
                told(&Step { number, of, digest, size_bytes: row.size_bytes, outcome: &outcome });
            }
            done.left = self.sweep(clock.now()).await?.left as u64;
        }
        Ok(done)
    }

    async fn relocate_one(
        &self,
        row: &ComponentRow,
        to: Option<&str>,
        clock: &dyn Clock,
        ids: &dyn Ids,
    ) -> Result<bool, ComponentError> {
        let digest = row.digest;
        let Some(bytes) = self.read(digest).await? else { return Ok(false) };
        let bytes: Arc<[u8]> = bytes.into();
        let content = if let Some(place) = to {
            let blob = Blob { place: place.to_owned(), name: name_of(digest, ids.uuid()) };
            self.put(&blob, &bytes, clock.now()).await?;
            let size_bytes = bytes.len() as u64;
            let (found, _) = hashed(self.blobs.get(&blob, size_bytes).await?).await.map_err(ComponentError::Hash)?;
            if found != digest {
                self.discard(&Content::Blob { size_bytes, blob }, clock.now()).await;
                return Err(BlobTrouble::Refused.into());
            }
            Content::Blob { size_bytes, blob }
        } else {
            Content::Packed(Packed::new(&bytes)?)
        };
        let mut tx = self.store.begin().await?;
        let is_moved = plugin::relocate(&mut tx, row, &content, clock.now()).await?;
        if is_moved {
            if let Some(blob) = content.blob()
                && !plugin::adopt_blob(&mut tx, blob).await?
            {
                return Err(BlobTrouble::GivenUp.into());
            }
            tx.commit().await?;
        } else {
            drop(tx);
            self.discard(&content, clock.now()).await;
        }
        Ok(is_moved)
    }
}
