//! How requests to an S3 service travel: over the HTTP client that the other rooms use, with bounds.

use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};

use crate::error::OpenError;

/// Largest answer that is no blob: an error, or a list of them.
const LARGEST_MESSAGE: usize = 64 << 10;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// The client.
#[derive(Debug, Clone)]
pub(crate) struct Connector(reqwest::Client);

impl Connector {
    pub(crate) fn new(timeout: Duration, ca: Option<&[u8]>) -> Result<Self, OpenError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("watcher-host/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(timeout.min(CONNECT))
            .timeout(timeout)
            .no_proxy()
            .referer(false);
        if let Some(pem) = ca {
            let bad = |error: reqwest::Error| OpenError::Option { option: "cacert", reason: error.to_string() };
            for certificate in reqwest::Certificate::from_pem_bundle(pem).map_err(bad)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|error| OpenError::Option {
            option: "TLS",
            reason: format!("{error}: the HTTP client cannot start"),
        })?;
        Ok(Self(client))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = parts
            .uri
            .to_string()
            .parse()
            .map_err(|error| HttpError::new::<url::ParseError>(HttpErrorKind::Unknown, error))?;
        // Only what is asked for with GET is large; whoever asks for it counts its bytes.
        let is_blob = parts.method == reqwest::Method::GET;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(body));
        let response = self.0.execute(request).await.map_err(trouble)?;
        let limit = if is_blob && response.status().is_success() { usize::MAX } else { LARGEST_MESSAGE };
        let response: http::Response<reqwest::Body> = response.into();
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, limit).map_err(|error| match error.downcast::<reqwest::Error>() {
            Ok(error) => trouble(*error),
            Err(error) => HttpError::new_boxed(HttpErrorKind::Decode, error),
        });
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// Without its URL, which the log names once.
fn trouble(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else {
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, error)
}
