//! `plugin signatures` and `plugin signing-policy`: who vouches for a version, and whose word counts.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use watcher_domain::cloud::Method;
use watcher_signature::{KeyState, NamedKey, PublicKey, SigningKey, SigningPolicy, Stage};

use super::connection::Connection;
use super::find::Named;
use super::{PluginName, own, view};
use crate::plugin::sign;

/// Arguments of `signatures`.
#[derive(Debug, Args)]
pub struct SignaturesArgs {
    /// Which plugin.
    #[command(flatten)]
    pub plugin: PluginName,
    /// Number or digest of a version; the one that runs if missing.
    pub version: Option<String>,
    /// Add the signatures in this file, as `plugin sign` prints them; one takes the place of an earlier one by the same key.
    #[arg(long, value_name = "FILE")]
    pub add: Option<PathBuf>,
}

/// Arguments of `signing-policy`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Id of the project, or `all` for what counts for every project besides its own; the own project if missing.
    #[arg(value_name = "PROJECT-ID")]
    pub project: Option<String>,
    /// Let signatures by a key count from now on: a name for people, and the file with the key as PEM. Of a private key only the public half is sent.
    #[arg(long, value_name = "NAME=FILE")]
    pub add: Vec<String>,
    /// Let a key that was retired or revoked count again.
    #[arg(long, value_name = "NAME")]
    pub activate: Vec<String>,
    /// Let what a key signed be accepted and run, but not be uploaded.
    #[arg(long, value_name = "NAME")]
    pub retire: Vec<String>,
    /// Let nothing that a key signed count.
    #[arg(long, value_name = "NAME")]
    pub revoke: Vec<String>,
    /// Forget a key.
    #[arg(long, value_name = "NAME")]
    pub remove: Vec<String>,
    /// When a signature is needed, as `upload,execution`; `nothing` for never. Replaces what was said before.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHEN")]
    pub require: Vec<Require>,
    /// Forget all keys, and require nothing.
    #[arg(long, conflicts_with_all = ["add", "activate", "retire", "revoke", "remove", "require"])]
    pub clear: bool,
}

/// When a signature is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Require {
    Upload,
    Acceptance,
    Execution,
    Nothing,
}

impl Require {
    const fn stage(self) -> Option<Stage> {
        match self {
            Self::Upload => Some(Stage::Upload),
            Self::Acceptance => Some(Stage::Acceptance),
            Self::Execution => Some(Stage::Execution),
            Self::Nothing => None,
        }
    }
}

/// Shows who vouches for a version, and lets more do.
pub(super) async fn signatures(service: &Connection, arguments: SignaturesArgs) -> anyhow::Result<()> {
    let given = arguments.add.as_deref().map(sign::read).transpose()?.unwrap_or_default();
    let found = Named::find(service, &arguments.plugin).await?;
    let version = match &arguments.version {
        Some(version) => version,
        None => found.running()?,
    };
    let path = found.path(&format!("/versions/{version}/signatures"));
    let mut answer = None;
    for signature in given {
        answer = Some(service.send(Method::Post, &path, Some(&json!(signature))).await?);
    }
    let answer = match answer {
        Some(answer) => answer,
        None => service.get(&path, &[]).await?,
    };
    view::signatures(service, &answer);
    Ok(())
}

/// Shows whose signatures count, and changes it. What is changed is read before: the service replaces a policy as a whole.
pub(super) async fn policy(service: &Connection, arguments: PolicyArgs) -> anyhow::Result<()> {
    let project = own(service, arguments.project.clone()).await?;
    let path = format!("/v1/signing_policies/{project}");
    let answer = if arguments.changes() {
        let before = if arguments.clear { Value::Null } else { service.get(&path, &[]).await? };
        let after = arguments.apply(read(&before)?)?;
        service.send(Method::Put, &path, Some(&json!(after))).await?
    } else {
        service.get(&path, &[]).await?
    };
    view::signing_policy(service, &answer);
    Ok(())
}

/// The policy in an answer; an empty one in none.
fn read(answer: &Value) -> anyhow::Result<SigningPolicy> {
    let keys = answer["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    let keys: Vec<Value> = keys
        .iter()
        .map(|key| json!({"name": key["name"], "public_key": key["public_key"], "state": key["state"]}))
        .collect();
    let require = answer["require"].as_array().cloned().unwrap_or_default();
    serde_json::from_value(json!({"keys": keys, "require": require}))
        .context("the service's signing policy makes no sense")
}

impl PolicyArgs {
    fn changes(&self) -> bool {
        let lists = [&self.add, &self.activate, &self.retire, &self.revoke, &self.remove];
        self.clear || !self.require.is_empty() || lists.iter().any(|list| !list.is_empty())
    }

    fn apply(&self, mut policy: SigningPolicy) -> anyhow::Result<SigningPolicy> {
        for (names, state) in
            [(&self.activate, KeyState::Active), (&self.retire, KeyState::Retired), (&self.revoke, KeyState::Revoked)]
        {
            for name in names {
                let key = policy.keys.iter_mut().find(|key| key.name == *name);
                key.with_context(|| format!("the policy has no key called {name}"))?.state = state;
            }
        }
        for name in &self.remove {
            let before = policy.keys.len();
            policy.keys.retain(|key| key.name != *name);
            ensure!(policy.keys.len() < before, "the policy has no key called {name}");
        }
        for text in &self.add {
            let (name, file) =
                text.split_once('=').with_context(|| format!("--add {text} is not of the form NAME=FILE"))?;
            if policy.keys.iter().any(|key| key.name == name) {
                bail!("the policy has a key called {name} already: give another name, or --remove that one first");
            }
            let public_key = public_key(Path::new(file))?;
            policy.keys.push(NamedKey { name: name.to_owned(), public_key, state: KeyState::Active });
        }
        if !self.require.is_empty() {
            ensure!(
                self.require.len() == 1 || !self.require.contains(&Require::Nothing),
                "--require nothing stands alone"
            );
            policy.require = self.require.iter().filter_map(|require| require.stage()).collect();
        }
        policy.check()?;
        Ok(policy)
    }
}

/// The public half of a key in a file.
fn public_key(path: &Path) -> anyhow::Result<PublicKey> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    if text.contains("PRIVATE KEY") {
        return Ok(text.parse::<SigningKey>().with_context(|| format!("cannot use {shown}"))?.public());
    }
    text.trim().parse().with_context(|| format!("cannot use {shown}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        policy: PolicyArgs,
    }

    fn applied(words: &[&str], policy: SigningPolicy) -> anyhow::Result<SigningPolicy> {
        Line::try_parse_from([&["x"], words].concat())?.policy.apply(policy)
    }

    #[test]
    fn a_policy_is_changed_key_by_key() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("private.pem"), folder.path().join("public.pem"));
        let (one, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        std::fs::write(&private, one.to_pem().unwrap()).unwrap();
        std::fs::write(&public, other.public().to_pem().unwrap()).unwrap();
        let add = |name: &str, file: &Path| format!("--add={name}={}", file.display());
        let policy =
            applied(&[&add("one", &private), "--require", "upload,execution"], SigningPolicy::default()).unwrap();
        assert_eq!((policy.keys.len(), &policy.keys[0].public_key), (1, &one.public()));
        assert_eq!(policy.require, [Stage::Upload, Stage::Execution]);
        let again = applied(&[&add("one", &public)], policy.clone()).unwrap_err();
        assert!(again.to_string().starts_with("the policy has a key called one already"), "{again}");
        let rotated = applied(&[&add("two", &public), "--retire", "one"], policy).unwrap();
        let states: Vec<_> = rotated.keys.iter().map(|key| (key.name.as_str(), key.state)).collect();
        assert_eq!(states, [("one", KeyState::Retired), ("two", KeyState::Active)]);
        let left = applied(&["--remove", "one", "--require", "nothing"], rotated.clone()).unwrap();
        assert_eq!((left.keys.len(), left.require.len()), (1, 0));
        assert_eq!(
            applied(&["--revoke", "x"], rotated.clone()).unwrap_err().to_string(),
            "the policy has no key called x"
        );
        assert!(applied(&["--revoke", "one", "--revoke", "two"], rotated.clone()).is_err(), "nobody could sign");
        assert_eq!(
            applied(&["--require", "nothing,upload"], rotated).unwrap_err().to_string(),
            "--require nothing stands alone"
        );
    }

    #[test]
    fn an_answer_is_read_without_what_follows_from_it() {
        let key = SigningKey::generate().unwrap().public();
        let answer = json!({"project_id": "p", "updated_at": null, "require": ["upload"], "keys": [
            {"name": "k", "key": key.id().as_str(), "public_key": key.to_string(), "state": "retired"},
        ]});
        let policy = read(&answer).unwrap();
        assert_eq!((policy.keys[0].state, &policy.keys[0].public_key), (KeyState::Retired, &key));
        assert_eq!(read(&Value::Null).unwrap(), SigningPolicy::default());
    }
}
