//! Keystone sessions, and one bounded way to send a request to a cloud: the only HTTP client.
//!
//! [`session::Session`] logs the service user in, keeps its token, finds endpoints in the catalogue and carries
//! [`watcher_domain::cloud::CloudRequest`]s; a credential never leaves this room, and no answer tells where a service is.
//! [`validator::TokenValidator`] says whose token an API caller has.
//! [`plain::PlainService`] reaches what is not in the catalogue. What the requests mean is not known here.

pub mod catalog;
pub mod credentials;
pub mod error;
mod http;
mod keystone;
pub mod plain;
pub mod session;
pub mod transfer;
pub mod validator;

pub use catalog::Interface;
pub use credentials::{Credentials, DomainName, ProjectName, Scope, Secret, UserName};
pub use error::{Error, UnknownService};
pub use http::{Answer, HttpLimits};
pub use plain::PlainService;
pub use session::{Session, SessionOptions};
pub use transfer::{File, Progress};
pub use validator::{TokenError, TokenValidator, ValidToken, ValidatorOptions};
