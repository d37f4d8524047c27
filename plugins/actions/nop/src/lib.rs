//! The `nop` action: logs a message. Its flags make single phases fail, to try what an action plan does then.

use serde::Deserialize;
use serde_json::json;
use watcher_sdk::{Action, ActionDescription, ActionHost, Failure, LogLevel, Readiness};

/// The action handler.
#[derive(Debug)]
pub struct Nop;

/// Input parameters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "every flag is for one phase, and they combine")]
pub struct Parameters {
    /// What to log.
    pub message: Option<String>,
    /// The pre-condition says that there is nothing to do.
    pub skip_pre_condition: bool,
    /// The pre-condition fails.
    pub fail_pre_condition: bool,
    /// The execution fails.
    pub fail_execute: bool,
    /// The post-condition fails.
    pub fail_post_condition: bool,
}

/// There is nothing to configure.
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {}

fn failed(phase: &str) -> Failure {
    Failure::input("failure-requested", format!("Failed in {phase}"))
}

impl Action for Nop {
    type Parameters = Parameters;
    type Configuration = Configuration;

    fn describe() -> ActionDescription {
        let flag = json!({"type": "boolean", "default": false});
        let schema = json!({
            "type": "object",
            "properties": {
                "message": {"type": ["string", "null"]},
                "skip_pre_condition": flag,
                "fail_pre_condition": flag,
                "fail_execute": flag,
                "fail_post_condition": flag,
            },
            "required": ["message"],
            "additionalProperties": false,
        });
        ActionDescription::new("nop", "0.1.0", "No operation", "Logging a NOP message", schema)
    }

    fn pre_condition(_: &dyn ActionHost, parameters: &Parameters, _: &Configuration) -> Result<Readiness, Failure> {
        if parameters.skip_pre_condition {
            return Ok(Readiness::Skip("Skipped in pre_condition".to_owned()));
        }
        if parameters.fail_pre_condition { Err(failed("pre_condition")) } else { Ok(Readiness::Ready) }
    }

    fn execute(host: &dyn ActionHost, parameters: &Parameters, _: &Configuration) -> Result<(), Failure> {
        let message = parameters.message.as_deref().unwrap_or_default();
        host.log(LogLevel::Info, &format!("Executing action NOP message: {message}"), &[]);
        if parameters.fail_execute { Err(failed("execute")) } else { Ok(()) }
    }

    fn post_condition(_: &dyn ActionHost, parameters: &Parameters, _: &Configuration) -> Result<(), Failure> {
        if parameters.fail_post_condition { Err(failed("post_condition")) } else { Ok(()) }
    }

    fn revert(_: &dyn ActionHost, _: &Parameters, _: &Configuration) -> Result<(), Failure> {
        Ok(())
    }

    fn abort(_: &dyn ActionHost, _: &Parameters, _: &Configuration) -> Result<bool, Failure> {
        Ok(true)
    }
}

watcher_sdk::export_action!(Nop);

#[cfg(test)]
mod tests {
    use super::*;
    use watcher_sdk::testing::FakeCloud;
    use watcher_sdk::{Request, Response};

    /// A cloud that nothing may be asked of.
    fn no_cloud() -> impl ActionHost {
        FakeCloud::new(|request: &Request| -> Result<Response, Failure> { panic!("{request} was sent") })
    }

    #[test]
    fn without_flags_every_phase_succeeds() {
        let (cloud, parameters) = (no_cloud(), Parameters { message: Some("hello".to_owned()), ..Default::default() });
        assert_eq!(Nop::pre_condition(&cloud, &parameters, &Configuration {}).unwrap(), Readiness::Ready);
        Nop::execute(&cloud, &parameters, &Configuration {}).unwrap();
        Nop::post_condition(&cloud, &parameters, &Configuration {}).unwrap();
        Nop::revert(&cloud, &parameters, &Configuration {}).unwrap();
        assert!(Nop::abort(&cloud, &parameters, &Configuration {}).unwrap());
    }

    #[test]
    fn every_flag_changes_its_phase_only() {
        let cloud = no_cloud();
        let skip = Parameters { skip_pre_condition: true, fail_pre_condition: true, ..Default::default() };
        let reason = Readiness::Skip("Skipped in pre_condition".to_owned());
        assert_eq!(Nop::pre_condition(&cloud, &skip, &Configuration {}).unwrap(), reason);
        Nop::execute(&cloud, &skip, &Configuration {}).unwrap();

        let fail = Parameters { fail_pre_condition: true, ..Default::default() };
        assert_eq!(
            Nop::pre_condition(&cloud, &fail, &Configuration {}).unwrap_err().message,
            "Failed in pre_condition"
        );
        let fail = Parameters { fail_execute: true, ..Default::default() };
        assert_eq!(Nop::pre_condition(&cloud, &fail, &Configuration {}).unwrap(), Readiness::Ready);
        assert_eq!(Nop::execute(&cloud, &fail, &Configuration {}).unwrap_err().message, "Failed in execute");
        let fail = Parameters { fail_post_condition: true, ..Default::default() };
        Nop::execute(&cloud, &fail, &Configuration {}).unwrap();
        assert_eq!(
            Nop::post_condition(&cloud, &fail, &Configuration {}).unwrap_err().message,
            "Failed in post_condition"
        );
    }

    #[test]
    fn a_message_may_be_null() {
        let parameters: Parameters =
            serde_json::from_value(json!({"message": null, "fail_execute": false, "resource_id": "x"})).unwrap();
        Nop::execute(&no_cloud(), &parameters, &Configuration {}).unwrap();
    }
}
