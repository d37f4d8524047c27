//! Counts what was asked, so that a test can say how often.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use http::Method;
use serde::Serialize;

use crate::faults::ServiceName;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    service: &'static str,
    method: &'static str,
    path: String,
}

/// Number of requests by service, method and path template. Templates and methods are closed sets, so it stays small.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    counts: Mutex<BTreeMap<Key, u64>>,
    total: AtomicU64,
}

/// One line of the report.
#[derive(Debug, Serialize)]
pub(crate) struct RequestCount {
    service: &'static str,
    method: &'static str,
    path: String,
    count: u64,
}

impl RequestLog {
    /// Counts a request and gives it a number.
    pub(crate) fn count(&self, service: Option<ServiceName>, method: &Method, template: Option<&str>) -> u64 {
        if let Some(service) = service {
            let key = Key {
                service: service.as_str(),
                method: name(method),
                path: template.unwrap_or("(unknown)").to_owned(),
            };
            *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
        }
        self.total.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn report(&self) -> Vec<RequestCount> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|(key, &count)| RequestCount {
                service: key.service,
                method: key.method,
                path: key.path.clone(),
                count,
            })
            .collect()
    }

    pub(crate) fn clear(&self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}
