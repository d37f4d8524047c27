//! Identifiers that are stable for a cluster file: derived from what they name, so that a restart changes none.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// A UUID for `name` within `kind`.
pub(crate) fn derived(kind: &str, name: &str) -> Uuid {
    let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
}

/// The same as 32 hexadecimal digits, the way Keystone writes its ids.
pub(crate) fn derived_hex(kind: &str, name: &str) -> String {
    derived(kind, name).simple().to_string()
}

/// Nova's `hostId`: an opaque 56-digit name of a host for one project.
pub(crate) fn host_id(project: &str, host: &str) -> String {
    let digest = Sha256::new().chain_update(project).chain_update(host).finalize();
    hex::encode(&digest[..28])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_of_generated_clusters_belong_to_projects_that_there_are() {
        let file = watcher_cluster::generate(&watcher_cluster::GenerateOptions::default());
        let known = [derived_hex("project", "alpha"), derived_hex("project", "beta")];
        assert!(file.compute.instances.iter().all(|instance| known.contains(instance.project_id.as_ref().unwrap())));
    }
}
