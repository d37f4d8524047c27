//! The workload-stabilization strategy as a Watcher plugin.
