//! The rules that operations enforce, with what they ask for where nobody says otherwise, and the rules that those refer to.

macro_rules! rules {
    ($($name:ident = $text:literal, $check:literal, $meaning:literal, $operation:literal;)*) => {
        /// A rule that an operation enforces.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Rule { $(#[doc = $meaning] $name,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in a policy file.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it asks for where nobody says otherwise.
            pub const fn default_check(self) -> &'static str {
                match self { $(Self::$name => $check,)* }
            }

            /// What it is about.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// Method and path that enforce it.
            pub const fn operation(self) -> &'static str {
                match self { $(Self::$name => $operation,)* }
            }
        }
    };
}

rules! {
    ActionDetail = "action:detail", "rule:admin_api", "List actions in full.", "GET /v1/actions/detail";
    ActionGet = "action:get", "rule:admin_api", "Show an action.", "GET /v1/actions/{action}";
    ActionGetAll = "action:get_all", "rule:admin_api", "List actions.", "GET /v1/actions";
    ActionUpdate = "action:update", "rule:admin_api", "Change an action.", "PATCH /v1/actions/{action}";
    ActionPlanDelete = "action_plan:delete", "rule:admin_api", "Delete an action plan.", "DELETE /v1/action_plans/{action_plan}";
    ActionPlanDetail = "action_plan:detail", "rule:admin_api", "List action plans in full.", "GET /v1/action_plans/detail";
    ActionPlanGet = "action_plan:get", "rule:admin_api", "Show an action plan.", "GET /v1/action_plans/{action_plan}";
    ActionPlanGetAll = "action_plan:get_all", "rule:admin_api", "List action plans.", "GET /v1/action_plans";
    ActionPlanUpdate = "action_plan:update", "rule:admin_api", "Change an action plan.", "PATCH /v1/action_plans/{action_plan}";
    ActionPlanStart = "action_plan:start", "rule:admin_api", "Start an action plan.", "POST /v1/action_plans/{action_plan}/start";
    AuditCreate = "audit:create", "rule:admin_api", "Create an audit.", "POST /v1/audits";
    AuditDelete = "audit:delete", "rule:admin_api", "Delete an audit.", "DELETE /v1/audits/{audit}";
    AuditDetail = "audit:detail", "rule:admin_api", "List audits in full.", "GET /v1/audits/detail";
    AuditGet = "audit:get", "rule:admin_api", "Show an audit.", "GET /v1/audits/{audit}";
    AuditGetAll = "audit:get_all", "rule:admin_api", "List audits.", "GET /v1/audits";
    AuditUpdate = "audit:update", "rule:admin_api", "Change an audit.", "PATCH /v1/audits/{audit}";
    AuditTemplateCreate = "audit_template:create", "rule:admin_api", "Create an audit template.", "POST /v1/audit_templates";
    AuditTemplateDelete = "audit_template:delete", "rule:admin_api", "Delete an audit template.", "DELETE /v1/audit_templates/{audit_template}";
    AuditTemplateDetail = "audit_template:detail", "rule:admin_api", "List audit templates in full.", "GET /v1/audit_templates/detail";
    AuditTemplateGet = "audit_template:get", "rule:admin_api", "Show an audit template.", "GET /v1/audit_templates/{audit_template}";
    AuditTemplateGetAll = "audit_template:get_all", "rule:admin_api", "List audit templates.", "GET /v1/audit_templates";
    AuditTemplateUpdate = "audit_template:update", "rule:admin_api", "Change an audit template.", "PATCH /v1/audit_templates/{audit_template}";
    DataModelGetAll = "data_model:get_all", "rule:admin_api", "Show the cluster data model.", "GET /v1/data_model";
    GoalDetail = "goal:detail", "rule:admin_api", "List goals in full.", "GET /v1/goals/detail";
    GoalGet = "goal:get", "rule:admin_api", "Show a goal.", "GET /v1/goals/{goal}";
    GoalGetAll = "goal:get_all", "rule:admin_api", "List goals.", "GET /v1/goals";
    PluginCreate = "plugin:create", "rule:plugin_user", "Upload a plugin, or a new version of one.", "POST /v1/plugins";
    PluginGet = "plugin:get", "rule:plugin_reader", "Show a plugin, its versions and their reports.", "GET /v1/plugins/{plugin}";
    PluginGetAll = "plugin:get_all", "rule:plugin_reader", "List plugins.", "GET /v1/plugins";
    PluginDownload = "plugin:download", "rule:plugin_reader", "Download a version of a plugin.", "GET /v1/plugins/{plugin}/versions/{version}/file";
    PluginUpdate = "plugin:update", "rule:plugin_owner", "Change a plugin.", "PATCH /v1/plugins/{plugin}";
    PluginPublicize = "plugin:publicize", "rule:admin_api", "Make a plugin public.", "PATCH /v1/plugins/{plugin}";
    PluginDeactivate = "plugin:deactivate", "rule:plugin_owner", "Deactivate, reactivate or deprecate a version.", "POST /v1/plugins/{plugin}/versions/{version}/deactivate";
    PluginDelete = "plugin:delete", "rule:plugin_owner", "Delete a plugin, or a version of one.", "DELETE /v1/plugins/{plugin}";
    PluginMembers = "plugin:members", "rule:plugin_reader", "List the projects that a plugin is offered to.", "GET /v1/plugins/{plugin}/members";
    PluginOffer = "plugin:offer", "rule:plugin_owner", "Offer a plugin to a project, or take the offer back.", "POST /v1/plugins/{plugin}/members";
    PluginAccept = "plugin:accept", "rule:plugin_owner", "Accept or reject a plugin for a project.", "PUT /v1/plugins/{plugin}/members/{project}";
    PluginGrants = "plugin:grants", "rule:plugin_reader", "Show what a plugin may ask of the cloud.", "GET /v1/plugins/{plugin}/grants";
    PluginGrant = "plugin:grant", "rule:admin_api", "Let a plugin ask something of the cloud.", "PUT /v1/plugins/{plugin}/grants";
    PluginEvents = "plugin:events", "rule:plugin_reader", "List who did what to a plugin.", "GET /v1/plugins/{plugin}/events";
    PluginSign = "plugin:sign", "rule:plugin_owner", "Add a signature to a version.", "POST /v1/plugins/{plugin}/versions/{version}/signatures";
    PluginQuotaGet = "plugin_quota:get", "rule:plugin_reader", "Show how much a project may keep, its runs may use, and they have used.", "GET /v1/plugin_quotas/{project}";
    PluginQuotaUpdate = "plugin_quota:update", "rule:admin_api", "Change how much a project may keep and its runs may use.", "PUT /v1/plugin_quotas/{project}";
    SigningPolicyGet = "signing_policy:get", "rule:plugin_reader", "Show whose signatures count for a project, or for all.", "GET /v1/signing_policies/{project}";
    SigningPolicyUpdate = "signing_policy:update", "rule:plugin_owner", "Say whose signatures count for a project.", "PUT /v1/signing_policies/{project}";
    SigningPolicyUpdateAll = "signing_policy:update_all", "rule:admin_api", "Say whose signatures count for all projects.", "PUT /v1/signing_policies/all";
    ScoringEngineDetail = "scoring_engine:detail", "rule:admin_api", "List scoring engines in full.", "GET /v1/scoring_engines/detail";
    ScoringEngineGet = "scoring_engine:get", "rule:admin_api", "Show a scoring engine.", "GET /v1/scoring_engines/{scoring_engine}";
    ScoringEngineGetAll = "scoring_engine:get_all", "rule:admin_api", "List scoring engines.", "GET /v1/scoring_engines";
    ServiceDetail = "service:detail", "rule:admin_api", "List services in full.", "GET /v1/services/detail";
    ServiceGet = "service:get", "rule:admin_api", "Show a service.", "GET /v1/services/{service}";
    ServiceGetAll = "service:get_all", "rule:admin_api", "List services.", "GET /v1/services";
    StrategyDetail = "strategy:detail", "rule:admin_api", "List strategies in full.", "GET /v1/strategies/detail";
    StrategyGet = "strategy:get", "rule:admin_api", "Show a strategy.", "GET /v1/strategies/{strategy}";
    StrategyGetAll = "strategy:get_all", "rule:admin_api", "List strategies.", "GET /v1/strategies";
    StrategyState = "strategy:state", "rule:admin_api", "Show what a strategy needs.", "GET /v1/strategies/{strategy}/state";
    WebhookTrigger = "webhook:trigger", "rule:admin_or_service_api", "Trigger an audit; enforced unless `api.enable_webhooks_auth` is false.", "POST /v1/webhooks/{audit}";
}

/// Whoever this rule allows administers the service: sees what every project owns.
pub(crate) const ADMIN: &str = "admin_api";

/// A rule that no operation enforces.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) name: &'static str,
    pub(crate) check: &'static str,
    pub(crate) meaning: &'static str,
}

/// Rules that others refer to.
pub(crate) const COMMON: &[Common] = &[
    Common {
        name: ADMIN,
        check: "role:admin or role:administrator",
        meaning: "Administrators: they also see what other projects own.",
    },
    Common {
        name: "admin_or_service_api",
        check: "rule:admin_api or role:service",
        meaning: "Administrators and other services of the cloud.",
    },
    Common {
        name: "plugin_reader",
        check: "rule:admin_api or role:member or role:reader",
        meaning: "Whoever looks at the plugins that their project sees.",
    },
    Common {
        name: "plugin_user",
        check: "rule:admin_api or role:member",
        meaning: "Whoever works with the plugins of their project.",
    },
    Common {
        name: "plugin_owner",
        check: "rule:admin_api or (role:member and project_id:%(project_id)s)",
        meaning: "Whoever works with a plugin of their own project.",
    },
    Common { name: "show_password", check: "!", meaning: "Kept for old files; nothing asks for it." },
];
