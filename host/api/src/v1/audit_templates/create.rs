//! `POST /v1/audit_templates`.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use watcher_domain::{AuditTemplate, AuditTemplateId, Stamps};
use watcher_store::{Page, Reference, SortDir, Tx, Visibility, audit_template, strategy};

use crate::arguments::Arguments;
use crate::body::{Body, Fields};
use crate::context::Context;
use crate::error::{ApiError, Conflict, Invalid};
use crate::microversion::Microversion;
use crate::openapi::{Headers, ReadProblems, WriteProblems};
use crate::policy::Rule;
use crate::scope;
use crate::v1::audit_templates::check_default_parameters;
use crate::v1::audit_templates::view::AuditTemplateView;
use crate::v1::{Created, Detail, find};

/// What the original calls the body in its messages.
const ARGUMENT: &str = "audit_template_postdata";
const MEMBERS: &[&str] = &["name", "description", "goal", "strategy", "scope", "default_parameters"];
/// Strategies that a refusal lists.
const MOST_CHOICES: u32 = 1000;

/// A new audit template.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `create` reads")]
pub(crate) struct NewAuditTemplate {
    /// Unique among audit templates.
    name: String,
    description: Option<String>,
    /// UUID or name of a goal.
    goal: String,
    /// UUID, name or number of a strategy of that goal.
    strategy: Option<String>,
    /// One object per model, or a bare list of rules for the compute model.
    #[schema(value_type = Option<Vec<Object>>)]
    scope: Option<Vec<Value>>,
    /// Parameters that audits made from it start with. From version 1.7; needs a strategy.
    #[schema(value_type = Option<Object>)]
    default_parameters: Option<Map<String, Value>>,
}

/// Makes an audit template.
#[utoipa::path(
    post, path = "/v1/audit_templates", operation_id = "create_audit_template", tag = "audit templates",
    params(Headers), request_body = NewAuditTemplate,
    responses(
        (status = 201, description = "The audit template", body = AuditTemplateView,
         headers(("Location" = String, description = "Where it is"))),
        ReadProblems, WriteProblems,
    )
)]
pub(crate) async fn create(
    context: Context,
    arguments: Arguments,
    body: Body,
) -> Result<Created<AuditTemplateView>, ApiError> {
    arguments.done()?;
    let body = body.required(ARGUMENT)?;
    let fields = Fields::of(ARGUMENT, &body, MEMBERS)?;
    fields.mandatory("name")?;
    let name = fields.text("name")?;
    let description = fields.text("description")?;
    Invalid::refuse_unfit_line("name", name.unwrap_or_default())?;
    Invalid::refuse_unfit_lines("description", description.unwrap_or_default())?;
    fields.mandatory("goal")?;
    let goal = fields.text("goal")?;
    let strategy = fields.text("strategy")?.filter(|strategy| !strategy.is_empty());
    let default_parameters = fields.object("default_parameters")?.cloned().unwrap_or_default();

    let usable = context.usable();
    let mut tx = context.api.store.read().await?;
    let goal_row = match goal {
        Some(goal) => find::goal_for(&mut tx, &context, goal, &usable).await?,
        None => None,
    };
    let Some(goal_row) = goal_row else {
        return Err(fields.refuse(format!("Goal {} is invalid", goal.unwrap_or("None"))).into());
    };
    let scope = scope::parse(fields.any("scope")).map_err(|refused| fields.refuse(refused.0))?;
    let strategy_row = match strategy {
        None => None,
        Some(text) => {
            let reference: Reference = text.parse().unwrap_or_else(|never| match never {});
            let found = strategy::find(&mut tx, &reference, false, &usable).await?;
            let found = found.ok_or_else(|| fields.refuse(format!("Strategy {text} is invalid")))?;
            if found.goal_id != goal_row.id {
                let choices = choices(&mut tx, &usable).await?;
                let reason = format!(
                    "'{}' strategy does relate to the '{}' goal. Possible choices: {choices}",
                    found.name, goal_row.name
                );
                return Err(fields.refuse(reason).into());
            }
            Some(found)
        }
    };
    let name = name.ok_or_else(|| Invalid::wrong_type("name", &Value::Null, "<class 'str'>"))?;

    context.enforce(Rule::AuditTemplateCreate)?;
    if context.version < Microversion::DEFAULT_PARAMETERS && !default_parameters.is_empty() {
        return Err(ApiError::NotInThisVersion);
    }
    drop(tx);
    check_default_parameters(strategy_row.as_deref(), &default_parameters).await?;
    let template = AuditTemplate {
        id: AuditTemplateId(context.api.ids.uuid()),
        project_id: context.caller.project_id.clone(),
        name: name.to_owned(),
        description: description.map(str::to_owned),
        goal_id: goal_row.id,
        strategy_id: strategy_row.map(|strategy| strategy.id),
        scope,
        default_parameters,
        stamps: Stamps::new(context.api.clock.now()),
    };
    let mut tx = context.api.store.begin().await?;
    let inserted = audit_template::insert(&mut tx, &template).await;
    inserted.map_err(|error| Conflict::or_store(error, Conflict::AuditTemplateName))?;
    let names = find::names(&mut tx, &context, [template.goal_id], template.strategy_id).await?;
    tx.commit().await?;
    tracing::info!(audit_template.id = %template.id, "audit template {} created", template.id);
    Ok(Created {
        location: context.base.v1(&format!("audit_templates/{}", template.id)),
        view: AuditTemplateView::new(&template, &names, &context.base, context.version, Detail::Full),
    })
}

/// Every strategy that may be used, as refusals list them.
async fn choices(tx: &mut Tx, usable: &Visibility) -> Result<String, ApiError> {
    let page = Page {
        limit: MOST_CHOICES,
        marker: None,
        sort: strategy::Sort::Serial,
        dir: SortDir::Asc,
        show_deleted: false,
    };
    let strategies = strategy::list(tx, &strategy::StrategyFilter::default(), &page, usable).await?;
    let choices: Vec<_> = strategies.iter().map(|row| format!("'{}' ({})", row.id, row.name)).collect();
    Ok(choices.join(", "))
}
