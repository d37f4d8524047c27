//! `watcher-host plugin publish` and `plugin fetch`: components in OCI registries, with report and signatures.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use watcher_artifact::{Access, Artifact, OciRegistry, Reference};
use watcher_domain::report::CheckOptions;

use super::sign;
use crate::config::{Config, variable};
use crate::library::Library;
use crate::show::print;
use crate::wiring;

/// The environment variable with the password, which a command line would show to everybody on the machine.
const PASSWORD: &str = "OCI_PASSWORD";

/// How a registry is talked to.
#[derive(Debug, Args)]
pub struct RegistryArgs {
    /// Who asks; the password comes from the environment variable `OCI_PASSWORD`. Without it nobody.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Without TLS: for a registry on this machine.
    #[arg(long)]
    pub plain_http: bool,
}

/// Arguments of `plugin publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// Component to publish. It is checked first; a component that the service would refuse is not published.
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,
    /// Where: `REGISTRY/REPOSITORY:TAG`.
    #[arg(value_name = "REFERENCE")]
    pub to: String,
    /// Signatures that go with it, as `plugin sign` prints them.
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// How the registry is talked to.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Arguments of `plugin fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Which: `REGISTRY/REPOSITORY:TAG`, or `REGISTRY/REPOSITORY@sha256:DIGEST` of the manifest.
    #[arg(value_name = "REFERENCE")]
    pub from: String,
    /// Where the component is written.
    #[arg(long, value_name = "FILE.wasm")]
    pub out: PathBuf,
    /// Where its signatures are written, if it has any: for `plugin push --signature`.
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// How the registry is talked to.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

impl RegistryArgs {
    fn open(self) -> anyhow::Result<OciRegistry> {
        let login = match self.user {
            None => None,
            Some(user) => {
                let password = variable(PASSWORD).with_context(|| format!("{PASSWORD} is not set"))?;
                Some((user, password))
            }
        };
        Ok(OciRegistry::new(Access { login, plain_http: self.plain_http })?)
    }
}

/// Checks a component and pushes it with its report and signatures.
pub(super) async fn publish(config: &Config, arguments: PublishArgs) -> anyhow::Result<ExitCode> {
    let to: Reference = arguments.to.parse()?;
    let path = arguments.file.display().to_string();
    let bytes = tokio::fs::read(&arguments.file).await.with_context(|| format!("cannot read {path}"))?;
    let runtime = wiring::runtime(config, Arc::new(Library::default()))?;
    let found = super::checker(config, &runtime)?.check(bytes.clone().into(), CheckOptions::default()).await?;
    if !found.accepted() {
        print(super::report::text(&found, &path).trim_end());
        return Ok(ExitCode::FAILURE);
    }
    let signatures = arguments.signature.as_deref().map(sign::read).transpose()?.unwrap_or_default();
    let description = found.description.as_ref();
    let artifact = Artifact {
        name: description.map(|description| description.name.clone()),
        version: description.map(|description| description.version.clone()),
        kind: found.kind,
        description: description.map(|description| description.description.clone()),
        imports: found.imports.iter().map(|import| import.name.clone()).collect(),
        report: Some(serde_json::to_value(&found)?),
        signatures,
        ..Artifact::of(bytes)
    };
    let pushed = arguments.registry.open()?.push(&to, &artifact).await?;
    print(&format!("{to} has {} ({} signatures)", pushed.digest, artifact.signatures.len()));
    Ok(ExitCode::SUCCESS)
}

/// Pulls a component and its signatures into files.
pub(super) async fn fetch(arguments: FetchArgs) -> anyhow::Result<ExitCode> {
    let from: Reference = arguments.from.parse()?;
    let limit = CheckOptions::default().max_component_bytes;
    let artifact = arguments.registry.open()?.pull(&from, limit).await?;
    let write = async |path: &PathBuf, bytes: &[u8]| {
        tokio::fs::write(path, bytes).await.with_context(|| format!("cannot write {}", path.display()))
    };
    write(&arguments.out, &artifact.component).await?;
    if let Some(path) = arguments.signature.as_ref().filter(|_| !artifact.signatures.is_empty()) {
        write(path, serde_json::to_string(&artifact.signatures)?.as_bytes()).await?;
    }
    let (name, version) = (artifact.name.as_deref().unwrap_or("?"), artifact.version.as_deref().unwrap_or("?"));
    print(&format!(
        "{name} {version}, {} ({} signatures), is in {}",
        artifact.digest(),
        artifact.signatures.len(),
        arguments.out.display()
    ));
    Ok(ExitCode::SUCCESS)
}
