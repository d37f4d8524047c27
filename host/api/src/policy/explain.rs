//! Why a rule holds or does not: its checks one by one, with what was compared.

use super::check::{Check, Template};
use super::set::RuleSet;
use super::subject::{Subject, Target};
use crate::auth::Caller;

/// One check of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How deep it is nested, from 0.
    pub depth: usize,
    /// The check as policy files have it.
    pub check: String,
    /// Whether it holds.
    pub holds: bool,
    /// What it was compared with; empty for what consists of other checks.
    pub because: String,
}

impl RuleSet {
    /// Why a rule holds or does not, from the rule down; none if there is no such rule.
    pub fn explain(&self, name: &str, caller: &Caller, target: &Target) -> Option<Vec<Finding>> {
        let mut explanation = Explanation { set: self, caller, target, findings: Vec::new() };
        explanation.look(0, &self.get(name)?.check);
        Some(explanation.findings)
    }
}

struct Explanation<'a> {
    set: &'a RuleSet,
    caller: &'a Caller,
    target: &'a Target,
    findings: Vec<Finding>,
}

impl Explanation<'_> {
    fn look(&mut self, depth: usize, check: &Check) {
        let holds = self.set.decides(check, self.caller, self.target);
        self.findings.push(Finding { depth, check: check.to_string(), holds, because: self.because(check) });
        match check {
            Check::Not(inner) => self.look(depth + 1, inner),
            Check::All(checks) | Check::Any(checks) => checks.iter().for_each(|check| self.look(depth + 1, check)),
            Check::Rule(name) => {
                if let Some(rule) = self.set.get(name) {
                    self.look(depth + 1, &rule.check);
                }
            }
            Check::Always | Check::Never | Check::Role(_) | Check::Caller(..) | Check::Constant(..) => {}
        }
    }

    fn because(&self, check: &Check) -> String {
        let missing = |template: &Template| {
            let missing: Vec<&str> = template.attributes().filter(|name| self.target.get(name).is_none()).collect();
            (!missing.is_empty()).then(|| format!("the target has no {}", missing.join(", ")))
        };
        let subject = Subject(self.caller);
        match check {
            Check::Always => "allows everybody".to_owned(),
            Check::Never => "allows nobody".to_owned(),
            Check::Not(_) | Check::All(_) | Check::Any(_) | Check::Rule(_) => String::new(),
            Check::Role(role) => missing(role).unwrap_or_else(|| match &self.caller.roles[..] {
                [] => "the caller has no roles".to_owned(),
                roles => format!("the caller's roles are {}", roles.join(", ")),
            }),
            Check::Caller(attribute, value) => missing(value).unwrap_or_else(|| {
                let value = value.fill(self.target).unwrap_or_default();
                format!("{attribute} of the caller is {}, asked for is {value}", listed(&subject.values(*attribute)))
            }),
            Check::Constant(_, value) => {
                missing(value).unwrap_or_else(|| format!("{value} is {}", value.fill(self.target).unwrap_or_default()))
            }
        }
    }
}

fn listed(values: &[&str]) -> String {
    if values.is_empty() { "nothing".to_owned() } else { values.join(", ") }
}
