//! Logging in: once, in time, and with one clear sentence when it does not work.

use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpListener;
use watcher_domain::ports::CloudRequests;
use watcher_openstack::{Error, Session};

use crate::fake::{Fake, get, options, session};

#[tokio::test]
async fn callers_that_meet_share_one_login() {
    let fake = Fake::start().await;
    let (session, _) = fake.session();
    let request = get("/servers");
    let answers = join_all((0..50).map(|_| session.request(&request))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status == 200));
    assert_eq!(fake.logins(), 1);
    assert!(session.has_service("compute").await.unwrap());
    assert!(!session.has_service("image").await.unwrap());
}

#[tokio::test]
async fn callers_that_meet_share_one_failed_login_and_later_ones_try_again() {
    let fake = Fake::start().await;
    fake.set(|behaviour| behaviour.login_status = 503);
    let (session, _) = fake.session();
    let request = get("/servers");
    let outcomes = join_all((0..50).map(|_| session.request(&request))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(Error::KeystoneAway { .. }))));
    assert_eq!(fake.logins(), 1);
    fake.set(|behaviour| behaviour.login_status = 201);
    session.request(&request).await.unwrap();
    assert_eq!(fake.logins(), 2);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let fake = Fake::start().await;
    let (session, clock) = fake.session();
    session.authenticate().await.unwrap();
    clock.advance(Duration::from_secs(3600 - 61));
    session.authenticate().await.unwrap();
    assert_eq!(fake.logins(), 1);
    clock.advance(Duration::from_secs(2));
    session.authenticate().await.unwrap();
    assert_eq!(fake.logins(), 2);
}

#[tokio::test]
async fn a_short_lived_token_is_used_nevertheless() {
    let fake = Fake::start().await;
    fake.set(|behaviour| behaviour.life_s = 10);
    let (session, clock) = fake.session();
    session.authenticate().await.unwrap();
    clock.advance(Duration::from_secs(7));
    session.authenticate().await.unwrap();
    assert_eq!(fake.logins(), 1);
    clock.advance(Duration::from_secs(2));
    session.authenticate().await.unwrap();
    assert_eq!(fake.logins(), 2);
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once_and_what_is_always_refused_asks_for_no_login_again_and_again() {
    let fake = Fake::start().await;
    let (session, clock) = fake.session();
    session.authenticate().await.unwrap();
    fake.set(|behaviour| behaviour.rejections = 2);
    assert_eq!(session.request(&get("/servers")).await.unwrap().status, 200);
    assert_eq!((fake.logins(), fake.last().headers["x-auth-token"].to_str().unwrap()), (2, "token-2"));
    fake.set(|behaviour| behaviour.rejections = 99);
    assert_eq!(session.request(&get("/servers")).await.unwrap().status, 401);
    assert_eq!(fake.logins(), 2, "others would wait for it");
    clock.advance(Duration::from_secs(30));
    assert_eq!(session.request(&get("/servers")).await.unwrap().status, 401);
    assert_eq!(fake.logins(), 3);
}

async fn sentence(session: &Session) -> String {
    session.authenticate().await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_wrong_password_is_one_clear_sentence() {
    let fake = Fake::start().await;
    fake.set(|behaviour| behaviour.login_status = 401);
    let (session, _) = fake.session();
    let text = sentence(&session).await;
    let want =
        format!("Keystone at {}/v3 does not accept user watcher: wrong name, domain, project or password", fake.url);
    assert_eq!(text, want);
    let failure = session.send(&get("/servers")).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("unreachable", false));
    assert!(!failure.message.contains("127.0.0.1") && !format!("{session:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_unreachable_keystone_is_one_clear_sentence() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/identity/v3/", listener.local_addr().unwrap());
    drop(listener);
    let (session, _) = session(options(&url));
    let text = sentence(&session).await;
    assert_eq!(text, format!("Keystone at {} cannot be reached", url.trim_end_matches('/')));
    let failure = session.send(&get("/servers")).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("unreachable", true));
}

#[tokio::test]
async fn something_that_is_not_keystone_is_one_clear_sentence() {
    let fake = Fake::start().await;
    let (session, _) = session(options(&format!("{}/elsewhere", fake.url)));
    let text = sentence(&session).await;
    assert!(text.starts_with(&format!("{}/elsewhere/v3 does not answer as Keystone v3 does: ", fake.url)), "{text}");
    fake.set(|behaviour| behaviour.login_status = 404);
    let (session, _) = fake.session();
    assert!(sentence(&session).await.ends_with("does not answer as Keystone v3 does: status 404, no"));
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_at_once() {
    for url in ["", "keystone:5000", "ftp://keystone/v3", "http://"] {
        let outcome = Session::new(
            options(url),
            std::sync::Arc::new(watcher_domain::clock::MockClock::default()),
            std::sync::Arc::new(watcher_domain::clock::CountingIds::default()),
        );
        let text = outcome.expect_err("refused").to_string();
        assert!(text.starts_with("auth_url: ") && text.contains("is not an address"), "{text}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_in_the_catalogue_is_one_clear_sentence() {
    let fake = Fake::start().await;
    let mut options = fake.options();
    options.region = Some("RegionTwo".to_owned());
    let (session, _) = session(options);
    let text = session.request(&get("/servers")).await.unwrap_err().to_string();
    let want = format!(
        "service compute has no public endpoint in region RegionTwo in the catalogue of user watcher at {}/v3; it has none",
        fake.url
    );
    assert_eq!(text, want);
    assert_eq!(session.send(&get("/servers")).await.unwrap_err().code, "unknown-service");
}
