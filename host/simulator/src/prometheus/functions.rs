//! The functions of PromQL that are supported.

use std::collections::HashSet;

use regex::Regex;

use super::QueryError;
use super::ast::Function;
use super::eval::{Past, Sample, Value, map};
use super::series::Labels;
use super::signal::{SCRAPE_S, Signal, Span, World};

/// Applies a function; number and types of the arguments have been checked.
pub(super) fn call(
    world: World<'_>,
    function: Function,
    arguments: Vec<Value>,
    time: f64,
) -> Result<Value, QueryError> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().unwrap_or(Value::Scalar(f64::NAN));
    let samples = match function {
        Function::Rate
        | Function::Irate
        | Function::Increase
        | Function::Delta
        | Function::AvgOverTime
        | Function::MinOverTime
        | Function::MaxOverTime
        | Function::SumOverTime
        | Function::CountOverTime
        | Function::LastOverTime => over_range(world, function, next().range()),
        Function::ClampMax => {
            let (vector, most) = (next().vector(), next().scalar());
            map(vector, |value| clamp(value, f64::NEG_INFINITY, most))
        }
        Function::ClampMin => {
            let (vector, least) = (next().vector(), next().scalar());
            map(vector, |value| clamp(value, least, f64::INFINITY))
        }
        Function::Clamp => {
            let (vector, least, most) = (next().vector(), next().scalar(), next().scalar());
            if least > most { Vec::new() } else { map(vector, |value| clamp(value, least, most)) }
        }
        Function::LabelReplace => {
            let vector = next().vector();
            label_replace(vector, &next().text(), &next().text(), &next().text(), &next().text())?
        }
        Function::Abs => map(next().vector(), f64::abs),
        Function::Ceil => map(next().vector(), f64::ceil),
        Function::Floor => map(next().vector(), f64::floor),
        Function::Round => map(next().vector(), |value| (value + 0.5).floor()),
        Function::Vector => {
            vec![Sample { name: None, labels: Labels::new(Vec::new()), value: next().scalar() }]
        }
        Function::Scalar => {
            let vector = next().vector();
            return Ok(Value::Scalar(if let [only] = vector.as_slice() { only.value } else { f64::NAN }));
        }
        Function::Time => return Ok(Value::Scalar(time)),
    };
    Ok(Value::Vector(samples))
}

/// NaN stays NaN.
fn clamp(value: f64, least: f64, most: f64) -> f64 {
    if value.is_nan() || least.is_nan() || most.is_nan() { f64::NAN } else { value.min(most).max(least) }
}

fn over_range(world: World<'_>, function: Function, past: Vec<Past>) -> Vec<Sample> {
    past.into_iter()
        .map(|Past { name, labels, signal, span }| {
            // The last value is still a value of the series, all else is something new.
            let name = (function == Function::LastOverTime).then_some(name);
            Sample { name, labels, value: of_signal(world, function, signal, span) }
        })
        .collect()
}

fn of_signal(world: World<'_>, function: Function, signal: Signal, span: Span) -> f64 {
    let ends = || (world.at(signal, span.from), world.at(signal, span.to));
    match function {
        Function::Rate => world.rate(signal, span),
        Function::Irate => world.rate(signal, Span { from: (span.to - SCRAPE_S).max(span.from), to: span.to }),
        Function::Increase | Function::Delta => world.rate(signal, span) * span.seconds(),
        Function::AvgOverTime => world.mean(signal, span),
        // Gauges stand still and counters only grow: the extremes are at the ends.
        Function::MinOverTime => ends().0.min(ends().1),
        Function::MaxOverTime => ends().0.max(ends().1),
        Function::SumOverTime => world.mean(signal, span) * span.scrapes(),
        Function::CountOverTime => span.scrapes(),
        _ => world.at(signal, span.to),
    }
}

fn label_replace(
    samples: Vec<Sample>,
    target: &str,
    replacement: &str,
    source: &str,
    pattern: &str,
) -> Result<Vec<Sample>, QueryError> {
    let valid = target.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && target.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    if !valid {
        return Err(QueryError::execution(format!("invalid destination label name in label_replace(): {target}")));
    }
    let regex = Regex::new(&format!("^(?s:{pattern})$"))
        .map_err(|_| QueryError::execution(format!("invalid regular expression in label_replace(): {pattern}")))?;
    let mut seen = HashSet::with_capacity(samples.len());
    samples
        .into_iter()
        .map(|mut sample| {
            let value =
                if source == "__name__" { sample.name.as_deref().unwrap_or("") } else { sample.labels.get(source) };
            if let Some(captures) = regex.captures(value) {
                let mut replaced = String::new();
                captures.expand(replacement, &mut replaced);
                if target == "__name__" {
                    sample.name = Some(replaced.as_str().into()).filter(|_| !replaced.is_empty());
                } else {
                    sample.labels = sample.labels.with(target, &replaced);
                }
            }
            if seen.insert((sample.name.clone(), sample.labels.clone())) {
                Ok(sample)
            } else {
                Err(QueryError::execution("vector cannot contain metrics with the same labelset"))
            }
        })
        .collect()
}
