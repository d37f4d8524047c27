//! Keys: the half that signs, and the half that everybody may know.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signer as _, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use watcher_domain::Digest;

use crate::encoding;
use crate::signature::{Signature, Unverified};

/// How many digits of the hash of a public key name it.
const KEY_ID_DIGITS: usize = 16;
/// A key of any of the forms is shorter.
const LONGEST_KEY: usize = 4096;

/// A text that is not the key it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not a public key.
    #[error("this is not an ed25519 public key: it must be PEM (BEGIN PUBLIC KEY) or the base64 of its 32 bytes")]
    Public,
    /// A public key that many signatures fit.
    #[error("this public key is weak: signatures by it prove nothing")]
    Weak,
    /// Not a private key.
    #[error("this is not an ed25519 private key: it must be PEM (BEGIN PRIVATE KEY)")]
    Private,
    /// Not the name of a key.
    #[error("{0:?} is not the id of a key, which is 16 hexadecimal digits")]
    Id(String),
}

/// The name of a key that follows from the key: the first 16 hexadecimal digits of the SHA-256 of the public half.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl KeyId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let is_id = text.len() == KEY_ID_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_id { Ok(Self(text.to_owned())) } else { Err(InvalidKey::Id(text.chars().take(40).collect())) }
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

/// The public half of a key. Shown and stored as the base64 of its 32 bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// What the key is called.
    pub fn id(&self) -> KeyId {
        let mut digits = hex::encode(sha2::Sha256::digest(self.0.as_bytes()));
        digits.truncate(KEY_ID_DIGITS);
        KeyId(digits)
    }

    /// Checks a signature over a component's digest.
    ///
    /// # Errors
    /// [`Unverified`] says whether it is another key's, or not over this digest.
    pub fn verify(&self, digest: Digest, signature: &Signature) -> Result<(), Unverified> {
        let own = self.id();
        if signature.key != own {
            return Err(Unverified::OtherKey { signed: signature.key.clone(), own });
        }
        let bytes = ed25519_dalek::Signature::from_bytes(&signature.bytes);
        let checked = self.0.verify_strict(digest.to_string().as_bytes(), &bytes);
        checked.map_err(|_| Unverified::NotOver { digest, key: own })
    }

    /// As PEM, which `openssl` reads.
    ///
    /// # Errors
    /// Never for a key that was read or made here.
    pub fn to_pem(&self) -> Result<String, InvalidKey> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(|_| InvalidKey::Public)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let text = text.trim();
        if text.len() > LONGEST_KEY {
            return Err(InvalidKey::Public);
        }
        let key = if text.starts_with("-----BEGIN") {
            VerifyingKey::from_public_key_pem(text).map_err(|_| InvalidKey::Public)?
        } else {
            let bytes = encoding::decode(text).ok_or(InvalidKey::Public)?;
            VerifyingKey::from_bytes(&bytes).map_err(|_| InvalidKey::Public)?
        };
        if key.is_weak() { Err(InvalidKey::Weak) } else { Ok(Self(key)) }
    }
}

impl TryFrom<String> for PublicKey {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

/// The half that signs. It is forgotten by overwriting, and never shown.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new key, from the operating system's random numbers.
    ///
    /// # Errors
    /// If the operating system has none.
    pub fn generate() -> std::io::Result<Self> {
        use rand::TryRng as _;
        let mut seed = [0; 32];
        rand::rngs::SysRng.try_fill_bytes(&mut seed).map_err(std::io::Error::other)?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// The half for everybody.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Vouches for a component.
    pub fn sign(&self, digest: Digest) -> Signature {
        let bytes = self.0.sign(digest.to_string().as_bytes()).to_bytes();
        Signature { key: self.public().id(), bytes }
    }

    /// As PEM, to be kept in a file that only its owner reads.
    ///
    /// # Errors
    /// Never for a key that was read or made here.
    pub fn to_pem(&self) -> Result<String, InvalidKey> {
        let pem = self.0.to_pkcs8_pem(LineEnding::LF).map_err(|_| InvalidKey::Private)?;
        Ok(pem.as_str().to_owned())
    }
}

impl FromStr for SigningKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        if text.len() > LONGEST_KEY {
            return Err(InvalidKey::Private);
        }
        ed25519_dalek::SigningKey::from_pkcs8_pem(text.trim()).map(Self).map_err(|_| InvalidKey::Private)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}
