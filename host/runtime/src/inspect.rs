//! Looks into components: kind, imports, and what they say about themselves.

use std::sync::Arc;

use async_trait::async_trait;
use watcher_domain::Account;
use watcher_domain::ports::{InspectError, Inspection, PluginInspector, RunError};

use crate::call::{Call, Outside};
use crate::components::LoadError;
use crate::describe;
use crate::runtime::{Runtime, reason};

#[async_trait]
impl PluginInspector for Runtime {
    async fn inspect(&self, component: Arc<[u8]>) -> Result<Inspection, InspectError> {
        let loaded = self.take(component, true).await.map_err(|error| match error {
            LoadError::Invalid(reasons) => InspectError::Invalid(reasons),
            other => InspectError::Invalid(vec![reason(&other)]),
        })?;
        let call = Call::new(loaded.label(), describe::limits(), Outside::Nothing);
        let text = self
            .run(&loaded, call, &Account::default(), |store, loaded| Box::pin(loaded.prepared.describe(store)))
            .await
            .map_err(InspectError::Describe)?;
        let description = describe::parse(loaded.kind(), &text)
            .map_err(|reason| InspectError::Describe(RunError::InvalidOutput { plugin: loaded.label(), reason }))?;
        loaded.name.get_or_init(|| description.name.clone());
        Ok(Inspection { digest: loaded.digest, kind: loaded.kind(), description, imports: loaded.imports.clone() })
    }
}
