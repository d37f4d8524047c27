//! Components on their way to the service and back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use sha2::Digest as _;
use watcher_domain::Digest;
use watcher_domain::cloud::Method;
use watcher_openstack::File;

use super::connection::{Connection, parse};
use super::find::Named;
use crate::library::read_component;
use crate::show::print;

/// Uploads a component, with a bar that shows how far it is.
pub(super) async fn push(
    service: &Connection,
    file: &Path,
    notes: Option<String>,
    signature: Option<&Path>,
) -> anyhow::Result<Value> {
    let component = read_component(file)?;
    let signature = match signature {
        None => None,
        Some(path) => Some(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?),
    };
    let texts = [("notes", notes.as_deref()), ("signature", signature.as_deref())];
    let (content_type, bytes) = if texts.iter().all(|(_, text)| text.is_none()) {
        ("application/wasm".to_owned(), component.to_vec())
    } else {
        form(&component, &texts)
    };
    let bar = bar(bytes.len() as u64, &file.display().to_string());
    let shown = bar.clone();
    let progress = Arc::new(move |sent| {
        shown.set_position(sent);
        if shown.length() == Some(sent) {
            shown.set_message("the service checks it …");
        }
    });
    let body = File { content_type, bytes: bytes.into(), progress: Some(progress) };
    let answer = service.bytes(Method::Post, "/v1/plugins", &[], None, Some(body)).await;
    bar.finish_and_clear();
    parse(&answer?)
}

/// A form with the component and texts. The boundary is one that the component does not have inside.
fn form(component: &[u8], texts: &[(&str, Option<&str>)]) -> (String, Vec<u8>) {
    let digest = Digest(sha2::Sha256::digest(component).into()).to_string().replace(':', "");
    // Nobody can make a component that has its own digest inside.
    let boundary = format!("watcher-{digest}");
    let mut body = Vec::with_capacity(component.len() + 4096);
    for (name, text) in texts.iter().filter_map(|(name, text)| Some((name, (*text)?))) {
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
        body.extend_from_slice(head.as_bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"component\"; filename=\"component.wasm\"\r\n\
         Content-Type: application/wasm\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(component);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

fn bar(bytes: u64, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix}  {wide_bar}  {bytes}/{total_bytes}  {msg}");
    let bar = ProgressBar::new(bytes).with_prefix(what.to_owned());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Downloads a version, checks that it is the one that it should be, and writes it.
pub(super) async fn download(
    service: &Connection,
    plugin: &Named,
    version: Option<&str>,
    output: Option<PathBuf>,
) -> anyhow::Result<()> {
    let version = match version {
        Some(version) => version,
        None => plugin.running()?,
    };
    let path = plugin.path(&format!("/versions/{version}"));
    let record = service.get(&path, &[]).await?;
    let digest: Digest = record["digest"].as_str().unwrap_or_default().parse()?;
    let bytes = service.bytes(Method::Get, &format!("{path}/file"), &[], None, None).await?;
    let is = Digest(sha2::Sha256::digest(&bytes).into());
    ensure!(is == digest, "what came is {is}, and not {digest}: nothing was written");
    let output = output.unwrap_or_else(|| PathBuf::from(&plugin.name).with_extension("wasm"));
    std::fs::write(&output, &bytes).with_context(|| format!("cannot write {}", output.display()))?;
    print(&format!("{}  {} bytes  {digest}", output.display(), bytes.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_its_texts_and_the_component() {
        let (content_type, body) = form(b"\0asm", &[("notes", Some("new")), ("signature", None)]);
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert!(boundary.len() <= 80, "{boundary}");
        let body = String::from_utf8(body).unwrap();
        let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
        assert_eq!((parts.len(), parts[3]), (4, "--\r\n"));
        assert_eq!(parts[1], "\r\nContent-Disposition: form-data; name=\"notes\"\r\n\r\nnew\r\n");
        assert!(parts[2].ends_with("\r\nContent-Type: application/wasm\r\n\r\n\0asm\r\n"), "{}", parts[2]);
    }
}
