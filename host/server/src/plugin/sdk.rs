//! Where the SDK's source is: it is on no package registry.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::config::variable;

/// Where a project finds the SDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sdk {
    /// In a folder of this machine.
    Folder {
        /// Of the package `watcher-sdk`.
        package: PathBuf,
        /// Of the project it is part of, which has the WIT.
        root: PathBuf,
    },
    /// In a git repository.
    Git {
        /// Its address.
        url: String,
        /// Commit, tag or branch.
        revision: Option<String>,
    },
}

impl Sdk {
    /// As given, else named by `WATCHER_SDK`, else the source that this program was built from.
    ///
    /// # Errors
    /// Says what to give when it is nowhere.
    pub fn find(folder: Option<&Path>, git: Option<&str>, revision: Option<&str>) -> anyhow::Result<Self> {
        if let Some(url) = git {
            return Ok(Self::Git { url: url.to_owned(), revision: revision.map(str::to_owned) });
        }
        if let Some(folder) = folder {
            return Self::in_folder(folder).context("--sdk");
        }
        if let Some(folder) = variable("WATCHER_SDK") {
            return Self::in_folder(Path::new(&folder)).context("WATCHER_SDK");
        }
        Self::own().context(
            "the source of the SDK is not on this machine: give --sdk FOLDER with a checkout of this project (WATCHER_SDK says it for all \
             times), or --sdk-git URL with the address of its repository",
        )
    }

    /// The source that this program was built from, if it is still there.
    pub fn own() -> Option<Self> {
        let program = std::env::current_exe().unwrap_or_default();
        let above = program.ancestors().skip(2).take(3).map(Path::to_owned);
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        above.chain([built_from]).find_map(|folder| Self::in_folder(&folder).ok())
    }

    /// The SDK of a checkout, or the package itself.
    fn in_folder(folder: &Path) -> anyhow::Result<Self> {
        let is_sdk = |package: &Path| {
            let manifest = std::fs::read_to_string(package.join("Cargo.toml")).unwrap_or_default();
            manifest.lines().any(|line| line.trim() == "name = \"watcher-sdk\"")
        };
        let candidates = [folder.join("sdk/rust"), folder.to_owned()];
        let Some(package) = candidates.iter().find(|package| is_sdk(package)) else {
            bail!("{} has no SDK: neither it nor its sdk/rust is the package watcher-sdk", folder.display());
        };
        let package = package.canonicalize().with_context(|| format!("cannot open {}", package.display()))?;
        let root = package.ancestors().nth(2).unwrap_or(&package).to_owned();
        if !root.join("wit/world.wit").is_file() {
            bail!(
                "the SDK in {} cannot be built: {} is missing",
                package.display(),
                root.join("wit/world.wit").display()
            );
        }
        Ok(Self::Folder { package, root })
    }

    /// What a `Cargo.toml` says about it.
    pub fn dependency(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        match self {
            Self::Folder { package, .. } => format!("{{ path = {} }}", quoted(&package.to_string_lossy())),
            Self::Git { url, revision: None } => format!("{{ git = {} }}", quoted(url)),
            Self::Git { url, revision: Some(revision) } => {
                format!("{{ git = {}, rev = {} }}", quoted(url), quoted(revision))
            }
        }
    }

    /// The project it is part of, if that is on this machine.
    pub fn root(&self) -> Option<&Path> {
        match self {
            Self::Folder { root, .. } => Some(root),
            Self::Git { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(with_wit: bool) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("sdk/rust")).unwrap();
        std::fs::write(folder.path().join("sdk/rust/Cargo.toml"), "[package]\nname = \"watcher-sdk\"\n").unwrap();
        if with_wit {
            std::fs::create_dir(folder.path().join("wit")).unwrap();
            std::fs::write(folder.path().join("wit/world.wit"), "").unwrap();
        }
        folder
    }

    #[test]
    fn a_checkout_and_its_sdk_folder_are_the_same_sdk() {
        let folder = checkout(true);
        let sdk = Sdk::in_folder(folder.path()).unwrap();
        assert_eq!(Sdk::in_folder(&folder.path().join("sdk/rust")).unwrap(), sdk);
        assert_eq!(sdk.root().unwrap(), folder.path().canonicalize().unwrap());
        assert!(sdk.dependency().ends_with("sdk/rust\" }"), "{}", sdk.dependency());
    }

    #[test]
    fn what_is_missing_is_said() {
        let empty = tempfile::tempdir().unwrap();
        assert!(Sdk::in_folder(empty.path()).unwrap_err().to_string().contains("has no SDK"));
        let error = Sdk::in_folder(checkout(false).path()).unwrap_err().to_string();
        assert!(error.contains("cannot be built") && error.ends_with("wit/world.wit is missing"), "{error}");
    }

    #[test]
    fn a_repository_is_named_with_its_revision() {
        let sdk = Sdk::find(None, Some("https://git.example/watcher"), Some("v1")).unwrap();
        assert_eq!(sdk.dependency(), r#"{ git = "https://git.example/watcher", rev = "v1" }"#);
    }
}
