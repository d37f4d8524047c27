//! Whose signatures count, through rotation and revocation of keys.

use watcher_domain::Digest;
use watcher_signature::{InvalidPolicy, KeyState, NamedKey, SigningKey, SigningPolicy, Stage};

const DIGEST: Digest = Digest([7; 32]);
const ALL: [Stage; 3] = [Stage::Upload, Stage::Acceptance, Stage::Execution];

fn named(name: &str, key: &SigningKey, state: KeyState) -> NamedKey {
    NamedKey { name: name.to_owned(), public_key: key.public(), state }
}

#[test]
fn nothing_is_asked_for_where_nothing_is_required() {
    for stage in ALL {
        SigningPolicy::default().admits(stage, DIGEST, &[]).unwrap();
    }
}

#[test]
fn rotation_keeps_what_was_signed_and_revocation_does_not() {
    let (old, new, stranger) =
        (SigningKey::generate().unwrap(), SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let policy = |state| SigningPolicy {
        keys: vec![named("old", &old, state), named("new", &new, KeyState::Active)],
        require: ALL.to_vec(),
    };
    let (by_old, by_new) = ([old.sign(DIGEST)], [new.sign(DIGEST)]);
    for stage in ALL {
        policy(KeyState::Active).admits(stage, DIGEST, &by_old).unwrap();
        policy(KeyState::Revoked).admits(stage, DIGEST, &by_new).unwrap();
        let refused = policy(KeyState::Revoked).admits(stage, DIGEST, &by_old).unwrap_err();
        assert_eq!(refused.keys, ["new"]);
        assert!(refused.to_string().ends_with("by one of these keys: new (key old is revoked)"), "{refused}");
        let refused = policy(KeyState::Active).admits(stage, DIGEST, &[stranger.sign(DIGEST)]).unwrap_err();
        assert!(refused.to_string().contains("is not known"), "{refused}");
        assert!(policy(KeyState::Active).admits(stage, DIGEST, &[]).is_err());
        assert!(policy(KeyState::Active).admits(stage, Digest([8; 32]), &by_old).is_err());
        assert_eq!(policy(KeyState::Retired).admits(stage, DIGEST, &by_old).is_ok(), stage != Stage::Upload);
    }
}

#[test]
fn a_policy_that_nobody_could_keep_or_understand_is_refused() {
    let key = SigningKey::generate().unwrap();
    let policy = |keys: Vec<NamedKey>| SigningPolicy { keys, require: vec![Stage::Upload] }.check();
    policy(vec![named("a", &key, KeyState::Active)]).unwrap();
    assert_eq!(policy(vec![named("a", &key, KeyState::Retired)]), Err(InvalidPolicy::Impossible(Stage::Upload)));
    assert_eq!(policy(Vec::new()), Err(InvalidPolicy::Impossible(Stage::Upload)));
    assert_eq!(policy(vec![named("", &key, KeyState::Active)]), Err(InvalidPolicy::Name));
    let twice = vec![named("a", &key, KeyState::Active), named("b", &key, KeyState::Active)];
    assert_eq!(policy(twice), Err(InvalidPolicy::SameKey(key.public().id())));
    let other = SigningKey::generate().unwrap();
    let twice = vec![named("a", &key, KeyState::Active), named("a", &other, KeyState::Active)];
    assert_eq!(policy(twice), Err(InvalidPolicy::SameName("a".to_owned())));
}

#[test]
fn a_policy_is_json_that_people_can_write() {
    let key = SigningKey::generate().unwrap();
    let text = format!(
        r#"{{"keys": [{{"name": "release", "public_key": "{}"}}], "require": ["upload", "execution"]}}"#,
        key.public()
    );
    let policy: SigningPolicy = serde_json::from_str(&text).unwrap();
    assert_eq!(policy.keys, [named("release", &key, KeyState::Active)]);
    assert_eq!(policy.require, [Stage::Upload, Stage::Execution]);
    assert_eq!(serde_json::from_str::<SigningPolicy>(&serde_json::to_string(&policy).unwrap()).unwrap(), policy);
    let error = serde_json::from_str::<SigningPolicy>(r#"{"keys": [{"name": "a", "public_key": "x"}]}"#).unwrap_err();
    assert!(error.to_string().contains("not an ed25519 public key"), "{error}");
}
