//! The sleep action handler as a Watcher plugin.
