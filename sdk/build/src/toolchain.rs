//! A Rust compiler with a standard library for `wasm32-unknown-unknown`, which gives components that import nothing but
//! what their WIT world says.
//!
//! The active toolchain serves when it has the target. Otherwise, on Debian, the archive's own compiler is unpacked
//! into a folder per version (in this workspace `target/wasm-toolchain/<version>`) and the standard library is built once with it; nothing is installed, and
//! rustup's toolchains stay as they are unless `WASM_TOOLCHAIN_MODE=rustup` asks for it.

use std::{
    ffi::OsStr,
    fs::{self, File, TryLockError},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    debian::{self, Apt},
    files, process,
    progress::Step,
    settings,
};

/// The target of every plugin.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The first `rustc-web` whose source package brings the vendored crates that the standard library is built from.
const OLDEST_USABLE: [u32; 3] = [1, 96, 0];

/// Where the compiler may come from: the value of `WASM_TOOLCHAIN_MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The active toolchain when it has the target, else Debian's compiler. The default.
    Auto,
    /// Only the active toolchain.
    Native,
    /// The active toolchain, after `rustup target add`.
    Rustup,
    /// Debian's compiler, whatever the active toolchain has.
    Debian,
}

/// The compiler that builds the plugins.
#[derive(Debug)]
pub enum WasmToolchain {
    /// The active one.
    Active,
    /// One of our own, next to the build results.
    Private {
        /// The compiler.
        rustc: PathBuf,
        /// The linker, which the compiler does not bring.
        linker: PathBuf,
        /// Digest of its standard library.
        standard_library: String,
    },
}

impl WasmToolchain {
    /// A compiler flag that differs between standard libraries. Cargo knows compilers by their version only: it would mix
    /// crates that were built against two builds of the same library, which the compiler then refuses.
    pub fn identity(&self) -> Option<String> {
        match self {
            Self::Active => None,
            Self::Private { standard_library, .. } => Some(format!("--cfg=standard_library=\"{standard_library}\"")),
        }
    }

    /// Makes a Cargo command use this compiler.
    pub fn apply(&self, cargo: &mut Command) {
        if let Self::Private { rustc, linker, .. } = self {
            cargo.env("RUSTC", rustc).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        // An empty value also switches off a wrapper from a configuration file; caches keyed to the active compiler
        // would mix the two.
        cargo.env("RUSTC_WRAPPER", "").env("RUSTC_WORKSPACE_WRAPPER", "");
    }
}

impl Mode {
    fn from_settings() -> Result<Self> {
        settings::wasm_toolchain_mode().map_or(Ok(Self::Auto), |value| Self::parse(&value))
    }

    fn parse(value: &OsStr) -> Result<Self> {
        Ok(match value.to_str() {
            Some("" | "auto") => Self::Auto,
            Some("native") => Self::Native,
            Some("rustup") => Self::Rustup,
            Some("debian") => Self::Debian,
            _ => {
                bail!("WASM_TOOLCHAIN_MODE is `{}`; it can be auto, native, rustup or debian", value.to_string_lossy())
            }
        })
    }
}

/// Finds a compiler, or makes one, which takes some minutes the first time.
///
/// A compiler of our own is kept in `cache`, unless `WASM_TOOLCHAIN_CACHE` names another folder.
pub fn ensure(cache: &Path) -> Result<WasmToolchain> {
    let mode = Mode::from_settings()?;
    if mode == Mode::Rustup {
        let step = Step::start("Rust for WebAssembly");
        process::run_behind(&step, process::command("rustup").args(["target", "add", TARGET]))?;
        step.done("added to the active toolchain by rustup");
    }
    if mode != Mode::Debian && has_standard_library(&target_libraries(&settings::rustc())) {
        return Ok(WasmToolchain::Active);
    }
    if matches!(mode, Mode::Native | Mode::Rustup) {
        bail!("the active Rust toolchain has no standard library for {TARGET}: run `rustup target add {TARGET}`");
    }
    let cache = Cache::open(&settings::wasm_toolchain_cache(cache))?;
    if let Some(compiler) = cache.ready() {
        return compiler.with_linker(linker()?);
    }
    let linker = linker()?;
    let step = Step::start("Rust for WebAssembly, once");
    if settings::find_in_path("rustup").is_some() {
        step.say(&format!(
            "faster: `rustup target add {TARGET}`, or WASM_TOOLCHAIN_MODE=rustup, adds it to your own toolchain"
        ));
    }
    match cache.make(&step) {
        Ok(compiler) => {
            step.done(&compiler.rustc().display().to_string());
            compiler.with_linker(linker)
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

/// The folder of private compilers, one per version of Debian's package, locked for one builder at a time.
struct Cache {
    folder: PathBuf,
    _lock: File,
}

impl Cache {
    fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let folder = folder.canonicalize().with_context(|| format!("cannot open {}", folder.display()))?;
        let file = folder.join("lock");
        let lock = File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            eprintln!("  … waiting for another build of {}", folder.display());
        }
        lock.lock().with_context(|| format!("cannot lock {}", file.display()))?;
        Ok(Self { folder, _lock: lock })
    }

    /// The newest compiler that is complete.
    fn ready(&self) -> Option<Compiler> {
        let entries = fs::read_dir(&self.folder).ok()?;
        let names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        let complete: Vec<String> =
            names.into_iter().filter(|version| Compiler::new(&self.folder, version).is_complete()).collect();
        let compiler = Compiler::new(&self.folder, newest_usable(&complete)?);
        compiler.write_wrapper().ok()?;
        Some(compiler)
    }

    fn make(&self, step: &Step) -> Result<Compiler> {
        let Some(mut apt) = Apt::find(&self.folder.join("apt")) else {
            bail!(
                "plugins need a Rust standard library for {TARGET}: run `rustup target add {TARGET}` \
                 (without rustup, install your distribution's package for that target)"
            );
        };
        let found = apt.with_fresh_lists(step, |apt| {
            let versions = apt.versions("rustc-web");
            let Some(version) = newest_usable(&versions) else { return Ok(None) };
            let compiler = Compiler::new(&self.folder, version);
            compiler.unpack(step, apt)?;
            Ok(Some(compiler))
        })?;
        let Some(compiler) = found else {
            bail!(
                "plugins need a Rust standard library for {TARGET}: run `rustup target add {TARGET}` \
                 (this Debian has no package rustc-web {}.{} or newer)",
                OLDEST_USABLE[0],
                OLDEST_USABLE[1]
            );
        };
        compiler.build_standard_library(step)?;
        // 40 MB of package lists that are of no more use.
        let _ = fs::remove_dir_all(self.folder.join("apt"));
        Ok(compiler)
    }
}

/// One version of Debian's compiler, unpacked.
struct Compiler {
    root: PathBuf,
    version: String,
}

impl Compiler {
    fn new(cache: &Path, version: &str) -> Self {
        Self { root: cache.join(version), version: version.to_owned() }
    }

    /// Last to be written of what is unpacked.
    fn unpacked_marker(&self) -> PathBuf {
        self.root.join("ok")
    }

    fn rustc(&self) -> PathBuf {
        self.root.join("bin/rustc")
    }

    /// Moved into place in one step when it is built.
    fn target_libraries(&self) -> PathBuf {
        self.root.join("usr/lib/rustlib").join(TARGET).join("lib")
    }

    fn with_linker(&self, linker: PathBuf) -> Result<WasmToolchain> {
        let folder = self.target_libraries();
        let library = standard_library(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let bytes = fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
        Ok(WasmToolchain::Private { rustc: self.rustc(), linker, standard_library: files::digest(&bytes) })
    }

    fn is_complete(&self) -> bool {
        self.unpacked_marker().exists() && has_standard_library(&self.target_libraries())
    }

    /// Rust's own version, `1.96.0` of `1.96.0+dfsg1-1~deb12u2`.
    fn upstream(&self) -> &str {
        self.version.split(['+', '-', '~']).next().unwrap_or_default()
    }

    fn sources(&self) -> PathBuf {
        self.root.join(format!("usr/src/rustc-{}", self.upstream()))
    }

    fn packages(&self, apt: &Apt) -> Vec<String> {
        let release = self.upstream().rsplit_once('.').map_or(self.upstream(), |(release, _)| release);
        let libraries = format!("libstd-rust-web-{release}");
        let compiler = apt.dependencies(&libraries, Some(&self.version)).into_iter();
        let llvm = compiler.filter(|package| package.starts_with("libllvm"));
        let same_version = ["rustc-web", "rust-web-src", "libstd-rust-web-dev", &libraries];
        same_version.iter().map(|package| format!("{package}={}", self.version)).chain(llvm).collect()
    }

    fn unpack(&self, step: &Step, apt: &Apt) -> Result<()> {
        if self.unpacked_marker().exists() {
            return Ok(());
        }
        if self.root.exists() {
            fs::remove_dir_all(&self.root).with_context(|| format!("cannot empty {}", self.root.display()))?;
        }
        let packages = self.packages(apt);
        step.say(&format!("downloading rustc {} from Debian into {} (140 MB)", self.upstream(), self.root.display()));
        apt.unpack(step, &packages, &self.root)?;
        apt.add_missing_libraries(step, &self.root.join("usr/bin/rustc"), &packages, &self.root)?;
        let vendored = self.sources().join("library/vendor");
        if !vendored.is_dir() {
            bail!("rust-web-src {} has no {}", self.version, vendored.display());
        }
        for unneeded in [self.root.join("usr/share"), self.sources().join("compiler"), self.sources().join("src")] {
            if unneeded.exists() {
                fs::remove_dir_all(&unneeded).with_context(|| format!("cannot remove {}", unneeded.display()))?;
            }
        }
        self.write_wrapper()?;
        process::run_behind(step, process::command(self.rustc()).arg("-vV"))?;
        File::create(self.unpacked_marker())?.sync_all()?;
        Ok(())
    }

    /// The compiler's own libraries come first for the compiler, and for nothing that it starts but its linker.
    fn write_wrapper(&self) -> Result<()> {
        let relative: Vec<String> = std::env::split_paths(&debian::library_path(&self.root))
            .filter_map(|path| Some(format!("$root/{}", path.strip_prefix(&self.root).ok()?.display())))
            .collect();
        let script = format!(
            "#!/bin/sh\nroot=${{0%/bin/rustc}}\n\
             LD_LIBRARY_PATH=\"{}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\" exec \"$root/usr/bin/rustc\" \"$@\"\n",
            relative.join(":")
        );
        let file = self.rustc();
        if fs::read_to_string(&file).is_ok_and(|present| present == script) {
            return Ok(());
        }
        let folder = self.root.join("bin");
        fs::create_dir_all(&folder)?;
        let mut wrapper = tempfile::NamedTempFile::new_in(&folder)?;
        wrapper.write_all(script.as_bytes())?;
        wrapper.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
        wrapper.persist(&file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(())
    }

    /// Builds std from Debian's sources and the crates vendored with them: no registry, no nightly compiler.
    fn build_standard_library(&self, step: &Step) -> Result<()> {
        if has_standard_library(&self.target_libraries()) {
            return Ok(());
        }
        step.say("building the standard library (about two minutes)");
        let seed = self.root.join("std-build");
        let write = |name: &str, text: &str| -> Result<()> {
            let file = seed.join(name);
            fs::create_dir_all(file.parent().unwrap_or(&seed))?;
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
        };
        write(
            "Cargo.toml",
            "[package]\nname = \"sysroot-seed\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
             [profile.release]\nopt-level = 3\ndebug = false\n",
        )?;
        write("src/lib.rs", "#![no_std]\n")?;
        write(
            ".cargo/config.toml",
            &format!(
                "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = '{}'\n",
                self.sources().join("library/vendor").display()
            ),
        )?;
        // Panic messages carry these paths into every component; without this they would differ between machines.
        let linked = self.root.join("usr/lib/rustlib/src/rust");
        let flags = ["-Cembed-bitcode=yes".to_owned()]
            .into_iter()
            .chain([self.sources(), linked].map(|folder| format!("--remap-path-prefix={}=/rust", folder.display())))
            .collect::<Vec<_>>()
            .join("\x1f");
        let mut cargo = process::cargo();
        cargo
            .args(["build", "--release", "--offline", "-Zbuild-std=std,panic_abort", "--target", TARGET])
            .current_dir(&seed)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", self.rustc())
            .env("RUSTC_WRAPPER", "")
            .env("RUSTC_WORKSPACE_WRAPPER", "")
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .env("CARGO_TARGET_DIR", seed.join("target"));
        process::run_behind(step, &mut cargo)?;

        let built = seed.join("target").join(TARGET).join("release/deps");
        let libraries = self.target_libraries();
        let staged = libraries.with_extension("tmp");
        if staged.exists() {
            fs::remove_dir_all(&staged)?;
        }
        fs::create_dir_all(&staged)?;
        for entry in fs::read_dir(&built).with_context(|| format!("cannot read {}", built.display()))? {
            let file = entry?.path();
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if file.extension().is_some_and(|extension| extension == "rlib") && !name.starts_with("libsysroot_seed") {
                fs::copy(&file, staged.join(name))?;
            }
        }
        if libraries.exists() {
            fs::remove_dir_all(&libraries)?;
        }
        fs::rename(&staged, &libraries)?;
        fs::remove_dir_all(&seed)?;
        if !has_standard_library(&libraries) {
            bail!("the build left no standard library in {}", libraries.display());
        }
        Ok(())
    }
}

fn target_libraries(rustc: &OsStr) -> PathBuf {
    let folder = process::ask(process::command(rustc).args(["--print", "target-libdir", "--target", TARGET]));
    folder.map(|folder| PathBuf::from(folder.trim())).unwrap_or_default()
}

fn has_standard_library(folder: &Path) -> bool {
    standard_library(folder).is_some()
}

fn standard_library(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let is_std = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    };
    files.into_iter().find(is_std)
}

/// A linker for WebAssembly: the active toolchain's own, else LLVM's.
fn linker() -> Result<PathBuf> {
    let sysroot = process::ask(process::command(settings::rustc()).args(["--print", "sysroot"])).unwrap_or_default();
    let hosts = fs::read_dir(Path::new(sysroot.trim()).join("lib/rustlib"));
    let bundled = hosts.into_iter().flatten().flatten().map(|host| host.path().join("bin/rust-lld"));
    if let Some(found) = bundled.into_iter().find(|file| settings::is_executable(file)) {
        return Ok(found);
    }
    let names = std::iter::once("wasm-ld".to_owned()).chain((14..=30).rev().map(|major| format!("wasm-ld-{major}")));
    match names.into_iter().find_map(|name| settings::find_in_path(&name)) {
        Some(found) => Ok(found),
        None => bail!("plugins need a linker for WebAssembly, rust-lld or wasm-ld: run `apt-get install lld-19`"),
    }
}

/// The newest version whose sources are complete; of equal ones the first.
fn newest_usable(versions: &[String]) -> Option<&str> {
    let mut best: Option<([u32; 3], &str)> = None;
    for version in versions {
        let Some(upstream) = upstream_version(version) else { continue };
        if upstream >= OLDEST_USABLE && best.is_none_or(|(known, _)| upstream > known) {
            best = Some((upstream, version));
        }
    }
    best.map(|(_, version)| version)
}

fn upstream_version(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.split(['+', '-', '~']).next()?.split('.').map(|part| part.parse().ok());
    let version = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(versions: &[&str]) -> Option<String> {
        let versions: Vec<String> = versions.iter().map(|&version| version.to_owned()).collect();
        newest_usable(&versions).map(str::to_owned)
    }

    #[test]
    fn the_newest_complete_compiler_is_chosen() {
        let (old, new) = ("1.85.0+dfsg3-1~deb12u3", "1.96.0+dfsg1-1~deb12u2");
        assert_eq!(newest(&[old, new]).as_deref(), Some(new));
        assert_eq!(newest(&[new, "1.100.0+dfsg1-1", old]).as_deref(), Some("1.100.0+dfsg1-1"));
        assert_eq!(newest(&[new, "1.96.0+dfsg1-1~deb12u1"]).as_deref(), Some(new));
    }

    #[test]
    fn a_compiler_without_vendored_sources_is_not_chosen() {
        assert_eq!(newest(&["1.85.0+dfsg3-1~deb12u3"]), None);
        assert_eq!(newest(&["lock", "debs", "1.96", ""]), None);
    }

    #[test]
    fn an_unknown_mode_is_refused_with_the_known_ones() {
        assert_eq!(Mode::parse(OsStr::new("debian")).unwrap(), Mode::Debian);
        let error = Mode::parse(OsStr::new("nix")).unwrap_err().to_string();
        assert_eq!(error, "WASM_TOOLCHAIN_MODE is `nix`; it can be auto, native, rustup or debian");
    }

    #[test]
    fn a_private_compiler_is_used_through_the_environment() {
        let toolchain = WasmToolchain::Private {
            rustc: "/t/rustc".into(),
            linker: "/t/lld".into(),
            standard_library: "ab".to_owned(),
        };
        let mut cargo = Command::new("cargo");
        toolchain.apply(&mut cargo);
        let environment: Vec<_> = cargo.get_envs().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        assert!(environment.contains(&"RUSTC".to_owned()));
        assert!(environment.contains(&"CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER".to_owned()));
        assert_eq!(toolchain.identity().as_deref(), Some("--cfg=standard_library=\"ab\""));
        assert_eq!(WasmToolchain::Active.identity(), None);
    }
}
