//! Signatures: asked for at upload, at acceptance and at every run.

use watcher_domain::Clock as _;
use watcher_domain::plugin::MemberStatus::{Accepted, Rejected};
use watcher_domain::plugin::{PluginVisibility, VersionState};
use watcher_domain::ports::{GuardError, RunGuard as _};
use watcher_registry::{Changes, Deactivated, NamedKey, RegistryError, SigningGuard, SigningPolicy, Upload};
use watcher_signature::{KeyState, SigningKey, Stage as When};
use watcher_store::plugin;
use watcher_store::testing::backends;

use crate::stage::{Stage, actor, admin, project, strategy_of, upload};

fn policy(key: &SigningKey, state: KeyState, require: &[When]) -> SigningPolicy {
    let spare = SigningKey::generate().unwrap();
    let named =
        |name: &str, key: &SigningKey, state| NamedKey { name: name.to_owned(), public_key: key.public(), state };
    SigningPolicy {
        keys: vec![named("release", key, state), named("spare", &spare, KeyState::Active)],
        require: require.to_vec(),
    }
}

/// The same upload with a signature by a key.
fn signed(unsigned: &Upload, key: &SigningKey) -> Upload {
    use sha2::Digest as _;
    let digest = watcher_domain::Digest(sha2::Sha256::digest(&unsigned.component).into());
    Upload { signature: Some(serde_json::to_string(&[key.sign(digest)]).unwrap()), ..unsigned.clone() }
}

#[tokio::test]
async fn a_project_that_requires_signatures_takes_no_upload_without_one() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let (key, stranger) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let set = async |whose: Option<&str>, policy: &SigningPolicy| {
            stage.registry.set_signing_policy(whose.map(project).as_ref(), policy).await.unwrap()
        };
        set(Some("a"), &policy(&key, KeyState::Active, &[When::Upload])).await;
        let component = upload(&strategy_of("mine", "1.0.0", "g", ""));
        for refused in [component.clone(), signed(&component, &stranger)] {
            let error = stage.send(&actor("a"), refused).await.unwrap_err();
            assert!(matches!(error, RegistryError::Unsigned(_)), "{}: {error}", store.name);
        }
        stage.send(&actor("a"), signed(&component, &key)).await.unwrap();
        // Another project is not asked, unless the administrator asks all.
        stage.send(&actor("b"), component.clone()).await.unwrap();
        set(None, &policy(&key, KeyState::Retired, &[When::Upload])).await;
        let next = upload(&strategy_of("mine", "2.0.0", "g", ""));
        let error = stage.send(&actor("b"), signed(&next, &key)).await.unwrap_err();
        assert!(error.to_string().contains("key release is retired"), "{error}");
    }
}

#[tokio::test]
async fn acceptance_and_execution_ask_the_project_that_uses_the_plugin() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let key = SigningKey::generate().unwrap();
        let component = upload(&strategy_of("mine", "1.0.0", "g", ""));
        let release = stage.send(&actor("a"), component.clone()).await.unwrap();
        let (id, digest) = (release.plugin.id, release.version.version.digest);
        let changes = Changes { visibility: Some(PluginVisibility::Shared), ..Changes::default() };
        stage.registry.update(&admin(), id, &changes).await.unwrap();
        stage.registry.offer(&actor("a"), id, &project("b")).await.unwrap();
        let set = async |state, require: &[When]| {
            stage.registry.set_signing_policy(Some(&project("b")), &policy(&key, state, require)).await.unwrap()
        };
        set(KeyState::Active, &[When::Acceptance, When::Execution]).await;
        let accept = async || stage.registry.answer(&actor("b"), id, &project("b"), Accepted).await;
        assert!(matches!(accept().await, Err(RegistryError::Unsigned(_))));
        let signature = signed(&component, &key).signature.unwrap();
        let kept = stage.registry.sign(&actor("a"), id, "1.0.0", &signature).await.unwrap();
        assert_eq!(kept, [key.sign(digest)]);
        accept().await.unwrap();
        let guard = SigningGuard(watcher_store::Store::clone(&store));
        let may_run = async |who: &str| guard.may_run(Some(&project(who)), digest).await;
        may_run("b").await.unwrap();
        set(KeyState::Retired, &[When::Execution]).await;
        may_run("b").await.unwrap();
        set(KeyState::Revoked, &[When::Execution]).await;
        let refused = may_run("b").await.unwrap_err();
        assert!(matches!(&refused, GuardError::Refused(_)) && refused.to_string().contains("is revoked"), "{refused}");
        may_run("a").await.unwrap();
        let nonsense = stage.registry.sign(&actor("a"), id, "1.0.0", "[{}]").await;
        assert!(matches!(nonsense, Err(RegistryError::BadSignature(_))));
        let invisible = stage.registry.sign(&actor("c"), id, "1.0.0", &signature).await;
        assert!(matches!(invisible, Err(RegistryError::NoPlugin)));
    }
}

#[tokio::test]
async fn nothing_is_accepted_unseen_where_acceptance_needs_a_signature() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let key = SigningKey::generate().unwrap();
        let release = stage.upload("a", &strategy_of("mine", "1.0.0", "g", "")).await.unwrap();
        let (id, digest) = (release.plugin.id, release.version.version.digest);
        let changes = Changes { visibility: Some(PluginVisibility::Shared), ..Changes::default() };
        stage.registry.update(&actor("a"), id, &changes).await.unwrap();
        for who in ["b", "c"] {
            stage.registry.offer(&actor("a"), id, &project(who)).await.unwrap();
        }
        let to = async |state| stage.registry.set_state(&actor("a"), id, "1.0.0", state, None).await.unwrap();
        let answer = async |who: &str, status| stage.registry.answer(&actor(who), id, &project(who), status).await;
        for whose in [None, Some(project("b"))] {
            let asked = policy(&key, KeyState::Active, &[When::Acceptance]);
            stage.registry.set_signing_policy(whose.as_ref(), &asked).await.unwrap();
            assert!(matches!(answer("b", Accepted).await, Err(RegistryError::Unsigned(_))), "{}", store.name);
            to(VersionState::Deactivated).await;
            let refused = answer("b", Accepted).await;
            let wanted = Err(Deactivated::Acceptance);
            let refused = refused.map_err(|error| match error {
                RegistryError::Deactivated(why) => why,
                other => panic!("{}: {other}", store.name),
            });
            assert_eq!(refused, wanted, "{}", store.name);
            answer("b", Rejected).await.unwrap();
            to(VersionState::Active).await;
            assert!(!stage.runs(digest, "b").await, "{}", store.name);
            let none = SigningPolicy { keys: Vec::new(), require: Vec::new() };
            stage.registry.set_signing_policy(whose.as_ref(), &none).await.unwrap();
        }
        // Who asks for no signature may accept what is to come.
        to(VersionState::Deactivated).await;
        answer("c", Accepted).await.unwrap();
        to(VersionState::Active).await;
        assert!(stage.runs(digest, "c").await, "{}", store.name);
    }
}

#[tokio::test]
async fn a_project_with_the_same_component_neither_sees_nor_replaces_the_signatures_of_another() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let key = SigningKey::generate().unwrap();
        let component = upload(&strategy_of("mine", "1.0.0", "g", ""));
        let own = stage.send(&actor("a"), signed(&component, &key)).await.unwrap();
        let digest = own.version.version.digest;
        let required = policy(&key, KeyState::Active, &[When::Execution]);
        stage.registry.set_signing_policy(Some(&project("a")), &required).await.unwrap();
        let other = stage.send(&actor("b"), component.clone()).await.unwrap();
        let mut forged = serde_json::to_value(key.sign(digest)).unwrap();
        forged["signature"] = format!("{}==", "A".repeat(86)).into();
        let kept = stage.registry.sign(&actor("b"), other.plugin.id, "1.0.0", &forged.to_string()).await.unwrap();
        assert_eq!(kept.len(), 1, "{}: what the other project was given is not told", store.name);
        let many: Vec<_> = (0..300)
            .map(|n| serde_json::json!({"key": format!("{n:016x}"), "signature": forged["signature"]}))
            .collect();
        let mut refused = None;
        for some in many.chunks(16) {
            let text = serde_json::to_string(some).unwrap();
            refused = refused.or(stage.registry.sign(&actor("b"), other.plugin.id, "1.0.0", &text).await.err());
        }
        assert!(matches!(refused, Some(RegistryError::BadSignature(_))), "{}: they are bounded", store.name);
        let guard = SigningGuard(watcher_store::Store::clone(&store));
        guard.may_run(Some(&project("a")), digest).await.unwrap();
        let mut tx = store.read().await.unwrap();
        let listed = watcher_registry::signatures(&mut tx, digest, Some(&project("a"))).await.unwrap();
        assert_eq!(listed, [key.sign(digest)], "{}", store.name);
    }
}

#[tokio::test]
async fn what_many_projects_say_of_the_same_component_hides_no_signature() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let key = SigningKey::generate().unwrap();
        let component = upload(&strategy_of("mine", "1.0.0", "g", ""));
        let own = stage.send(&actor("a"), component.clone()).await.unwrap();
        let (id, digest) = (own.plugin.id, own.version.version.digest);
        let community = Changes { visibility: Some(PluginVisibility::Community), ..Changes::default() };
        stage.registry.update(&actor("a"), id, &community).await.unwrap();
        stage.registry.answer(&actor("b"), id, &project("b"), Accepted).await.unwrap();
        let required = policy(&key, KeyState::Active, &[When::Execution]);
        for who in [None, Some(&project("b"))] {
            stage.registry.set_signing_policy(who, &required).await.unwrap();
        }
        let mut forged = serde_json::to_value(key.sign(digest)).unwrap();
        forged["signature"] = format!("{}==", "A".repeat(86)).into();
        let mut tx = store.begin().await.unwrap();
        for number in 0..300 {
            let other = project(&format!("other-{number}"));
            assert!(
                plugin::add_signature(
                    &mut tx,
                    digest,
                    Some(&other),
                    key.public().id().as_str(),
                    &forged,
                    stage.clock.now()
                )
                .await
                .unwrap()
            );
        }
        tx.commit().await.unwrap();
        let genuine = serde_json::to_string(&[key.sign(digest)]).unwrap();
        stage.registry.sign(&actor("a"), id, "1.0.0", &genuine).await.unwrap();
        let guard = SigningGuard(watcher_store::Store::clone(&store));
        for who in ["a", "b"] {
            guard.may_run(Some(&project(who)), digest).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_signed_version_is_deleted_with_its_signatures_and_those_of_others_stay() {
    for store in backends().await {
        let stage = Stage::with_built_in(&store).await;
        let key = SigningKey::generate().unwrap();
        let component = signed(&upload(&strategy_of("mine", "1.0.0", "g", "")), &key);
        let one = stage.send(&actor("a"), component.clone()).await.unwrap();
        let two = stage.send(&actor("b"), component.clone()).await.unwrap();
        let digest = one.version.version.digest;
        stage.registry.delete_version(&actor("a"), one.plugin.id, "1.0.0").await.unwrap();
        let listed = async |who: &str| {
            let mut tx = store.read().await.unwrap();
            watcher_registry::signatures(&mut tx, digest, Some(&project(who))).await.unwrap().len()
        };
        assert_eq!((listed("a").await, listed("b").await), (0, 1), "{}", store.name);
        stage.registry.delete(&actor("b"), two.plugin.id).await.unwrap();
        assert_eq!(listed("b").await, 0, "{}", store.name);
        let again = stage.send(&actor("b"), component).await.unwrap();
        assert_eq!(again.version.version.digest, digest);
    }
}
