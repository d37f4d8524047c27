//! `execute` and `revert`: what they do with every way in which Nova can behave.

use serde_json::json;
use watcher_sdk::{Action, Failure};

use super::fake::{Nova, Post, State, begins, configuration, confirmed, parameters, reverted, success, verifies};
use crate::Resize;

fn run(nova: &Nova) -> Result<(), Failure> {
    Resize::execute(&nova.cloud(), &parameters(), &configuration())
}

fn back(nova: &Nova) -> Result<(), Failure> {
    Resize::revert(&nova.cloud(), &parameters(), &configuration())
}

fn done() -> Post {
    Post::Accept(vec![confirmed])
}

#[test]
fn a_resize_is_asked_for_waited_for_and_confirmed() {
    let nova = Nova::default().on_post(Post::Accept(success())).on_post(done());
    run(&nova).unwrap();
    assert_eq!(nova.posts(), [json!({"resize": {"flavorRef": "2"}}), json!({"confirmResize": null})]);
    assert_eq!(nova.own(|own| own.flavor), "2");
}

#[test]
fn an_instance_that_has_the_flavor_is_left_alone() {
    let nova = Nova::default();
    nova.edit(|state| state.own.flavor = "2");
    run(&nova).unwrap();
    assert!(nova.posts().is_empty());
}

#[test]
fn an_instance_that_is_gone_fails() {
    let nova = Nova::default();
    nova.edit(|state| state.is_gone = true);
    assert_eq!(run(&nova).unwrap_err().code, "instance-not-found");
}

#[test]
fn a_refusal_is_told_in_novas_words() {
    let nova = Nova::default().on_post(Post::Refuse(400, "No valid host was found"));
    let message = run(&nova).unwrap_err().message;
    assert!(message.contains("to flavor large (400): No valid host was found"), "{message}");
    assert_eq!(nova.posts().len(), 1);
}

#[test]
fn a_request_whose_answer_is_lost_is_sent_again_only_if_nothing_began() {
    for begun in [Post::LoseAnswer(success()), Post::Broken(success())] {
        let nova = Nova::default().on_post(begun).on_post(done());
        run(&nova).unwrap();
        assert_eq!(nova.posts().len(), 2);
    }
    let nova = Nova::default().on_post(Post::LoseRequest).on_post(Post::Accept(success())).on_post(done());
    run(&nova).unwrap();
    assert_eq!(nova.posts().len(), 3);
    let nova = Nova::default().on_post(Post::LoseRequest).on_post(Post::Conflict(success())).on_post(done());
    run(&nova).unwrap();
    assert_eq!(nova.posts().len(), 3);
    let nova = Nova::default().on_post(Post::LoseRequest).on_post(Post::LoseRequest).on_post(Post::LoseRequest);
    let message = run(&nova).unwrap_err().message;
    assert!(message.contains("did not begin: the connection broke"), "{message}");
}

#[test]
fn a_resize_that_fails_is_told_with_its_reason() {
    let fails: fn(&mut State) = |state| {
        state.task = None;
        state.status = "ERROR";
        state.fault = Some("Resize error: not able to execute ssh command");
        state.latest("error");
    };
    let nova = Nova::default().on_post(Post::Accept(vec![begins, |_| (), fails]));
    let message = run(&nova).unwrap_err().message;
    assert!(
        message.ends_with(
            "failed: Nova ended migration 2 with status error, the instance is in status ERROR: Resize error: not able to execute \
             ssh command"
        ),
        "{message}"
    );
    let cancelled: fn(&mut State) = |state| {
        state.task = None;
        state.latest("error");
    };
    let nova = Nova::default().on_post(Post::Accept(vec![begins, cancelled]));
    assert!(run(&nova).unwrap_err().message.ends_with("Nova ended migration 2 with status error"));
}

#[test]
fn a_resize_that_does_not_end_is_given_up() {
    let nova = Nova::default().on_post(Post::Accept(vec![begins]));
    let failure = run(&nova).unwrap_err();
    assert_eq!(failure.code, "resize-timed-out");
    assert!(failure.message.ends_with("the instance is in status ACTIVE, task state resize_prep"), "{failure}");
}

#[test]
fn a_request_that_is_accepted_and_not_begun_fails_after_a_while() {
    let nova = Nova::default().on_post(Post::Accept(vec![]));
    assert!(run(&nova).unwrap_err().message.ends_with("Nova did not begin it"));
}

#[test]
fn a_lost_confirmation_is_looked_up() {
    let nova = Nova::default().on_post(Post::Accept(success())).on_post(Post::LoseAnswer(vec![confirmed]));
    run(&nova).unwrap();
    assert_eq!(nova.posts().len(), 2);
    let nova = Nova::default().on_post(Post::Accept(success())).on_post(Post::LoseRequest).on_post(done());
    run(&nova).unwrap();
    assert_eq!(nova.posts().len(), 3);
}

#[test]
fn a_nova_that_confirms_by_itself_is_fine() {
    let by_itself: fn(&mut State) = |state| {
        verifies(state);
        confirmed(state);
    };
    let nova = Nova::default().on_post(Post::Accept(vec![begins, by_itself]));
    run(&nova).unwrap();
    assert_eq!(nova.posts().len(), 1);
}

#[test]
fn a_nova_that_is_away_while_it_resizes_is_asked_again() {
    let away: fn(&mut State) = |state| state.broken_reads = 9;
    let nova = Nova::default().on_post(Post::Accept(vec![begins, away, |_| (), verifies])).on_post(done());
    run(&nova).unwrap();
    assert_eq!(nova.own(|own| own.flavor), "2");
}

#[test]
fn what_waits_for_confirmation_is_reverted() {
    let nova = Nova::default().on_post(Post::Accept(vec![|state| state.task = Some("resize_reverting"), reverted]));
    nova.edit(|state| {
        begins(state);
        verifies(state);
    });
    back(&nova).unwrap();
    assert_eq!((nova.own(|own| own.flavor), nova.posts()), ("1", vec![json!({"revertResize": null})]));
}

#[test]
fn what_did_not_change_or_is_gone_needs_no_way_back() {
    let nova = Nova::default();
    back(&nova).unwrap();
    nova.edit(|state| state.is_gone = true);
    back(&nova).unwrap();
    assert!(nova.posts().is_empty());
}

#[test]
fn a_resize_that_was_confirmed_and_an_instance_in_error_are_told() {
    let nova = Nova::default();
    nova.edit(|state| state.own.flavor = "2");
    assert!(back(&nova).unwrap_err().message.ends_with("the resize was confirmed"));
    nova.edit(|state| state.status = "ERROR");
    assert!(back(&nova).unwrap_err().message.contains("it is in status ERROR"));
    nova.edit(|state| state.task = Some("resize_migrating"));
    assert!(back(&nova).unwrap_err().message.contains("it stays in status ERROR, task state resize_migrating"));
}
