//! A signature as it travels: JSON with the key's id and the signature's base64.

use serde::{Deserialize, Serialize};
use watcher_domain::Digest;

use crate::encoding;
use crate::key::KeyId;

/// A signature over a digest that stands elsewhere. In JSON `{"key": "<id>", "signature": "<base64>"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Signature {
    /// The key that made it.
    pub key: KeyId,
    /// RFC 8032, section 5.1.6.
    pub bytes: [u8; 64],
}

/// A text that is no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not an ed25519 signature: it must be the base64 of its 64 bytes")]
pub struct InvalidSignature;

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// Somebody else signed.
    #[error("the signature was made by key {signed}, not by {own}")]
    OtherKey {
        /// Who signed.
        signed: KeyId,
        /// Whom it was compared with.
        own: KeyId,
    },
    /// What was signed is not this component.
    #[error("the signature by key {key} is not over {digest}")]
    NotOver {
        /// The component.
        digest: Digest,
        /// The key.
        key: KeyId,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    key: KeyId,
    signature: String,
}

impl TryFrom<Text> for Signature {
    type Error = InvalidSignature;

    fn try_from(text: Text) -> Result<Self, InvalidSignature> {
        Ok(Self { key: text.key, bytes: encoding::decode(&text.signature).ok_or(InvalidSignature)? })
    }
}

impl From<Signature> for Text {
    fn from(signature: Signature) -> Self {
        Self { key: signature.key, signature: encoding::encode(&signature.bytes) }
    }
}
