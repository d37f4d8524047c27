//! Who may do what: one rule per operation, named as operators name them in policy files.

use std::collections::HashMap;

use crate::auth::Caller;
use crate::error::ApiError;

macro_rules! rules {
    ($($name:ident = $text:literal => $check:ident,)*) => {
        /// A rule that an operation enforces.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Rule { $(#[doc = concat!("`", $text, "`")] $name,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in a policy file.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it asks for where nobody says otherwise.
            pub const fn default_check(self) -> Check {
                match self { $(Self::$name => Check::$check,)* }
            }
        }
    };
}

rules! {
    ActionDetail = "action:detail" => Admin,
    ActionGet = "action:get" => Admin,
    ActionGetAll = "action:get_all" => Admin,
    ActionUpdate = "action:update" => Admin,
    ActionPlanDelete = "action_plan:delete" => Admin,
    ActionPlanDetail = "action_plan:detail" => Admin,
    ActionPlanGet = "action_plan:get" => Admin,
    ActionPlanGetAll = "action_plan:get_all" => Admin,
    ActionPlanUpdate = "action_plan:update" => Admin,
    ActionPlanStart = "action_plan:start" => Admin,
    AuditCreate = "audit:create" => Admin,
    AuditDelete = "audit:delete" => Admin,
    AuditDetail = "audit:detail" => Admin,
    AuditGet = "audit:get" => Admin,
    AuditGetAll = "audit:get_all" => Admin,
    AuditUpdate = "audit:update" => Admin,
    AuditTemplateCreate = "audit_template:create" => Admin,
    AuditTemplateDelete = "audit_template:delete" => Admin,
    AuditTemplateDetail = "audit_template:detail" => Admin,
    AuditTemplateGet = "audit_template:get" => Admin,
    AuditTemplateGetAll = "audit_template:get_all" => Admin,
    AuditTemplateUpdate = "audit_template:update" => Admin,
    DataModelGetAll = "data_model:get_all" => Admin,
    GoalDetail = "goal:detail" => Admin,
    GoalGet = "goal:get" => Admin,
    GoalGetAll = "goal:get_all" => Admin,
    ScoringEngineDetail = "scoring_engine:detail" => Admin,
    ScoringEngineGet = "scoring_engine:get" => Admin,
    ScoringEngineGetAll = "scoring_engine:get_all" => Admin,
    ServiceDetail = "service:detail" => Admin,
    ServiceGet = "service:get" => Admin,
    ServiceGetAll = "service:get_all" => Admin,
    StrategyDetail = "strategy:detail" => Admin,
    StrategyGet = "strategy:get" => Admin,
    StrategyGetAll = "strategy:get_all" => Admin,
    StrategyState = "strategy:state" => Admin,
    WebhookTrigger = "webhook:trigger" => AdminOrService,
}

/// What a rule asks of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// `role:admin or role:administrator`.
    Admin,
    /// The same, or `role:service`.
    AdminOrService,
}

impl Check {
    fn allows(self, caller: &Caller) -> bool {
        match self {
            Self::Admin => caller.is_admin(),
            Self::AdminOrService => caller.is_admin() || caller.has_role("service"),
        }
    }
}

/// The checks in force.
#[derive(Debug, Clone)]
pub struct Policy {
    checks: HashMap<Rule, Check>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { checks: Rule::ALL.iter().map(|rule| (*rule, rule.default_check())).collect() }
    }
}

impl Policy {
    /// Whether a caller may do what a rule is about.
    pub fn allows(&self, rule: Rule, caller: &Caller) -> bool {
        self.checks.get(&rule).copied().unwrap_or(rule.default_check()).allows(caller)
    }

    pub(crate) fn enforce(&self, rule: Rule, caller: &Caller) -> Result<(), ApiError> {
        if self.allows(rule, caller) { Ok(()) } else { Err(ApiError::Forbidden(rule)) }
    }
}
