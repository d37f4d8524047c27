//! `POST /v1/audits`.

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use watcher_bus::{Control, Event, Work};
use watcher_cluster::AuditScope;
use watcher_domain::interval::Interval;
use watcher_domain::{Audit, AuditId, AuditState, AuditTemplate, AuditType, Goal, Stamps, Strategy, Timestamp};
use watcher_fair::aside;
use watcher_store::{Reference, Stored, Tx, audit, audit_template, goal, strategy};

use crate::arguments::Arguments;
use crate::body::{Body, Fields};
use crate::context::Context;
use crate::error::{ApiError, Conflict, Invalid, NotFound};
use crate::microversion::Microversion;
use crate::openapi::{Headers, ReadProblems, WriteProblems};
use crate::parameters::{self, Misfit};
use crate::policy::Rule;
use crate::time;
use crate::v1::audits::view::AuditView;
use crate::v1::names::Names;
use crate::v1::{Created, Detail, active, find};

/// What the original calls the body in its messages.
const ARGUMENT: &str = "audit_p";
const MEMBERS: &[&str] = &[
    "name",
    "audit_template_uuid",
    "goal",
    "strategy",
    "audit_type",
    "state",
    "parameters",
    "interval",
    "scope",
    "auto_trigger",
    "hostname",
    "start_time",
    "end_time",
    "force",
];
/// Longer names are cut.
const LONGEST_NAME: usize = 63;
/// How often another name is made up when one is taken: several audits may be made within a microsecond.
const MOST_NAMES: i64 = 16;

/// A new audit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `Wanted::read` reads")]
pub(crate) struct NewAudit {
    /// Unique among audits; made up where it is not given. Cut after 63 characters.
    name: Option<String>,
    /// UUID of a template, in place of a goal.
    audit_template_uuid: Option<String>,
    /// UUID, name or number of a goal.
    goal: Option<String>,
    /// UUID, name or number of a strategy. Without it the decision engine chooses one for the goal.
    strategy: Option<String>,
    /// `ONESHOT`, `CONTINUOUS` or `EVENT`.
    audit_type: String,
    /// Parameters of the strategy; its defaults are filled in.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Map<String, Value>>,
    /// For `CONTINUOUS`: seconds, or a cron text of 5 to 7 columns (the sixth is the second, the seventh the year).
    interval: Option<String>,
    /// Whether the action plan starts by itself.
    auto_trigger: Option<bool>,
    /// ISO 8601; UTC without an offset. From version 1.1, not for `ONESHOT`.
    start_time: Option<String>,
    /// ISO 8601; UTC without an offset. From version 1.1, not for `ONESHOT`.
    end_time: Option<String>,
    /// Whether it runs while an action plan is being applied.
    force: Option<bool>,
}

/// Makes an audit. One of type `ONESHOT` starts at once.
#[utoipa::path(
    post, path = "/v1/audits", operation_id = "create_audit", tag = "audits",
    params(Headers), request_body = NewAudit,
    responses(
        (status = 201, description = "The audit", body = AuditView,
         headers(("Location" = String, description = "Where it is"))),
        ReadProblems, WriteProblems,
    )
)]
pub(crate) async fn create(context: Context, arguments: Arguments, body: Body) -> Result<Created<AuditView>, ApiError> {
    arguments.done()?;
    let body = body.required(ARGUMENT)?;
    let wanted = Wanted::read(&body)?;
    context.enforce(Rule::AuditCreate)?;
    let audit_type = wanted.check(&context)?;
    let mut attempts = 1;
    let (audit, names) = loop {
        match insert(&context, &wanted, audit_type, attempts).await {
            Err(ApiError::Conflict(Conflict::AuditName(_))) if wanted.name.is_none() && attempts < MOST_NAMES => {
                attempts += 1;
            }
            other => break other?,
        }
    };
    tracing::info!(audit.id = %audit.id, "audit {} created", audit.id);

    context.api.bus.publish(Event::Audit { audit_id: audit.id, old: None, state: audit.state });
    match audit.audit_type {
        AuditType::Oneshot => context.api.bus.publish(Work::RunAudit { audit_id: audit.id }),
        AuditType::Continuous => context.api.bus.publish(Control::ScheduleChanged),
        AuditType::Event => {}
    }
    Ok(Created {
        location: context.base.v1(&format!("audits/{}", audit.id)),
        view: AuditView::new(&audit, &names, &context.base, context.version, Detail::Full),
    })
}

/// Writes the row. A name that is made up has the time of this attempt.
async fn insert(
    context: &Context,
    wanted: &Wanted<'_>,
    audit_type: AuditType,
    attempt: i64,
) -> Result<(Audit, Names), ApiError> {
    let mut tx = context.api.store.read().await?;
    let origin = Origin::find(&mut tx, context, wanted).await?;
    drop(tx);
    let now = context.api.clock.now();
    let name = match wanted.name {
        Some(name) => name.chars().take(LONGEST_NAME).collect(),
        None => origin.default_name(now + TimeDelta::microseconds(attempt - 1)),
    };
    // How long that takes is decided by whoever wrote the schema: nobody waits for it, neither on this thread nor for the database.
    let (strategy, given) = (origin.strategy.clone(), origin.parameters(wanted));
    let parameters = aside(move || complete_parameters(strategy.as_deref(), given)).await?;
    Invalid::refuse_heavy("parameters", &parameters)?;
    let audit = Audit {
        id: AuditId(context.api.ids.uuid()),
        project_id: context.caller.project_id.clone(),
        name,
        audit_type,
        state: AuditState::Pending,
        parameters,
        interval: wanted.interval.map(str::to_owned),
        goal_id: origin.goal.id,
        strategy_id: origin.strategy.as_ref().map(|strategy| strategy.id),
        scope: origin.template.as_ref().map_or_else(AuditScope::default, |template| template.scope.clone()),
        auto_trigger: wanted.auto_trigger,
        force: wanted.force,
        next_run_time: None,
        hostname: None,
        start_time: wanted.start_time,
        end_time: wanted.end_time,
        status_message: None,
        stamps: Stamps::new(now),
    };
    let mut tx = context.api.store.begin().await?;
    active::one_more_audit(&mut tx, context, context.caller.project_id.as_ref()).await?;
    let inserted = audit::insert(&mut tx, &audit).await;
    inserted.map_err(|error| Conflict::or_store(error, Conflict::AuditName))?;
    let names = find::names(&mut tx, context, [audit.goal_id], audit.strategy_id).await?;
    tx.commit().await?;
    Ok((audit, names))
}

/// The body, read but not yet compared with what is in the database.
struct Wanted<'a> {
    name: Option<&'a str>,
    template: Option<uuid::Uuid>,
    goal: Option<&'a str>,
    strategy: Option<&'a str>,
    audit_type: Option<&'a str>,
    parameters: Map<String, Value>,
    interval: Option<&'a str>,
    /// An interval that was sent as a number, which counts as given but has the wrong type.
    interval_number: Option<&'a Value>,
    auto_trigger: bool,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    force: bool,
}

impl<'a> Wanted<'a> {
    fn read(body: &'a Value) -> Result<Self, Invalid> {
        let fields = Fields::of(ARGUMENT, body, MEMBERS)?;
        let name = fields.text("name")?.filter(|name| !name.is_empty());
        if let Some(name) = name {
            Invalid::refuse_steering("name", name)?;
        }
        let template = fields.uuid("audit_template_uuid")?;
        let goal = fields.text("goal")?.filter(|goal| !goal.is_empty());
        let strategy = fields.text("strategy")?.filter(|strategy| !strategy.is_empty());
        fields.mandatory("audit_type")?;
        let audit_type = fields.text("audit_type")?;
        fields.read_only("state")?;
        let parameters = fields.object("parameters")?.cloned().unwrap_or_default();
        let interval_number = fields.any("interval").filter(|value| value.is_i64() || value.is_u64());
        let interval = if interval_number.is_some() { None } else { fields.text("interval")? };
        if let Some(interval) = interval {
            interval.parse::<Interval>()?;
        }
        fields.read_only("scope")?;
        let auto_trigger = fields.boolean("auto_trigger")?;
        fields.read_only("hostname")?;
        Ok(Self {
            name,
            template,
            goal,
            strategy,
            audit_type,
            parameters,
            interval,
            interval_number,
            auto_trigger,
            start_time: fields.time("start_time")?,
            end_time: fields.time("end_time")?,
            force: fields.boolean("force")?,
        })
    }

    /// Checks what fits together.
    fn check(&self, context: &Context) -> Result<AuditType, ApiError> {
        let given = self.audit_type.unwrap_or("None");
        let audit_type: AuditType = given.parse().map_err(|_| Invalid::AuditType(given.to_owned()))?;
        let has_interval = self.interval.is_some() || self.interval_number.is_some();
        let has_times = self.start_time.is_some() || self.end_time.is_some();
        match (self.template.is_some(), self.goal.is_some()) {
            (false, false) => return Err(Invalid::NeitherGoalNorTemplate.into()),
            (true, true) => return Err(Invalid::BothGoalAndTemplate.into()),
            (true, false) | (false, true) => {}
        }
        match audit_type {
            AuditType::Oneshot if has_interval => {
                return Err(Invalid::IntervalNotAllowed(audit_type.as_str()).into());
            }
            AuditType::Oneshot if has_times => {
                return Err(Invalid::StartEndTimeNotAllowed(audit_type.as_str()).into());
            }
            AuditType::Continuous if !has_interval => {
                return Err(Invalid::IntervalMissing(audit_type.as_str()).into());
            }
            AuditType::Oneshot | AuditType::Continuous | AuditType::Event => {}
        }
        if has_times && context.version < Microversion::START_END_TIME {
            return Err(ApiError::NotInThisVersion);
        }
        match self.interval_number {
            Some(number) => Err(Invalid::wrong_type("interval", number, "<class 'str'>").into()),
            None => Ok(audit_type),
        }
    }
}

/// What a new audit is made from.
struct Origin {
    template: Option<Stored<AuditTemplate>>,
    goal: Stored<Goal>,
    strategy: Option<Stored<Strategy>>,
}

impl Origin {
    async fn find(tx: &mut Tx, context: &Context, wanted: &Wanted<'_>) -> Result<Self, ApiError> {
        let template = match wanted.template {
            None => None,
            Some(uuid) => {
                let reference = Reference::Uuid(uuid);
                let found = audit_template::find(tx, &reference, false, &context.visibility()).await?;
                Some(found.ok_or(Invalid::Template)?)
            }
        };
        let strategy = match (wanted.strategy, template.as_ref().and_then(|template| template.strategy_id)) {
            (Some(text), _) => Some(find::usable_strategy(tx, context, text).await?),
            (None, Some(id)) => {
                let found = strategy::find(tx, &Reference::Uuid(id.0), false, &context.usable()).await?;
                Some(found.ok_or_else(|| NotFound::Strategy(id.to_string()))?)
            }
            (None, None) => None,
        };
        let goal = match (wanted.goal, &template) {
            (Some(text), _) => find::usable_goal(tx, context, text).await?,
            (None, Some(template)) => {
                let found = goal::find(tx, &Reference::Uuid(template.goal_id.0), false, &context.usable()).await?;
                found.ok_or_else(|| NotFound::Goal(template.goal_id.to_string()))?
            }
            (None, None) => return Err(Invalid::NeitherGoalNorTemplate.into()),
        };
        Ok(Self { template, goal, strategy })
    }

    /// The strategy's name, or else the template's or the goal's, cut so that the time has room behind it.
    fn default_name(&self, now: Timestamp) -> String {
        let strategy = self.strategy.as_ref().map(|strategy| &strategy.name);
        let template = self.template.as_ref().map(|template| &template.name);
        let name = strategy.or(template).unwrap_or(&self.goal.name);
        let time = time::naive(now);
        let name: String = name.chars().take(LONGEST_NAME.saturating_sub(time.len() + 1)).collect();
        format!("{name}-{time}")
    }

    /// The template's parameters, with those of the request above them.
    fn parameters(&self, wanted: &Wanted<'_>) -> Map<String, Value> {
        let mut parameters =
            self.template.as_ref().map(|template| template.default_parameters.clone()).unwrap_or_default();
        parameters.extend(wanted.parameters.clone());
        parameters
    }
}

/// Fills the strategy's defaults in and refuses what does not fit.
fn complete_parameters(strategy: Option<&Strategy>, given: Map<String, Value>) -> Result<Map<String, Value>, Invalid> {
    let schema = strategy.map(|strategy| &strategy.parameters_spec);
    match schema.filter(|schema| schema.as_object().is_some_and(|members| !members.is_empty())) {
        Some(schema) => parameters::complete(schema, given).map_err(|misfit| match misfit {
            Misfit::Unknown(name) => Invalid::ParameterNotAllowed(name),
            Misfit::Value(told) => Invalid::Parameters(told),
        }),
        None if given.is_empty() => Ok(given),
        None => Err(Invalid::ParametersWithoutStrategy),
    }
}
