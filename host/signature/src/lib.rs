//! Detached signatures over the digests of components: who vouches for a plugin version.
//!
//! A signature is ed25519 (RFC 8032) over the digest's text, `sha256:` and 64 hexadecimal digits, 71 bytes without an end of line. So any tool can make one:
//! `openssl pkeyutl -sign -rawin -inkey key.pem -in digest.txt`. Keys are read and written as PEM (PKCS #8, and SPKI for the public half).
//!
//! This room knows keys, arithmetic and what a policy means. Which policy counts for whom is the registry's affair.

mod encoding;
mod key;
mod policy;
mod signature;

pub use key::{InvalidKey, KeyId, PublicKey, SigningKey};
pub use policy::{InvalidPolicy, KeyState, MOST_KEYS, NamedKey, SigningPolicy, Stage, Unsigned};
pub use signature::{InvalidSignature, Signature, Unverified};
