//! The vm-workload-consolidation strategy as a Watcher plugin.
