//! The nop action handler as a Watcher plugin.
