//! Bodies of several parts (`multipart/form-data`, RFC 7578), taken apart after they have arrived within their bounds.

use axum::body::Bytes;
use memchr::memmem;

use crate::error::Invalid;

/// Most parts of a body.
const MOST_PARTS: usize = 8;
/// Most bytes of the headers of a part.
const LARGEST_HEAD: usize = 4 << 10;
/// Longest boundary; RFC 2046 allows 70 characters, and not every client keeps to it.
const LONGEST_BOUNDARY: usize = 128;

/// A part: its name and its bytes.
pub(crate) type Part = (String, Bytes);

/// The boundary that a content type names; none if it names none that may be one.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let value = value.trim().trim_matches('"');
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (!value.is_empty() && value.len() <= LONGEST_BOUNDARY && value.bytes().all(is_allowed)).then_some(value)
}

/// Takes a body apart.
pub(crate) fn parse(body: &Bytes, boundary: &str) -> Result<Vec<Part>, Invalid> {
    let bad = |what: &str| Invalid::Multipart(what.to_owned());
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    // What stands before the first boundary is not part of the body; the first one may stand at its very start.
    let mut at = match body.strip_prefix(&delimiter.as_bytes()[2..]) {
        Some(_) => delimiter.len() - 2,
        None => finder.find(body).map(|start| start + delimiter.len()).ok_or_else(|| bad("has no boundary"))?,
    };
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        if parts.len() == MOST_PARTS {
            return Err(Invalid::Multipart(format!("has more than {MOST_PARTS} parts")));
        }
        let line = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(rest.len());
        let rest = rest.get(line..).and_then(|rest| rest.strip_prefix(b"\r\n")).ok_or_else(|| bad("is cut off"))?;
        let head_limit = rest.len().min(LARGEST_HEAD);
        let head_end =
            memmem::find(&rest[..head_limit], b"\r\n\r\n").ok_or_else(|| bad("has a part without a head"))?;
        let name = part_name(&rest[..head_end]).ok_or_else(|| bad("has a part without a name"))?;
        let content_start = body.len() - rest.len() + head_end + 4;
        // An empty part's content ends where its head does.
        let search = content_start - 2;
        let length = finder.find(&body[search..]).ok_or_else(|| bad("is cut off"))?;
        let content_end = (search + length).max(content_start);
        parts.push((name, body.slice(content_start..content_end)));
        at = search + length + delimiter.len();
    }
}

/// The name in the `Content-Disposition` of a part's head.
fn part_name(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, value) = lines.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))?;
    let mut parameters = value.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, name) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("name"))?;
    Some(name.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(body: &str) -> Result<Vec<(String, String)>, Invalid> {
        let parts = parse(&Bytes::from(body.to_owned()), "x")?;
        Ok(parts.into_iter().map(|(name, part)| (name, String::from_utf8(part.to_vec()).unwrap())).collect())
    }

    #[test]
    fn parts_are_taken_apart() {
        let body = "ignored\r\n--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\none\r\ntwo\r\n\
                    --x  \r\ncontent-disposition: form-data; name=b\r\nContent-Type: text/plain\r\n\r\n\r\n--x--\r\nignored";
        let wanted = [("a".to_owned(), "one\r\ntwo".to_owned()), ("b".to_owned(), String::new())];
        assert_eq!(parsed(body).unwrap(), wanted);
        assert_eq!(parsed(body.strip_prefix("ignored\r\n").unwrap()).unwrap(), wanted);
        assert_eq!(parsed("--x--").unwrap(), []);
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let head = "Content-Disposition: form-data; name=a\r\n\r\n";
        for body in [
            String::new(),
            "--y--".to_owned(),
            "--x".to_owned(),
            "--x\r\n".to_owned(),
            format!("--x\r\n{head}one"),
            "--x\r\nContent-Type: a\r\n\r\n\r\n--x--".to_owned(),
            format!("--x\r\nX: {}\r\n{head}\r\n--x--", "a".repeat(LARGEST_HEAD)),
            format!("--x\r\n{head}\r\n").repeat(MOST_PARTS + 1) + "--x--",
        ] {
            assert!(parsed(&body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_boundary_is_what_the_content_type_says() {
        assert_eq!(boundary("multipart/form-data; Boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("multipart/form-data; charset=utf-8;boundary=--x"), Some("--x"));
        let long = format!("multipart/form-data; boundary={}", "x".repeat(LONGEST_BOUNDARY + 1));
        for bad in
            ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=a\r\nb", &long]
        {
            assert_eq!(boundary(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_content_comes_back_and_nothing_panics(contents in prop::collection::vec(any::<Vec<u8>>(), 0..8), cut in any::<u16>()) {
            let mut body = Vec::new();
            for (place, content) in contents.iter().enumerate() {
                body.extend(format!("--xyzzy\r\nContent-Disposition: form-data; name={place}\r\n\r\n").into_bytes());
                body.extend(content);
                body.extend(b"\r\n");
            }
            body.extend(b"--xyzzy--");
            let parts = parse(&Bytes::from(body.clone()), "xyzzy").unwrap();
            let found: Vec<Vec<u8>> = parts.into_iter().map(|(_, part)| part.to_vec()).collect();
            prop_assert_eq!(found, contents);
            body.truncate(usize::from(cut) % body.len());
            let _ = parse(&Bytes::from(body), "xyzzy");
        }
    }
}
