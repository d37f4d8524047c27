//! The change-nova-service-state action handler as a Watcher plugin.
