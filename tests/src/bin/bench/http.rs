//! The least an HTTP client can be: requests that were made beforehand over connections that stay open, so that what is measured is the service.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Answers are a few hundred kilobytes at most.
const LARGEST_ANSWER: usize = 64 << 20;

/// A connection that stays open.
pub(crate) struct Connection {
    stream: TcpStream,
    /// What was read of the answer at hand.
    buffer: Vec<u8>,
}

/// Head and body of an answer, within the connection's buffer.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    head: &'a str,
    body: &'a [u8],
}

impl Answer<'_> {
    /// The body as JSON; an answer that is not 2xx is an error.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        ensure!((200..300).contains(&self.status), "{}: {}", self.status, String::from_utf8_lossy(self.body));
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(self.body).context("an answer that is not JSON")
    }

    /// A header by its name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

impl Connection {
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(1 << 16) })
    }

    /// Sends a request of [`request`] and reads its answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.send_parts(&[request]).await
    }

    /// Sends a request that stands in several places and reads its answer.
    pub(crate) async fn send_parts(&mut self, parts: &[&[u8]]) -> anyhow::Result<Answer<'_>> {
        for part in parts {
            self.stream.write_all(part).await?;
        }
        self.buffer.clear();
        let (head, length) = loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the connection was closed");
            ensure!(self.buffer.len() < LARGEST_ANSWER, "an answer without an end");
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.buffer[..end])?;
                let length = match header(head, "content-length") {
                    Some(length) => length.parse()?,
                    None => 0,
                };
                break (end, length);
            }
        };
        let body = head + 4;
        ensure!(length < LARGEST_ANSWER, "an answer of {length} bytes");
        while self.buffer.len() < body + length {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the connection was closed");
        }
        let head = std::str::from_utf8(&self.buffer[..head])?;
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer without status")?;
        Ok(Answer { status, head, body: &self.buffer[body..body + length] })
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A request as it is sent.
pub(crate) fn request(method: &str, host: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let token = token.map(|token| format!("X-Auth-Token: {token}\r\n")).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{token}OpenStack-API-Version: infra-optim 1.5\r\n\
         Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
