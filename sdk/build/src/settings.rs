//! The environment variables that building listens to, each with its meaning, in one place.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Cargo itself; set by Cargo for everything that it runs.
pub fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The active compiler: `RUSTC`, else `rustc` in `PATH`.
pub fn rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// `WASM_TOOLCHAIN_MODE`: which compiler builds the plugins; see [`crate::toolchain::Mode`].
pub fn wasm_toolchain_mode() -> Option<OsString> {
    env::var_os("WASM_TOOLCHAIN_MODE")
}

/// `WASM_TOOLCHAIN_CACHE`: where a private WebAssembly compiler is kept, if not where the program would keep it.
pub fn wasm_toolchain_cache(otherwise: &Path) -> PathBuf {
    env::var_os("WASM_TOOLCHAIN_CACHE").map_or_else(|| otherwise.to_owned(), PathBuf::from)
}

/// The first executable file called `name` in `PATH`.
pub fn find_in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

/// Whether this is a file that somebody may execute.
pub fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
