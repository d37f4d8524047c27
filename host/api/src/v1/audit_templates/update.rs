//! `PATCH /v1/audit_templates/{audit_template}`.

use axum::Json;
use serde_json::{Map, Value, json};
use watcher_domain::{AuditTemplate, Strategy};
use watcher_store::{Reference, Stored, Tx, Visibility, audit_template, goal, strategy};

use crate::arguments::Arguments;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Conflict, Invalid};
use crate::microversion::Microversion;
use crate::openapi::{Headers, PatchOperation, ReadProblems, WriteProblems};
use crate::patch::{self, Limits, Op, Operation};
use crate::patched::Patched;
use crate::policy::Rule;
use crate::text;
use crate::time;
use crate::v1::audit_templates::check_default_parameters;
use crate::v1::audit_templates::view::AuditTemplateView;
use crate::v1::names::Names;
use crate::v1::{Detail, Ident, find};

const LIMITS: Limits = Limits { internal: patch::INTERNAL, allowed: None, removal: true, refuse: |_| None };

/// Changes an audit template. `/goal` and `/strategy` take UUIDs or names.
#[utoipa::path(
    patch, path = "/v1/audit_templates/{audit_template}", operation_id = "update_audit_template",
    tag = "audit templates",
    params(("audit_template" = String, Path, description = "UUID, name or number"), Headers),
    request_body = Vec<PatchOperation>,
    responses((status = 200, description = "The audit template", body = AuditTemplateView), ReadProblems, WriteProblems)
)]
pub(crate) async fn update(
    context: Context,
    Ident(ident): Ident,
    arguments: Arguments,
    body: Body,
) -> Result<Json<AuditTemplateView>, ApiError> {
    arguments.done()?;
    let body = body.required(patch::ARGUMENT)?;
    let mut operations = patch::parse(&body, &LIMITS)?;
    if operations.iter().any(|operation| operation.path == "/goal" && operation.op == Op::Remove) {
        return Err(Invalid::GoalRemoved.into());
    }
    let mut tx = context.api.store.read().await?;
    let found = find::audit_template(&mut tx, &context, &ident).await;
    let usable = found.as_ref().map_or_else(|_| context.usable(), |row| Visibility::of(row.project_id.as_ref()));
    resolve(&mut tx, &context, &usable, &mut operations, &body).await?;
    let before = found?;
    context.enforce_on(Rule::AuditTemplateUpdate, &*before)?;
    check_companions(&context, &before, &operations)?;

    let names = find::names(&mut tx, &context, [before.goal_id], before.strategy_id).await?;
    let patched = Patched(patch::apply(document(&before, &names), &operations)?);
    let (after, strategy) = read(&mut tx, &context, &before, &names, &patched).await?;
    drop(tx);
    check_default_parameters(strategy.as_ref(), &after.default_parameters).await?;
    let mut tx = context.api.store.begin().await?;
    if after != before.value {
        let updated = audit_template::update(&mut tx, &after, context.api.clock.now()).await;
        if !updated.map_err(|error| Conflict::or_store(error, Conflict::AuditTemplateName))? {
            return Err(Conflict::Changed("audit template").into());
        }
    }
    let stored = find::audit_template_by_uuid(&mut tx, &context, Some(after.id.0), &ident).await?;
    let names = find::names(&mut tx, &context, [stored.goal_id], stored.strategy_id).await?;
    tx.commit().await?;
    Ok(Json(AuditTemplateView::new(&stored, &names, &context.base, context.version, Detail::Full)))
}

/// Turns `/goal` and `/strategy` into `/goal_id` and `/strategy_id` with numbers.
async fn resolve(
    tx: &mut Tx,
    context: &Context,
    usable: &Visibility,
    operations: &mut [Operation],
    body: &Value,
) -> Result<(), ApiError> {
    for operation in operations {
        let is_goal = match operation.path.as_str() {
            "/goal" => true,
            "/strategy" => false,
            _ => continue,
        };
        let given = operation.value.take().unwrap_or_default();
        let text = given.as_str().unwrap_or_default();
        let refuse = |what| Invalid::Input {
            field: patch::ARGUMENT.to_owned(),
            value: text::shown(body),
            reason: format!("{what} {} is invalid", text::plain(&given)),
        };
        let serial = if is_goal {
            let found = find::goal_for(tx, context, text, usable).await?;
            found.map(|row| row.serial).ok_or_else(|| refuse("Goal"))?.into()
        } else if given.is_null() || given == "" {
            Value::Null
        } else {
            let found = find::strategy_for(tx, context, text, usable).await?;
            found.map(|row| row.serial).ok_or_else(|| refuse("Strategy"))?.into()
        };
        operation.path.push_str("_id");
        operation.value = (operation.op != Op::Remove).then_some(serial);
    }
    Ok(())
}

/// Refuses a patch that leaves default parameters behind that belong to another strategy, or that this version does not have.
fn check_companions(context: &Context, before: &AuditTemplate, operations: &[Operation]) -> Result<(), ApiError> {
    let touches = |paths: &[&str]| operations.iter().any(|operation| paths.contains(&operation.path.as_str()));
    let parameters = touches(&["/default_parameters"]);
    if parameters && context.version < Microversion::DEFAULT_PARAMETERS {
        return Err(ApiError::NotInThisVersion);
    }
    if !before.default_parameters.is_empty() && touches(&["/goal_id", "/strategy_id"]) && !parameters {
        return Err(Conflict::DefaultParameters.into());
    }
    Ok(())
}

/// The template as patches see it.
fn document(template: &Stored<AuditTemplate>, names: &Names) -> Map<String, Value> {
    let document = json!({
        "created_at": time::with_offset(template.stamps.created_at),
        "updated_at": template.stamps.updated_at.map(time::with_offset),
        "deleted_at": template.stamps.deleted_at.map(time::with_offset),
        "id": template.serial,
        "uuid": template.id,
        "name": template.name,
        "description": template.description,
        "goal_id": names.goal(template.goal_id).map(|goal| goal.serial),
        "strategy_id": names.strategy(template.strategy_id).map(|strategy| strategy.serial),
        "scope": template.scope,
        "default_parameters": template.default_parameters,
    });
    match document {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

async fn read(
    tx: &mut Tx,
    context: &Context,
    before: &AuditTemplate,
    names: &Names,
    patched: &Patched,
) -> Result<(AuditTemplate, Option<Strategy>), ApiError> {
    let usable = Visibility::of(before.project_id.as_ref());
    let goal_id = match patched.get("goal_id") {
        Some(value) if value.as_i64() == names.goal(before.goal_id).map(|goal| goal.serial) => before.goal_id,
        given => {
            let found = match given.and_then(as_reference) {
                Some(reference) => goal::find(tx, &reference, context.show_deleted, &usable).await?,
                None => None,
            };
            let given = given.cloned().unwrap_or_default();
            found
                .ok_or_else(|| Invalid::input("goal_id", &given, format!("Goal {} is invalid", text::plain(&given))))?
                .id
        }
    };
    let strategy_row = match patched.get("strategy_id") {
        None => None,
        // What stays as it was may be what its project must not use any more.
        Some(value) if value.as_i64() == names.strategy(before.strategy_id).map(|strategy| strategy.serial) => {
            match before.strategy_id {
                Some(id) => strategy::get(tx, id).await?,
                None => None,
            }
        }
        Some(given) => {
            let found = match as_reference(given) {
                Some(reference) => strategy::find(tx, &reference, context.show_deleted, &usable).await?,
                None => None,
            };
            Some(found.ok_or_else(|| {
                Invalid::input("strategy_id", given, format!("Strategy {} is invalid", text::plain(given)))
            })?)
        }
    };
    let default_parameters = patched.object("default_parameters", &before.default_parameters)?;
    let after = AuditTemplate {
        name: patched.name(&before.name)?,
        description: patched.lines("description", before.description.as_deref())?,
        goal_id,
        strategy_id: strategy_row.as_ref().map(|strategy| strategy.id),
        scope: patched.scope(&before.scope)?,
        default_parameters,
        ..before.clone()
    };
    Ok((after, strategy_row.map(|row| row.value)))
}

/// A number, UUID or name as a reference.
pub(crate) fn as_reference(value: &Value) -> Option<Reference> {
    match value {
        Value::Number(number) => number.as_i64().map(Reference::Serial),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
