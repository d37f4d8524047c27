//! The environment variables that `cargo xtask` listens to, each with its meaning; those of building guests are in [`watcher_guest_build::settings`].

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

pub(crate) use watcher_guest_build::settings::{cargo, find_in_path, is_executable};

/// `WATCHER_POSTGRESQL_BIN`: the folder with `initdb` and `postgres`, for installations in unusual places.
pub(crate) fn postgresql_bin() -> Option<PathBuf> {
    env::var_os("WATCHER_POSTGRESQL_BIN").map(PathBuf::from)
}

/// `WATCHER_SHARED`: the folder with reference data that some tests compare with.
pub(crate) fn shared() -> Option<PathBuf> {
    env::var_os("WATCHER_SHARED").map(PathBuf::from)
}

/// `WATCHER_PYTHON`: the interpreter that runs stock clients and test suites, default `python3`.
pub(crate) fn python() -> OsString {
    env::var_os("WATCHER_PYTHON").unwrap_or_else(|| "python3".into())
}

/// `OS_*`: credentials of an OpenStack, if the environment has any (`OS_AUTH_URL`).
pub(crate) fn openstack() -> Option<Vec<(String, String)>> {
    let given: Vec<(String, String)> = env::vars().filter(|(name, _)| name.starts_with("OS_")).collect();
    given.iter().any(|(name, _)| name == "OS_AUTH_URL").then_some(given)
}

/// `LAB_STATE`: where the lab keeps everything, default `target/lab`.
pub(crate) fn lab_state(target_directory: &Path) -> PathBuf {
    env::var_os("LAB_STATE").map_or_else(|| target_directory.join("lab"), PathBuf::from)
}

/// Whether a variable is set, for programs that listen to it themselves.
pub(crate) fn is_set(name: &str) -> bool {
    env::var_os(name).is_some()
}

/// The C compiler that crates with C code (SQLite, ring, zstd) will use: `CC`, else `cc`.
pub(crate) fn c_compiler() -> OsString {
    env::var_os("CC").unwrap_or_else(|| "cc".into())
}
