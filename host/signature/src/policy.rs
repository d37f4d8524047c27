//! Whose signatures count, and when one is needed.

use std::fmt;
use watcher_domain::text::steering;

use serde::{Deserialize, Serialize};
use watcher_domain::Digest;

use crate::key::{KeyId, PublicKey};
use crate::signature::Signature;

/// Keys of one policy at most.
pub const MOST_KEYS: usize = 64;
/// Characters of a key's name at most.
const LONGEST_NAME: usize = 64;

/// When a signature is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// A project uploads a version.
    Upload,
    /// A project accepts another's plugin.
    Acceptance,
    /// A version is about to run for a project.
    Execution,
}

impl Stage {
    /// As policies have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Acceptance => "acceptance",
            Self::Execution => "execution",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a key's signatures are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Everything.
    Active,
    /// What it signed may be accepted and run; new uploads need another key.
    Retired,
    /// Nothing, whenever it was made.
    Revoked,
}

impl KeyState {
    const fn counts(self, stage: Stage) -> bool {
        match self {
            Self::Active => true,
            Self::Retired => matches!(stage, Stage::Acceptance | Stage::Execution),
            Self::Revoked => false,
        }
    }
}

/// A key with the name that operators know it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedKey {
    /// For people; each name once.
    pub name: String,
    /// The public half.
    pub public_key: PublicKey,
    /// What it is good for.
    #[serde(default = "active")]
    pub state: KeyState,
}

const fn active() -> KeyState {
    KeyState::Active
}

/// Whose signatures count for a project, or for all, and when one of them is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningPolicy {
    /// Keys; a signature by any one of them will do.
    #[serde(default)]
    pub keys: Vec<NamedKey>,
    /// When one is needed.
    #[serde(default)]
    pub require: Vec<Stage>,
}

/// A policy that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// More keys than anybody keeps in mind.
    #[error("a policy has at most {MOST_KEYS} keys, this has {0}")]
    TooMany(usize),
    /// A name that is none.
    #[error("the name of a key has 1 to {LONGEST_NAME} characters and no control characters")]
    Name,
    /// Two keys of one name.
    #[error("two keys are called {0}")]
    SameName(String),
    /// One key under two names.
    #[error("key {0} is there twice")]
    SameKey(KeyId),
    /// Nobody could ever do it.
    #[error("a signature is required for {0}, but no key counts for it")]
    Impossible(Stage),
}

/// A component that nobody who counts vouches for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{stage} needs a signature over {digest} by one of these keys: {}{}", .keys.join(", "), in_brackets(.refused))]
pub struct Unsigned {
    /// What it was for.
    pub stage: Stage,
    /// The component.
    pub digest: Digest,
    /// Names of the keys that count.
    pub keys: Vec<String>,
    /// Why signatures that are there do not count.
    pub refused: Vec<String>,
}

fn in_brackets(reasons: &[String]) -> String {
    if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) }
}

impl SigningPolicy {
    /// Checks that the policy can be kept.
    pub fn check(&self) -> Result<(), InvalidPolicy> {
        if self.keys.len() > MOST_KEYS {
            return Err(InvalidPolicy::TooMany(self.keys.len()));
        }
        for (index, key) in self.keys.iter().enumerate() {
            let length = key.name.chars().count();
            if length == 0 || length > LONGEST_NAME || steering(&key.name).is_some() {
                return Err(InvalidPolicy::Name);
            }
            for other in &self.keys[..index] {
                if other.name == key.name {
                    return Err(InvalidPolicy::SameName(key.name.clone()));
                }
                if other.public_key == key.public_key {
                    return Err(InvalidPolicy::SameKey(key.public_key.id()));
                }
            }
        }
        for &stage in &self.require {
            if !self.keys.iter().any(|key| key.state.counts(stage)) {
                return Err(InvalidPolicy::Impossible(stage));
            }
        }
        Ok(())
    }

    /// Whether a component may go on: no signature is needed at this stage, or one of these is by a key that counts.
    pub fn admits(&self, stage: Stage, digest: Digest, signatures: &[Signature]) -> Result<(), Unsigned> {
        if !self.require.contains(&stage) {
            return Ok(());
        }
        let mut reasons = Vec::new();
        for signature in signatures {
            let Some(key) = self.keys.iter().find(|key| key.public_key.id() == signature.key) else {
                reasons.push(format!("key {} is not known", signature.key));
                continue;
            };
            match (key.public_key.verify(digest, signature), key.state) {
                (Ok(()), known) if known.counts(stage) => return Ok(()),
                (Ok(()), KeyState::Retired) => reasons.push(format!("key {} is retired", key.name)),
                (Ok(()), _) => reasons.push(format!("key {} is revoked", key.name)),
                (Err(error), _) => reasons.push(error.to_string()),
            }
        }
        let keys = self.keys.iter().filter(|key| key.state.counts(stage)).map(|key| key.name.clone()).collect();
        Err(Unsigned { stage, digest, keys, refused: reasons })
    }
}
