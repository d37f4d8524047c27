//! `watcher:openstack`: requests of action handlers.

use serde::de::IgnoredAny;
use watcher_domain::cloud::{CloudRequest, Method};
use watcher_domain::{Blame, Failure};

use crate::bindings::imports::watcher::openstack::requests::{Host, Request, Response};
use crate::bindings::imports::watcher::types::types;
use crate::call::{Call, Outside, TEXT_BYTES, lower, nothing_there};
use crate::capability::log::cut;

fn checked(request: Request) -> Result<CloudRequest, Failure> {
    let invalid = |message: String| Failure::new(Blame::Plugin, "invalid-request", message);
    let method = Method::ALL.iter().find(|method| method.as_str() == request.method).copied();
    let method = method.ok_or_else(|| {
        let known = Method::ALL.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
        invalid(format!("there is no method {:?}; there are {known}", cut(&request.method, 20)))
    })?;
    if let Some(body) = &request.body {
        serde_json::from_str::<IgnoredAny>(body).map_err(|error| invalid(format!("the body is not JSON: {error}")))?;
    }
    let request = CloudRequest {
        service_type: request.service_type,
        method,
        path: request.path,
        query: request.query,
        body: request.body,
        microversion: request.microversion,
    };
    request.check().map_err(|error| invalid(error.to_string()))?;
    Ok(request)
}

fn size(request: &Request) -> usize {
    let query: usize = request.query.iter().map(|(key, value)| key.len() + value.len() + 2 * TEXT_BYTES).sum();
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    request.service_type.len()
        + request.method.len()
        + request.path.len()
        + query
        + optional(&request.body)
        + optional(&request.microversion)
}

impl Host for Call {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, types::Failure>> {
        self.enter(size(&request)).await?;
        let request = match checked(request) {
            Ok(request) => request,
            Err(failure) => return Ok(Err(lower(failure))),
        };
        if matches!(self.outside, Outside::Nothing | Outside::Decision(_)) {
            return Ok(Err(nothing_there("a request")));
        }
        if let Err(hit) = self.count_request() {
            return Ok(Err(lower(Failure::new(Blame::Plugin, "too-many-requests", hit.to_string()))));
        }
        let Outside::Handler(handler) = &mut self.outside else { return Ok(Err(nothing_there("a request"))) };
        match handler.send(request).await {
            Ok(Ok(response)) => {
                Ok(Ok(Response { status: response.status, headers: response.headers, body: response.body }))
            }
            Ok(Err(failure)) => Ok(Err(lower(failure))),
            Err(stop) => Err(self.end(stop)),
        }
    }
}
