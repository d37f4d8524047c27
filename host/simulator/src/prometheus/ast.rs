//! The part of PromQL that is understood, as a tree.

use regex::Regex;

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    Selector(Selector),
    Call { function: Function, arguments: Vec<Expr> },
    Aggregate { operator: Aggregation, grouping: Grouping, of: Box<Expr> },
    Binary { operator: Operator, matching: Matching, left: Box<Expr>, right: Box<Expr> },
    Negate(Box<Expr>),
}

/// Series by name and labels; with a range, their past.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    pub(super) matchers: Vec<Matcher>,
    pub(super) range_s: Option<f64>,
    pub(super) offset_s: f64,
}

/// A condition on a label.
#[derive(Debug, Clone)]
pub(super) struct Matcher {
    pub(super) label: String,
    pub(super) test: Test,
}

#[derive(Debug, Clone)]
pub(super) enum Test {
    Equal(String),
    NotEqual(String),
    Matches(Regex),
    MatchesNot(Regex),
}

impl Test {
    pub(super) fn takes(&self, value: &str) -> bool {
        match self {
            Self::Equal(wanted) => value == wanted,
            Self::NotEqual(unwanted) => value != unwanted,
            Self::Matches(pattern) => pattern.is_match(value),
            Self::MatchesNot(pattern) => !pattern.is_match(value),
        }
    }
}

/// Which labels an aggregation keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregation {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
}

impl Aggregation {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            "group" => Self::Group,
            _ => return None,
        })
    }
}

/// How the two sides of an operator find each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Matching {
    /// `on` (true) or `ignoring` (false) these labels; nothing means all labels.
    pub(super) labels: Option<(bool, Vec<String>)>,
    /// The side of which several may match one, and the labels it takes from the other.
    pub(super) group: Option<(Side, Vec<String>)>,
    /// Comparisons give 0 or 1 instead of filtering.
    pub(super) bool_result: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    And,
    Or,
    Unless,
}

impl Operator {
    /// How tightly it binds; more is tighter.
    pub(super) fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Equal | Self::NotEqual | Self::Greater | Self::Less | Self::GreaterOrEqual | Self::LessOrEqual => 3,
            Self::Add | Self::Subtract => 4,
            Self::Multiply | Self::Divide | Self::Modulo => 5,
            Self::Power => 6,
        }
    }

    pub(super) fn is_comparison(self) -> bool {
        self.strength() == 3
    }

    pub(super) fn is_set(self) -> bool {
        self.strength() <= 2
    }

    /// The result for numbers; a comparison gives 1 or 0.
    pub(super) fn apply(self, left: f64, right: f64) -> f64 {
        let truth = |truth: bool| if truth { 1.0 } else { 0.0 };
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Modulo => left % right,
            Self::Power => left.powf(right),
            // Equal and NotEqual are exact, as in Prometheus.
            Self::Equal => truth(left.partial_cmp(&right) == Some(std::cmp::Ordering::Equal)),
            Self::NotEqual => truth(left.partial_cmp(&right) != Some(std::cmp::Ordering::Equal)),
            Self::Greater => truth(left > right),
            Self::Less => truth(left < right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::LessOrEqual => truth(left <= right),
            Self::And | Self::Or | Self::Unless => f64::NAN,
        }
    }
}

/// A function; those with `OverTime` and the rates take a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Rate,
    Irate,
    Increase,
    Delta,
    AvgOverTime,
    MinOverTime,
    MaxOverTime,
    SumOverTime,
    CountOverTime,
    LastOverTime,
    ClampMax,
    ClampMin,
    Clamp,
    LabelReplace,
    Abs,
    Ceil,
    Floor,
    Round,
    Scalar,
    Vector,
    Time,
}

/// Type of an expression or an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Scalar,
    Vector,
    Range,
    Text,
}

impl Type {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Range => "range vector",
            Self::Text => "string",
        }
    }
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "rate" => Self::Rate,
            "irate" => Self::Irate,
            "increase" => Self::Increase,
            "delta" => Self::Delta,
            "avg_over_time" => Self::AvgOverTime,
            "min_over_time" => Self::MinOverTime,
            "max_over_time" => Self::MaxOverTime,
            "sum_over_time" => Self::SumOverTime,
            "count_over_time" => Self::CountOverTime,
            "last_over_time" => Self::LastOverTime,
            "clamp_max" => Self::ClampMax,
            "clamp_min" => Self::ClampMin,
            "clamp" => Self::Clamp,
            "label_replace" => Self::LabelReplace,
            "abs" => Self::Abs,
            "ceil" => Self::Ceil,
            "floor" => Self::Floor,
            "round" => Self::Round,
            "scalar" => Self::Scalar,
            "vector" => Self::Vector,
            "time" => Self::Time,
            _ => return None,
        })
    }

    /// Types of the arguments, all of which are needed.
    pub(super) fn arguments(self) -> &'static [Type] {
        match self {
            Self::Rate
            | Self::Irate
            | Self::Increase
            | Self::Delta
            | Self::AvgOverTime
            | Self::MinOverTime
            | Self::MaxOverTime
            | Self::SumOverTime
            | Self::CountOverTime
            | Self::LastOverTime => &[Type::Range],
            Self::ClampMax | Self::ClampMin => &[Type::Vector, Type::Scalar],
            Self::Clamp => &[Type::Vector, Type::Scalar, Type::Scalar],
            Self::LabelReplace => &[Type::Vector, Type::Text, Type::Text, Type::Text, Type::Text],
            Self::Abs | Self::Ceil | Self::Floor | Self::Round | Self::Scalar => &[Type::Vector],
            Self::Vector => &[Type::Scalar],
            Self::Time => &[],
        }
    }

    pub(super) fn result(self) -> Type {
        if matches!(self, Self::Scalar | Self::Time) { Type::Scalar } else { Type::Vector }
    }
}

impl Expr {
    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Number(_) => Type::Scalar,
            Self::Text(_) => Type::Text,
            Self::Selector(selector) if selector.range_s.is_some() => Type::Range,
            Self::Selector(_) | Self::Aggregate { .. } => Type::Vector,
            Self::Call { function, .. } => function.result(),
            Self::Negate(of) => of.kind(),
            Self::Binary { left, right, .. } => {
                if left.kind() == Type::Scalar && right.kind() == Type::Scalar {
                    Type::Scalar
                } else {
                    Type::Vector
                }
            }
        }
    }
}
