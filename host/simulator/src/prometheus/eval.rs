//! Evaluates a query at one time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::QueryError;
use super::ast::{Aggregation, Expr, Grouping, Matcher, Selector, Test};
use super::functions;
use super::matching::combine;
use super::series::{Labels, Metric, Series};
use super::signal::{Signal, Span, World};
use crate::number::float_len;

/// One element of an instant vector.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// The metric, until an operation takes the name away.
    pub(super) name: Option<Arc<str>>,
    pub(super) labels: Labels,
    pub(super) value: f64,
}

/// One element of a range vector.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) name: Arc<str>,
    pub(super) labels: Labels,
    pub(super) signal: Signal,
    pub(super) span: Span,
}

/// Result of an expression.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar(f64),
    Vector(Vec<Sample>),
    Range(Vec<Past>),
    Text(String),
}

impl Value {
    /// The vector; the parser has checked the type.
    pub(super) fn vector(self) -> Vec<Sample> {
        if let Self::Vector(samples) = self { samples } else { Vec::new() }
    }

    pub(super) fn scalar(&self) -> f64 {
        if let Self::Scalar(number) = self { *number } else { f64::NAN }
    }

    pub(super) fn range(self) -> Vec<Past> {
        if let Self::Range(past) = self { past } else { Vec::new() }
    }

    pub(super) fn text(self) -> String {
        if let Self::Text(text) = self { text } else { String::new() }
    }
}

impl World<'_> {
    /// The value of an expression at `time`, in seconds since the epoch.
    pub(super) fn eval(self, expr: &Expr, time: f64) -> Result<Value, QueryError> {
        match expr {
            Expr::Number(number) => Ok(Value::Scalar(*number)),
            Expr::Text(text) => Ok(Value::Text(text.clone())),
            Expr::Selector(selector) => Ok(self.select(selector, time)),
            Expr::Negate(of) => Ok(match self.eval(of, time)? {
                Value::Scalar(number) => Value::Scalar(-number),
                other => Value::Vector(map(other.vector(), |value| -value)),
            }),
            Expr::Aggregate { operator, grouping, of } => {
                Ok(Value::Vector(aggregate(*operator, grouping, self.eval(of, time)?.vector())))
            }
            Expr::Call { function, arguments } => {
                let values =
                    arguments.iter().map(|argument| self.eval(argument, time)).collect::<Result<Vec<_>, _>>()?;
                functions::call(self, *function, values, time)
            }
            Expr::Binary { operator, matching, left, right } => {
                combine(*operator, matching, self.eval(left, time)?, self.eval(right, time)?)
            }
        }
    }

    fn select(self, selector: &Selector, time: f64) -> Value {
        let to = time - selector.offset_s;
        match selector.range_s {
            None => {
                let mut samples = Vec::new();
                self.for_each(&selector.matchers, |metric, series| {
                    samples.push(Sample {
                        name: Some(Arc::clone(&metric.name)),
                        labels: series.labels.clone(),
                        value: self.at(series.signal, to),
                    });
                });
                Value::Vector(samples)
            }
            Some(range_s) => {
                let span = Span { from: to - range_s, to };
                let mut past = Vec::new();
                self.for_each(&selector.matchers, |metric, series| {
                    past.push(Past {
                        name: Arc::clone(&metric.name),
                        labels: series.labels.clone(),
                        signal: series.signal,
                        span,
                    });
                });
                Value::Range(past)
            }
        }
    }

    /// Visits the series that all matchers take.
    pub(super) fn for_each(self, matchers: &[Matcher], mut visit: impl FnMut(&Metric, &Series)) {
        let (by_name, by_label): (Vec<&Matcher>, Vec<&Matcher>) =
            matchers.iter().partition(|matcher| matcher.label == "__name__");
        let exact =
            by_name.iter().find_map(|matcher| if let Test::Equal(name) = &matcher.test { Some(name) } else { None });
        let takes_name = |metric: &&Metric| by_name.iter().all(|matcher| matcher.test.takes(&metric.name));
        let metrics: Vec<&Metric> = match exact {
            Some(name) => self.store.named(name).filter(takes_name).into_iter().collect(),
            None => self.store.metrics().filter(takes_name).collect(),
        };
        for metric in metrics {
            let takes =
                |series: &&Series| by_label.iter().all(|matcher| matcher.test.takes(series.labels.get(&matcher.label)));
            let key = by_label.iter().find_map(|matcher| match &matcher.test {
                Test::Equal(value) if matcher.label == metric.key && !value.is_empty() => Some(value),
                _ => None,
            });
            match key {
                Some(value) => metric.with_key(value).filter(takes).for_each(|series| visit(metric, series)),
                None => metric.series.iter().filter(takes).for_each(|series| visit(metric, series)),
            }
        }
    }
}

/// Another value for every sample; the name does not describe it any more.
pub(super) fn map(samples: Vec<Sample>, change: impl Fn(f64) -> f64) -> Vec<Sample> {
    samples.into_iter().map(|sample| Sample { name: None, value: change(sample.value), ..sample }).collect()
}

struct Group {
    labels: Labels,
    sum: f64,
    min: f64,
    max: f64,
    count: usize,
}

fn aggregate(operator: Aggregation, grouping: &Grouping, samples: Vec<Sample>) -> Vec<Sample> {
    let mut groups: Vec<Group> = Vec::new();
    let mut index: HashMap<Labels, usize> = HashMap::new();
    for Sample { labels, value, .. } in samples {
        let kept = match grouping {
            Grouping::By(names) => labels.filter(|label| names.iter().any(|name| name == label)),
            Grouping::Without(names) => labels.filter(|label| !names.iter().any(|name| name == label)),
        };
        match index.entry(kept) {
            Entry::Occupied(known) => {
                let group = &mut groups[*known.get()];
                group.sum += value;
                // A number beats NaN, as in Prometheus.
                group.min = group.min.min(value);
                group.max = group.max.max(value);
                group.count += 1;
            }
            Entry::Vacant(new) => {
                groups.push(Group { labels: new.key().clone(), sum: value, min: value, max: value, count: 1 });
                new.insert(groups.len() - 1);
            }
        }
    }
    groups
        .into_iter()
        .map(|group| {
            let value = match operator {
                Aggregation::Sum => group.sum,
                Aggregation::Avg => group.sum / float_len(group.count),
                Aggregation::Min => group.min,
                Aggregation::Max => group.max,
                Aggregation::Count => float_len(group.count),
                Aggregation::Group => 1.0,
            };
            Sample { name: None, labels: group.labels, value }
        })
        .collect()
}
