//! `watcher-host plugin key` and `plugin sign`: vouch for components.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use sha2::Digest as _;
use watcher_domain::Digest;
use watcher_signature::{Signature, SigningKey};

use crate::show::print;

/// Arguments of `plugin key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// Where the private key is written, as PEM; nothing is there yet.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Arguments of `plugin sign`.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// Component to sign.
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,
    /// File with the private key, as `plugin key` or `openssl genpkey -algorithm ed25519` made it.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

/// Makes a key, and prints the half that signing policies name.
pub(super) fn key(arguments: &KeyArgs) -> anyhow::Result<()> {
    let key = SigningKey::generate().context("this machine has no random numbers")?;
    let path = arguments.file.display();
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&arguments.file)
        .with_context(|| format!("cannot make {path}"))?;
    file.write_all(key.to_pem()?.as_bytes()).with_context(|| format!("cannot write {path}"))?;
    print(&format!("key {} in {path}; keep it to yourself. For signing policies:", key.public().id()));
    print(key.public().to_pem()?.trim_end());
    Ok(())
}

/// Signs a component, and prints the signature as JSON.
pub(super) fn sign(arguments: &SignArgs) -> anyhow::Result<()> {
    let path = arguments.key.display();
    let pem = std::fs::read_to_string(&arguments.key).with_context(|| format!("cannot read {path}"))?;
    let key: SigningKey = pem.parse().with_context(|| format!("cannot use {path}"))?;
    let signature = key.sign(digest_of(&arguments.file)?);
    print(&serde_json::to_string(&signature)?);
    Ok(())
}

/// Reads signatures: one, or a list of them.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Signature>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let one_or_many = serde_json::from_str::<Vec<Signature>>(&text)
        .or_else(|_| serde_json::from_str::<Signature>(&text).map(|signature| vec![signature]));
    one_or_many.with_context(|| format!("{shown} has no signature in it"))
}

fn digest_of(path: &Path) -> anyhow::Result<Digest> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Digest(sha2::Sha256::digest(bytes).into()))
}
