//! The workload-stabilization planner as a Watcher plugin.
