//! Tokens of callers.

use std::sync::Arc;
use std::time::Duration;

use watcher_domain::clock::MockClock;
use watcher_openstack::{TokenError, TokenValidator, ValidatorOptions};

use crate::fake::{Fake, token_body};

async fn start() -> (Arc<Fake>, TokenValidator, Arc<MockClock>) {
    let fake = Fake::start().await;
    let (session, clock) = fake.session();
    let validator = TokenValidator::new(session, clock.clone(), ValidatorOptions::default());
    (fake, validator, clock)
}

#[tokio::test]
async fn a_valid_token_says_who_calls_and_is_asked_about_once() {
    let (fake, validator, _) = start().await;
    fake.set(|behaviour| behaviour.subject = Ok(token_body(3600, "anna", "Admin")));
    let anna = validator.validate("anna-token").await.unwrap();
    assert_eq!((anna.user_id.as_str(), anna.user_name.as_str()), ("id-of-anna", "anna"));
    assert_eq!((anna.project_id.as_deref(), anna.project_name.as_deref()), (Some("p1"), Some("service")));
    assert_eq!((anna.user_domain_id.as_deref(), anna.project_domain_id.as_deref()), (Some("default"), Some("default")));
    assert!(anna.has_role("admin") && !anna.has_role("member") && !anna.is_system);
    assert_eq!(validator.validate("anna-token").await.unwrap(), anna);
    assert_eq!(fake.validations(), 1);
    let seen = fake.last();
    assert!(seen.line.starts_with("GET /v3/auth/tokens?nocatalog"), "{}", seen.line);
    assert_eq!(seen.headers["x-subject-token"], "anna-token");
    assert_eq!(seen.headers["x-auth-token"], "token-1");
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time_and_never_past_the_end_of_the_token() {
    let (fake, validator, clock) = start().await;
    fake.set(|behaviour| behaviour.subject = Ok(token_body(90, "anna", "member")));
    validator.validate("t").await.unwrap();
    clock.advance(Duration::from_secs(59));
    validator.validate("t").await.unwrap();
    assert_eq!(fake.validations(), 1);
    clock.advance(Duration::from_secs(2));
    validator.validate("t").await.unwrap();
    assert_eq!(fake.validations(), 2);
    // Its time would last until 121, but the token ends at 90.
    clock.advance(Duration::from_secs(28));
    validator.validate("t").await.unwrap();
    clock.advance(Duration::from_secs(2));
    assert!(matches!(validator.validate("t").await, Err(TokenError::Rejected)));
    assert_eq!(fake.validations(), 3);
}

#[tokio::test]
async fn an_invalid_token_is_rejected_and_remembered_for_a_short_while() {
    let (fake, validator, clock) = start().await;
    for _ in 0..3 {
        assert!(matches!(validator.validate("unknown").await, Err(TokenError::Rejected)));
    }
    assert_eq!(fake.validations(), 1);
    clock.advance(Duration::from_secs(6));
    fake.set(|behaviour| behaviour.subject = Ok(token_body(3600, "anna", "member")));
    validator.validate("unknown").await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_a_token_is_rejected_without_asking() {
    let (fake, validator, _) = start().await;
    for token in ["", "two\nlines", &"x".repeat(20_000)] {
        assert!(matches!(validator.validate(token).await, Err(TokenError::Rejected)));
    }
    assert_eq!(fake.validations(), 0);
}

#[tokio::test]
async fn a_keystone_that_is_away_is_not_a_bad_token() {
    let (fake, validator, _) = start().await;
    fake.set(|behaviour| behaviour.subject = Err(503));
    assert!(matches!(validator.validate("t").await, Err(TokenError::Unavailable(_))));
    fake.set(|behaviour| behaviour.subject = Err(403));
    let Err(TokenError::Unavailable(error)) = validator.validate("t").await else { panic!("taken for a bad token") };
    assert_eq!(error.to_string(), format!("Keystone at {}/v3 does not let user watcher validate tokens", fake.url));
    fake.set(|behaviour| behaviour.subject = Ok(token_body(3600, "anna", "member")));
    validator.validate("t").await.unwrap();
}

#[tokio::test]
async fn a_service_token_that_was_revoked_is_replaced() {
    let (fake, validator, _) = start().await;
    fake.set(|behaviour| {
        behaviour.subject = Ok(token_body(3600, "anna", "member"));
        behaviour.rejections = 2;
    });
    validator.validate("t").await.unwrap();
    assert_eq!((fake.logins(), fake.validations()), (2, 1));
}
