//! Signatures count for one key and one component, and come from and go to other tools.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use watcher_domain::Digest;
use watcher_signature::{InvalidKey, PublicKey, Signature, SigningKey, Unverified};

/// Made by `openssl genpkey -algorithm ed25519`; the public half by `openssl pkey -pubout`.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEILVA5lCYEy1wzEcA4S/BYPKb9QDbDV8TW9XsO6375Y+K\n-----END PRIVATE KEY-----";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA27hZupX36RYHretXDZb9yAZjWArpO/j8nD+8ysnubBg=\n-----END PUBLIC KEY-----";
/// Made by `openssl pkeyutl -sign -rawin` over the text of [`digest`].
const SIGNATURE: &str = "zuVSApy8SCwqN4XNZOnsgQTdzw3OlYldwNV1MlAT8VU+QYxe+DXUvp1d18KREHH9UZTh8eCohRzGy1LGbI7TBw==";

fn digest() -> Digest {
    "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".parse().unwrap()
}

#[test]
fn a_signature_by_openssl_counts_and_ours_is_the_same() {
    let public: PublicKey = PUBLIC.parse().unwrap();
    let json = format!(r#"{{"key": "{}", "signature": "{SIGNATURE}"}}"#, public.id());
    let signature: Signature = serde_json::from_str(&json).unwrap();
    public.verify(digest(), &signature).unwrap();
    let private: SigningKey = PRIVATE.parse().unwrap();
    assert_eq!((private.public(), private.sign(digest())), (public, signature));
}

#[test]
fn a_new_key_comes_back_from_its_files_and_is_no_other_key() {
    let key = SigningKey::generate().unwrap();
    let read: SigningKey = key.to_pem().unwrap().parse().unwrap();
    assert_eq!(read.public(), key.public());
    assert_eq!(key.public().to_pem().unwrap().parse::<PublicKey>().unwrap(), key.public());
    assert_eq!(key.public().to_string().parse::<PublicKey>().unwrap(), key.public());
    let other = SigningKey::generate().unwrap();
    assert_ne!(other.public().id(), key.public().id());
    let refused = other.public().verify(digest(), &key.sign(digest())).unwrap_err();
    assert!(matches!(refused, Unverified::OtherKey { .. }), "{refused}");
}

#[test]
fn what_is_no_key_is_refused_in_words() {
    for text in ["", "x", "AAAA", &"A".repeat(100_000), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
        assert_eq!(text.parse::<PublicKey>().unwrap_err(), InvalidKey::Public);
        assert_eq!(text.parse::<SigningKey>().unwrap_err(), InvalidKey::Private);
    }
    // The neutral element: everything is signed by it.
    let weak = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(weak.parse::<PublicKey>().unwrap_err(), InvalidKey::Weak);
}

#[test]
fn secrets_are_not_shown() {
    let key = SigningKey::generate().unwrap();
    assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.public().id()));
}

proptest! {
    #[test]
    fn a_signature_counts_for_its_component_only(a in any::<[u8; 32]>(), b in any::<[u8; 32]>(), flipped in 0_usize..512) {
        let key: SigningKey = PRIVATE.parse().unwrap();
        let (public, signature) = (key.public(), key.sign(Digest(a)));
        prop_assert!(public.verify(Digest(a), &signature).is_ok());
        prop_assert_eq!(public.verify(Digest(b), &signature).is_ok(), a == b);
        let mut broken = signature.clone();
        broken.bytes[flipped / 8] ^= 1 << (flipped % 8);
        prop_assert!(public.verify(Digest(a), &broken).is_err());
        let json = serde_json::to_string(&signature).unwrap();
        prop_assert_eq!(serde_json::from_str::<Signature>(&json).unwrap(), signature);
    }
}
