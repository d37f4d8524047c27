//! Checks: the expressions of the policy language, how they are written and what they decide.

use std::fmt;

use super::subject::{Attribute, Subject, Target};

/// An expression of the policy language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// `@`: everybody.
    Always,
    /// `!`: nobody.
    Never,
    /// `not …`.
    Not(Box<Check>),
    /// `… and …`: two or more.
    All(Vec<Check>),
    /// `… or …`: two or more.
    Any(Vec<Check>),
    /// `rule:NAME`: another rule.
    Rule(String),
    /// `role:NAME`: a role of the caller, in any case.
    Role(Template),
    /// `NAME:…`: something about the caller.
    Caller(Attribute, Template),
    /// `'text':…`: a constant.
    Constant(Constant, Template),
}

/// A constant on the left of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constant {
    /// `'text'`.
    Text(String),
    /// A whole number, `True`, `False` or `None`: compared as it is written.
    Word(String),
}

impl Constant {
    fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Word(text) => text,
        }
    }
}

/// The right side of a check: a text with attributes of the target in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template(pub(super) Vec<Part>);

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// As it is.
    Text(String),
    /// `%(name)s`: an attribute of the target.
    Target(String),
}

impl Template {
    /// A text without attributes.
    pub fn text(text: &str) -> Self {
        Self(if text.is_empty() { Vec::new() } else { vec![Part::Text(text.to_owned())] })
    }

    /// One attribute of the target.
    pub fn target(name: &str) -> Self {
        Self(vec![Part::Target(name.to_owned())])
    }

    /// The text for a target; none if the target does not have an attribute.
    pub(super) fn fill(&self, target: &Target) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            text.push_str(match part {
                Part::Text(part) => part,
                Part::Target(name) => target.get(name)?,
            });
        }
        Some(text)
    }

    /// Names of the attributes.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Target(name) => Some(name.as_str()),
        })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('%', "%%")),
            Part::Target(name) => write!(f, "%({name})s"),
        })
    }
}

impl fmt::Display for Check {
    /// As policy files have it; read again it is the same check.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = |check: &Self, f: &mut fmt::Formatter<'_>| match check {
            Self::All(_) | Self::Any(_) => write!(f, "({check})"),
            _ => write!(f, "{check}"),
        };
        let joined = |checks: &[Self], word: &str, f: &mut fmt::Formatter<'_>| {
            for (place, check) in checks.iter().enumerate() {
                if place > 0 {
                    write!(f, " {word} ")?;
                }
                inner(check, f)?;
            }
            Ok(())
        };
        match self {
            Self::Always => f.write_str("@"),
            Self::Never => f.write_str("!"),
            Self::Not(check) => {
                f.write_str("not ")?;
                inner(check, f)
            }
            Self::All(checks) => joined(checks, "and", f),
            Self::Any(checks) => joined(checks, "or", f),
            Self::Rule(name) => write!(f, "rule:{name}"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Caller(attribute, value) => write!(f, "{attribute}:{value}"),
            Self::Constant(Constant::Text(text), value) if text.contains('\'') => write!(f, "\"{text}\":{value}"),
            Self::Constant(Constant::Text(text), value) => write!(f, "'{text}':{value}"),
            Self::Constant(Constant::Word(word), value) => write!(f, "{word}:{value}"),
        }
    }
}

/// What a check is decided on.
pub(super) struct Question<'a> {
    /// Other rules by name; none if there is no such rule.
    pub(super) rules: &'a dyn Fn(&str) -> Option<&'a Check>,
    pub(super) subject: Subject<'a>,
    pub(super) target: &'a Target,
}

impl Check {
    /// Whether it holds. Rules refer to each other without circles: that was checked when they were read.
    pub(super) fn holds(&self, question: &Question<'_>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Not(check) => !check.holds(question),
            Self::All(checks) => checks.iter().all(|check| check.holds(question)),
            Self::Any(checks) => checks.iter().any(|check| check.holds(question)),
            Self::Rule(name) => (question.rules)(name).is_some_and(|check| check.holds(question)),
            Self::Role(role) => role.fill(question.target).is_some_and(|role| question.subject.has_role(&role)),
            Self::Caller(attribute, value) => {
                value.fill(question.target).is_some_and(|value| question.subject.is(*attribute, &value))
            }
            Self::Constant(constant, value) => value.fill(question.target).as_deref() == Some(constant.as_str()),
        }
    }

    /// Calls `look` for this check and all within, rules that it refers to aside.
    pub(super) fn visit<'a>(&'a self, look: &mut dyn FnMut(&'a Self)) {
        look(self);
        match self {
            Self::Not(check) => check.visit(look),
            Self::All(checks) | Self::Any(checks) => checks.iter().for_each(|check| check.visit(look)),
            Self::Always | Self::Never | Self::Rule(_) | Self::Role(_) | Self::Caller(..) | Self::Constant(..) => {}
        }
    }
}
