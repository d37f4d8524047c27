//! The watcher-host program: configuration, command line, wiring and shutdown.
