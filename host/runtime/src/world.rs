//! The worlds: which imports each is offered, and how a component is told to be of one.

use semver::Version;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Store};
use watcher_domain::PluginKind;

use crate::bindings::action::ActionPre;
use crate::bindings::imports::watcher::{clock, cluster, log, metrics, openstack, random, scoring, types};
use crate::bindings::planner::PlannerPre;
use crate::bindings::scoring_engine::ScoringEnginePre;
use crate::bindings::strategy::StrategyPre;
use crate::call::Call;

/// An interface that a world offers, with its functions.
pub(crate) struct Interface {
    pub(crate) name: &'static str,
    pub(crate) functions: &'static [&'static str],
    /// What it lets a plugin do.
    pub(crate) gives: &'static str,
    /// Whether what is asked through it has to be granted.
    pub(crate) needs_grant: bool,
}

impl Interface {
    const fn new(name: &'static str, functions: &'static [&'static str], gives: &'static str) -> Self {
        Self { name, functions, gives, needs_grant: false }
    }
}

/// Version of every package of the WIT.
pub(crate) const VERSION: Version = Version::new(0, 1, 0);

/// Namespace of every package of the WIT.
pub(crate) const NAMESPACE: &str = "watcher:";

const TYPES: Interface = Interface::new("watcher:types/types", &[], "names of types, and nothing to call");
const LOG: Interface = Interface::new("watcher:log/log", &["write"], "writes to the log of the audit or action");
const CLOCK: Interface =
    Interface::new("watcher:clock/clock", &["now"], "tells the time of the audit, or of the action's journal");
const TIMER: Interface = Interface::new("watcher:clock/timer", &["sleep"], "waits");
const RANDOM: Interface =
    Interface::new("watcher:random/random", &["bytes", "number"], "random numbers from the recorded seed");
const METRICS: Interface = Interface::new(
    "watcher:metrics/metrics",
    &["statistic", "available"],
    "asks the configured datasources for statistics of what is in scope",
);
const SCORING: Interface =
    Interface::new("watcher:scoring/engines", &["engines", "calculate-scores"], "asks scoring engines");
const REQUESTS: Interface = Interface {
    name: "watcher:openstack/requests",
    functions: &["send"],
    gives: "sends the requests that it declares, and that are granted, to services of the cloud",
    needs_grant: true,
};
const COMPUTE: Interface = Interface::new(
    "watcher:cluster/compute",
    &[
        "node-count",
        "node-strings",
        "node-integers",
        "node-numbers",
        "instance-count",
        "instance-strings",
        "instance-integers",
        "instance-flags",
        "placement",
    ],
    "reads the compute nodes and instances in scope",
);
/// The strategy's interface lends its types to the planner's.
const STRATEGY_TYPES: Interface =
    Interface::new("watcher:strategy/strategy", &[], "names of types, and nothing to call");

/// The interface that a kind exports.
pub(crate) const fn export_of(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Strategy => "watcher:strategy/strategy",
        PluginKind::Planner => "watcher:planner/planner",
        PluginKind::Action => "watcher:action/action",
        PluginKind::ScoringEngine => "watcher:scoring-engine/scoring-engine",
    }
}

/// The interfaces that a kind may import.
pub(crate) const fn offered_to(kind: PluginKind) -> &'static [Interface] {
    match kind {
        PluginKind::Strategy => &[TYPES, LOG, CLOCK, RANDOM, COMPUTE, METRICS, SCORING],
        PluginKind::Planner => &[TYPES, LOG, CLOCK, RANDOM, COMPUTE, STRATEGY_TYPES],
        PluginKind::Action => &[TYPES, LOG, CLOCK, TIMER, RANDOM, REQUESTS],
        PluginKind::ScoringEngine => &[TYPES, LOG, CLOCK, RANDOM],
    }
}

/// Every package of the WIT, some of them several times.
pub(crate) fn packages() -> impl Iterator<Item = &'static str> {
    let names = PluginKind::ALL.iter().flat_map(|&kind| {
        let offered = offered_to(kind).iter().map(|interface| interface.name);
        offered.chain([export_of(kind)])
    });
    names.filter_map(|name| Some(name.split_once('/')?.0))
}

/// A component with its imports resolved, ready to be started any number of times.
pub(crate) enum Prepared {
    Strategy(StrategyPre<Call>),
    Planner(PlannerPre<Call>),
    Action(ActionPre<Call>),
    ScoringEngine(ScoringEnginePre<Call>),
}

impl Prepared {
    pub(crate) const fn kind(&self) -> PluginKind {
        match self {
            Self::Strategy(_) => PluginKind::Strategy,
            Self::Planner(_) => PluginKind::Planner,
            Self::Action(_) => PluginKind::Action,
            Self::ScoringEngine(_) => PluginKind::ScoringEngine,
        }
    }

    /// Starts an instance and lets it describe itself.
    pub(crate) async fn describe(&self, store: &mut Store<Call>) -> wasmtime::Result<String> {
        match self {
            Self::Strategy(pre) => {
                let plugin = pre.instantiate_async(&mut *store).await?;
                store.data_mut().entered = true;
                plugin.watcher_strategy_strategy().call_describe(store).await
            }
            Self::Planner(pre) => {
                let plugin = pre.instantiate_async(&mut *store).await?;
                store.data_mut().entered = true;
                plugin.watcher_planner_planner().call_describe(store).await
            }
            Self::Action(pre) => {
                let plugin = pre.instantiate_async(&mut *store).await?;
                store.data_mut().entered = true;
                plugin.watcher_action_action().call_describe(store).await
            }
            Self::ScoringEngine(pre) => {
                let plugin = pre.instantiate_async(&mut *store).await?;
                store.data_mut().entered = true;
                plugin.watcher_scoring_engine_scoring_engine().call_describe(store).await
            }
        }
    }

    /// Starts an instance and nothing more.
    pub(crate) async fn start(&self, store: &mut Store<Call>) -> wasmtime::Result<()> {
        match self {
            Self::Strategy(pre) => pre.instantiate_async(store).await.map(drop),
            Self::Planner(pre) => pre.instantiate_async(store).await.map(drop),
            Self::Action(pre) => pre.instantiate_async(store).await.map(drop),
            Self::ScoringEngine(pre) => pre.instantiate_async(store).await.map(drop),
        }
    }
}

/// One linker per world, with that world's imports and no others.
pub(crate) struct Worlds {
    strategy: Linker<Call>,
    planner: Linker<Call>,
    action: Linker<Call>,
    scoring_engine: Linker<Call>,
}

impl Worlds {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let common = || -> wasmtime::Result<Linker<Call>> {
            let mut linker = Linker::new(engine);
            types::types::add_to_linker::<_, HasSelf<Call>>(&mut linker, |call| call)?;
            log::log::add_to_linker::<_, HasSelf<Call>>(&mut linker, |call| call)?;
            clock::clock::add_to_linker::<_, HasSelf<Call>>(&mut linker, |call| call)?;
            random::random::add_to_linker::<_, HasSelf<Call>>(&mut linker, |call| call)?;
            Ok(linker)
        };
        let mut strategy = common()?;
        cluster::compute::add_to_linker::<_, HasSelf<Call>>(&mut strategy, |call| call)?;
        metrics::metrics::add_to_linker::<_, HasSelf<Call>>(&mut strategy, |call| call)?;
        scoring::engines::add_to_linker::<_, HasSelf<Call>>(&mut strategy, |call| call)?;
        let mut planner = common()?;
        cluster::compute::add_to_linker::<_, HasSelf<Call>>(&mut planner, |call| call)?;
        // Types only: a planner mentions the strategy's actions.
        planner.instance(&format!("{}@{VERSION}", STRATEGY_TYPES.name))?;
        let mut action = common()?;
        clock::timer::add_to_linker::<_, HasSelf<Call>>(&mut action, |call| call)?;
        openstack::requests::add_to_linker::<_, HasSelf<Call>>(&mut action, |call| call)?;
        Ok(Self { strategy, planner, action, scoring_engine: common()? })
    }

    /// Finds out what kind a component is and resolves its imports. The answer has the names of its imports; the error every reason
    /// why it cannot run.
    pub(crate) fn prepare(&self, component: &Component) -> Result<(Prepared, Vec<String>), Vec<String>> {
        let engine = component.engine();
        let kind = kind_of(component, engine).map_err(|reason| vec![reason])?;
        let (imports, problems) = check_imports(component, engine, kind);
        if !problems.is_empty() {
            return Err(problems);
        }
        let linker = match kind {
            PluginKind::Strategy => &self.strategy,
            PluginKind::Planner => &self.planner,
            PluginKind::Action => &self.action,
            PluginKind::ScoringEngine => &self.scoring_engine,
        };
        let prepare = || -> wasmtime::Result<Prepared> {
            let pre = linker.instantiate_pre(component)?;
            Ok(match kind {
                PluginKind::Strategy => Prepared::Strategy(StrategyPre::new(pre)?),
                PluginKind::Planner => Prepared::Planner(PlannerPre::new(pre)?),
                PluginKind::Action => Prepared::Action(ActionPre::new(pre)?),
                PluginKind::ScoringEngine => Prepared::ScoringEngine(ScoringEnginePre::new(pre)?),
            })
        };
        match prepare() {
            Ok(prepared) => Ok((prepared, imports)),
            Err(error) => Err(vec![format!("it does not fit the world `{kind}`: {error:#}")]),
        }
    }
}

/// Splits `namespace:package/interface@version`.
pub(crate) fn split(name: &str) -> (&str, Option<Version>) {
    match name.split_once('@') {
        Some((interface, version)) => (interface, Version::parse(version).ok()),
        None => (name, None),
    }
}

/// Whether a component built against `version` can meet this host: the rule of Cargo, which is also the engine's.
pub(crate) fn compatible(version: Option<&Version>) -> bool {
    let host = VERSION;
    version.is_some_and(|version| {
        version.pre.is_empty() && version.major == host.major && (host.major > 0 || version.minor == host.minor)
    })
}

fn kind_of(component: &Component, engine: &Engine) -> Result<PluginKind, String> {
    let ty = component.component_type();
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for (name, _) in ty.exports(engine) {
        let (interface, version) = split(name);
        match PluginKind::ALL.iter().copied().find(|&kind| export_of(kind) == interface) {
            Some(kind) if compatible(version.as_ref()) => found.push(kind),
            Some(_) => others.push(name.to_owned()),
            None => {}
        }
    }
    match (found.as_slice(), others.as_slice()) {
        (&[kind], _) => Ok(kind),
        ([], []) => {
            let known: Vec<String> =
                PluginKind::ALL.iter().map(|&kind| format!("{}@{VERSION}", export_of(kind))).collect();
            Err(format!("it exports no plugin interface; one of {} is needed", known.join(", ")))
        }
        ([], others) => Err(format!("it exports {}; this host runs version {VERSION}", others.join(", "))),
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|&kind| export_of(kind)).collect();
            Err(format!("it exports {}; a plugin is of one kind", names.join(" and ")))
        }
    }
}

/// Names of the imports, and what is wrong with them.
fn check_imports(component: &Component, engine: &Engine, kind: PluginKind) -> (Vec<String>, Vec<String>) {
    let offered = offered_to(kind);
    let (mut imports, mut problems) = (Vec::new(), Vec::new());
    for (name, item) in component.component_type().imports(engine) {
        imports.push(name.to_owned());
        let (interface, version) = split(name);
        let Some(interface) = offered.iter().find(|known| known.name == interface) else {
            problems.push(format!("it imports {name}, which no {kind} is offered"));
            continue;
        };
        if !compatible(version.as_ref()) {
            problems.push(format!("it imports {name}; this host offers {}@{VERSION}", interface.name));
            continue;
        }
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            problems.push(format!("it imports {name} as something else than an interface"));
            continue;
        };
        for (function, item) in instance.exports(engine) {
            let is_function = matches!(item.ty, ComponentItem::ComponentFunc(_) | ComponentItem::Resource(_));
            if is_function && !interface.functions.contains(&function) {
                problems.push(format!("it imports {function} of {name}, which this host does not have"));
            }
        }
    }
    if !problems.is_empty() {
        let names: Vec<String> = offered.iter().map(|interface| format!("{}@{VERSION}", interface.name)).collect();
        problems.push(format!("a {kind} is offered {}", names.join(", ")));
    }
    (imports, problems)
}
