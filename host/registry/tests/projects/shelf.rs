//! A store of blobs that fails as a test wants it to.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use watcher_domain::ports::{BlobError, BlobStore};

/// How the next calls end, until told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Well.
    Well,
    /// Without an answer, and nothing was done.
    Away,
    /// Without an answer, after everything was done.
    Late,
    /// With a no.
    Full,
}

type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The store.
pub(crate) struct Shelf {
    pub(crate) blobs: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(crate) mood: Mutex<Mood>,
    pub(crate) calls: Mutex<usize>,
    meanwhile: Mutex<Option<Meanwhile>>,
}

impl Shelf {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            blobs: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            calls: Mutex::default(),
            meanwhile: Mutex::default(),
        })
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Lets something happen while the next call is under way, before it does anything.
    pub(crate) fn meanwhile(&self, what: impl Future<Output = ()> + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::pin(what));
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.blobs.lock().unwrap().keys().cloned().collect()
    }

    async fn call<T>(
        &self,
        work: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> Result<T, BlobError> + Send,
    ) -> Result<T, BlobError> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        *self.calls.lock().unwrap() += 1;
        let away = || Err(BlobError::Unreachable("connection refused by s3.example.org".into()));
        match *self.mood.lock().unwrap() {
            Mood::Well => work(&mut self.blobs.lock().unwrap()),
            Mood::Away => away(),
            Mood::Late => {
                work(&mut self.blobs.lock().unwrap())?;
                away()
            }
            Mood::Full => Err(BlobError::Refused("no space left on s3.example.org".into())),
        }
    }
}

#[async_trait]
impl BlobStore for Shelf {
    async fn put(&self, name: &str, bytes: Arc<[u8]>) -> Result<(), BlobError> {
        self.call(|blobs| {
            blobs.insert(name.to_owned(), bytes.to_vec());
            Ok(())
        })
        .await
    }

    async fn get(&self, name: &str, size_bytes: u64) -> Result<Vec<u8>, BlobError> {
        self.call(|blobs| {
            let bytes = blobs.get(name).cloned().ok_or(BlobError::Missing)?;
            let found = bytes.len() as u64;
            if found == size_bytes { Ok(bytes) } else { Err(BlobError::Size { wanted: size_bytes, found }) }
        })
        .await
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.call(|blobs| {
            blobs.remove(name);
            Ok(())
        })
        .await
    }
}
