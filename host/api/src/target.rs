//! Rows as policies see them.

use watcher_domain::{Action, ActionPlan, Audit, AuditTemplate, Goal, ProjectId, Strategy};
use watcher_store::plugin::Plugin;
use watcher_store::{Reference, Tx, Visibility, action_plan};

use crate::error::ApiError;
use crate::policy::Target;

fn target(uuid: &impl ToString, project: Option<&ProjectId>) -> Target {
    Target::default()
        .with("uuid", Some(&uuid.to_string()))
        .with("project_id", project.map(|project| project.0.as_str()))
}

impl From<&Audit> for Target {
    fn from(audit: &Audit) -> Self {
        target(&audit.id, audit.project_id.as_ref())
            .with("name", Some(&audit.name))
            .with("state", Some(audit.state.as_str()))
    }
}

impl From<&AuditTemplate> for Target {
    fn from(template: &AuditTemplate) -> Self {
        target(&template.id, template.project_id.as_ref()).with("name", Some(&template.name))
    }
}

impl From<&ActionPlan> for Target {
    fn from(plan: &ActionPlan) -> Self {
        target(&plan.id, plan.project_id.as_ref()).with("state", Some(plan.state.as_str()))
    }
}

impl From<&Goal> for Target {
    fn from(goal: &Goal) -> Self {
        target(&goal.id, None).with("name", Some(&goal.name))
    }
}

impl From<&Strategy> for Target {
    fn from(strategy: &Strategy) -> Self {
        target(&strategy.id, None).with("name", Some(&strategy.name))
    }
}

impl From<&Plugin> for Target {
    fn from(plugin: &Plugin) -> Self {
        target(&plugin.id, plugin.project_id.as_ref()).with("name", Some(&plugin.name))
    }
}

/// What a project does or has with a plugin that may be another's.
pub(crate) fn project(project: &ProjectId) -> Target {
    Target::default().with("project_id", Some(&project.0))
}

/// An action belongs to the project of its plan.
pub(crate) async fn action(tx: &mut Tx, action: &Action) -> Result<Target, ApiError> {
    let plan = Reference::Uuid(action.action_plan_id.0);
    let plan = action_plan::find(tx, &plan, true, &Visibility::All).await?;
    let project = plan.as_ref().and_then(|plan| plan.project_id.as_ref());
    Ok(target(&action.id, project).with("state", Some(action.state.as_str())))
}
