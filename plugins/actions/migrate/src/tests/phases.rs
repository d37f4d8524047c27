//! `execute`: what it does with every way in which Nova can behave.

use watcher_sdk::{Action, Failure};

use super::fake::{
    DESTINATION, Nova, Post, cold_begins, cold_success, cold_verifies, configuration, live_begins, live_ends,
    live_failure, live_success, parameters,
};
use crate::{Migrate, MigrationType, Parameters};

fn run(nova: &Nova, kind: MigrationType) -> Result<(), Failure> {
    Migrate::execute(&nova.cloud(), &parameters(kind), &configuration())
}

fn live(post: Post) -> (Nova, Result<(), Failure>) {
    let nova = Nova::default().on_post(post);
    let outcome = run(&nova, MigrationType::Live);
    (nova, outcome)
}

#[test]
fn a_live_migration_is_waited_for() {
    let (nova, outcome) = live(Post::Accept(live_success()));
    outcome.unwrap();
    assert_eq!((nova.own(|own| own.host), nova.posts().len()), (DESTINATION, 1));
}

#[test]
fn a_fast_cloud_is_noticed_fast() {
    let cloud = Nova::default().on_post(Post::Accept(live_success())).cloud();
    Migrate::execute(&cloud, &parameters(MigrationType::Live), &configuration()).unwrap();
    assert!(cloud.slept_ms() < 500, "{}", cloud.slept_ms());
}

#[test]
fn an_instance_that_is_there_already_is_left_alone() {
    let nova = Nova::default();
    nova.edit(|state| state.own.host = DESTINATION);
    run(&nova, MigrationType::Live).unwrap();
    assert!(nova.posts().is_empty());
}

#[test]
fn without_a_destination_any_other_host_will_do() {
    let nova = Nova::default().on_post(Post::Accept(vec![live_begins, |state| {
        live_ends(state);
        state.own.host = "node_7";
    }]));
    let anywhere = Parameters { destination_node: None, ..parameters(MigrationType::Live) };
    Migrate::execute(&nova.cloud(), &anywhere, &configuration()).unwrap();
    assert_eq!(nova.posts()[0]["os-migrateLive"]["host"], serde_json::Value::Null);
}

#[test]
fn a_failed_migration_is_told_with_instance_source_destination_and_reason() {
    let (_, outcome) = live(Post::Accept(live_failure()));
    assert_eq!(
        outcome.unwrap_err().message,
        "Live migration of instance 73b09e16-35b7-4922-804e-e8f5d9b740fc from node_1 to node_2 failed: Nova ended migration 2 \
         with status error"
    );
}

#[test]
fn a_migration_that_somebody_cancels_has_failed() {
    let (_, outcome) = live(Post::Accept(vec![live_begins, |state| {
        state.task = None;
        state.latest("cancelled");
    }]));
    assert!(outcome.unwrap_err().message.ends_with("Nova ended migration 2 with status cancelled"));
}

#[test]
fn an_instance_in_error_is_told_with_its_fault() {
    let (_, outcome) = live(Post::Accept(vec![live_begins, |state| {
        state.task = None;
        state.status = "ERROR";
        state.fault = Some("libvirt went away");
    }]));
    let message = outcome.unwrap_err().message;
    assert!(message.ends_with("the instance is in status ERROR: libvirt went away"), "{message}");
}

#[test]
fn a_migration_that_never_begins_is_given_up_soon() {
    let cloud = Nova::default().on_post(Post::Accept(vec![])).cloud();
    let failure = Migrate::execute(&cloud, &parameters(MigrationType::Live), &configuration()).unwrap_err();
    assert!(failure.message.ends_with("Nova did not begin it"), "{failure}");
    assert!(cloud.slept_ms() < 10_000);
}

#[test]
fn a_stuck_migration_is_given_up_after_the_configured_time() {
    let cloud = Nova::default().on_post(Post::Accept(vec![live_begins])).cloud();
    let failure = Migrate::execute(&cloud, &parameters(MigrationType::Live), &configuration()).unwrap_err();
    assert_eq!(failure.code, "migration-timed-out");
    assert!(failure.message.contains("the instance is on node_1, status ACTIVE, task state migrating"), "{failure}");
    assert_eq!(cloud.slept_ms(), 900_000);
    assert!(cloud.sent.borrow().len() < 250);
}

#[test]
fn a_nova_that_is_away_while_an_instance_moves_is_waited_for() {
    let nova =
        Nova::default().on_post(Post::Accept(vec![live_begins, |state| state.broken_reads = 40, |_| (), live_ends]));
    run(&nova, MigrationType::Live).unwrap();
    assert_eq!((nova.own(|own| own.host), nova.posts().len()), (DESTINATION, 1));
    let nova = Nova::default().on_post(Post::Accept(vec![live_begins, |state| state.broken_reads = u32::MAX]));
    assert_eq!(run(&nova, MigrationType::Live).unwrap_err().code, "unreachable");
}

#[test]
fn an_instance_that_disappears_is_told() {
    let (_, outcome) = live(Post::Accept(vec![live_begins, |_| (), |state| state.is_gone = true, |_| ()]));
    // The step that removes it still answers; the next look does not find it.
    assert_eq!(outcome.unwrap_err().code, "instance-not-found");
}

#[test]
fn a_refusal_says_what_nova_says_and_is_not_repeated() {
    for status in [400, 403, 409, 500] {
        let (nova, outcome) = live(Post::Refuse(status, "Compute host is not compatible"));
        let message = outcome.unwrap_err().message;
        assert!(message.starts_with("Nova refused Live migration of instance 73b09e16"), "{message}");
        assert!(message.ends_with(&format!("({status}): Compute host is not compatible")), "{message}");
        assert_eq!(nova.posts().len(), 1);
    }
}

#[test]
fn a_request_whose_answer_is_lost_is_looked_up_and_not_repeated() {
    for post in [Post::LoseAnswer(live_success()), Post::BadGateway(live_success()), Post::Broken(live_success())] {
        let (nova, outcome) = live(post);
        outcome.unwrap();
        assert_eq!((nova.own(|own| own.host), nova.posts().len()), (DESTINATION, 1));
    }
}

#[test]
fn a_migration_that_failed_behind_a_lost_answer_is_told() {
    let (nova, outcome) = live(Post::LoseAnswer(live_failure()));
    assert_eq!(outcome.unwrap_err().code, "migration-failed");
    assert_eq!(nova.posts().len(), 1);
}

#[test]
fn a_request_that_never_arrived_is_repeated() {
    let nova =
        Nova::default().on_post(Post::LoseRequest).on_post(Post::Unreachable).on_post(Post::Accept(live_success()));
    run(&nova, MigrationType::Live).unwrap();
    assert_eq!((nova.own(|own| own.host), nova.posts().len()), (DESTINATION, 3));
}

#[test]
fn a_request_is_not_repeated_for_ever() {
    let nova = Nova::default().on_post(Post::LoseRequest).on_post(Post::LoseRequest).on_post(Post::LoseRequest);
    let failure = run(&nova, MigrationType::Live).unwrap_err();
    assert!(failure.message.contains("did not begin: the connection broke"), "{failure}");
    let mut nova = Nova::default();
    for _ in 0..4 {
        nova = nova.on_post(Post::Unreachable);
    }
    assert_eq!(run(&nova, MigrationType::Live).unwrap_err().code, "unreachable");
}

#[test]
fn a_late_first_request_makes_the_repetition_conflict_and_is_taken_over() {
    let nova = Nova::default().on_post(Post::LoseRequest).on_post(Post::Conflict(live_success()));
    run(&nova, MigrationType::Live).unwrap();
    assert_eq!((nova.own(|own| own.host), nova.posts().len()), (DESTINATION, 2));
}

#[test]
fn a_cold_migration_is_confirmed_and_the_status_is_as_before() {
    let nova = Nova::default().on_post(Post::Accept(cold_success()));
    run(&nova, MigrationType::Cold).unwrap();
    assert_eq!((nova.own(|own| own.host), nova.posts().len()), (DESTINATION, 2));
}

#[test]
fn a_lost_confirmation_is_looked_up() {
    let nova = Nova::default().on_post(Post::Accept(cold_success())).on_post(Post::LoseAnswer(vec![|state| {
        state.status = "ACTIVE";
    }]));
    run(&nova, MigrationType::Cold).unwrap();
    assert_eq!(nova.posts().len(), 2);
    let nova = Nova::default()
        .on_post(Post::Accept(cold_success()))
        .on_post(Post::LoseRequest)
        .on_post(Post::Accept(vec![|state| state.status = "ACTIVE"]));
    run(&nova, MigrationType::Cold).unwrap();
    assert_eq!(nova.posts().len(), 3);
}

#[test]
fn a_nova_that_confirms_by_itself_is_fine() {
    let nova = Nova::default().on_post(Post::Accept(vec![cold_begins, |_| (), |state| {
        cold_verifies(state);
        state.status = "ACTIVE";
        state.latest("confirmed");
    }]));
    run(&nova, MigrationType::Cold).unwrap();
    assert_eq!(nova.posts().len(), 1);
}

#[test]
fn a_cold_migration_that_fails_is_told_with_the_fault() {
    let nova = Nova::default().on_post(Post::Accept(vec![cold_begins, |_| (), |state| {
        state.status = "ERROR";
        state.task = None;
        state.fault = Some("Resize error: not able to execute ssh command");
        state.latest("error");
    }]));
    let message = run(&nova, MigrationType::Cold).unwrap_err().message;
    assert!(
        message.ends_with(
            "failed: Nova ended migration 2 with status error, the instance is in status ERROR: Resize error: not able to execute \
             ssh command"
        ),
        "{message}"
    );
}

#[test]
fn a_cold_migration_that_ends_in_error_on_its_destination_has_failed() {
    let nova = Nova::default().on_post(Post::Accept(vec![cold_begins, |state| {
        cold_verifies(state);
        state.status = "ERROR";
    }]));
    assert_eq!(run(&nova, MigrationType::Cold).unwrap_err().code, "migration-failed");
}

#[test]
fn a_cold_migration_that_went_elsewhere_is_not_confirmed() {
    let nova = Nova::default().on_post(Post::Accept(vec![cold_begins, |state| {
        cold_verifies(state);
        state.own.host = "node_9";
    }]));
    let message = run(&nova, MigrationType::Cold).unwrap_err().message;
    assert!(message.ends_with("the instance waits for confirmation on node_9"), "{message}");
    assert_eq!(nova.posts().len(), 1);
}

#[test]
fn a_stuck_confirmation_is_given_up() {
    let nova = Nova::default().on_post(Post::Accept(cold_success())).on_post(Post::Accept(vec![]));
    assert_eq!(run(&nova, MigrationType::Cold).unwrap_err().code, "migration-timed-out");
}
