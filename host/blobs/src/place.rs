//! Where blobs are, in one text without credentials.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use crate::error::OpenError;

/// Longest text of a place.
const LONGEST: usize = 1024;

/// A place for blobs. Its text is always written the same way, so that rows can be compared by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// Part of a bucket.
    Bucket {
        /// Its name.
        bucket: String,
        /// What names begin with, without slashes at its ends; may be empty.
        prefix: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => match Url::from_file_path(path) {
                Ok(url) => f.write_str(url.as_str()),
                Err(()) => write!(f, "file://{}", path.display()),
            },
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl std::str::FromStr for Place {
    type Err = OpenError;

    fn from_str(text: &str) -> Result<Self, OpenError> {
        parse(text).map_err(|reason| {
            // What stands before an `@` may be a password.
            let shown = text.rsplit('@').next().unwrap_or_default().chars().take(200).collect();
            OpenError::Place { text: shown, reason }
        })
    }
}

fn parse(text: &str) -> Result<Place, &'static str> {
    if text.len() > LONGEST {
        return Err("it is too long");
    }
    let url = Url::parse(text)
        .map_err(|_| "it is no address such as file:///var/lib/watcher/plugins or s3://bucket/prefix")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong into it");
    }
    if url.query().is_some() || url.fragment().is_some() || url.port().is_some() {
        return Err("it has a port, a query or a fragment");
    }
    match url.scheme() {
        "file" => {
            let path =
                url.to_file_path().map_err(|()| "it names another host: a folder has three slashes, file:///…")?;
            let path: PathBuf = Path::new("/").join(path).components().collect();
            if path == Path::new("/") { Err("it is the root folder") } else { Ok(Place::Folder(path)) }
        }
        "s3" => {
            let bucket = url.host_str().filter(|host| !host.is_empty()).ok_or("it names no bucket")?.to_owned();
            let prefix: Vec<&str> = url.path().split('/').filter(|part| !part.is_empty()).collect();
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if !bucket.bytes().all(is_plain) || !prefix.iter().all(|part| part.bytes().all(is_plain)) {
                return Err("bucket and prefix are made of letters, digits, `-`, `_` and `.`");
            }
            Ok(Place::Bucket { bucket, prefix: prefix.join("/") })
        }
        _ => Err("it is neither file:// nor s3://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_always_written_the_same_way() {
        for (text, want) in [
            ("file:///var/lib/watcher/plugins/", "file:///var/lib/watcher/plugins"),
            ("file:///var/lib/./watcher//plugins", "file:///var/lib/watcher/plugins"),
            ("file:///var/lib/my%20plugins", "file:///var/lib/my%20plugins"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("s3://bucket//one/two/", "s3://bucket/one/two"),
        ] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), want);
            assert_eq!(want.parse::<Place>().unwrap(), place);
        }
    }

    #[test]
    fn what_is_no_place_is_refused_and_shows_no_password() {
        for text in [
            "",
            "watcher",
            "file://host/folder",
            "file:///",
            "s3:///prefix",
            "s3://bucket/a?b",
            "s3://bucket/a%20b",
            "https://bucket",
            "s3://key:hunter2@bucket/prefix",
        ] {
            let error = text.parse::<Place>().unwrap_err().to_string();
            assert!(error.contains("is no place for blobs") && !error.contains("hunter2"), "{error}");
        }
    }
}
