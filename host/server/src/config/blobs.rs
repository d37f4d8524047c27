//! The section that says where uploaded components are kept.

use serde::{Deserialize, Serialize};

use super::option::{OptionDoc, Secret, section};

/// What `blobs.store` says for the database.
pub(crate) const DATABASE: &str = "database";

section! {
    /// Where the components are kept that projects upload.
    BlobsConfig {
        /// `database`, a folder that every process on the same database has (`file:///var/lib/watcher/plugins`), or part of a bucket
        /// (`s3://BUCKET/PREFIX`). What was uploaded before stays where it is, until `watcher-host db move-blobs` moves it.
        store: String = DATABASE.to_owned();
        /// Folders and buckets in which components still are, or which other processes put them into.
        others: Vec<String> = Vec::new();
        /// S3 service of all buckets, e.g. `https://s3.example.org:9000`; empty takes Amazon's of the region.
        endpoint: String = String::new();
        /// Region that requests are signed for.
        region: String = "us-east-1".to_owned();
        /// Id of the key that signs requests.
        access_key_id: String = String::new();
        /// The key.
        secret_access_key: Secret = Secret::default();
        /// File with the key in its first line, instead of `secret_access_key`.
        secret_access_key_file: String = String::new();
        /// Whether `endpoint` may be without TLS.
        allow_http: bool = false;
        /// Whether the bucket is part of the host's name (`https://BUCKET.s3.example.org`, which `endpoint` then says) rather than of the path.
        virtual_hosted: bool = false;
        /// File with certificates in PEM that are trusted besides those of the system.
        cacert: String = String::new();
        /// How long storing, reading or removing a component may take, in seconds.
        timeout_s: u64 = 30, in 1..=600;
        /// Requests to each store at a time; more wait, as a part of their time.
        max_requests: usize = 16, in 1..=1000;
    }
}
