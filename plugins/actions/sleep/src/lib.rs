//! The `sleep` action: waits.

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Action, ActionDescription, ActionHost, Failure};

/// The action handler.
#[derive(Debug)]
pub struct Sleep;

/// Input parameters.
#[derive(Debug, Deserialize)]
pub struct Parameters {
    /// Seconds to wait, 0 or more.
    pub duration: f64,
}

/// There is nothing to configure.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

impl Action for Sleep {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> ActionDescription {
        let schema = json!({
            "type": "object",
            "properties": {"duration": {"type": "number", "minimum": 0}},
            "required": ["duration"],
            "additionalProperties": false,
        });
        ActionDescription::new("sleep", "0.1.0", "Sleep", "Wait for a given interval in seconds.", schema)
    }

    fn execute(host: &dyn ActionHost, parameters: &Parameters, _: &Configuration) -> Result<(), Failure> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the schema refuses negative numbers, and what is too long for the cast is too long for any deadline"
        )]
        let duration_ms = (parameters.duration * 1000.0).round() as u64;
        host.sleep_ms(duration_ms)
    }

    fn revert(_: &dyn ActionHost, _: &Parameters, _: &Configuration) -> Result<(), Failure> {
        Ok(())
    }

    fn abort(_: &dyn ActionHost, _: &Parameters, _: &Configuration) -> Result<bool, Failure> {
        Ok(true)
    }
}

watcher_sdk::export_action!(Sleep);

#[cfg(test)]
mod tests {
    use super::*;
    use watcher_sdk::testing::FakeCloud;
    use watcher_sdk::{Request, Response};

    #[test]
    fn it_sleeps_as_long_as_it_is_told() {
        for (duration, slept_ms) in [(0.0, 0), (3.2, 3200), (10.0, 10_000)] {
            let cloud =
                FakeCloud::new(|request: &Request| -> Result<Response, Failure> { panic!("{request} was sent") });
            Sleep::execute(&cloud, &Parameters { duration }, &Configuration {}).unwrap();
            assert_eq!(cloud.slept_ms(), slept_ms);
        }
    }

    #[test]
    fn it_can_be_aborted_and_leaves_nothing_to_revert() {
        let cloud = FakeCloud::new(|request: &Request| -> Result<Response, Failure> { panic!("{request} was sent") });
        assert!(Sleep::abort(&cloud, &Parameters { duration: 1.0 }, &Configuration {}).unwrap());
        Sleep::revert(&cloud, &Parameters { duration: 1.0 }, &Configuration {}).unwrap();
    }
}
