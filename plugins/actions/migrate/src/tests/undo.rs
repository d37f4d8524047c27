//! `revert` from every half state, and `abort`.

use serde_json::json;
use watcher_sdk::{Action, Failure};

use super::fake::{
    DESTINATION, Nova, Post, SOURCE, cold_begins, cold_success, cold_verifies, configuration, live_begins, live_ends,
    live_success, parameters,
};
use crate::{Migrate, MigrationType};

fn revert(nova: &Nova, kind: MigrationType) -> Result<(), Failure> {
    Migrate::revert(&nova.cloud(), &parameters(kind), &configuration())
}

fn abort(nova: &Nova, kind: MigrationType) -> Result<bool, Failure> {
    Migrate::abort(&nova.cloud(), &parameters(kind), &configuration())
}

#[test]
fn an_instance_that_did_not_move_needs_nothing() {
    let nova = Nova::default();
    revert(&nova, MigrationType::Live).unwrap();
    revert(&nova, MigrationType::Cold).unwrap();
    nova.edit(|state| state.is_gone = true);
    revert(&nova, MigrationType::Live).unwrap();
    assert!(nova.posts().is_empty());
}

#[test]
fn an_instance_that_arrived_is_moved_back() {
    let nova = Nova::default().on_post(Post::Accept(live_success()));
    nova.edit(|state| state.own.host = DESTINATION);
    revert(&nova, MigrationType::Live).unwrap();
    assert_eq!(nova.own(|own| own.host), SOURCE);
    assert_eq!(nova.posts(), [json!({"os-migrateLive": {"host": SOURCE, "block_migration": "auto"}})]);

    let nova = Nova::default().on_post(Post::Accept(cold_success()));
    nova.edit(|state| state.own.host = DESTINATION);
    revert(&nova, MigrationType::Cold).unwrap();
    assert_eq!((nova.own(|own| own.host), nova.posts().len()), (SOURCE, 2));
}

#[test]
fn an_instance_that_was_stopped_meanwhile_is_moved_back_cold() {
    let nova = Nova::default().on_post(Post::Accept(cold_success())).on_post(Post::Accept(vec![|state| {
        state.status = "SHUTOFF";
    }]));
    nova.edit(|state| (state.own.host, state.status) = (DESTINATION, "SHUTOFF"));
    revert(&nova, MigrationType::Live).unwrap();
    assert_eq!((nova.own(|own| own.host), nova.posts()[0].clone()), (SOURCE, json!({"migrate": {"host": SOURCE}})));
}

#[test]
fn a_cold_migration_that_waits_for_confirmation_is_reverted() {
    let nova =
        Nova::default().on_post(Post::Accept(vec![|state| state.task = Some("resize_reverting"), |_| (), |state| {
            (state.own.host, state.status, state.task) = (SOURCE, "ACTIVE", None);
        }]));
    nova.edit(|state| {
        cold_begins(state);
        cold_verifies(state);
    });
    revert(&nova, MigrationType::Cold).unwrap();
    assert_eq!((nova.own(|own| own.host), nova.posts()), (SOURCE, vec![json!({"revertResize": null})]));
}

#[test]
fn a_cold_migration_that_runs_is_waited_for_and_then_reverted() {
    let nova =
        Nova::default().on_post(Post::LoseAnswer(vec![|state| (state.own.host, state.status) = (SOURCE, "ACTIVE")]));
    nova.edit(|state| {
        cold_begins(state);
        state.steps = [|_: &mut _| (), cold_verifies].into();
    });
    revert(&nova, MigrationType::Cold).unwrap();
    assert_eq!((nova.own(|own| own.host), nova.posts()), (SOURCE, vec![json!({"revertResize": null})]));
}

#[test]
fn a_live_migration_that_runs_is_stopped() {
    let nova =
        Nova::default().on_post(Post::Refuse(400, "state is preparing")).on_post(Post::Accept(vec![|_| (), |state| {
            state.task = None;
            state.latest("cancelled");
        }]));
    nova.edit(live_begins);
    revert(&nova, MigrationType::Live).unwrap();
    assert_eq!((nova.own(|own| own.host), nova.posts()), (SOURCE, vec![json!("abort"), json!("abort")]));
}

#[test]
fn a_live_migration_that_cannot_be_stopped_any_more_is_turned_round() {
    let nova = Nova::default().on_post(Post::Accept(vec![live_ends])).on_post(Post::Accept(live_success()));
    nova.edit(live_begins);
    revert(&nova, MigrationType::Live).unwrap();
    assert_eq!((nova.own(|own| own.host), nova.posts().len()), (SOURCE, 2));
}

#[test]
fn what_cannot_be_brought_back_is_told() {
    let message = |status, host| {
        let nova = Nova::default();
        nova.edit(|state| (state.status, state.own.host) = (status, host));
        revert(&nova, MigrationType::Live).unwrap_err().message
    };
    assert!(message("ERROR", SOURCE).ends_with("the instance is there, but in status ERROR: Nova does not say why"));
    assert!(message("ACTIVE", "node_9").ends_with("the instance is on node_9, where nobody sent it"));

    let nova = Nova::default();
    nova.edit(cold_begins);
    assert!(
        revert(&nova, MigrationType::Cold).unwrap_err().message.ends_with("it stays in task state resize_migrating")
    );

    let nova = Nova::default().on_post(Post::Refuse(500, "no"));
    nova.edit(|state| state.own.host = DESTINATION);
    assert_eq!(revert(&nova, MigrationType::Live).unwrap_err().code, "refused");
}

#[test]
fn a_revert_that_never_ends_is_told() {
    let nova = Nova::default().on_post(Post::Accept(vec![|state| state.task = Some("resize_reverting")]));
    nova.edit(|state| {
        cold_begins(state);
        cold_verifies(state);
    });
    let failure = revert(&nova, MigrationType::Cold).unwrap_err();
    assert!(failure.message.contains("revertResize did not end in time"), "{failure}");
}

#[test]
fn a_live_migration_is_aborted_and_the_instance_stays() {
    let nova = Nova::default().on_post(Post::Accept(vec![|_| (), |state| {
        state.task = None;
        state.latest("cancelled");
    }]));
    nova.edit(live_begins);
    assert!(abort(&nova, MigrationType::Live).unwrap());
    assert_eq!(nova.posts(), [json!("abort")]);
}

#[test]
fn an_abort_that_came_too_late_lets_the_action_end() {
    let nova = Nova::default().on_post(Post::Refuse(404, "not in progress"));
    nova.edit(|state| {
        live_begins(state);
        state.steps = [|_: &mut _| (), live_ends].into();
    });
    assert!(!abort(&nova, MigrationType::Live).unwrap());
    let nova = Nova::default();
    nova.edit(|state| state.own.host = DESTINATION);
    assert!(!abort(&nova, MigrationType::Live).unwrap());
}

#[test]
fn nothing_to_abort_is_not_aborted() {
    let nova = Nova::default();
    assert!(!abort(&nova, MigrationType::Live).unwrap());
    nova.edit(cold_begins);
    assert!(!abort(&nova, MigrationType::Cold).unwrap());
    nova.edit(|state| state.is_gone = true);
    assert_eq!(abort(&nova, MigrationType::Live).unwrap_err().code, "instance-not-found");
}

#[test]
fn an_aborted_instance_in_error_is_told() {
    let nova = Nova::default().on_post(Post::Accept(vec![|state| (state.status, state.task) = ("ERROR", None)]));
    nova.edit(live_begins);
    assert_eq!(abort(&nova, MigrationType::Live).unwrap_err().code, "not-reverted");
}

#[test]
fn an_abort_without_end_is_not_an_abort() {
    let nova = Nova::default().on_post(Post::Accept(vec![]));
    nova.edit(live_begins);
    assert!(!abort(&nova, MigrationType::Live).unwrap());
}
