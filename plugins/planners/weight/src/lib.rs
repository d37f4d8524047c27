//! The weight planner as a Watcher plugin.
