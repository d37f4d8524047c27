//! What every operation knows about its request before it looks at path, query and body.

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use watcher_fair::Permit;
use watcher_registry::Actor;
use watcher_store::Visibility;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::link::Base;
use crate::microversion::Microversion;
use crate::policy::{Rule, Target};
use crate::state::ApiState;

const SHOW_DELETED: HeaderName = HeaderName::from_static("x-show-deleted");

/// A request as far as all operations are concerned.
pub(crate) struct Context {
    /// The shared state.
    pub(crate) api: ApiState,
    /// Who calls.
    pub(crate) caller: Caller,
    /// The microversion it is answered in.
    pub(crate) version: Microversion,
    /// Start of links.
    pub(crate) base: Base,
    /// Whether soft-deleted rows are shown.
    pub(crate) show_deleted: bool,
    /// The place that the request has among those of its project, as long as this lives.
    pub(crate) place: Permit,
}

impl Context {
    /// Which rows the caller sees: an administrator all, others those of their project.
    pub(crate) fn visibility(&self) -> Visibility {
        match &self.caller.project_id {
            _ if self.api.policy.is_admin(&self.caller) => Visibility::All,
            Some(project) => Visibility::Project(project.clone()),
            None => Visibility::of(None),
        }
    }

    /// What of that which plugins bring the caller's project may use. An administrator sees more than their project may use.
    pub(crate) fn usable(&self) -> Visibility {
        Visibility::of(self.caller.project_id.as_ref())
    }

    /// Who calls, as the registry writes it down.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            project: self.caller.project_id.clone(),
            user: self.caller.user_id.clone(),
            is_admin: self.visibility() == Visibility::All,
        }
    }

    /// Refuses if the policy does, for what is not there yet and for whole lists.
    pub(crate) fn enforce(&self, rule: Rule) -> Result<(), ApiError> {
        self.api.policy.enforce(rule, &self.caller, &Target::own(&self.caller))
    }

    /// Refuses if the policy does, for a row.
    pub(crate) fn enforce_on(&self, rule: Rule, target: impl Into<Target>) -> Result<(), ApiError> {
        self.api.policy.enforce(rule, &self.caller, &target.into())
    }
}

impl FromRequestParts<ApiState> for Context {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_default();
        let version = parts.extensions.get::<Microversion>().copied().unwrap_or(Microversion::LOWEST);
        let show_deleted = parts.headers.get(SHOW_DELETED).is_some_and(|value| !value.is_empty());
        let base = Base::of(parts, &api.options);
        let place = api.places.requests.acquire(caller.project_id.clone()).await;
        Ok(Self { api: api.clone(), caller, version, base, show_deleted, place })
    }
}
