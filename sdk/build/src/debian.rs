//! Programs from Debian's archive without installing anything: packages are downloaded with apt and unpacked into a
//! private folder, together with the shared libraries that the machine lacks. Needs no root and changes no system file.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{process, progress::Step, settings};

/// How far the dependencies of dependencies are followed for a missing library.
const LIBRARY_DEPTH: usize = 4;

/// apt, with the system's package lists or, once refreshed, with private ones.
pub struct Apt {
    private: PathBuf,
    refreshed: bool,
}

impl Apt {
    /// apt as it is on this machine, or `None` where there is none. Private lists go under `private`.
    pub fn find(private: &Path) -> Option<Self> {
        let tools = ["apt-get", "apt-cache", "dpkg-deb", "ldd"];
        let all = tools.iter().all(|tool| settings::find_in_path(tool).is_some());
        all.then(|| Self { private: private.to_owned(), refreshed: false })
    }

    /// Runs `attempt`; when it finds nothing or fails, fetches fresh package lists and runs it once more. Old lists name
    /// versions that are no longer in the archive.
    pub fn with_fresh_lists<T>(
        &mut self,
        step: &Step,
        attempt: impl Fn(&Self) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        match attempt(self) {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => {}
            Err(error) => step.say(&format!("{error:#}; trying again with fresh package lists")),
        }
        self.refresh(step)?;
        attempt(self)
    }

    fn refresh(&mut self, step: &Step) -> Result<()> {
        step.note("apt-get update");
        for folder in ["lists/partial", "cache/archives/partial"] {
            let folder = self.private.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        self.refreshed = true;
        process::run_behind(step, self.command("apt-get").args(["update", "-q"])).map(drop)
    }

    fn command(&self, tool: &str) -> Command {
        let mut command = process::command(tool);
        command.env("LC_ALL", "C").args(["-o", "APT::Sandbox::User=root"]);
        if self.refreshed {
            for (option, folder) in [("Dir::State::lists", "lists"), ("Dir::Cache", "cache")] {
                let mut value = OsString::from(format!("{option}="));
                value.push(self.private.join(folder));
                command.arg("-o").arg(value);
            }
        }
        command
    }

    /// The versions of a package in the archive, newest first.
    pub fn versions(&self, package: &str) -> Vec<String> {
        let listing = process::ask(self.command("apt-cache").args(["madison", package])).unwrap_or_default();
        versions_in(&listing)
    }

    /// The packages that one version of a package depends on, the first alternative of each.
    pub fn dependencies(&self, package: &str, version: Option<&str>) -> Vec<String> {
        let package = version.map_or_else(|| package.to_owned(), |version| format!("{package}={version}"));
        let stanza = process::ask(self.command("apt-cache").args(["show", "--no-all-versions", &package]));
        dependencies_in(&stanza.unwrap_or_default())
    }

    /// Downloads packages (`name` or `name=version`) and unpacks them under `root`.
    pub fn unpack(&self, step: &Step, packages: &[String], root: &Path) -> Result<()> {
        fs::create_dir_all(root).with_context(|| format!("cannot make {}", root.display()))?;
        let downloads = tempfile::Builder::new()
            .prefix(".downloads-")
            .tempdir_in(root)
            .with_context(|| format!("cannot make a folder in {}", root.display()))?;
        let mut download = self.command("apt-get");
        process::run_behind(step, download.args(["download", "-q"]).args(packages).current_dir(downloads.path()))?;
        for entry in fs::read_dir(downloads.path())? {
            let archive = entry?.path();
            step.note(&format!("unpacking {}", archive.file_name().unwrap_or_default().to_string_lossy()));
            process::run_behind(step, process::command("dpkg-deb").arg("-x").arg(&archive).arg(root))?;
        }
        Ok(())
    }

    /// Adds the shared libraries that `program` needs and neither the machine nor `root` has, from the packages that
    /// `packages` depend on.
    pub fn add_missing_libraries(&self, step: &Step, program: &Path, packages: &[String], root: &Path) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut frontier = packages.to_vec();
        for _ in 0..LIBRARY_DEPTH {
            let missing = missing_libraries(program, root)?;
            if missing.is_empty() {
                return Ok(());
            }
            let needed: BTreeSet<String> = frontier
                .iter()
                .flat_map(|package| {
                    let (name, version) =
                        package.split_once('=').map_or((package.as_str(), None), |(n, v)| (n, Some(v)));
                    self.dependencies(name, version)
                })
                .filter(|name| name.starts_with("lib") && !name.ends_with("-dev") && seen.insert(name.clone()))
                .collect();
            frontier = needed.into_iter().collect();
            let absent: Vec<String> = frontier.iter().filter(|package| !is_installed(package)).cloned().collect();
            if !absent.is_empty() {
                step.note(&format!("{} needs {}", program.display(), missing.join(", ")));
                self.unpack(step, &absent, root)?;
            }
        }
        let missing = missing_libraries(program, root)?;
        if missing.is_empty() {
            return Ok(());
        }
        bail!("{} needs shared libraries that are not on this machine: {}", program.display(), missing.join(", "))
    }
}

/// The library folders under an unpacked root, in the form of `LD_LIBRARY_PATH`.
pub fn library_path(root: &Path) -> OsString {
    let mut folders = Vec::new();
    for parent in ["usr/lib", "lib"] {
        let Ok(entries) = fs::read_dir(root.join(parent)) else { continue };
        folders.extend(entries.flatten().map(|entry| entry.path()).filter(|path| {
            path.is_dir() && path.file_name().is_some_and(|name| name.to_string_lossy().contains("-linux-gnu"))
        }));
    }
    folders.sort();
    std::env::join_paths(folders).unwrap_or_default()
}

fn is_installed(package: &str) -> bool {
    process::ask(Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}\n", package]))
        .is_some_and(|status| status.lines().any(|line| line == "installed"))
}

fn missing_libraries(program: &Path, root: &Path) -> Result<Vec<String>> {
    let output = Command::new("ldd")
        .arg(program)
        .env("LD_LIBRARY_PATH", library_path(root))
        .env("LC_ALL", "C")
        .output()
        .context("cannot run ldd")?;
    Ok(missing_in(&String::from_utf8_lossy(&output.stdout)))
}

fn missing_in(ldd: &str) -> Vec<String> {
    let names = ldd.lines().filter_map(|line| line.split_once("=> not found"));
    names.map(|(name, _)| name.trim().to_owned()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn versions_in(madison: &str) -> Vec<String> {
    let mut versions: Vec<String> = Vec::new();
    for version in madison.lines().filter_map(|line| line.split('|').nth(1)) {
        let version = version.trim();
        if !versions.iter().any(|known| known == version) {
            versions.push(version.to_owned());
        }
    }
    versions
}

fn dependencies_in(stanza: &str) -> Vec<String> {
    // Folded fields do not occur in apt's Depends; a second stanza would be another version.
    let stanza = stanza.split("\n\n").next().unwrap_or_default();
    let fields = stanza.lines().filter_map(|line| {
        let (field, value) = line.split_once(':')?;
        matches!(field, "Depends" | "Pre-Depends").then_some(value)
    });
    let alternatives = fields.flat_map(|value| value.split(',')).filter_map(|choice| choice.split('|').next());
    alternatives
        .filter_map(|choice| choice.split_whitespace().next())
        .map(|name| name.split_once(':').map_or(name, |(name, _)| name).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_keep_the_order_of_the_archive_without_repeats() {
        let madison = " rustc-web | 1.96.0+dfsg1-1 | http://security main amd64 Packages\n \
                       rustc-web | 1.96.0+dfsg1-1 | http://security main Sources\n \
                       rustc-web | 1.85.0+dfsg3-1 | http://debian main amd64 Packages\n";
        assert_eq!(versions_in(madison), ["1.96.0+dfsg1-1", "1.85.0+dfsg3-1"]);
        assert!(versions_in("").is_empty());
    }

    #[test]
    fn dependencies_are_the_first_alternatives_of_the_first_stanza() {
        let stanza = "Package: a\nVersion: 2\nPre-Depends: init-system-helpers (>= 1.54~)\n\
                      Depends: libc6 (>= 2.34), libpq5:any, adduser | passwd, libz3-4\nSuggests: b\n\n\
                      Package: a\nVersion: 1\nDepends: old\n";
        assert_eq!(dependencies_in(stanza), ["init-system-helpers", "libc6", "libpq5", "adduser", "libz3-4"]);
    }

    #[test]
    fn missing_libraries_are_the_ones_ldd_does_not_find() {
        let ldd = "\tlinux-vdso.so.1 (0x7ffd)\n\tlibedit.so.2 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x7f)\n\
                   \tlibedit.so.2 => not found\n\tlibbsd.so.0 => not found\n";
        assert_eq!(missing_in(ldd), ["libbsd.so.0", "libedit.so.2"]);
    }
}
