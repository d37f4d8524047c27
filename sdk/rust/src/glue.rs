//! Between the generated bindings and the traits: conversions, the host of the sandbox, the export macros.

use std::sync::Once;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::imports::watcher::{
    clock::{clock, timer},
    cluster::compute,
    log::log,
    metrics::metrics,
    openstack::requests,
    random::random,
    scoring::engines,
    types::types,
};
use crate::cluster::{Columns, StringColumn};
use crate::{
    Action, ActionHost, Blame, Cluster, Failure, Host, LogLevel, Planner, PlannerHost, Readiness, Request,
    ResourceKind, Response, Samples, ScoringEngine, ScoringEngineEntry, SolutionAction, Statistic, Strategy,
    StrategyHost,
};

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        let blame = match failure.blame {
            types::Blame::Input => Blame::Input,
            types::Blame::Plugin => Blame::Plugin,
            types::Blame::Cloud => Blame::Cloud,
            types::Blame::Service => Blame::Service,
        };
        Self { code: failure.code, message: failure.message, retryable: failure.retryable, blame }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let blame = match failure.blame {
            Blame::Input => types::Blame::Input,
            Blame::Plugin => types::Blame::Plugin,
            Blame::Cloud => types::Blame::Cloud,
            Blame::Service => types::Blame::Service,
        };
        Self { code: failure.code, message: failure.message, retryable: failure.retryable, blame }
    }
}

/// The host of a plugin that runs in the sandbox.
#[derive(Debug, Clone, Copy)]
pub struct Sandbox;

impl Host for Sandbox {
    fn log(&self, level: LogLevel, message: &str, fields: &[(&str, &str)]) {
        let level = match level {
            LogLevel::Trace => log::Level::Trace,
            LogLevel::Debug => log::Level::Debug,
            LogLevel::Info => log::Level::Info,
            LogLevel::Warn => log::Level::Warn,
            LogLevel::Error => log::Level::Error,
        };
        let fields: Vec<_> = fields.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        log::write(level, message, &fields);
    }

    fn now_us(&self) -> u64 {
        clock::now()
    }

    fn random_number(&self) -> u64 {
        random::number()
    }
}

fn column(strings: types::Strings) -> Result<StringColumn, Failure> {
    StringColumn::new(strings.text, strings.ends)
}

fn snapshot() -> Result<Cluster, Failure> {
    let placement = compute::placement();
    Cluster::from_columns(Columns {
        node_uuid: column(compute::node_strings("uuid")?)?,
        node_hostname: column(compute::node_strings("hostname")?)?,
        node_status: column(compute::node_strings("status")?)?,
        node_state: column(compute::node_strings("state")?)?,
        node_vcpus: compute::node_integers("vcpus")?,
        node_vcpu_reserved: compute::node_integers("vcpu-reserved")?,
        node_vcpu_ratio: compute::node_numbers("vcpu-ratio")?,
        node_memory_mib: compute::node_integers("memory-mib")?,
        node_memory_reserved_mib: compute::node_integers("memory-reserved-mib")?,
        node_memory_ratio: compute::node_numbers("memory-ratio")?,
        node_disk_gib: compute::node_integers("disk-gib")?,
        node_disk_reserved_gib: compute::node_integers("disk-reserved-gib")?,
        node_disk_ratio: compute::node_numbers("disk-ratio")?,
        instance_uuid: column(compute::instance_strings("uuid")?)?,
        instance_name: column(compute::instance_strings("name")?)?,
        instance_state: column(compute::instance_strings("state")?)?,
        instance_vcpus: compute::instance_integers("vcpus")?,
        instance_memory_mib: compute::instance_integers("memory-mib")?,
        instance_disk_gib: compute::instance_integers("disk-gib")?,
        instance_watcher_exclude: compute::instance_flags("watcher-exclude")?,
        instance_locked: compute::instance_flags("locked")?,
        placed: placement.instances,
        placed_ends: placement.ends,
    })
}

impl PlannerHost for Sandbox {
    fn cluster(&self) -> Result<Cluster, Failure> {
        snapshot()
    }
}

impl StrategyHost for Sandbox {
    fn cluster(&self) -> Result<Cluster, Failure> {
        snapshot()
    }

    fn statistic(&self, statistic: &Statistic<'_>) -> Result<Samples, Failure> {
        let kind = match statistic.kind {
            ResourceKind::ComputeNode => metrics::ResourceKind::ComputeNode,
            ResourceKind::Instance => metrics::ResourceKind::Instance,
        };
        let samples = metrics::statistic(
            statistic.metric,
            kind,
            statistic.aggregate,
            statistic.period_s,
            statistic.granularity_s,
        )?;
        Ok(Samples { rows: samples.rows, values: samples.values })
    }

    fn available(&self, names: &[&str]) -> Vec<bool> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        metrics::available(&names)
    }

    fn instance_texts(&self, name: &str) -> Result<Vec<String>, Failure> {
        Ok(column(compute::instance_strings(name)?)?.iter().map(str::to_owned).collect())
    }

    fn scoring_engines(&self) -> Result<Vec<ScoringEngineEntry>, Failure> {
        parse("the scoring engines", &engines::engines())
    }

    fn calculate_scores(&self, engine: &str, features: &[Value]) -> Result<Vec<Value>, Failure> {
        let features: Vec<String> = features.iter().map(Value::to_string).collect();
        let scores = engines::calculate_scores(engine, &features)?;
        scores.iter().map(|score| parse("the scores", score)).collect()
    }
}

impl ActionHost for Sandbox {
    fn send(&self, request: &Request) -> Result<Response, Failure> {
        let response = requests::send(&requests::Request {
            service_type: request.service_type.clone(),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            body: request.body.as_ref().map(ToString::to_string),
            microversion: request.microversion.clone(),
        })?;
        Ok(Response { status: response.status, headers: response.headers, body: response.body })
    }

    fn sleep_ms(&self, duration_ms: u64) -> Result<(), Failure> {
        Ok(timer::sleep(duration_ms)?)
    }
}

/// Sends the text of a panic to the log: the trap that follows carries none.
fn report_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| Sandbox.log(LogLevel::Error, &panic.to_string(), &[])));
    });
}

fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::input("invalid-input", format!("{what} do not fit what the plugin expects: {error}")))
}

fn describe(description: &impl serde::Serialize) -> String {
    report_panics();
    serde_json::to_string(description).expect("a description is made of strings, numbers and JSON values")
}

/// Exports of a strategy.
pub mod strategy {
    use super::{Failure, Sandbox, Strategy, describe as to_json, parse, report_panics, types};
    use crate::bindings::strategy::exports::watcher::strategy::strategy as wit;

    pub fn describe<S: Strategy>() -> String {
        to_json(&S::describe())
    }

    pub fn execute<S: Strategy>(parameters: &str, configuration: &str) -> Result<wit::Solution, types::Failure> {
        report_panics();
        let run = || -> Result<_, Failure> {
            S::execute(&Sandbox, parse("the parameters", parameters)?, parse("the configuration", configuration)?)
        };
        let solution = run()?;
        Ok(wit::Solution {
            actions: solution
                .actions
                .into_iter()
                .map(|mut action| wit::SolutionAction {
                    action_type: std::mem::take(&mut action.action_type),
                    resource_id: std::mem::take(&mut action.resource_id),
                    input_parameters: action.into_input_parameters(),
                })
                .collect(),
            efficacy_indicators: solution.efficacy_indicators,
        })
    }

    pub fn global_efficacy<S: Strategy>(
        indicators: &[(String, f64)],
    ) -> Result<Vec<wit::GlobalEfficacyValue>, types::Failure> {
        report_panics();
        let sums = S::global_efficacy(indicators)?;
        Ok(sums
            .into_iter()
            .map(|sum| wit::GlobalEfficacyValue {
                name: sum.name,
                description: sum.description,
                unit: sum.unit,
                value: sum.value,
            })
            .collect())
    }
}

/// Exports of a planner.
pub mod planner {
    use super::{Failure, Planner, Sandbox, SolutionAction, describe as to_json, parse, report_panics, types};
    use crate::bindings::planner::exports::watcher::planner::planner as wit;

    pub fn describe<P: Planner>() -> String {
        to_json(&P::describe())
    }

    pub fn schedule<P: Planner>(
        actions: Vec<wit::SolutionAction>,
        configuration: &str,
    ) -> Result<Vec<wit::PlannedAction>, types::Failure> {
        report_panics();
        let actions: Vec<_> = actions
            .into_iter()
            .map(|action| SolutionAction {
                action_type: action.action_type,
                resource_id: action.resource_id,
                input_parameters: action.input_parameters,
            })
            .collect();
        let run =
            || -> Result<_, Failure> { P::schedule(&Sandbox, &actions, parse("the configuration", configuration)?) };
        let planned = run()?;
        Ok(planned
            .into_iter()
            .map(|action| wit::PlannedAction { action: action.action, parents: action.parents })
            .collect())
    }
}

/// Exports of an action handler.
pub mod action {
    use super::{Action, Readiness, Sandbox, describe as to_json, parse, report_panics, types};
    use crate::bindings::action::exports::watcher::action::action as wit;

    pub fn describe<A: Action>() -> String {
        to_json(&A::describe())
    }

    pub fn validate_parameters<A: Action>(parameters: &str) -> Result<(), types::Failure> {
        report_panics();
        Ok(A::validate_parameters(&parse("the parameters", parameters)?)?)
    }

    pub fn pre_condition<A: Action>(parameters: &str, configuration: &str) -> Result<wit::Readiness, types::Failure> {
        report_panics();
        let parameters = parse("the parameters", parameters)?;
        Ok(match A::pre_condition(&Sandbox, &parameters, &parse("the configuration", configuration)?)? {
            Readiness::Ready => wit::Readiness::Ready,
            Readiness::Skip(reason) => wit::Readiness::Skip(reason),
        })
    }

    pub fn execute<A: Action>(parameters: &str, configuration: &str) -> Result<(), types::Failure> {
        report_panics();
        let parameters = parse("the parameters", parameters)?;
        Ok(A::execute(&Sandbox, &parameters, &parse("the configuration", configuration)?)?)
    }

    pub fn post_condition<A: Action>(parameters: &str, configuration: &str) -> Result<(), types::Failure> {
        report_panics();
        let parameters = parse("the parameters", parameters)?;
        Ok(A::post_condition(&Sandbox, &parameters, &parse("the configuration", configuration)?)?)
    }

    pub fn revert<A: Action>(parameters: &str, configuration: &str) -> Result<(), types::Failure> {
        report_panics();
        let parameters = parse("the parameters", parameters)?;
        Ok(A::revert(&Sandbox, &parameters, &parse("the configuration", configuration)?)?)
    }

    pub fn abort<A: Action>(parameters: &str, configuration: &str) -> Result<bool, types::Failure> {
        report_panics();
        let parameters = parse("the parameters", parameters)?;
        Ok(A::abort(&Sandbox, &parameters, &parse("the configuration", configuration)?)?)
    }

    pub fn describe_effect<A: Action>(parameters: &str) -> Result<String, types::Failure> {
        report_panics();
        let effects = A::describe_effect(&parse("the parameters", parameters)?)?;
        Ok(serde_json::to_string(&effects).expect("effects are made of strings"))
    }
}

/// Exports of a scoring engine.
pub mod scoring_engine {
    use super::{Failure, Sandbox, ScoringEngine, describe as to_json, parse, report_panics, types};

    pub fn describe<E: ScoringEngine>() -> String {
        to_json(&E::describe())
    }

    pub fn calculate_scores<E: ScoringEngine>(
        features: &[String],
        configuration: &str,
    ) -> Result<Vec<String>, types::Failure> {
        report_panics();
        let run = || -> Result<_, Failure> {
            let features = crate::scoring::read_features::<E>(features.iter().map(|text| serde_json::from_str(text)))?;
            let scores = E::calculate_scores(&Sandbox, &features, &parse("the configuration", configuration)?)?;
            scores
                .iter()
                .map(|score| serde_json::to_string(score).map_err(|error| crate::scoring::no_json(&error)))
                .collect()
        };
        Ok(run()?)
    }
}

/// Exports a [`Strategy`](crate::Strategy) as the component's strategy. Once per crate.
#[macro_export]
macro_rules! export_strategy {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs, unreachable_pub, clippy::pedantic, reason = "the exports of the component")]
        mod watcher_exports {
            use super::*;
            use $crate::bindings::imports::watcher::types::types::Failure;
            use $crate::bindings::strategy::exports::watcher::strategy::strategy as wit;

            struct Exports;

            impl wit::Guest for Exports {
                fn describe() -> String {
                    $crate::glue::strategy::describe::<$plugin>()
                }
                fn execute(parameters: String, configuration: String) -> Result<wit::Solution, Failure> {
                    $crate::glue::strategy::execute::<$plugin>(&parameters, &configuration)
                }
                fn global_efficacy(indicators: Vec<(String, f64)>) -> Result<Vec<wit::GlobalEfficacyValue>, Failure> {
                    $crate::glue::strategy::global_efficacy::<$plugin>(&indicators)
                }
            }

            $crate::bindings::strategy::export_strategy_bindings!(Exports with_types_in $crate::bindings::strategy);
        }
    };
}

/// Exports a [`Planner`](crate::Planner) as the component's planner. Once per crate.
#[macro_export]
macro_rules! export_planner {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs, unreachable_pub, clippy::pedantic, reason = "the exports of the component")]
        mod watcher_exports {
            use super::*;
            use $crate::bindings::imports::watcher::types::types::Failure;
            use $crate::bindings::planner::exports::watcher::planner::planner as wit;

            struct Exports;

            impl wit::Guest for Exports {
                fn describe() -> String {
                    $crate::glue::planner::describe::<$plugin>()
                }
                fn schedule(
                    actions: Vec<wit::SolutionAction>,
                    configuration: String,
                ) -> Result<Vec<wit::PlannedAction>, Failure> {
                    $crate::glue::planner::schedule::<$plugin>(actions, &configuration)
                }
            }

            $crate::bindings::planner::export_planner_bindings!(Exports with_types_in $crate::bindings::planner);
        }
    };
}

/// Exports an [`Action`](crate::Action) as the component's action handler. Once per crate.
#[macro_export]
macro_rules! export_action {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs, unreachable_pub, clippy::pedantic, reason = "the exports of the component")]
        mod watcher_exports {
            use super::*;
            use $crate::bindings::action::exports::watcher::action::action as wit;
            use $crate::bindings::imports::watcher::types::types::Failure;

            struct Exports;

            impl wit::Guest for Exports {
                fn describe() -> String {
                    $crate::glue::action::describe::<$plugin>()
                }
                fn validate_parameters(parameters: String) -> Result<(), Failure> {
                    $crate::glue::action::validate_parameters::<$plugin>(&parameters)
                }
                fn pre_condition(parameters: String, configuration: String) -> Result<wit::Readiness, Failure> {
                    $crate::glue::action::pre_condition::<$plugin>(&parameters, &configuration)
                }
                fn execute(parameters: String, configuration: String) -> Result<(), Failure> {
                    $crate::glue::action::execute::<$plugin>(&parameters, &configuration)
                }
                fn post_condition(parameters: String, configuration: String) -> Result<(), Failure> {
                    $crate::glue::action::post_condition::<$plugin>(&parameters, &configuration)
                }
                fn revert(parameters: String, configuration: String) -> Result<(), Failure> {
                    $crate::glue::action::revert::<$plugin>(&parameters, &configuration)
                }
                fn abort(parameters: String, configuration: String) -> Result<bool, Failure> {
                    $crate::glue::action::abort::<$plugin>(&parameters, &configuration)
                }
                fn describe_effect(parameters: String) -> Result<String, Failure> {
                    $crate::glue::action::describe_effect::<$plugin>(&parameters)
                }
            }

            $crate::bindings::action::export_action_bindings!(Exports with_types_in $crate::bindings::action);
        }
    };
}

/// Exports a [`ScoringEngine`](crate::ScoringEngine) as the component's scoring engine. Once per crate.
#[macro_export]
macro_rules! export_scoring_engine {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs, unreachable_pub, clippy::pedantic, reason = "the exports of the component")]
        mod watcher_exports {
            use super::*;
            use $crate::bindings::imports::watcher::types::types::Failure;
            use $crate::bindings::scoring_engine::exports::watcher::scoring_engine::scoring_engine as wit;

            struct Exports;

            impl wit::Guest for Exports {
                fn describe() -> String {
                    $crate::glue::scoring_engine::describe::<$plugin>()
                }
                fn calculate_scores(features: Vec<String>, configuration: String) -> Result<Vec<String>, Failure> {
                    $crate::glue::scoring_engine::calculate_scores::<$plugin>(&features, &configuration)
                }
            }

            $crate::bindings::scoring_engine::export_scoring_engine_bindings!(
                Exports with_types_in $crate::bindings::scoring_engine
            );
        }
    };
}
