//! Bodies that are files: what a client of a service sends and receives besides JSON text.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;

/// Is told how many bytes of a body the connection has taken.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// A body that is a file.
#[derive(Clone)]
pub struct File {
    /// Media type, e.g. `application/wasm`.
    pub content_type: String,
    /// What is in it.
    pub bytes: Bytes,
    /// Who wants to know how far it is.
    pub progress: Option<Progress>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("content_type", &self.content_type)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// How much is handed to the connection at a time.
const PIECE: usize = 64 << 10;

/// What a request carries.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// JSON text.
    Json(Bytes),
    /// A file.
    File(File),
}

impl From<Body> for reqwest::Body {
    fn from(body: Body) -> Self {
        match body {
            Body::Json(text) => text.into(),
            Body::File(File { bytes, progress: None, .. }) => bytes.into(),
            Body::File(File { bytes, progress: Some(progress), .. }) => {
                let total = bytes.len();
                let pieces = (0..total).step_by(PIECE).map(move |start| {
                    let end = total.min(start + PIECE);
                    progress(end as u64);
                    Ok::<_, std::io::Error>(bytes.slice(start..end))
                });
                Self::wrap_stream(stream::iter(pieces))
            }
        }
    }
}
