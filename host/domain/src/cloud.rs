//! Requests to services of a cloud, and which of them are well-formed. Which may be sent: [`Permission`].

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::grant::RequestPattern;
pub use crate::permission::{Grant, GrantedVersion, GrantedVersions, NotPermitted, Permission};
use crate::state::named_enum;

named_enum! {
    /// HTTP methods that a plugin may use.
    Method {
        /// Reads.
        Get = "GET",
        /// Reads without a body.
        Head = "HEAD",
        /// Creates or acts.
        Post = "POST",
        /// Replaces.
        Put = "PUT",
        /// Changes.
        Patch = "PATCH",
        /// Removes.
        Delete = "DELETE",
    }
}

impl Method {
    /// Whether repeating the request can do no harm, because it only reads.
    pub const fn is_safe(self) -> bool {
        match self {
            Self::Get | Self::Head => true,
            Self::Post | Self::Put | Self::Patch | Self::Delete => false,
        }
    }
}

/// Most bytes of a query, decoded.
const MAX_QUERY: usize = 16 << 10;

/// A request without endpoint and credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudRequest {
    /// Service type of the catalogue, e.g. `compute`.
    pub service_type: String,
    /// Method.
    pub method: Method,
    /// Path below the endpoint; see [`CloudRequest::check`].
    pub path: String,
    /// Query parameters, decoded.
    pub query: Vec<(String, String)>,
    /// JSON text.
    pub body: Option<String>,
    /// API microversion, e.g. `2.56`.
    pub microversion: Option<String>,
}

/// Why a request is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// The path could lead elsewhere than it says.
    #[error("path {path:?} {reason}")]
    Path {
        /// The path, shortened.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The query is too long.
    #[error("the query has {bytes} bytes; at most {MAX_QUERY} are sent")]
    Query {
        /// Bytes of all keys and values.
        bytes: usize,
    },
    /// A placeholder of a pattern that is no name.
    #[error(
        "path {path:?} has the placeholder {placeholder:?}, whose name must be a lower-case letter, then lower-case letters, digits and _"
    )]
    Placeholder {
        /// The path, shortened.
        path: String,
        /// The placeholder, with its braces, shortened.
        placeholder: String,
    },
    /// Service type or microversion with characters that do not belong there.
    #[error("{what} {text:?} is not allowed")]
    Text {
        /// As `service type`, `microversion` or `query key`.
        what: &'static str,
        /// The text, shortened.
        text: String,
    },
}

impl CloudRequest {
    /// Checks that the path stays below the endpoint: it begins with `/`, has no empty, `.` or `..` segment, and no character but
    /// unreserved ones, `:`, `@`, `,`, `=`, `+` and percent escapes of others than `/`, `\`, `.` and control characters. Checks lengths, too.
    pub fn check(&self) -> Result<(), InvalidRequest> {
        let bad = |reason| Err(InvalidRequest::Path { path: shorten(&self.path), reason });
        let Some(rest) = self.path.strip_prefix('/') else { return bad("does not begin with /") };
        if self.path.len() > 2048 {
            return bad("is longer than 2048 bytes");
        }
        for segment in rest.split('/') {
            if segment.is_empty() && !rest.is_empty() {
                return bad("has an empty segment");
            }
            if segment == "." || segment == ".." {
                return bad("has a segment of dots");
            }
            let mut bytes = segment.bytes();
            while let Some(byte) = bytes.next() {
                match byte {
                    b'a'..=b'z'
                    | b'A'..=b'Z'
                    | b'0'..=b'9'
                    | b'-'
                    | b'.'
                    | b'_'
                    | b'~'
                    | b':'
                    | b'@'
                    | b','
                    | b'='
                    | b'+' => {}
                    b'%' => {
                        let code = [bytes.next(), bytes.next()];
                        let value = match code {
                            [Some(high), Some(low)] => std::str::from_utf8(&[high, low])
                                .ok()
                                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
                            _ => None,
                        };
                        match value {
                            None => return bad("has a broken percent escape"),
                            Some(b'/' | b'\\' | b'.' | b'%' | 0..=0x1f | 0x7f) => {
                                return bad("hides a special character");
                            }
                            Some(_) => {}
                        }
                    }
                    _ => return bad("has a character that must be escaped"),
                }
            }
        }
        let bytes = self.query.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > MAX_QUERY {
            return Err(InvalidRequest::Query { bytes });
        }
        let word = |text: &str, extra: &str| {
            !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
        };
        if !word(&self.service_type, "-_") {
            return Err(InvalidRequest::Text { what: "service type", text: shorten(&self.service_type) });
        }
        if let Some(version) = &self.microversion
            && !word(version, ".")
        {
            return Err(InvalidRequest::Text { what: "microversion", text: shorten(version) });
        }
        Ok(())
    }
}

pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(120).collect()
}

impl fmt::Display for CloudRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, self.service_type, self.path)
    }
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudResponse {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case; none carries a credential or an address.
    pub headers: Vec<(String, String)>,
    /// Body text.
    pub body: String,
}
