//! `watcher:log`: messages of guests, up to a number of bytes per call.

use crate::bindings::imports::watcher::log::log::{Host, Level};
use crate::call::{Call, TEXT_BYTES};
use watcher_domain::text;

/// What a message costs besides its text, so that a flood of empty ones ends too.
const MESSAGE_BYTES: usize = 32;

/// How much of the last error is kept for the reason of a crash.
const LAST_ERROR_BYTES: usize = 2048;

/// The log of one call.
#[derive(Debug)]
pub(crate) struct Log {
    plugin: String,
    limit: u64,
    left: u64,
    lost: u64,
    last_error: Option<String>,
}

/// A message as it is written.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    message: String,
    fields: String,
}

impl Log {
    pub(crate) fn new(plugin: String, limit: u64) -> Self {
        Self { plugin, limit, left: limit, lost: 0, last_error: None }
    }

    /// Takes what still fits; none once nothing does.
    fn take(&mut self, level: Level, message: &str, fields: &[(String, String)]) -> Option<Line> {
        if matches!(level, Level::Error) {
            self.last_error = Some(printable(cut(message, LAST_ERROR_BYTES)));
        }
        let mut text = String::new();
        for (key, value) in fields {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(key);
            text.push('=');
            text.push_str(value);
        }
        let size = message.len() + text.len();
        let whole = bytes(size + MESSAGE_BYTES);
        if whole <= self.left {
            self.left -= whole;
            return Some(Line { message: printable(message), fields: printable(&text) });
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).saturating_sub(MESSAGE_BYTES);
        self.left = 0;
        let (message, text) = (cut(message, room), cut(&text, room.saturating_sub(message.len())));
        self.lost += bytes(size - message.len() - text.len());
        (room > 0).then(|| Line { message: printable(message), fields: printable(text) })
    }

    /// Ends the log: notes how much was lost.
    pub(crate) fn close(&self) {
        if self.lost > 0 {
            let Self { plugin, limit, lost, .. } = self;
            tracing::warn!(
                plugin.name = %plugin,
                log.limit_bytes = limit,
                log.lost_bytes = lost,
                "plugin {plugin} wrote more than the log limit of {limit} bytes; {lost} bytes are lost"
            );
        }
    }

    /// A reason, with the last error that the guest logged: the text of a panic comes this way.
    pub(crate) fn with_last_error(&self, reason: &str) -> String {
        match &self.last_error {
            None => reason.to_owned(),
            Some(error) => format!("{reason}; last error: {error}"),
        }
    }
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The first characters of a text that take at most `max` bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// In one line, without what steers a terminal: a guest cannot begin a new line in the host's log, colour it, or turn it round.
pub(crate) fn printable(text: &str) -> String {
    text::one_line(text)
}

impl Host for Call {
    async fn write(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        let size: usize = fields.iter().map(|(key, value)| key.len() + value.len() + 2 * TEXT_BYTES).sum();
        self.enter(message.len() + size).await?;
        let Some(Line { message, fields }) = self.log.take(level, &message, &fields) else { return Ok(()) };
        let plugin = &self.log.plugin;
        macro_rules! write {
            ($level:ident) => {
                tracing::event!(target: "plugin", tracing::Level::$level, plugin.name = %plugin, fields, "{message}")
            };
        }
        match level {
            Level::Trace => write!(TRACE),
            Level::Debug => write!(DEBUG),
            Level::Info => write!(INFO),
            Level::Warn => write!(WARN),
            Level::Error => write!(ERROR),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_limit_is_cut_off_at_a_character_and_counted() {
        let mut log = Log::new("p".to_owned(), 100);
        assert_eq!(log.take(Level::Info, "hello", &[]).unwrap().message, "hello");
        assert_eq!(log.take(Level::Info, &"é".repeat(40), &[]).unwrap().message, "é".repeat(15), "31 bytes are left");
        assert_eq!(log.lost, 50);
        assert_eq!(log.take(Level::Error, "gone", &[]), None);
        assert_eq!(log.lost, 54);
        assert_eq!(log.with_last_error("crash"), "crash; last error: gone", "the reason of a crash is not lost");
    }

    #[test]
    fn a_message_cannot_forge_a_line_or_a_colour() {
        let mut log = Log::new("p".to_owned(), 1000);
        let fields = [("a".to_owned(), "b\nc".to_owned()), ("d".to_owned(), "e".to_owned())];
        let line = log.take(Level::Info, "one\ntwo \u{1b}[31mr\u{202e}ed", &fields).unwrap();
        assert_eq!(line, Line { message: "one two  [31mr ed".to_owned(), fields: "a=b c d=e".to_owned() });
    }
}
