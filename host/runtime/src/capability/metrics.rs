//! `watcher:metrics`: statistics from the configured datasources. Everything a strategy sees is recorded.

use std::sync::Arc;

use watcher_domain::limits::LimitName;
use watcher_domain::metric::{Aggregate, ResourceKind, StatisticQuery};
use watcher_domain::recording::Seen;
use watcher_domain::{Blame, Failure};

use crate::bindings::imports::watcher::metrics::metrics::{self, Host, Samples};
use crate::bindings::imports::watcher::types::types;
use crate::call::{Call, Outside, Stop, TEXT_BYTES, lower, nothing_there};
use crate::capability::log::cut;

/// Longer names are no metric's.
const NAME_BYTES: usize = 255;

/// Longest period in seconds: a year. What a datasource does for a longer one is others' business, too.
const LONGEST_S: f64 = 366.0 * 86_400.0;

/// Bytes of one sample.
const SAMPLE_BYTES: usize = size_of::<u32>() + size_of::<f64>();
/// Bytes that a question takes in a recording besides its texts and samples.
const QUESTION_BYTES: usize = size_of::<Seen>();

fn query(
    metric: String,
    kind: metrics::ResourceKind,
    aggregate: &str,
    period_s: f64,
    granularity_s: f64,
) -> Result<StatisticQuery, Failure> {
    let invalid = |message: String| Failure::new(Blame::Plugin, "invalid-query", message);
    if metric.is_empty() || metric.len() > NAME_BYTES {
        return Err(invalid(format!("a metric name has 1 to {NAME_BYTES} bytes")));
    }
    let aggregate = Aggregate::ALL.iter().find(|known| known.as_str() == aggregate).copied().ok_or_else(|| {
        invalid(format!("there is no aggregate {:?}; there are mean, min, max, count", cut(aggregate, 80)))
    })?;
    for (name, seconds) in [("period", period_s), ("granularity", granularity_s)] {
        if !seconds.is_finite() || seconds <= 0.0 || seconds > LONGEST_S {
            let message = format!("the {name} is {seconds} s, and must be greater than 0 and at most {LONGEST_S}");
            return Err(invalid(message));
        }
    }
    let kind = match kind {
        metrics::ResourceKind::ComputeNode => ResourceKind::ComputeNode,
        metrics::ResourceKind::Instance => ResourceKind::Instance,
    };
    Ok(StatisticQuery { metric, kind, aggregate, period_s, granularity_s })
}

impl Host for Call {
    async fn statistic(
        &mut self,
        metric: String,
        kind: metrics::ResourceKind,
        aggregate: String,
        period_s: f64,
        granularity_s: f64,
    ) -> wasmtime::Result<Result<Samples, types::Failure>> {
        self.enter(metric.len() + aggregate.len()).await?;
        let Outside::Decision(decision) = &self.outside else { return Ok(Err(nothing_there("a metric"))) };
        let Some(source) = &decision.sources else { return Ok(Err(nothing_there("a metric"))) };
        let (model, time) = (Arc::clone(&decision.model), decision.time);
        let source = source.clone();
        let query = match query(metric, kind, &aggregate, period_s, granularity_s) {
            Ok(query) => query,
            Err(failure) => return Ok(Err(lower(failure))),
        };
        if let Err(hit) = self.count_request() {
            debug_assert_eq!(hit.limit, LimitName::Requests);
            return Err(self.end(Stop::Limit(hit)));
        }
        let answer = if source.datasource.has(&query.metric) {
            match source.turn(&self.limits).await {
                Ok(()) => source.datasource.statistic(&query, &model, time).await,
                Err(failure) => Err(failure),
            }
        } else {
            let message = format!("no datasource has the metric {}", query.metric);
            Err(Failure::new(Blame::Service, "metric-not-available", message))
        };
        let (result, bytes) = match &answer {
            Ok(samples) => {
                let bytes = samples.rows.len() * SAMPLE_BYTES;
                (Ok(Samples { rows: samples.rows.clone(), values: samples.values.clone() }), bytes)
            }
            Err(failure) => (Err(lower(failure.clone())), failure.code.len() + failure.message.len()),
        };
        self.moved(bytes);
        self.keep(QUESTION_BYTES + query.metric.len() + bytes)?;
        source.recorder.record(Seen::Statistic { query, answer });
        Ok(result)
    }

    async fn available(&mut self, metrics: Vec<String>) -> wasmtime::Result<Vec<bool>> {
        let bytes: usize = metrics.iter().map(|metric| metric.len() + TEXT_BYTES).sum();
        self.enter(bytes).await?;
        self.keep(QUESTION_BYTES + bytes + metrics.len())?;
        let Some(source) = self.sources() else { return Ok(vec![false; metrics.len()]) };
        let answer: Vec<bool> = metrics.iter().map(|metric| source.datasource.has(metric)).collect();
        source.recorder.record(Seen::Available { metrics, answer: answer.clone() });
        Ok(answer)
    }
}
