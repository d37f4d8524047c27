//! Plugins as rows and blobs: registration, versions, what may run.
