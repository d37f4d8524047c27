//! The migrate action handler as a Watcher plugin.
