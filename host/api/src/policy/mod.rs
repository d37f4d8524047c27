//! Who may do what: a rule per operation, in the policy language that operators of the original know.
//!
//! `rule` has the rules and their defaults, `parse` and `check` the language, `subject` what checks can ask about, `set` puts an
//! operator's rules in the place of defaults and refuses what cannot be meant, `explain` says why. Files are read by the server.

mod check;
mod explain;
mod parse;
mod rule;
mod set;
mod subject;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

pub use check::{Check, Constant, Template};
pub use explain::Finding;
pub use parse::ParseError;
pub use rule::Rule;
pub use set::{Effective, Override, Problem, RuleError, RuleSet, Unused, Wanted};
pub use subject::{Attribute, Target};

use crate::auth::Caller;
use crate::error::ApiError;

/// The rules in force. They can be replaced while requests are answered: each decision sees one set of them.
#[derive(Debug, Default)]
pub struct Policy {
    rules: RwLock<Arc<RuleSet>>,
}

impl Policy {
    /// A policy of these rules.
    pub fn new(rules: RuleSet) -> Self {
        Self { rules: RwLock::new(Arc::new(rules)) }
    }

    /// Puts other rules in force.
    pub fn replace(&self, rules: RuleSet) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// The rules now.
    pub fn rules(&self) -> Arc<RuleSet> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a caller may do to a target what a rule is about.
    pub fn allows(&self, rule: Rule, caller: &Caller, target: &Target) -> bool {
        self.rules().holds(rule.name(), caller, target)
    }

    /// Whether a caller administers the service, and so sees what every project owns.
    pub(crate) fn is_admin(&self, caller: &Caller) -> bool {
        caller.is_anybody || self.rules().holds(rule::ADMIN, caller, &Target::own(caller))
    }

    pub(crate) fn enforce(&self, rule: Rule, caller: &Caller, target: &Target) -> Result<(), ApiError> {
        if self.allows(rule, caller, target) { Ok(()) } else { Err(ApiError::Forbidden(rule)) }
    }
}
