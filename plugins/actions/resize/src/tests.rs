//! Every branch of the handler against a Nova with one instance, whose next moves a test writes down.

mod fake;
mod phases;

use fake::{INSTANCE, Nova, configuration, parameters};
use watcher_sdk::{Action, Effect, Failure, Readiness};

use super::{Parameters, Resize};

fn check(nova: &Nova, flavor: &str) -> Result<Readiness, Failure> {
    Resize::pre_condition(&nova.cloud(), &Parameters { flavor: flavor.to_owned(), ..parameters() }, &configuration())
}

#[test]
fn the_effect_is_the_flavor() {
    let effect = Effect::ResizeInstance { instance: INSTANCE.to_owned(), flavor: "large".to_owned() };
    assert_eq!(Resize::describe_effect(&parameters()).unwrap(), [effect]);
}

#[test]
fn a_flavor_is_known_by_its_id_or_its_name() {
    let nova = Nova::default();
    for flavor in ["2", "large", "an id", "x/l & more"] {
        assert_eq!(check(&nova, flavor).unwrap(), Readiness::Ready, "{flavor}");
    }
    for flavor in ["huge", "..", "../servers", ""] {
        let failure = check(&nova, flavor).unwrap_err();
        assert_eq!(failure.message, format!("Flavor {flavor} not found"));
    }
}

#[test]
fn an_instance_that_is_gone_is_skipped() {
    let nova = Nova::default();
    nova.edit(|state| state.is_gone = true);
    assert_eq!(check(&nova, "large").unwrap(), Readiness::Skip(format!("Instance {INSTANCE} not found")));
}

#[test]
fn the_post_condition_is_that_the_instance_has_the_flavor() {
    let nova = Nova::default();
    let look = || Resize::post_condition(&nova.cloud(), &parameters(), &configuration());
    assert_eq!(look().unwrap_err().code, "no-effect");
    nova.edit(|state| state.own.flavor = "2");
    look().unwrap();
}

#[test]
fn every_request_is_declared() {
    let description = Resize::describe();
    let declared: Vec<String> =
        description.requests.iter().map(|request| format!("{} {}", request.method, request.path)).collect();
    assert_eq!(
        declared,
        [
            "GET /flavors",
            "GET /flavors/{flavor}",
            "GET /os-migrations",
            "GET /servers/{server}",
            "POST /servers/{server}/action",
        ]
    );
}

#[test]
fn reading_survives_a_nova_that_is_away_for_a_moment() {
    let nova = Nova::default();
    nova.edit(|state| state.broken_reads = 3);
    assert_eq!(check(&nova, "large").unwrap(), Readiness::Ready);
    nova.edit(|state| state.broken_reads = 99);
    assert_eq!(check(&nova, "large").unwrap_err().code, "unreachable");
}
