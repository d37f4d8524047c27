//! The basic strategy as a Watcher plugin.
