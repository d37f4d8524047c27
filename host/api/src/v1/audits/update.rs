//! `PATCH /v1/audits/{audit}`.

use axum::Json;
use serde_json::{Map, Value, json};
use watcher_bus::{Control, Event};
use watcher_domain::interval::Interval;
use watcher_domain::{Audit, AuditId, AuditState, AuditType, GoalId, StrategyId, Timestamp};
use watcher_store::{Stored, Tx, Visibility, audit, goal, strategy};

use crate::arguments::Arguments;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Conflict, Invalid};
use crate::openapi::{Headers, PatchOperation, ReadProblems, WriteProblems};
use crate::patch::{self, Limits, Op, Operation};
use crate::patched::Patched;
use crate::policy::Rule;
use crate::text;
use crate::time;
use crate::v1::active;
use crate::v1::audit_templates::update::as_reference;
use crate::v1::audits::view::AuditView;
use crate::v1::names::Names;
use crate::v1::{Detail, Ident, find};

const LIMITS: Limits =
    Limits { internal: patch::INTERNAL_AND_MESSAGE, allowed: None, removal: true, refuse: refuse_what_no_audit_has };

fn refuse_what_no_audit_has(operation: &Operation) -> Option<String> {
    let path = operation.path.as_str();
    let nulls_state =
        path == "/state" && operation.op == Op::Replace && operation.value.as_ref().is_some_and(Value::is_null);
    (nulls_state || path == "/audit_template_uuid" || path == "/type").then(|| format!("{path} can't be updated."))
}

/// Changes an audit. `/state` cancels (`CANCELLED`), suspends (`SUSPENDED`) or resumes (`ONGOING`) it.
#[utoipa::path(
    patch, path = "/v1/audits/{audit}", operation_id = "update_audit", tag = "audits",
    params(("audit" = String, Path, description = "UUID, name or number"), Headers),
    request_body = Vec<PatchOperation>,
    responses((status = 200, description = "The audit", body = AuditView), ReadProblems, WriteProblems)
)]
pub(crate) async fn update(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
    body: Body,
) -> Result<Json<AuditView>, ApiError> {
    arguments.done()?;
    let body = body.required(patch::ARGUMENT)?;
    let operations = patch::parse(&body, &LIMITS)?;
    let mut tx = context.api.store.begin().await?;
    let before = find::audit(&mut tx, &context, &ident).await?;
    context.enforce_on(Rule::AuditUpdate, &*before)?;
    if let Some(state) = patch::replaced(&operations, "/state") {
        check_state(before.state, state, &operations)?;
    }
    let names = find::names(&mut tx, &context, [before.goal_id], before.strategy_id).await?;
    let document = document(&before, &names);
    let patched = Patched(patch::apply(document.clone(), &operations)?);
    let state = read_state(before.state, &patched, &operations)?;
    let after = read(&mut tx, &context, &before, &document, &patched).await?;
    if !before.state.is_active(before.audit_type) && state.is_active(after.audit_type) {
        active::one_more_audit(&mut tx, &context, before.project_id.as_ref()).await?;
    }
    write(&mut tx, &context, &before, &after, state).await?;
    let stored = find::audit_by_uuid(&mut tx, &context, Some(before.id.0), &ident).await?;
    let names = find::names(&mut tx, &context, [stored.goal_id], stored.strategy_id).await?;
    tx.commit().await?;
    if state != before.state {
        announce(&context, before.id, before.state, state);
    }
    if state != before.state || after.audit_type == AuditType::Continuous {
        context.api.bus.publish(Control::ScheduleChanged);
    }
    Ok(Json(AuditView::new(&stored, &names, &context.base, context.version, Detail::Full)))
}

/// Where an audit may be moved by hand.
const fn may_become(from: AuditState, to: AuditState) -> bool {
    use AuditState::{Cancelled, Deleted, Failed, Ongoing, Pending, Succeeded, Suspended};
    matches!(
        (from, to),
        (Pending, Ongoing | Cancelled)
            | (Ongoing, Failed | Succeeded | Cancelled | Suspended)
            | (Suspended, Ongoing | Deleted)
            | (Failed | Succeeded | Cancelled, Deleted)
    )
}

fn check_state(from: AuditState, to: &Value, operations: &[Operation]) -> Result<AuditState, Invalid> {
    let state = to.as_str().and_then(|state| state.parse().ok()).filter(|to| may_become(from, *to));
    state.ok_or_else(|| {
        let reason = format!("State transition not allowed: ({from} -> {})", text::plain(to));
        patch::refused(operations, reason)
    })
}

fn read_state(before: AuditState, patched: &Patched, operations: &[Operation]) -> Result<AuditState, Invalid> {
    let state = patched.required_text("state")?;
    if state == before.as_str() { Ok(before) } else { check_state(before, &Value::String(state), operations) }
}

/// The audit as patches see it.
fn document(audit: &Stored<Audit>, names: &Names) -> Map<String, Value> {
    let (goal, strategy) = (names.goal(audit.goal_id), names.strategy(audit.strategy_id));
    let document = json!({
        "created_at": time::with_offset(audit.stamps.created_at),
        "updated_at": audit.stamps.updated_at.map(time::with_offset),
        "deleted_at": audit.stamps.deleted_at.map(time::with_offset),
        "id": audit.serial,
        "uuid": audit.id,
        "name": audit.name,
        "audit_type": audit.audit_type.as_str(),
        "state": audit.state.as_str(),
        "parameters": audit.parameters,
        "interval": audit.interval,
        "scope": audit.scope,
        "goal_id": goal.map(|goal| goal.serial),
        "strategy_id": strategy.map(|strategy| strategy.serial),
        "auto_trigger": audit.auto_trigger,
        "next_run_time": audit.next_run_time.map(time::naive),
        "hostname": audit.hostname,
        "start_time": audit.start_time.map(time::naive),
        "end_time": audit.end_time.map(time::naive),
        "force": audit.force,
        "goal": goal.map(|goal| &goal.name),
        "strategy": strategy.map(|strategy| &strategy.name),
        "status_message": audit.status_message,
    });
    match document {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The audit after the patch, but for its state.
async fn read(
    tx: &mut Tx,
    context: &Context,
    before: &Audit,
    document: &Map<String, Value>,
    patched: &Patched,
) -> Result<Audit, ApiError> {
    let audit_type = patched.required_text("audit_type")?;
    let audit_type: AuditType = audit_type.parse().map_err(|_| Invalid::AuditType(audit_type))?;
    let interval = patched.text("interval")?;
    if interval != before.interval
        && let Some(interval) = &interval
    {
        interval.parse::<Interval>().map_err(Invalid::from)?;
    }
    if audit_type == AuditType::Continuous && interval.is_none() {
        return Err(Invalid::IntervalMissing(audit_type.as_str()).into());
    }
    Ok(Audit {
        name: patched.name(&before.name)?,
        audit_type,
        parameters: patched.object("parameters", &before.parameters)?,
        interval,
        goal_id: read_goal(tx, context, before, document, patched).await?,
        strategy_id: read_strategy(tx, context, before, document, patched).await?,
        scope: patched.scope(&before.scope)?,
        auto_trigger: patched.boolean("auto_trigger")?,
        force: patched.boolean("force")?,
        next_run_time: read_next_run_time(before, document, patched)?,
        hostname: patched.line("hostname", before.hostname.as_deref())?,
        start_time: patched.time("start_time")?,
        end_time: patched.time("end_time")?,
        ..before.clone()
    })
}

/// The next run time is the service's: it can be dropped, so that it is worked out anew, and not be set.
fn read_next_run_time(
    before: &Audit,
    document: &Map<String, Value>,
    patched: &Patched,
) -> Result<Option<Timestamp>, Invalid> {
    let name = "next_run_time";
    match patched.get(name) {
        None => Ok(None),
        given if given == document.get(name) => Ok(before.next_run_time),
        Some(given) => Err(Invalid::wrong_type(name, given, "<class 'datetime.datetime'>")),
    }
}

/// What a patch made of one of two members that mean the same; none if it left both alone.
fn changed<'a>(
    document: &Map<String, Value>,
    patched: &'a Patched,
    members: [&'static str; 2],
) -> Option<(&'static str, Option<&'a Value>)> {
    let changed = members.into_iter().find(|name| document.get(*name) != patched.0.get(*name))?;
    Some((changed, patched.get(changed)))
}

async fn read_goal(
    tx: &mut Tx,
    context: &Context,
    before: &Audit,
    document: &Map<String, Value>,
    patched: &Patched,
) -> Result<GoalId, ApiError> {
    let Some((member, given)) = changed(document, patched, ["goal_id", "goal"]) else { return Ok(before.goal_id) };
    let usable = Visibility::of(before.project_id.as_ref());
    let found = match given.and_then(as_reference) {
        Some(reference) => goal::find(tx, &reference, context.show_deleted, &usable).await?,
        None => None,
    };
    let given = given.cloned().unwrap_or_default();
    let found =
        found.ok_or_else(|| Invalid::input(member, &given, format!("Goal {} is invalid", text::plain(&given))))?;
    Ok(found.id)
}

async fn read_strategy(
    tx: &mut Tx,
    context: &Context,
    before: &Audit,
    document: &Map<String, Value>,
    patched: &Patched,
) -> Result<Option<StrategyId>, ApiError> {
    let Some((member, given)) = changed(document, patched, ["strategy_id", "strategy"]) else {
        return Ok(before.strategy_id);
    };
    let Some(given) = given else { return Ok(None) };
    let usable = Visibility::of(before.project_id.as_ref());
    let found = match as_reference(given) {
        Some(reference) => strategy::find(tx, &reference, context.show_deleted, &usable).await?,
        None => None,
    };
    let found =
        found.ok_or_else(|| Invalid::input(member, given, format!("Strategy {} is invalid", text::plain(given))))?;
    Ok(Some(found.id))
}

async fn write(
    tx: &mut Tx,
    context: &Context,
    before: &Audit,
    after: &Audit,
    state: AuditState,
) -> Result<(), ApiError> {
    let now = context.api.clock.now();
    if after != before {
        let updated = audit::update(tx, after, now).await;
        if !updated.map_err(|error| Conflict::or_store(error, Conflict::AuditName))? {
            return Err(Conflict::Changed("audit").into());
        }
    }
    if state != before.state && !audit::transition(tx, before.id, before.state, state, now).await? {
        return Err(Conflict::Changed("audit").into());
    }
    Ok(())
}

/// Tells everybody that an audit was moved by hand.
pub(crate) fn announce(context: &Context, audit_id: AuditId, from: AuditState, state: AuditState) {
    tracing::info!(audit.id = %audit_id, "audit {audit_id} moved from {from} to {state}");
    context.api.bus.publish(Event::Audit { audit_id, old: Some(from), state });
    if from == AuditState::Ongoing {
        context.api.bus.publish(Control::AuditStopped { audit_id });
    }
}
