//! Operators between scalars and vectors.

use std::collections::{HashMap, HashSet};

use super::QueryError;
use super::ast::{Matching, Operator, Side};
use super::eval::{Sample, Value};
use super::series::Labels;

/// Applies an operator; the parser has checked which types may meet.
pub(super) fn combine(operator: Operator, matching: &Matching, left: Value, right: Value) -> Result<Value, QueryError> {
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Ok(Value::Scalar(operator.apply(left, right))),
        (Value::Vector(samples), Value::Scalar(number)) => {
            Ok(Value::Vector(with_scalar(operator, matching, samples, |value| (value, number))))
        }
        (Value::Scalar(number), Value::Vector(samples)) => {
            Ok(Value::Vector(with_scalar(operator, matching, samples, |value| (number, value))))
        }
        (left, right) => {
            let (left, right) = (left.vector(), right.vector());
            if operator.is_set() {
                return Ok(Value::Vector(sets(operator, matching, left, right)));
            }
            vectors(operator, matching, left, right).map(Value::Vector)
        }
    }
}

fn with_scalar(
    operator: Operator,
    matching: &Matching,
    samples: Vec<Sample>,
    sides: impl Fn(f64) -> (f64, f64),
) -> Vec<Sample> {
    let filters = operator.is_comparison() && !matching.bool_result;
    samples
        .into_iter()
        .filter_map(|sample| {
            let (left, right) = sides(sample.value);
            let result = operator.apply(left, right);
            if filters {
                (result > 0.0).then_some(sample)
            } else {
                Some(Sample { name: None, value: result, ..sample })
            }
        })
        .collect()
}

impl Matching {
    /// The labels by which two samples find each other.
    fn signature(&self, labels: &Labels) -> Labels {
        match &self.labels {
            None => labels.clone(),
            Some((true, names)) => labels.filter(|label| names.iter().any(|name| name == label)),
            Some((false, names)) => labels.filter(|label| !names.iter().any(|name| name == label)),
        }
    }
}

fn vectors(
    operator: Operator,
    matching: &Matching,
    left: Vec<Sample>,
    right: Vec<Sample>,
) -> Result<Vec<Sample>, QueryError> {
    // With group_right the many are on the right; else they, or the only ones, are on the left.
    let right_is_many = matches!(matching.group, Some((Side::Right, _)));
    let (many, one) = if right_is_many { (right, left) } else { (left, right) };
    let mut partners: HashMap<Labels, &Sample> = HashMap::with_capacity(one.len());
    for sample in &one {
        if partners.insert(matching.signature(&sample.labels), sample).is_some() {
            return Err(QueryError::execution(
                "found duplicate series for the match group on one side of the operation; many-to-many matching not \
                 allowed: matching labels must be unique on one side",
            ));
        }
    }
    let mut used: HashSet<Labels> = HashSet::new();
    let mut results = Vec::with_capacity(many.len());
    for sample in many {
        let signature = matching.signature(&sample.labels);
        let Some(partner) = partners.get(&signature) else { continue };
        let (left, right) = if right_is_many { (partner.value, sample.value) } else { (sample.value, partner.value) };
        let result = operator.apply(left, right);
        let filters = operator.is_comparison() && !matching.bool_result;
        if filters && result <= 0.0 {
            continue;
        }
        let labels = match &matching.group {
            Some((_, taken)) => {
                taken.iter().fold(sample.labels.clone(), |labels, name| labels.with(name, partner.labels.get(name)))
            }
            None if used.contains(&signature) => {
                return Err(QueryError::execution(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                ));
            }
            // A filter keeps the left side as it is.
            None if filters => sample.labels.clone(),
            None => signature.clone(),
        };
        used.insert(signature);
        let (name, value) = if filters { (sample.name, left) } else { (None, result) };
        results.push(Sample { name, labels, value });
    }
    Ok(results)
}

fn sets(operator: Operator, matching: &Matching, left: Vec<Sample>, right: Vec<Sample>) -> Vec<Sample> {
    let signatures = |samples: &[Sample]| -> HashSet<Labels> {
        samples.iter().map(|sample| matching.signature(&sample.labels)).collect()
    };
    if operator == Operator::Or {
        let known = signatures(&left);
        let more = right.into_iter().filter(|sample| !known.contains(&matching.signature(&sample.labels)));
        return left.into_iter().chain(more).collect();
    }
    let known = signatures(&right);
    let wanted = operator == Operator::And;
    left.into_iter().filter(|sample| known.contains(&matching.signature(&sample.labels)) == wanted).collect()
}
