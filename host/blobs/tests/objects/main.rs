//! Blobs in real folders, and in an S3 service on loopback that checks signatures.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bucket;
mod folder;
mod s3;
