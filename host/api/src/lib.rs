//! The REST API of service type infra-optim: what clients of Watcher speak.
//!
//! [`router`] puts it together. One directory per resource below `v1`, one file per operation; a handler reads its request, records
//! what is wanted in the database, says so on the bus and answers. It never computes. Read `error` for what is answered instead of a
//! result, and `docs/compatibility.md` for where the answers differ from the original's.

mod arguments;
mod auth;
mod body;
mod context;
mod cors;
mod docs;
mod error;
mod invalid;
mod link;
mod microversion;
mod multipart;
mod openapi;
mod parameters;
mod patch;
mod patched;
mod path;
mod policy;
mod recent;
mod request_id;
mod router;
mod scope;
mod serve;
mod state;
mod target;
mod text;
mod time;
mod upload;
mod v1;
mod versions;

pub use auth::{AuthError, Authentication, Caller, ServiceCaller, TokenCheck};
pub use cors::CorsOptions;
pub use openapi::document as openapi_document;
pub use policy::{
    Attribute, Check, Constant, Effective, Finding, Override, ParseError, Policy, Problem, Rule, RuleError, RuleSet,
    Target, Template, Unused, Wanted,
};
pub use router::router;
pub use serve::{ConnectionLimits, serve};
pub use state::{ApiOptions, ApiState, Places, Probe, ProbeError, Requirements};
