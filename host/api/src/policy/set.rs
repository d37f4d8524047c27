//! All rules of a service: the defaults, and those of an operator's file in their place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use watcher_domain::spelling::nearest;

use super::check::{Check, Question};
use super::parse::{ParseError, atom};
use super::rule::{COMMON, Rule};
use super::subject::{Subject, Target};
use crate::auth::Caller;

/// Most rules.
const MAX_RULES: usize = 1000;
/// Most checks that one decision may look at, rules within rules counted as often as they are referred to.
const MAX_WORK: usize = 10_000;
/// Longest chain of rules that refer to each other.
const MAX_CHAIN: usize = 32;
/// Rules that files of other services have and nothing here asks for.
const HARMLESS: &[&str] = &["default"];

/// A rule of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Which rule.
    pub name: String,
    /// Line of the file, from 1.
    pub line: usize,
    /// What it asks for.
    pub check: Wanted,
}

/// What a rule of a file asks for, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// An expression.
    Text(String),
    /// Lists of checks: one list must hold as a whole. An older way to write expressions.
    Lists(Vec<Vec<String>>),
}

/// A rule that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, rule {name}: {problem}")]
pub struct RuleError {
    /// Line of the file.
    pub line: usize,
    /// Which rule.
    pub name: String,
    /// Why.
    pub problem: Problem,
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no check.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It refers to a rule that is not there.
    #[error("it refers to rule:{name}, which does not exist{}", suggestion(.nearest.as_deref()))]
    NoSuchRule {
        /// What it refers to.
        name: String,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
    /// Deciding it would never end.
    #[error("rules refer to each other in a circle: {0}")]
    Circle(String),
    /// It refers to rules that refer to rules, and so on.
    #[error("rules refer to each other more than {MAX_CHAIN} times in a row")]
    Chain,
    /// Deciding it would take too long.
    #[error("with the rules it refers to it consists of more than {MAX_WORK} checks")]
    TooMuchWork,
    /// There are too many.
    #[error("there are more than {MAX_RULES} rules")]
    TooMany,
}

/// A rule of a file that nothing asks for: perhaps misspelt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// Line of the file.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// What was perhaps meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, name, nearest } = self;
        let suggestion = suggestion(nearest.as_deref());
        write!(f, "line {line}: nothing asks for rule {name}, and no rule refers to it{suggestion}")
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// A rule in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// What it asks for.
    pub check: Check,
    /// What it asks for where nobody says otherwise; none for a rule that only a file has.
    pub default: Option<&'static str>,
    /// What it is about; empty for a rule that only a file has.
    pub meaning: &'static str,
    /// Method and path that enforce it; none for rules that others refer to.
    pub operation: Option<&'static str>,
    /// Line of the file that it comes from; none for a default.
    pub line: Option<usize>,
}

/// All rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    rules: BTreeMap<String, Effective>,
}

impl Default for RuleSet {
    fn default() -> Self {
        let effective = |check: &'static str, meaning, operation| Effective {
            check: check.parse().expect("a test parses every default"),
            default: Some(check),
            meaning,
            operation,
            line: None,
        };
        let common = COMMON.iter().map(|rule| (rule.name.to_owned(), effective(rule.check, rule.meaning, None)));
        let enforced = Rule::ALL.iter().map(|rule| {
            (rule.name().to_owned(), effective(rule.default_check(), rule.meaning(), Some(rule.operation())))
        });
        Self { rules: common.chain(enforced).collect() }
    }
}

impl RuleSet {
    /// The defaults with the rules of a file in their place, and what is odd about the file.
    ///
    /// # Errors
    /// Everything that is wrong with the file, in its order.
    pub fn with(overrides: Vec<Override>) -> Result<(Self, Vec<Unused>), Vec<RuleError>> {
        let mut set = Self::default();
        let mut errors = Vec::new();
        let asked_for: BTreeSet<String> = set.rules.keys().cloned().collect();
        let mut own = Vec::new();
        for Override { name, line, check } in overrides {
            if set.rules.len() >= MAX_RULES && !set.rules.contains_key(&name) {
                errors.push(RuleError { line, name, problem: Problem::TooMany });
                break;
            }
            own.push((name.clone(), line));
            match check.parse() {
                Err(error) => errors.push(RuleError { line, name, problem: error.into() }),
                Ok(check) => {
                    if let Some(rule) = set.rules.get_mut(&name) {
                        (rule.check, rule.line) = (check, Some(line));
                        continue;
                    }
                    let rule = Effective { check, default: None, meaning: "", operation: None, line: Some(line) };
                    set.rules.insert(name, rule);
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        for (name, line) in &own {
            if let Err(problem) = set.work(name, &mut Vec::new(), &mut BTreeMap::new()) {
                errors.push(RuleError { line: *line, name: name.clone(), problem });
            }
        }
        // A default can come to grief through a rule of the file that it refers to, which is told there.
        if !errors.is_empty() {
            return Err(errors);
        }
        let referred: BTreeSet<String> = set.rules.values().flat_map(|rule| references(&rule.check)).collect();
        let unused = own
            .into_iter()
            .filter(|(name, _)| !asked_for.contains(name) && !referred.contains(name))
            .filter(|(name, _)| !HARMLESS.contains(&name.as_str()))
            .map(|(name, line)| {
                let nearest = nearest(&name, asked_for.iter().map(String::as_str)).map(str::to_owned);
                Unused { line, name, nearest }
            })
            .collect();
        Ok((set, unused))
    }

    /// How many checks deciding a rule can look at. `chain` are the rules that led here.
    fn work(&self, name: &str, chain: &mut Vec<String>, known: &mut BTreeMap<String, usize>) -> Result<usize, Problem> {
        if let Some(work) = known.get(name) {
            return Ok(*work);
        }
        if let Some(start) = chain.iter().position(|before| before == name) {
            let circle = [&chain[start..], &[name.to_owned()]].concat().join(" → ");
            return Err(Problem::Circle(circle));
        }
        if chain.len() >= MAX_CHAIN {
            return Err(Problem::Chain);
        }
        let Some(rule) = self.rules.get(name) else {
            let nearest = nearest(name, self.rules.keys().map(String::as_str)).map(str::to_owned);
            return Err(Problem::NoSuchRule { name: name.to_owned(), nearest });
        };
        chain.push(name.to_owned());
        let mut work = 0_usize;
        rule.check.visit(&mut |_| work += 1);
        for reference in references(&rule.check) {
            work = work.saturating_add(self.work(&reference, chain, known)?);
            if work > MAX_WORK {
                return Err(Problem::TooMuchWork);
            }
        }
        chain.pop();
        known.insert(name.to_owned(), work);
        Ok(work)
    }

    /// Rules by name.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Effective)> {
        self.rules.iter().map(|(name, rule)| (name.as_str(), rule))
    }

    /// A rule by its name.
    pub fn get(&self, name: &str) -> Option<&Effective> {
        self.rules.get(name)
    }

    /// Whether a rule holds for a caller and a target; a rule that is not there does not.
    pub fn holds(&self, name: &str, caller: &Caller, target: &Target) -> bool {
        self.rules.get(name).is_some_and(|rule| self.decides(&rule.check, caller, target))
    }

    /// Whether a check holds among these rules.
    pub(super) fn decides(&self, check: &Check, caller: &Caller, target: &Target) -> bool {
        let rules = |name: &str| self.rules.get(name).map(|rule| &rule.check);
        check.holds(&Question { rules: &rules, subject: Subject(caller), target })
    }
}

/// Names of the rules that a check refers to, as often as it does.
fn references(check: &Check) -> Vec<String> {
    let mut names = Vec::new();
    check.visit(&mut |check| {
        if let Check::Rule(name) = check {
            names.push(name.clone());
        }
    });
    names
}

impl Wanted {
    fn parse(&self) -> Result<Check, ParseError> {
        let lists = match self {
            Self::Text(text) => return text.parse(),
            Self::Lists(lists) => lists,
        };
        if lists.is_empty() {
            return Ok(Check::Always);
        }
        let mut any = Vec::new();
        for list in lists.iter().filter(|list| !list.is_empty()) {
            let mut all = list.iter().map(|word| atom(word)).collect::<Result<Vec<_>, _>>()?;
            any.push(if all.len() == 1 { all.remove(0) } else { Check::All(all) });
        }
        Ok(match any.len() {
            0 => Check::Never,
            1 => any.remove(0),
            _ => Check::Any(any),
        })
    }
}
