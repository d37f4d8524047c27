//! What plugins can import: one file per capability. A guest reaches nothing but what these files hand it.

pub(crate) mod clock;
mod cluster;
pub(crate) mod log;
mod metrics;
mod openstack;
mod random;
mod scoring;
mod timer;
